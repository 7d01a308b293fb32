/* SPDX-License-Identifier: MIT */
/*
 * ptk's own use of the allocator hook (layer 0). Any thread. NULL means that there is no memory; the caller
 * reports it as NO_RESOURCES. Every block is freed with ptk_free.
 */
#pragma once

#include <ptk_alloc.h>

/* Returns `bytes` uninitialised bytes; `bytes` is not 0. */
void *ptk_allocate(size_t bytes);

/* Returns `bytes` zero bytes; `bytes` is not 0. */
void *ptk_allocate_zeroed(size_t bytes);

/* Returns `memory` (NULL: a new block) with room for `bytes`, which is not 0; the block may move. On failure
 * `memory` is unchanged and still the caller's. */
void *ptk_reallocate(void *memory, size_t bytes);

/* Frees a block. NULL does nothing. */
void ptk_free(void *memory);

/* Returns the number of live blocks of the process, for leak checks. */
size_t ptk_allocations_live(void);
