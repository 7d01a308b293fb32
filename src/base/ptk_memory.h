/* SPDX-License-Identifier: MIT */
/* ptk's own use of the allocator hook (layer 0): any thread; NULL means out of memory. */
#pragma once

#include <ptk_alloc.h>

/* Uninitialised, zeroed, resized. `bytes` is never 0. */
void *ptk_allocate(size_t bytes);
void *ptk_allocate_zeroed(size_t bytes);
void *ptk_reallocate(void *memory, size_t bytes);

/* Give it back; NULL is fine. */
void ptk_free(void *memory);

/* How many allocations are live, for leak checks. */
size_t ptk_allocations_live(void);
