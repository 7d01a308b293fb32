/* SPDX-License-Identifier: MIT */
/*
 * An intrusive doubly-linked list with a sentinel (layer 0). A node that is in no list has next == NULL, so
 * that "is it queued" needs no flag, and removing is idempotent only where the caller asks first.
 */
#pragma once

#include "base/ptk_assert.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct ptk_list_node {
    struct ptk_list_node *next;
    struct ptk_list_node *previous;
} ptk_list_node_t;

typedef struct ptk_list {
    ptk_list_node_t head;
} ptk_list_t;

static inline void ptk_list_init(ptk_list_t *list) {
    list->head.next = &list->head;
    list->head.previous = &list->head;
}

static inline bool ptk_list_is_empty(const ptk_list_t *list) {
    return list->head.next == &list->head;
}

static inline bool ptk_list_is_linked(const ptk_list_node_t *node) {
    return node->next != NULL;
}

static inline void ptk_list_append(ptk_list_t *list, ptk_list_node_t *node) {
    ptk_assert_debug(!ptk_list_is_linked(node));
    node->next = &list->head;
    node->previous = list->head.previous;
    node->previous->next = node;
    list->head.previous = node;
}

static inline void ptk_list_prepend(ptk_list_t *list, ptk_list_node_t *node) {
    ptk_assert_debug(!ptk_list_is_linked(node));
    node->previous = &list->head;
    node->next = list->head.next;
    node->next->previous = node;
    list->head.next = node;
}

static inline void ptk_list_remove(ptk_list_node_t *node) {
    ptk_assert_debug(ptk_list_is_linked(node));
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = NULL;
    node->previous = NULL;
}

static inline ptk_list_node_t *ptk_list_first(const ptk_list_t *list) {
    return ptk_list_is_empty(list) ? NULL : list->head.next;
}

static inline ptk_list_node_t *ptk_list_take_first(ptk_list_t *list) {
    ptk_list_node_t *node = ptk_list_first(list);
    if (node) {
        ptk_list_remove(node);
    }
    return node;
}

/* The node after `node`, NULL at the end. */
static inline ptk_list_node_t *ptk_list_next(const ptk_list_t *list, const ptk_list_node_t *node) {
    return node->next == &list->head ? NULL : node->next;
}
