/* SPDX-License-Identifier: MIT */
/**
 * @file program.h
 * What the example programs have around their protocols: arguments, a loop, a listener, an end on a signal.
 *
 * After a mistake on the command line the functions that read arguments print a sentence to standard error
 * and exit with status 2.
 */
#pragma once

#include <ptk.h>

/** Prints what is wrong with the command line, and exits with status 2. */
_Noreturn void program_bad_usage(const char *format, ...) PTK_PRINTF(1, 2);

/** Returns `text`, the value of `what`, as a number from `least` to `most`, in decimal or after 0x. */
uint32_t program_number(const char *what, const char *text, uint32_t least, uint32_t most);

/** Returns `text`, the value of `what`, as the address HOST:PORT. */
ptk_addr_t program_address(const char *what, const char *text);

/** Returns a number of milliseconds; 0 means no limit. */
uint32_t program_timeout_ms(const char *what, const char *text);

/** Creates this thread's event loop on the named platform, NULL for the best, with a watchdog. Prints the
 * reason and exits if that fails. */
ptk_event_loop_platform_t *program_loop(const char *platform);

/** Listens, with keepalive for all connections, and prints `listening on HOST:PORT` with the true port. NULL:
 * that failed, and the reason has been printed. */
ptk_sock_t *program_listen(ptk_event_loop_platform_t *loop, const ptk_addr_t *address);

/** Makes SIGINT and SIGTERM stop the loop. */
ptk_err program_stop_on_signals(ptk_event_loop_platform_t *loop);

/** Prints how a connection ended, unless that was ordinary: the peer ended the stream, or the loop was
 * stopped. */
void program_report_end(const char *what, ptk_err err);

/** Destroys a loop of program_loop(); exits with a message if that fails. */
void program_loop_end(ptk_event_loop_platform_t *loop);

/**
 * Runs the loop with `fn(arg)` as the green thread "main" until all green threads have ended, and destroys
 * it. Returns the exit status of the program: success if `fn` returned PTK_OK, or was cancelled because a
 * signal stopped the loop.
 */
int program_run(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg);

/** Raises the limit of open descriptors as far as this process may, and returns it. */
uint32_t program_raise_descriptor_limit(void);
