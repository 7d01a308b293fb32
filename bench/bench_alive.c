/* SPDX-License-Identifier: MIT */
/*
 * Many green threads alive at once, all parked on one USER waitable.
 *
 * alive:  nanoseconds per green thread to create them, park them all, wake them and see them end, on memory
 * that was never touched before. The baseline does it with bare contexts on slots of 64 KiB. memory: what a
 * parked one costs: resident bytes, and the page tables beside them, from /proc/self/status. The baseline is
 * what a bare context on such a slot costs: the page that its stack's top lies in, the page table above it,
 *         and its control block of one cache line.
 */
#include "bench.h"
#include "baseline_stacks.h"
#include "baseline_switch.h"

#include <ptk.h>
#include <stdlib.h>

/* What the process takes, in KiB. */
typedef struct footprint {
    uint64_t resident;
    uint64_t tables;
} footprint_t;

static footprint_t footprint_now(void) {
    footprint_t now = {bench_proc_kib("/proc/self/status", "VmRSS:"),
                       bench_proc_kib("/proc/self/status", "VmPTE:")};
    return now;
}

/* The metrics of this file, whichever the bench shows. */
enum { METRIC_NS, METRIC_RESIDENT, METRIC_TABLES };

static void put_metrics(size_t count, footprint_t before, footprint_t full, uint64_t spent_ns,
                        double *metrics_out) {
    metrics_out[METRIC_NS] = (double) spent_ns / (double) count;
    metrics_out[METRIC_RESIDENT] = (double) (full.resident - before.resident) / (double) count;
    metrics_out[METRIC_TABLES] = (double) (full.tables - before.tables) / (double) count;
}

/* --- ptk
 * -------------------------------------------------------------------------------------------------------- */

typedef struct crowd {
    ptk_waitable_t *gate;
    size_t wanted;
    size_t parked;
    size_t ended;
    footprint_t full;
    uint64_t spent_on_looking_ns;
} crowd_t;

static ptk_err ptk_member(void *argument) {
    crowd_t *crowd = argument;
    crowd->parked++;
    PTK_IGNORE(ptk_waitable_wait(crowd->gate, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE)); /* the abort ends it */
    crowd->ended++;
    return PTK_OK;
}

/* Runs behind the members, which are all parked when its turn comes; but for a few, whose call has made way
   for others before it waits, and for whom the gate opens again. */
static ptk_err ptk_opener(void *argument) {
    crowd_t *crowd = argument;
    while (crowd->parked < crowd->wanted) {
        PTK_IGNORE(ptk_yield()); /* the loop stops at the count, and nothing cancels it */
    }
    uint64_t began_ns = bench_now_ns();
    crowd->full = footprint_now();
    crowd->spent_on_looking_ns = bench_now_ns() - began_ns;
    while (crowd->ended < crowd->wanted && ptk_waitable_abort(crowd->gate) == PTK_OK) {
        PTK_IGNORE(ptk_yield()); /* the loop stops at the count, and nothing cancels it */
    }
    return PTK_OK;
}

static bool measure_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    crowd_t crowd = {.wanted = bench->count};
    crowd.gate = loop ? ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL) : NULL;
    if (!crowd.gate) {
        return false;
    }
    footprint_t before = footprint_now();
    uint64_t began_ns = bench_now_ns();
    for (size_t index = 0; index < crowd.wanted; index++) {
        if (ptk_go(loop, ptk_member, &crowd) != PTK_OK) {
            return false;
        }
    }
    bool ran = ptk_go(loop, ptk_opener, &crowd) == PTK_OK && ptk_scheduler_run(loop) == PTK_OK;
    uint64_t spent_ns = bench_now_ns() - began_ns - crowd.spent_on_looking_ns;
    put_metrics(crowd.wanted, before, crowd.full, spent_ns, metrics_out);
    return ran && crowd.ended == crowd.wanted;
}

/* --- baseline
 * ------------------------------------------------------------------------------------------------------ */

typedef struct baseline_member {
    baseline_context_t context; /* first: a context is its member */
    baseline_context_t *home;
} baseline_member_t;

static void baseline_park_and_end(baseline_context_t *self) {
    baseline_member_t *member = (baseline_member_t *) self;
    baseline_switch(&member->context, member->home);
    baseline_switch(&member->context, member->home);
}

static bool measure_baseline(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    size_t count = bench->count;
    baseline_context_t home = {0};
    footprint_t before = footprint_now();
    uint64_t began_ns = bench_now_ns();
    baseline_stacks_t stacks = baseline_stacks_map(count);
    baseline_member_t *members = aligned_alloc(64, count * sizeof(*members));
    if (!stacks.base || !members) {
        return false;
    }
    for (size_t index = 0; index < count; index++) {
        members[index].home = &home;
        baseline_prepare(&members[index].context, baseline_stacks_high(&stacks, index),
                         baseline_park_and_end);
        baseline_switch(&home, &members[index].context);
    }
    uint64_t looked_ns = bench_now_ns();
    footprint_t full = footprint_now();
    looked_ns = bench_now_ns() - looked_ns;
    for (size_t index = 0; index < count; index++) {
        baseline_switch(&home, &members[index].context);
    }
    put_metrics(count, before, full, bench_now_ns() - began_ns - looked_ns, metrics_out);
    return true;
}

#define ALIVE_VARIANTS                                                                                       \
    {                                                                                                        \
        {"ptk", measure_ptk},                                                                                \
        {"bare contexts", measure_baseline},                                                                 \
    }
#define ALIVE_METRICS                                                                                        \
    {                                                                                                        \
        {"", "ns", false},                                                                                   \
        {"resident", "KiB", false},                                                                          \
        {"page tables", "KiB", false},                                                                       \
    }

const bench_t bench_alive[] = {
    {.name = "alive-100000",
     .what = "100,000 green threads: create all, park all, end all",
     .count = 100000,
     .rounds_max_quick = 3,
     .memory_mib = 1024,
     .variants = ALIVE_VARIANTS,
     .metrics = ALIVE_METRICS,
     .figures = {{METRIC_NS, 1, BENCH_GOAL_NONE, 0}}},
    {.name = "memory-100000",
     .what = "memory per parked green thread, 100,000 of them",
     .count = 100000,
     .rounds_max = 3,
     .rounds_max_quick = 1,
     .memory_mib = 1024,
     .variants = ALIVE_VARIANTS,
     .metrics = ALIVE_METRICS,
     .figures = {{METRIC_RESIDENT, 1, BENCH_GOAL_NONE, 0}, {METRIC_TABLES, 1, BENCH_GOAL_NONE, 0}}},
    {.name = "memory-1000000",
     .what = "memory per parked green thread, 1,000,000 of them",
     .count = 1000000,
     .rounds_max = 3,
     .rounds_max_quick = 1,
     .slow = true,
     .memory_mib = 7168,
     .variants = ALIVE_VARIANTS,
     .metrics = ALIVE_METRICS,
     .figures = {{METRIC_RESIDENT, 1, BENCH_GOAL_VALUE, 4.6}, {METRIC_TABLES, 1, BENCH_GOAL_NONE, 0}}},
    {.name = NULL},
};
