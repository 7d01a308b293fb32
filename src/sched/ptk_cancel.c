/* SPDX-License-Identifier: MIT */
/*
 * Cancellation (layer 3): scopes, level-triggered and permanent.
 *
 * A green thread's scopes form a stack; its implicit scope is the outermost. A scope that is cancelled stays
 * so. What counts is what can be seen from the innermost scope outwards, up to and including the first
 * shield: a shield hides what lies beyond it, but has a deadline of its own. The answer is kept in
 * `cancel_pending`, so that the entry check of every call is one load; it is worked out anew whenever a scope
 * is cancelled, begun or ended.
 *
 * A deadline that passes is a cancel of its scope and never a TIMEOUT, so that a loop that retries on TIMEOUT
 * ends.
 */
#include "sched/ptk_cancel_impl.h"
#include "sched/ptk_park.h"
#include "sched/ptk_timer.h"

#include "base/ptk_memory.h"

static ptk_cancel_cause_t visible_cause(const ptk_task_t *task) {
    for (const ptk_scope_t *scope = task->scope; scope; scope = scope->outer) {
        if (scope->cause != PTK_CANCEL_NONE || scope->is_shield) {
            return (ptk_cancel_cause_t) scope->cause;
        }
    }
    return PTK_CANCEL_NONE;
}

static void refresh(ptk_task_t *task) {
    task->cancel_pending = visible_cause(task) != PTK_CANCEL_NONE;
}

static ptk_scope_t *scope_of(ptk_timer_t *timer) {
    return ptk_container_of(timer, ptk_scope_t, timer);
}

static void deadline_passed(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    (void) scheduler;
    ptk_scope_cancel(scope_of(timer), PTK_CANCEL_DEADLINE);
}

void ptk_scope_init(ptk_scope_t *scope, ptk_task_t *task) {
    *scope = (ptk_scope_t) {.task = task, .cause = PTK_CANCEL_NONE};
    scope->timer.heap.index = PTK_HEAP_NONE;
    scope->timer.expire = deadline_passed;
}

void ptk_scope_cancel(ptk_scope_t *scope, ptk_cancel_cause_t cause) {
    ptk_task_t *task = scope->task;
    if (scope->cause != PTK_CANCEL_NONE) {
        return;
    }
    scope->cause = (uint8_t) cause;
    refresh(task);
    if (task->cancel_pending && task->state == PTK_TASK_PARKED) {
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

/* A shield's scope is ptk's memory, so that one that was left open is found when its green thread ends. */
static ptk_scope_t *make_shield(ptk_task_t *self, bool limited) {
    if (limited && !ptk_heap_reserve(&self->scheduler->heap)) {
        return NULL;
    }
    ptk_scope_t *scope = ptk_allocate(sizeof *scope);
    if (!scope) {
        if (limited) {
            ptk_heap_unreserve(&self->scheduler->heap);
        }
        return NULL;
    }
    ptk_scope_init(scope, self);
    scope->outer = self->scope;
    scope->is_shield = true;
    scope->has_reservation = limited;
    return scope;
}

static void leave_innermost(ptk_task_t *task) {
    ptk_scope_t *scope = task->scope;
    ptk_timer_disarm(task->scheduler, &scope->timer);
    if (scope->has_reservation) {
        ptk_heap_unreserve(&task->scheduler->heap);
    }
    task->scope = scope->outer;
    if (scope->is_shield) {
        ptk_free(scope);
    }
}

void ptk_scopes_end(ptk_task_t *task) {
    while (task->scope) {
        leave_innermost(task);
    }
}

static ptk_err check_shield(const ptk_task_t *self, const ptk_shield_t *shield) {
    if (!self) {
        return ptk_thread()->forked ? PTK_ERR_FORKED : PTK_ERR_NOT_GREEN;
    }
    return shield ? PTK_OK : PTK_ERR_INVALID_PARAM;
}

ptk_err ptk_shield_begin(ptk_shield_t *shield, uint32_t timeout_ms) {
    ptk_task_t *self = ptk_task_current();
    ptk_err err = check_shield(self, shield);
    if (err != PTK_OK || timeout_ms == 0) {
        return ptk_fail(err != PTK_OK ? err : PTK_ERR_INVALID_PARAM);
    }
    ptk_scope_t *scope = make_shield(self, timeout_ms != PTK_TIMEOUT_INFINITE);
    if (!scope) {
        return ptk_fail(PTK_ERR_NO_RESOURCES);
    }
    ptk_deadline_t deadline = ptk_deadline_after_ms(timeout_ms);
    ptk_timer_arm(self->scheduler, &scope->timer, &deadline);
    shield->opaque[0] = (uintptr_t) scope;
    self->scope = scope;
    refresh(self);
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
    leave_innermost(self);
    refresh(self);
    return PTK_OK;
}

/* --- masks --- */

void ptk_scope_mask(ptk_scope_t *mask, ptk_task_t *self) {
    ptk_scope_init(mask, self);
    mask->outer = self->scope;
    mask->is_shield = true;
    self->scope = mask;
    refresh(self);
}

void ptk_scope_unmask(const ptk_scope_t *mask) {
    ptk_task_t *self = mask->task;
    ptk_assert(self->scope == mask && mask->cause == PTK_CANCEL_NONE);
    self->scope = mask->outer;
    refresh(self);
}
