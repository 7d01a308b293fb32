/* SPDX-License-Identifier: MIT */
/*
 * Under an oracle each pick of a green thread reads the clock first, and a tick is due when the interval
 * since the last one has passed. The interval was measured from before the poll: where a poll without sleep
 * took longer than that, the next tick was due at once, and no green thread ever ran.
 */
#include "conformance.h"

#include "base/ptk_choice.h"
#include "base/ptk_thread.h"
#include "ptk_test_intercept.h"

#define TICKS_MAX 100

static uint64_t now_ns = PTK_NS_PER_MS;
static int ticks;

static int64_t clock_now(ptk_sys_call_t *call) {
    (void) call;
    return (int64_t) now_ns;
}

static int64_t poll_slowly(ptk_sys_call_t *call) {
    now_ns += PTK_NS_PER_MS;
    CHECK(++ticks < TICKS_MAX);
    return ptk_sys_call_below(call);
}

static ptk_interceptor_t slow = {
    .hooks = {
        [PTK_SYS_now_ns] = clock_now, [PTK_SYS_epoll_wait] = poll_slowly, [PTK_SYS_poll] = poll_slowly}};

static uint32_t choose_plainly(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    (void) oracle, (void) site, (void) count;
    return 0;
}

static ptk_err yield_some(void *arg) {
    (void) arg;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ptk_yield());
    }
    return PTK_OK;
}

TEST(green_threads_run_although_each_poll_takes_long) {
    ptk_choice_oracle_t plain = {choose_plainly};
    ptk_intercept(&slow);
    ptk_thread()->oracle = &plain;
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(yield_some, NULL);
    test_go(yield_some, NULL);
    test_run();
    test_loop_end(loop);
    ptk_thread()->oracle = NULL;
    ptk_intercept_end();
}
