/* SPDX-License-Identifier: MIT */
/*
 * Under an oracle each pick of a green thread reads the clock first, and a tick is due when the interval
 * since the last one has passed. The interval was measured from before the poll: where a poll without sleep
 * took longer than that, the next tick was due at once, and no green thread ever ran.
 */
#include "conformance.h"

#include "base/ptk_choice.h"
#include "sys/ptk_sys.h"

#define TICKS_MAX 100

static ptk_sys_t slow;
static uint64_t now_ns = PTK_NS_PER_MS;
static int turns;

static uint64_t clock_now(void) {
    return now_ns;
}

static void take_long(void) {
    now_ns += PTK_NS_PER_MS;
    CHECK(++turns < TICKS_MAX);
}

static int slow_epoll_wait(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                           int64_t timeout_ns) {
    take_long();
    return ptk_sys_real.epoll_wait(epoll, events, capacity, timeout_ns);
}

static int slow_poll(struct pollfd *entries, size_t count, int64_t timeout_ns) {
    take_long();
    return ptk_sys_real.poll(entries, count, timeout_ns);
}

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
    slow = ptk_sys_real;
    slow.now_ns = clock_now;
    slow.epoll_wait = slow_epoll_wait;
    slow.poll = slow_poll;
    ptk_thread()->sys = &slow;
    ptk_thread()->oracle = &plain;
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(yield_some, NULL);
    test_go(yield_some, NULL);
    test_run();
    test_loop_end(loop);
    ptk_thread()->oracle = NULL;
    ptk_thread()->sys = NULL;
}
