/* SPDX-License-Identifier: MIT */
/* A shutdown of a listener's reading direction returned OK: the system stopped listening, the socket was
   still a listener for ptk, and each later accept returned PTK_ERR_INVALID_PARAM. */
#include "regress_sock.h"

static ptk_err shut_down_listener(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = regress_listener(&addr);
    CHECK_OK(ptk_sock_shutdown(listener, PTK_SOCK_WRITE));
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, PTK_TIMEOUT_INFINITE));
    ptk_sock_t *accepted = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    CHECK(accepted != NULL);
    ptk_sock_close(accepted);
    CHECK_OK(ptk_sock_shutdown(listener, PTK_SOCK_READ));
    CHECK(ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_shutdown(listener, PTK_SOCK_BOTH), PTK_ERR_NOT_CONNECTED);
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(shutdown_of_a_listener_s_reading_direction_alone_ends_it_epoll) {
    regress_in_green("epoll", shut_down_listener);
}

TEST(shutdown_of_a_listener_s_reading_direction_alone_ends_it_poll) {
    regress_in_green("poll", shut_down_listener);
}
