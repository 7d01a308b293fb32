/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_alloc.h
 * The allocator hook: the source of all memory of ptk's own bookkeeping. Stacks, and the records that belong
 * to them, are mapped and not allocated.
 */
#pragma once

#include <ptk_api.h>
#include <ptk_err.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An allocator. Both functions may be called from any thread. */
typedef struct ptk_allocator {
    /** Allocates or resizes, like realloc(3): NULL with a size allocates; the result NULL means out of
     * memory. It is never called with size 0. */
    void *(*reallocate)(void *context, void *memory, size_t size);
    /** Frees, like free(3). It is never called with NULL. */
    void (*release)(void *context, void *memory);
    /** Passed to both, unchanged. */
    void *context;
} ptk_allocator_t;

/**
 * Replaces the process-wide allocator.
 *
 * @param allocator  the new allocator; NULL restores libc's
 * @return PTK_OK, or
 *         PTK_ERR_BUSY: ptk has allocated memory already; call this first;
 *         PTK_ERR_INVALID_PARAM: a function of `allocator` is NULL.
 *
 * Parks: no. \n
 * Thread: any one thread, before others use ptk. \n
 * Ownership: the struct is copied; its context must outlive all use of ptk.
 */
PTK_API PTK_NODISCARD ptk_err ptk_alloc_set(const ptk_allocator_t *allocator);

#ifdef __cplusplus
}
#endif
