/* SPDX-License-Identifier: MIT */
/* The last signaler was released without a signal, and run slept without end instead of reporting the
   deadlock. */
#include "conformance.h"

#include <pthread.h>

static ptk_err wait_for(void *user) {
    return test_wait(user, PTK_TIMEOUT_INFINITE);
}

static void *release(void *signaler) {
    ptk_signaler_unref(signaler);
    return NULL;
}

static void check_deadlock(ptk_event_loop_platform_t *loop, ptk_waitable_t *user) {
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    test_capture_end();
    ptk_waitable_destroy(user);
    test_run();
    test_loop_end(loop);
}

TEST(deadlock_after_the_last_signaler_was_released_here) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_unref(ptk_waitable_signaler(user));
    test_spawn(wait_for, user);
    check_deadlock(loop, user);
}

/* Repeatedly: the loop looks between the release and its end. */
TEST(deadlock_after_the_last_signaler_was_released_by_a_thread) {
    for (int i = 0; i < 300; i++) {
        ptk_event_loop_platform_t *loop = test_loop();
        ptk_waitable_t *user = test_user();
        pthread_t thread;
        test_spawn(wait_for, user);
        CHECK_EQ(pthread_create(&thread, NULL, release, ptk_waitable_signaler(user)), 0);
        check_deadlock(loop, user);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}
