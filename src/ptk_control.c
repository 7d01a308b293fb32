/* SPDX-License-Identifier: MIT */
/*
 * The life of a control block (floor 3).
 *
 * Control blocks come from a slab apart from the stacks, so that looking at a parked green thread touches no
 * stack page. One that has ended keeps its stack, if that is of the default size, and waits in the list of
 * idle ones, last in first out: a spawn that follows finds block and stack warm, and has only a few fields to
 * set.
 *
 * The handle is apart again: it lives until it is joined or detached, and is reused last.
 */
#include "ptk_control_impl.h"

#include "base/ptk_memory.h"

static void call_timed_out(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    (void) scheduler;
    ptk_control_t *control = ptk_container_of(timer, ptk_control_t, timer);
    ptk_wake(control->waits ? &control->waits[0] : &control->wait, PTK_ERR_TIMEOUT);
}

static ptk_green_t *take_handle(ptk_scheduler_t *scheduler) {
    ptk_green_t *handle = ptk_slab_take(&scheduler->handles);
    if (handle && !handle->loop) { /* its first time */
        handle->loop = scheduler->loop;
        ptk_list_init(&handle->joiners);
    }
    return handle;
}

/* What a block keeps from one life to the next, and how each end leaves it. */
static void init_fresh(ptk_scheduler_t *scheduler, ptk_control_t *control) {
    control->scheduler = scheduler;
    control->timer.heap.index = PTK_HEAP_NONE;
    control->timer.expire = call_timed_out;
    control->wait.control = control;
    control->wait.op = NULL;
    control->wait.link.next = NULL;
    control->waits = NULL;
    control->locals = NULL;
    control->slot = NULL;
    control->keeps_stack = false;
    ptk_scope_init(&control->implicit_scope, control);
}

/* --- blocks: a list is linked by run_link --- */

static void push_block(ptk_control_t **list, ptk_control_t *control) {
    control->run_link.next = *list ? &(*list)->run_link : NULL;
    *list = control;
}

static ptk_control_t *pop_block(ptk_control_t **list) {
    ptk_control_t *control = *list;
    if (control) {
        *list = ptk_control_next(control);
    }
    return control;
}

/* A block holds room for its timer in the heap for as long as it is not in the slab. */
static ptk_control_t *take_fresh_block(ptk_scheduler_t *scheduler) {
    if (!ptk_heap_reserve(&scheduler->heap)) {
        return NULL;
    }
    ptk_control_t *control = ptk_slab_take(&scheduler->controls);
    if (!control) {
        ptk_heap_unreserve(&scheduler->heap);
        return NULL;
    }
    init_fresh(scheduler, control);
    return control;
}

static ptk_control_t *take_block(ptk_scheduler_t *scheduler, bool wants_stack) {
    ptk_control_t *control = wants_stack ? pop_block(&scheduler->idle) : NULL;
    return control ? control : take_fresh_block(scheduler);
}

/* Off the stack: everything back to where it came from. */
static void dissolve(ptk_scheduler_t *scheduler, ptk_control_t *control) {
    if (!(control->flags & (PTK_CONTROL_FOREIGN | PTK_CONTROL_BARE))) {
        ptk_context_fini(&control->context);
    }
    if (control->slot) {
        ptk_stack_give(&scheduler->stacks, control->slot);
        control->slot = NULL;
    }
    ptk_heap_unreserve(&scheduler->heap);
    ptk_slab_give(&scheduler->controls, control);
}

/* Perhaps still on the stack in question: a list is all that may be touched. */
static void retire(ptk_scheduler_t *scheduler, ptk_control_t *control) {
    control->state = PTK_CONTROL_FREE;
    control->label.name = "(none: it has ended)";
    push_block(control->keeps_stack ? &scheduler->idle : &scheduler->spent, control);
}

void ptk_control_reap(ptk_scheduler_t *scheduler) {
    ptk_control_t *control;
    while ((control = pop_block(&scheduler->spent)) != NULL) {
        dissolve(scheduler, control);
    }
}

static void release_name(void *context, void *object) {
    (void) context;
    ptk_release(((ptk_green_t *) object)->name_copy);
}

void ptk_control_fini(ptk_scheduler_t *scheduler) {
    ptk_assert(scheduler->live == 0);
    ptk_control_reap(scheduler);
    ptk_control_t *control;
    while ((control = pop_block(&scheduler->idle)) != NULL) {
        dissolve(scheduler, control);
    }
    ptk_slab_visit(&scheduler->handles, release_name, NULL);
}

/* --- lives --- */

ptk_control_t *ptk_control_take(ptk_scheduler_t *scheduler, bool wants_stack) {
    uint32_t limit = scheduler->loop->options.green_thread_limit;
    if (limit != 0 && scheduler->live >= limit) {
        return NULL;
    }
    if (ptk_unlikely(scheduler->spent != NULL)) {
        ptk_control_reap(scheduler);
    }
    ptk_control_t *control = take_block(scheduler, wants_stack);
    if (!control) {
        return NULL;
    }
    ptk_green_t *handle = take_handle(scheduler);
    if (!handle) {
        control->flags = PTK_CONTROL_BARE;
        retire(scheduler, control);
        return NULL;
    }
    ptk_control_begin(scheduler, control, handle);
    if (scheduler->stopping) {
        ptk_scope_cancel(&control->implicit_scope, PTK_CANCEL_STOP);
    }
    return control;
}

static bool has_limited_scopes(const ptk_control_t *control) {
    const ptk_scope_t *implicit = &control->implicit_scope;
    return control->scope != implicit || implicit->has_reservation;
}

static inline void end_life(ptk_scheduler_t *scheduler, ptk_control_t *control) {
    if (ptk_unlikely(has_limited_scopes(control))) {
        ptk_scopes_end(control);
    }
    ptk_list_remove(&control->living);
    scheduler->live--;
    scheduler->daemons -= control->flags & PTK_SPAWN_DAEMON ? 1 : 0;
    if (scheduler->hopeful == control) {
        scheduler->hopeful = NULL;
    }
}

void ptk_control_free_name(ptk_green_t *handle) {
    ptk_release(handle->name_copy);
    handle->name_copy = NULL;
}

void ptk_control_give_back(ptk_control_t *control) {
    ptk_scheduler_t *scheduler = control->scheduler;
    end_life(scheduler, control);
    ptk_control_free_handle(scheduler, control->handle);
    scheduler->spawned--;
    control->flags = (control->flags & PTK_CONTROL_FOREIGN) | PTK_CONTROL_BARE;
    retire(scheduler, control);
}

void ptk_control_end(ptk_control_t *control, ptk_err result) {
    ptk_scheduler_t *scheduler = control->scheduler;
    ptk_green_t *handle = control->handle;
    end_life(scheduler, control);
    handle->control = NULL;
    handle->result = result;
    handle->state = PTK_GREEN_ENDED;
    ptk_list_node_t *joiner = ptk_list_first(&handle->joiners);
    if (joiner) { /* one at most */
        ptk_wake(ptk_container_of(joiner, ptk_wait_t, link), PTK_OK);
    }
    if (handle->detached) {
        ptk_control_free_handle(scheduler, handle);
    }
    retire(scheduler, control);
}
