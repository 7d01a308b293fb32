/* SPDX-License-Identifier: MIT */
/*
 * Two queues of green threads (layer 3, internal). Both are first come first served, both are plain lists of
 * wait records, so a waiter that gives up just unlinks itself.
 *
 * A *latch* counts events that nobody has taken yet. One event wakes one waiter, which takes the whole count.
 *
 * A *turn* is the right to use one direction of something; it is handed over directly, so nobody overtakes.
 * Where waiting for it is not allowed, taking a taken turn is BUSY.
 */
#pragma once

#include "sched/ptk_scheduler_impl.h"

typedef struct ptk_event_counter {
    uint64_t count; /* saturates; not 0 only while nobody waits */
    ptk_list_t waiters;
} ptk_event_counter_t;

void ptk_event_counter_init(ptk_event_counter_t *counter);

/* `count` events more. */
void ptk_event_counter_add(ptk_event_counter_t *counter, uint64_t count);

/* Take the whole count, 0 if there is none. */
uint64_t ptk_event_counter_take(ptk_event_counter_t *counter);

typedef struct ptk_gate {
    ptk_list_t waiters;
    bool taken;
    bool refuses; /* BUSY instead of a queue */
} ptk_gate_t;

void ptk_gate_init(ptk_gate_t *gate, bool refuses);

/* Take it, waiting in the queue if need be. OK, BUSY, or why the wait ended; with timeout 0: TIMEOUT. */
ptk_err ptk_gate_enter(ptk_gate_t *gate, ptk_call_t *call, const char *kind, const void *object);

/* Hand it to the first in the queue. */
void ptk_gate_leave(ptk_gate_t *gate);

/* End the waits in a queue that are for `object` with `code`. */
void ptk_wake_those(ptk_list_t *waiters, const void *object, ptk_err code);

/* End all waits in a queue with `code`. */
void ptk_wake_all(ptk_list_t *waiters, ptk_err code);
