/* SPDX-License-Identifier: MIT */
/*
 * Cancel and join in one (layer 3).
 *
 * Clean-up runs mostly in a green thread that is cancelled itself, where a join would return CANCELED at
 * once. So the join runs inside a shield on this call's stack, which needs no memory and has no limit. The
 * shield is left on every way out: a scope that stayed would point into a dead frame.
 */
#include "sched/ptk_cancel_impl.h"

static ptk_err cancel_and_join(ptk_green_t *green, uint32_t timeout_ms) {
    ptk_err err = ptk_green_cancel(green);
    return err == PTK_OK ? ptk_green_join(green, NULL, timeout_ms) : err;
}

/* Outside green threads there is no scope to shield. A join with a non-zero timeout is refused there before
 * the cancel, so that the call does nothing. */
ptk_err ptk_green_end(ptk_green_t *green, uint32_t timeout_ms) {
    ptk_task_t *self = ptk_task_current();
    ptk_scope_t shield;
    if (green && green == ptk_green_self()) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    if (!self) {
        return timeout_ms == 0 ? cancel_and_join(green, 0) : ptk_green_join(green, NULL, timeout_ms);
    }
    ptk_scope_enter_shield(&shield, self);
    ptk_err err = cancel_and_join(green, timeout_ms);
    ptk_assert(self->scope == &shield);
    ptk_scope_leave_innermost(self);
    return err;
}
