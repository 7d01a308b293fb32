/* SPDX-License-Identifier: MIT */
/*
 * Sweeps over the calls of each workload. In one run the first call of the system fails, in another the
 * second, and so on: either that call alone or all calls from it on. Further sweeps do the same with the
 * calls of one member and with allocations. Every run must end and leave nothing behind. One child process
 * makes all runs of a workload and a kind of sweep; if it fails, the report names the run.
 */
#include "faults.h"

#include "conformance.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERRORS      4 /* with which each call fails in error */
#define ERRORS_LONG 12

typedef struct sweep {
    const workload_t *workload;
    ptk_test_fault_span_t span;
    bool of_any;             /* the n-th call of any member fails */
    ptk_sys_member_t member; /* otherwise: the n-th call of this one */
    uint32_t points;
    uint32_t at;
    uint32_t error;
} sweep_t;

/* Runs the workload with a failure of the n-th call. Returns whether there was such a call. */
static bool sweep_point(sweep_t *sweep, uint32_t nth, unsigned error) {
    sweep->at = nth;
    sweep->error = error;
    wide_reset();
    if (sweep->of_any) {
        wide_plan(nth, error, sweep->span);
    } else {
        int os_err = wide_choose(sweep->member, error, sweep->span);
        ptk_test_fault(sweep->member, nth, os_err, sweep->span);
    }
    (void) workload_run(sweep->workload);
    return sweep->of_any ? wide_calls() >= nth : ptk_test_fault_calls(sweep->member) >= nth;
}

static void sweep_all(void *argument) {
    sweep_t *sweep = argument;
    bool is_heap = !sweep->of_any && sweep->member == PTK_SYS_heap_reallocate;
    unsigned errors = is_heap ? 1 : ptk_test_is_long() ? ERRORS_LONG : ERRORS;
    bool more = true;
    alarm(ptk_test_is_long() ? 3000 : 250);
    test_capture_begin();
    wide_reset();
    if (!workload_succeeds(sweep->workload)) {
        ptk_test_failed(__FILE__, __LINE__, "without failures: a call returned %s", workload_first_failure());
    }
    for (uint32_t nth = 1; more; nth++) {
        for (unsigned error = 0; error < errors; error++) {
            more = sweep_point(sweep, nth, nth + error);
            sweep->points += more;
        }
    }
}

/* Makes all runs of one sweep in a child process. */
static void sweep_in_child(sweep_t *sweep) {
    char output[4096];
    int status = ptk_test_in_child(sweep_all, sweep, output, sizeof output);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        ptk_test_failed(__FILE__, __LINE__, "%s, %s %u (error %u) fails %s: status %#x\n%s",
                        sweep->workload->name, sweep->of_any ? "call" : fault_member_name(sweep->member),
                        (unsigned) sweep->at, (unsigned) sweep->error,
                        sweep->span == PTK_TEST_ONCE ? "once" : "for good", (unsigned) status, output);
    }
}

/* Sweeps over all workloads, with one failure and with lasting ones. Returns the number of injection points.
 */
static uint32_t sweep_workloads(bool of_any, ptk_sys_member_t member) {
    sweep_t *sweep = mmap(NULL, sizeof *sweep, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint32_t points = 0;
    CHECK(sweep != MAP_FAILED);
    for (size_t i = 0; i < 2 * workload_count; i++) {
        *sweep = (sweep_t) {.workload = &workloads[i / 2],
                            .span = i % 2 ? PTK_TEST_FOR_GOOD : PTK_TEST_ONCE,
                            .of_any = of_any,
                            .member = member};
        sweep_in_child(sweep);
        points += sweep->points;
    }
    CHECK_EQ(munmap(sweep, sizeof *sweep), 0);
    return points;
}

TEST(workloads_end_cleanly_if_any_call_fails, SWEEPS | REAL_LOOPBACK) {
    uint32_t points = sweep_workloads(true, PTK_SYS_FALLIBLE_MEMBERS);
    CHECK(points > 0);
    printf("%u injection points\n", (unsigned) points);
}

TEST(workloads_end_cleanly_if_calls_of_one_member_fail, SWEEPS | REAL_LOOPBACK) {
    uint32_t points = 0;
    for (int member = 0; member < PTK_SYS_FALLIBLE_MEMBERS; member++) {
        if (member != PTK_SYS_heap_reallocate) {
            points += sweep_workloads(false, (ptk_sys_member_t) member);
        }
    }
    CHECK(points > 0);
    printf("%u injection points\n", (unsigned) points);
}

TEST(workloads_end_cleanly_if_any_allocation_fails, SWEEPS) {
    uint32_t points = sweep_workloads(false, PTK_SYS_heap_reallocate);
    CHECK(points > 0);
    printf("%u injection points\n", (unsigned) points);
}
