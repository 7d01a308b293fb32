/* SPDX-License-Identifier: MIT */
/* A wait with timeout 0 looked at the waitable, and not at what other threads and handlers had sent to it
 * already. */
#include "conformance.h"

#include <pthread.h>
#include <signal.h>

static void *signal_twice(void *signaler) {
    CHECK_OK(ptk_signaler_signal(signaler));
    CHECK_OK(ptk_signaler_signal(signaler));
    return NULL;
}

TEST(wait_with_timeout_zero_sees_what_other_threads_sent) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, signal_twice, signaler), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_OK(test_wait(user, 0));
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(wait_with_timeout_zero_sees_a_signal_that_arrived) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *signal = ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1));
    size_t index = 9;
    ptk_waitable_wait_item_t item = {.waitable = signal, .events = PTK_EVENT_READ};
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_OK(test_wait(signal, 0));
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_OK(ptk_waitable_wait_any(&item, 1, &index, 0));
    ptk_waitable_destroy(signal);
    test_loop_end(loop);
}
