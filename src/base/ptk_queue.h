/* SPDX-License-Identifier: MIT */
/* An intrusive singly-linked first-in first-out queue (layer 0): the run queue's shape. */
#pragma once

#include "base/ptk_assert.h"
#include <stddef.h>

typedef struct ptk_queue_node {
    struct ptk_queue_node *next;
} ptk_queue_node_t;

typedef struct ptk_queue {
    ptk_queue_node_t *first; /* NULL: empty; last is then meaningless */
    ptk_queue_node_t *last;
} ptk_queue_t;

static inline void ptk_queue_init(ptk_queue_t *queue) {
    queue->first = NULL;
    queue->last = NULL;
}

static inline void ptk_queue_push(ptk_queue_t *queue, ptk_queue_node_t *node) {
    node->next = NULL;
    if (queue->first) {
        queue->last->next = node;
    } else {
        queue->first = node;
    }
    queue->last = node;
}

static inline ptk_queue_node_t *ptk_queue_pop(ptk_queue_t *queue) {
    ptk_queue_node_t *node = queue->first;
    if (node) {
        queue->first = node->next;
    }
    return node;
}

/* Take the node at `index` (0 is the first), which must exist. */
ptk_queue_node_t *ptk_queue_take(ptk_queue_t *queue, size_t index);

/* How many nodes there are; walks the queue. */
size_t ptk_queue_count(const ptk_queue_t *queue);
