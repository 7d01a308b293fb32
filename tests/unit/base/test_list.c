/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>

#include "base/ptk_list.h"
#include "base/ptk_queue.h"

typedef struct numbered {
    ptk_list_node_t node;
    int number;
} numbered_t;

static int number_of(const ptk_list_node_t *node) {
    return ((const numbered_t *) (const void *) node)->number;
}

TEST(list_keeps_order) {
    numbered_t items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    ptk_list_t list;
    ptk_list_init(&list);
    CHECK(ptk_list_is_empty(&list) && !ptk_list_first(&list) && !ptk_list_pop(&list));
    ptk_list_append(&list, &items[0].node);
    ptk_list_append(&list, &items[1].node);
    ptk_list_append(&list, &items[2].node);
    ptk_list_append(&list, &items[3].node);
    int expected = 0;
    for (ptk_list_node_t *node = ptk_list_first(&list); node; node = ptk_list_next(&list, node)) {
        CHECK_EQ(number_of(node), expected++);
    }
    CHECK_EQ(expected, 4);
    ptk_list_remove(&items[2].node);
    CHECK(!ptk_list_is_linked(&items[2].node) && ptk_list_is_linked(&items[3].node));
    CHECK_EQ(number_of(ptk_list_pop(&list)), 0);
    CHECK_EQ(number_of(ptk_list_pop(&list)), 1);
    CHECK_EQ(number_of(ptk_list_pop(&list)), 3);
    CHECK(ptk_list_is_empty(&list) && !ptk_list_is_linked(&items[3].node));
}

TEST(queue_is_first_in_first_out) {
    ptk_queue_node_t nodes[3];
    ptk_queue_t queue;
    ptk_queue_init(&queue);
    CHECK(ptk_queue_pop(&queue) == NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) {
            ptk_queue_push(&queue, &nodes[i]);
            CHECK_EQ(ptk_queue_count(&queue), i + 1);
        }
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(ptk_queue_pop(&queue), &nodes[i]);
        }
        CHECK(ptk_queue_pop(&queue) == NULL);
    }
}

/* Removes three nodes in every order, with a push behind the first removal. */
TEST(queue_remove_at_any_index) {
    for (size_t first = 0; first < 3; first++) {
        for (size_t second = 0; second < 3; second++) {
            ptk_queue_node_t nodes[4];
            ptk_queue_t queue;
            ptk_queue_init(&queue);
            for (int i = 0; i < 3; i++) {
                ptk_queue_push(&queue, &nodes[i]);
            }
            CHECK_EQ(ptk_queue_remove_at(&queue, first), &nodes[first]);
            ptk_queue_push(&queue, &nodes[3]);
            CHECK_EQ(ptk_queue_count(&queue), 3);
            size_t left[3] = {first == 0 ? 1 : 0, first == 2 ? 1 : 2, 3};
            CHECK_EQ(ptk_queue_remove_at(&queue, second), &nodes[left[second]]);
            for (size_t i = 0; i < 3; i++) {
                if (i != second) {
                    CHECK_EQ(ptk_queue_remove_at(&queue, 0), &nodes[left[i]]);
                }
            }
            CHECK_EQ(ptk_queue_count(&queue), 0);
        }
    }
}
