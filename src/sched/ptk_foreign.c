/* SPDX-License-Identifier: MIT */
/*
 * Foreign coroutines (layer 3): another library owns the stacks, ptk does the waiting.
 *
 * Each coroutine that calls ptk has a task, which the pointer that the library keeps for it refers to: made
 * by its first call, or by spawn. From there on everything is as for green threads of ptk's own, with two
 * exceptions: a coroutine is left by the library's `suspend`, and the main context continues it with
 * `resume`.
 *
 * A coroutine that ptk did not spawn has no task before its first call and after ptk_foreign_forget. In
 * between it counts as living.
 *
 *     SUSPENDED is set: inside `suspend`, or spawned and not started; only `resume` may run it
 *     SUSPENDED is clear: it runs, or the library has switched away from it outside ptk
 */
#include "sched/ptk_green_local.h"
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
    *slot = task;
    return task;
}

/* The scheduler's `find_current` with hooks. */
static ptk_task_t *find_foreign_current(ptk_scheduler_t *scheduler) {
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    void *coroutine = hooks->current(hooks->context);
    if (!coroutine) {
        return NULL;
    }
    void **slot = hooks->slot(hooks->context, coroutine);
    return *slot ? *slot : adopt_coroutine(scheduler, coroutine, slot);
}

/* The `locate` of a loop with hooks. A coroutine without a task uses the thread's slot: adopting it here
 * could fail, inside a failure. */
static ptk_error_slot_t *foreign_error_slot(void) {
    ptk_thread_block_t *block = ptk_thread();
    ptk_scheduler_t *scheduler = block->scheduler;
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    void *coroutine = hooks->current(hooks->context);
    ptk_task_t *task = coroutine ? *hooks->slot(hooks->context, coroutine) : NULL;
    return task ? &task->errors : &block->own_errors;
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
    scheduler->block->locate = foreign_error_slot;
    return PTK_OK;
}

ptk_err ptk_foreign_forget(void *coroutine) {
    ptk_scheduler_t *scheduler = ptk_thread()->scheduler;
    if (!scheduler || !scheduler->find_current || !coroutine) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    void **slot = scheduler->hooks.slot(scheduler->hooks.context, coroutine);
    ptk_task_t *task = *slot;
    if (!task) {
        return PTK_OK;
    }
    if (task->flags & (PTK_TASK_SUSPENDED | PTK_TASK_HOOKED)) {
        return ptk_fail(PTK_ERR_BUSY);
    }
    *slot = NULL;
    ptk_locals_end(task);
    ptk_task_end(task, PTK_OK);
    return PTK_OK;
}
