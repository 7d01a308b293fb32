/* SPDX-License-Identifier: MIT */
/* Waking the waiters of a queue (layer 3). */
#include "sched/ptk_wait_queue.h"

#include "sched/ptk_park.h"

void ptk_wait_queue_wake_all(ptk_list_t *waiters, ptk_err code) {
    ptk_wait_t *wait;
    while ((wait = ptk_wait_queue_first(waiters)) != NULL) {
        ptk_wake(wait, code);
    }
}

void ptk_wait_queue_wake_object(ptk_list_t *waiters, const void *object, ptk_err code) {
    ptk_list_node_t *node = ptk_list_first(waiters);
    while (node) {
        ptk_wait_t *wait = ptk_container_of(node, ptk_wait_t, link);
        node = ptk_list_next(waiters, node);
        if (wait->object == object) {
            ptk_wake(wait, code);
        }
    }
}
