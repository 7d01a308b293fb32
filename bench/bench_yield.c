/* SPDX-License-Identifier: MIT */
/*
 * Yield: N green threads that only yield, so that each lap runs every one of them once. The first is the
 * timekeeper: it times slices of many laps, and the measurement is the median slice, in nanoseconds per
 * yield. The baseline is the same ring of bare contexts, where a yield is only a switch to the next context.
 *
 * All members yield at the same place of the program, as green threads with the same body do. A processor
 * predicts a return by the most recent call, which after a switch was made on another stack. So if two
 * members yield at different places, each return is mispredicted: yield-2-places measures that cost. The
 * baseline is inline and does not return.
 */
#include "bench_list.h"
#include "bench_tools.h"
#include "baseline_stacks.h"
#include "baseline_switch.h"

#include <ptk.h>
#include <stdlib.h>

#define YIELDS_PER_SLICE 20000

/* Shared by the members of a ring, of either variant. */
typedef struct yield_ring {
    size_t size;
    size_t laps; /* per slice */
    size_t slice_count;
    double slices[BENCH_SLICES];
    bool stop;
} yield_ring_t;

static yield_ring_t yield_ring_of(const bench_t *bench, bool quick) {
    yield_ring_t ring = {
        .size = bench->count, .laps = YIELDS_PER_SLICE / bench->count, .slice_count = BENCH_SLICES};
    if (ring.laps == 0) { /* a large ring: one lap is long enough */
        ring.laps = 1;
        ring.slice_count = quick ? 5 : 15;
    }
    return ring;
}

/* Times the slices; `lap` yields. */
static void time_yield_slices(yield_ring_t *ring, void *member, void (*lap)(void *member, size_t laps)) {
    lap(member, ring->laps);
    for (size_t slice = 0; slice < ring->slice_count; slice++) {
        uint64_t began_ns = bench_now_ns();
        lap(member, ring->laps);
        ring->slices[slice] = (double) (bench_now_ns() - began_ns) / (double) (ring->laps * ring->size);
    }
    ring->stop = true;
}

/* --- ptk --- */

/* The laps of the other members. Volatile: else the compiler would clone yield_laps for them, which would be
   another place. */
static const volatile size_t endless = SIZE_MAX;

/* The two functions do the same; they are the two places. */
static __attribute__((noinline)) void yield_laps(void *member, size_t laps) {
    const volatile yield_ring_t *ring = member;
    for (size_t lap = 0; lap < laps && !ring->stop; lap++) {
        PTK_IGNORE(ptk_yield()); /* it cannot fail here, and a check would be measured too */
    }
}

static __attribute__((noinline)) void yield_laps_elsewhere(void *member, size_t laps) {
    const volatile yield_ring_t *ring = member;
    for (size_t lap = 0; lap < laps && !ring->stop; lap++) {
        PTK_IGNORE(ptk_yield()); /* it cannot fail here, and a check would be measured too */
    }
    __asm__ volatile("" : : "r"(laps)); /* differs from yield_laps, or the compiler might merge both */
}

static ptk_err yield_timekeeper(void *ring) {
    time_yield_slices(ring, ring, yield_laps);
    return PTK_OK;
}

static ptk_err yield_member(void *ring) {
    yield_laps(ring, endless);
    return PTK_OK;
}

static ptk_err yield_member_elsewhere(void *ring) {
    yield_laps_elsewhere(ring, endless);
    return PTK_OK;
}

static bool run_yield_ring(yield_ring_t *ring, ptk_green_fn other) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!loop || ptk_go(loop, yield_timekeeper, ring) != PTK_OK) {
        return false;
    }
    for (size_t index = 1; index < ring->size; index++) {
        if (ptk_go(loop, other, ring) != PTK_OK) {
            return false;
        }
    }
    return ptk_scheduler_run(loop) == PTK_OK && ptk_event_loop_platform_destroy(loop) == PTK_OK;
}

static bool measure_yield_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    yield_ring_t ring = yield_ring_of(bench, quick);
    bool ran = run_yield_ring(&ring, yield_member);
    metrics_out[0] = bench_median(ring.slices, ring.slice_count);
    return ran;
}

static bool measure_yield_ptk_places(const bench_t *bench, bool quick, double *metrics_out) {
    yield_ring_t ring = yield_ring_of(bench, quick);
    bool ran = run_yield_ring(&ring, yield_member_elsewhere);
    metrics_out[0] = bench_median(ring.slices, ring.slice_count);
    return ran;
}

/* --- baseline --- */

typedef struct yield_context {
    baseline_context_t context; /* first: a context is its member */
    struct yield_context *next;
    yield_ring_t *ring;
    baseline_context_t *main_context; /* the timekeeper switches to it at the end */
} yield_context_t;

static void switch_laps(void *argument, size_t laps) {
    yield_context_t *member = argument;
    const volatile yield_ring_t *ring = member->ring;
    for (size_t lap = 0; lap < laps && !ring->stop; lap++) {
        baseline_switch(&member->context, &member->next->context);
    }
}

static void switch_timekeeper(baseline_context_t *self) {
    yield_context_t *member = (yield_context_t *) self;
    time_yield_slices(member->ring, member, switch_laps);
    baseline_switch(&member->context, member->main_context);
}

static void switch_member(baseline_context_t *self) {
    switch_laps(self, endless);
}

static void prepare_yield_context(yield_context_t *members, const baseline_stacks_t *stacks, size_t index,
                                  yield_ring_t *ring, baseline_context_t *main_context) {
    yield_context_t *member = &members[index];
    member->next = &members[(index + 1) % ring->size];
    member->ring = ring;
    member->main_context = main_context;
    baseline_prepare(&member->context, baseline_stacks_high(stacks, index),
                     index ? switch_member : switch_timekeeper);
}

static bool measure_yield_contexts(const bench_t *bench, bool quick, double *metrics_out) {
    yield_ring_t ring = yield_ring_of(bench, quick);
    baseline_context_t main_context = {0};
    baseline_stacks_t stacks = baseline_stacks_map(ring.size);
    yield_context_t *members = aligned_alloc(64, ring.size * sizeof(*members));
    if (!stacks.base || !members) {
        return false;
    }
    for (size_t index = 0; index < ring.size; index++) {
        prepare_yield_context(members, &stacks, index, &ring, &main_context);
    }
    baseline_switch(&main_context, &members[0].context);
    metrics_out[0] = bench_median(ring.slices, ring.slice_count);
    free(members);
    baseline_stacks_unmap(&stacks);
    return true;
}

#define YIELD_VARIANTS                                                                                       \
    {                                                                                                        \
        {"ptk", measure_yield_ptk},                                                                          \
        {"inline switch", measure_yield_contexts},                                                           \
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
     .variants = {{"ptk", measure_yield_ptk_places}, {"inline switch", measure_yield_contexts}},
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
