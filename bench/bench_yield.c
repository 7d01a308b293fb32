/* SPDX-License-Identifier: MIT */
/*
 * Yield: N green threads that only yield, so that each lap runs every one of them once. The first of them is
 * the timekeeper: it times slices of many laps, and the measurement is the median slice, in nanoseconds per
 * yield. The baseline is the same ring of bare contexts, where a yield is a switch to the next one and
 * nothing else.
 *
 * All members yield at the same place of the program, as threads with the same body do. A processor predicts
 * a return by the call that it saw last; after a switch that was another stack's call. So if two yield at
 * different places, each return is mispredicted: yield-2-places shows what that costs. The baseline is inline
 * and has no call to return from.
 */
#include "bench.h"
#include "baseline_stacks.h"
#include "baseline_switch.h"

#include <ptk.h>
#include <stdlib.h>

#define YIELDS_PER_SLICE 20000

/* What the members of either ring share. */
typedef struct ring {
    size_t size;
    size_t laps; /* per slice */
    size_t slice_count;
    double slices[BENCH_SLICES];
    bool stop;
} ring_t;

static ring_t ring_of(const bench_t *bench, bool quick) {
    ring_t ring = {
        .size = bench->count, .laps = YIELDS_PER_SLICE / bench->count, .slice_count = BENCH_SLICES};
    if (ring.laps == 0) { /* a large ring: one lap is long enough */
        ring.laps = 1;
        ring.slice_count = quick ? 5 : 15;
    }
    return ring;
}

/* The timekeeper's work; `lap` is how it yields. */
static void keep_time(ring_t *ring, void *member, void (*lap)(void *member, size_t laps)) {
    lap(member, ring->laps);
    for (size_t slice = 0; slice < ring->slice_count; slice++) {
        uint64_t began_ns = bench_now_ns();
        lap(member, ring->laps);
        ring->slices[slice] = (double) (bench_now_ns() - began_ns) / (double) (ring->laps * ring->size);
    }
    ring->stop = true;
}

/* --- ptk
 * -------------------------------------------------------------------------------------------------------- */

/* How many laps the others take. Volatile, or the compiler would make them a copy of ptk_lap: another place.
 */
static const volatile size_t endless = SIZE_MAX;

/* Both functions are the same; they are the two places. */
static __attribute__((noinline)) void ptk_lap(void *member, size_t laps) {
    const volatile ring_t *ring = member;
    for (size_t lap = 0; lap < laps && !ring->stop; lap++) {
        PTK_IGNORE(ptk_yield()); /* it cannot fail here, and a check would be measured too */
    }
}

static __attribute__((noinline)) void ptk_lap_elsewhere(void *member, size_t laps) {
    const volatile ring_t *ring = member;
    for (size_t lap = 0; lap < laps && !ring->stop; lap++) {
        PTK_IGNORE(ptk_yield()); /* it cannot fail here, and a check would be measured too */
    }
    __asm__ volatile("" : : "r"(laps)); /* different from the other, or the compiler may fold them into one */
}

static ptk_err ptk_timekeeper(void *ring) {
    keep_time(ring, ring, ptk_lap);
    return PTK_OK;
}

static ptk_err ptk_other(void *ring) {
    ptk_lap(ring, endless);
    return PTK_OK;
}

static ptk_err ptk_other_elsewhere(void *ring) {
    ptk_lap_elsewhere(ring, endless);
    return PTK_OK;
}

static bool run_ptk_ring(ring_t *ring, ptk_green_fn other) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!loop || ptk_go(loop, ptk_timekeeper, ring) != PTK_OK) {
        return false;
    }
    for (size_t index = 1; index < ring->size; index++) {
        if (ptk_go(loop, other, ring) != PTK_OK) {
            return false;
        }
    }
    return ptk_scheduler_run(loop) == PTK_OK && ptk_event_loop_platform_destroy(loop) == PTK_OK;
}

static bool measure_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    ring_t ring = ring_of(bench, quick);
    bool ran = run_ptk_ring(&ring, ptk_other);
    metrics_out[0] = bench_median(ring.slices, ring.slice_count);
    return ran;
}

static bool measure_ptk_places(const bench_t *bench, bool quick, double *metrics_out) {
    ring_t ring = ring_of(bench, quick);
    bool ran = run_ptk_ring(&ring, ptk_other_elsewhere);
    metrics_out[0] = bench_median(ring.slices, ring.slice_count);
    return ran;
}

/* --- baseline
 * ------------------------------------------------------------------------------------------------------ */

typedef struct baseline_member {
    baseline_context_t context; /* first: a context is its member */
    struct baseline_member *next;
    ring_t *ring;
    baseline_context_t *home; /* where the timekeeper goes at the end */
} baseline_member_t;

static void baseline_lap(void *argument, size_t laps) {
    baseline_member_t *member = argument;
    const volatile ring_t *ring = member->ring;
    for (size_t lap = 0; lap < laps && !ring->stop; lap++) {
        baseline_switch(&member->context, &member->next->context);
    }
}

static void baseline_timekeeper(baseline_context_t *self) {
    baseline_member_t *member = (baseline_member_t *) self;
    keep_time(member->ring, member, baseline_lap);
    baseline_switch(&member->context, member->home);
}

static void baseline_other(baseline_context_t *self) {
    baseline_lap(self, endless);
}

static void baseline_join_ring(baseline_member_t *members, const baseline_stacks_t *stacks, size_t index,
                               ring_t *ring, baseline_context_t *home) {
    baseline_member_t *member = &members[index];
    member->next = &members[(index + 1) % ring->size];
    member->ring = ring;
    member->home = home;
    baseline_prepare(&member->context, baseline_stacks_high(stacks, index),
                     index ? baseline_other : baseline_timekeeper);
}

static bool measure_baseline(const bench_t *bench, bool quick, double *metrics_out) {
    ring_t ring = ring_of(bench, quick);
    baseline_context_t home = {0};
    baseline_stacks_t stacks = baseline_stacks_map(ring.size);
    baseline_member_t *members = aligned_alloc(64, ring.size * sizeof(*members));
    if (!stacks.base || !members) {
        return false;
    }
    for (size_t index = 0; index < ring.size; index++) {
        baseline_join_ring(members, &stacks, index, &ring, &home);
    }
    baseline_switch(&home, &members[0].context);
    metrics_out[0] = bench_median(ring.slices, ring.slice_count);
    free(members);
    baseline_stacks_unmap(&stacks);
    return true;
}

#define YIELD_VARIANTS                                                                                       \
    {                                                                                                        \
        {"ptk", measure_ptk},                                                                                \
        {"inline switch", measure_baseline},                                                                 \
    }

const bench_t bench_yield[] = {
    {.name = "yield-2",
     .what = "a yield in a ring of 2",
     .count = 2,
     .rounds_times = 4,
     .variants = YIELD_VARIANTS,
     .metrics = {{"", "ns", false}},
     .figures = {{0, 1, BENCH_GOAL_RATIO, 2.2}}},
    {.name = "yield-2-places",
     .what = "the same, where the two yield at different places",
     .count = 2,
     .rounds_times = 4,
     .variants = {{"ptk", measure_ptk_places}, {"inline switch", measure_baseline}},
     .metrics = {{"", "ns", false}},
     .figures = {{0, 1, BENCH_GOAL_NONE, 0}}},
    {.name = "yield-1000",
     .what = "a yield in a ring of 1,000",
     .count = 1000,
     .rounds_times = 4,
     .variants = YIELD_VARIANTS,
     .metrics = {{"", "ns", false}},
     .figures = {{0, 1, BENCH_GOAL_NONE, 0}}},
    {.name = "yield-100000",
     .what = "a yield in a ring of 100,000",
     .count = 100000,
     .rounds_max_quick = 5,
     .variants = YIELD_VARIANTS,
     .metrics = {{"", "ns", false}},
     .figures = {{0, 1, BENCH_GOAL_NONE, 0}}},
    {.name = NULL},
};
