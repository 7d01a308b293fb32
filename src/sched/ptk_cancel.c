/* SPDX-License-Identifier: MIT */
/*
 * Cancellation (layer 3): scopes, level-triggered and permanent.
 *
 * A green thread's scopes form a stack; its implicit scope is the outermost. A scope that is cancelled stays
 * cancelled. A green thread is cancelled if a scope is that is visible from the innermost one outwards, up to
 * and including the first shield: a shield hides the scopes outside it, but has a deadline of its own.
 *
 *     scope:  not cancelled  --request, deadline, stop-->  cancelled (the first cause stays)
 *
 * Invariant: PTK_TASK_CANCELED in the task's word `unusual` is set exactly while a visible scope is
 * cancelled, so that the entry check of every call is one test. It is computed again whenever a scope is
 * cancelled, begun or ended.
 *
 * A deadline that passes is a cancel of its scope and never a TIMEOUT, so that a loop that retries on TIMEOUT
 * ends.
 *
 * Ownership: the implicit scope is in the task; a user's shield is allocated, because its record on the
 * user's stack may be gone when the green thread ends without ending it; the shield of ptk_green_end is on
 * that call's stack.
 */
#include "sched/ptk_cancel_impl.h"

#include "base/ptk_memory.h"
#include "sched/ptk_park.h"
#include "sched/ptk_timer.h"

/* Returns the cause of the first visible scope that is cancelled, NONE if there is none. */
static ptk_cancel_cause_t visible_cause(const ptk_task_t *task) {
    for (const ptk_scope_t *scope = task->scope; scope; scope = scope->outer) {
        if (scope->cause != PTK_CANCEL_NONE || scope->is_shield) {
            return (ptk_cancel_cause_t) scope->cause;
        }
    }
    return PTK_CANCEL_NONE;
}

/* Computes PTK_TASK_CANCELED again. */
static void refresh_canceled(ptk_task_t *task) {
    task->unusual &= ~PTK_TASK_CANCELED;
    if (visible_cause(task) != PTK_CANCEL_NONE) {
        task->unusual |= PTK_TASK_CANCELED;
    }
}

static void scope_deadline_passed(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    (void) scheduler;
    ptk_scope_cancel(ptk_container_of(timer, ptk_scope_t, timer), PTK_CANCEL_DEADLINE);
}

void ptk_scope_init(ptk_scope_t *scope, ptk_task_t *task) {
    *scope = (ptk_scope_t) {.task = task, .cause = PTK_CANCEL_NONE};
    scope->timer.heap.index = PTK_HEAP_NONE;
    scope->timer.expire = scope_deadline_passed;
}

void ptk_scope_cancel(ptk_scope_t *scope, ptk_cancel_cause_t cause) {
    ptk_task_t *task = scope->task;
    ptk_assert(cause != PTK_CANCEL_NONE && task->state != PTK_TASK_FREE);
    if (scope->cause != PTK_CANCEL_NONE) {
        return;
    }
    scope->cause = (uint8_t) cause;
    refresh_canceled(task);
    if ((task->unusual & PTK_TASK_CANCELED) && task->state == PTK_TASK_PARKED) {
        ptk_wake(task->waits ? &task->waits[0] : &task->wait, PTK_ERR_CANCELED);
    }
}

void ptk_cancel_all(ptk_scheduler_t *scheduler, ptk_cancel_cause_t cause) {
    ptk_list_node_t *node = ptk_list_first(&scheduler->living);
    for (; node; node = ptk_list_next(&scheduler->living, node)) {
        ptk_scope_cancel(&ptk_container_of(node, ptk_task_t, living)->implicit_scope, cause);
    }
}

ptk_cancel_cause_t ptk_cancel_cause(void) {
    const ptk_task_t *self = ptk_task_current();
    return self ? visible_cause(self) : PTK_CANCEL_NONE;
}

/* --- shields --- */

/* Makes `scope` the innermost scope of `self`. */
static void push_shield(ptk_scope_t *scope, ptk_task_t *self) {
    ptk_scope_init(scope, self);
    scope->outer = self->scope;
    scope->is_shield = true;
    self->scope = scope;
    refresh_canceled(self);
}

void ptk_scope_enter_shield(ptk_scope_t *scope, ptk_task_t *self) {
    ptk_assert(self->state == PTK_TASK_READY);
    push_shield(scope, self);
}

/* Returns memory for a user's shield, and reserves room for its timer if it has a limit; NULL: out of memory.
 */
static ptk_scope_t *allocate_shield(ptk_scheduler_t *scheduler, bool limited) {
    if (limited && !ptk_heap_reserve(&scheduler->heap)) {
        return NULL;
    }
    ptk_scope_t *scope = ptk_allocate(sizeof *scope);
    if (!scope && limited) {
        ptk_heap_unreserve(&scheduler->heap);
    }
    return scope;
}

void ptk_scope_leave_innermost(ptk_task_t *task) {
    ptk_scope_t *scope = task->scope;
    ptk_assert(scope && scope->task == task);
    ptk_timer_disarm(task->scheduler, &scope->timer);
    if (scope->has_reservation) {
        ptk_heap_unreserve(&task->scheduler->heap);
    }
    task->scope = scope->outer;
    if (scope->is_allocated) {
        ptk_free(scope);
    }
    refresh_canceled(task);
}

void ptk_scopes_end(ptk_task_t *task) {
    while (task->scope) {
        ptk_scope_leave_innermost(task);
    }
}

/* Returns OK if a green thread is running and there is a record. */
static ptk_err check_shield(const ptk_task_t *self, const ptk_shield_t *shield) {
    if (!self) {
        return ptk_not_green();
    }
    return shield ? PTK_OK : PTK_ERR_INVALID_PARAM;
}

ptk_err ptk_shield_begin(ptk_shield_t *shield, uint32_t timeout_ms) {
    ptk_task_t *self = ptk_task_current();
    ptk_err err = check_shield(self, shield);
    if (err != PTK_OK || timeout_ms == 0) {
        return ptk_fail(err != PTK_OK ? err : PTK_ERR_INVALID_PARAM);
    }
    bool limited = timeout_ms != PTK_TIMEOUT_INFINITE;
    ptk_scope_t *scope = allocate_shield(self->scheduler, limited);
    if (!scope) {
        return ptk_fail(PTK_ERR_NO_RESOURCES);
    }
    push_shield(scope, self);
    scope->is_allocated = true;
    scope->has_reservation = limited;
    ptk_deadline_t deadline = ptk_deadline_after_ms(timeout_ms);
    ptk_timer_arm(self->scheduler, &scope->timer, &deadline);
    shield->opaque[0] = (uintptr_t) scope;
    return PTK_OK;
}

ptk_err ptk_shield_end(ptk_shield_t *shield) {
    ptk_task_t *self = ptk_task_current();
    ptk_err err = check_shield(self, shield);
    if (err == PTK_OK && (shield->opaque[0] != (uintptr_t) self->scope || !self->scope->is_shield)) {
        err = PTK_ERR_INVALID_PARAM;
    }
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    ptk_scope_leave_innermost(self);
    return PTK_OK;
}
