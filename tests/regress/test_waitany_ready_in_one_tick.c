/* SPDX-License-Identifier: MIT */
/*
 * Under an oracle a tick delivers what the platform finished in an order that the oracle chooses, and counted
 * it once. The delivery of one item of a wait for several takes the others off the list, so the count was too
 * high, and the tick went on beyond the end of the list.
 */
#include "conformance.h"

static uint32_t choose_last(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    (void) oracle;
    return site == PTK_CHOICE_EVENT_ORDER ? count - 1 : 0;
}

static ptk_err write_both(void *fds) {
    test_write(((int *) fds)[0], 1);
    test_write(((int *) fds)[1], 1);
    return PTK_OK;
}

static ptk_err wait_for_both_ends(void *unused) {
    (void) unused;
    int fds[2];
    size_t index = 9;
    test_socketpair(fds);
    ptk_waitable_wait_item_t items[] = {
        {.waitable = test_fd_waitable(fds[0]), .events = PTK_EVENT_READ},
        {.waitable = test_fd_waitable(fds[1]), .events = PTK_EVENT_READ},
    };
    test_go(write_both, fds);
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 0);
    ptk_waitable_destroy(items[0].waitable);
    ptk_waitable_destroy(items[1].waitable);
    test_close_pair(fds);
    return PTK_OK;
}

TEST(items_of_one_wait_that_are_ready_in_one_tick_are_delivered_once) {
    ptk_choice_oracle_t oracle = {.choose = choose_last};
    test_decide_by(&oracle);
    test_in_green(wait_for_both_ends);
    test_decide_by(NULL);
}
