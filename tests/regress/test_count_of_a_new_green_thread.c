/* SPDX-License-Identifier: MIT */
/* ptk_waitable_count() of a green thread that had not waited yet returned what the one before it, in the
   same task, had taken. */
#include "conformance.h"

static ptk_err take_five(void *user) {
    CHECK_EQ(ptk_waitable_count(), 0);
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 5);
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
    return PTK_OK;
}

static ptk_err never_waited(void *arg) {
    (void) arg;
    CHECK_EQ(ptk_waitable_count(), 0);
    CHECK_EQ(ptk_waitable_ready(), 0);
    return PTK_OK;
}

TEST(count_and_ready_of_a_green_thread_that_never_waited_are_zero) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    for (int i = 0; i < 5; i++) {
        CHECK_OK(ptk_waitable_signal(user));
    }
    test_go(take_five, user);
    test_run();
    for (int i = 0; i < 3; i++) {
        test_go(never_waited, NULL);
    }
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}
