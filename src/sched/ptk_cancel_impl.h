/* SPDX-License-Identifier: MIT */
/* Cancellation scopes (layer 3, internal): the model stands at the top of ptk_cancel.c. */
#pragma once

#include "sched/ptk_sched.h"

void ptk_scope_init(ptk_scope_t *scope, ptk_task_t *task);

/* Cancel a scope for ever: its green thread's waits end now, unless a shield further in hides it. */
void ptk_scope_cancel(ptk_scope_t *scope, ptk_cancel_cause_t cause);

/* A green thread ends: leave all its scopes, also shields that were left open. */
void ptk_scopes_end(ptk_task_t *task);

/* Hides every cancel from the running green thread until ptk_scope_unmask(): a shield in the caller's memory,
 * without a limit and without an allocation. Nothing that may end the green thread lies in between. */
void ptk_scope_mask(ptk_scope_t *mask, ptk_task_t *self);
void ptk_scope_unmask(const ptk_scope_t *mask);

/* Cancel every living green thread of the loop. */
void ptk_cancel_all(ptk_scheduler_t *scheduler, ptk_cancel_cause_t cause);
