/* SPDX-License-Identifier: MIT */
/*
 * A receive that was cancelled while it was parked, and then found a part of its message on its last try,
 * waited again as if nothing had happened: the cancel was lost, and without a timeout it waited without end.
 */
#include "conformance.h"

#include <string.h>
#include <unistd.h>

typedef struct receiver {
    ptk_sock_t *sock;
    char got[8];
    ptk_err err;
} receiver_t;

static ptk_err receive_eight(void *arg) {
    receiver_t *receiver = arg;
    receiver->err = ptk_sock_recv(receiver->sock, receiver->got, 8, 5000);
    return PTK_OK;
}

/* Returns a ptk socket that accepted `peer_out`, a plain descriptor. */
static ptk_sock_t *open_pair(int *peer_out) {
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", &addr));
    ptk_sock_t *listener = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_sock_bind(listener, ptk_addr_sockaddr(&addr), addr.length));
    CHECK_OK(ptk_sock_listen(listener, 1));
    CHECK_OK(ptk_sock_local_addr(listener, (struct sockaddr *) &addr.storage, &addr.length));
    *peer_out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(*peer_out, ptk_addr_sockaddr(&addr), addr.length), 0);
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    CHECK(sock != NULL);
    ptk_sock_close(listener);
    return sock;
}

static ptk_err cancel_then_write(void *unused) {
    (void) unused;
    int peer = -1;
    receiver_t receiver = {.sock = open_pair(&peer)};
    ptk_green_t *green = test_spawn(receive_eight, &receiver);
    test_let_poll();
    CHECK_OK(ptk_green_cancel(green));
    CHECK_EQ(send(peer, "part", 4, MSG_NOSIGNAL), 4);
    CHECK_OK(test_join(green));
    CHECK_ERR(receiver.err, PTK_ERR_CANCELED);
    CHECK_OK(ptk_sock_recv(receiver.sock, receiver.got, 4, PTK_TIMEOUT_INFINITE));
    CHECK(memcmp(receiver.got, "part", 4) == 0);
    ptk_sock_close(receiver.sock);
    CHECK_EQ(close(peer), 0);
    return PTK_OK;
}

TEST(p46_cancel_holds_although_the_last_try_brought_a_part) {
    test_in_green(cancel_then_write);
}
