/* SPDX-License-Identifier: MIT */
/*
 * A waiter of a descriptor is woken to look again. An abort between the wake and that look was lost: if
 * another green thread had taken the data meanwhile, the waiter found nothing and waited again.
 */
#include "conformance.h"

static int fds[2];
static ptk_waitable_t *readable;
static ptk_err answer;
static size_t answer_index;

static ptk_err wait_single(void *arg) {
    (void) arg;
    answer = test_wait(readable, PTK_TIMEOUT_INFINITE);
    return PTK_OK;
}

static ptk_err wait_any(void *user) {
    ptk_waitable_wait_item_t items[] = {
        {.waitable = user, .events = PTK_EVENT_READ},
        {.waitable = readable, .events = PTK_EVENT_READ},
    };
    answer = ptk_waitable_wait_any(items, 2, &answer_index, PTK_TIMEOUT_INFINITE);
    return PTK_OK;
}

/* It is in the run queue when the next tick wakes the waiter, so it runs first. */
static ptk_err take_and_abort(void *arg) {
    (void) arg;
    test_write(fds[1], 1);
    test_yield();
    CHECK_EQ(test_read(fds[0], 1), 1);
    CHECK_ERR(answer, PTK_ERR_OS); /* still inside its wait */
    CHECK_OK(ptk_waitable_abort(readable));
    return PTK_OK;
}

static void abort_when_woken(ptk_green_fn waiter) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_socketpair(fds);
    readable = test_fd_waitable(fds[0]);
    answer = PTK_ERR_OS;
    answer_index = 9;
    test_go(waiter, user);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    test_go(take_and_abort, NULL);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL)); /* the byte is written */
    CHECK_ERR(ptk_scheduler_poll(loop, 0, NULL), PTK_ERR_DONE);
    CHECK_ERR(answer, PTK_ERR_ABORTED);
    ptk_waitable_destroy(readable);
    ptk_waitable_destroy(user);
    test_close_pair(fds);
    test_loop_end(loop);
}

TEST(abort_reaches_a_waiter_that_was_woken_to_retry) {
    abort_when_woken(wait_single);
}

TEST(abort_reaches_a_wait_for_several_that_was_woken_to_retry) {
    abort_when_woken(wait_any);
    CHECK_EQ(answer_index, 1);
}
