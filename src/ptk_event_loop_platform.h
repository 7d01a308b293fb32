/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_event_loop_platform.h
 * The event loop of one OS thread: created, owned and destroyed there, and shared with nobody.
 */
#pragma once

#include <ptk_api.h>
#include <ptk_err.h>
#include <ptk_os_net.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The event loop of one OS thread. */
typedef struct ptk_event_loop_platform ptk_event_loop_platform_t;

/** Options for ptk_event_loop_platform_create_with(). Zero in a field means its default. */
typedef struct ptk_event_loop_platform_options {
    uint32_t struct_size; /**< sizeof this struct; PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT fills it. */
    uint32_t
        green_thread_limit; /**< Most green threads alive at once; 0: no limit. One more is NO_RESOURCES. */
    const char
        *platform; /**< "epoll" or "poll"; NULL: $PTK_PLATFORM if set, else the best that works here. */
    uint32_t destroy_timeout_ms; /**< How long destroy waits for cancelled green threads to end; 0: 5,000;
                                    PTK_TIMEOUT_INFINITE: no limit. */
    uint32_t allow_unguarded;    /**< 1: run on stacks without guard pages where guards cannot be had. */
} ptk_event_loop_platform_options_t;

/** Initialises ptk_event_loop_platform_options_t; fields that are not named are zero. */
#define PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT                                                                 \
    {(uint32_t) sizeof(ptk_event_loop_platform_options_t), 0, 0, 0, 0}

/**
 * Create this thread's event loop, with all defaults. Never parks. The calling thread owns the loop and
 * destroys it. NULL on failure, with the reason in ptk_get_err(): BUSY (this thread has a live loop),
 * NO_RESOURCES, INVALID_PARAM ($PTK_PLATFORM names no platform), NOT_SUPPORTED (that platform does not work
 * here).
 */
PTK_API ptk_event_loop_platform_t *ptk_event_loop_platform_create(void);

/**
 * Create this thread's event loop. Never parks. `options` may be NULL and is not kept. Errors as for
 * ptk_event_loop_platform_create(); an unknown non-zero tail of `options` is INVALID_PARAM.
 */
PTK_API ptk_event_loop_platform_t *
ptk_event_loop_platform_create_with(const ptk_event_loop_platform_options_t *options);

/**
 * Destroy a loop and everything that belongs to it; NULL is fine. Never parks, but runs the loop: living
 * green threads are cancelled and drained on the caller's stack. If they have not ended after
 * destroy_timeout_ms, a dump is printed and the process aborts: a stack in use is never freed; the same, if
 * that is infinite, when the system's poller fails for good and nothing else can wake them. Owner thread
 * only. Sockets, waitables and handles of the loop are gone afterwards. Errors: BUSY (called from one of its
 * green threads, inside run or poll, or with foreign coroutines that ptk still knows: see
 * ptk_foreign_forget), WRONG_THREAD, FORKED.
 */
PTK_API ptk_err ptk_event_loop_platform_destroy(ptk_event_loop_platform_t *loop);

/** The calling thread's loop, NULL if it has none. Never parks; any thread. */
PTK_API ptk_event_loop_platform_t *ptk_event_loop_platform_current(void);

/** The platform's name, "epoll" or "poll"; NULL means the current loop's. Never parks; owner thread; static
 * string. */
PTK_API const char *ptk_event_loop_platform_name(ptk_event_loop_platform_t *loop);

/**
 * A descriptor that is readable whenever ptk_scheduler_poll() has something to do, to embed the loop in
 * another one. From the first call on, deadlines and runnable work show on it too. Never parks; owner thread.
 * The loop keeps ownership: do not read or close it. PTK_OS_HANDLE_NONE on failure: NOT_SUPPORTED (platforms
 * other than epoll), NO_RESOURCES, WRONG_THREAD.
 */
PTK_API ptk_os_handle_t ptk_event_loop_platform_fd(ptk_event_loop_platform_t *loop);

#ifdef __cplusplus
}
#endif
