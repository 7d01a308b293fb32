/* SPDX-License-Identifier: MIT */
/*
 * The owner of a foreign descriptor closed it before its waitable was destroyed, and a ptk socket got the
 * number. Destroying the waitable then removed the socket's registration: its receive never woke.
 */
#include "regress_sock.h"

#include <fcntl.h>

static ptk_err receive_one(void *sock) {
    char byte = 0;
    CHECK_OK(ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(byte, 'x');
    return PTK_OK;
}

static ptk_err destroy_late(void *unused) {
    (void) unused;
    int fds[2];
    ptk_addr_t addr;
    ptk_sock_t *listener = regress_listener(&addr);
    test_socketpair(fds);
    ptk_waitable_t *foreign = test_fd_waitable(fds[0]);
    CHECK_ERR(test_wait(foreign, 1), PTK_ERR_TIMEOUT); /* it has been watched once */
    CHECK_EQ(close(fds[0]), 0);
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK(fcntl(fds[0], F_GETFD) >= 0); /* the lowest free number */
    CHECK_OK(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, PTK_TIMEOUT_INFINITE));
    ptk_sock_t *peer = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    ptk_green_t *receiver = test_spawn(receive_one, sock);
    test_let_poll();
    CHECK(test_wait(foreign, 0) != PTK_OK); /* nor does it see the socket's events */
    ptk_waitable_destroy(foreign);
    CHECK_OK(ptk_sock_send(peer, "x", 1, PTK_TIMEOUT_INFINITE));
    CHECK_OK(test_join(receiver));
    ptk_sock_close(sock);
    ptk_sock_close(peer);
    ptk_sock_close(listener);
    CHECK_EQ(close(fds[1]), 0);
    return PTK_OK;
}

TEST(p60_late_destroy_leaves_the_socket_with_that_number_alone) {
    regress_in_green("epoll", destroy_late);
}

TEST(p60_late_destroy_leaves_the_socket_with_that_number_alone_on_poll) {
    regress_in_green("poll", destroy_late);
}
