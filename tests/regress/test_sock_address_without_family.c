/* SPDX-License-Identifier: MIT */
/*
 * A zeroed address has the family AF_UNSPEC, which the system takes for a request: a connect to it returned
 * OK, with a socket that has no peer, and a bind to it returned OK, with a port that the system chose.
 */
#include "regress_sock.h"

static ptk_err use_zeroed_address(void *unused) {
    (void) unused;
    ptk_addr_t zeroed = {.length = sizeof(struct sockaddr_in)};
    ptk_addr_t addr;
    ptk_sock_t *listener = regress_listener(&addr);
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(ptk_sock_bind(sock, ptk_addr_sockaddr(&zeroed), zeroed.length), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_listen(sock, 1), PTK_ERR_NOT_BOUND);
    CHECK_ERR(ptk_sock_connect(sock, ptk_addr_sockaddr(&zeroed), zeroed.length, PTK_TIMEOUT_INFINITE),
              PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_connect(sock, ptk_addr_sockaddr(&zeroed), 0, 0), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, PTK_TIMEOUT_INFINITE));
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(address_without_a_family_is_refused_epoll) {
    regress_in_green("epoll", use_zeroed_address);
}

TEST(address_without_a_family_is_refused_poll) {
    regress_in_green("poll", use_zeroed_address);
}
