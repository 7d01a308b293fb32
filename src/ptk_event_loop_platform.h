/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_event_loop_platform.h
 * The event loop of one OS thread: created, used and destroyed on that thread, and shared with no other.
 *
 * Errors of every call on a loop, and on the sockets, waitables and green threads that belong to it:
 * - PTK_ERR_WRONG_THREAD: the object belongs to the loop of another thread; nothing was done.
 * - PTK_ERR_NO_LOOP: `loop` is NULL, and the calling thread has no loop.
 * - PTK_ERR_FORKED: the object was inherited over a fork; the child makes its own. Only
 *   ptk_event_loop_platform_destroy() takes an inherited loop.
 *
 * A thread that ends without destroying its loop, by returning or by pthread_exit(), also from a green
 * thread, is reported in the log. The loop is then destroyed if it has no green threads. If it has, they
 * never run again: its sockets, waitables and descriptors are closed, and the memory of its green threads is
 * not freed. A plugin that contains libptk.a must not be unloaded (`-z nodelete`); libptk.so stays mapped by
 * itself.
 */
#pragma once

#include <ptk_api.h>
#include <ptk_err.h>
#include <ptk_os_net.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The event loop of one OS thread. */
typedef struct ptk_event_loop_platform ptk_event_loop_platform_t;

/** Options for ptk_event_loop_platform_create_with(). Zero in a field means its default. */
typedef struct ptk_event_loop_platform_options {
    uint32_t struct_size;        /**< The size of this struct; 0 is filled in by the call. */
    uint32_t green_thread_limit; /**< Most green threads alive at once, 0: no limit. One more is
                                    PTK_ERR_NO_RESOURCES. */
    const char *platform; /**< "epoll" or "poll"; NULL: `$PTK_PLATFORM` if it is set, else the best that
                             works here. */
    uint32_t destroy_timeout_ms; /**< How long destroy, and the end of ptk_scheduler_run(), wait for cancelled
                                    green threads to end; 0: 5,000; PTK_TIMEOUT_INFINITE: no limit. */
    uint32_t allow_unguarded;    /**< 1: run on stacks without guard pages where guards cannot be had. */
    uint32_t report_leaks; /**< 1, or `$PTK_REPORT_LEAKS` set to anything but 0: destroy reports what was left
                              behind, see there. */
    uint32_t watchdog_ms;  /**< Report a loop that takes no tick for so long, see ptk_diagnose.h; 0: do not.
                              `$PTK_WATCHDOG_MS`, if it is a number, takes precedence. */
} ptk_event_loop_platform_options_t;

/** Initialises #ptk_event_loop_platform_options_t in C and C++; fields that are not named are zero. */
#define PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT                                                                 \
    {(uint32_t) sizeof(ptk_event_loop_platform_options_t), 0, 0, 0, 0, 0, 0}

#ifndef __cplusplus
/** Makes options in C: `&PTK_EVENT_LOOP_PLATFORM_OPTIONS(.platform = "poll")`. */
#define PTK_EVENT_LOOP_PLATFORM_OPTIONS(...)                                                                 \
    ((ptk_event_loop_platform_options_t) {                                                                   \
        .struct_size = (uint32_t) sizeof(ptk_event_loop_platform_options_t), __VA_ARGS__})
#endif

/**
 * Creates the event loop of the calling thread, with all defaults.
 *
 * @return the loop; NULL on failure, with the reason in ptk_get_err():
 *         PTK_ERR_BUSY: this thread has a loop already;
 *         PTK_ERR_NO_RESOURCES: no memory or descriptors, or the process has 32,767 loops (on 32-bit systems
 *         31);
 *         PTK_ERR_INVALID_PARAM: `$PTK_PLATFORM` names no platform;
 *         PTK_ERR_NOT_SUPPORTED: that platform does not work here, or none does: the kernel lacks a system
 *         call, or a sandbox denies it with ENOSYS, EPERM or EACCES, which is in ptk_get_os_err(). The log
 *         names the call. Without `$PTK_PLATFORM` the next platform is tried first.
 *
 * Parks: no. \n
 * Thread: any; it owns the loop from then on. \n
 * Ownership: the caller destroys the loop with ptk_event_loop_platform_destroy().
 */
PTK_API PTK_NODISCARD ptk_event_loop_platform_t *ptk_event_loop_platform_create(void);

/**
 * Creates the event loop of the calling thread with options.
 *
 * @param options  the options; NULL means all defaults
 * @return the loop; NULL on failure. The reasons are those of ptk_event_loop_platform_create(), and
 *         PTK_ERR_INVALID_PARAM also means an unknown platform's name, or a non-zero field that this version
 *         of the library does not have.
 *
 * Parks: no. \n
 * Thread: any; it owns the loop from then on. \n
 * Ownership: the caller destroys the loop with ptk_event_loop_platform_destroy(); `options` is not kept.
 */
PTK_API PTK_NODISCARD ptk_event_loop_platform_t *
ptk_event_loop_platform_create_with(const ptk_event_loop_platform_options_t *options);

/**
 * Destroys a loop and everything that belongs to it; NULL does nothing.
 *
 * Living green threads are cancelled, and run on the caller's stack until they have ended. If they have not
 * ended after `destroy_timeout_ms`, a dump is printed and the process aborts, because a stack in use is never
 * freed. That holds for green threads that make no calls, too: the watchdog (ptk_diagnose.h) sees to it. If
 * that time is infinite, the same happens when the system's poller fails for good and nothing else can wake
 * them. Sockets, waitables and handles of the loop are gone afterwards: calls on them return PTK_ERR_CLOSED.
 *
 * With the option `report_leaks`, or with `$PTK_REPORT_LEAKS`, what the program has left behind is reported,
 * a line each on the report sink: green threads that were spawned and have never run, handles that were
 * neither joined nor detached, with where they were spawned, and sockets that are open when all green threads
 * have ended, with where they were made.
 *
 * In the child of a fork, the loop of the thread that forked can be destroyed too, once, also from the green
 * thread that forked. That closes every descriptor that the child has inherited with the loop, so that ports
 * and connections end when the parent closes them. It changes nothing in the parent, and no green thread
 * runs. The memory of living green threads stays, since the caller may stand on one of their stacks.
 *
 * @param loop  the loop, or NULL
 * @return PTK_OK, or
 *         PTK_ERR_BUSY: called from one of its green threads, inside run or poll, or with foreign coroutines
 *         that are inside a call of ptk or that ptk spawned;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see the top of this file.
 *
 * Parks: no, but it runs the loop. \n
 * Thread: the loop's, outside green threads. \n
 * Ownership: frees the loop.
 */
PTK_API PTK_NODISCARD ptk_err ptk_event_loop_platform_destroy(ptk_event_loop_platform_t *loop);

/**
 * Returns the loop of the calling thread.
 *
 * @return the loop, NULL if the thread has none.
 *
 * Parks: no. \n
 * Thread: any. \n
 * Ownership: the result is borrowed.
 */
PTK_API PTK_NODISCARD ptk_event_loop_platform_t *ptk_event_loop_platform_current(void);

/**
 * Returns the name of a loop's platform.
 *
 * @param loop  the loop; NULL means the current one
 * @return "epoll" or "poll", a static string; NULL on failure, with PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP or
 *         PTK_ERR_FORKED in ptk_get_err().
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API const char *ptk_event_loop_platform_name(const ptk_event_loop_platform_t *loop);

/**
 * Returns a descriptor that is readable whenever ptk_scheduler_poll() has something to do, to embed the loop
 * in another one. From the first call on, deadlines and runnable work show on it too. It may also become
 * readable when there is nothing to do: at a deadline that is no more.
 *
 * The other loop may watch it level-triggered, and poll once each time that it is readable; or
 * edge-triggered, and poll then until `next_ms` is not 0.
 *
 * @param loop  the loop; NULL means the current one
 * @return the descriptor; PTK_OS_HANDLE_NONE on failure, with the reason in ptk_get_err():
 *         PTK_ERR_NOT_SUPPORTED: the platform has none (only epoll has one);
 *         PTK_ERR_NO_RESOURCES: no descriptor is left;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see the top of this file.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the loop keeps the descriptor: do not read or close it.
 */
PTK_API PTK_NODISCARD ptk_os_handle_t ptk_event_loop_platform_fd(ptk_event_loop_platform_t *loop);

/** A descriptor that a loop waits for. */
typedef struct ptk_poll_entry {
    ptk_os_handle_t handle; /**< The descriptor. */
    /** What to wait for: #PTK_EVENT_READ (POLLIN), #PTK_EVENT_WRITE (POLLOUT), #PTK_EVENT_HANGUP (POLLRDHUP)
     * and #PTK_EVENT_PRIORITY (POLLPRI), one or more. */
    uint32_t events;
} ptk_poll_entry_t;

/**
 * Writes what the loop waits for, to embed it in another one on any platform. With epoll it is the one
 * descriptor of ptk_event_loop_platform_fd(); with poll it is every descriptor for which a green thread
 * waits, and one that shows messages of other threads and, from the first call on, runnable work. It does not
 * show deadlines, which ptk_scheduler_next_ms() returns.
 *
 * Whenever the embedding loop is about to wait, it takes both, waits for the entries level-triggered and for
 * `next_ms` at most, and then calls ptk_scheduler_poll() with timeout 0, whatever has ended its wait. The
 * entries are valid until the next call of ptk on the loop's thread. Errors and hang-ups of a descriptor end
 * the wait too, as poll(2) reports them unrequested.
 *
 * @param loop       the loop; NULL means the current one
 * @param entries    receives the entries, each descriptor once; may be NULL if `capacity` is 0
 * @param capacity   how many entries there is room for
 * @param count_out  receives how many entries the loop has: on success, and if they are more than `capacity`
 * @return PTK_OK, or
 *         PTK_ERR_NO_RESOURCES: `capacity` is less than *count_out, and no entry was written; or no
 *         descriptor is left, and *count_out is 0;
 *         PTK_ERR_INVALID_PARAM: `count_out` is NULL, or `entries` is NULL and `capacity` is not 0;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see the top of this file.
 *
 * Parks: no. \n
 * Thread: the loop's, outside ptk_scheduler_run() and ptk_scheduler_poll(). \n
 * Ownership: the loop and the owners of waitables keep the descriptors: do not read or close them.
 */
PTK_API PTK_NODISCARD ptk_err ptk_event_loop_platform_poll_set(ptk_event_loop_platform_t *loop,
                                                               ptk_poll_entry_t *entries, size_t capacity,
                                                               size_t *count_out);

/** Implements the macro ptk_event_loop_platform_create_with(): fills in a `struct_size` of 0. */
PTK_NODISCARD static inline ptk_event_loop_platform_t *
ptk_event_loop_platform_create_sized(const ptk_event_loop_platform_options_t *options) {
    ptk_event_loop_platform_options_t copy = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    if (options && options->struct_size == 0) {
        copy = *options;
        copy.struct_size = (uint32_t) sizeof copy;
        options = &copy;
    }
    return ptk_event_loop_platform_create_with(options);
}

/** Calls the function of the same name, after filling in a `struct_size` of 0. */
#define ptk_event_loop_platform_create_with(options) ptk_event_loop_platform_create_sized(options)

#ifdef __cplusplus
}
#endif
