/* SPDX-License-Identifier: MIT */
/*
 * Submit, park, submit again (layer 3): the one path behind every transfer of a socket.
 *
 * One receive: submit tries recv(2), which would block; the operation pends and the green thread parks on its
 * wait record. A tick gets an event, the platform hands the operation back as RETRY, ptk_op_deliver wakes the
 * record, and the green thread submits once more on its own stack: now recv(2) has data.
 *
 * One timeout: the timer expires, ptk_wake takes the operation back from the platform, and the green thread
 * tries once more on its own stack. If that finds data the call succeeds, late; otherwise it returns TIMEOUT.
 */
#include "sched/ptk_op.h"

#include <errno.h>

ptk_err ptk_op_try(ptk_call_t *call, ptk_event_op_t *op) {
    ptk_event_loop_platform_t *loop = call->scheduler->loop;
    ptk_assert(op->state == PTK_OP_IDLE || op->state == PTK_OP_RETRY);
    op->nowait = true;
    ptk_event_op_state_t state = loop->ops->submit(loop, op);
    ptk_assert(state == PTK_OP_DONE && !op->waiter);
    op->state = PTK_OP_IDLE;
    return op->result == -EAGAIN ? PTK_ERR_TIMEOUT : PTK_OK;
}

ptk_err ptk_op_try_last(ptk_call_t *call, ptk_event_op_t *op, ptk_err code) {
    if (code != PTK_ERR_TIMEOUT && code != PTK_ERR_CANCELED) {
        return code;
    }
    return ptk_op_try(call, op) == PTK_OK ? PTK_OK : code;
}

void ptk_op_deliver(ptk_event_op_t *op) {
    ptk_assert(op->waiter && (op->state == PTK_OP_RETRY || op->state == PTK_OP_DONE));
    ptk_wake(op->waiter, op->state == PTK_OP_RETRY ? PTK_WAKE_RETRY : PTK_OK);
}

/* An IDLE operation that has a waiter was taken back by a wake, and its green thread has not run since. If
 * that wake has a result, the result stays; a RETRY is replaced, or the green thread would submit and park
 * again. */
void ptk_op_end(ptk_event_op_t *op, ptk_err code) {
    ptk_wait_t *wait = op->waiter;
    if (op->state != PTK_OP_IDLE) {
        ptk_assert(wait != NULL);
        ptk_wake(wait, code);
    } else if (wait && wait->task->wake_code == PTK_WAKE_RETRY) {
        wait->task->wake_code = code;
        wait->task->woken_by = wait;
    }
}
