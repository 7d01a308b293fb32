/* SPDX-License-Identifier: MIT */
/* Making and ending control blocks (floor 3, internal). */
#pragma once

#include "ptk_scheduler_impl.h"

/* The next in a list of blocks, which is linked by run_link. */
static inline ptk_control_t *ptk_control_next(const ptk_control_t *control) {
    ptk_queue_node_t *next = control->run_link.next;
    return next ? ptk_container_of(next, ptk_control_t, run_link) : NULL;
}

/* Begin a life: what the end of the last one has not left clean. */
static inline void ptk_control_begin(ptk_scheduler_t *scheduler, ptk_control_t *control,
                                     ptk_green_t *handle) {
    ptk_assert_debug(!control->waits && !control->wait.op && !ptk_list_is_linked(&control->wait.link));
    ptk_assert_debug(control->timer.state == PTK_TIMER_IDLE && !control->locals);
    ptk_assert_debug(control->implicit_scope.timer.state == PTK_TIMER_IDLE && !control->implicit_scope.outer);
    ptk_assert_debug(ptk_list_is_empty(&handle->joiners) && !handle->name_copy);
    handle->control = control;
    handle->result = PTK_OK;
    handle->state = PTK_GREEN_LIVING;
    handle->detached = false;
    handle->joining = false;
    control->handle = handle;
    control->state = PTK_CONTROL_READY;
    control->flags = 0;
    control->cancel_pending = false;
    control->wait.kind = "start";
    control->errors = (ptk_error_slot_t) {0};
    control->implicit_scope.cause = PTK_CANCEL_NONE;
    control->implicit_scope.has_reservation = false;
    control->scope = &control->implicit_scope;
    ptk_list_append(&scheduler->living, &control->living);
    scheduler->live++;
    scheduler->spawned++;
}

/*
 * A control block with a handle and room for its timer in the heap, living and not started; NULL: out of
 * memory or over the loop's limit. An idle one, whose stack is warm, is taken first: then `slot` is set.
 */
ptk_control_t *ptk_control_take(ptk_scheduler_t *scheduler, bool wants_stack);

/* The same of an idle block, where nothing is out of the ordinary; else NULL: try ptk_control_take. */
static inline ptk_control_t *ptk_control_take_warm(ptk_scheduler_t *scheduler) {
    ptk_control_t *control = scheduler->idle;
    if (ptk_unlikely(!control || scheduler->stopping || scheduler->loop->options.green_thread_limit != 0)) {
        return NULL;
    }
    ptk_green_t *handle = ptk_slab_take_freed(&scheduler->handles);
    if (ptk_unlikely(!handle)) {
        return NULL;
    }
    scheduler->idle = ptk_control_next(control);
    ptk_control_begin(scheduler, control, handle);
    return control;
}

/* Undo ptk_control_take for one that never ran. */
void ptk_control_give_back(ptk_control_t *control);

/*
 * A green thread has ended with `result`: its handle learns it, who joins is woken, and its memory may be
 * reused. The caller may go on on its stack only to leave it.
 */
void ptk_control_end(ptk_control_t *control, ptk_err result);

/* Destroy the green-local values, on the stack of the green thread if that is ptk's. */
void ptk_locals_end(ptk_control_t *control);

/* Release the copy of a given name. */
void ptk_control_free_name(ptk_green_t *handle);

/* The end of a handle: joined, detached, or of one that never ran. */
static inline void ptk_control_free_handle(ptk_scheduler_t *scheduler, ptk_green_t *handle) {
    handle->state = PTK_GREEN_DEAD;
    handle->control = NULL;
    if (ptk_unlikely(handle->name_copy != NULL)) {
        ptk_control_free_name(handle);
    }
    ptk_slab_give(&scheduler->handles, handle);
}

/* Give back what ended green threads could not give back themselves. Not from an ended green thread's stack.
 */
void ptk_control_reap(ptk_scheduler_t *scheduler);

/* Give back all blocks and stacks; nothing may live. */
void ptk_control_fini(ptk_scheduler_t *scheduler);
