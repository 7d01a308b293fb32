/* SPDX-License-Identifier: MIT */
/*
 * Entering a public call that may park (layer 3): owner, green thread, cancel, budget.
 *
 * Each call, and each further operation of a call that goes on without parking, spends one of the loop's
 * budget. When it is used up, the next call with a non-zero timeout yields before it tries, so that a socket
 * that is always ready cannot keep its green thread running.
 */
#include "sched/ptk_call.h"

#include "sched/ptk_park.h"
#include "sched/ptk_timer.h"

ptk_err ptk_yield_for_budget(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    if (scheduler->ticks_when_due) {
        scheduler->reading_at = scheduler->switches + 1;
    }
    ptk_err err = ptk_yield_task(scheduler, self);
    if (scheduler->ticks_when_due) {
        scheduler->budget = PTK_BUDGET;
    }
    return err == PTK_OK && self->cancel_pending ? PTK_ERR_CANCELED : err;
}

ptk_err ptk_call_begin(ptk_call_t *call, ptk_event_loop_platform_t *loop, uint32_t timeout_ms) {
    if (ptk_unlikely(!ptk_loop_is_mine(loop))) {
        return ptk_loop_refusal();
    }
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    call->scheduler = scheduler;
    call->self = ptk_scheduler_current(scheduler);
    call->deadline = timeout_ms == PTK_TIMEOUT_INFINITE ? (ptk_deadline_t) {.kind = PTK_DEADLINE_NEVER}
                                                        : ptk_deadline_after_ms(timeout_ms);
    if (timeout_ms == 0) {
        ptk_call_spend(call);
        return PTK_OK;
    }
    if (ptk_unlikely(!call->self)) {
        return PTK_ERR_NOT_GREEN;
    }
    if (ptk_unlikely(call->self->cancel_pending)) {
        return PTK_ERR_CANCELED;
    }
    if (ptk_likely(scheduler->budget > 0)) {
        scheduler->budget--;
        return PTK_OK;
    }
    return ptk_yield_for_budget(scheduler, call->self);
}

static bool is_over(ptk_deadline_t *deadline) {
    ptk_deadline_fix(deadline);
    return deadline->kind == PTK_DEADLINE_ABSOLUTE && deadline->ns <= ptk_sys()->now_ns();
}

ptk_err ptk_call_continue(ptk_call_t *call) {
    ptk_call_spend(call);
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return PTK_OK;
    }
    if (is_over(&call->deadline)) {
        return PTK_ERR_TIMEOUT;
    }
    return call->scheduler->budget > 0 ? PTK_OK : ptk_yield_for_budget(call->scheduler, call->self);
}
