/* SPDX-License-Identifier: MIT */
/*
 * The heap of a simulated host: a record of its blocks, and a limit in bytes.
 *
 * The memory is the process's own. A block counts as what a usual heap takes for it: its size rounded up to
 * one of four sizes per power of two (a multiple of 16 up to 128, then 160, 192, 224, 256, 320 and so on), so
 * that a few bytes more in a structure of another build make no difference.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ptk_sim_heap {
    struct ptk_sim_heap_block *blocks; /* live blocks: a hash table */
    size_t capacity;                   /* of the table; 0 or a power of two */
    size_t count;                      /* live blocks */
    uint64_t bytes;                    /* what they count as */
    uint64_t limit_bytes;              /* 0: unlimited */
} ptk_sim_heap_t;

/* Forgets all blocks without freeing them. The limit stays. */
void ptk_sim_heap_fini(ptk_sim_heap_t *heap);

/* Returns what a block of `bytes` counts as. */
uint64_t ptk_sim_heap_charge(size_t bytes);

/* Returns whether `bytes`, instead of the block `memory` or (NULL) in addition to all, would be within the
   limit. */
bool ptk_sim_heap_fits(const ptk_sim_heap_t *heap, const void *memory, size_t bytes);

/* As realloc(3) and free(3), without checking the limit. A block that another host's program allocated is
   not recorded here and is freed all the same. */
void *ptk_sim_heap_reallocate(ptk_sim_heap_t *heap, void *memory, size_t bytes);
void ptk_sim_heap_free(ptk_sim_heap_t *heap, void *memory);
