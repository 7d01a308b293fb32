/* SPDX-License-Identifier: MIT */
/*
 * A 4-ary min-heap of deadlines with back indices (layer 0).
 *
 * Keys stand in the heap's own array, so that comparing touches no timer; each timer knows its index, so that
 * cancelling is one sift. Equal deadlines leave in the order in which they came in: `order` breaks ties. Room
 * is reserved beforehand (ptk_heap_reserve), so inserting cannot fail.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PTK_HEAP_NONE UINT32_MAX

/* What a heap holds; embed it. `index` is PTK_HEAP_NONE while it is in no heap. */
typedef struct ptk_heap_item {
    uint32_t index;
} ptk_heap_item_t;

typedef struct ptk_heap_entry {
    uint64_t deadline_ns;
    uint64_t order;
    ptk_heap_item_t *item;
} ptk_heap_entry_t;

typedef struct ptk_heap {
    ptk_heap_entry_t *entries;
    uint32_t count;
    uint32_t capacity;
    uint32_t reserved; /* room promised to items that may come; never more than capacity */
    uint64_t next_order;
} ptk_heap_t;

void ptk_heap_init(ptk_heap_t *heap);

/* Free the array. The heap must be empty and nothing reserved. */
void ptk_heap_fini(ptk_heap_t *heap);

/* Promise room for one more item, or answer false: out of memory. */
bool ptk_heap_reserve(ptk_heap_t *heap);

/* Give a promise back. */
void ptk_heap_unreserve(ptk_heap_t *heap);

/* Insert; count < reserved must hold. */
void ptk_heap_insert(ptk_heap_t *heap, ptk_heap_item_t *item, uint64_t deadline_ns);

/* Remove an item that is in the heap. */
void ptk_heap_remove(ptk_heap_t *heap, ptk_heap_item_t *item);

/* The earliest item, NULL if empty, and its deadline. */
static inline ptk_heap_item_t *ptk_heap_first(const ptk_heap_t *heap) {
    return heap->count ? heap->entries[0].item : NULL;
}

static inline uint64_t ptk_heap_first_deadline(const ptk_heap_t *heap) {
    return heap->count ? heap->entries[0].deadline_ns : UINT64_MAX;
}
