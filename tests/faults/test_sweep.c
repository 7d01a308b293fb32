/* SPDX-License-Identifier: MIT */
/*
 * Sweeps: each workload with its first, second, ... call of the system failing, once, and all of them from
 * there on; the same for the calls of one kind and for allocations. It must end, and leave nothing behind.
 * One child process per workload and kind of sweep makes all its runs; it says at which it died.
 */
#include "faults.h"

#include "conformance.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICKS      4 /* errors that each call is given */
#define TICKS_LONG 12

typedef struct sweep {
    const workload_t *workload;
    ptk_test_fault_span_t span;
    bool of_any;             /* the n-th call of whatever member */
    ptk_sys_member_t member; /* else of this one */
    uint32_t points;
    uint32_t at;
    uint32_t turn;
} sweep_t;

/* Did the n-th exist? */
static bool sweep_point(sweep_t *sweep, uint32_t nth, unsigned turn) {
    sweep->at = nth;
    sweep->turn = turn;
    wide_reset();
    if (sweep->of_any) {
        wide_plan(nth, turn, sweep->span);
    } else {
        int os_err = wide_choose(sweep->member, turn, sweep->span);
        ptk_test_fault(sweep->member, nth, os_err, sweep->span);
    }
    (void) workload_run(sweep->workload);
    return sweep->of_any ? wide_calls() >= nth : ptk_test_fault_calls(sweep->member) >= nth;
}

static void sweep_all(void *argument) {
    sweep_t *sweep = argument;
    bool is_heap = !sweep->of_any && sweep->member == PTK_SYS_heap_reallocate;
    unsigned turns = is_heap ? 1 : ptk_test_is_long() ? TICKS_LONG : TICKS;
    bool more = true;
    alarm(ptk_test_is_long() ? 3000 : 250);
    test_capture_begin();
    wide_reset();
    if (!workload_succeeds(sweep->workload)) {
        ptk_test_failed(__FILE__, __LINE__, "the clean run: a call answered %s", workload_first_failure());
    }
    for (uint32_t nth = 1; more; nth++) {
        for (unsigned turn = 0; turn < turns; turn++) {
            more = sweep_point(sweep, nth, nth + turn);
            sweep->points += more;
        }
    }
}

/* As the plan says, over one workload, in a child. */
static void sweep_in_child(sweep_t *sweep) {
    char output[4096];
    int status = ptk_test_in_child(sweep_all, sweep, output, sizeof output);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        ptk_test_failed(__FILE__, __LINE__, "%s, %s %u (turn %u) fails %s: status %#x\n%s",
                        sweep->workload->name, sweep->of_any ? "call" : fault_member_name(sweep->member),
                        (unsigned) sweep->at, (unsigned) sweep->turn,
                        sweep->span == PTK_TEST_ONCE ? "once" : "for good", (unsigned) status, output);
    }
}

/* All workloads, once and for good; answers the number of points. */
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

TEST(any_call_may_fail, SWEEPS | REAL_LOOPBACK) {
    uint32_t points = sweep_workloads(true, PTK_SYS_FALLIBLE_MEMBERS);
    CHECK(points > 0);
    printf("%u injection points\n", (unsigned) points);
}

TEST(any_kind_of_call_may_fail, SWEEPS | REAL_LOOPBACK) {
    uint32_t points = 0;
    for (int member = 0; member < PTK_SYS_FALLIBLE_MEMBERS; member++) {
        if (member != PTK_SYS_heap_reallocate) {
            points += sweep_workloads(false, (ptk_sys_member_t) member);
        }
    }
    CHECK(points > 0);
    printf("%u injection points\n", (unsigned) points);
}

TEST(any_allocation_may_fail, SWEEPS) {
    uint32_t points = sweep_workloads(false, PTK_SYS_heap_reallocate);
    CHECK(points > 0);
    printf("%u injection points\n", (unsigned) points);
}
