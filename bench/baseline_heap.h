/* SPDX-License-Identifier: MIT */
/*
 * A minimal heap of deadlines: 4-ary, with the keys in its own array, a back index in each timer, and a fixed
 * capacity. Four children fill exactly one cache line: entries are 16 bytes and the root has the index
 * BASELINE_HEAP_ROOT, so that the first child of each entry lies on a multiple of 64.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASELINE_HEAP_ROOT ((size_t) 3)

typedef struct baseline_timer {
    size_t index;
} baseline_timer_t;

typedef struct baseline_heap_entry {
    uint64_t deadline;
    baseline_timer_t *timer;
} baseline_heap_entry_t;

typedef struct baseline_heap {
    baseline_heap_entry_t *entries; /* aligned to 64 bytes; [BASELINE_HEAP_ROOT, end) is in use */
    size_t end;
} baseline_heap_t;

bool baseline_heap_init(baseline_heap_t *heap, size_t capacity);
void baseline_heap_fini(baseline_heap_t *heap);

/* Returns the parent's index. The children of a parent begin at 4 * (parent - 2): at 4 for the root at 3. */
static inline size_t baseline_heap_parent(size_t index) {
    return index / 4 + 2;
}

static inline void baseline_heap_put(baseline_heap_t *heap, size_t index, baseline_heap_entry_t entry) {
    heap->entries[index] = entry;
    entry.timer->index = index;
}

static inline void baseline_heap_up(baseline_heap_t *heap, size_t index, baseline_heap_entry_t entry) {
    while (index > BASELINE_HEAP_ROOT) {
        size_t parent = baseline_heap_parent(index);
        if (heap->entries[parent].deadline <= entry.deadline) {
            break;
        }
        baseline_heap_put(heap, index, heap->entries[parent]);
        index = parent;
    }
    baseline_heap_put(heap, index, entry);
}

static inline size_t baseline_heap_least_child(const baseline_heap_t *heap, size_t first) {
    size_t last = first + 4 < heap->end ? first + 4 : heap->end;
    size_t least = first;
    for (size_t child = first + 1; child < last; child++) {
        least = heap->entries[child].deadline < heap->entries[least].deadline ? child : least;
    }
    return least;
}

static inline void baseline_heap_down(baseline_heap_t *heap, size_t index, baseline_heap_entry_t entry) {
    for (;;) {
        size_t first = 4 * (index - 2);
        if (first >= heap->end) {
            break;
        }
        size_t child = baseline_heap_least_child(heap, first);
        if (heap->entries[child].deadline >= entry.deadline) {
            break;
        }
        baseline_heap_put(heap, index, heap->entries[child]);
        index = child;
    }
    baseline_heap_put(heap, index, entry);
}

static inline void baseline_heap_arm(baseline_heap_t *heap, baseline_timer_t *timer, uint64_t deadline) {
    baseline_heap_entry_t entry = {deadline, timer};
    baseline_heap_up(heap, heap->end++, entry);
}

static inline void baseline_heap_cancel(baseline_heap_t *heap, baseline_timer_t *timer) {
    size_t index = timer->index;
    baseline_heap_entry_t last = heap->entries[--heap->end];
    if (index == heap->end) {
        return;
    }
    if (index > BASELINE_HEAP_ROOT && last.deadline < heap->entries[baseline_heap_parent(index)].deadline) {
        baseline_heap_up(heap, index, last);
    } else {
        baseline_heap_down(heap, index, last);
    }
}

static inline bool baseline_heap_empty(const baseline_heap_t *heap) {
    return heap->end == BASELINE_HEAP_ROOT;
}

/* Returns the earliest deadline; the heap is not empty. */
static inline uint64_t baseline_heap_first(const baseline_heap_t *heap) {
    return heap->entries[BASELINE_HEAP_ROOT].deadline;
}

static inline baseline_timer_t *baseline_heap_pop(baseline_heap_t *heap) {
    baseline_timer_t *timer = heap->entries[BASELINE_HEAP_ROOT].timer;
    baseline_heap_cancel(heap, timer);
    return timer;
}
