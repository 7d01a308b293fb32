/* SPDX-License-Identifier: MIT */
/*
 * A 4-ary heap, ordered by time and then by the order of insertion. Each event stores its position in the
 * heap, so cancelling needs no search.
 *
 * Times and orders are copied into the heap's array, so a comparison touches no event.
 */
#include "sim/kernel/ptk_sim_event_queue.h"

#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_memory.h"

#define EVENT_QUEUE_FIRST_CAPACITY 256
#define HEAP_ARITY                 4

void ptk_sim_event_queue_init(ptk_sim_event_queue_t *queue, uint64_t now_ns) {
    *queue = (ptk_sim_event_queue_t) {.now_ns = now_ns};
}

void ptk_sim_event_queue_fini(ptk_sim_event_queue_t *queue) {
    ptk_sim_free(queue->entries);
    queue->entries = NULL;
    queue->count = 0;
    queue->capacity = 0;
}

/* Compares by time, then by the order of insertion. */
static inline bool event_is_before(const ptk_sim_event_slot_t *one, const ptk_sim_event_slot_t *other) {
    return one->at_ns != other->at_ns ? one->at_ns < other->at_ns : one->order < other->order;
}

/* Stores an entry in the heap and its position in the event. */
static inline void event_queue_put(ptk_sim_event_queue_t *queue, uint32_t index,
                                   const ptk_sim_event_slot_t *entry) {
    queue->entries[index] = *entry;
    entry->event->heap_position = index + 1;
}

/* Moves the hole at `index` up to where `entry` belongs, and stores it there. */
static void event_queue_sift_up(ptk_sim_event_queue_t *queue, uint32_t index,
                                const ptk_sim_event_slot_t *entry) {
    while (index > 0 && event_is_before(entry, &queue->entries[(index - 1) / HEAP_ARITY])) {
        event_queue_put(queue, index, &queue->entries[(index - 1) / HEAP_ARITY]);
        index = (index - 1) / HEAP_ARITY;
    }
    event_queue_put(queue, index, entry);
}

/* Returns the index of the earliest among the children that start at `first`. */
static uint32_t event_queue_earliest_child(const ptk_sim_event_queue_t *queue, uint32_t first) {
    uint32_t end = first + HEAP_ARITY < queue->count ? first + HEAP_ARITY : queue->count;
    uint32_t earliest = first;
    for (uint32_t child = first + 1; child < end; child++) {
        if (event_is_before(&queue->entries[child], &queue->entries[earliest])) {
            earliest = child;
        }
    }
    return earliest;
}

/* Moves the hole at `index` down to where `entry` belongs, and stores it there. */
static void event_queue_sift_down(ptk_sim_event_queue_t *queue, uint32_t index,
                                  const ptk_sim_event_slot_t *entry) {
    for (uint32_t first; (first = HEAP_ARITY * index + 1) < queue->count;) {
        uint32_t child = event_queue_earliest_child(queue, first);
        if (event_is_before(entry, &queue->entries[child])) {
            break;
        }
        event_queue_put(queue, index, &queue->entries[child]);
        index = child;
    }
    event_queue_put(queue, index, entry);
}

/* Makes room for one more entry. */
static void event_queue_reserve(ptk_sim_event_queue_t *queue) {
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity ? queue->capacity * 2 : EVENT_QUEUE_FIRST_CAPACITY;
        queue->entries = ptk_sim_reallocate(queue->entries, queue->capacity * sizeof *queue->entries);
    }
}

/* An event that is scheduled already loses its place among events of the same time: it counts as inserted
   now. */
void ptk_sim_event_queue_insert(ptk_sim_event_queue_t *queue, ptk_sim_event_t *event, uint64_t at_ns) {
    ptk_sim_event_queue_cancel(queue, event);
    event_queue_reserve(queue);
    event->at_ns = at_ns > queue->now_ns ? at_ns : queue->now_ns;
    const ptk_sim_event_slot_t entry = {event->at_ns, queue->next_order++, event};
    event_queue_sift_up(queue, queue->count++, &entry);
}

/* The last entry of the heap fills the hole; it may belong above or below it. */
void ptk_sim_event_queue_cancel(ptk_sim_event_queue_t *queue, ptk_sim_event_t *event) {
    if (event->heap_position == 0) {
        return;
    }
    uint32_t index = event->heap_position - 1;
    ptk_assert(index < queue->count && queue->entries[index].event == event);
    event->heap_position = 0;
    const ptk_sim_event_slot_t last = queue->entries[--queue->count];
    if (last.event == event) {
        return;
    }
    if (index > 0 && event_is_before(&last, &queue->entries[(index - 1) / HEAP_ARITY])) {
        event_queue_sift_up(queue, index, &last);
    } else {
        event_queue_sift_down(queue, index, &last);
    }
}

uint64_t ptk_sim_event_queue_next_ns(const ptk_sim_event_queue_t *queue) {
    return queue->count ? queue->entries[0].at_ns : UINT64_MAX;
}

/* The event is removed before it fires, so its handler may schedule it again or free it. */
bool ptk_sim_event_queue_step(ptk_sim_event_queue_t *queue) {
    if (queue->count == 0) {
        return false;
    }
    ptk_sim_event_t *event = queue->entries[0].event;
    ptk_sim_event_queue_cancel(queue, event);
    queue->now_ns = event->at_ns;
    queue->fired++;
    event->fire(event);
    return true;
}
