/* SPDX-License-Identifier: MIT */
/*
 * Stacks for bare contexts: one mapping, cut into slots of 64 KiB, nothing touched and nothing guarded. Tops
 * are coloured: each starts up to 15 x 64 bytes lower, by index, so that the tops do not share a few cache
 * sets.
 */
#pragma once

#include <stddef.h>

#define FLOOR_SLOT_BYTES ((size_t) 65536)

typedef struct floor_stacks {
    char *base; /* NULL: no memory */
    size_t count;
} floor_stacks_t;

floor_stacks_t floor_stacks_map(size_t count);
void floor_stacks_unmap(floor_stacks_t *stacks);

static inline void *floor_stacks_high(const floor_stacks_t *stacks, size_t index) {
    return stacks->base + (index + 1) * FLOOR_SLOT_BYTES - (index % 16) * 64;
}
