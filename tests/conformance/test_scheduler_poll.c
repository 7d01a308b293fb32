/* SPDX-License-Identifier: MIT */
/* ptk_scheduler_poll(), and what it reports about the next call. */
#include "conformance.h"

static ptk_err wait_until_canceled(void *arg) {
    (void) arg;
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    return PTK_OK;
}

/* --- poll ----------------------------------------------------------------------------------------------- */

TEST(poll_of_nothing_is_closed) {
    ptk_event_loop_platform_t *loop = test_loop();
    uint32_t next_ms = 7;
    CHECK_ERR(ptk_scheduler_poll(loop, 0, &next_ms), PTK_ERR_DONE);
    CHECK_EQ(next_ms, PTK_TIMEOUT_INFINITE);
    CHECK_ERR(ptk_scheduler_poll(NULL, 0, NULL), PTK_ERR_DONE);
    CHECK_ERR(ptk_scheduler_poll(loop, PTK_TIMEOUT_INFINITE, NULL), PTK_ERR_DONE);
    test_loop_end(loop);
}

TEST(poll_runs_each_runnable_green_thread_once, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    uint32_t next_ms = 7;
    test_go(test_body_yield_thrice, "a");
    test_go(test_body_yield_thrice, "b");
    CHECK_OK(ptk_scheduler_poll(loop, PTK_TIMEOUT_INFINITE, &next_ms));
    CHECK_STR(test_notes(), "ab");
    CHECK_EQ(next_ms, 0);
    CHECK_OK(ptk_scheduler_poll(loop, 0, &next_ms));
    CHECK_STR(test_notes(), "abab");
    CHECK_OK(ptk_scheduler_poll(loop, 0, &next_ms));
    CHECK_STR(test_notes(), "ababab");
    CHECK_ERR(ptk_scheduler_poll(loop, 0, &next_ms), PTK_ERR_DONE);
    CHECK_EQ(next_ms, PTK_TIMEOUT_INFINITE);
    test_loop_end(loop);
}

TEST(poll_returns_the_next_deadline_rounded_up, NEEDS_TICKS) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    uint32_t ms[] = {50, 20};
    uint32_t next_ms = 7;
    test_go(test_body_sleep_ms, &ms[0]);
    test_go(test_body_sleep_ms, &ms[1]);
    CHECK_OK(ptk_scheduler_poll(loop, 0, &next_ms));
    CHECK_OK(ptk_scheduler_poll(loop, 0, &next_ms));
    CHECK_EQ(next_ms, 20);
    test_clock_advance(1);
    CHECK_OK(ptk_scheduler_poll(loop, 0, &next_ms));
    CHECK_EQ(next_ms, 20);
    test_clock_advance(19 * PTK_NS_PER_MS);
    CHECK_OK(ptk_scheduler_poll(loop, 0, &next_ms));
    CHECK_EQ(next_ms, 1);
    CHECK_STR(test_notes(), "");
    test_clock_advance(PTK_NS_PER_MS);
    CHECK_OK(ptk_scheduler_poll(loop, 0, &next_ms));
    CHECK_STR(test_notes(), "s");
    CHECK_EQ(next_ms, 30);
    CHECK_ERR(ptk_scheduler_poll(loop, PTK_TIMEOUT_INFINITE, &next_ms), PTK_ERR_DONE);
    CHECK_STR(test_notes(), "ss");
    CHECK_EQ(ptk_now_ns(), 1000 + 50 * PTK_NS_PER_MS);
    test_loop_end(loop);
    test_clock_end();
}

TEST(poll_waits_no_longer_than_it_may, NEEDS_TICKS) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    uint32_t ms = 50;
    uint32_t next_ms = 7;
    test_go(test_body_sleep_ms, &ms);
    CHECK_OK(ptk_scheduler_poll(loop, 10, &next_ms)); /* starts the green thread */
    CHECK_EQ(ptk_now_ns(), 1000);
    CHECK_OK(ptk_scheduler_poll(loop, 10, &next_ms));
    CHECK_EQ(ptk_now_ns(), 1000 + 10 * PTK_NS_PER_MS);
    CHECK_EQ(next_ms, 40);
    CHECK_ERR(ptk_scheduler_poll(loop, 41, &next_ms), PTK_ERR_DONE);
    CHECK_EQ(ptk_now_ns(), 1000 + 50 * PTK_NS_PER_MS);
    test_loop_end(loop);
    test_clock_end();
}

TEST(poll_with_only_events_to_come_returns_infinite) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    uint32_t next_ms = 7;
    test_go(test_body_wait, user);
    CHECK_OK(ptk_scheduler_poll(loop, 0, &next_ms));
    CHECK_OK(ptk_scheduler_poll(loop, 0, &next_ms));
    CHECK_EQ(next_ms, PTK_TIMEOUT_INFINITE);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR(ptk_scheduler_poll(loop, PTK_TIMEOUT_INFINITE, &next_ms), PTK_ERR_DONE);
    CHECK_STR(test_notes(), "w");
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(poll_never_reports_a_deadlock) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_capture_begin();
    test_go(test_body_wait, user);
    for (int i = 0; i < 10; i++) {
        CHECK_OK(ptk_scheduler_poll(loop, 1, NULL));
    }
    CHECK_STR(test_captured_report(), "");
    test_capture_end();
    CHECK_OK(ptk_waitable_signal(user));
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(poll_with_daemons_alone_is_closed) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.flags = PTK_GREEN_DAEMON;
    CHECK_OK(ptk_green_detach(ptk_green_spawn(loop, &options, wait_until_canceled, NULL)));
    CHECK_ERR(ptk_scheduler_poll(loop, 0, NULL), PTK_ERR_DONE);
    CHECK_EQ(test_counters().green_threads, 1);
    test_run();
    CHECK_EQ(test_counters().green_threads, 0);
    test_loop_end(loop);
}

TEST(poll_delivers_descriptors, TRUSTS_READINESS) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fds[2];
    test_pipe(fds);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    test_go(test_body_wait, readable);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    test_write(fds[1], 1);
    CHECK_ERR(ptk_scheduler_poll(loop, PTK_TIMEOUT_INFINITE, NULL), PTK_ERR_DONE);
    CHECK_STR(test_notes(), "w");
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    test_loop_end(loop);
}
