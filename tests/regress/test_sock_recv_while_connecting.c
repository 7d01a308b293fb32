/* SPDX-License-Identifier: MIT */
/*
 * A receive during a connect that was started with timeout 0 waited for the connection and took its error:
 * the connect that should have returned the error never did.
 */
#include "regress_sock.h"

#include <errno.h>

/* A client of a full listener: it gets no response until the listener is closed, and a refusal then. */
static int open_client(const ptk_addr_t *addr) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(connect(fd, ptk_addr_sockaddr(addr), addr->length) == 0 || errno == EINPROGRESS);
    return fd;
}

static ptk_err receive_while_connecting(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    char byte;
    size_t count = 0;
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", &addr));
    int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(full, ptk_addr_sockaddr(&addr), addr.length), 0);
    CHECK_EQ(listen(full, 0), 0);
    CHECK_EQ(getsockname(full, (struct sockaddr *) &addr.storage, &addr.length), 0);
    int clients[3] = {open_client(&addr), open_client(&addr), open_client(&addr)};
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, 0), PTK_ERR_TIMEOUT);
    CHECK_EQ(close(full), 0);
    CHECK_ERR(ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_recv_some(sock, &byte, 1, &count, 0), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_send(sock, "x", 1, PTK_TIMEOUT_INFINITE), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, PTK_TIMEOUT_INFINITE),
              PTK_ERR_REFUSED);
    ptk_sock_close(sock);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(close(clients[i]), 0);
    }
    return PTK_OK;
}

TEST(p12_receive_leaves_the_error_to_the_connect_that_is_under_way) {
    test_in_green(receive_while_connecting);
}
