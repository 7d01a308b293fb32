/* SPDX-License-Identifier: MIT */
/*
 * Walking a stack by its frame pointers (layer 1), never outside the stack's bounds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Writes the program counters of a suspended context's open calls to `frames`, innermost first, and returns
 * their number. `pc` and `frame` come from ptk_context_position; the stack is [low, high). Returns 0 if `pc`
 * is NULL. */
size_t ptk_backtrace_walk(const void *pc, const void *frame, const void *low, const void *high,
                          const void **frames, size_t capacity);

/* Does the same for the caller's own stack. `low` and `high` are NULL for a thread's own stack, whose bounds
 * are not known: then only steps of a plausible size are followed. */
size_t ptk_backtrace_here(const void *low, const void *high, const void **frames, size_t capacity);

/* Does the same for the code that a signal handler has interrupted: `interrupted` is the handler's third
 * argument. Where its frame pointer is not in [low, high), the bounds count as unknown. Async-signal-safe.
 * Returns 0 on CPUs whose registers are not known here. */
size_t ptk_backtrace_interrupted(const void *interrupted, const void *low, const void *high,
                                 const void **frames, size_t capacity);

/* Describes a code address: "name+0x12 (module+0x345)", as far as it is known. The last number is what
 * `addr2line -e module` and llvm-symbolizer take. */
void ptk_backtrace_describe(const void *address, bool is_return_address, char *text_out, size_t bytes);

/* Writes one line per frame to the report sink: "    #0 " and the description. The first frame is an
 * instruction, the others are return addresses. */
void ptk_backtrace_report(const void *const *frames, size_t count);
