/* SPDX-License-Identifier: MIT */
/* The operations of the queue that walk it. They run only where an oracle chooses the order, and for foreign
 * coroutines. */
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

bool ptk_queue_remove(ptk_queue_t *queue, const ptk_queue_node_t *node) {
    size_t index = 0;
    const ptk_queue_node_t *at = queue->first;
    for (; at && at != node; at = at->next) {
        index++;
    }
    if (!at) {
        return false;
    }
    (void) ptk_queue_remove_at(queue, index);
    return true;
}

size_t ptk_queue_count(const ptk_queue_t *queue) {
    size_t count = 0;
    for (const ptk_queue_node_t *node = queue->first; node; node = node->next) {
        count++;
    }
    return count;
}
