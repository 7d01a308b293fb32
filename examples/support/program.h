/* SPDX-License-Identifier: MIT */
/**
 * @file program.h
 * What the example programs have around their protocols: arguments, a loop, a listener, an end on a signal.
 *
 * A mistake on the command line is a sentence on standard error and exit status 2; the functions that read
 * arguments do not return then.
 */
#pragma once

#include <ptk.h>

/** Say what is wrong with the command line, and leave with status 2. */
_Noreturn void program_bad_usage(const char *format, ...) PTK_PRINTF(1, 2);

/** `text`, the value of `what`, as a number from `least` to `most`, in decimal or after 0x. */
uint32_t program_number(const char *what, const char *text, uint32_t least, uint32_t most);

/** `text`, the value of `what`, as HOST:PORT. */
ptk_addr_t program_address(const char *what, const char *text);

/** A number of milliseconds; 0 means no limit. */
uint32_t program_timeout_ms(const char *what, const char *text);

/** This thread's event loop on the named platform, NULL for the best. If there is none, say why and leave. */
ptk_event_loop_platform_t *program_loop(const char *platform);

/** Listen, and print `listening on HOST:PORT` with the true port. NULL on failure: it has been said. */
ptk_sock_t *program_listen(ptk_event_loop_platform_t *loop, const ptk_addr_t *address);

/** From now on SIGINT and SIGTERM stop the loop. */
ptk_err program_stop_on_signals(ptk_event_loop_platform_t *loop);

/* Destroys a loop of program_loop(); exits with a message if that fails. */
void program_loop_end(ptk_event_loop_platform_t *loop);

/**
 * Run the loop with `fn(arg)` as the green thread "main" until all green threads have ended, and destroy it.
 * The exit status of the program: success if `fn` answered PTK_OK, or was cancelled because a signal stopped
 * the loop.
 */
int program_run(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg);

/** Raise the limit of open descriptors as far as this process may, and say what it is now. */
uint32_t program_raise_descriptor_limit(void);
