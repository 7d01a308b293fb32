/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_green.h
 * Green threads: start, join, cancel; sleep and yield; names, local storage, shields.
 *
 * Cancellation is level-triggered (as in Trio): once a green thread is cancelled, every call of it that may
 * park answers CANCELED at entry, until it ends. A call that is parked ends with CANCELED, unless its result
 * is complete already. Calls with timeout 0, close, abort and destroy are never cancelled. Clean-up that must
 * wait uses a shield.
 */
#pragma once

#include <ptk_event_loop_platform.h>
#include <ptk_time.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A handle to a green thread: from ptk_green_spawn() (yours until join or detach) or ptk_green_self() (to
 * look at). */
typedef struct ptk_green ptk_green_t;

/** The body of a green thread. What it returns is what ptk_green_join() hands out. */
typedef ptk_err (*ptk_green_fn)(void *arg);

/** This green thread changes floating-point control words (rounding mode, exception masks): keep its own. */
#define PTK_GREEN_FP 1u
/** A daemon: ptk_scheduler_run() does not wait for it, and cancels it when only daemons are left. */
#define PTK_GREEN_DAEMON 2u

/** Options for ptk_green_spawn(). Zero in a field means its default. */
typedef struct ptk_green_options {
    uint32_t struct_size; /**< sizeof this struct; PTK_GREEN_OPTIONS_INIT fills it. */
    uint32_t flags;       /**< PTK_GREEN_FP, PTK_GREEN_DAEMON. */
    const char *name;     /**< For reports; copied, cut at 31 bytes. NULL: the function's name. */
    size_t stack_bytes;   /**< At least this much stack; 0: one slot (64 KiB with its guard). */
    void *stack; /**< The caller's own memory of `stack_bytes` bytes, used until the green thread has been
                      joined or has ended; it gets no guard. NULL: ptk's. */
    uint32_t lifetime_ms; /**< A deadline for the green thread's whole life: it is cancelled then, with the
                             cause PTK_CANCEL_DEADLINE. 0 or PTK_TIMEOUT_INFINITE: none. */
    uint32_t reserved;    /**< Zero. */
} ptk_green_options_t;

/** Initialises ptk_green_options_t; fields that are not named are zero. */
#define PTK_GREEN_OPTIONS_INIT {(uint32_t) sizeof(ptk_green_options_t), 0, 0, 0, 0, 0, 0}

/** ptk_go() with the function's name and the place of the call. Never parks. */
PTK_API ptk_err ptk_go_at(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg, const char *name,
                          const char *file, int line);

/** ptk_green_spawn() with the function's name and the place of the call. Never parks. */
PTK_API ptk_green_t *ptk_green_spawn_at(ptk_event_loop_platform_t *loop, const ptk_green_options_t *options,
                                        ptk_green_fn fn, void *arg, const char *name, const char *file,
                                        int line);

/**
 * `ptk_err ptk_go(ptk_event_loop_platform_t *loop, ptk_green_fn fn, void *arg)`: start a green thread and
 * forget it. It runs when its turn comes. If `fn` returns other than OK or CANCELED, that is logged once.
 * Never parks; owner thread, inside or outside a green thread, also before run; `loop` NULL means the current
 * one. `arg` is passed on, not copied. Errors: NO_RESOURCES (memory, stacks, the loop's limit),
 * INVALID_PARAM, WRONG_THREAD, NO_LOOP, NOT_SUPPORTED (foreign hooks without spawn), FORKED.
 */
#define ptk_go(loop, fn, arg) ptk_go_at((loop), (fn), (arg), #fn, __FILE__, __LINE__)

/**
 * `ptk_green_t *ptk_green_spawn(ptk_event_loop_platform_t *loop, const ptk_green_options_t *options,
 * ptk_green_fn fn, void *arg)`: start a green thread and get a handle, which ptk_green_join() or
 * ptk_green_detach() ends. `options` may be NULL. Never parks; thread and errors as for ptk_go(); NULL on
 * failure with the reason in ptk_get_err().
 */
#define ptk_green_spawn(loop, options, fn, arg)                                                              \
    ptk_green_spawn_at((loop), (options), (fn), (arg), #fn, __FILE__, __LINE__)

/**
 * Wait until a green thread has ended and take what it returned (`result_out` may be NULL); the handle is
 * gone then. Parks. From a green thread of the same loop; with timeout 0 also outside. On TIMEOUT and
 * CANCELED the handle stays valid and may be joined again. One green thread joins (a second gets BUSY);
 * joining oneself is INVALID_PARAM; a handle that was joined or detached is CLOSED. Semantics as
 * pthread_join(3).
 */
PTK_API ptk_err ptk_green_join(ptk_green_t *green, ptk_err *result_out, uint32_t timeout_ms);

/**
 * Cancel a green thread: see the top of this file. Permanent; repeating it does nothing. It is asynchronous:
 * join to know the end. Never parks; owner thread. CLOSED if the handle is gone; OK if the green thread has
 * ended already.
 */
PTK_API ptk_err ptk_green_cancel(ptk_green_t *green);

/** Give the handle up: the green thread ends by itself. Never parks; owner thread. CLOSED if the handle is
 * gone. */
PTK_API ptk_err ptk_green_detach(ptk_green_t *green);

/**
 * Let the others that are runnable go first. Parks (runnable). From a green thread. A cancellation point:
 * CANCELED. NOT_GREEN outside a green thread.
 */
PTK_API ptk_err ptk_yield(void);

/**
 * Sleep for `ms` milliseconds: never less; 0 is a yield; PTK_TIMEOUT_INFINITE until cancelled. Parks. From a
 * green thread. OK when the time has passed; CANCELED, NOT_GREEN.
 */
PTK_API ptk_err ptk_sleep_ms(uint32_t ms);

/** Sleep until ptk_now_ns() has reached `deadline_ns`; a past one is a yield. Parks. As ptk_sleep_ms(). */
PTK_API ptk_err ptk_sleep_until(uint64_t deadline_ns);

/** The running green thread, NULL outside one. Borrowed: valid while it runs. Never parks; any thread. */
PTK_API ptk_green_t *ptk_green_self(void);

/** A green thread's name, "" for a handle that is gone. Never parks; owner thread; valid while the handle is.
 */
PTK_API const char *ptk_green_name(ptk_green_t *green);

/** Why the running green thread is being cancelled. */
typedef enum ptk_cancel_cause {
    PTK_CANCEL_NONE = 0,    /**< It is not, or a shield hides it. */
    PTK_CANCEL_REQUEST = 1, /**< ptk_green_cancel(). */
    PTK_CANCEL_DEADLINE =
        2, /**< A scope's deadline passed: the green thread's lifetime, or a shield's own limit. */
    PTK_CANCEL_STOP = 3, /**< The loop stops, or only daemons are left. */
} ptk_cancel_cause_t;

/** Why calls of the running green thread answer CANCELED now. Never parks; from a green thread (else NONE).
 */
PTK_API ptk_cancel_cause_t ptk_cancel_cause(void);

/** A shield, on the caller's stack: between begin and end, cancels and deadlines from outside are hidden. */
typedef struct ptk_shield {
    uintptr_t opaque[4]; /**< ptk's. */
} ptk_shield_t;

/**
 * Begin a shield with a limit of its own: after `timeout_ms` its calls are CANCELED with the cause
 * PTK_CANCEL_DEADLINE. Never parks; from a green thread. `shield` is the caller's memory until
 * ptk_shield_end(); shields nest. NOT_GREEN, INVALID_PARAM (timeout 0), NO_RESOURCES.
 */
PTK_API ptk_err ptk_shield_begin(ptk_shield_t *shield, uint32_t timeout_ms);

/** End the innermost shield. Never parks; from the green thread that began it. INVALID_PARAM if it is not the
 * innermost. */
PTK_API ptk_err ptk_shield_end(ptk_shield_t *shield);

/** A key of green-local storage: a static variable, the same for all green threads. */
typedef struct ptk_green_key {
    void (*destructor)(
        void *value); /**< Called with a non-NULL value when its green thread ends, on its stack; or NULL. */
} ptk_green_key_t;

/**
 * Set the running green thread's value of `key`, which must outlive it. Never parks; from a green thread.
 * NOT_GREEN, NO_RESOURCES (the first set of a key allocates).
 */
PTK_API ptk_err ptk_green_set_local(const ptk_green_key_t *key, void *value);

/** The running green thread's value of `key`, NULL if unset or outside a green thread. Never parks; any
 * thread. */
PTK_API void *ptk_green_get_local(const ptk_green_key_t *key);

#ifdef __cplusplus
}
#endif
