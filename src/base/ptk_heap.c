/* SPDX-License-Identifier: MIT */
/*
 * The 4-ary heap of deadlines. The children of index i are 4i + 1 to 4i + 4.
 *
 * Nothing is swapped. An entry that moves leaves a hole; entries are shifted into the hole, one write each,
 * until the hole stands where the moving entry belongs, and it is written once. A timer that outlives all
 * others, the usual case of a timeout, is one write on arming and one compare on cancelling.
 *
 * `order` grows with every insert and never repeats, so no two entries are equal and ties leave first in,
 * first out.
 */
#include "base/ptk_heap.h"

#include "base/ptk_assert.h"
#include "base/ptk_memory.h"

#define ARITY          4u
#define CAPACITY_FIRST 64u
#define CAPACITY_MAX   (UINT32_MAX / 2)

static inline bool is_before(const ptk_heap_entry_t *left, const ptk_heap_entry_t *right) {
    if (left->deadline_ns != right->deadline_ns) {
        return left->deadline_ns < right->deadline_ns;
    }
    return left->order < right->order;
}

static inline void put(ptk_heap_entry_t *entries, uint32_t index, ptk_heap_entry_t entry) {
    entries[index] = entry;
    entry.item->index = index;
}

/* The hole at `hole` rises while its parent comes after `entry`. */
static inline void rise(ptk_heap_t *heap, uint32_t hole, ptk_heap_entry_t entry) {
    ptk_heap_entry_t *entries = heap->entries;
    while (hole > 0) {
        uint32_t parent = (hole - 1) / ARITY;
        if (!is_before(&entry, &entries[parent])) {
            break;
        }
        put(entries, hole, entries[parent]);
        hole = parent;
    }
    put(entries, hole, entry);
}

/* The first in time of [child, end). */
static uint32_t earliest(const ptk_heap_entry_t *entries, uint32_t child, uint32_t end) {
    uint32_t best = child;
    for (uint32_t other = child + 1; other < end; other++) {
        if (is_before(&entries[other], &entries[best])) {
            best = other;
        }
    }
    return best;
}

/* The hole at `hole` sinks while one of its children comes before `entry`. */
static void sink(ptk_heap_t *heap, uint32_t hole, ptk_heap_entry_t entry) {
    ptk_heap_entry_t *entries = heap->entries;
    uint64_t child = (uint64_t) hole * ARITY + 1;
    while (child < heap->count) {
        uint32_t end = child + ARITY < heap->count ? (uint32_t) child + ARITY : heap->count;
        uint32_t best = earliest(entries, (uint32_t) child, end);
        if (!is_before(&entries[best], &entry)) {
            break;
        }
        put(entries, hole, entries[best]);
        hole = best;
        child = (uint64_t) hole * ARITY + 1;
    }
    put(entries, hole, entry);
}

void ptk_heap_init(ptk_heap_t *heap) {
    *heap = (ptk_heap_t) {.entries = NULL};
}

void ptk_heap_fini(ptk_heap_t *heap) {
    ptk_assert(heap->count == 0 && heap->reserved == 0);
    ptk_free(heap->entries);
    ptk_heap_init(heap);
}

static bool grow(ptk_heap_t *heap) {
    uint32_t capacity = heap->capacity ? heap->capacity * 2 : CAPACITY_FIRST;
    size_t bytes = (size_t) capacity * sizeof *heap->entries;
    if (heap->capacity > CAPACITY_MAX || bytes / sizeof *heap->entries != capacity) {
        return false;
    }
    ptk_heap_entry_t *entries = ptk_reallocate(heap->entries, bytes);
    if (!entries) {
        return false;
    }
    heap->entries = entries;
    heap->capacity = capacity;
    return true;
}

bool ptk_heap_reserve(ptk_heap_t *heap) {
    if (heap->reserved == heap->capacity && !grow(heap)) {
        return false;
    }
    heap->reserved++;
    return true;
}

void ptk_heap_unreserve(ptk_heap_t *heap) {
    ptk_assert(heap->reserved > heap->count);
    heap->reserved--;
}

void ptk_heap_insert(ptk_heap_t *heap, ptk_heap_item_t *item, uint64_t deadline_ns) {
    ptk_assert(heap->count < heap->reserved);
    ptk_assert_debug(item->index == PTK_HEAP_NONE);
    rise(heap, heap->count++, (ptk_heap_entry_t) {deadline_ns, heap->next_order++, item});
}

void ptk_heap_remove(ptk_heap_t *heap, ptk_heap_item_t *item) {
    uint32_t hole = item->index;
    ptk_assert(hole < heap->count && heap->entries[hole].item == item);
    item->index = PTK_HEAP_NONE;
    if (hole == --heap->count) {
        return;
    }
    ptk_heap_entry_t last = heap->entries[heap->count];
    if (hole > 0 && is_before(&last, &heap->entries[(hole - 1) / ARITY])) {
        rise(heap, hole, last);
    } else {
        sink(heap, hole, last);
    }
}
