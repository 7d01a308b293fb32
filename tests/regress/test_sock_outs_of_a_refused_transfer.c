/* SPDX-License-Identifier: MIT */
/* A receive or a send that was refused for its arguments left its out-parameter as it was, and not 0. */
#include "conformance.h"

TEST(out_parameter_of_a_refused_transfer_is_zero) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    char byte = 0;
    size_t count = 7;
    CHECK_ERR(ptk_sock_recv_some(sock, &byte, 0, &count, 0), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(count, 0);
    count = 7;
    CHECK_ERR(ptk_sock_send_some(sock, NULL, 1, &count, 0), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(count, 0);
    ptk_sock_close(sock);
    test_loop_end(loop);
}
