/* SPDX-License-Identifier: MIT */
/*
 * Entering a public call that may park (layer 3): the unusual cases, and the budget.
 *
 * Each call, and each further operation of a call that goes on without parking, spends one of the loop's
 * budget. When it is used up, the next call with a non-zero timeout yields before it tries, so that a socket
 * that is always ready cannot keep its green thread running. A call with timeout 0 spends and never yields.
 */
#include "sched/ptk_call.h"

#include "sched/ptk_park.h"
#include "sched/ptk_timer.h"

/* Spends one of the budget, as far as there is any. */
static void spend_budget(ptk_scheduler_t *scheduler) {
    if (scheduler->budget > 0) {
        scheduler->budget--;
    }
}

/* Lets all other runnable green threads run first. The clock is read at the pick, so that a tick that is due
 * is taken. Within one ptk_scheduler_poll the budget stays used up, because each green thread runs once. The
 * cancel is looked at again after the switch: it may have come meanwhile. */
static ptk_err yield_for_budget(ptk_call_t *call) {
    ptk_scheduler_t *scheduler = call->scheduler;
    if (scheduler->ticks_when_due) {
        scheduler->reading_at = scheduler->switches + 1;
    }
    ptk_err err = ptk_yield_task(scheduler, call->self);
    if (scheduler->ticks_when_due) {
        scheduler->budget = PTK_BUDGET;
    }
    return err == PTK_OK && (call->self->unusual & PTK_TASK_CANCELED) ? PTK_ERR_CANCELED : err;
}

ptk_err ptk_call_enter_unusual(ptk_call_t *call, uint32_t timeout_ms) {
    ptk_scheduler_t *scheduler = call->scheduler;
    call->self = ptk_scheduler_current(scheduler);
    call->deadline = ptk_deadline_after_ms(timeout_ms);
    if (timeout_ms == 0) {
        spend_budget(scheduler);
        return PTK_OK;
    }
    if (!call->self) {
        return PTK_ERR_NOT_GREEN;
    }
    ptk_assert(call->self->state == PTK_TASK_READY);
    if (call->self->unusual & PTK_TASK_CANCELED) {
        return PTK_ERR_CANCELED;
    }
    if (scheduler->budget > 0) {
        scheduler->budget--;
        return PTK_OK;
    }
    return yield_for_budget(call);
}

/* Fixes a relative deadline at its first use: a call that never parks has no clock reading of the loop's. */
static bool deadline_is_over(ptk_deadline_t *deadline) {
    ptk_deadline_fix(deadline);
    return deadline->kind == PTK_DEADLINE_ABSOLUTE && deadline->ns <= ptk_sys()->now_ns();
}

ptk_err ptk_call_continue(ptk_call_t *call) {
    spend_budget(call->scheduler);
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return PTK_OK;
    }
    if (deadline_is_over(&call->deadline)) {
        return PTK_ERR_TIMEOUT;
    }
    return call->scheduler->budget > 0 ? PTK_OK : yield_for_budget(call);
}
