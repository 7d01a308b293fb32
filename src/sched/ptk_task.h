/* SPDX-License-Identifier: MIT */
/* Making and ending control blocks (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* The next in a list of blocks, which is linked by run_link. */
static inline ptk_task_t *ptk_task_next(const ptk_task_t *task) {
    ptk_queue_node_t *next = task->run_link.next;
    return next ? ptk_container_of(next, ptk_task_t, run_link) : NULL;
}

/* Begin a life: what the end of the last one has not left clean. */
static inline void ptk_task_begin(ptk_scheduler_t *scheduler, ptk_task_t *task, ptk_green_t *handle) {
    ptk_assert_debug(!task->waits && !task->wait.op && !ptk_list_is_linked(&task->wait.link));
    ptk_assert_debug(task->timer.state == PTK_TIMER_IDLE && !task->locals);
    ptk_assert_debug(task->implicit_scope.timer.state == PTK_TIMER_IDLE && !task->implicit_scope.outer);
    ptk_assert_debug(ptk_list_is_empty(&handle->joiners) && !handle->name_copy);
    handle->task = task;
    handle->result = PTK_OK;
    handle->state = PTK_GREEN_LIVING;
    handle->detached = false;
    handle->joining = false;
    task->handle = handle;
    task->state = PTK_TASK_READY;
    task->flags = 0;
    task->cancel_pending = false;
    task->wait.kind = "start";
    task->errors = (ptk_error_slot_t) {0};
    task->implicit_scope.cause = PTK_CANCEL_NONE;
    task->implicit_scope.has_reservation = false;
    task->scope = &task->implicit_scope;
    ptk_list_append(&scheduler->living, &task->living);
    scheduler->live++;
    scheduler->spawned++;
}

/*
 * A control block with a handle and room for its timer in the heap, living and not started; NULL: out of
 * memory or over the loop's limit. An idle one, whose stack is warm, is taken first: then `slot` is set.
 */
ptk_task_t *ptk_task_take(ptk_scheduler_t *scheduler, bool wants_stack);

/* The same of an idle block, where nothing is out of the ordinary; else NULL: try ptk_task_take. */
static inline ptk_task_t *ptk_task_take_warm(ptk_scheduler_t *scheduler) {
    ptk_task_t *task = scheduler->idle;
    if (ptk_unlikely(!task || scheduler->stopping || scheduler->loop->options.green_thread_limit != 0)) {
        return NULL;
    }
    ptk_green_t *handle = ptk_slab_alloc_freed(&scheduler->handles);
    if (ptk_unlikely(!handle)) {
        return NULL;
    }
    scheduler->idle = ptk_task_next(task);
    ptk_task_begin(scheduler, task, handle);
    return task;
}

/* Undo ptk_task_take for one that never ran. */
void ptk_task_give_back(ptk_task_t *task);

/*
 * A green thread has ended with `result`: its handle learns it, who joins is woken, and its memory may be
 * reused. The caller may go on on its stack only to leave it.
 */
void ptk_task_end(ptk_task_t *task, ptk_err result);

/* Release the copy of a given name. */
void ptk_task_free_name(ptk_green_t *handle);

/* The end of a handle: joined, detached, or of one that never ran. */
static inline void ptk_task_free_handle(ptk_scheduler_t *scheduler, ptk_green_t *handle) {
    handle->state = PTK_GREEN_DEAD;
    handle->task = NULL;
    if (ptk_unlikely(handle->name_copy != NULL)) {
        ptk_task_free_name(handle);
    }
    ptk_slab_free(&scheduler->handles, handle);
}

/* Give back what ended green threads could not give back themselves. Not from an ended green thread's stack.
 */
void ptk_task_reap(ptk_scheduler_t *scheduler);

/* Give back all blocks and stacks; nothing may live. */
void ptk_task_fini(ptk_scheduler_t *scheduler);
