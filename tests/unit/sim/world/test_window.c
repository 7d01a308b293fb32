/* SPDX-License-Identifier: MIT */
/* Windows of decisions hold the runs that fit into them, each run once. */
#include "ptk_test.h"
#include "sim/world/ptk_sim_window.h"

#include <string.h>

#define LENGTH 9 /* decisions of the program, for any values */
#define RUNS   (1u << LENGTH)
#define COUNT  5 /* values of each */

static unsigned seen[RUNS]; /* how often, by the set of decisions that were not benign */

static bool is_fault(unsigned decision) {
    return decision % 3 != 0;
}

static unsigned run(ptk_sim_window_t *window) {
    unsigned set = 0;
    for (unsigned i = 0; i < LENGTH; i++) {
        uint32_t decision = ptk_sim_window_decide(window, 7, is_fault(i), COUNT);
        CHECK(decision == 0 || decision == COUNT - 1);
        set |= decision ? 1u << i : 0;
    }
    return set;
}

static void run_all(uint32_t decisions, uint32_t faults) {
    ptk_sim_window_t window;
    uint64_t number = 0;
    memset(seen, 0, sizeof seen);
    do {
        ptk_sim_window_init(&window, number, decisions, faults);
        do {
            unsigned set = run(&window);
            seen[set] += window.is_reached;
        } while (ptk_sim_window_next(&window));
        number++;
    } while (window.is_reached);
    CHECK_EQ(number, LENGTH + 2); /* the benign run, one for each decision, and one that no run reached */
}

static unsigned span_of(unsigned set) {
    return set ? (unsigned) (__builtin_ctz(set) ^ 31) - (unsigned) __builtin_clz(set) + 1 : 0;
}

static unsigned faults_of(unsigned set) {
    unsigned count = 0;
    for (unsigned i = 0; i < LENGTH; i++) {
        count += (set >> i & 1) && is_fault(i);
    }
    return count;
}

TEST(windows_hold_exactly_the_runs_that_fit_into_one) {
    for (uint32_t decisions = 1; decisions <= LENGTH; decisions++) {
        run_all(decisions, LENGTH);
        for (unsigned set = 0; set < RUNS; set++) {
            CHECK_EQ(seen[set], span_of(set) <= decisions ? 1 : 0);
        }
    }
}

/* A fault that is one too many is no decision, so that a window may reach further than its length. */
TEST(windows_hold_runs_up_to_their_number_of_faults) {
    for (uint32_t faults = 1; faults <= 3; faults++) {
        run_all(4, faults);
        for (unsigned set = 0; set < RUNS; set++) {
            CHECK(seen[set] <= 1 && (seen[set] == 0 || faults_of(set) <= faults));
            CHECK(seen[set] == 1 || span_of(set) > 4 || faults_of(set) > faults);
        }
    }
}

TEST(a_run_of_a_window_is_repeated) {
    ptk_sim_window_t window;
    ptk_sim_window_init(&window, 2, 5, LENGTH);
    do {
        unsigned set = run(&window);
        ptk_sim_window_repeat(&window);
        CHECK_EQ(run(&window), set);
    } while (ptk_sim_window_next(&window));
}

TEST(a_run_that_ended_early_is_repeated_up_to_its_end) {
    ptk_sim_window_t window;
    ptk_sim_window_init(&window, 1, 4, LENGTH);
    for (unsigned i = 0; i < 3; i++) {
        run(&window);
        CHECK(ptk_sim_window_next(&window));
    }
    /* The fourth run gets as far as its second decision. */
    CHECK(ptk_sim_window_decide(&window, 7, false, 2) == 1 &&
          ptk_sim_window_decide(&window, 7, false, 2) == 0);
    ptk_sim_window_t copy = window; /* as of a process that has died */
    ptk_sim_window_repeat(&copy);
    CHECK(ptk_sim_window_decide(&copy, 7, false, 2) == 1 && ptk_sim_window_decide(&copy, 7, false, 2) == 0);
}

TEST(decisions_before_a_window_opens_do_not_count) {
    ptk_sim_window_t window;
    ptk_sim_window_init(&window, 1, 1, 1);
    window.is_disabled = true;
    CHECK_EQ(run(&window), 0);
    CHECK(!window.is_reached);
    window.is_disabled = false;
    CHECK_EQ(run(&window), 1);
}
