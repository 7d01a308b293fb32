/* SPDX-License-Identifier: MIT */
/*
 * The coroutine library libpcl schedules ptk's green threads: an example of a complete adapter for a user's
 * own coroutine library.
 *
 * A coroutine's libpcl data is a `foreign_pcl_t`, which holds the slot that ptk owns. ptk suspends a
 * coroutine with co_resume, which returns to the caller of the coroutine, and resumes it with co_call. A
 * coroutine that has ended marks itself and returns to its caller for the last time. The caller deletes it,
 * because a coroutine that deletes itself would free the stack on which it runs. This file allocates the
 * stacks, so that it can register them with Valgrind and the thread sanitizer.
 */
#include "conformance.h"

#include <pcl.h>
#include <stdlib.h>

#if PTK_TEST_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0u
#define VALGRIND_STACK_DEREGISTER(id)       ((void) (id))
#endif

#if PTK_TEST_TSAN || PTK_TEST_ASAN
#define FOREIGN_STACK_BYTES (256 * 1024)
#else
#define FOREIGN_STACK_BYTES (64 * 1024)
#endif

typedef struct foreign_pcl {
    void *slot; /* owned by ptk */
    void (*fn)(void *arg);
    void *arg;
    bool ended;
    bool freed_at_end; /* made by the spawn hook, so there is no other owner */
    unsigned valgrind_id;
    void *stack;
    void *fiber;  /* of the thread sanitizer */
    void *caller; /* its fiber while this one runs */
} foreign_pcl_t;

static foreign_pcl_t *state_of(void *coroutine) {
    return co_get_data(coroutine);
}

static void fiber_create(foreign_pcl_t *state) {
#if PTK_TEST_TSAN
    state->fiber = __tsan_create_fiber(0);
#else
    (void) state;
#endif
}

static void fiber_destroy(foreign_pcl_t *state) {
#if PTK_TEST_TSAN
    __tsan_destroy_fiber(state->fiber);
#else
    (void) state;
#endif
}

static void fiber_enter(foreign_pcl_t *state) {
#if PTK_TEST_TSAN
    state->caller = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(state->fiber, 0);
#else
    (void) state;
#endif
}

static void fiber_leave(foreign_pcl_t *state) {
#if PTK_TEST_TSAN
    __tsan_switch_to_fiber(state->caller, 0);
#else
    (void) state;
#endif
}

static void leave(foreign_pcl_t *state) {
    fiber_leave(state);
    co_resume();
}

static void entry(void *data) {
    foreign_pcl_t *state = data;
    state->fn(state->arg);
    state->ended = true;
    for (;;) {
        leave(state);
    }
}

static void free_coroutine(void *coroutine) {
    foreign_pcl_t *state = state_of(coroutine);
    fiber_destroy(state);
    co_delete(coroutine);
    VALGRIND_STACK_DEREGISTER(state->valgrind_id);
    free(state->stack);
    free(state);
}

static void *create(void (*fn)(void *arg), void *arg, bool freed_at_end) {
    foreign_pcl_t *state = calloc(1, sizeof *state);
    char *stack = malloc(FOREIGN_STACK_BYTES);
    void *coroutine = state && stack ? co_create(entry, state, stack, FOREIGN_STACK_BYTES) : NULL;
    if (!coroutine) {
        free(stack);
        free(state);
        return NULL;
    }
    *state = (foreign_pcl_t) {.fn = fn, .arg = arg, .freed_at_end = freed_at_end, .stack = stack};
    state->valgrind_id = VALGRIND_STACK_REGISTER(stack, stack + FOREIGN_STACK_BYTES);
    fiber_create(state);
    return coroutine;
}

static void call(void *coroutine) {
    foreign_pcl_t *state = state_of(coroutine);
    fiber_enter(state);
    co_call(coroutine);
}

/* --- the hooks ------------------------------------------------------------------------------------------ */

/* Returns NULL on the thread's own stack: libpcl has a coroutine for that too, whose data is NULL. */
static void *hook_current(void *context) {
    (void) context;
    void *coroutine = co_current();
    return state_of(coroutine) ? coroutine : NULL;
}

static void hook_suspend(void *context) {
    (void) context;
    leave(state_of(co_current()));
}

static void hook_resume(void *context, void *coroutine) {
    (void) context;
    call(coroutine);
    foreign_pcl_t *state = state_of(coroutine);
    if (state->ended && state->freed_at_end) {
        free_coroutine(coroutine);
    }
}

static void **hook_slot(void *context, void *coroutine) {
    (void) context;
    return &state_of(coroutine)->slot;
}

static void *hook_spawn(void *context, void (*fn)(void *arg), void *arg) {
    (void) context;
    return create(fn, arg, true);
}

static ptk_scheduler_hooks_t pcl_hooks(void) {
    static _Thread_local bool thread_is_known;
    ptk_scheduler_hooks_t hooks = PTK_SCHEDULER_HOOKS_INIT;
    if (!thread_is_known) {
        CHECK_EQ(co_thread_init(), 0);
        thread_is_known = true;
    }
    hooks.current = hook_current;
    hooks.suspend = hook_suspend;
    hooks.resume = hook_resume;
    hooks.slot = hook_slot;
    hooks.spawn = hook_spawn;
    return hooks;
}

/* --- coroutines that ptk has not created
 * -------------------------------------------------------------------- */

static void *start_coroutine(void (*fn)(void *arg), void *arg) {
    void *coroutine = create(fn, arg, false);
    CHECK(coroutine != NULL);
    call(coroutine);
    return coroutine;
}

static bool has_ended(const void *coroutine) {
    return state_of((void *) (uintptr_t) coroutine)->ended;
}

const test_foreign_t foreign_pcl = {"pcl", pcl_hooks, start_coroutine, has_ended, free_coroutine, NULL,
                                    NULL,  NULL};
