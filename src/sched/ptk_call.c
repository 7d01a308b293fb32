/* SPDX-License-Identifier: MIT */
/*
 * Entering a public call that may park (layer 3): the unusual cases, and the budget.
 *
 * Each call, and each further operation of a call that goes on without parking, spends one of the loop's
 * budget (ptk_budget.c); a call with a non-zero timeout yields before it tries when that is used up.
 */
#include "sched/ptk_call.h"

#include "sched/ptk_park.h"
#include "sched/ptk_timer.h"

/* Spends one operation; where that needs a yield it may be cancelled meanwhile. */
static ptk_err spend_or_yield(ptk_call_t *call) {
    if (ptk_budget_spend(call->scheduler)) {
        return PTK_OK;
    }
    ptk_yield_for_budget(call->self);
    return call->self->unusual & PTK_TASK_CANCELED ? PTK_ERR_CANCELED : PTK_OK;
}

ptk_err ptk_call_enter_unusual(ptk_call_t *call, uint32_t timeout_ms) {
    ptk_scheduler_t *scheduler = call->scheduler;
    call->self = ptk_scheduler_current(scheduler);
    call->deadline = ptk_deadline_after_ms(timeout_ms);
    if (timeout_ms == 0) {
        (void) ptk_budget_spend(scheduler);
        return PTK_OK;
    }
    if (!call->self) {
        return PTK_ERR_NOT_GREEN;
    }
    ptk_assert(call->self->state == PTK_TASK_READY);
    if (call->self->unusual & PTK_TASK_CANCELED) {
        return ptk_refuse(call->self);
    }
    return spend_or_yield(call);
}

/* Fixes a relative deadline at its first use: a call that never parks has no clock reading of the loop's. */
static bool deadline_is_over(ptk_deadline_t *deadline) {
    ptk_deadline_fix(deadline);
    return deadline->kind == PTK_DEADLINE_ABSOLUTE && deadline->ns <= ptk_sys()->now_ns();
}

ptk_err ptk_call_continue(ptk_call_t *call) {
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        (void) ptk_budget_spend(call->scheduler);
        return PTK_OK;
    }
    return deadline_is_over(&call->deadline) ? PTK_ERR_TIMEOUT : spend_or_yield(call);
}
