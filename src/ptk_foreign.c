/* SPDX-License-Identifier: MIT */
/*
 * Foreign coroutines (floor 3): another library owns the stacks, ptk the waiting.
 *
 * Each coroutine that calls ptk has a control block, hung into the pointer that the library keeps for it:
 * made by the first call that asks who is running, or by spawn. From there on everything is as for green
 * threads of ptk's own, but for two lines: leaving is the library's `suspend`, and the root continues a
 * coroutine with `resume`.
 *
 * A coroutine that ptk did not spawn is unknown until its first call, and again once it is forgotten. It
 * counts as living in between.
 */
#include "ptk_control_impl.h"

#include "base/ptk_report.h"

static ptk_control_t *adopt(ptk_scheduler_t *scheduler, void *coroutine, void **slot) {
    ptk_control_t *control = ptk_control_take(scheduler, false);
    if (!control) {
        ptk_log(PTK_LOG_ERROR, "out of memory for a foreign coroutine's first call");
        return NULL;
    }
    control->flags |= PTK_CONTROL_FOREIGN;
    control->stack_low = coroutine;
    control->label = (ptk_stack_label_t) {"(foreign coroutine)", "(unknown)", 0};
    control->handle->detached = true;
    control->u.run.waits_count = 0;
    control->u.run.ready = 0;
    control->last_count = 0;
    *slot = control;
    return control;
}

static ptk_control_t *find_current(ptk_scheduler_t *scheduler) {
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
    ptk_control_t *control = coroutine ? *hooks->slot(hooks->context, coroutine) : NULL;
    return control ? &control->errors : &block->own_errors;
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
    ptk_control_t *control = *slot;
    if (!control) {
        return PTK_OK;
    }
    if (control->flags & (PTK_CONTROL_SUSPENDED | PTK_CONTROL_HOOKED)) {
        return ptk_fail(PTK_ERR_BUSY);
    }
    *slot = NULL;
    ptk_locals_end(control);
    ptk_control_end(control, PTK_OK);
    return PTK_OK;
}
