/* SPDX-License-Identifier: MIT */
/*
 * Assertions on ptk's own invariants (layer 0).
 *
 * They are on in release builds too, state what holds before and after a transition, and are never reachable
 * by the arguments of a user: a wrong argument is a ptk_err. ptk_assert_debug is for checks that cost more
 * than a compare on a hot path; it is compiled into checked builds alone.
 */
#pragma once

/* Writes the broken invariant to the report sink and aborts the process. Any thread. */
_Noreturn void ptk_assert_failed(const char *file, int line, const char *condition);

#define ptk_assert(condition)                                                                                \
    (__builtin_expect(!!(condition), 1) ? (void) 0 : ptk_assert_failed(__FILE__, __LINE__, #condition))

#ifdef PTK_CHECKED
#define ptk_assert_debug(condition) ptk_assert(condition)
#else
#define ptk_assert_debug(condition) ((void) 0)
#endif

#define ptk_likely(condition)   __builtin_expect(!!(condition), 1)
#define ptk_unlikely(condition) __builtin_expect(!!(condition), 0)

/* The object of `type` whose `member` is at `pointer`. */
#define ptk_container_of(pointer, type, member)                                                              \
    ((type *) (void *) ((char *) (pointer) - offsetof(type, member)))
