/* SPDX-License-Identifier: MIT */
/* TIMER waitables: first and period without drift, counts without a waiter, many waiters. */
#include "conformance.h"

#define START_NS UINT64_C(987654321)
#define MS       PTK_NS_PER_MS

static ptk_err wait_in_step(void *arg) {
    (void) arg;
    ptk_waitable_t *timer = test_timer_waitable(5, 10);
    for (uint64_t i = 0; i < 5; i++) {
        CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(ptk_waitable_count(), 1);
        CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
        CHECK_EQ(ptk_now_ns(), START_NS + (5 + i * 10) * MS);
    }
    ptk_waitable_destroy(timer);
    return PTK_OK;
}

TEST(timer_waitable_first_and_period) {
    test_clock_begin(START_NS);
    test_in_green(wait_in_step);
    test_clock_end();
}

static ptk_err wait_late(void *arg) {
    (void) arg;
    ptk_waitable_t *timer = test_timer_waitable(10, 10);
    for (uint64_t i = 1; i <= 50; i++) {
        CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(ptk_waitable_count(), 1);
        CHECK_EQ(ptk_now_ns(), START_NS + i * 10 * MS);
        test_clock_advance(7 * MS + i); /* the work takes a while, but not a period */
    }
    ptk_waitable_destroy(timer);
    return PTK_OK;
}

TEST(timer_waitable_does_not_drift) {
    test_clock_begin(START_NS);
    test_in_green(wait_late);
    test_clock_end();
}

static ptk_err wait_much_too_late(void *arg) {
    (void) arg;
    ptk_waitable_t *timer = test_timer_waitable(10, 10);
    test_clock_advance(10 * MS + 995 * MS); /* expiries at 10, 20, ... 1000 */
    test_let_poll();
    CHECK_OK(test_wait(timer, 0));
    CHECK_EQ(ptk_waitable_count(), 100);
    CHECK_ERR(test_wait(timer, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 1);
    CHECK_EQ(ptk_now_ns(), START_NS + 1010 * MS);
    ptk_waitable_destroy(timer);
    return PTK_OK;
}

TEST(timer_waitable_counts_what_was_missed_and_keeps_its_phase) {
    test_clock_begin(START_NS);
    test_in_green(wait_much_too_late);
    test_clock_end();
}

static ptk_err latch_while_nobody_waits(void *arg) {
    (void) arg;
    ptk_waitable_t *timer = test_timer_waitable(3, 0);
    CHECK_ERR(test_wait(timer, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(test_wait(timer, 2), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_sleep_ms(20));
    CHECK_OK(test_wait(timer, 0));
    CHECK_EQ(ptk_waitable_count(), 1);
    CHECK_ERR(test_wait(timer, 100), PTK_ERR_TIMEOUT); /* it fires once */
    ptk_waitable_destroy(timer);
    return PTK_OK;
}

TEST(timer_waitable_stays_ready_and_one_shot_fires_once) {
    test_clock_begin(START_NS);
    test_in_green(latch_while_nobody_waits);
    test_clock_end();
}

static ptk_err fire_at_once(void *arg) {
    (void) arg;
    ptk_waitable_t *once = test_timer_waitable(0, 0);
    CHECK_OK(test_wait(once, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_now_ns(), START_NS);
    ptk_waitable_t *often = test_timer_waitable(0, 4);
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_OK(test_wait(often, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(ptk_now_ns(), START_NS + i * 4 * MS);
    }
    ptk_waitable_destroy(once);
    ptk_waitable_destroy(often);
    return PTK_OK;
}

TEST(timer_waitable_of_zero_fires_at_once) {
    test_clock_begin(START_NS);
    test_in_green(fire_at_once);
    test_clock_end();
}

/* Expiries without a waiter are computed and do not happen: the timers that have fired show it. */
static ptk_err period_of_1_ns(void *arg) {
    (void) arg;
    ptk_timer_spec_t spec = {1, 1};
    ptk_waitable_t *timer = ptk_waitable_create(NULL, PTK_WAITABLE_TIMER, &spec);
    CHECK(timer != NULL);
    uint64_t start_ns = ptk_now_ns();
    CHECK_OK(ptk_sleep_ms(1));
    uint64_t before = test_counters().timers_fired;
    for (int i = 0; i < 100; i++) {
        CHECK_OK(ptk_sleep_ms(1));
    }
    CHECK_EQ(test_counters().timers_fired - before, 100);
    CHECK_OK(test_wait(timer, 0));
    CHECK_EQ(ptk_waitable_count(), ptk_now_ns() - start_ns);
    start_ns = ptk_now_ns();
    test_clock_advance(50);
    CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE)); /* it runs again */
    CHECK(ptk_waitable_count() >= 50 && ptk_waitable_count() <= ptk_now_ns() - start_ns);
    ptk_waitable_destroy(timer);
    return PTK_OK;
}

TEST(timer_waitable_with_a_period_of_1_ns_costs_nothing_without_a_waiter) {
    test_clock_begin(START_NS);
    test_in_green(period_of_1_ns);
    test_clock_end();
}

/* A timer that rests keeps its phase, and its waitable may be destroyed. */
static ptk_err rest_and_keep_the_phase(void *arg) {
    (void) arg;
    ptk_waitable_t *timer = test_timer_waitable(10, 10);
    CHECK_OK(ptk_sleep_ms(15)); /* it rests since 10 */
    CHECK_OK(ptk_sleep_ms(30)); /* 45 */
    CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 4);
    CHECK_EQ(ptk_now_ns(), START_NS + 45 * MS);
    CHECK_ERR(test_wait(timer, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 1);
    CHECK_EQ(ptk_now_ns(), START_NS + 50 * MS);
    CHECK_OK(ptk_sleep_ms(12));
    ptk_waitable_destroy(timer);
    return PTK_OK;
}

TEST(timer_waitable_without_a_waiter_keeps_its_phase) {
    test_clock_begin(START_NS);
    test_in_green(rest_and_keep_the_phase);
    test_clock_end();
}

static ptk_err never_fire(void *arg) {
    (void) arg;
    ptk_timer_spec_t specs[] = {{UINT64_MAX, 0}, {UINT64_MAX - 1, UINT64_MAX}, {UINT64_MAX / 2, 1}};
    for (size_t i = 0; i < 3; i++) {
        ptk_waitable_t *timer = ptk_waitable_create(NULL, PTK_WAITABLE_TIMER, &specs[i]);
        CHECK(timer != NULL);
        specs[i].first_ns = 0; /* the spec was copied */
        CHECK_ERR(test_wait(timer, 1000), PTK_ERR_TIMEOUT);
        ptk_waitable_destroy(timer);
    }
    return PTK_OK;
}

TEST(p18_timer_waitable_far_away_does_not_wrap) {
    test_clock_begin(START_NS);
    test_in_green(never_fire);
    test_clock_end();
}

/* A period of one nanosecond: expiries are counted by division, not one by one. */
static ptk_err count_nanoseconds(void *arg) {
    (void) arg;
    ptk_timer_spec_t spec = {.first_ns = 1, .period_ns = 1};
    ptk_waitable_t *timer = ptk_waitable_create(NULL, PTK_WAITABLE_TIMER, &spec);
    CHECK(timer != NULL);
    test_clock_advance(3600 * 1000 * MS);
    uint64_t total = 0;
    while (total < 3600 * 1000 * MS) {
        CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
        total += ptk_waitable_count();
    }
    CHECK_EQ(total, ptk_now_ns() - START_NS);
    ptk_waitable_destroy(timer);
    return PTK_OK;
}

TEST(timer_waitable_with_a_tiny_period_is_counted_at_once) {
    test_clock_begin(START_NS);
    test_in_green(count_nanoseconds);
    test_clock_end();
}

typedef struct waiter {
    ptk_waitable_t *timer;
    char letter;
} waiter_t;

static ptk_err wait_and_note(void *arg) {
    const waiter_t *waiter = arg;
    CHECK_OK(test_wait(waiter->timer, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 1);
    test_note(waiter->letter);
    return PTK_OK;
}

static ptk_err start_waiters(void *arg) {
    waiter_t *waiters = arg;
    for (size_t i = 0; i < 3; i++) {
        test_go(wait_and_note, &waiters[i]);
        test_let_poll();
    }
    return PTK_OK;
}

TEST(timer_waitable_wakes_one_waiter_per_event_in_order) {
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *timer = test_timer_waitable(10, 10);
    waiter_t waiters[] = {{timer, 'a'}, {timer, 'b'}, {timer, 'c'}};
    test_go(start_waiters, waiters);
    test_run();
    CHECK_STR(test_notes(), "abc");
    CHECK_EQ(ptk_now_ns(), START_NS + 30 * MS);
    ptk_waitable_destroy(timer);
    test_loop_end(loop);
    test_clock_end();
}

static ptk_err measure(void *arg) {
    (void) arg;
    uint64_t start = ptk_now_ns();
    ptk_waitable_t *timer = test_timer_waitable(2, 3);
    uint64_t fired = 0;
    while (fired < 4) {
        CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
        fired += ptk_waitable_count();
        CHECK(ptk_now_ns() - start >= (2 + (fired - 1) * 3) * MS);
    }
    ptk_waitable_destroy(timer);
    return PTK_OK;
}

TEST(timer_waitable_is_never_early) {
    test_in_green(measure);
}

static ptk_err end_it_otherwise(void *arg) {
    (void) arg;
    ptk_waitable_t *timer = test_timer_waitable(1000, 1000);
    CHECK_ERR(test_wait(timer, 1), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_waitable_signal(timer), PTK_ERR_INVALID_PARAM);
    CHECK(ptk_waitable_signaler(timer) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_waitable_wait(timer, PTK_EVENT_WRITE, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_waitable_wait(timer, PTK_EVENT_READ | PTK_EVENT_WRITE, 0), PTK_ERR_INVALID_PARAM);
    ptk_waitable_destroy(timer);
    CHECK_ERR(test_wait(timer, 1), PTK_ERR_CLOSED);
    CHECK(ptk_waitable_create(NULL, PTK_WAITABLE_TIMER, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    return PTK_OK;
}

TEST(timer_waitable_misuse) {
    test_in_green(end_it_otherwise);
}

static ptk_err wait_for(void *timer) {
    return test_wait(timer, PTK_TIMEOUT_INFINITE);
}

static ptk_err abort_and_destroy(void *arg) {
    (void) arg;
    ptk_waitable_t *timer = test_timer_waitable(1000, 1000);
    ptk_green_t *first = test_spawn(wait_for, timer);
    test_let_poll();
    CHECK_OK(ptk_waitable_abort(timer));
    CHECK_ERR(test_join(first), PTK_ERR_ABORTED);
    ptk_green_t *second = test_spawn(wait_for, timer);
    test_let_poll();
    ptk_waitable_destroy(timer);
    CHECK_ERR(test_join(second), PTK_ERR_CLOSED);
    CHECK_OK(ptk_sleep_ms(3000)); /* it is really disarmed */
    return PTK_OK;
}

TEST(p05_timer_waitable_abort_and_destroy_wake_waiters) {
    test_clock_begin(START_NS);
    test_in_green(abort_and_destroy);
    test_clock_end();
}

/* No waiter, and the loop polls: an armed timer must not make it spin. */
static ptk_err sleep_a_while(void *arg) {
    (void) arg;
    return ptk_sleep_ms(100);
}

TEST(p20_expired_timer_waitables_do_not_make_the_loop_spin) {
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *once = test_timer_waitable(1, 0);
    ptk_waitable_t *often = test_timer_waitable(1, 10);
    test_go(sleep_a_while, NULL);
    test_run();
    CHECK(test_counters().polls <= 20);
    CHECK_OK(test_wait(often, 0));
    ptk_waitable_destroy(once);
    ptk_waitable_destroy(often);
    test_loop_end(loop);
    test_clock_end();
}
