/* SPDX-License-Identifier: MIT */
/*
 * The many-to-one inbox of a loop (layer 0): the only part of a loop that other threads and signal handlers
 * may touch. The protocol stands at the top of ptk_inbox.c.
 *
 * Producers push an embedded node and kick; the one consumer drains everything at once, in the order of
 * pushing. The inbox is reference-counted and allocated apart from its loop, so a producer that outlives the
 * loop finds a closed inbox and not freed memory. Closing is one step of the list itself: no node is queued
 * after it. Nothing here locks, so a signal handler may push.
 */
#pragma once

#include "sys/ptk_sys.h"
#include <stdatomic.h>
#include <stdbool.h>

/* The member that a message embeds. The producer's object stays in place until the consumer has dequeued it.
 */
typedef struct ptk_inbox_node {
    struct ptk_inbox_node *next; /* while queued, and in the consumer's hands */
    /* Called by the consumer's loop with the node; set before the first push. */
    void (*deliver)(struct ptk_inbox_node *node);
    /* Set by the producer that pushes it, cleared by the consumer before it reads the message. */
    atomic_bool queued;
} ptk_inbox_node_t;

/* The value of `head` once the inbox is closed. */
#define PTK_INBOX_CLOSED ((ptk_inbox_node_t *) 1)

typedef struct ptk_inbox {
    _Atomic(ptk_inbox_node_t *) head; /* newest first; on one cache line with what producers write */
    atomic_bool kicked;               /* true: a kick is under way, or the consumer is awake */
    atomic_bool kicked_bare;          /* a kick without a message came since the last sleep */
    atomic_uint references;
    atomic_uint wakers;        /* objects through which an outside thread may still wake the consumer */
    const ptk_sys_t *sys;      /* the table that opened `wake` */
    ptk_os_handle_t wake;      /* descriptor that is readable after a kick */
    ptk_inbox_node_t *remains; /* nodes queued at the time of closing, newest first; the consumer's */
    void *memory;              /* the allocation that holds the inbox */
} ptk_inbox_t;

/* Returns a new inbox with one reference and its wake descriptor. NULL: memory or descriptors are used up;
 * the positive errno value is in *os_err_out. */
ptk_inbox_t *ptk_inbox_create(int *os_err_out);

/* Adds a reference. The caller holds one. Any thread. */
void ptk_inbox_ref(ptk_inbox_t *inbox);

/* Removes a reference; the last one closes the wake descriptor and frees the inbox. Any thread. */
void ptk_inbox_unref(ptk_inbox_t *inbox);

/* Makes every later push return false. Nodes that are queued remain for the next ptk_inbox_drain. Idempotent.
 * Consumer only. */
void ptk_inbox_close(ptk_inbox_t *inbox);

/* Queues `node` unless it is queued already, and wakes the consumer. Returns false if the inbox is closed.
 * Any thread; async-signal-safe. */
bool ptk_inbox_push(ptk_inbox_t *inbox, ptk_inbox_node_t *node);

/* Wakes the consumer without a message. Any thread; async-signal-safe. */
void ptk_inbox_kick(ptk_inbox_t *inbox);

/* Returns whether a node is queued, by one relaxed load: for the consumer's hot path, where a push that comes
 * just now may be seen one pick later. False once closed. Consumer only. */
static inline bool ptk_inbox_has_some(const ptk_inbox_t *inbox) {
    ptk_inbox_t *mutable_inbox = (ptk_inbox_t *) (uintptr_t) inbox;
    ptk_inbox_node_t *head = atomic_load_explicit(&mutable_inbox->head, memory_order_relaxed);
    return (uintptr_t) head > (uintptr_t) PTK_INBOX_CLOSED;
}

/* Returns all queued nodes, oldest first, linked by `next`; NULL if there are none. Consumer only.
 *
 * For each node the consumer reads `next`, then calls ptk_inbox_node_dequeued, then reads the message that
 * the node stands for, in this order: from the second step on a producer may push the node again. */
ptk_inbox_node_t *ptk_inbox_drain(ptk_inbox_t *inbox);

/* Allows `node`, which ptk_inbox_drain returned, to be pushed again. Consumer only. */
void ptk_inbox_node_dequeued(ptk_inbox_node_t *node);

/* Enables kicks and returns whether the consumer may sleep: nothing is queued and no kick came since the last
 * sleep. When it returns false, kicks are disabled again and ptk_inbox_end_sleep is not needed. Consumer
 * only. */
bool ptk_inbox_prepare_sleep(ptk_inbox_t *inbox);

/* Disables kicks after a sleep, so that producers save the system call. Consumer only. */
void ptk_inbox_end_sleep(ptk_inbox_t *inbox);

/* Counts an object through which an outside thread may wake the consumer: a loop with such an object is never
 * found deadlocked. Any thread that holds a reference. */
void ptk_inbox_add_waker(ptk_inbox_t *inbox);

/* Removes one. The last one kicks the consumer, which may sleep because of it and must check for a deadlock
 * again. Any thread that holds a reference. */
void ptk_inbox_remove_waker(ptk_inbox_t *inbox);

/* Returns whether an outside thread may still wake the consumer. Consumer only. */
static inline bool ptk_inbox_has_waker(const ptk_inbox_t *inbox) {
    return atomic_load(&((ptk_inbox_t *) (uintptr_t) inbox)->wakers) > 0;
}
