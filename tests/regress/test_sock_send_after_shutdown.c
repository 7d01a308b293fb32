/* SPDX-License-Identifier: MIT */
/* A send after the caller's own shutdown of that direction returned RESET, as if the peer had reset the
   connection. */
#include "regress_sock.h"

static ptk_err send_after_shutdown(void *unused) {
    (void) unused;
    int peer = -1;
    char byte = 0;
    size_t sent = 0;
    ptk_sock_t *sock = regress_pair(&peer);
    CHECK_OK(ptk_sock_shutdown(sock, PTK_SOCK_WRITE));
    CHECK_ERR(ptk_sock_send(sock, "x", 1, PTK_TIMEOUT_INFINITE), PTK_ERR_WRITE_SHUT);
    CHECK_ERR(ptk_sock_send_some(sock, "x", 1, &sent, 0), PTK_ERR_WRITE_SHUT);
    CHECK_EQ(send(peer, "y", 1, MSG_NOSIGNAL), 1);
    CHECK_OK(ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE)); /* the other direction is open */
    CHECK_EQ(byte, 'y');
    regress_pair_end(sock, peer);
    return PTK_OK;
}

TEST(send_after_ones_own_shutdown_is_closed) {
    test_in_green(send_after_shutdown);
}
