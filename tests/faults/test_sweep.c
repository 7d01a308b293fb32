/* SPDX-License-Identifier: MIT */
/*
 * Sweeps: each workload with its first, second, ... call of the system failing, once and for good, and the
 * same for its allocations. It must end, and leave nothing behind. One child process per workload and kind of
 * sweep makes all its runs; it says at which it died.
 */
#include "faults.h"

#include "conformance.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct sweep {
    const workload_t *workload;
    ptk_test_fault_span_t span;
    bool of_calls; /* else of allocations */
    uint32_t points;
    uint32_t at;
    uint32_t turn;
} sweep_t;

/* Did the n-th exist? */
static bool sweep_point(sweep_t *sweep, uint32_t nth, unsigned turn) {
    sweep->at = nth;
    sweep->turn = turn;
    wide_reset();
    if (sweep->of_calls) {
        wide_plan(nth, turn, sweep->span);
    } else {
        ptk_test_fault(PTK_FAULT_heap_reallocate, nth, 0, sweep->span);
    }
    (void) workload_run(sweep->workload);
    return sweep->of_calls ? wide_failures() > 0 : ptk_test_fault_failures(PTK_FAULT_heap_reallocate) > 0;
}

/* With PTK_TEST_LONG each point gets more of the errors that its call can answer. */
static void sweep_all(void *argument) {
    sweep_t *sweep = argument;
    unsigned turns = sweep->of_calls && ptk_test_is_long() ? 12 : 1;
    bool more = true;
    alarm(ptk_test_is_long() ? 3000 : 250);
    test_capture_begin();
    wide_reset();
    if (workload_run(sweep->workload) > 0) {
        ptk_test_failed(__FILE__, __LINE__, "the clean run: a call answered %s", workload_first_failure());
    }
    for (uint32_t nth = 1; more; nth++) {
        for (unsigned turn = 0; turn < turns; turn++) {
            more = sweep_point(sweep, nth, nth + turn);
            sweep->points += more;
        }
    }
}

static void sweep_workloads(bool of_calls) {
    sweep_t *sweep = mmap(NULL, sizeof *sweep, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint32_t points = 0;
    CHECK(sweep != MAP_FAILED);
    for (size_t i = 0; i < 2 * workload_count; i++) {
        char output[4096];
        *sweep = (sweep_t) {.workload = &workloads[i / 2],
                            .span = i % 2 ? PTK_TEST_FOR_GOOD : PTK_TEST_ONCE,
                            .of_calls = of_calls};
        int status = ptk_test_in_child(sweep_all, sweep, output, sizeof output);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            ptk_test_failed(__FILE__, __LINE__, "%s, %s %u (turn %u) fails %s: status %#x\n%s",
                            sweep->workload->name, of_calls ? "call" : "allocation", (unsigned) sweep->at,
                            (unsigned) sweep->turn, i % 2 ? "for good" : "once", (unsigned) status, output);
        }
        CHECK(sweep->points > 0);
        points += sweep->points;
    }
    CHECK_EQ(munmap(sweep, sizeof *sweep), 0);
    printf("%u injection points\n", (unsigned) points);
}

TEST(any_call_may_fail) {
    sweep_workloads(true);
}

TEST(any_allocation_may_fail) {
    sweep_workloads(false);
}
