/* SPDX-License-Identifier: MIT */
/*
 * Green threads that go on after PTK_ERR_CANCELED: the others go on beside them, and run, stop and destroy
 * end. The clock is the test's.
 */
#include "conformance.h"

#include <string.h>

#define START_NS    (1000 * PTK_NS_PER_MS)
#define SLEEPS      200
#define REFUSALS    1000 /* from this one in a row on, each takes 1 ms */
#define DRAIN_MS    500
#define SHIELDED_MS 2000
#define LATE_MS     3

typedef struct stubborn {
    ptk_waitable_t *user;
    ptk_green_t *sleeper;
    uint64_t refusals;
    bool over;
} stubborn_t;

static ptk_err sleep_for_ever(void *arg) {
    (void) arg;
    return ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
}

static ptk_err go_on(void *arg) {
    stubborn_t *stubborn = arg;
    while (!stubborn->over) {
        stubborn->refusals += ptk_sleep_ms(1000) == PTK_ERR_CANCELED;
    }
    return PTK_OK;
}

static ptk_err go_on_with_yields(void *arg) {
    stubborn_t *stubborn = arg;
    while (!stubborn->over) {
        stubborn->refusals += ptk_yield() == PTK_ERR_CANCELED;
    }
    return PTK_OK;
}

/* Waits and joins in turn. */
static ptk_err go_on_with_waits(void *arg) {
    stubborn_t *stubborn = arg;
    while (!stubborn->over) {
        stubborn->refusals += test_wait(stubborn->user, PTK_TIMEOUT_INFINITE) == PTK_ERR_CANCELED;
        stubborn->refusals += ptk_green_join(stubborn->sleeper, NULL, 7) == PTK_ERR_CANCELED;
    }
    return PTK_OK;
}

/* A neighbour: its sleeps are as long as if it were alone, but for one pause. */
static ptk_err sleep_beside(void *arg) {
    stubborn_t *stubborn = arg;
    for (int i = 0; i < SLEEPS; i++) {
        uint64_t began_ns = ptk_now_ns();
        CHECK_OK(ptk_sleep_ms(10));
        CHECK(ptk_now_ns() - began_ns <= 11 * PTK_NS_PER_MS);
    }
    stubborn->over = true;
    return PTK_OK;
}

static void run_beside(ptk_green_fn fn) {
    stubborn_t stubborn = {0};
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    test_capture_begin();
    stubborn.user = test_user();
    stubborn.sleeper = test_spawn(sleep_for_ever, NULL);
    ptk_green_t *green = test_spawn(fn, &stubborn);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_green_cancel(green));
    CHECK_OK(ptk_green_detach(green));
    test_go(sleep_beside, &stubborn);
    while (!stubborn.over) {
        CHECK_OK(ptk_scheduler_poll(loop, PTK_TIMEOUT_INFINITE, NULL));
    }
    CHECK_OK(ptk_green_cancel(stubborn.sleeper));
    CHECK_OK(ptk_green_detach(stubborn.sleeper));
    test_run();
    ptk_waitable_destroy(stubborn.user);
    test_loop_end(loop);
    test_capture_end();
    test_clock_end();
    CHECK(stubborn.refusals >= REFUSALS);
    CHECK(stubborn.refusals <= REFUSALS + SLEEPS * 11 + 1); /* one in a millisecond */
    CHECK_EQ(test_log_lines(), 1);
}

TEST(p66_a_loop_of_refused_sleeps_lets_the_others_go_on) {
    run_beside(go_on);
}

TEST(p66_a_loop_of_refused_yields_lets_the_others_go_on) {
    run_beside(go_on_with_yields);
}

TEST(p66_a_loop_of_refused_waits_lets_the_others_go_on) {
    run_beside(go_on_with_waits);
}

/* --- the end of run --- */

static ptk_err clean_up_behind_a_shield(void *arg) {
    ptk_shield_t shield;
    (void) arg;
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sleep_ms(SHIELDED_MS));
    CHECK_OK(ptk_shield_end(&shield));
    return PTK_OK;
}

static ptk_err stop_the_loop(void *arg) {
    (void) arg;
    return ptk_scheduler_stop(NULL);
}

static ptk_event_loop_platform_t *begin_bounded(void) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.destroy_timeout_ms = DRAIN_MS;
    test_clock_begin(START_NS);
    test_capture_begin();
    return test_loop_with(&options);
}

/* Runs, which is to give up after `limit_ms`; then the green thread ends after all, and run can end. */
static void run_until_stuck(stubborn_t *stubborn, uint64_t limit_ms, ptk_event_loop_platform_t *loop) {
    uint64_t began_ns = ptk_now_ns();
    CHECK_ERR(ptk_scheduler_run(NULL), PTK_ERR_STUCK);
    uint64_t took_ns = ptk_now_ns() - began_ns;
    CHECK(took_ns >= limit_ms * PTK_NS_PER_MS && took_ns <= (limit_ms + LATE_MS) * PTK_NS_PER_MS);
    CHECK(test_report_has("run: these green threads were cancelled and have not ended: 1 green threads"));
    CHECK(test_report_has("green thread \"go_on\""));
    CHECK_EQ(test_counters().green_threads, 1);
    stubborn->over = true;
    test_run();
    test_loop_end(loop);
    test_capture_end();
    test_clock_end();
}

TEST(p66_run_returns_stuck_when_a_daemon_goes_on, RUNS_LOOP) {
    stubborn_t stubborn = {0};
    ptk_event_loop_platform_t *loop = begin_bounded();
    const ptk_green_options_t daemon = PTK_GREEN_OPTIONS(.flags = PTK_GREEN_DAEMON);
    CHECK_OK(ptk_green_detach(ptk_green_spawn(loop, &daemon, go_on, &stubborn)));
    run_until_stuck(&stubborn, DRAIN_MS, loop);
}

TEST(p66_run_returns_stuck_after_a_stop, RUNS_LOOP) {
    stubborn_t stubborn = {0};
    ptk_event_loop_platform_t *loop = begin_bounded();
    test_go(go_on, &stubborn);
    test_go(stop_the_loop, NULL);
    run_until_stuck(&stubborn, DRAIN_MS, loop);
}

TEST(p66_the_drain_of_run_is_counted_from_the_end_of_the_last_shield, RUNS_LOOP) {
    stubborn_t stubborn = {0};
    ptk_event_loop_platform_t *loop = begin_bounded();
    test_go(go_on, &stubborn);
    test_go(clean_up_behind_a_shield, NULL);
    test_go(stop_the_loop, NULL);
    run_until_stuck(&stubborn, SHIELDED_MS + DRAIN_MS, loop);
}

TEST(p66_run_waits_for_a_shield_that_takes_longer_than_the_drain) {
    ptk_event_loop_platform_t *loop = begin_bounded();
    test_go(clean_up_behind_a_shield, NULL);
    test_go(stop_the_loop, NULL);
    test_run();
    CHECK(ptk_now_ns() >= START_NS + SHIELDED_MS * PTK_NS_PER_MS);
    test_loop_end(loop);
    test_capture_end();
    test_clock_end();
}
