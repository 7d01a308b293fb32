/* SPDX-License-Identifier: MIT */
/*
 * The event queue: virtual time, and the events that are scheduled, in order.
 *
 * Time stands still while anything runs, and jumps to the next event when nothing can. Events of the same
 * time fire in the order in which they were inserted. Everything of a simulated world happens on one OS
 * thread.
 *
 * Ownership: an event is embedded in the object that it belongs to; its owner cancels it before it frees the
 * object.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct ptk_sim_event ptk_sim_event_t;

/* A scheduled event. Embed it, zeroed, and set `fire` before it is inserted. */
struct ptk_sim_event {
    void (*fire)(ptk_sim_event_t *event); /* handler; it may schedule or free the event */
    uint64_t at_ns;
    uint32_t heap_position; /* 1 more than its index in the heap; 0: it is not scheduled */
};

/* An entry of the heap: the key beside the event. */
typedef struct ptk_sim_event_slot {
    uint64_t at_ns;
    uint64_t order; /* of insertion: breaks ties */
    ptk_sim_event_t *event;
} ptk_sim_event_slot_t;

typedef struct ptk_sim_event_queue {
    uint64_t now_ns;               /* the world's time */
    uint64_t next_order;           /* of the next insertion */
    uint64_t fired;                /* events that have fired so far */
    ptk_sim_event_slot_t *entries; /* a 4-ary heap */
    uint32_t count;
    uint32_t capacity;
} ptk_sim_event_queue_t;

/* Initialises an empty queue whose time is `now_ns`. */
void ptk_sim_event_queue_init(ptk_sim_event_queue_t *queue, uint64_t now_ns);
/* Frees the queue's own memory; the events in it are not touched. */
void ptk_sim_event_queue_fini(ptk_sim_event_queue_t *queue);

/* Schedules an event, or moves one that is scheduled. A time in the past is taken as now. */
void ptk_sim_event_queue_insert(ptk_sim_event_queue_t *queue, ptk_sim_event_t *event, uint64_t at_ns);

/* Removes an event; without effect if it is not scheduled. */
void ptk_sim_event_queue_cancel(ptk_sim_event_queue_t *queue, ptk_sim_event_t *event);

/* Returns whether the event is in a queue. */
static inline bool ptk_sim_event_is_scheduled(const ptk_sim_event_t *event) {
    return event->heap_position != 0;
}

/* Returns when the next event is due, UINT64_MAX if there is none. */
uint64_t ptk_sim_event_queue_next_ns(const ptk_sim_event_queue_t *queue);

/* Removes the earliest event, moves time to it and fires it. Returns false if there is none. */
bool ptk_sim_event_queue_step(ptk_sim_event_queue_t *queue);
