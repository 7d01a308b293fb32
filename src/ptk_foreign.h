/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_foreign.h
 * Coroutines of another library: it owns the stacks, and waitables and sockets park its coroutines.
 *
 * An *adapter* implements the hooks with the library's own calls. It keeps a record per coroutine, with the
 * place for ptk's pointer and two flags:
 *
 *     suspend:  if (!r->woken) { r->asleep = true; leave(); }
 *               r->woken = r->asleep = false;
 *     resume:   r->woken = true;
 *               if (r->asleep) { r->asleep = false; make_runnable(coroutine); }
 *
 * Where "make runnable" runs the coroutine at once, ptk_scheduler_run() drives everything. Where it only
 * appends to the library's own run queue, the library's scheduler is in charge: a coroutine of its own, or
 * its idle hook, calls ptk_scheduler_poll(loop, 0, &next_ms) whenever the loop's descriptor is readable or
 * `next_ms` have passed, and again at once while `next_ms` is 0; between these calls the others run. A
 * coroutine that waits through ptk may do so at any time, also while no poll is on the stack: its deadline
 * then shows on the descriptor (see ptk_event_loop_platform_fd(), and ptk_event_loop_platform_poll_set()
 * where the platform has none).
 */
#pragma once

#include <ptk_event_loop_platform.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The hooks of a coroutine library. All run on the loop's thread. */
typedef struct ptk_scheduler_hooks {
    uint32_t struct_size; /**< The size of this struct; 0 is filled in by the call. */
    void *context;        /**< Passed to every hook. */
    /** Returns the running coroutine, NULL on the thread's own stack. */
    void *(*current)(void *context);
    /** Suspends the running coroutine until `resume` is called for it. If that has happened already since its
     * last suspension, it returns at once. If it returns before, the library has cancelled the coroutine: the
     * call of ptk that waits leaves everything that it waits for and returns PTK_ERR_CANCELED, unless it has
     * a result, and so does every later call that would wait, as after ptk_green_cancel(). */
    void (*suspend)(void *context);
    /** Lets `coroutine` continue: runs it until it suspends or ends, or only makes it runnable, so that the
     * library's scheduler continues it later. Called only from ptk_scheduler_poll() and ptk_scheduler_run(),
     * once for each suspension. */
    void (*resume)(void *context, void *coroutine);
    /** Returns the place of one pointer per coroutine that belongs to ptk, NULL at first. The place must not
     * move while the coroutine lives. */
    void **(*slot)(void *context, void *coroutine);
    /** Makes a coroutine that runs fn(arg), and returns it; NULL: out of memory, and fn never runs. The
     * library may start it when `resume` is called for it, by itself at any time, or inside the hook, and may
     * run others meanwhile: fn suspends itself until it is its turn. The hook may be NULL: then ptk_go() and
     * ptk_green_spawn() return PTK_ERR_NOT_SUPPORTED. */
    void *(*spawn)(void *context, void (*fn)(void *arg), void *arg);
} ptk_scheduler_hooks_t;

/** Initialises #ptk_scheduler_hooks_t in C and C++; set the hooks afterwards. */
#define PTK_SCHEDULER_HOOKS_INIT {(uint32_t) sizeof(ptk_scheduler_hooks_t), 0, 0, 0, 0, 0, 0}

#ifndef __cplusplus
/** Makes hooks in C: `&PTK_SCHEDULER_HOOKS(.current = my_current, ...)`. */
#define PTK_SCHEDULER_HOOKS(...)                                                                             \
    ((ptk_scheduler_hooks_t) {.struct_size = (uint32_t) sizeof(ptk_scheduler_hooks_t), __VA_ARGS__})
#endif

/**
 * Hands a loop's scheduling to a coroutine library.
 *
 * @param loop   the loop; NULL means the current one
 * @param hooks  the hooks; all but `spawn` are required
 * @return PTK_OK, or
 *         PTK_ERR_INVALID_PARAM: a required hook is missing, or a non-zero field is unknown to this version;
 *         PTK_ERR_BUSY: the loop has had a green thread or hooks already;
 *         PTK_ERR_NO_RESOURCES: out of memory;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's, before its first green thread. \n
 * Ownership: the struct is copied; `context` must outlive the loop.
 */
PTK_API PTK_NODISCARD ptk_err ptk_scheduler_set_hooks(ptk_event_loop_platform_t *loop,
                                                      const ptk_scheduler_hooks_t *hooks);

/**
 * Frees what ptk keeps for a coroutine that is about to end or has ended. Coroutines that the `spawn` hook
 * made need no call. A coroutine that ends without it counts as living until the loop is destroyed; its slot
 * must not be handed to another coroutine before it is NULL again.
 *
 * @param coroutine  the coroutine
 * @return PTK_OK, also if ptk has no record of it, or
 *         PTK_ERR_BUSY: it is inside a call of ptk, or ptk spawned it;
 *         PTK_ERR_INVALID_PARAM: it is NULL, or the calling thread has no loop with hooks.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the coroutine stays the library's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_foreign_forget(void *coroutine);

/** Implements the macro ptk_scheduler_set_hooks(): fills in a `struct_size` of 0. */
PTK_NODISCARD static inline ptk_err ptk_scheduler_set_hooks_sized(ptk_event_loop_platform_t *loop,
                                                                  const ptk_scheduler_hooks_t *hooks) {
    ptk_scheduler_hooks_t copy = PTK_SCHEDULER_HOOKS_INIT;
    if (hooks && hooks->struct_size == 0) {
        copy = *hooks;
        copy.struct_size = (uint32_t) sizeof copy;
        hooks = &copy;
    }
    return ptk_scheduler_set_hooks(loop, hooks);
}

/** Calls the function of the same name, after filling in a `struct_size` of 0. */
#define ptk_scheduler_set_hooks(loop, hooks) ptk_scheduler_set_hooks_sized((loop), (hooks))

#ifdef __cplusplus
}
#endif
