/* SPDX-License-Identifier: MIT */
/*
 * A wait that queues behind a send is woken when the send ends, to look at the socket. An abort between that
 * wake and the look was lost: the socket was not writable, so the waiter waited again.
 */
#include "regress_sock.h"

static char big[8u << 20];
static ptk_sock_t *sock;
static ptk_err outcome = PTK_ERR_OS;
static size_t outcome_index = 9;

static ptk_err send_big(void *unused) {
    (void) unused;
    return ptk_sock_send(sock, big, sizeof big, PTK_TIMEOUT_INFINITE);
}

static ptk_err wait_single(void *waitable) {
    outcome = ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 1000);
    outcome_index = 0;
    return PTK_OK;
}

static ptk_err wait_for_several(void *waitable) {
    ptk_waitable_t *user = test_user();
    ptk_waitable_wait_item_t items[] = {{.waitable = user, .events = PTK_EVENT_READ},
                                        {.waitable = waitable, .events = PTK_EVENT_WRITE}};
    outcome = ptk_waitable_wait_any(items, 2, &outcome_index, 1000);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

/* The sender leaves the gate while this green thread is in the run queue, before the waiter. */
static void abort_after_gate(ptk_green_fn waiter_body) {
    int peer;
    sock = regress_pair(&peer);
    ptk_waitable_t *writable = ptk_sock_waitable(sock, PTK_EVENT_WRITE);
    ptk_green_t *sender = test_spawn(send_big, NULL);
    CHECK_OK(ptk_sleep_ms(2));
    ptk_green_t *waiter = test_spawn(waiter_body, writable);
    CHECK_OK(ptk_sleep_ms(2));
    CHECK_OK(ptk_green_cancel(sender));
    test_yield();
    CHECK_OK(ptk_waitable_abort(writable));
    CHECK_OK(test_join(waiter));
    CHECK_ERR(outcome, PTK_ERR_ABORTED);
    CHECK_OK(ptk_green_end(sender, PTK_TIMEOUT_INFINITE));
    regress_pair_end(sock, peer);
}

static ptk_err abort_single(void *unused) {
    (void) unused;
    abort_after_gate(wait_single);
    return PTK_OK;
}

TEST(abort_reaches_a_waiter_that_has_just_got_a_gate) {
    test_in_green(abort_single);
}

static ptk_err abort_several(void *unused) {
    (void) unused;
    abort_after_gate(wait_for_several);
    CHECK_EQ(outcome_index, 1);
    return PTK_OK;
}

TEST(abort_reaches_a_wait_for_several_that_has_just_got_a_gate) {
    test_in_green(abort_several);
}
