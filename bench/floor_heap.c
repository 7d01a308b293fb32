/* SPDX-License-Identifier: MIT */
#include "floor_heap.h"

#include <stdlib.h>

bool floor_heap_init(floor_heap_t *heap, size_t capacity) {
    size_t bytes = (FLOOR_HEAP_ROOT + capacity + 4) * sizeof(floor_heap_entry_t);
    heap->entries = aligned_alloc(64, (bytes + 63) / 64 * 64);
    heap->end = FLOOR_HEAP_ROOT;
    return heap->entries != NULL;
}

void floor_heap_fini(floor_heap_t *heap) {
    free(heap->entries);
    heap->entries = NULL;
}
