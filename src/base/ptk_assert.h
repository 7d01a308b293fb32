/* SPDX-License-Identifier: MIT */
/*
 * Assertions on ptk's own invariants, on in release builds too (layer 0). User input never reaches one.
 * ptk_assert_debug is for checks that cost more than a compare on a hot path.
 */
#pragma once

/* Reports the broken invariant on the report sink and aborts. */
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
#define ptk_container_of(pointer, type, member)                                                              \
    ((type *) (void *) ((char *) (pointer) - offsetof(type, member)))
