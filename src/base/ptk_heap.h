/* SPDX-License-Identifier: MIT */
/*
 * A 4-ary min-heap of deadlines with back indices (layer 0). One thread.
 *
 * Keys are stored in the heap's own array, so that comparing reads no timer; each item holds its index, so
 * that removing it is one sift. Equal deadlines leave in the order of insertion. Room is reserved beforehand
 * (ptk_heap_reserve), so inserting cannot fail: count <= reserved <= capacity always holds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PTK_HEAP_NONE UINT32_MAX

/* The member that an object embeds to be in a heap. `index` is PTK_HEAP_NONE while it is in none. */
typedef struct ptk_heap_item {
    uint32_t index;
} ptk_heap_item_t;

typedef struct ptk_heap_entry {
    uint64_t deadline_ns;
    uint64_t order; /* number of the insertion: breaks ties */
    ptk_heap_item_t *item;
} ptk_heap_entry_t;

typedef struct ptk_heap {
    ptk_heap_entry_t *entries;
    uint32_t count;
    uint32_t capacity;
    uint32_t reserved; /* items that may be inserted without allocating, those inside included */
    uint64_t next_order;
} ptk_heap_t;

/* Makes an empty heap. Allocates nothing. */
void ptk_heap_init(ptk_heap_t *heap);

/* Frees the array. The heap is empty and has no reservation. */
void ptk_heap_fini(ptk_heap_t *heap);

/* Reserves room for one more item. Returns false if there is no memory. */
bool ptk_heap_reserve(ptk_heap_t *heap);

/* Returns one reservation, which no item inside the heap uses. The array keeps its size. */
void ptk_heap_unreserve(ptk_heap_t *heap);

/* Frees what of the array no reservation needs. */
void ptk_heap_trim(ptk_heap_t *heap);

/* Inserts `item`, which is in no heap. The caller holds an unused reservation (count < reserved). */
void ptk_heap_insert(ptk_heap_t *heap, ptk_heap_item_t *item, uint64_t deadline_ns);

/* Removes an item that is in the heap. Its reservation remains. */
void ptk_heap_remove(ptk_heap_t *heap, ptk_heap_item_t *item);

/* Returns the earliest item, NULL if the heap is empty. */
static inline ptk_heap_item_t *ptk_heap_first(const ptk_heap_t *heap) {
    return heap->count ? heap->entries[0].item : NULL;
}

/* Returns the deadline of the earliest item, UINT64_MAX if the heap is empty. */
static inline uint64_t ptk_heap_first_deadline(const ptk_heap_t *heap) {
    return heap->count ? heap->entries[0].deadline_ns : UINT64_MAX;
}
