/* SPDX-License-Identifier: MIT */
/*
 * Many green threads at the same time, all parked on one USER waitable.
 *
 * alive: nanoseconds per green thread to create, park, wake and end them all, on memory that was never
 * touched before. The baseline does the same with bare contexts on slots of 64 KiB.
 *
 * memory: what a parked green thread costs: resident bytes, and page tables, from /proc/self/status. The
 * baseline is the cost of a bare context on such a slot: the page of its stack's top, the page table above
 * it, and the context itself, one cache line.
 */
#include "bench_list.h"
#include "bench_tools.h"
#include "baseline_stacks.h"
#include "baseline_switch.h"

#include <ptk.h>
#include <stdlib.h>

/* The memory of the process in KiB. */
typedef struct footprint {
    uint64_t resident;
    uint64_t tables;
} footprint_t;

static footprint_t footprint_now(void) {
    footprint_t now = {bench_proc_kib("/proc/self/status", "VmRSS:"),
                       bench_proc_kib("/proc/self/status", "VmPTE:")};
    return now;
}

/* Every bench of this file measures all metrics and shows some. */
enum { METRIC_NS, METRIC_RESIDENT, METRIC_TABLES };

static void put_alive_metrics(size_t count, footprint_t before, footprint_t full, uint64_t spent_ns,
                              double *metrics_out) {
    metrics_out[METRIC_NS] = (double) spent_ns / (double) count;
    metrics_out[METRIC_RESIDENT] = (double) (full.resident - before.resident) / (double) count;
    metrics_out[METRIC_TABLES] = (double) (full.tables - before.tables) / (double) count;
}

/* --- ptk --- */

typedef struct alive_set {
    ptk_waitable_t *start;
    size_t count;
    size_t parked;
    size_t ended;
    footprint_t full;
    uint64_t footprint_ns;
} alive_set_t;

static ptk_err alive_member(void *argument) {
    alive_set_t *set = argument;
    set->parked++;
    PTK_IGNORE(ptk_waitable_wait(set->start, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE)); /* the abort ends it */
    set->ended++;
    return PTK_OK;
}

/* Runs behind the members. All are parked by then, except a few that yielded inside their call before they
   waited: the loop below wakes these too. */
static ptk_err alive_opener(void *argument) {
    alive_set_t *set = argument;
    while (set->parked < set->count) {
        PTK_IGNORE(ptk_yield()); /* the loop stops at the count, and nothing cancels it */
    }
    uint64_t began_ns = bench_now_ns();
    set->full = footprint_now();
    set->footprint_ns = bench_now_ns() - began_ns;
    while (set->ended < set->count && ptk_waitable_abort(set->start) == PTK_OK) {
        PTK_IGNORE(ptk_yield()); /* the loop stops at the count, and nothing cancels it */
    }
    return PTK_OK;
}

static bool measure_alive_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    alive_set_t set = {.count = bench->count};
    set.start = loop ? ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL) : NULL;
    if (!set.start) {
        return false;
    }
    footprint_t before = footprint_now();
    uint64_t began_ns = bench_now_ns();
    for (size_t index = 0; index < set.count; index++) {
        if (ptk_go(loop, alive_member, &set) != PTK_OK) {
            return false;
        }
    }
    bool ran = ptk_go(loop, alive_opener, &set) == PTK_OK && ptk_scheduler_run(loop) == PTK_OK;
    uint64_t spent_ns = bench_now_ns() - began_ns - set.footprint_ns;
    put_alive_metrics(set.count, before, set.full, spent_ns, metrics_out);
    return ran && set.ended == set.count;
}

/* --- baseline --- */

typedef struct alive_context {
    baseline_context_t context; /* first: a context is its member */
    baseline_context_t *main_context;
} alive_context_t;

static void alive_context_body(baseline_context_t *self) {
    alive_context_t *member = (alive_context_t *) self;
    baseline_switch(&member->context, member->main_context);
    baseline_switch(&member->context, member->main_context);
}

static bool measure_alive_contexts(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    size_t count = bench->count;
    baseline_context_t main_context = {0};
    footprint_t before = footprint_now();
    uint64_t began_ns = bench_now_ns();
    baseline_stacks_t stacks = baseline_stacks_map(count);
    alive_context_t *members = aligned_alloc(64, count * sizeof(*members));
    if (!stacks.base || !members) {
        return false;
    }
    for (size_t index = 0; index < count; index++) {
        members[index].main_context = &main_context;
        baseline_prepare(&members[index].context, baseline_stacks_high(&stacks, index), alive_context_body);
        baseline_switch(&main_context, &members[index].context);
    }
    uint64_t footprint_ns = bench_now_ns();
    footprint_t full = footprint_now();
    footprint_ns = bench_now_ns() - footprint_ns;
    for (size_t index = 0; index < count; index++) {
        baseline_switch(&main_context, &members[index].context);
    }
    put_alive_metrics(count, before, full, bench_now_ns() - began_ns - footprint_ns, metrics_out);
    return true;
}

#define ALIVE_VARIANTS                                                                                       \
    {                                                                                                        \
        {"ptk", measure_alive_ptk},                                                                          \
        {"bare contexts", measure_alive_contexts},                                                           \
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
