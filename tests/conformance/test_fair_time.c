/* SPDX-License-Identifier: MIT */
/*
 * Fairness by time: green threads that compute between their calls delay the others by a few bursts. The
 * clock is the test's, so the bounds are exact.
 */
#include "conformance.h"

#define START_NS (1000 * PTK_NS_PER_MS)
#define SLEEPS   20

typedef struct bursts {
    uint64_t burst_ns;
    uint64_t worst_late_ns; /* of a sleep */
    uint64_t operations;    /* so far */
    uint64_t largest_gap;   /* the most operations between two steps of another green thread */
    bool over;
} bursts_t;

static ptk_err sleep_beside(void *arg) {
    bursts_t *bursts = arg;
    for (int i = 0; i < SLEEPS; i++) {
        uint64_t began_ns = ptk_now_ns();
        CHECK_OK(ptk_sleep_ms(10));
        uint64_t late_ns = ptk_now_ns() - began_ns - 10 * PTK_NS_PER_MS;
        bursts->worst_late_ns = late_ns > bursts->worst_late_ns ? late_ns : bursts->worst_late_ns;
    }
    bursts->over = true;
    return PTK_OK;
}

static ptk_err compute_between_yields(void *arg) {
    bursts_t *bursts = arg;
    while (!bursts->over) {
        test_clock_advance(bursts->burst_ns);
        test_yield();
        test_clock_advance(bursts->burst_ns);
        CHECK_OK(ptk_sleep_ms(0));
    }
    return PTK_OK;
}

static ptk_err compute_between_waits(void *arg) {
    bursts_t *bursts = arg;
    ptk_waitable_t *user = test_user();
    while (!bursts->over) {
        test_clock_advance(bursts->burst_ns);
        CHECK_OK(ptk_waitable_signal(user));
        CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
        bursts->operations++;
    }
    ptk_waitable_destroy(user);
    return PTK_OK;
}

static ptk_err watch_operations(void *arg) {
    bursts_t *bursts = arg;
    while (!bursts->over) {
        uint64_t before = bursts->operations;
        test_yield();
        uint64_t gap = bursts->operations - before;
        bursts->largest_gap = gap > bursts->largest_gap ? gap : bursts->largest_gap;
    }
    return PTK_OK;
}

static void run_beside_a_sleeper(bursts_t *bursts, ptk_green_fn fn, ptk_green_fn other) {
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(sleep_beside, bursts);
    test_go(fn, bursts);
    if (other) {
        test_go(other, bursts);
    }
    test_run();
    test_loop_end(loop);
    test_clock_end();
}

/* A burst until the clock is read and the sleep begins to count, one until a tick finds it over, and one of
   the green thread that is before it in the run queue. */
TEST(p65_a_sleep_is_late_by_three_bursts_between_yields, NEEDS_ORDER) {
    bursts_t bursts = {.burst_ns = 20 * PTK_NS_PER_MS};
    run_beside_a_sleeper(&bursts, compute_between_yields, NULL);
    CHECK(bursts.worst_late_ns <= 3 * bursts.burst_ns);
}

TEST(p65_a_sleep_is_late_by_one_burst_more_beside_two_that_compute, NEEDS_ORDER) {
    bursts_t bursts = {.burst_ns = 5 * PTK_NS_PER_MS};
    run_beside_a_sleeper(&bursts, compute_between_yields, compute_between_yields);
    CHECK(bursts.worst_late_ns <= 4 * bursts.burst_ns);
}

TEST(p65_operations_that_take_long_are_not_made_in_a_row, NEEDS_ORDER | RUNS_LOOP) {
    bursts_t bursts = {.burst_ns = PTK_NS_PER_MS};
    run_beside_a_sleeper(&bursts, compute_between_waits, watch_operations);
    CHECK(bursts.operations >= 100);
    CHECK(bursts.largest_gap <= 2);
    CHECK(bursts.worst_late_ns <= 3 * bursts.burst_ns);
}

/* One that signals itself at no cost lets the budget grow; the other one's operations take long. */
static ptk_err wait_at_no_cost(void *arg) {
    bursts_t *bursts = arg;
    ptk_waitable_t *user = test_user();
    while (!bursts->over) {
        CHECK_OK(ptk_waitable_signal(user));
        CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    }
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(p65_the_budget_of_cheap_operations_is_not_spent_on_long_ones, NEEDS_ORDER) {
    bursts_t bursts = {.burst_ns = PTK_NS_PER_MS};
    run_beside_a_sleeper(&bursts, compute_between_waits, wait_at_no_cost);
    CHECK(bursts.operations >= 100);
    CHECK(bursts.worst_late_ns <= 4 * bursts.burst_ns);
}
