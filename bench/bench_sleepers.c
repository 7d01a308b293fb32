/* SPDX-License-Identifier: MIT */
/*
 * A million sleepers. They are created and parked first (bench_alive.c measures that). Then all are woken;
 * each sleeps for 1,000 ms plus a random 1 to 3,000 ms, records how late it woke, and ends. The figures are
 * the processor time from the first wake to the end of the last sleeper, and the median and the 99th
 * percentile of the lateness. The baseline is the timers alone: a million random deadlines inserted into a
 * minimal heap and removed in order.
 */
#include "bench_list.h"
#include "bench_tools.h"
#include "baseline_heap.h"

#include <ptk.h>
#include <stdlib.h>

#define SLEEP_LEAST_MS 1000
#define SLEEP_RANGE_MS 3000

enum { METRIC_CPU, METRIC_LATE_MEDIAN, METRIC_LATE_P99 };

/* --- ptk --- */

typedef struct sleepers {
    ptk_waitable_t *start;
    size_t count;
    size_t parked;
    size_t asleep;
    size_t slept;
    uint64_t random;
    uint64_t began_cpu_ns;
    double *late_ms; /* of the sleepers that have slept */
} sleepers_t;

static ptk_err sleeper(void *argument) {
    sleepers_t *sleepers = argument;
    sleepers->parked++;
    PTK_IGNORE(
        ptk_waitable_wait(sleepers->start, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE)); /* the abort ends it */
    uint32_t sleep_ms = SLEEP_LEAST_MS + 1 + (uint32_t) (bench_random(&sleepers->random) % SLEEP_RANGE_MS);
    sleepers->asleep++;
    uint64_t began_ns = bench_now_ns();
    ptk_err err = ptk_sleep_ms(sleep_ms);
    uint64_t slept_ns = bench_now_ns() - began_ns;
    sleepers->late_ms[sleepers->slept++] = (double) slept_ns / 1e6 - sleep_ms;
    return err;
}

/* Runs behind the sleepers. All are parked by then, except a few that yielded inside their call before they
   waited: the loop below wakes these too. */
static ptk_err sleepers_opener(void *argument) {
    sleepers_t *sleepers = argument;
    while (sleepers->parked < sleepers->count) {
        PTK_IGNORE(ptk_yield()); /* the loop stops at the count, and nothing cancels it */
    }
    sleepers->began_cpu_ns = bench_cpu_ns();
    while (sleepers->asleep < sleepers->count && ptk_waitable_abort(sleepers->start) == PTK_OK) {
        PTK_IGNORE(ptk_yield()); /* the loop stops at the count, and nothing cancels it */
    }
    return PTK_OK;
}

static bool spawn_sleepers(sleepers_t *sleepers, ptk_event_loop_platform_t *loop) {
    sleepers->start = ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL);
    if (!sleepers->start) {
        return false;
    }
    for (size_t index = 0; index < sleepers->count; index++) {
        if (ptk_go(loop, sleeper, sleepers) != PTK_OK) {
            return false;
        }
    }
    return ptk_go(loop, sleepers_opener, sleepers) == PTK_OK;
}

static bool measure_sleepers_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    sleepers_t sleepers = {.count = bench->count, .random = 88172645463325252u};
    sleepers.late_ms = calloc(sleepers.count, sizeof(*sleepers.late_ms));
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!sleepers.late_ms || !loop || !spawn_sleepers(&sleepers, loop)) {
        return false;
    }
    bool ran = ptk_scheduler_run(loop) == PTK_OK;
    metrics_out[METRIC_CPU] = (double) (bench_cpu_ns() - sleepers.began_cpu_ns) / 1e9;
    metrics_out[METRIC_LATE_MEDIAN] = bench_median(sleepers.late_ms, sleepers.slept);
    metrics_out[METRIC_LATE_P99] = bench_quantile(sleepers.late_ms, sleepers.slept, 0.99);
    return ran && sleepers.slept == sleepers.count;
}

/* --- baseline --- */

static bool measure_sleepers_heap(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    uint64_t random = 88172645463325252u;
    uint64_t last = 0;
    bool in_order = true;
    baseline_heap_t heap;
    baseline_timer_t *timers = calloc(bench->count, sizeof(*timers));
    if (!timers || !baseline_heap_init(&heap, bench->count)) {
        return false;
    }
    uint64_t began_ns = bench_cpu_ns();
    for (size_t index = 0; index < bench->count; index++) {
        baseline_heap_arm(&heap, &timers[index],
                          bench_random(&random) % (SLEEP_RANGE_MS * UINT64_C(1000000)));
    }
    while (!baseline_heap_empty(&heap)) {
        uint64_t deadline = baseline_heap_first(&heap);
        in_order &= deadline >= last;
        last = deadline;
        (void) baseline_heap_pop(&heap);
    }
    metrics_out[METRIC_CPU] = (double) (bench_cpu_ns() - began_ns) / 1e9;
    return in_order;
}

const bench_t bench_sleepers[] = {
    {.name = "sleepers",
     .what = "1,000,000 green threads sleep 1 to 4 s",
     .count = 1000000,
     .rounds_max = 5,
     .rounds_max_quick = 1,
     .slow = true,
     .memory_mib = 7168,
     .variants = {{"ptk", measure_sleepers_ptk}, {"bare heap in and out", measure_sleepers_heap}},
     .metrics = {{"processor time", "s", false}, {"late, median", "ms", false}, {"late, p99", "ms", false}},
     .figures = {{METRIC_CPU, 1, BENCH_GOAL_NONE, 0},
                 {METRIC_LATE_MEDIAN, 0, BENCH_GOAL_NONE, 0},
                 {METRIC_LATE_P99, 0, BENCH_GOAL_NONE, 0}}},
    {.name = NULL},
};
