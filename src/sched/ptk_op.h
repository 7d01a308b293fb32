/* SPDX-License-Identifier: MIT */
/*
 * Submitting an operation and waiting for its end (layer 3, internal): what stands behind every transfer of a
 * socket. The walk through one receive and one timeout stands at the top of ptk_op.c.
 */
#pragma once

#include "sched/ptk_call.h"
#include "sched/ptk_park.h"

/* Submits `op` without waiting. Returns OK with op->result set, TIMEOUT if it would block. */
ptk_err ptk_op_try(ptk_call_t *call, ptk_event_op_t *op);

/* Ends a wait without a result. After TIMEOUT and CANCELED it tries once more, so that a result that is ready
 * beats both. Returns OK or `code`. */
ptk_err ptk_op_try_last(ptk_call_t *call, ptk_event_op_t *op, ptk_err code);

/* Wakes the waiter of an operation that the platform handed back. */
void ptk_op_deliver(ptk_event_op_t *op);

/* Ends the wait for `op`, if there is one, with `code`: also that of a waiter that was woken to submit again
 * and has not run yet. `op` is IDLE then. */
void ptk_op_end(ptk_event_op_t *op, ptk_err code);

/* Parks on a pending operation. Returns RETRY, OK (it is done), or why the wait ended. Its waiter is
 * cleared on every way out, because the task's next wait reuses the record. */
static inline ptk_err ptk_op_park(ptk_call_t *call, ptk_event_op_t *op, const char *kind,
                                  const void *object) {
    ptk_wait_t *wait = ptk_wait_plain(call->self, kind, object, true);
    ptk_assert(op->state == PTK_OP_PENDING && !op->waiter);
    wait->op = op;
    op->waiter = wait;
    ptk_err code = ptk_park(call->self, &call->deadline);
    wait->op = NULL;
    op->waiter = NULL;
    return op->source->attached ? code : PTK_ERR_CLOSED;
}

/*
 * Submits `op`, parks until it is done, and submits it again after a RETRY. Returns OK with op->result set
 * (never -EAGAIN). Otherwise the operation had no effect: TIMEOUT, CANCELED, or the code that ended the wait
 * (CLOSED, ABORTED). It is CLOSED also if the source was detached meanwhile, so the memory of `op` must
 * outlast the call.
 */
static inline ptk_err ptk_op_wait(ptk_call_t *call, ptk_event_op_t *op, const char *kind,
                                  const void *object) {
    ptk_event_loop_platform_t *loop = call->scheduler->loop;
    if (ptk_unlikely(call->deadline.kind == PTK_DEADLINE_NOW)) {
        return ptk_op_try(call, op);
    }
    op->nowait = false;
    while (loop->ops->submit(loop, op) != PTK_OP_DONE) {
        ptk_err code = ptk_op_park(call, op, kind, object);
        if (code == PTK_OK) {
            break;
        }
        if (ptk_unlikely(code != PTK_WAKE_RETRY)) {
            return ptk_op_try_last(call, op, code);
        }
    }
    ptk_assert(op->state == PTK_OP_DONE);
    op->state = PTK_OP_IDLE;
    return PTK_OK;
}
