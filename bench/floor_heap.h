/* SPDX-License-Identifier: MIT */
/*
 * The barest heap of deadlines: 4-ary, keys in its own array, a back index in each timer, room fixed
 * beforehand. Four children fill one cache line exactly: entries are 16 bytes and the root stands at
 * FLOOR_HEAP_ROOT, so that the first child of any entry lies on a multiple of 64.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOOR_HEAP_ROOT ((size_t) 3)

typedef struct floor_timer {
    size_t index;
} floor_timer_t;

typedef struct floor_heap_entry {
    uint64_t deadline;
    floor_timer_t *timer;
} floor_heap_entry_t;

typedef struct floor_heap {
    floor_heap_entry_t *entries; /* aligned to 64 bytes; [FLOOR_HEAP_ROOT, end) is in use */
    size_t end;
} floor_heap_t;

bool floor_heap_init(floor_heap_t *heap, size_t capacity);
void floor_heap_fini(floor_heap_t *heap);

/* A parent's children begin at 4 * (parent - 2): 4 for the root at 3. */
static inline size_t floor_heap_parent(size_t index) {
    return index / 4 + 2;
}

static inline void floor_heap_put(floor_heap_t *heap, size_t index, floor_heap_entry_t entry) {
    heap->entries[index] = entry;
    entry.timer->index = index;
}

static inline void floor_heap_up(floor_heap_t *heap, size_t index, floor_heap_entry_t entry) {
    while (index > FLOOR_HEAP_ROOT) {
        size_t parent = floor_heap_parent(index);
        if (heap->entries[parent].deadline <= entry.deadline) {
            break;
        }
        floor_heap_put(heap, index, heap->entries[parent]);
        index = parent;
    }
    floor_heap_put(heap, index, entry);
}

static inline size_t floor_heap_least_child(const floor_heap_t *heap, size_t first) {
    size_t last = first + 4 < heap->end ? first + 4 : heap->end;
    size_t least = first;
    for (size_t child = first + 1; child < last; child++) {
        least = heap->entries[child].deadline < heap->entries[least].deadline ? child : least;
    }
    return least;
}

static inline void floor_heap_down(floor_heap_t *heap, size_t index, floor_heap_entry_t entry) {
    for (;;) {
        size_t first = 4 * (index - 2);
        if (first >= heap->end) {
            break;
        }
        size_t child = floor_heap_least_child(heap, first);
        if (heap->entries[child].deadline >= entry.deadline) {
            break;
        }
        floor_heap_put(heap, index, heap->entries[child]);
        index = child;
    }
    floor_heap_put(heap, index, entry);
}

static inline void floor_heap_arm(floor_heap_t *heap, floor_timer_t *timer, uint64_t deadline) {
    floor_heap_entry_t entry = {deadline, timer};
    floor_heap_up(heap, heap->end++, entry);
}

static inline void floor_heap_cancel(floor_heap_t *heap, floor_timer_t *timer) {
    size_t index = timer->index;
    floor_heap_entry_t last = heap->entries[--heap->end];
    if (index == heap->end) {
        return;
    }
    if (index > FLOOR_HEAP_ROOT && last.deadline < heap->entries[floor_heap_parent(index)].deadline) {
        floor_heap_up(heap, index, last);
    } else {
        floor_heap_down(heap, index, last);
    }
}

static inline bool floor_heap_empty(const floor_heap_t *heap) {
    return heap->end == FLOOR_HEAP_ROOT;
}

/* The earliest deadline; the heap is not empty. */
static inline uint64_t floor_heap_first(const floor_heap_t *heap) {
    return heap->entries[FLOOR_HEAP_ROOT].deadline;
}

static inline floor_timer_t *floor_heap_pop(floor_heap_t *heap) {
    floor_timer_t *timer = heap->entries[FLOOR_HEAP_ROOT].timer;
    floor_heap_cancel(heap, timer);
    return timer;
}
