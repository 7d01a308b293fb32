/* SPDX-License-Identifier: MIT */
/*
 * Foreign coroutines (layer 3): another library owns the stacks, ptk the waiting.
 *
 * Each coroutine that calls ptk has a control block, hung into the pointer that the library keeps for it:
 * made by the first call that asks who is running, or by spawn. From there on everything is as for green
 * threads of ptk's own, but for two lines: leaving is the library's `suspend`, and the root continues a
 * coroutine with `resume`.
 *
 * A coroutine that ptk did not spawn is unknown until its first call, and again once it is forgotten. It
 * counts as living in between.
 */
#include "sched/ptk_green_local.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_task.h"

#include "base/ptk_log_impl.h"
#include "base/ptk_options.h"

static ptk_task_t *adopt(ptk_scheduler_t *scheduler, void *coroutine, void **slot) {
    ptk_task_t *task = ptk_task_take(scheduler, false);
    if (!task) {
        ptk_log(PTK_LOG_ERROR, "out of memory for a foreign coroutine's first call");
        return NULL;
    }
    task->flags |= PTK_TASK_FOREIGN;
    task->stack_low = coroutine;
    task->label = (ptk_stack_label_t) {"(foreign coroutine)", "(unknown)", 0};
    task->handle->detached = true;
    task->u.run.waits_count = 0;
    task->u.run.ready = 0;
    task->last_count = 0;
    *slot = task;
    return task;
}

static ptk_task_t *find_current(ptk_scheduler_t *scheduler) {
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    void *coroutine = hooks->current(hooks->context);
    if (!coroutine) {
        return NULL;
    }
    void **slot = hooks->slot(hooks->context, coroutine);
    return *slot ? *slot : adopt(scheduler, coroutine, slot);
}

/* The error slot of the running coroutine; one that has no control block yet shares the thread's. */
static ptk_error_slot_t *locate_errors(void) {
    ptk_thread_block_t *block = ptk_thread();
    ptk_scheduler_t *scheduler = block->scheduler;
    const ptk_scheduler_hooks_t *hooks = &scheduler->hooks;
    void *coroutine = hooks->current(hooks->context);
    ptk_task_t *task = coroutine ? *hooks->slot(hooks->context, coroutine) : NULL;
    return task ? &task->errors : &block->own_errors;
}

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
    scheduler->find_current = find_current;
    scheduler->block->locate = locate_errors;
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
