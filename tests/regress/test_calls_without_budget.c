/* SPDX-License-Identifier: MIT */
/*
 * Calls that neither parked nor moved data through the kernel spent no budget: a loop of receives that
 * returned BUSY, of receives of unread bytes, or of empty sends never let another green thread run.
 */
#include "regress_sock.h"

#define CALLS      10000
#define KEPT_BYTES (CALLS + 1)

static char bytes[KEPT_BYTES + 1];

static ptk_err receive_one(void *sock) {
    char byte;
    return ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE);
}

static ptk_err receive_beside_another(void *unused) {
    (void) unused;
    int peer = -1;
    size_t turns = 0;
    char byte;
    ptk_sock_t *sock = regress_pair(&peer);
    ptk_green_t *receiver = test_spawn(receive_one, sock);
    test_let_poll();
    ptk_green_t *other = test_spawn(regress_count_ticks, &turns);
    for (int i = 0; i < CALLS; i++) {
        CHECK_ERR(ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE), PTK_ERR_BUSY);
    }
    CHECK(turns > 0);
    regress_cancel(other);
    CHECK_EQ(send(peer, "x", 1, MSG_NOSIGNAL), 1);
    CHECK_OK(test_join(receiver));
    regress_pair_end(sock, peer);
    return PTK_OK;
}

TEST(p47_a_loop_of_busy_receives_lets_others_run) {
    test_in_green(receive_beside_another);
}

static ptk_err receive_what_is_held(void *unused) {
    (void) unused;
    int peer = -1;
    size_t turns = 0;
    char byte;
    ptk_sock_t *sock = regress_pair(&peer);
    CHECK_EQ(send(peer, bytes, KEPT_BYTES, MSG_NOSIGNAL), KEPT_BYTES);
    while (ptk_sock_pending(sock) < KEPT_BYTES) {
        CHECK_ERR(ptk_sock_recv(sock, bytes, KEPT_BYTES + 1, 1), PTK_ERR_TIMEOUT);
    }
    ptk_green_t *other = test_spawn(regress_count_ticks, &turns);
    for (int i = 0; i < CALLS; i++) {
        CHECK_OK(ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE));
    }
    CHECK(turns > 0);
    CHECK_EQ(ptk_sock_pending(sock), KEPT_BYTES - CALLS);
    regress_cancel(other);
    regress_pair_end(sock, peer);
    return PTK_OK;
}

TEST(p47_a_loop_of_receives_of_unread_bytes_lets_others_run) {
    test_in_green(receive_what_is_held);
}

static ptk_err send_nothing(void *unused) {
    (void) unused;
    int peer = -1;
    size_t turns = 0;
    ptk_sock_t *sock = regress_pair(&peer);
    ptk_green_t *other = test_spawn(regress_count_ticks, &turns);
    for (int i = 0; i < CALLS; i++) {
        CHECK_OK(ptk_sock_send(sock, bytes, 0, PTK_TIMEOUT_INFINITE));
    }
    CHECK(turns > 0);
    regress_cancel(other);
    regress_pair_end(sock, peer);
    return PTK_OK;
}

TEST(p47_a_loop_of_empty_sends_lets_others_run) {
    test_in_green(send_nothing);
}

static ptk_err wait_for_ever(void *waitable) {
    return test_wait(waitable, PTK_TIMEOUT_INFINITE);
}

static ptk_err wait_beside_another(void *unused) {
    (void) unused;
    int fds[2];
    size_t turns = 0;
    size_t index = 9;
    test_socketpair(fds);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    ptk_waitable_wait_item_t item = {.waitable = readable, .events = PTK_EVENT_READ};
    ptk_green_t *waiter = test_spawn(wait_for_ever, readable);
    test_let_poll();
    ptk_green_t *other = test_spawn(regress_count_ticks, &turns);
    for (int i = 0; i < CALLS; i++) {
        CHECK_ERR(test_wait(readable, PTK_TIMEOUT_INFINITE), PTK_ERR_BUSY);
    }
    CHECK(turns > 0);
    turns = 0;
    for (int i = 0; i < CALLS; i++) {
        CHECK_ERR(ptk_waitable_wait_any(&item, 1, &index, PTK_TIMEOUT_INFINITE), PTK_ERR_BUSY);
    }
    CHECK(turns > 0);
    regress_cancel(other);
    test_write(fds[1], 1);
    CHECK_OK(test_join(waiter));
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    return PTK_OK;
}

TEST(p47_a_loop_of_busy_waits_lets_others_run) {
    test_in_green(wait_beside_another);
}
