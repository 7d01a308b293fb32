/* SPDX-License-Identifier: MIT */
/*
 * After a connect that timed out only close is useful; send and recv waited for the connection that their
 * caller had given up, without end if they had no timeout. On a socket that was never connected send returned
 * RESET.
 */
#include "conformance.h"

#include <errno.h>
#include <unistd.h>

static void check_not_connected(ptk_sock_t *sock) {
    char byte = 0;
    size_t count = 0;
    CHECK_ERR(ptk_sock_send(sock, "x", 1, PTK_TIMEOUT_INFINITE), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_send_some(sock, "x", 1, &count, 0), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_recv_some(sock, &byte, 1, &count, 0), PTK_ERR_NOT_CONNECTED);
    ptk_sock_close(sock);
}

static int open_client(const ptk_addr_t *addr) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(connect(fd, ptk_addr_sockaddr(addr), addr->length) == 0 || errno == EINPROGRESS);
    return fd;
}

static ptk_err give_up(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", &addr));
    int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(full, ptk_addr_sockaddr(&addr), addr.length), 0);
    CHECK_EQ(listen(full, 0), 0);
    CHECK_EQ(getsockname(full, (struct sockaddr *) &addr.storage, &addr.length), 0);
    int clients[3] = {open_client(&addr), open_client(&addr), open_client(&addr)};
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, 5), PTK_ERR_TIMEOUT);
    check_not_connected(sock);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(close(clients[i]), 0);
    }
    CHECK_EQ(close(full), 0);
    return PTK_OK;
}

TEST(p12_nothing_is_sent_on_a_connection_that_was_given_up) {
    test_in_green(give_up);
}

static ptk_err never_connected(void *unused) {
    (void) unused;
    check_not_connected(ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0));
    return PTK_OK;
}

TEST(sock_that_was_never_connected_is_reported) {
    test_in_green(never_connected);
}
