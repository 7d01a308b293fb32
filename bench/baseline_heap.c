/* SPDX-License-Identifier: MIT */
#include "baseline_heap.h"

#include <stdlib.h>

bool baseline_heap_init(baseline_heap_t *heap, size_t capacity) {
    size_t bytes = (BASELINE_HEAP_ROOT + capacity + 4) * sizeof(baseline_heap_entry_t);
    heap->entries = aligned_alloc(64, (bytes + 63) / 64 * 64);
    heap->end = BASELINE_HEAP_ROOT;
    return heap->entries != NULL;
}

void baseline_heap_fini(baseline_heap_t *heap) {
    free(heap->entries);
    heap->entries = NULL;
}
