/* SPDX-License-Identifier: MIT */
/*
 * Spawn, run and join: one green thread spawns another, which does nothing, and joins it, again and again.
 * The baseline takes a warm stack with its control block from a free list, prepares a context on it, switches
 * there and comes back.
 */
#include "bench.h"
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

/* --- ptk
 * -------------------------------------------------------------------------------------------------------- */

static ptk_err ptk_nothing(void *argument) {
    *(volatile bool *) argument = true;
    return PTK_OK;
}

static bool ptk_spawn_and_join(size_t spawns) {
    bool ran = false;
    for (size_t spawn = 0; spawn < spawns; spawn++) {
        ptk_green_t *green = ptk_green_spawn(NULL, NULL, ptk_nothing, &ran);
        if (!green || ptk_green_join(green, NULL, PTK_TIMEOUT_INFINITE) != PTK_OK) {
            return false;
        }
    }
    return ran;
}

static ptk_err ptk_spawner(void *argument) {
    spawner_t *spawner = argument;
    spawner->failed = !ptk_spawn_and_join(spawner->spawns);
    for (size_t slice = 0; slice < BENCH_SLICES && !spawner->failed; slice++) {
        uint64_t began_ns = bench_now_ns();
        spawner->failed = !ptk_spawn_and_join(spawner->spawns);
        spawner->slices[slice] = (double) (bench_now_ns() - began_ns) / (double) spawner->spawns;
    }
    return PTK_OK;
}

static bool measure_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    (void) bench;
    (void) quick;
    spawner_t spawner = {.spawns = SPAWNS_PER_SLICE};
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!loop || ptk_go(loop, ptk_spawner, &spawner) != PTK_OK || ptk_scheduler_run(loop) != PTK_OK) {
        return false;
    }
    metrics_out[0] = bench_median(spawner.slices, BENCH_SLICES);
    return !spawner.failed && ptk_event_loop_platform_destroy(loop) == PTK_OK;
}

/* --- baseline
 * ------------------------------------------------------------------------------------------------------ */

#define BASELINE_TASKS 15

typedef struct baseline_task {
    baseline_context_t context; /* first: a context is its task */
    void *stack_high;
    baseline_context_t *parent;
    struct baseline_task *next_free;
    bool ran;
} baseline_task_t;

/* The spawner is a bare context too, as ptk's is a green thread. */
typedef struct baseline_spawner {
    baseline_context_t context; /* first: a context is its spawner */
    baseline_context_t home;
    baseline_task_t tasks[BASELINE_TASKS];
    baseline_task_t *free_tasks;
    spawner_t *spawner;
} baseline_spawner_t;

static void baseline_nothing(baseline_context_t *self) {
    baseline_task_t *task = (baseline_task_t *) self;
    task->ran = true;
    baseline_switch(&task->context, task->parent);
}

static bool baseline_spawn_and_join(baseline_spawner_t *self, size_t spawns) {
    bool ran = true;
    for (size_t spawn = 0; spawn < spawns; spawn++) {
        baseline_task_t *task = self->free_tasks;
        self->free_tasks = task->next_free;
        task->ran = false;
        task->parent = &self->context;
        baseline_prepare(&task->context, task->stack_high, baseline_nothing);
        baseline_switch(&self->context, &task->context);
        ran &= task->ran;
        task->next_free = self->free_tasks;
        self->free_tasks = task;
    }
    return ran;
}

static void baseline_spawner(baseline_context_t *context) {
    baseline_spawner_t *self = (baseline_spawner_t *) context;
    spawner_t *spawner = self->spawner;
    bool ran = baseline_spawn_and_join(self, spawner->spawns);
    for (size_t slice = 0; slice < BENCH_SLICES; slice++) {
        uint64_t began_ns = bench_now_ns();
        ran &= baseline_spawn_and_join(self, spawner->spawns);
        spawner->slices[slice] = (double) (bench_now_ns() - began_ns) / (double) spawner->spawns;
    }
    spawner->failed = !ran;
    baseline_switch(&self->context, &self->home);
}

static bool measure_baseline(const bench_t *bench, bool quick, double *metrics_out) {
    (void) bench;
    (void) quick;
    static baseline_spawner_t baseline;
    spawner_t spawner = {.spawns = SPAWNS_PER_SLICE};
    baseline_stacks_t stacks = baseline_stacks_map(BASELINE_TASKS + 1);
    if (!stacks.base) {
        return false;
    }
    baseline.spawner = &spawner;
    for (size_t index = 0; index < BASELINE_TASKS; index++) {
        baseline.tasks[index].stack_high = baseline_stacks_high(&stacks, index + 1);
        baseline.tasks[index].next_free = baseline.free_tasks;
        baseline.free_tasks = &baseline.tasks[index];
    }
    baseline_prepare(&baseline.context, baseline_stacks_high(&stacks, 0), baseline_spawner);
    baseline_switch(&baseline.home, &baseline.context);
    metrics_out[0] = bench_median(spawner.slices, BENCH_SLICES);
    baseline_stacks_unmap(&stacks);
    return !spawner.failed;
}

const bench_t bench_spawn[] = {
    {.name = "spawn",
     .what = "spawn, run and join a green thread",
     .rounds_times = 4,
     .variants = {{"ptk", measure_ptk}, {"prepare, switch, back", measure_baseline}},
     .metrics = {{"", "ns", false}},
     .figures = {{0, 1, BENCH_GOAL_RATIO, 3.5}}},
    {.name = NULL},
};
