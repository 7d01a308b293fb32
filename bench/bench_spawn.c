/* SPDX-License-Identifier: MIT */
/*
 * Spawn, run and join: one green thread repeatedly spawns another, which does nothing, and joins it. The
 * baseline takes a warm stack with its context from a free list, prepares the context, switches to it and
 * back.
 */
#include "bench_list.h"
#include "bench_tools.h"
#include "baseline_stacks.h"
#include "baseline_switch.h"

#include <ptk.h>
#include <stdlib.h>

#define SPAWNS_PER_SLICE 4000

typedef struct spawner {
    size_t spawns;
    double slices[BENCH_SLICES];
    bool failed;
} spawner_t;

/* --- ptk --- */

static ptk_err spawned_green(void *argument) {
    *(volatile bool *) argument = true;
    return PTK_OK;
}

static bool spawn_and_join_greens(size_t spawns) {
    bool ran = false;
    for (size_t spawn = 0; spawn < spawns; spawn++) {
        ptk_green_t *green = ptk_green_spawn(NULL, NULL, spawned_green, &ran);
        if (!green || ptk_green_join(green, NULL, PTK_TIMEOUT_INFINITE) != PTK_OK) {
            return false;
        }
    }
    return ran;
}

static ptk_err green_spawner(void *argument) {
    spawner_t *spawner = argument;
    spawner->failed = !spawn_and_join_greens(spawner->spawns);
    for (size_t slice = 0; slice < BENCH_SLICES && !spawner->failed; slice++) {
        uint64_t began_ns = bench_now_ns();
        spawner->failed = !spawn_and_join_greens(spawner->spawns);
        spawner->slices[slice] = (double) (bench_now_ns() - began_ns) / (double) spawner->spawns;
    }
    return PTK_OK;
}

static bool measure_spawn_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    (void) bench;
    (void) quick;
    spawner_t spawner = {.spawns = SPAWNS_PER_SLICE};
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!loop || ptk_go(loop, green_spawner, &spawner) != PTK_OK || ptk_scheduler_run(loop) != PTK_OK) {
        return false;
    }
    metrics_out[0] = bench_median(spawner.slices, BENCH_SLICES);
    return !spawner.failed && ptk_event_loop_platform_destroy(loop) == PTK_OK;
}

/* --- baseline --- */

#define SPAWNED_CONTEXTS 15

typedef struct spawned_context {
    baseline_context_t context; /* first: a context is its task */
    void *stack_high;
    baseline_context_t *parent;
    struct spawned_context *next_free;
    bool ran;
} spawned_context_t;

/* The spawner is a bare context too, as ptk's is a green thread. */
typedef struct context_spawner {
    baseline_context_t context; /* first: a context is its spawner */
    baseline_context_t main_context;
    spawned_context_t tasks[SPAWNED_CONTEXTS];
    spawned_context_t *free_contexts;
    spawner_t *spawner;
} context_spawner_t;

static void spawned_context_body(baseline_context_t *self) {
    spawned_context_t *task = (spawned_context_t *) self;
    task->ran = true;
    baseline_switch(&task->context, task->parent);
}

static bool switch_to_and_back(context_spawner_t *self, size_t spawns) {
    bool ran = true;
    for (size_t spawn = 0; spawn < spawns; spawn++) {
        spawned_context_t *task = self->free_contexts;
        self->free_contexts = task->next_free;
        task->ran = false;
        task->parent = &self->context;
        baseline_prepare(&task->context, task->stack_high, spawned_context_body);
        baseline_switch(&self->context, &task->context);
        ran &= task->ran;
        task->next_free = self->free_contexts;
        self->free_contexts = task;
    }
    return ran;
}

static void context_spawner(baseline_context_t *context) {
    context_spawner_t *self = (context_spawner_t *) context;
    spawner_t *spawner = self->spawner;
    bool ran = switch_to_and_back(self, spawner->spawns);
    for (size_t slice = 0; slice < BENCH_SLICES; slice++) {
        uint64_t began_ns = bench_now_ns();
        ran &= switch_to_and_back(self, spawner->spawns);
        spawner->slices[slice] = (double) (bench_now_ns() - began_ns) / (double) spawner->spawns;
    }
    spawner->failed = !ran;
    baseline_switch(&self->context, &self->main_context);
}

static bool measure_spawn_contexts(const bench_t *bench, bool quick, double *metrics_out) {
    (void) bench;
    (void) quick;
    static context_spawner_t baseline;
    spawner_t spawner = {.spawns = SPAWNS_PER_SLICE};
    baseline_stacks_t stacks = baseline_stacks_map(SPAWNED_CONTEXTS + 1);
    if (!stacks.base) {
        return false;
    }
    baseline.spawner = &spawner;
    for (size_t index = 0; index < SPAWNED_CONTEXTS; index++) {
        baseline.tasks[index].stack_high = baseline_stacks_high(&stacks, index + 1);
        baseline.tasks[index].next_free = baseline.free_contexts;
        baseline.free_contexts = &baseline.tasks[index];
    }
    baseline_prepare(&baseline.context, baseline_stacks_high(&stacks, 0), context_spawner);
    baseline_switch(&baseline.main_context, &baseline.context);
    metrics_out[0] = bench_median(spawner.slices, BENCH_SLICES);
    baseline_stacks_unmap(&stacks);
    return !spawner.failed;
}

const bench_t bench_spawn[] = {
    {.name = "spawn",
     .what = "spawn, run and join a green thread",
     .rounds_times = 4,
     .variants = {{"ptk", measure_spawn_ptk}, {"prepare, switch, back", measure_spawn_contexts}},
     .metrics = {{"", "ns", false}},
     .figures = {{0, 1, BENCH_GOAL_RATIO, 3.5}}},
    {.name = NULL},
};
