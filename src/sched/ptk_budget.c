/* SPDX-License-Identifier: MIT */
/*
 * When a tick is due, and the budget of operations that end without parking (layer 3).
 *
 * Each call, and each further operation of a call that goes on without parking, spends one of the loop's
 * budget, so that a socket that is always ready cannot keep its green thread running. When the budget is used
 * up, the next operation reads the clock. If a tick is due, or if 255 operations were granted in a row, a
 * call with a non-zero timeout yields before it tries; else there is a new budget. Budgets adapt to what the
 * operations cost as portions of picks do (ptk_park.c): the first one after a tick is 1, the 8th up to 128.
 * The first one after such a yield is 1 too if another green thread had to yield meanwhile, since what its
 * operations cost is not known. A call with timeout 0 spends and never yields.
 */
#include "sched/ptk_budget.h"

#include "base/ptk_choice.h"
#include "sched/ptk_timer.h"

#define READINGS_PER_TICK   64
#define TICK_INTERVAL_NS    UINT64_C(100000)
#define BUDGET_MOST         128
#define OPERATIONS_IN_A_ROW 255 /* eight budgets of 1, 2, 4 to 128 */

bool ptk_tick_is_due(ptk_scheduler_t *scheduler) {
    uint64_t waited_ns = ptk_timer_read_clock(scheduler) - scheduler->last_tick_ns;
    if (waited_ns >= TICK_INTERVAL_NS || ++scheduler->readings >= READINGS_PER_TICK) {
        return true;
    }
    return scheduler->block->oracle && ptk_choice(PTK_CHOICE_TICK, 2) == 1;
}

void ptk_budget_begin(ptk_scheduler_t *scheduler) {
    ptk_portion_begin(&scheduler->operations, scheduler->now_ns);
    scheduler->granted = 1;
    scheduler->budget = 1;
}

__attribute__((noinline)) bool ptk_budget_renew(ptk_scheduler_t *scheduler) {
    ptk_assert_debug(scheduler->budget == 0 && scheduler->granted <= OPERATIONS_IN_A_ROW);
    uint32_t left = OPERATIONS_IN_A_ROW - scheduler->granted;
    if (left == 0) {
        return false;
    }
    if (ptk_tick_is_due(scheduler)) {
        scheduler->granted = OPERATIONS_IN_A_ROW; /* no further readings before the yield */
        return false;
    }
    ptk_portion_adapt(&scheduler->operations, scheduler->now_ns, BUDGET_MOST);
    scheduler->budget = scheduler->operations.size < left ? scheduler->operations.size : left;
    scheduler->granted += scheduler->budget;
    return true;
}

bool ptk_budget_spend(ptk_scheduler_t *scheduler) {
    if (scheduler->budget == 0 && !ptk_budget_renew(scheduler)) {
        return false;
    }
    scheduler->budget--;
    return true;
}
