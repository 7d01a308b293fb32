/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_alloc.h
 * The allocator hook: where every byte of ptk's own bookkeeping comes from (stacks are mapped, not
 * allocated, and so is what is kept about each of them).
 */
#pragma once

#include <ptk_api.h>
#include <ptk_err.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An allocator: both functions may be called from any thread. */
typedef struct ptk_allocator {
    /** Like realloc(3): NULL with a size allocates, NULL as the answer means out of memory. Never called with
     * size 0. */
    void *(*reallocate)(void *context, void *memory, size_t size);
    /** Like free(3); never called with NULL. */
    void (*release)(void *context, void *memory);
    /** Passed to both, unchanged. */
    void *context;
} ptk_allocator_t;

/**
 * Replace the process-wide allocator; NULL goes back to libc's. The struct is copied. Call it before anything
 * of ptk was allocated (PTK_ERR_BUSY otherwise). Never parks; any one thread.
 */
PTK_API ptk_err ptk_alloc_set(const ptk_allocator_t *allocator);

#ifdef __cplusplus
}
#endif
