/* SPDX-License-Identifier: MIT */
/*
 * A million sleepers. They are created and parked first (that is bench_alive's subject); then a gate opens,
 * and each sleeps for 1,000 ms plus a random 1 to 3,000 ms, notes how late it woke, and ends. The figures are
 * the processor time from the opening of the gate to the end of the last one, and the median and the 99th
 * percentile of the lateness. The baseline is the timers alone: a million random deadlines into a bare heap,
 * and out of it in order.
 */
#include "bench.h"
#include "baseline_heap.h"

#include <ptk.h>
#include <stdlib.h>

#define SLEEP_LEAST_MS 1000
#define SLEEP_RANGE_MS 3000

enum { METRIC_CPU, METRIC_LATE_MEDIAN, METRIC_LATE_P99 };

/* --- ptk
 * -------------------------------------------------------------------------------------------------------- */

typedef struct dormitory {
    ptk_waitable_t *gate;
    size_t wanted;
    size_t parked;
    size_t asleep;
    size_t slept;
    uint64_t random;
    uint64_t opened_cpu_ns;
    double *late_ms; /* of those who have slept */
} dormitory_t;

static ptk_err ptk_sleeper(void *argument) {
    dormitory_t *dormitory = argument;
    dormitory->parked++;
    PTK_IGNORE(
        ptk_waitable_wait(dormitory->gate, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE)); /* the abort ends it */
    uint32_t sleep_ms = SLEEP_LEAST_MS + 1 + (uint32_t) (bench_random(&dormitory->random) % SLEEP_RANGE_MS);
    dormitory->asleep++;
    uint64_t began_ns = bench_now_ns();
    ptk_err err = ptk_sleep_ms(sleep_ms);
    uint64_t slept_ns = bench_now_ns() - began_ns;
    dormitory->late_ms[dormitory->slept++] = (double) slept_ns / 1e6 - sleep_ms;
    return err;
}

/* Runs behind the sleepers, which are all parked when its turn comes; but for a few, whose call has made way
   for others before it waits, and for whom the gate opens again. */
static ptk_err ptk_opener(void *argument) {
    dormitory_t *dormitory = argument;
    while (dormitory->parked < dormitory->wanted) {
        PTK_IGNORE(ptk_yield()); /* the loop stops at the count, and nothing cancels it */
    }
    dormitory->opened_cpu_ns = bench_cpu_ns();
    while (dormitory->asleep < dormitory->wanted && ptk_waitable_abort(dormitory->gate) == PTK_OK) {
        PTK_IGNORE(ptk_yield()); /* the loop stops at the count, and nothing cancels it */
    }
    return PTK_OK;
}

static bool fill_dormitory(dormitory_t *dormitory, ptk_event_loop_platform_t *loop) {
    dormitory->gate = ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL);
    if (!dormitory->gate) {
        return false;
    }
    for (size_t index = 0; index < dormitory->wanted; index++) {
        if (ptk_go(loop, ptk_sleeper, dormitory) != PTK_OK) {
            return false;
        }
    }
    return ptk_go(loop, ptk_opener, dormitory) == PTK_OK;
}

static bool measure_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    dormitory_t dormitory = {.wanted = bench->count, .random = 88172645463325252u};
    dormitory.late_ms = calloc(dormitory.wanted, sizeof(*dormitory.late_ms));
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!dormitory.late_ms || !loop || !fill_dormitory(&dormitory, loop)) {
        return false;
    }
    bool ran = ptk_scheduler_run(loop) == PTK_OK;
    metrics_out[METRIC_CPU] = (double) (bench_cpu_ns() - dormitory.opened_cpu_ns) / 1e9;
    metrics_out[METRIC_LATE_MEDIAN] = bench_median(dormitory.late_ms, dormitory.slept);
    metrics_out[METRIC_LATE_P99] = bench_quantile(dormitory.late_ms, dormitory.slept, 0.99);
    return ran && dormitory.slept == dormitory.wanted;
}

/* --- baseline
 * ------------------------------------------------------------------------------------------------------ */

static bool measure_baseline(const bench_t *bench, bool quick, double *metrics_out) {
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
     .variants = {{"ptk", measure_ptk}, {"bare heap in and out", measure_baseline}},
     .metrics = {{"processor time", "s", false}, {"late, median", "ms", false}, {"late, p99", "ms", false}},
     .figures = {{METRIC_CPU, 1, BENCH_GOAL_NONE, 0},
                 {METRIC_LATE_MEDIAN, 0, BENCH_GOAL_NONE, 0},
                 {METRIC_LATE_P99, 0, BENCH_GOAL_NONE, 0}}},
    {.name = NULL},
};
