/* SPDX-License-Identifier: MIT */
/*
 * Virtual time (layer 6): what is going to happen, in order.
 *
 * Time stands still while anything runs, and jumps to the next event when nothing can. Events of one moment
 * happen in the order in which they were entered. Everything of a simulated world is done on one OS thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct ptk_sim_event ptk_sim_event_t;

/* Something that is to happen: embed it, zeroed; set `happen` before it is entered. */
struct ptk_sim_event {
    void (*fire)(ptk_sim_event_t *event);
    uint64_t at_ns;
    uint32_t heap_position; /* in the queue, 1 more than its index; 0: it is in none */
};

/* Keys stand in the heap's own array, so that comparing touches no event. */
typedef struct ptk_sim_event_slot {
    uint64_t at_ns;
    uint64_t order;
    ptk_sim_event_t *event;
} ptk_sim_event_slot_t;

typedef struct ptk_sim_event_queue {
    uint64_t now_ns;
    uint64_t next_order;
    uint64_t fired;               /* events so far */
    ptk_sim_event_slot_t *entries; /* a 4-ary heap */
    uint32_t count;
    uint32_t capacity;
} ptk_sim_event_queue_t;

void ptk_sim_event_queue_init(ptk_sim_event_queue_t *queue, uint64_t now_ns);
void ptk_sim_event_queue_fini(ptk_sim_event_queue_t *queue);

/* Enter it, or move it if it is entered already. A moment that has passed is now. */
void ptk_sim_event_queue_insert(ptk_sim_event_queue_t *queue, ptk_sim_event_t *event, uint64_t at_ns);

/* Strike it out; nothing if it is not entered. */
void ptk_sim_event_queue_cancel(ptk_sim_event_queue_t *queue, ptk_sim_event_t *event);

static inline bool ptk_sim_event_is_scheduled(const ptk_sim_event_t *event) {
    return event->heap_position != 0;
}

/* When the next one is due; UINT64_MAX: there is none. */
uint64_t ptk_sim_event_queue_next_ns(const ptk_sim_event_queue_t *queue);

/* Let time jump to the next event, and let that one happen. False: there is none. */
bool ptk_sim_event_queue_step(ptk_sim_event_queue_t *queue);
