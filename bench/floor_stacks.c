/* SPDX-License-Identifier: MIT */
#include "floor_stacks.h"

#include <sys/mman.h>

floor_stacks_t floor_stacks_map(size_t count) {
    floor_stacks_t stacks = {NULL, count};
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    void *base = mmap(NULL, count * FLOOR_SLOT_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (base != MAP_FAILED) {
        (void) madvise(base, count * FLOOR_SLOT_BYTES, MADV_NOHUGEPAGE);
        stacks.base = base;
    }
    return stacks;
}

void floor_stacks_unmap(floor_stacks_t *stacks) {
    if (stacks->base) {
        (void) munmap(stacks->base, stacks->count * FLOOR_SLOT_BYTES);
        stacks->base = NULL;
    }
}
