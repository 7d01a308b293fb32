/* SPDX-License-Identifier: MIT */
/*
 * The heap of a simulated host (layer 0): what lives on it, and a limit in bytes.
 *
 * The memory is the process's own; this keeps the books. A block counts as what a usual heap takes for it:
 * its size rounded up to one of four sizes per power of two (a multiple of 16 up to 128, then 160, 192, 224,
 * 256, 320 and so on), so that a few bytes more in some structure of another build make no difference.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ptk_sim_heap {
    struct ptk_sim_heap_block *blocks; /* those that live: a hash table */
    size_t capacity;              /* of it; 0 or a power of two */
    size_t count;                 /* of blocks that live */
    uint64_t bytes;               /* that they count as */
    uint64_t limit_bytes;         /* 0: none */
} ptk_sim_heap_t;

/* Forget what lives; the blocks stay. The limit stays, too. */
void ptk_sim_heap_fini(ptk_sim_heap_t *heap);

/* What a block of so many bytes counts as. */
uint64_t ptk_sim_heap_charge(size_t bytes);

/* Would so many bytes, instead of the block `memory` or (NULL) beside everything, be within the limit? */
bool ptk_sim_heap_fits(const ptk_sim_heap_t *heap, const void *memory, size_t bytes);

/* As realloc(3) and free(3), whatever the limit says. A block that is not known here, because another host's
   program allocated it, is released all the same. */
void *ptk_sim_heap_reallocate(ptk_sim_heap_t *heap, void *memory, size_t bytes);
void ptk_sim_heap_free(ptk_sim_heap_t *heap, void *memory);
