/* SPDX-License-Identifier: MIT */
/*
 * An intrusive doubly-linked list with a sentinel (layer 0). One thread.
 *
 * A node that is in no list has next == NULL, so that "is it linked" needs no flag. Removing a node that is
 * in no list is an error: the caller checks ptk_list_is_linked where that can happen. A node carries no
 * pointer to its list, so it can be removed without it.
 */
#pragma once

#include "base/ptk_assert.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct ptk_list_node {
    struct ptk_list_node *next; /* NULL: in no list */
    struct ptk_list_node *previous;
} ptk_list_node_t;

/* The sentinel is its own neighbour while the list is empty, so a list must not be moved in memory. */
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

/* Adds `node`, which is in no list, at the end. */
static inline void ptk_list_append(ptk_list_t *list, ptk_list_node_t *node) {
    ptk_assert_debug(!ptk_list_is_linked(node));
    node->next = &list->head;
    node->previous = list->head.previous;
    node->previous->next = node;
    list->head.previous = node;
}

/* Removes `node` from the list that it is in. */
static inline void ptk_list_remove(ptk_list_node_t *node) {
    ptk_assert_debug(ptk_list_is_linked(node));
    ptk_assert_debug(node->previous->next == node && node->next->previous == node);
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = NULL;
    node->previous = NULL;
}

/* Returns the first node, NULL if the list is empty. */
static inline ptk_list_node_t *ptk_list_first(const ptk_list_t *list) {
    return ptk_list_is_empty(list) ? NULL : list->head.next;
}

/* Removes and returns the first node, NULL if the list is empty. */
static inline ptk_list_node_t *ptk_list_pop(ptk_list_t *list) {
    ptk_list_node_t *node = ptk_list_first(list);
    if (node) {
        ptk_list_remove(node);
    }
    return node;
}

/* Returns the node after `node`, NULL at the end. */
static inline ptk_list_node_t *ptk_list_next(const ptk_list_t *list, const ptk_list_node_t *node) {
    return node->next == &list->head ? NULL : node->next;
}
