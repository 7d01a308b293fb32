/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_scheduler.h
 * Running a loop's green threads: run, or poll from another loop; stop; look inside.
 */
#pragma once

#include <ptk_event_loop_platform.h>
#include <ptk_time.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Run the loop's green threads until all that are not daemons have ended; daemons are then cancelled and
 * drained. It blocks the calling OS thread (that is its purpose) and never parks. Owner thread, outside green
 * threads; `loop` NULL means the current one. It may be called again afterwards.
 *
 * Answers OK (all ended, or ptk_scheduler_stop() and the drain is complete), DEADLOCK (every green thread
 * waits for something that can never come: a report was printed, the green threads are still parked), BUSY
 * (inside run or poll), WRONG_THREAD, NO_LOOP, FORKED, or a failure of the operating system's poller.
 */
PTK_API ptk_err ptk_scheduler_run(ptk_event_loop_platform_t *loop);

/**
 * Take one tick (waiting up to `timeout_ms` if nothing is runnable), then run each green thread that is
 * runnable then, once. `next_ms_out` (may be NULL) says when to call again: 0 more work now,
 * PTK_TIMEOUT_INFINITE only events, else milliseconds, rounded up. Blocks the calling OS thread for at most
 * `timeout_ms`; never parks. Owner thread, outside green threads. OK while green threads other than daemons
 * live, CLOSED when none do; errors as for run.
 */
PTK_API ptk_err ptk_scheduler_poll(ptk_event_loop_platform_t *loop, uint32_t timeout_ms,
                                   uint32_t *next_ms_out);

/**
 * Cancel every living green thread, and each that is spawned until run returns; run returns when they have
 * ended. With no run under way it takes effect in the next one. Never parks; owner thread, inside or outside
 * a green thread. Other threads and signal handlers stop a loop through a ptk_signaler_t that a green thread
 * waits for.
 */
PTK_API ptk_err ptk_scheduler_stop(ptk_event_loop_platform_t *loop);

/**
 * Print every green thread to the report sink: name, state, what it waits for and since when, deadline, spawn
 * site, stack high-water mark (of the slot since it was mapped) and backtrace. Never parks; owner thread; no
 * memory is allocated.
 */
PTK_API ptk_err ptk_scheduler_dump(ptk_event_loop_platform_t *loop);

/** What a loop has done so far. */
typedef struct ptk_scheduler_counters {
    uint32_t struct_size;    /**< sizeof this struct; PTK_SCHEDULER_COUNTERS_INIT fills it. */
    uint32_t green_threads;  /**< Alive now. */
    uint64_t spawned;        /**< Green threads ever started. */
    uint64_t switches;       /**< Times a green thread was switched to. */
    uint64_t polls;          /**< Calls of the operating system's poller. */
    uint64_t events;         /**< Records that they delivered. */
    uint64_t timers_armed;   /**< Timeouts that lived long enough to enter the heap. */
    uint64_t timers_fired;   /**< Timeouts and timers that expired. */
    uint64_t inbox_messages; /**< Messages from other threads and signal handlers. */
} ptk_scheduler_counters_t;

/** Initialises ptk_scheduler_counters_t. */
#define PTK_SCHEDULER_COUNTERS_INIT {(uint32_t) sizeof(ptk_scheduler_counters_t), 0, 0, 0, 0, 0, 0, 0, 0}

/** Read the counters into `counters_out`, as far as its struct_size reaches. Never parks; owner thread. */
PTK_API ptk_err ptk_scheduler_counters(ptk_event_loop_platform_t *loop,
                                       ptk_scheduler_counters_t *counters_out);

/**
 * Hooks that let a foreign coroutine library own the stacks: waitables and sockets then park *its*
 * coroutines. All run on the loop's thread. `context` is passed to each.
 */
typedef struct ptk_scheduler_hooks {
    uint32_t struct_size; /**< sizeof this struct; PTK_SCHEDULER_HOOKS_INIT fills it. */
    void *context;        /**< Passed to every hook. */
    /** The running coroutine, NULL on the thread's own stack. */
    void *(*current)(void *context);
    /** Suspend the running coroutine; returns when `resume` is called for it. */
    void (*suspend)(void *context);
    /** Continue `coroutine`; returns when it suspends or ends. Called only from ptk_scheduler_poll() and run.
     */
    void (*resume)(void *context, void *coroutine);
    /** One pointer per coroutine that ptk owns, NULL at first. Must stay at its place while the coroutine
     * lives. */
    void **(*slot)(void *context, void *coroutine);
    /** Make a coroutine that runs fn(arg) when it is first resumed, and return it; NULL: out of memory. May
       be NULL: then go and spawn answer NOT_SUPPORTED. */
    void *(*spawn)(void *context, void (*fn)(void *arg), void *arg);
} ptk_scheduler_hooks_t;

/** Initialises ptk_scheduler_hooks_t; set the hooks afterwards. */
#define PTK_SCHEDULER_HOOKS_INIT {(uint32_t) sizeof(ptk_scheduler_hooks_t), 0, 0, 0, 0, 0, 0}

/**
 * Hand the loop's scheduling to a foreign coroutine library. The struct is copied. Never parks; owner thread,
 * before the loop's first green thread (BUSY afterwards). INVALID_PARAM if a hook other than `spawn` is
 * missing.
 */
PTK_API ptk_err ptk_scheduler_set_hooks(ptk_event_loop_platform_t *loop, const ptk_scheduler_hooks_t *hooks);

/**
 * The foreign coroutine `coroutine` is about to end or has ended: free what ptk keeps for it. Coroutines that
 * the `spawn` hook made need no call. Never parks; owner thread. BUSY if it is inside a call of ptk, or if
 * ptk spawned it.
 */
PTK_API ptk_err ptk_foreign_forget(void *coroutine);

#ifdef __cplusplus
}
#endif
