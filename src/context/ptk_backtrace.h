/* SPDX-License-Identifier: MIT */
/* Walking a suspended stack by its frame pointers (layer 1), never outside the stack's bounds. */
#pragma once

#include <stddef.h>

/* Fills `frames` with the program counters of the calls that are open, innermost first; answers how many. */
size_t ptk_backtrace_walk(const void *pc, const void *frame, const void *low, const void *high,
                          const void **frames, size_t capacity);

/* The caller's own stack; `low` and `high` may be NULL for a thread's own stack: then only plausible steps
   are taken. */
size_t ptk_backtrace_here(const void *low, const void *high, const void **frames, size_t capacity);

/* One line per frame on the report sink: "    #0 name+0x12 (module)". */
void ptk_backtrace_report(const void *const *frames, size_t count);
