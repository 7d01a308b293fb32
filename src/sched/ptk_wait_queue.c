/* SPDX-License-Identifier: MIT */
/*
 * Waking the waiters of a queue (layer 3).
 *
 * A wake removes every record of its green thread, and one green thread may have several records in one
 * queue. So both functions begin at the head again after each wake and keep no record's address across one.
 */
#include "sched/ptk_wait_queue.h"

#include "sched/ptk_park.h"

void ptk_wait_queue_wake_all(ptk_list_t *waiters, ptk_err code) {
    ptk_wait_t *wait;
    while ((wait = ptk_wait_queue_first(waiters)) != NULL) {
        ptk_wake(wait, code);
    }
}

static ptk_wait_t *first_for_object(const ptk_list_t *waiters, const void *object) {
    ptk_list_node_t *node = ptk_list_first(waiters);
    while (node && ptk_container_of(node, ptk_wait_t, link)->object != object) {
        node = ptk_list_next(waiters, node);
    }
    return node ? ptk_container_of(node, ptk_wait_t, link) : NULL;
}

void ptk_wait_queue_wake_object(ptk_list_t *waiters, const void *object, ptk_err code) {
    ptk_wait_t *wait;
    while ((wait = first_for_object(waiters, object)) != NULL) {
        ptk_wake(wait, code);
    }
}
