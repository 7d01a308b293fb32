/* SPDX-License-Identifier: MIT */
/* Cancellation scopes (layer 3, internal): the model stands at the top of ptk_cancel.c. */
#pragma once

#include "sched/ptk_sched.h"

/* Initialises a scope of `task` that is not cancelled, has no deadline and no outer scope. */
void ptk_scope_init(ptk_scope_t *scope, ptk_task_t *task);

/* Cancels a scope for ever, unless it is cancelled already. If its green thread is parked, and no shield
 * further in hides the cancel, the wait ends with CANCELED. */
void ptk_scope_cancel(ptk_scope_t *scope, ptk_cancel_cause_t cause);

/* Begins a shield without a limit in the caller's memory, which must stay in place until
 * ptk_scope_leave_innermost ends it. It cannot fail. */
void ptk_scope_enter_shield(ptk_scope_t *scope, ptk_task_t *self);

/* Ends the innermost scope of a green thread, and frees what belongs to it. */
void ptk_scope_leave_innermost(ptk_task_t *task);

/* Ends all scopes of a green thread that ends, also shields that were left open. */
void ptk_scopes_end(ptk_task_t *task);

/* Cancels every living green thread of the loop. */
void ptk_cancel_all(ptk_scheduler_t *scheduler, ptk_cancel_cause_t cause);
