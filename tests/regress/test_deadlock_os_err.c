/* SPDX-License-Identifier: MIT */
/* run that returned DEADLOCK left the errno of an earlier run's failed poll in ptk_get_os_err(). */
#include "regress_sock.h"

#include "ptk_test_faults.h"
#include <errno.h>

static ptk_err wait_for_ever(void *user) {
    return test_wait(user, PTK_TIMEOUT_INFINITE);
}

static void deadlock_after_failed_poll(const char *platform) {
    ptk_test_faults_install();
    ptk_event_loop_platform_t *loop = regress_loop(platform);
    ptk_waitable_t *user = test_user();
    test_go(wait_for_ever, user);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL)); /* it is parked now */
    ptk_test_fault(PTK_SYS_epoll_wait, 1, ENOMEM, PTK_TEST_ONCE);
    ptk_test_fault(PTK_SYS_poll, 1, ENOMEM, PTK_TEST_ONCE);
    CHECK_ERR(ptk_scheduler_poll(loop, 0, NULL), PTK_ERR_NO_RESOURCES);
    CHECK_EQ(ptk_get_os_err(), ENOMEM);
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    test_capture_end();
    CHECK_EQ(ptk_get_os_err(), 0);
    CHECK_OK(ptk_waitable_signal(user));
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
    ptk_test_faults_remove();
}

TEST(deadlock_carries_no_error_number_of_an_earlier_failure) {
    deadlock_after_failed_poll("epoll");
    deadlock_after_failed_poll("poll");
}
