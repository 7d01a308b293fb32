/* SPDX-License-Identifier: MIT */
/* Beginning and ending tasks (layer 3, internal): the model stands at the top of ptk_task.c. */
#pragma once

#include "sched/ptk_sched.h"

/* The kind of a task's wait record until it runs for the first time; from then on that of its last wait, or
 * PTK_TASK_KIND_RUN before the first one. */
#define PTK_TASK_KIND_START "start"
#define PTK_TASK_KIND_RUN   "run"

/* Returns whether a living task has never run. */
bool ptk_task_is_unstarted(const ptk_task_t *task);

/* Returns the next task in a list that is linked by run_link. */
static inline ptk_task_t *ptk_task_next(const ptk_task_t *task) {
    ptk_queue_node_t *next = task->run_link.next;
    return next ? ptk_container_of(next, ptk_task_t, run_link) : NULL;
}

/* Begins a life. Sets only what the end of the last one has not restored; the assertions name the rest. */
static inline void ptk_task_begin(ptk_scheduler_t *scheduler, ptk_task_t *task, ptk_green_t *handle) {
    ptk_assert_debug(!task->waits && !task->wait.op && !ptk_list_is_linked(&task->wait.link));
    ptk_assert_debug(task->timer.state == PTK_TIMER_IDLE && !task->locals);
    ptk_assert_debug(task->implicit_scope.timer.state == PTK_TIMER_IDLE && !task->implicit_scope.outer);
    ptk_assert_debug(ptk_list_is_empty(&handle->joiners) && !handle->name_copy);
    handle->task = task;
    handle->user = NULL;
    handle->result = PTK_OK;
    handle->detached = false;
    handle->joining = false;
    task->handle = handle;
    task->state = PTK_TASK_READY;
    task->flags = 0;
    task->unusual = 0;
    task->wait.kind = PTK_TASK_KIND_START;
    task->errors = (ptk_error_slot_t) {0};
    task->implicit_scope.cause = PTK_CANCEL_NONE;
    task->implicit_scope.has_reservation = false;
    task->scope = &task->implicit_scope;
    ptk_list_append(&scheduler->living, &task->living);
    scheduler->task_count++;
    scheduler->spawned++;
}

/* Returns a task with a handle and room for its timer in the heap, living and not started; NULL: out of
 * memory or over the loop's limit. With `wants_stack` an idle task, whose stack is warm, is taken first: then
 * `keeps_stack` is set. Not from an ended green thread's stack. */
ptk_task_t *ptk_task_take(ptk_scheduler_t *scheduler, bool wants_stack);

/* Counts an idle task that was taken off the list. */
static inline void ptk_task_count_idle_taken(ptk_trim_t *trim) {
    uint32_t left = --trim->idle_count;
    if (ptk_unlikely(left < trim->idle_least)) {
        trim->idle_least = left;
    }
}

/* Takes an idle task if that needs no memory and no check; NULL: ptk_task_take decides. */
static inline ptk_task_t *ptk_task_take_warm(ptk_scheduler_t *scheduler) {
    ptk_task_t *task = scheduler->idle;
    if (ptk_unlikely(!task || scheduler->stopping || scheduler->loop->options.green_thread_limit != 0 ||
                     !scheduler->handles.free_slots.first)) {
        return NULL;
    }
    ptk_green_t *handle = ptk_token_alloc(&scheduler->handles);
    scheduler->idle = ptk_task_next(task);
    ptk_task_count_idle_taken(&scheduler->trim);
    ptk_task_begin(scheduler, task, handle);
    return task;
}

/* Undoes ptk_task_take for a task that never ran. */
void ptk_task_give_back(ptk_task_t *task);

/* Ends a green thread: its handle gets `result`, its joiner is woken, and its memory may be reused after the
 * next switch. The caller may stay on the task's stack only to switch away from it. */
void ptk_task_end(ptk_task_t *task, ptk_err result);

/* Frees the copy of a given name. */
void ptk_task_free_name(ptk_green_t *handle);

/* Ends a handle that was joined or detached, or whose green thread never ran. */
static inline void ptk_task_free_handle(ptk_scheduler_t *scheduler, ptk_green_t *handle) {
    ptk_assert(ptk_list_is_empty(&handle->joiners));
    handle->task = NULL;
    if (ptk_unlikely(handle->name_copy != NULL)) {
        ptk_task_free_name(handle);
    }
    ptk_token_end(&handle->head);
    ptk_token_free(&scheduler->handles, &handle->head);
}

/* Frees what ended green threads could not free themselves. Not from an ended green thread's stack. */
void ptk_task_reap(ptk_scheduler_t *scheduler);

/* Frees up to `most` idle tasks and returns the pages of their stacks to the system, as trim.idle_surplus
 * requests. Returns how many. */
size_t ptk_task_trim(ptk_scheduler_t *scheduler, size_t most);

/* Frees all tasks and stacks; no green thread may live. */
void ptk_task_fini(ptk_scheduler_t *scheduler);

/* Gives a new task exceptions of C++ of its own; does nothing in a process without a C++ library. */
void ptk_task_keep_exceptions(ptk_task_t *task);

/* Starts such a task without any, although run may be called in a catch block. */
void ptk_task_begin_exceptions(ptk_task_t *task);
