/* SPDX-License-Identifier: MIT */
/*
 * The cost of a timeout that never fires.
 *
 * A token circulates in a ring of green threads: each waits for its own USER waitable, then signals that of
 * the next. A hand-off is timed with a timeout of 5 s on every wait and with none, in alternating slices; the
 * figure is the median difference of neighbouring slices.
 *
 * timeout: a ring of two. A wait is over before the loop reads its clock again, so its timer never enters the
 * heap. Baseline: a timer is armed and cancelled in a minimal heap that holds a million others.
 *
 * timeout-armed: a ring of 4,096. Every wait lasts beyond the next reading of the clock, so every timer
 * enters the heap and is cancelled there. Baseline: in a minimal heap of 4,096 the oldest timer is cancelled
 * and armed again as the latest.
 */
#include "bench_list.h"
#include "bench_tools.h"
#include "baseline_heap.h"

#include <math.h>
#include <ptk.h>
#include <stdlib.h>

#define HANDOFFS_PER_SLICE   8192
#define TIMEOUT_MS           5000
#define BASELINE_HEAP_OTHERS 1000000
#define BASELINE_ARMS        20000

enum { METRIC_COST, METRIC_WITH, METRIC_WITHOUT };

/* --- ptk --- */

typedef struct token_ring token_ring_t;

typedef struct token_member {
    token_ring_t *ring;
    ptk_waitable_t *own;
    ptk_waitable_t *next;
} token_member_t;

struct token_ring {
    token_member_t *members;
    size_t size;
    size_t laps;
    uint32_t timeout_ms;
    bool stop;
    bool failed;
    double with[BENCH_SLICES];
    double without[BENCH_SLICES];
    double cost[BENCH_SLICES];
};

static ptk_err pass_token(const token_member_t *member) {
    ptk_err err = ptk_waitable_signal(member->next);
    return err != PTK_OK ? err : ptk_waitable_wait(member->own, PTK_EVENT_READ, member->ring->timeout_ms);
}

static ptk_err token_member_body(void *argument) {
    const token_member_t *member = argument;
    ptk_err err = ptk_waitable_wait(member->own, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE);
    while (err == PTK_OK && !member->ring->stop) {
        err = pass_token(member);
    }
    member->ring->failed |= err != PTK_OK;
    return ptk_waitable_signal(member->next);
}

static double time_token_slice(const token_member_t *member, uint32_t timeout_ms) {
    token_ring_t *ring = member->ring;
    ring->timeout_ms = timeout_ms;
    ring->failed |= pass_token(member) != PTK_OK;
    uint64_t began_ns = bench_now_ns();
    for (size_t lap = 0; lap < ring->laps; lap++) {
        ring->failed |= pass_token(member) != PTK_OK;
    }
    return (double) (bench_now_ns() - began_ns) / (double) (ring->laps * ring->size);
}

static ptk_err token_timekeeper(void *argument) {
    const token_member_t *member = argument;
    token_ring_t *ring = member->ring;
    (void) time_token_slice(member, TIMEOUT_MS);
    for (size_t pair = 0; pair < BENCH_SLICES; pair++) {
        if (pair % 2 == 0) {
            ring->with[pair] = time_token_slice(member, TIMEOUT_MS);
        }
        ring->without[pair] = time_token_slice(member, PTK_TIMEOUT_INFINITE);
        if (pair % 2 == 1) {
            ring->with[pair] = time_token_slice(member, TIMEOUT_MS);
        }
        ring->cost[pair] = ring->with[pair] - ring->without[pair];
    }
    ring->stop = true;
    return ptk_waitable_signal(member->next);
}

static bool spawn_token_ring(token_ring_t *ring, ptk_event_loop_platform_t *loop) {
    for (size_t index = 0; index < ring->size; index++) {
        ring->members[index].ring = ring;
        ring->members[index].own = ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL);
        if (!ring->members[index].own) {
            return false;
        }
    }
    for (size_t index = 0; index < ring->size; index++) {
        ring->members[index].next = ring->members[(index + 1) % ring->size].own;
        ptk_err err = index ? ptk_go(loop, token_member_body, &ring->members[index])
                            : ptk_go(loop, token_timekeeper, &ring->members[index]);
        if (err != PTK_OK) {
            return false;
        }
    }
    return true;
}

static bool measure_timeout_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    token_ring_t ring = {.size = bench->count};
    (void) quick;
    ring.laps = HANDOFFS_PER_SLICE / ring.size;
    ring.members = calloc(ring.size, sizeof(*ring.members));
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!ring.members || !loop || !spawn_token_ring(&ring, loop) || ptk_scheduler_run(loop) != PTK_OK) {
        return false;
    }
    metrics_out[METRIC_COST] = bench_median(ring.cost, BENCH_SLICES);
    metrics_out[METRIC_WITH] = bench_median(ring.with, BENCH_SLICES);
    metrics_out[METRIC_WITHOUT] = bench_median(ring.without, BENCH_SLICES);
    return !ring.failed;
}

/* --- baselines --- */

/* Fills a heap with timers of random deadlines below `latest`, and leaves room for one more. */
static baseline_timer_t *fill_timer_heap(baseline_heap_t *heap, size_t count, uint64_t latest) {
    baseline_timer_t *timers = calloc(count + 1, sizeof(*timers));
    uint64_t random = 88172645463325252u;
    if (!timers || !baseline_heap_init(heap, count + 1)) {
        return NULL;
    }
    for (size_t index = 0; index < count; index++) {
        baseline_heap_arm(heap, &timers[index], bench_random(&random) % latest);
    }
    return timers;
}

/* Hides the object from the optimiser, so that it cannot merge arming and cancelling. */
static inline void hide_from_optimiser(const void *object) {
    __asm__ volatile("" : : "r"(object) : "memory");
}

static bool measure_timeout_heap(const bench_t *bench, bool quick, double *metrics_out) {
    (void) bench;
    (void) quick;
    uint64_t latest = UINT64_C(1) << 40;
    double slices[BENCH_SLICES];
    baseline_heap_t heap;
    baseline_timer_t *timers = fill_timer_heap(&heap, BASELINE_HEAP_OTHERS, latest);
    if (!timers) {
        return false;
    }
    for (size_t slice = 0; slice < BENCH_SLICES; slice++) {
        uint64_t began_ns = bench_now_ns();
        for (uint64_t step = 0; step < BASELINE_ARMS; step++) {
            baseline_heap_arm(&heap, &timers[BASELINE_HEAP_OTHERS], latest + step);
            hide_from_optimiser(&heap);
            baseline_heap_cancel(&heap, &timers[BASELINE_HEAP_OTHERS]);
        }
        slices[slice] = (double) (bench_now_ns() - began_ns) / BASELINE_ARMS;
    }
    metrics_out[METRIC_COST] = bench_median(slices, BENCH_SLICES);
    return true;
}

static bool measure_timeout_heap_armed(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    size_t count = bench->count;
    double slices[BENCH_SLICES];
    baseline_heap_t heap;
    baseline_timer_t *timers = calloc(count, sizeof(*timers));
    if (!timers || !baseline_heap_init(&heap, count)) {
        return false;
    }
    uint64_t deadline = 0;
    for (size_t index = 0; index < count; index++) {
        baseline_heap_arm(&heap, &timers[index], deadline++);
    }
    for (size_t slice = 0; slice < BENCH_SLICES; slice++) {
        uint64_t began_ns = bench_now_ns();
        for (size_t step = 0; step < BASELINE_ARMS; step++) {
            baseline_timer_t *timer = &timers[step % count];
            baseline_heap_cancel(&heap, timer);
            hide_from_optimiser(&heap);
            baseline_heap_arm(&heap, timer, deadline++);
        }
        slices[slice] = (double) (bench_now_ns() - began_ns) / BASELINE_ARMS;
    }
    metrics_out[METRIC_COST] = bench_median(slices, BENCH_SLICES);
    return true;
}

#define TIMEOUT_METRICS                                                                                      \
    {                                                                                                        \
        {"cost", "ns", false},                                                                               \
        {"hand-off with", "ns", false},                                                                      \
        {"hand-off without", "ns", false},                                                                   \
    }

const bench_t bench_timeout[] = {
    {.name = "timeout",
     .what = "a timeout that never fires, in a hand-off between two",
     .count = 2,
     .rounds_times = 2,
     .variants = {{"ptk", measure_timeout_ptk}, {"heap of 1,000,000", measure_timeout_heap}},
     .metrics = TIMEOUT_METRICS,
     .figures = {{METRIC_COST, 1, BENCH_GOAL_RATIO, 2.5},
                 {METRIC_WITH, 0, BENCH_GOAL_NONE, 0},
                 {METRIC_WITHOUT, 0, BENCH_GOAL_NONE, 0}}},
    {.name = "timeout-armed",
     .what = "the same in a ring of 4,096, where every timer enters the heap",
     .count = 4096,
     .rounds_times = 2,
     .variants = {{"ptk", measure_timeout_ptk}, {"heap of 4,096", measure_timeout_heap_armed}},
     .metrics = TIMEOUT_METRICS,
     .figures = {{METRIC_COST, 1, BENCH_GOAL_NONE, 0},
                 {METRIC_WITH, 0, BENCH_GOAL_NONE, 0},
                 {METRIC_WITHOUT, 0, BENCH_GOAL_NONE, 0}}},
    {.name = NULL},
};
