/* SPDX-License-Identifier: MIT */
/*
 * Returning idle memory to the system (layer 3).
 *
 * Ended green threads leave their stacks resident for the next ones, so without more a loop would keep the
 * memory of its highest load for ever. Time is divided into periods of a second. Stacks that no green thread
 * has used during a whole period, apart from the first 64, are the surplus; a pass returns their memory, some
 * in each tick, so that no event waits for all of them:
 *
 *     period  --over, with a surplus-->  pass, beside the next period  --nothing left-->  period
 *
 * What was idle all the time is known from the lowest count of idle stacks, so a load that comes back within
 * the period keeps its stacks. A loop that has more than 64 idle stacks does not sleep beyond the end of the
 * period: it wakes once or twice after a peak, and then not again. Between the calls of ptk_scheduler_poll
 * nothing is returned.
 *
 * ptk_scheduler_trim returns all at once, and the room of the timers that the green threads needed.
 */
#include "sched/ptk_trim.h"

#include "sched/ptk_task.h"

#define TRIM_PERIOD_NS  (1000 * PTK_NS_PER_MS)
#define TRIM_KEPT       64
#define TRIM_STEP_TASKS 16

/* Decides what was idle during the period that ends now. */
static void plan_trim(ptk_scheduler_t *scheduler, uint32_t kept) {
    ptk_trim_t *trim = &scheduler->trim;
    trim->idle_surplus = trim->idle_least > kept ? trim->idle_least - kept : 0;
    trim->idle_least = trim->idle_count;
    bool stacks = ptk_stack_pool_plan_trim(&scheduler->stacks, kept);
    trim->runs = stacks || trim->idle_surplus > 0;
}

/* Returns up to `most` stacks. The pass is over when there are fewer. */
static void trim_some(ptk_scheduler_t *scheduler, size_t most) {
    size_t trimmed = ptk_task_trim(scheduler, most);
    trimmed += ptk_stack_pool_trim(&scheduler->stacks, most - trimmed);
    scheduler->trim.runs = trimmed == most;
}

uint64_t ptk_trim_next_ns(const ptk_scheduler_t *scheduler) {
    const ptk_trim_t *trim = &scheduler->trim;
    if (trim->runs) {
        return 0;
    }
    bool stocked = trim->idle_count > TRIM_KEPT || ptk_stack_pool_is_stocked(&scheduler->stacks, TRIM_KEPT);
    return stocked ? trim->due_ns : UINT64_MAX;
}

void ptk_trim_step(ptk_scheduler_t *scheduler) {
    if (scheduler->now_ns >= scheduler->trim.due_ns) {
        scheduler->trim.due_ns = scheduler->now_ns + TRIM_PERIOD_NS;
        plan_trim(scheduler, TRIM_KEPT);
    }
    if (scheduler->trim.runs) {
        trim_some(scheduler, TRIM_STEP_TASKS);
    }
}

/* The first plan ends the period, so that the second one finds everything idle. */
void ptk_trim_all(ptk_scheduler_t *scheduler) {
    ptk_task_reap(scheduler);
    plan_trim(scheduler, 0);
    plan_trim(scheduler, 0);
    while (scheduler->trim.runs) {
        trim_some(scheduler, TRIM_STEP_TASKS);
    }
    ptk_heap_trim(&scheduler->heap);
}
