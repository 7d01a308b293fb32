/* SPDX-License-Identifier: MIT */
/*
 * An intrusive singly-linked first-in first-out queue (layer 0): the form of the run queue. One thread. A
 * node is in at most one queue; it carries no mark of that, because its owner's state implies it.
 */
#pragma once

#include "base/ptk_assert.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct ptk_queue_node {
    struct ptk_queue_node *next; /* NULL for the last node; meaningless outside a queue */
} ptk_queue_node_t;

typedef struct ptk_queue {
    ptk_queue_node_t *first; /* NULL: the queue is empty, and `last` is meaningless */
    ptk_queue_node_t *last;
} ptk_queue_t;

static inline void ptk_queue_init(ptk_queue_t *queue) {
    queue->first = NULL;
    queue->last = NULL;
}

/* Adds `node`, which is in no queue, at the end. */
static inline void ptk_queue_push(ptk_queue_t *queue, ptk_queue_node_t *node) {
    node->next = NULL;
    if (queue->first) {
        ptk_assert_debug(queue->last->next == NULL && queue->last != node);
        queue->last->next = node;
    } else {
        queue->first = node;
    }
    queue->last = node;
}

/* Removes and returns the first node, NULL if the queue is empty. */
static inline ptk_queue_node_t *ptk_queue_pop(ptk_queue_t *queue) {
    ptk_queue_node_t *node = queue->first;
    if (node) {
        queue->first = node->next;
    }
    return node;
}

/* Removes and returns the node at `index` (0 is the first), which must exist. Walks the queue. */
ptk_queue_node_t *ptk_queue_remove_at(ptk_queue_t *queue, size_t index);

/* Removes `node` if it is in the queue, and returns whether it was. Walks the queue. */
bool ptk_queue_remove(ptk_queue_t *queue, const ptk_queue_node_t *node);

/* Returns the number of nodes. Walks the queue. */
size_t ptk_queue_count(const ptk_queue_t *queue);
