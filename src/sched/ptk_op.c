/* SPDX-License-Identifier: MIT */
/*
 * Submit, park, submit again (layer 3): the one function behind every socket call and every wait for a
 * descriptor.
 *
 * A walk through one receive: submit tries recv(2), which would block; the operation pends and the green
 * thread parks on its wait record. The tick gets an event, the platform hands the operation back as
 * RETRY, ptk_op_deliver wakes the record, and the green thread submits once more on its own stack: now
 * recv(2) has data.
 *
 * And through one timeout: the timer expires, ptk_wake takes the operation back from the platform, the green
 * thread makes one last try on its own stack. If that finds data the call succeeds, late; else it answers
 * TIMEOUT.
 */
#include "sched/ptk_op.h"

#include "sched/ptk_call.h"
#include "sched/ptk_park.h"

#include <errno.h>

static ptk_event_op_state_t submit(ptk_call_t *call, ptk_event_op_t *op) {
    ptk_event_loop_platform_t *loop = call->scheduler->loop;
    return loop->ops->submit(loop, op);
}

ptk_err ptk_op_try(ptk_call_t *call, ptk_event_op_t *op) {
    op->nowait = true;
    ptk_event_op_state_t state = submit(call, op);
    ptk_assert(state == PTK_OP_DONE);
    op->state = PTK_OP_IDLE;
    return op->result == -EAGAIN ? PTK_ERR_TIMEOUT : PTK_OK;
}

static ptk_err park_on(ptk_call_t *call, ptk_event_op_t *op, const char *kind, const void *object) {
    ptk_wait_t *wait = ptk_wait_plain(call->self, kind, object, true);
    wait->op = op;
    op->waiter = wait;
    ptk_err code = ptk_park(call->self, &call->deadline);
    wait->op = NULL;
    op->waiter = NULL;
    return op->source->attached ? code : PTK_ERR_CLOSED;
}

/* The wait is over without a result; data that is there by now wins all the same. */
static ptk_err try_last(ptk_call_t *call, ptk_event_op_t *op, ptk_err code) {
    if (code != PTK_ERR_TIMEOUT && code != PTK_ERR_CANCELED) {
        return code;
    }
    return ptk_op_try(call, op) == PTK_OK ? PTK_OK : code;
}

ptk_err ptk_op_wait(ptk_call_t *call, ptk_event_op_t *op, const char *kind, const void *object) {
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return ptk_op_try(call, op);
    }
    op->nowait = false;
    while (submit(call, op) != PTK_OP_DONE) {
        ptk_err code = park_on(call, op, kind, object);
        if (code == PTK_OK) {
            break;
        }
        if (code != PTK_WAKE_RETRY) {
            return try_last(call, op, code);
        }
    }
    op->state = PTK_OP_IDLE;
    return PTK_OK;
}

void ptk_op_deliver(ptk_event_op_t *op) {
    ptk_wake(op->waiter, op->state == PTK_OP_RETRY ? PTK_WAKE_RETRY : PTK_OK);
}

void ptk_op_end(ptk_event_op_t *op, ptk_err code) {
    ptk_wait_t *wait = op->waiter;
    if (op->state != PTK_OP_IDLE) {
        ptk_wake(wait, code);
    } else if (wait && wait->task->wake_code == PTK_WAKE_RETRY) {
        wait->task->wake_code = code; /* woken to try again, and not yet there */
        wait->task->woken_by = wait;
    }
}
