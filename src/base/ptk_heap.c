/* SPDX-License-Identifier: MIT */
/*
 * The 4-ary heap of deadlines. The children of index i are 4i + 1 to 4i + 4; a parent is never later than its
 * children.
 *
 * Nothing is swapped. An entry that moves leaves a hole; entries are shifted into the hole, one write each,
 * until the hole is where the moving entry belongs, and the entry is written once. A timer that outlives all
 * others, the usual case of a timeout, costs one write on arming and one compare on cancelling.
 *
 * `order` grows with every insertion and never repeats, so no two entries are equal and ties leave first in,
 * first out.
 */
#include "base/ptk_heap.h"

#include "base/ptk_assert.h"
#include "base/ptk_memory.h"

#define HEAP_ARITY          4u
#define HEAP_CAPACITY_FIRST 64u
#define HEAP_CAPACITY_MAX   (UINT32_MAX / 2)

static inline bool heap_is_before(const ptk_heap_entry_t *left, const ptk_heap_entry_t *right) {
    if (left->deadline_ns != right->deadline_ns) {
        return left->deadline_ns < right->deadline_ns;
    }
    return left->order < right->order;
}

/* Writes an entry and its item's back index, which always change together. */
static inline void heap_put(ptk_heap_entry_t *entries, uint32_t index, ptk_heap_entry_t entry) {
    entries[index] = entry;
    entry.item->index = index;
}

/* Moves the hole towards the root while its parent is later than `entry`, and writes `entry` into it. */
static inline void heap_sift_up(ptk_heap_t *heap, uint32_t hole, ptk_heap_entry_t entry) {
    ptk_heap_entry_t *entries = heap->entries;
    while (hole > 0) {
        uint32_t parent = (hole - 1) / HEAP_ARITY;
        if (!heap_is_before(&entry, &entries[parent])) {
            break;
        }
        heap_put(entries, hole, entries[parent]);
        hole = parent;
    }
    heap_put(entries, hole, entry);
}

/* Returns the index of the earliest entry of [child, end), which is not empty. */
static uint32_t heap_earliest(const ptk_heap_entry_t *entries, uint32_t child, uint32_t end) {
    uint32_t best = child;
    for (uint32_t other = child + 1; other < end; other++) {
        if (heap_is_before(&entries[other], &entries[best])) {
            best = other;
        }
    }
    return best;
}

/* Moves the hole away from the root while one of its children is earlier than `entry`, and writes `entry`.
 * The index of a child is 64 bits wide because 4i + 1 overflows 32 before the capacity is exhausted. */
static void heap_sift_down(ptk_heap_t *heap, uint32_t hole, ptk_heap_entry_t entry) {
    ptk_heap_entry_t *entries = heap->entries;
    uint64_t child = (uint64_t) hole * HEAP_ARITY + 1;
    while (child < heap->count) {
        uint32_t end = child + HEAP_ARITY < heap->count ? (uint32_t) child + HEAP_ARITY : heap->count;
        uint32_t best = heap_earliest(entries, (uint32_t) child, end);
        if (!heap_is_before(&entries[best], &entry)) {
            break;
        }
        heap_put(entries, hole, entries[best]);
        hole = best;
        child = (uint64_t) hole * HEAP_ARITY + 1;
    }
    heap_put(entries, hole, entry);
}

void ptk_heap_init(ptk_heap_t *heap) {
    *heap = (ptk_heap_t) {.entries = NULL};
}

void ptk_heap_fini(ptk_heap_t *heap) {
    ptk_assert(heap->count == 0 && heap->reserved == 0);
    ptk_free(heap->entries);
    ptk_heap_init(heap);
}

/* Doubles the array. Returns false if there is no memory or if the size overflows. */
static bool heap_grow(ptk_heap_t *heap) {
    uint32_t capacity = heap->capacity ? heap->capacity * 2 : HEAP_CAPACITY_FIRST;
    size_t bytes = (size_t) capacity * sizeof *heap->entries;
    if (heap->capacity > HEAP_CAPACITY_MAX || bytes / sizeof *heap->entries != capacity) {
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
    if (heap->reserved == heap->capacity && !heap_grow(heap)) {
        return false;
    }
    heap->reserved++;
    ptk_assert(heap->count < heap->reserved && heap->reserved <= heap->capacity);
    return true;
}

/* A heap does not shrink by itself: its size is that of the peak number of timers. */
void ptk_heap_unreserve(ptk_heap_t *heap) {
    ptk_assert(heap->reserved > heap->count);
    heap->reserved--;
}

void ptk_heap_trim(ptk_heap_t *heap) {
    uint32_t capacity = HEAP_CAPACITY_FIRST;
    while (capacity < heap->reserved) {
        capacity *= 2;
    }
    if (capacity < heap->capacity) {
        ptk_heap_entry_t *entries = ptk_reallocate(heap->entries, capacity * sizeof *entries);
        heap->entries = entries ? entries : heap->entries;
        heap->capacity = entries ? capacity : heap->capacity;
    }
}

void ptk_heap_insert(ptk_heap_t *heap, ptk_heap_item_t *item, uint64_t deadline_ns) {
    ptk_assert(heap->count < heap->reserved);
    ptk_assert_debug(item->index == PTK_HEAP_NONE);
    heap_sift_up(heap, heap->count++, (ptk_heap_entry_t) {deadline_ns, heap->next_order++, item});
}

/* The last entry fills the hole that the removed one leaves. It may belong above the hole as well as below,
 * because it can come from another branch. */
void ptk_heap_remove(ptk_heap_t *heap, ptk_heap_item_t *item) {
    uint32_t hole = item->index;
    ptk_assert(hole < heap->count && heap->entries[hole].item == item);
    item->index = PTK_HEAP_NONE;
    if (hole == --heap->count) {
        return;
    }
    ptk_heap_entry_t last = heap->entries[heap->count];
    if (hole > 0 && heap_is_before(&last, &heap->entries[(hole - 1) / HEAP_ARITY])) {
        heap_sift_up(heap, hole, last);
    } else {
        heap_sift_down(heap, hole, last);
    }
}
