/* SPDX-License-Identifier: MIT */
/*
 * The system reports a reset of a connection only once. When a send had consumed the report, a receive
 * returned CLOSED, as if the peer had ended the stream normally.
 */
#include "regress_sock.h"

static void reset_from(int peer) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    CHECK_EQ(setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    CHECK_EQ(close(peer), 0);
}

static ptk_err receive_after_reset(void *unused) {
    (void) unused;
    int peer = -1;
    char byte = 0;
    size_t count = 0;
    ptk_sock_t *sock = regress_pair(&peer);
    reset_from(peer);
    CHECK_OK(ptk_waitable_wait(ptk_sock_waitable(sock, PTK_EVENT_READ), PTK_EVENT_READ, 5000));
    CHECK_ERR(ptk_sock_send(sock, "x", 1, PTK_TIMEOUT_INFINITE), PTK_ERR_RESET);
    CHECK_ERR(ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE), PTK_ERR_RESET);
    CHECK_ERR(ptk_sock_recv_some(sock, &byte, 1, &count, 0), PTK_ERR_RESET);
    ptk_sock_close(sock);
    return PTK_OK;
}

TEST(a_receive_after_a_send_that_was_reset_is_reset) {
    test_in_green(receive_after_reset);
}
