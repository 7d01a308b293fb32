/* SPDX-License-Identifier: MIT */
/*
 * A shutdown of a listener returned PTK_OK, and the system ended the listener: new connections were refused,
 * and accept returned PTK_ERR_INVALID_PARAM. A listener is not connected, so the shutdown has to be refused.
 */
#include "regress_sock.h"

static ptk_err shut_listener(void *unused) {
    (void) unused;
    const ptk_sock_direction_t directions[] = {PTK_SOCK_READ, PTK_SOCK_WRITE, PTK_SOCK_BOTH};
    ptk_addr_t addr;
    ptk_sock_t *listener = regress_listener(&addr);
    for (size_t i = 0; i < 3; i++) {
        CHECK_ERR(ptk_sock_shutdown(listener, directions[i]), PTK_ERR_NOT_CONNECTED);
        ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
        CHECK_OK(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, PTK_TIMEOUT_INFINITE));
        ptk_sock_t *accepted = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
        CHECK(accepted != NULL);
        ptk_sock_reset(accepted);
        ptk_sock_close(sock);
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(shutdown_of_a_listener_is_refused_and_it_goes_on_listening) {
    test_in_green(shut_listener);
}
