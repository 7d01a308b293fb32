/* SPDX-License-Identifier: MIT */
/*
 * A connect to an address whose family was not set (a zeroed one) returned PTK_OK: the system takes it as a
 * request to end a connection, and has none to end. The socket counted as connected.
 */
#include "regress_sock.h"

static ptk_err connect_to_zeros(void *unused) {
    (void) unused;
    static const struct sockaddr_storage zeros;
    const struct sockaddr *addr = (const struct sockaddr *) &zeros;
    const uint32_t timeouts[] = {0, PTK_TIMEOUT_INFINITE};
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    for (size_t i = 0; i < 2; i++) {
        CHECK_ERR(ptk_sock_connect(sock, addr, sizeof zeros, timeouts[i]), PTK_ERR_INVALID_PARAM);
        CHECK_ERR(ptk_sock_connect(sock, addr, sizeof(struct sockaddr_in), timeouts[i]),
                  PTK_ERR_INVALID_PARAM);
    }
    CHECK_ERR(ptk_sock_send(sock, "x", 1, 0), PTK_ERR_NOT_CONNECTED);
    ptk_sock_close(sock);
    return PTK_OK;
}

TEST(connect_to_an_address_without_a_family_is_refused) {
    test_in_green(connect_to_zeros);
}
