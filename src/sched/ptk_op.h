/* SPDX-License-Identifier: MIT */
/* Submitting an operation and waiting for it (layer 3, internal). */
#pragma once

#include "sched/ptk_call.h"

/*
 * Submit `op`, park until it is done, submit again after a RETRY. OK: it is done and op->result says how
 * (never -EAGAIN). Otherwise it did not happen: TIMEOUT, CANCELED, or the code of whoever ended the wait
 * (CLOSED, ABORTED). After TIMEOUT and CANCELED one last try was made, so a result that was ready wins.
 * CLOSED also if its source was detached meanwhile: the memory of `op` must outlast the call.
 */
ptk_err ptk_op_wait(ptk_call_t *call, ptk_event_op_t *op, const char *kind, const void *object);

/* Submit `op` without waiting: OK, or TIMEOUT if it would block. */
ptk_err ptk_op_try(ptk_call_t *call, ptk_event_op_t *op);

/* Deliver what the platform handed back: wake who waits for it. */
void ptk_op_deliver(ptk_event_op_t *op);

/* End the wait for `op`, if there is one, with `code`. */
void ptk_op_end(ptk_event_op_t *op, ptk_err code);
