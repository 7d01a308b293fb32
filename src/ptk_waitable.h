/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_waitable.h
 * Waitables: things a green thread can wait for. A descriptor of anybody's, a timer, a signal, or an event of
 * your own.
 */
#pragma once

#include <ptk_err.h>
#include <ptk_event_loop_platform.h>
#include <ptk_time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Something that a green thread can wait for. */
typedef struct ptk_waitable ptk_waitable_t;
/** The event loop of one OS thread. */
typedef struct ptk_event_loop_platform ptk_event_loop_platform_t;

/** What a waitable is. The comment says what `platform_handle` must be. */
typedef enum {
    PTK_WAITABLE_SOCKET, /**< PTK_HANDLE_FD(fd): any pollable descriptor, of any library; it stays its
                            owner's. */
    PTK_WAITABLE_TIMER,  /**< const ptk_timer_spec_t *, copied. */
    PTK_WAITABLE_SIGNAL, /**< PTK_HANDLE_SIGNAL(signo). */
    PTK_WAITABLE_USER,   /**< NULL. */
} ptk_waitable_type_t;

/** A descriptor as a `platform_handle`. Descriptor 0 is NULL and valid. */
#define PTK_HANDLE_FD(fd) ((void *) (intptr_t) (fd))
/** A signal number as a `platform_handle`. */
#define PTK_HANDLE_SIGNAL(signo) ((void *) (intptr_t) (signo))

/** Readable, or an end of stream. TIMER, SIGNAL and USER waitables use READ. */
#define PTK_EVENT_READ 1u
/** Writable. */
#define PTK_EVENT_WRITE 2u
/** An error or a hang-up. Reported whether asked for or not. */
#define PTK_EVENT_ERROR 4u

/** When a TIMER waitable fires, in nanoseconds from its creation: after `first_ns`, then every `period_ns`
   (0: never again) without drift. */
typedef struct ptk_timer_spec {
    uint64_t first_ns;  /**< Until the first expiry. */
    uint64_t period_ns; /**< Between expiries; 0: once. */
} ptk_timer_spec_t;

/**
 * Create a waitable and register it with an event loop (thread local). Never parks; owner thread; `loop` NULL
 * means the current one. The caller destroys it. NULL on failure, reason in ptk_get_err(): INVALID_PARAM
 * (also: no such descriptor, a signal that cannot be caught), NO_RESOURCES, WRONG_THREAD, NO_LOOP, FORKED.
 *
 * A SIGNAL waitable latches from here on; a signal reaches every loop that has a waitable for it.
 */
PTK_API ptk_waitable_t *ptk_waitable_create(ptk_event_loop_platform_t *loop, ptk_waitable_type_t type,
                                            void *platform_handle);

/**
 * Destroy the waitable: it is deregistered, and who waits for it gets CLOSED. NULL is fine; so is one that is
 * gone already. A socket's own waitable (ptk_sock_waitable) is left alone. Never parks; owner thread.
 */
PTK_API void ptk_waitable_destroy(ptk_waitable_t *waitable);

/**
 * Wait for readiness. Parks the calling green thread until the waitable is ready for one of `events`, or
 * `timeout_ms` has passed (0: only look; PTK_TIMEOUT_INFINITE: no limit). From a green thread of the
 * waitable's loop; with timeout 0 also outside.
 *
 * SOCKET: `events` is a set of PTK_EVENT_READ and PTK_EVENT_WRITE; ptk_waitable_ready() says which came. It
 * is level-triggered, like poll(2). One green thread waits per direction, a second gets BUSY. A regular file
 * is always ready. TIMER, SIGNAL, USER: `events` is PTK_EVENT_READ. Events are counted (saturating); a wait
 * takes the whole count, which ptk_waitable_count() then tells; many may wait, first come first served, one
 * event wakes one.
 *
 * Errors: TIMEOUT, CANCELED, CLOSED (destroyed), ABORTED (ptk_waitable_abort), BUSY, NOT_GREEN, WRONG_THREAD,
 * INVALID_PARAM (no or unknown events), NO_RESOURCES, FORKED.
 */
PTK_API ptk_err ptk_waitable_wait(ptk_waitable_t *waitable, uint32_t events, uint32_t timeout_ms);

/** One waitable of a ptk_waitable_wait_any(). */
typedef struct ptk_waitable_wait_item {
    ptk_waitable_t *waitable; /**< What to wait for. */
    uint32_t events;          /**< As for ptk_waitable_wait(). */
    uint32_t ready_out;       /**< What came, 0 if nothing. */
    uint64_t count_out;       /**< The count that was taken, as by ptk_waitable_count(). */
} ptk_waitable_wait_item_t;

/**
 * Wait for the first of several (1 to PTK_WAIT_ANY_MAX) to be ready. Exactly one event is taken: `index_out`
 * says whose. If several are ready, the first in the array wins. Parks; otherwise as ptk_waitable_wait(); an
 * error of one item (CLOSED, ABORTED, BUSY) ends the call with that item's index.
 */
PTK_API ptk_err ptk_waitable_wait_any(ptk_waitable_wait_item_t *items, size_t item_count, size_t *index_out,
                                      uint32_t timeout_ms);

/** Most items of one ptk_waitable_wait_any(). */
#define PTK_WAIT_ANY_MAX 64

/** The events that the calling green thread's last successful wait reported. Never parks; from a green thread
 * (else 0). */
PTK_API uint32_t ptk_waitable_ready(void);

/** The count that the calling green thread's last successful wait took. Never parks; from a green thread
 * (else 0). */
PTK_API uint64_t ptk_waitable_count(void);

/**
 * Signal a USER waitable: its count grows by one and the first waiter wakes. Never parks; owner thread, not
 * from a signal handler. INVALID_PARAM for another type, CLOSED, WRONG_THREAD.
 */
PTK_API ptk_err ptk_waitable_signal(ptk_waitable_t *waitable);

/** End every current wait for the waitable with ABORTED; later waits go on as ever. Never parks; owner
 * thread. */
PTK_API ptk_err ptk_waitable_abort(ptk_waitable_t *waitable);

/** A counted reference to a USER waitable, for other threads and for signal handlers. */
typedef struct ptk_signaler ptk_signaler_t;

/**
 * A signaler for a USER waitable, with one reference. Never parks; owner thread. It may outlive the waitable
 * and the loop. NULL on failure: INVALID_PARAM, NO_RESOURCES, CLOSED, WRONG_THREAD.
 */
PTK_API ptk_signaler_t *ptk_waitable_signaler(ptk_waitable_t *waitable);

/**
 * Signal its waitable. Never parks; any thread, and async-signal-safe; lock-free. CLOSED once the waitable is
 * gone: nothing happened then.
 */
PTK_API ptk_err ptk_signaler_signal(ptk_signaler_t *signaler);

/** One more reference. Never parks; any thread. Answers `signaler`. */
PTK_API ptk_signaler_t *ptk_signaler_ref(ptk_signaler_t *signaler);

/** Give a reference back; the last one frees it. NULL is fine. Never parks; any thread, not from a signal
 * handler. */
PTK_API void ptk_signaler_unref(ptk_signaler_t *signaler);

#ifdef __cplusplus
}
#endif
