/* SPDX-License-Identifier: MIT */
/*
 * Foreign coroutines (layer 3): another library owns the stacks and the order of running, ptk does the
 * waiting.
 *
 * Each coroutine that calls ptk has a task, made by its first call or by spawn. The pointer that the library
 * keeps for ptk is the token of the task's handle: where a coroutine outlives its task, or the loop, the
 * token is refused and the next call makes another task. From there on everything is as for green threads of
 * ptk's own, with two exceptions: a coroutine is left by the library's `suspend`, and the main context calls
 * `resume` for it, which may run it at once or only make it runnable.
 *
 * A coroutine that ptk did not spawn has no task before its first call and after ptk_foreign_forget. In
 * between it counts as living. Destroy ends the tasks of those that are outside ptk.
 *
 *     SUSPENDED is set: inside `suspend`, or spawned and not started
 *     RESUMED is set: the library is to continue it, and has not yet
 *     SUSPENDED is clear: it runs, or the library has switched away from it outside ptk
 *
 * `suspend` returns after `resume`, with the task READY and in no queue. If it returns before, the library
 * has cancelled the coroutine, and no suspension of it will last any more: its implicit scope is cancelled,
 * the wait leaves every queue, and the task leaves the run queue if an event had put it there.
 *
 * A library that starts coroutines by itself may enter a spawned one at once, or after ptk has called
 * `resume` for it. In the first case the coroutine suspends itself before its life begins. In the second the
 * adapter may have kept the wake, since the coroutine was not suspended: RESUMED then stays set, and the
 * first suspension may return once too early.
 */
#include "sched/ptk_foreign_impl.h"

#include "sched/ptk_cancel_impl.h"
#include "sched/ptk_green_local.h"
#include "sched/ptk_park.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_task.h"

#include "base/ptk_log_impl.h"
#include "base/ptk_options.h"

/* Returns a task for a coroutine's first call, NULL: out of memory. It is READY and in no queue: it runs. */
static ptk_task_t *adopt_coroutine(ptk_scheduler_t *scheduler, void *coroutine, void **slot) {
    ptk_task_t *task = ptk_task_take(scheduler, false);
    if (!task) {
        ptk_log(PTK_LOG_ERROR, "out of memory for a foreign coroutine's first call");
        return NULL;
    }
    task->unusual |= PTK_TASK_FOREIGN;
    task->stack_low = coroutine;
    task->label = (ptk_stack_label_t) {"(foreign coroutine)", "(unknown)", 0};
    task->handle->detached = true;
    task->u.run.waits_count = 0;
    task->u.run.ready = 0;
    task->last_count = 0;
    *slot = ptk_token_of(&task->handle->head);
    return task;
}

/* Returns the task that a slot refers to, NULL if there is none. */
static ptk_task_t *task_in_slot(const ptk_scheduler_t *scheduler, void *const *slot) {
    const ptk_green_t *handle = ptk_token_find(&scheduler->handles, *slot, PTK_TOKEN_STRIDE(ptk_green_t));
    return handle ? handle->task : NULL;
}

/* The scheduler's `find_current` with hooks. */
static ptk_task_t *find_foreign_current(ptk_scheduler_t *scheduler) {
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    void *coroutine = hooks->current(hooks->context);
    if (!coroutine) {
        return NULL;
    }
    void **slot = hooks->slot(hooks->context, coroutine);
    ptk_task_t *task = task_in_slot(scheduler, slot);
    return task ? task : adopt_coroutine(scheduler, coroutine, slot);
}

/* The scheduler's `in_spawned`. A coroutine that has made no call of ptk gets no task by this. */
static bool in_spawned(ptk_scheduler_t *scheduler) {
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    void *coroutine = hooks->current(hooks->context);
    const ptk_task_t *task =
        coroutine ? task_in_slot(scheduler, hooks->slot(hooks->context, coroutine)) : NULL;
    return task && (task->flags & PTK_TASK_HOOKED);
}

/* The `locate` of a loop with hooks. A coroutine without a task uses the thread's slot: adopting it here
 * could fail, inside a failure. */
static ptk_error_slot_t *foreign_error_slot(void) {
    ptk_thread_block_t *block = ptk_thread();
    ptk_scheduler_t *scheduler = block->scheduler;
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    void *coroutine = hooks->current(hooks->context);
    ptk_task_t *task = coroutine ? task_in_slot(scheduler, hooks->slot(hooks->context, coroutine)) : NULL;
    return task ? &task->errors : &block->own_errors;
}

/* --- suspension --- */

/* Ends a suspension that the library has ended by itself. A shield cannot hide that from the wait. */
static void cancel_by_library(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    ptk_scope_cancel(&self->implicit_scope, PTK_CANCEL_REQUEST);
    if (self->state == PTK_TASK_PARKED) {
        ptk_wake(self->waits ? &self->waits[0] : &self->wait, PTK_ERR_CANCELED);
    }
    (void) ptk_queue_remove(&scheduler->run_queue, &self->run_link);
}

/* Takes note that a coroutine runs that `resume` was called for. */
static void end_resumption(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    ptk_assert((self->flags & PTK_TASK_RESUMED) && scheduler->resumed_count > 0);
    self->flags &= (uint8_t) ~PTK_TASK_RESUMED;
    scheduler->resumed_count--;
}

/* The scheduler's `leave_coroutine`. One that yields while no call is inside run or poll makes work for the
 * next. */
static void leave_coroutine(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    int saved_errno = *scheduler->errno_place;
    ptk_assert(!(self->flags & PTK_TASK_SUSPENDED));
    if (scheduler->kicks && self->state == PTK_TASK_READY) {
        ptk_inbox_kick(scheduler->inbox);
    }
    bool may_be_stale = self->flags & PTK_TASK_RESUMED;
    if (may_be_stale) {
        end_resumption(scheduler, self);
    }
    self->flags |= PTK_TASK_SUSPENDED;
    hooks->suspend(hooks->context);
    if (may_be_stale && !(self->flags & PTK_TASK_RESUMED)) {
        hooks->suspend(hooks->context);
    }
    self->flags &= (uint8_t) ~PTK_TASK_SUSPENDED;
    if (self->flags & PTK_TASK_RESUMED) {
        end_resumption(scheduler, self);
    } else {
        cancel_by_library(scheduler, self);
    }
    *scheduler->errno_place = saved_errno;
}

/* --- spawned coroutines --- */

/* Ties a coroutine that the spawn hook has made to its task. */
static void bind_coroutine(ptk_task_t *task, void *coroutine) {
    const ptk_scheduler_hooks_t *hooks = &task->scheduler->hooks;
    *hooks->slot(hooks->context, coroutine) = ptk_token_of(&task->handle->head);
    task->stack_low = coroutine;
}

ptk_err ptk_foreign_spawn(ptk_task_t *task, void (*entry)(void *task)) {
    ptk_scheduler_t *scheduler = task->scheduler;
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    void *const token = ptk_token_of(&task->handle->head);
    task->unusual |= PTK_TASK_FOREIGN;
    task->flags |= PTK_TASK_HOOKED | PTK_TASK_SUSPENDED;
    void *coroutine = hooks->spawn(hooks->context, entry, task);
    if (!coroutine) {
        return PTK_ERR_NO_RESOURCES;
    }
    ptk_task_t *living = task_in_slot(scheduler, &token);
    if (living && !(living->flags & PTK_TASK_STARTED)) {
        bind_coroutine(living, coroutine);
        ptk_make_ready(living);
    }
    return PTK_OK;
}

void **ptk_foreign_begin(ptk_task_t *self) {
    ptk_scheduler_t *scheduler = self->scheduler;
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    void *coroutine = hooks->current(hooks->context);
    bind_coroutine(self, coroutine);
    self->flags &= (uint8_t) ~PTK_TASK_SUSPENDED;
    if (scheduler->resumed == self) {
        end_resumption(scheduler, self);
    } else if (!(self->flags & PTK_TASK_RESUMED)) {
        leave_coroutine(scheduler, self);
    }
    self->flags |= PTK_TASK_STARTED;
    return hooks->slot(hooks->context, coroutine);
}

/* --- hooks --- */

/* Ends the task of a coroutine that is outside ptk. */
static void end_coroutine(ptk_task_t *task) {
    if (task->flags & PTK_TASK_RESUMED) {
        end_resumption(task->scheduler, task);
    }
    ptk_locals_end(task);
    ptk_task_end(task, PTK_OK);
}

/* Returns whether a coroutine is inside a call of ptk, or its body is ptk's. */
static bool is_inside(const ptk_task_t *task) {
    return task->flags & (PTK_TASK_SUSPENDED | PTK_TASK_HOOKED);
}

/* The scheduler's `end_coroutines`. The coroutines may be gone, so their slots are left as they are. */
static bool end_coroutines(ptk_scheduler_t *scheduler) {
    ptk_list_node_t *node = ptk_list_first(&scheduler->living);
    for (; node; node = ptk_list_next(&scheduler->living, node)) {
        if (is_inside(ptk_container_of(node, ptk_task_t, living))) {
            return false;
        }
    }
    while ((node = ptk_list_first(&scheduler->living)) != NULL) {
        end_coroutine(ptk_container_of(node, ptk_task_t, living));
    }
    return true;
}

/* Callers use the macro of the same name, which fills in struct_size. */
#undef ptk_scheduler_set_hooks
ptk_err ptk_scheduler_set_hooks(ptk_event_loop_platform_t *loop, const ptk_scheduler_hooks_t *hooks) {
    ptk_scheduler_hooks_t copy;
    if (!hooks || ptk_options_copy(&copy, sizeof copy, hooks) != PTK_OK) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    if (!copy.current || !copy.suspend || !copy.resume || !copy.slot) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = ptk_scheduler_attach(loop, &scheduler);
    if (err != PTK_OK) {
        return err;
    }
    if (scheduler->spawned > 0 || scheduler->find_current) {
        return ptk_fail(PTK_ERR_BUSY);
    }
    scheduler->hooks = copy;
    scheduler->find_current = find_foreign_current;
    scheduler->in_spawned = in_spawned;
    scheduler->leave_coroutine = leave_coroutine;
    scheduler->end_coroutines = end_coroutines;
    scheduler->block->locate = foreign_error_slot;
    return PTK_OK;
}

ptk_err ptk_foreign_forget(void *coroutine) {
    ptk_scheduler_t *scheduler = ptk_thread()->scheduler;
    if (!scheduler || !scheduler->find_current || !coroutine) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    void **slot = scheduler->hooks.slot(scheduler->hooks.context, coroutine);
    ptk_task_t *task = task_in_slot(scheduler, slot);
    if (task && is_inside(task)) {
        return ptk_fail(PTK_ERR_BUSY);
    }
    *slot = NULL;
    if (task) {
        end_coroutine(task);
    }
    return PTK_OK;
}
