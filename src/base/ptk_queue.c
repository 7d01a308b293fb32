/* SPDX-License-Identifier: MIT */
/* The operations of the queue that walk it. They run only where an oracle chooses the order. */
#include "base/ptk_queue.h"

ptk_queue_node_t *ptk_queue_remove_at(ptk_queue_t *queue, size_t index) {
    ptk_queue_node_t *before = NULL;
    ptk_queue_node_t *node = queue->first;
    for (size_t i = 0; i < index && node; i++) {
        before = node;
        node = node->next;
    }
    ptk_assert(node != NULL);
    if (before) {
        before->next = node->next;
    } else {
        queue->first = node->next;
    }
    if (queue->last == node) {
        ptk_assert(node->next == NULL);
        queue->last = before;
    }
    return node;
}

size_t ptk_queue_count(const ptk_queue_t *queue) {
    size_t count = 0;
    for (const ptk_queue_node_t *node = queue->first; node; node = node->next) {
        count++;
    }
    return count;
}
