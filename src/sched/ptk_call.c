/* SPDX-License-Identifier: MIT */
/*
 * Entering a public call that may park (layer 3): the unusual cases, and the budget.
 *
 * Each call, and each further operation of a call that goes on without parking, spends one of the loop's
 * budget, so that a socket that is always ready cannot keep its green thread running. When the budget is used
 * up, the next operation reads the clock. If a tick is due, or if 255 operations were granted in a row, a
 * call with a non-zero timeout yields before it tries; else there is a new budget. Budgets adapt to what the
 * operations cost as portions of picks do (ptk_park.c): the first one after a tick is 1, the 8th up to 128.
 * The first one after such a yield is 1 too if another green thread had to yield meanwhile, since what its
 * operations cost is not known. A call with timeout 0 spends and never yields.
 *
 * A call that is refused because its green thread is cancelled spends and yields, too: a green thread that
 * goes on after a cancel would else keep all others from running. From the 1,000th refusal in a row on, each
 * is also a pause of 1 ms, and the log names the green thread once. A call that parks ends the row.
 */
#include "sched/ptk_call.h"

#include "base/ptk_log_impl.h"
#include "sched/ptk_park.h"
#include "sched/ptk_timer.h"

#define BUDGET_MOST           128
#define OPERATIONS_IN_A_ROW   255 /* eight budgets of 1, 2, 4 to 128 */
#define REFUSALS_BEFORE_PAUSE 1000
#define REFUSAL_PAUSE_NS      UINT64_C(1000000)

/* --- the budget --- */

void ptk_call_begin_budget(ptk_scheduler_t *scheduler) {
    ptk_portion_begin(&scheduler->operations, scheduler->now_ns);
    scheduler->granted = 1;
    scheduler->budget = 1;
}

__attribute__((noinline)) bool ptk_call_renew_budget(ptk_scheduler_t *scheduler) {
    ptk_assert_debug(scheduler->budget == 0 && scheduler->granted <= OPERATIONS_IN_A_ROW);
    uint32_t left = OPERATIONS_IN_A_ROW - scheduler->granted;
    if (left == 0) {
        return false;
    }
    /* Outside run and poll, where coroutines of another library may call, the count alone decides. */
    if (scheduler->active && ptk_tick_is_due(scheduler)) {
        scheduler->granted = OPERATIONS_IN_A_ROW; /* no further readings before the yield */
        return false;
    }
    ptk_portion_adapt(&scheduler->operations, scheduler->now_ns, BUDGET_MOST);
    scheduler->budget = scheduler->operations.size < left ? scheduler->operations.size : left;
    scheduler->granted += scheduler->budget;
    return true;
}

/* Spends one operation. Returns false if the next one is to yield first. */
static bool spend_budget(ptk_scheduler_t *scheduler) {
    if (scheduler->budget == 0 && !ptk_call_renew_budget(scheduler)) {
        return false;
    }
    scheduler->budget--;
    return true;
}

/* Lets all other runnable green threads run first. The clock is read at the pick, so that a tick that is due
   is taken. Within one ptk_scheduler_poll the budget stays used up: each green thread runs once. */
static void yield_for_budget(ptk_task_t *self) {
    ptk_scheduler_t *scheduler = self->scheduler;
    if (scheduler->ticks_when_due) {
        scheduler->reading_at = scheduler->switches + 1;
    }
    uint32_t yields = ++scheduler->budget_yields;
    ptk_requeue(scheduler, self);
    if (!scheduler->ticks_when_due) {
        return;
    }
    if (scheduler->budget_yields != yields) {
        ptk_call_begin_budget(scheduler);
    }
    scheduler->operations.since_ns = scheduler->now_ns;
    scheduler->granted = scheduler->operations.size;
    scheduler->budget = scheduler->operations.size - 1;
}

/* --- refusals --- */

static void name_once(ptk_task_t *task) {
    if (task->flags & PTK_TASK_NAMED) {
        return;
    }
    task->flags |= PTK_TASK_NAMED;
    ptk_log(PTK_LOG_WARNING,
            "green thread \"%s\", spawned at %s:%d, goes on although %d calls in a row returned "
            "PTK_ERR_CANCELED; each further one takes 1 ms",
            task->label.name, task->label.file, task->label.line, REFUSALS_BEFORE_PAUSE);
}

ptk_err ptk_call_refuse(ptk_task_t *self) {
    ptk_assert(self->state == PTK_TASK_READY && (self->unusual & PTK_TASK_CANCELED));
    if (++self->refusals >= REFUSALS_BEFORE_PAUSE) {
        self->refusals = REFUSALS_BEFORE_PAUSE;
        name_once(self);
        ptk_pause(self, REFUSAL_PAUSE_NS);
    } else if (!spend_budget(self->scheduler)) {
        yield_for_budget(self);
    }
    return PTK_ERR_CANCELED;
}

/* --- entering and continuing --- */

/* Spends one operation; where that needs a yield it may be cancelled meanwhile. */
static ptk_err spend_or_yield(ptk_call_t *call) {
    if (spend_budget(call->scheduler)) {
        return PTK_OK;
    }
    yield_for_budget(call->self);
    return call->self->unusual & PTK_TASK_CANCELED ? PTK_ERR_CANCELED : PTK_OK;
}

ptk_err ptk_call_enter_unusual(ptk_call_t *call, uint32_t timeout_ms) {
    ptk_scheduler_t *scheduler = call->scheduler;
    call->self = ptk_scheduler_current(scheduler);
    call->deadline = ptk_deadline_after_ms(timeout_ms);
    if (timeout_ms == 0) {
        (void) spend_budget(scheduler);
        return PTK_OK;
    }
    if (!call->self) {
        return PTK_ERR_NOT_GREEN;
    }
    ptk_assert(call->self->state == PTK_TASK_READY);
    if (call->self->unusual & PTK_TASK_CANCELED) {
        return ptk_call_refuse(call->self);
    }
    return spend_or_yield(call);
}

static bool deadline_is_over(ptk_deadline_t *deadline) {
    ptk_deadline_fix(deadline);
    return deadline->kind == PTK_DEADLINE_ABSOLUTE && deadline->ns <= ptk_sys()->now_ns();
}

ptk_err ptk_call_continue(ptk_call_t *call) {
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        (void) spend_budget(call->scheduler);
        return PTK_OK;
    }
    return deadline_is_over(&call->deadline) ? PTK_ERR_TIMEOUT : spend_or_yield(call);
}
