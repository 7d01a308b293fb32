/* SPDX-License-Identifier: MIT */
#include "baseline_stacks.h"

#include <sys/mman.h>

baseline_stacks_t baseline_stacks_map(size_t count) {
    baseline_stacks_t stacks = {NULL, count};
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    void *base = mmap(NULL, count * BASELINE_SLOT_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (base != MAP_FAILED) {
        (void) madvise(base, count * BASELINE_SLOT_BYTES, MADV_NOHUGEPAGE);
        stacks.base = base;
    }
    return stacks;
}

void baseline_stacks_unmap(baseline_stacks_t *stacks) {
    if (stacks->base) {
        (void) munmap(stacks->base, stacks->count * BASELINE_SLOT_BYTES);
        stacks->base = NULL;
    }
}
