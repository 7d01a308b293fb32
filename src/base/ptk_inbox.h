/* SPDX-License-Identifier: MIT */
/*
 * The many-to-one inbox of a loop (layer 0): the only thing that other threads and signal handlers may touch.
 *
 * Producers push an embedded node and kick; the one consumer takes everything at once, in the order of
 * pushing. The inbox is counted and lives apart from its loop, so a producer that outlives the loop finds a
 * closed inbox, not a freed one. No wake is lost (P50): a producer pushes, then exchanges `kicked`, then
 * kicks if it was clear; the consumer clears `kicked`, then looks at the list again, and only then sleeps.
 * Closing is one step of the list itself: no node gets in behind it. Nothing here locks, so a signal handler
 * may push.
 */
#pragma once

#include "sys/ptk_sys.h"
#include <stdatomic.h>
#include <stdbool.h>

typedef struct ptk_inbox_node {
    struct ptk_inbox_node *next;
    void (*deliver)(
        struct ptk_inbox_node *node); /* what the consumer's loop does with it; set before the first push */
    atomic_bool
        queued; /* set by the producer that pushed it, cleared by the consumer before it looks at the count */
} ptk_inbox_node_t;

/* What `head` holds once the inbox is closed. */
#define PTK_INBOX_CLOSED ((ptk_inbox_node_t *) 1)

typedef struct ptk_inbox {
    _Atomic(ptk_inbox_node_t *) head; /* newest first; alone on its cache line with what producers write */
    atomic_bool kicked;               /* true: a kick is under way or nobody sleeps */
    atomic_bool kicked_bare;          /* a kick without a message since the last sleep */
    atomic_uint references;
    atomic_uint wakers;   /* who may still wake the consumer from outside */
    const ptk_sys_t *sys; /* whose wake it is */
    ptk_os_handle_t wake;
    ptk_inbox_node_t *remains; /* what was queued when it closed, newest first; the consumer's */
    void *memory;              /* the allocation that holds it */
} ptk_inbox_t;

/* A new inbox with one reference and its wake descriptor; NULL: out of memory or descriptors (errno in
 * *os_err_out). */
ptk_inbox_t *ptk_inbox_create(int *os_err_out);

/* One more, one fewer; the last one closes the wake and frees it. Any thread. */
void ptk_inbox_ref(ptk_inbox_t *inbox);
void ptk_inbox_unref(ptk_inbox_t *inbox);

/* The loop is going: from now on push answers false. Consumer only. Nodes that are still queued stay with the
   caller of the next ptk_inbox_take. */
void ptk_inbox_close(ptk_inbox_t *inbox);

/* Queue `node` unless it is queued already, and wake the consumer. False: closed. Any thread, signal
 * handlers. */
bool ptk_inbox_push(ptk_inbox_t *inbox, ptk_inbox_node_t *node);

/* Wake the consumer without a message. Any thread, signal handlers. */
void ptk_inbox_kick(ptk_inbox_t *inbox);

/* Is there anything? One relaxed load, for the consumer's hot path. False once closed. */
static inline bool ptk_inbox_has_some(const ptk_inbox_t *inbox) {
    ptk_inbox_t *mutable_inbox = (ptk_inbox_t *) (uintptr_t) inbox;
    ptk_inbox_node_t *head = atomic_load_explicit(&mutable_inbox->head, memory_order_relaxed);
    return (uintptr_t) head > (uintptr_t) PTK_INBOX_CLOSED;
}

/* Take all nodes, oldest first, linked by next; NULL if none. Consumer only. The consumer reads a node's
   `next`, then clears its `queued` (with ptk_inbox_node_taken), then reads what the node stands for: from the
   second step on the node may be pushed again. */
ptk_inbox_node_t *ptk_inbox_take(ptk_inbox_t *inbox);
void ptk_inbox_node_taken(ptk_inbox_node_t *node);

/* Before a sleep: allow kicks, then answer whether it is safe to sleep (nothing queued, no kick since the
   last sleep). When it answers false, kicks are not needed again. Consumer only. */
bool ptk_inbox_prepare_sleep(ptk_inbox_t *inbox);

/* After the sleep: kicks are not needed for now. Consumer only. */
void ptk_inbox_end_sleep(ptk_inbox_t *inbox);

/* Somebody outside may wake the consumer from now on, and no longer: the consumer that sleeps in the hope of
   it is woken to look again. Any thread; both inside a reference. */
void ptk_inbox_add_waker(ptk_inbox_t *inbox);
void ptk_inbox_remove_waker(ptk_inbox_t *inbox);

/* May anybody outside still wake the consumer? Consumer only. */
static inline bool ptk_inbox_has_waker(const ptk_inbox_t *inbox) {
    return atomic_load(&((ptk_inbox_t *) (uintptr_t) inbox)->wakers) > 0;
}
