/* SPDX-License-Identifier: MIT */
/*
 * Wait queues (layer 3, internal): plain lists of wait records, first come first served. A waiter that gives
 * up unlinks its record, so cancel and timeout call nothing of the queue's owner.
 */
#pragma once

#include "sched/ptk_sched.h"

/* Returns the first wait record of a queue, NULL if the queue is empty. */
static inline ptk_wait_t *ptk_wait_queue_first(const ptk_list_t *waiters) {
    ptk_list_node_t *node = ptk_list_first(waiters);
    return node ? ptk_container_of(node, ptk_wait_t, link) : NULL;
}

/* Ends all waits in a queue with `code`. */
void ptk_wait_queue_wake_all(ptk_list_t *waiters, ptk_err code);

/* Ends the waits in a queue that are for `object` with `code`. */
void ptk_wait_queue_wake_object(ptk_list_t *waiters, const void *object, ptk_err code);
