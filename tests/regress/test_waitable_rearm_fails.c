/* SPDX-License-Identifier: MIT */
/*
 * Two waitables of one descriptor share a registration. When an event for one of them had used it up and it
 * could not be armed again, the failure was dropped: the other wait continued without a registration.
 */
#include "regress_sock.h"

#include "ptk_test_faults.h"
#include <errno.h>

typedef struct writer {
    ptk_waitable_t *waitable;
    ptk_err err;
} writer_t;

static ptk_err wait_to_read(void *waitable) {
    return test_wait(waitable, PTK_TIMEOUT_INFINITE);
}

static ptk_err wait_to_write(void *arg) {
    writer_t *writer = arg;
    writer->err = ptk_waitable_wait(writer->waitable, PTK_EVENT_WRITE, PTK_TIMEOUT_INFINITE);
    return PTK_OK;
}

/* A reader and a writer wait; the reader is woken, and re-arming for the writer fails. Returns the
   writer's result. */
static ptk_err fail_to_arm_again(ptk_test_fault_span_t span) {
    int fds[2];
    test_socketpair(fds);
    size_t filled = test_fill(fds[0]);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    writer_t writer = {.waitable = test_fd_waitable(fds[0])};
    ptk_green_t *reader_green = test_spawn(wait_to_read, readable);
    ptk_green_t *writer_green = test_spawn(wait_to_write, &writer);
    test_let_poll();
    ptk_test_fault(PTK_SYS_epoll_ctl, 1, ENOMEM, span);
    test_write(fds[1], 1);
    CHECK_OK(test_join(reader_green));
    test_let_poll();
    CHECK(ptk_test_fault_failures(PTK_SYS_epoll_ctl) > 0);
    while (filled > 0) {
        filled -= test_read(fds[1], 65536);
    }
    CHECK_OK(test_join(writer_green));
    ptk_test_fault(PTK_SYS_epoll_ctl, 0, 0, PTK_TEST_ONCE);
    ptk_waitable_destroy(readable);
    ptk_waitable_destroy(writer.waitable);
    test_close_pair(fds);
    return writer.err;
}

static ptk_err fail_once(void *unused) {
    (void) unused;
    CHECK_OK(fail_to_arm_again(PTK_TEST_ONCE));
    return PTK_OK;
}

TEST(p05_failed_rearm_is_tried_again_for_remaining_waiters) {
    ptk_test_faults_install();
    regress_in_green("epoll", fail_once);
    ptk_test_faults_remove();
}

static ptk_err fail_for_good(void *unused) {
    (void) unused;
    CHECK_ERR(fail_to_arm_again(PTK_TEST_FOR_GOOD), PTK_ERR_NO_RESOURCES);
    return PTK_OK;
}

TEST(p05_failed_rearm_ends_the_wait_of_remaining_waiters) {
    ptk_test_faults_install();
    regress_in_green("epoll", fail_for_good);
    ptk_test_faults_remove();
}
