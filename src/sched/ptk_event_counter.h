/* SPDX-License-Identifier: MIT */
/*
 * An event counter (layer 3, internal) counts events that no wait has taken yet. One event wakes one waiter,
 * first come first served, and that waiter takes the whole count: it is no semaphore.
 */
#pragma once

#include "sched/ptk_sched.h"

typedef struct ptk_event_counter {
    uint64_t count;     /* saturates; not 0 only while there is no waiter */
    ptk_list_t waiters; /* wait records, whose `count` receives the count */
} ptk_event_counter_t;

/* Initialises a counter at 0 without waiters. */
void ptk_event_counter_init(ptk_event_counter_t *counter);

/* Adds `count` events and wakes the first waiter. */
void ptk_event_counter_add(ptk_event_counter_t *counter, uint64_t count);

/* Takes and returns the whole count, 0 if there is none. */
uint64_t ptk_event_counter_take(ptk_event_counter_t *counter);
