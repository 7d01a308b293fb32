/* SPDX-License-Identifier: MIT */
/*
 * The life of a control block (layer 3).
 *
 * Control blocks come from a slab apart from the stacks, so that looking at a parked green thread touches no
 * stack page. One that has ended keeps its stack, if that is of the default size, and waits in the list of
 * idle ones, last in first out: a spawn that follows finds block and stack warm, and has only a few fields to
 * set.
 *
 * The handle is apart again: it lives until it is joined or detached, and is reused last.
 */
#include "sched/ptk_task.h"

#include "sched/ptk_cancel_impl.h"
#include "sched/ptk_park.h"

#include "base/ptk_memory.h"

static void call_timed_out(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    (void) scheduler;
    ptk_task_t *task = ptk_container_of(timer, ptk_task_t, timer);
    ptk_wake(task->waits ? &task->waits[0] : &task->wait, PTK_ERR_TIMEOUT);
}

static ptk_green_t *take_handle(ptk_scheduler_t *scheduler) {
    ptk_green_t *handle = ptk_slab_alloc(&scheduler->handles);
    if (handle && !handle->loop) { /* its first time */
        handle->loop = scheduler->loop;
        ptk_list_init(&handle->joiners);
    }
    return handle;
}

/* What a block keeps from one life to the next, and how each end leaves it. */
static void init_fresh(ptk_scheduler_t *scheduler, ptk_task_t *task) {
    task->scheduler = scheduler;
    task->timer.heap.index = PTK_HEAP_NONE;
    task->timer.expire = call_timed_out;
    task->wait.task = task;
    task->wait.op = NULL;
    task->wait.link.next = NULL;
    task->waits = NULL;
    task->locals = NULL;
    task->slot = NULL;
    task->keeps_stack = false;
    ptk_scope_init(&task->implicit_scope, task);
}

/* --- blocks: a list is linked by run_link --- */

static void push_block(ptk_task_t **list, ptk_task_t *task) {
    task->run_link.next = *list ? &(*list)->run_link : NULL;
    *list = task;
}

static ptk_task_t *pop_block(ptk_task_t **list) {
    ptk_task_t *task = *list;
    if (task) {
        *list = ptk_task_next(task);
    }
    return task;
}

/* A block holds room for its timer in the heap for as long as it is not in the slab. */
static ptk_task_t *take_fresh_block(ptk_scheduler_t *scheduler) {
    if (!ptk_heap_reserve(&scheduler->heap)) {
        return NULL;
    }
    ptk_task_t *task = ptk_slab_alloc(&scheduler->tasks);
    if (!task) {
        ptk_heap_unreserve(&scheduler->heap);
        return NULL;
    }
    init_fresh(scheduler, task);
    return task;
}

static ptk_task_t *take_block(ptk_scheduler_t *scheduler, bool wants_stack) {
    ptk_task_t *task = wants_stack ? pop_block(&scheduler->idle) : NULL;
    return task ? task : take_fresh_block(scheduler);
}

/* Off the stack: everything back to where it came from. */
static void release_memory(ptk_scheduler_t *scheduler, ptk_task_t *task) {
    if (!(task->flags & (PTK_TASK_FOREIGN | PTK_TASK_BARE))) {
        ptk_context_fini(&task->context);
    }
    if (task->slot) {
        ptk_stack_free(&scheduler->stacks, task->slot);
        task->slot = NULL;
    }
    ptk_heap_unreserve(&scheduler->heap);
    ptk_slab_free(&scheduler->tasks, task);
}

/* Perhaps still on the stack in question: a list is all that may be touched. */
static void recycle(ptk_scheduler_t *scheduler, ptk_task_t *task) {
    task->state = PTK_TASK_FREE;
    task->label.name = "(none: it has ended)";
    push_block(task->keeps_stack ? &scheduler->idle : &scheduler->spent, task);
}

void ptk_task_reap(ptk_scheduler_t *scheduler) {
    ptk_task_t *task;
    while ((task = pop_block(&scheduler->spent)) != NULL) {
        release_memory(scheduler, task);
    }
}

static void release_name(void *context, void *object) {
    (void) context;
    ptk_free(((ptk_green_t *) object)->name_copy);
}

void ptk_task_fini(ptk_scheduler_t *scheduler) {
    ptk_assert(scheduler->live == 0);
    ptk_task_reap(scheduler);
    ptk_task_t *task;
    while ((task = pop_block(&scheduler->idle)) != NULL) {
        release_memory(scheduler, task);
    }
    ptk_slab_visit(&scheduler->handles, release_name, NULL);
}

/* --- lives --- */

ptk_task_t *ptk_task_take(ptk_scheduler_t *scheduler, bool wants_stack) {
    uint32_t limit = scheduler->loop->options.green_thread_limit;
    if (limit != 0 && scheduler->live >= limit) {
        return NULL;
    }
    if (ptk_unlikely(scheduler->spent != NULL)) {
        ptk_task_reap(scheduler);
    }
    ptk_task_t *task = take_block(scheduler, wants_stack);
    if (!task) {
        return NULL;
    }
    ptk_green_t *handle = take_handle(scheduler);
    if (!handle) {
        task->flags = PTK_TASK_BARE;
        recycle(scheduler, task);
        return NULL;
    }
    ptk_task_begin(scheduler, task, handle);
    if (scheduler->stopping) {
        ptk_scope_cancel(&task->implicit_scope, PTK_CANCEL_STOP);
    }
    return task;
}

static bool has_limited_scopes(const ptk_task_t *task) {
    const ptk_scope_t *implicit = &task->implicit_scope;
    return task->scope != implicit || implicit->has_reservation;
}

static inline void end_life(ptk_scheduler_t *scheduler, ptk_task_t *task) {
    if (ptk_unlikely(has_limited_scopes(task))) {
        ptk_scopes_end(task);
    }
    ptk_list_remove(&task->living);
    scheduler->live--;
    scheduler->daemons -= task->flags & PTK_GREEN_DAEMON ? 1 : 0;
    if (scheduler->externally_wakeable == task) {
        scheduler->externally_wakeable = NULL;
    }
}

void ptk_task_free_name(ptk_green_t *handle) {
    ptk_free(handle->name_copy);
    handle->name_copy = NULL;
}

void ptk_task_give_back(ptk_task_t *task) {
    ptk_scheduler_t *scheduler = task->scheduler;
    end_life(scheduler, task);
    ptk_task_free_handle(scheduler, task->handle);
    scheduler->spawned--;
    task->flags = (task->flags & PTK_TASK_FOREIGN) | PTK_TASK_BARE;
    recycle(scheduler, task);
}

void ptk_task_end(ptk_task_t *task, ptk_err result) {
    ptk_scheduler_t *scheduler = task->scheduler;
    ptk_green_t *handle = task->handle;
    end_life(scheduler, task);
    handle->task = NULL;
    handle->result = result;
    handle->state = PTK_GREEN_ENDED;
    ptk_list_node_t *joiner = ptk_list_first(&handle->joiners);
    if (joiner) { /* one at most */
        ptk_wake(ptk_container_of(joiner, ptk_wait_t, link), PTK_OK);
    }
    if (handle->detached) {
        ptk_task_free_handle(scheduler, handle);
    }
    recycle(scheduler, task);
}
