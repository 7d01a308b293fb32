/* SPDX-License-Identifier: MIT */
/*
 * Entering a public call that may park (layer 3, internal).
 *
 * The ordinary case is decided by one test: the running green thread and the object have nothing unusual, and
 * the budget is not used up. All the rest (outside a green thread, cancelled, timeout 0, no budget) is one
 * function out of line.
 */
#pragma once

#include "sched/ptk_sched.h"

/* A call between enter and leave, on its stack. */
typedef struct ptk_call {
    ptk_scheduler_t *scheduler;
    ptk_task_t *self;        /* the caller; NULL outside green threads, where only timeout 0 enters */
    ptk_deadline_t deadline; /* NOW: timeout 0 */
    int os_err;              /* positive errno value, if the call fails because of one; else 0 */
} ptk_call_t;

/* Operations that may end without parking between two ticks, before calls yield first. */
#define PTK_BUDGET 128

/* Decides the cases that ptk_call_enter_usual leaves. Returns OK, NOT_GREEN or CANCELED. With a non-zero
 * timeout it may have yielded, so the caller looks its object up again: it may have been closed. */
ptk_err ptk_call_enter_unusual(ptk_call_t *call, uint32_t timeout_ms);

/* Returns true if the call is entered. `unusual` is the object's word, 0 if it has none. False: nothing is
 * decided and no budget spent; ptk_call_enter_unusual decides. */
static inline bool ptk_call_enter_usual(ptk_call_t *call, ptk_scheduler_t *scheduler, uint32_t unusual,
                                        uint32_t timeout_ms) {
    ptk_task_t *self = scheduler->current;
    call->scheduler = scheduler;
    call->self = self;
    call->os_err = 0;
    if (ptk_unlikely(!self || (self->unusual | unusual) != 0 || scheduler->budget == 0 || timeout_ms == 0)) {
        return false;
    }
    scheduler->budget--;
    call->deadline.kind = timeout_ms == UINT32_MAX ? PTK_DEADLINE_NEVER : PTK_DEADLINE_RELATIVE;
    call->deadline.ns = timeout_ms * UINT64_C(1000000);
    return true;
}

/* Enters a call of the calling thread's loop, whose scheduler it has. Results as ptk_call_enter_unusual. */
static inline ptk_err ptk_call_enter(ptk_call_t *call, ptk_scheduler_t *scheduler, uint32_t timeout_ms) {
    return ptk_call_enter_usual(call, scheduler, 0, timeout_ms) ? PTK_OK
                                                                : ptk_call_enter_unusual(call, timeout_ms);
}

/*
 * Continues a call after an operation that did not park: spends budget, checks the call's deadline, and
 * yields when the budget is used up. Returns OK, TIMEOUT or CANCELED. The object may have been closed
 * meanwhile.
 */
ptk_err ptk_call_continue(ptk_call_t *call);

/* Returns the code of a failed operation's result, which is -errno, and keeps the number for ptk_call_fail.
 */
static inline ptk_err ptk_call_errno(ptk_call_t *call, intptr_t result) {
    call->os_err = (int) -result;
    return ptk_err_from_os(call->os_err);
}

/* Records the reason of a failed call, with its errno value, and returns it. */
static inline ptk_err ptk_call_fail(const ptk_call_t *call, ptk_err err) {
    ptk_assert(err != PTK_OK && err != PTK_WAKE_RETRY);
    return ptk_fail_os(err, call->os_err);
}
