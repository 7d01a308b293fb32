/* SPDX-License-Identifier: MIT */
/*
 * Stacks for bare contexts: one mapping, divided into slots of 64 KiB, neither touched nor guarded. The tops
 * are coloured: each stack starts up to 15 x 64 bytes lower, depending on its index, so that the tops do not
 * compete for a few cache sets.
 */
#pragma once

#include <stddef.h>

#define BASELINE_SLOT_BYTES ((size_t) 65536)

typedef struct baseline_stacks {
    char *base; /* NULL: no memory */
    size_t count;
} baseline_stacks_t;

baseline_stacks_t baseline_stacks_map(size_t count);
void baseline_stacks_unmap(baseline_stacks_t *stacks);

static inline void *baseline_stacks_high(const baseline_stacks_t *stacks, size_t index) {
    return stacks->base + (index + 1) * BASELINE_SLOT_BYTES - (index % 16) * 64;
}
