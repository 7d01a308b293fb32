/* SPDX-License-Identifier: MIT */
/*
 * A wait that timed out looks at its descriptors once more. When its owner had closed one meanwhile, the
 * timeout carried the error number of that look, which was not its reason.
 */
#include "conformance.h"

static int fds[2];

static ptk_err close_both(void *unused) {
    (void) unused;
    test_close_pair(fds);
    return PTK_OK;
}

static ptk_err wait_beside_close(void *unused) {
    (void) unused;
    test_socketpair(fds);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    test_go(close_both, NULL);
    ptk_err err = test_wait(readable, 5);
    if (err == PTK_ERR_TIMEOUT) { /* poll(2) reports the closed descriptor, epoll does not */
        CHECK_EQ(ptk_get_os_err(), 0);
    } else {
        CHECK_ERR(err, PTK_ERR_INVALID_PARAM);
    }
    ptk_waitable_destroy(readable);
    return PTK_OK;
}

TEST(wait_that_times_out_has_no_error_number) {
    test_in_green(wait_beside_close);
}
