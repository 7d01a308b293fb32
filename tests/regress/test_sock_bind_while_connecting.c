/* SPDX-License-Identifier: MIT */
/*
 * A bind of a socket that another green thread connects returned PTK_ERR_INVALID_PARAM, as if an argument
 * were wrong: it reached the system, which had bound the socket for the connect.
 */
#include "regress_sock.h"

static ptk_err connect_until_cancelled(void *sock) {
    ptk_addr_t addr;
    int fillers[2];
    ptk_sock_t *listener = regress_listener(&addr);
    CHECK_OK(ptk_sock_listen(listener, 1));
    for (size_t i = 0; i < 2; i++) { /* a listener whose backlog is full completes no handshake */
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_EQ(connect(fillers[i], ptk_addr_sockaddr(&addr), addr.length), 0);
    }
    CHECK_ERR(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, PTK_TIMEOUT_INFINITE),
              PTK_ERR_CANCELED);
    CHECK_EQ(close(fillers[0]), 0);
    CHECK_EQ(close(fillers[1]), 0);
    ptk_sock_close(listener);
    return PTK_OK;
}

static ptk_err bind_beside(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    ptk_green_t *connector = test_spawn(connect_until_cancelled, sock);
    test_yield();
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", &addr));
    CHECK_ERR(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length), PTK_ERR_BUSY);
    CHECK_OK(ptk_green_end(connector, PTK_TIMEOUT_INFINITE));
    CHECK_ERR(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length), PTK_ERR_CONNECT_FAILED);
    ptk_sock_close(sock);
    return PTK_OK;
}

TEST(bind_beside_a_connect_is_busy) {
    test_in_green(bind_beside);
}
