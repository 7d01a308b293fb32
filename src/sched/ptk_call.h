/* SPDX-License-Identifier: MIT */
/* Entering a public call that may park (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

typedef struct ptk_call {
    ptk_scheduler_t *scheduler;
    ptk_task_t *self; /* NULL only with timeout 0 */
    ptk_deadline_t deadline;
    int os_err; /* the system's reason, if the call fails for one */
} ptk_call_t;

/* Calls, and further operations of one call, in one tick before calls yield first. */
#define PTK_BUDGET 128

/* May this call go ahead? `loop` is the object's. OK, or WRONG_THREAD, FORKED, NOT_GREEN, CANCELED; yields
   first if the budget is used up, so look at the object afterwards. */
ptk_err ptk_call_begin(ptk_call_t *call, ptk_event_loop_platform_t *loop, uint32_t timeout_ms);

/* The budget is used up: the clock is read, so that the turn is taken if it is due, and everybody who is
   runnable goes first. OK or CANCELED. */
ptk_err ptk_yield_for_budget(ptk_scheduler_t *scheduler, ptk_task_t *self);

/* An operation's result is -errno: remember it, and answer what it means. */
static inline ptk_err ptk_call_errno(ptk_call_t *call, intptr_t result) {
    call->os_err = (int) -result;
    return ptk_err_from_os(call->os_err);
}

/* The call fails: leave the reason where ptk_get_err() finds it. */
static inline ptk_err ptk_call_fail(const ptk_call_t *call, ptk_err err) {
    return ptk_fail_os(err, call->os_err);
}

/* One call, or one operation of a call that goes on. */
static inline void ptk_call_spend(const ptk_call_t *call) {
    if (call->scheduler->budget > 0) {
        call->scheduler->budget--;
    }
}

/*
 * Between two operations of one call, the first of which did not park: while data flows, the call's deadline
 * holds and others get their turn. OK, TIMEOUT or CANCELED. The object may have been closed meanwhile.
 */
ptk_err ptk_call_continue(ptk_call_t *call);
