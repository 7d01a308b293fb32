/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_scheduler.h
 * Running a loop's green threads: run, or poll from another loop; stop; dump and counters.
 */
#pragma once

#include <ptk_event_loop_platform.h>
#include <ptk_time.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Runs the loop's green threads until all that are not daemons (#PTK_GREEN_DAEMON) have ended. Daemons are
 * then cancelled, and the call returns when they have ended too. It may be called again afterwards.
 *
 * The results of green threads are not the result of this call: it returns PTK_OK also if every one of them
 * failed. A program that needs a result spawns that green thread with a handle, and calls ptk_green_join()
 * with timeout 0 after run.
 *
 * Green threads that are cancelled, daemons at the end or all after ptk_scheduler_stop(), have the loop's
 * `destroy_timeout_ms` to end, counted from the end of the last shield. If they have not ended then, a report
 * is printed and the call returns PTK_ERR_STUCK. They still live, and run on if run is called again.
 *
 * Fairness: a green thread runs until it parks or yields. Any call with a timeout other than 0 may switch to
 * others, whatever it returns. Each operation that ends without parking, a refusal included, spends a budget,
 * and a call yields before it tries when the budget is used up: after 255 operations at most, or when a tick
 * (the loop's look at the system's poller and at the timers) is due. A tick is due 100 us after the last one
 * and is taken at a switch; the clock is read at every switch and operation while they take long, and once in
 * at most 256 switches and 128 operations while they are short. So beside a green thread that computes for a
 * time T between its calls, timers and events are late by 3 T at most; if many short switches or operations
 * came before, once by the rest of their portion. Beside bursts of 0.1 to 100 ms, between yields or between
 * requests of a client that pipelines, 2 T is the most that `ptk_bench lateness` shows. Code without calls,
 * and loops of calls with timeout 0, never switch: the watchdog names them (ptk_diagnose.h).
 *
 * @param loop  the loop; NULL means the current one
 * @return PTK_OK when all have ended, also after ptk_scheduler_stop(), or
 *         PTK_ERR_STUCK: cancelled green threads have not ended in time; a report was printed, and they
 *         still live;
 *         PTK_ERR_DEADLOCK: every green thread waits for an event that can never come; a report was printed,
 *         and the green threads are still parked;
 *         PTK_ERR_BUSY: called inside run or poll;
 *         PTK_ERR_NOT_SUPPORTED: the `resume` hook of a coroutine library has only made a coroutine runnable;
 * it runs when the library's scheduler does, between calls of ptk_scheduler_poll(); PTK_ERR_NO_RESOURCES: out
 * of memory before the start; PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see
 * ptk_event_loop_platform.h; another error, if the operating system's poller fails: ptk_get_os_err() is its
 * error number.
 *
 * Parks: no; it blocks the OS thread while no green thread is runnable. \n
 * Thread: the loop's, outside green threads.
 */
PTK_API PTK_NODISCARD ptk_err ptk_scheduler_run(ptk_event_loop_platform_t *loop);

/**
 * Takes one tick of the loop, then runs each green thread that is runnable then, once.
 *
 * @param loop         the loop; NULL means the current one
 * @param timeout_ms   the longest time to wait if no green thread is runnable; 0: do not wait;
 *                     PTK_TIMEOUT_INFINITE: no limit
 * @param next_ms_out  if not NULL, receives when to call again: 0: there is work now; PTK_TIMEOUT_INFINITE:
 *                     only events need a call; else milliseconds, rounded up
 * @return PTK_OK while green threads other than daemons live, or
 *         PTK_ERR_DONE: only daemons or no green threads are left;
 *         PTK_ERR_BUSY: called inside run or poll;
 *         other errors as for ptk_scheduler_run(), PTK_ERR_DEADLOCK, PTK_ERR_STUCK and PTK_ERR_NOT_SUPPORTED
 *         excepted.
 *
 * Parks: no; it blocks the OS thread for at most `timeout_ms`. \n
 * Thread: the loop's, outside green threads.
 */
PTK_API PTK_NODISCARD ptk_err ptk_scheduler_poll(ptk_event_loop_platform_t *loop, uint32_t timeout_ms,
                                                 uint32_t *next_ms_out);

/**
 * Returns when ptk_scheduler_poll() is to be called next, as that call itself does. Between two calls of it
 * the result may change: a socket is closed, or a coroutine of another library parks with a timeout. So a
 * loop that embeds this one takes it anew before each wait; where it watches ptk_event_loop_platform_fd()
 * alone, it need not.
 *
 * @param loop         the loop; NULL means the current one
 * @param next_ms_out  receives 0: there is work now; PTK_TIMEOUT_INFINITE: only events need a call; else
 *                     milliseconds, rounded up
 * @return PTK_OK, or
 *         PTK_ERR_INVALID_PARAM: `next_ms_out` is NULL;
 *         PTK_ERR_BUSY: called inside run or poll;
 *         PTK_ERR_NO_RESOURCES: out of memory, which only the first call on a loop can return;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's, outside run and poll.
 */
PTK_API PTK_NODISCARD ptk_err ptk_scheduler_next_ms(ptk_event_loop_platform_t *loop, uint32_t *next_ms_out);

/**
 * Cancels every living green thread, and each that is spawned until run returns; run returns when they have
 * ended, or with PTK_ERR_STUCK if they do not. Outside run it takes effect in the next one. Other threads and
 * signal handlers stop a loop through a
 * ::ptk_signaler_t for which a green thread waits.
 *
 * @param loop  the loop; NULL means the current one
 * @return PTK_OK, or
 *         PTK_ERR_NO_RESOURCES: out of memory, which only the first call on a loop can return;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's, inside or outside a green thread.
 */
PTK_API PTK_NODISCARD ptk_err ptk_scheduler_stop(ptk_event_loop_platform_t *loop);

/**
 * Prints every green thread to the report sink (ptk_log.h): name, state, what it waits for and since when,
 * deadline, spawn site, stack high-water mark (of the slot since it was mapped) and backtrace. It allocates
 * no memory.
 *
 * @param loop  the loop; NULL means the current one
 * @return PTK_OK, or
 *         PTK_ERR_NO_RESOURCES: out of memory, which only the first call on a loop can return;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_scheduler_dump(ptk_event_loop_platform_t *loop);

/** What a loop has done so far. */
typedef struct ptk_scheduler_counters {
    uint32_t struct_size;    /**< The size of this struct; the call fills it in. */
    uint32_t green_threads;  /**< Green threads that live now. */
    uint64_t spawned;        /**< Green threads ever started. */
    uint64_t switches;       /**< Times a green thread was switched to. */
    uint64_t polls;          /**< Calls of the operating system's poller. */
    uint64_t events;         /**< Events that the poller reported for sockets and descriptors. */
    uint64_t timers_armed;   /**< Timeouts that lived long enough to enter the heap. */
    uint64_t timers_fired;   /**< Timeouts and timers that expired. */
    uint64_t inbox_messages; /**< Messages from other threads and signal handlers. */
} ptk_scheduler_counters_t;

/** Initialises #ptk_scheduler_counters_t. */
#define PTK_SCHEDULER_COUNTERS_INIT {(uint32_t) sizeof(ptk_scheduler_counters_t), 0, 0, 0, 0, 0, 0, 0, 0}

/**
 * Reads a loop's counters. The macro of the same name fills in `struct_size`, so that the struct needs no
 * initialisation.
 *
 * @param loop          the loop; NULL means the current one
 * @param counters_out  receives the counters, as far as its `struct_size` reaches
 * @return PTK_OK, or
 *         PTK_ERR_INVALID_PARAM: `counters_out` is NULL, or the function was called without the macro and
 *         with no `struct_size`;
 *         PTK_ERR_NO_RESOURCES: out of memory, which only the first call on a loop can return;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_scheduler_counters(ptk_event_loop_platform_t *loop,
                                                     ptk_scheduler_counters_t *counters_out);

/** Implements the macro ptk_scheduler_counters(): fills in `struct_size`. */
PTK_NODISCARD static inline ptk_err ptk_scheduler_counters_sized(ptk_event_loop_platform_t *loop,
                                                                 ptk_scheduler_counters_t *counters_out) {
    if (counters_out) {
        counters_out->struct_size = (uint32_t) sizeof *counters_out;
    }
    return ptk_scheduler_counters(loop, counters_out);
}

/** Calls the function of the same name, after filling in `struct_size`. */
#define ptk_scheduler_counters(loop, counters_out) ptk_scheduler_counters_sized((loop), (counters_out))

/**
 * Returns the memory of ended green threads to the system: their stacks, and what the timers of a higher load
 * needed. A running loop does the same by itself, some stacks at a time, with those that no green thread has
 * used for a second, but for the first 64. Later green threads need the memory again: about 2 us for each
 * page of their stacks that they touch. Stacks stay resident where the program has locked its memory, as long
 * as a green thread lives on a neighbouring one.
 *
 * @param loop  the loop; NULL means the current one
 * @return PTK_OK, or
 *         PTK_ERR_NO_RESOURCES: out of memory, which only the first call on a loop can return;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no, but it takes some milliseconds for 1,000 stacks. \n
 * Thread: the loop's, in a green thread or outside.
 */
PTK_API PTK_NODISCARD ptk_err ptk_scheduler_trim(ptk_event_loop_platform_t *loop);

#ifdef __cplusplus
}
#endif
