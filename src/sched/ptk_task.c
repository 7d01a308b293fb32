/* SPDX-License-Identifier: MIT */
/*
 * The life of a task (layer 3).
 *
 * Tasks come from a slab apart from the stacks, so that looking at a parked green thread touches no page of
 * its stack. A task that has ended keeps its stack, if that is of the default size, and joins the list of
 * idle tasks, last in, first out: the next spawn finds task and stack warm, and has only a few fields to set.
 *
 *     in the slab  --take-->  living  --end-->  idle (keeps its stack)  --take-->  living
 *                                     --end-->  spent  --reap-->  in the slab
 *                                               idle  --trim-->  in the slab
 *
 * A task in the list of idle or of spent tasks is FREE. It holds room for its timer in the heap for as long
 * as it is not in the slab, so a timeout needs no memory.
 *
 * The handle is a record of its own: it lives until it is joined or detached, and its token is never reused.
 */
#include "sched/ptk_task.h"

#include "base/ptk_memory.h"
#include "sched/ptk_cancel_impl.h"
#include "sched/ptk_park.h"
#include <string.h>

/* Ends the wait of a parked call. The timeout is the whole call's, so any of its records will do. */
static void call_timed_out(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    (void) scheduler;
    ptk_task_t *task = ptk_container_of(timer, ptk_task_t, timer);
    ptk_wake(task->waits ? &task->waits[0] : &task->wait, PTK_ERR_TIMEOUT);
}

/* Returns a living handle, NULL: out of memory or of slots. */
static ptk_green_t *take_handle(ptk_scheduler_t *scheduler) {
    ptk_green_t *handle = ptk_token_alloc(&scheduler->handles);
    if (handle && !handle->joiners.head.next) { /* the first life of this slot */
        ptk_list_init(&handle->joiners);
    }
    return handle;
}

/* Sets what a task keeps from one life to the next, and what each end restores. */
static void init_new_task(ptk_scheduler_t *scheduler, ptk_task_t *task) {
    task->scheduler = scheduler;
    task->timer.heap.index = PTK_HEAP_NONE;
    task->timer.expire = call_timed_out;
    task->wait.task = task;
    task->wait.op = NULL;
    task->wait.link.next = NULL;
    task->waits = NULL;
    task->gate_waits = NULL;
    task->locals = NULL;
    task->slot = NULL;
    task->keeps_stack = false;
    ptk_scope_init(&task->implicit_scope, task);
}

/* --- lists of tasks, linked by run_link --- */

static void push_task(ptk_task_t **list, ptk_task_t *task) {
    ptk_assert(task->state == PTK_TASK_FREE);
    task->run_link.next = *list ? &(*list)->run_link : NULL;
    *list = task;
}

static ptk_task_t *pop_task(ptk_task_t **list) {
    ptk_task_t *task = *list;
    if (task) {
        ptk_assert(task->state == PTK_TASK_FREE);
        *list = ptk_task_next(task);
    }
    return task;
}

static ptk_task_t *pop_idle(ptk_scheduler_t *scheduler) {
    ptk_task_t *task = pop_task(&scheduler->idle);
    if (task) {
        ptk_task_count_idle_taken(&scheduler->trim);
    }
    return task;
}

/* Returns a task from the slab, with its room in the heap; NULL: out of memory. */
static ptk_task_t *take_new_task(ptk_scheduler_t *scheduler) {
    if (!ptk_heap_reserve(&scheduler->heap)) {
        return NULL;
    }
    ptk_task_t *task = ptk_slab_alloc(&scheduler->tasks);
    if (!task) {
        ptk_heap_unreserve(&scheduler->heap);
        return NULL;
    }
    init_new_task(scheduler, task);
    return task;
}

/* Returns an idle task if its stack is of use, else one from the slab; NULL: out of memory. */
static ptk_task_t *take_task(ptk_scheduler_t *scheduler, bool wants_stack) {
    ptk_task_t *task = wants_stack ? pop_idle(scheduler) : NULL;
    return task ? task : take_new_task(scheduler);
}

/* Returns a task's stack to the pool, by `give_stack`, and the task to the slab. No context stands on the
 * stack any more. */
static void free_task(ptk_scheduler_t *scheduler, ptk_task_t *task,
                      void (*give_stack)(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot)) {
    ptk_assert(task->state == PTK_TASK_FREE && task->timer.state == PTK_TIMER_IDLE);
    if (!(task->unusual & PTK_TASK_FOREIGN) && !(task->flags & PTK_TASK_BARE)) {
        ptk_context_fini(&task->context);
    }
    if (task->slot) {
        give_stack(&scheduler->stacks, task->slot);
        task->slot = NULL;
    }
    ptk_heap_unreserve(&scheduler->heap);
    ptk_slab_free(&scheduler->tasks, task);
}

/* Puts an ended task into the list of idle or of spent ones. The caller may still stand on the task's stack,
   so nothing but the list is touched. */
static void recycle_task(ptk_scheduler_t *scheduler, ptk_task_t *task) {
    task->state = PTK_TASK_FREE;
    push_task(task->keeps_stack ? &scheduler->idle : &scheduler->spent, task);
    scheduler->trim.idle_count += task->keeps_stack;
}

void ptk_task_reap(ptk_scheduler_t *scheduler) {
    ptk_task_t *task;
    while ((task = pop_task(&scheduler->spent)) != NULL) {
        free_task(scheduler, task, ptk_stack_free);
    }
}

size_t ptk_task_trim(ptk_scheduler_t *scheduler, size_t most) {
    ptk_trim_t *trim = &scheduler->trim;
    size_t trimmed = 0;
    for (; trim->idle_surplus > 0 && scheduler->idle && trimmed < most; trimmed++) {
        trim->idle_surplus--;
        free_task(scheduler, pop_idle(scheduler), ptk_stack_free_cold);
    }
    trim->idle_surplus = scheduler->idle ? trim->idle_surplus : 0;
    return trimmed;
}

/* Ends a handle that was neither joined nor detached. */
static void end_unjoined_handle(void *context, void *object) {
    ptk_task_free_handle(context, object);
}

void ptk_task_fini(ptk_scheduler_t *scheduler) {
    ptk_assert(scheduler->task_count == 0 && ptk_list_is_empty(&scheduler->living));
    ptk_task_reap(scheduler);
    ptk_task_t *task;
    while ((task = pop_idle(scheduler)) != NULL) {
        free_task(scheduler, task, ptk_stack_free);
    }
    ptk_token_visit(&scheduler->handles, end_unjoined_handle, scheduler);
}

/* --- lives --- */

/* A task for which there is no handle goes back to its list: spent, if it never had a context. */
ptk_task_t *ptk_task_take(ptk_scheduler_t *scheduler, bool wants_stack) {
    uint32_t limit = scheduler->loop->options.green_thread_limit;
    if (limit != 0 && scheduler->task_count >= limit) {
        return NULL;
    }
    if (ptk_unlikely(scheduler->spent != NULL)) {
        ptk_task_reap(scheduler);
    }
    ptk_task_t *task = take_task(scheduler, wants_stack);
    if (!task) {
        return NULL;
    }
    ptk_green_t *handle = take_handle(scheduler);
    if (!handle) {
        task->flags = task->keeps_stack ? 0 : PTK_TASK_BARE;
        task->unusual = 0;
        recycle_task(scheduler, task);
        return NULL;
    }
    ptk_task_begin(scheduler, task, handle);
    if (scheduler->stopping) {
        ptk_scope_cancel(&task->implicit_scope, PTK_CANCEL_STOP);
    }
    return task;
}

/* Returns true if a scope may hold room in the heap or memory: a shield was left open, or the life is
 * limited. */
static bool has_limited_scopes(const ptk_task_t *task) {
    const ptk_scope_t *implicit = &task->implicit_scope;
    return task->scope != implicit || implicit->has_reservation;
}

/* Removes a task from what it is in while it lives. */
static inline void end_life(ptk_scheduler_t *scheduler, ptk_task_t *task) {
    ptk_assert(scheduler->task_count > 0 && task->state == PTK_TASK_READY && !task->waits);
    task->label.name = "(none: it has ended)"; /* the watchdog may read it after the handle is freed */
    if (ptk_unlikely(has_limited_scopes(task))) {
        ptk_scopes_end(task);
    }
    ptk_list_remove(&task->living);
    scheduler->task_count--;
    scheduler->daemon_count -= task->flags & PTK_TASK_DAEMON ? 1 : 0;
    if (ptk_unlikely(task->unusual & PTK_TASK_CANCELED)) {
        scheduler->canceled_count--;
    }
}

bool ptk_task_is_unstarted(const ptk_task_t *task) {
    return task->state == PTK_TASK_READY && strcmp(task->wait.kind, PTK_TASK_KIND_START) == 0;
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
    task->flags = task->keeps_stack ? 0 : PTK_TASK_BARE; /* no context was made */
    recycle_task(scheduler, task);
}

void ptk_task_end(ptk_task_t *task, ptk_err result) {
    ptk_scheduler_t *scheduler = task->scheduler;
    ptk_green_t *handle = task->handle;
    end_life(scheduler, task);
    ptk_assert(handle->task == task);
    handle->task = NULL;
    handle->result = result;
    ptk_list_node_t *joiner = ptk_list_first(&handle->joiners);
    if (joiner) { /* one at most */
        ptk_wake(ptk_container_of(joiner, ptk_wait_t, link), PTK_OK);
    }
    if (handle->detached) {
        ptk_task_free_handle(scheduler, handle);
    } else { /* the handle outlives the label */
        handle->file = task->label.file;
        handle->line = task->label.line;
    }
    recycle_task(scheduler, task);
}

/* --- exceptions of C++ --- */

/* Coroutines of a foreign library are switched by that library. A C++ library that is loaded later is found
 * by the next spawn. */
void ptk_task_keep_exceptions(ptk_task_t *task) {
    ptk_scheduler_t *scheduler = task->scheduler;
    if (!scheduler->cxx_place) {
        scheduler->cxx_place = ptk_sys_cxx_globals();
    }
    if (scheduler->cxx_place && !scheduler->find_current) {
        task->unusual |= PTK_TASK_CXX;
    }
}

void ptk_task_begin_exceptions(ptk_task_t *task) {
    const ptk_cxx_words_t none = {0};
    ptk_scheduler_t *scheduler = task->scheduler;
    ptk_assert(task->unusual & PTK_TASK_CXX);
    scheduler->cxx_words = ptk_cxx_exchange(scheduler->cxx_place, none);
}
