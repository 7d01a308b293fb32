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

/* Moves all nodes of a list to the end of another one. */
static void move_all(ptk_list_t *from, ptk_list_t *to) {
    ptk_list_node_t *node;
    while ((node = ptk_list_pop(from)) != NULL) {
        ptk_list_append(to, node);
    }
}

/* A record that stays is set aside, so that each is looked at once. A wake finds it there as well: a record
 * leaves the list that it is in. */
void ptk_wait_queue_wake_object(ptk_list_t *waiters, const void *object, ptk_err code) {
    ptk_list_t kept;
    ptk_wait_t *wait;
    ptk_list_init(&kept);
    while ((wait = ptk_wait_queue_first(waiters)) != NULL) {
        if (wait->object == object) {
            ptk_wake(wait, code);
        } else {
            ptk_list_remove(&wait->link);
            ptk_list_append(&kept, &wait->link);
        }
    }
    move_all(&kept, waiters);
}
