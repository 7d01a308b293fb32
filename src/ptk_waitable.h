/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_waitable.h
 * Waitables: things that a green thread can wait for. A descriptor of any library, a timer, a signal, or an
 * event of the program's own.
 *
 * A ptk_waitable_t pointer is a token that ptk looks up and never dereferences. Once the waitable is
 * destroyed, or its loop is gone, every call with it is refused, on 64-bit systems for ever: with
 * PTK_ERR_CLOSED, or with PTK_ERR_WRONG_THREAD if its loop is gone and a living loop of another thread has
 * its number. A call that returns a pointer returns NULL then.
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
    PTK_WAITABLE_SOCKET, /**< PTK_HANDLE_FD(fd): any pollable descriptor, of any library. The descriptor stays
                            its owner's. A socket of ptk has a waitable of its own: ptk_sock_waitable(). */
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
/** An error or a hang-up. It is reported whether it is waited for or not. */
#define PTK_EVENT_ERROR 4u
/**
 * The peer has hung up: nothing more will arrive after what has arrived already. Of a stream: the peer has
 * ended its stream (FIN), has closed or reset the connection, or the system has given it up (ptk_tcp.h); it
 * is also reported after ptk_sock_shutdown() of #PTK_SOCK_READ. Of a pipe: its other end was closed (of the
 * end that writes, #PTK_EVENT_ERROR reports it).
 *
 * A wait for it reads nothing, so it can be reported before the bytes in front of it were received, and it is
 * not #PTK_EVENT_READ: bytes that arrive do not end the wait. It does not say whether the peer still
 * receives: a peer that has only ended its own stream and waits for a response looks the same. A protocol in
 * which peers do so must not take it for a cancellation.
 */
#define PTK_EVENT_HANGUP 8u
/** Urgent bytes (TCP), or another exceptional condition of the descriptor (POLLPRI). Of a socket of ptk,
 * urgent bytes are received in their place in the stream, and the event lasts until they are: a receive
 * beside the wait may end it unseen. */
#define PTK_EVENT_PRIORITY 16u

/** When a TIMER waitable fires, in nanoseconds from its creation: after `first_ns`, then every `period_ns`
   (0: never again) without drift. Expiries that no wait takes cost nothing, however short the period is:
   their number is computed when a wait looks. */
typedef struct ptk_timer_spec {
    uint64_t first_ns;  /**< Until the first expiry. */
    uint64_t period_ns; /**< Between expiries; 0: once. */
} ptk_timer_spec_t;

/**
 * Creates a waitable and registers it with a loop.
 *
 * A SIGNAL waitable counts deliveries from here on. A signal reaches every loop that has a waitable for it.
 * A handler that the program installed before runs too, after ptk's; one that is installed later replaces
 * ptk's unless it calls it, and is left alone when the waitable is destroyed. A signal that the calling
 * thread blocks is logged as a warning: only deliveries to other threads are counted then.
 *
 * @param loop             the loop; NULL means the current one
 * @param type             what it is
 * @param platform_handle  as #ptk_waitable_type_t says
 * @return the waitable; NULL on failure, with the reason in ptk_get_err():
 *         PTK_ERR_INVALID_PARAM: `type` or `platform_handle` is not valid: no such descriptor, a signal that
 *         cannot be caught;
 *         PTK_ERR_NO_RESOURCES: no memory or descriptor is left;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the caller destroys the waitable; a descriptor stays its owner's, a timer spec is copied.
 */
PTK_API PTK_NODISCARD ptk_waitable_t *ptk_waitable_create(ptk_event_loop_platform_t *loop,
                                                          ptk_waitable_type_t type, void *platform_handle);

/**
 * Destroys a waitable: it is deregistered, and its waiters return PTK_ERR_CLOSED. NULL does nothing, nor does
 * a socket's own waitable (ptk_sock_waitable()). For a waitable that is gone already, or that belongs to
 * another thread, nothing is done and ptk_get_err() becomes PTK_ERR_CLOSED, PTK_ERR_WRONG_THREAD or
 * PTK_ERR_FORKED.
 *
 * @param waitable  the waitable, or NULL
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the waitable is gone.
 */
PTK_API void ptk_waitable_destroy(ptk_waitable_t *waitable);

/**
 * Waits until a waitable is ready. ptk_waitable_wait_for() also returns what came.
 *
 * SOCKET: `events` is a set of #PTK_EVENT_READ, #PTK_EVENT_WRITE, #PTK_EVENT_HANGUP and #PTK_EVENT_PRIORITY.
 * The wait is level-triggered: it ends at once as long as one of them is there, like poll(2). At most one
 * green thread may wait for each of the four events; another one gets PTK_ERR_BUSY. A regular file is always
 * readable and writable, and has no other events: do not wait for them.
 *
 * TIMER, SIGNAL, USER: `events` is #PTK_EVENT_READ. Events are counted, up to UINT64_MAX; one event wakes one
 * waiter, which takes the whole count. Many may wait, first come first served.
 *
 * So this is an event counter and no semaphore. With three waiters and three events in the same tick, the
 * first waiter may return with ptk_waitable_count() 3, and the other two wait on, for ever if no event
 * follows. A waiter that needs one event of several calls ptk_waitable_signal() once for each of the others.
 *
 * @param waitable    the waitable
 * @param events      what to wait for; #PTK_EVENT_ERROR is always included
 * @param timeout_ms  the longest time to wait; 0: only look; PTK_TIMEOUT_INFINITE: no limit
 * @return PTK_OK when it is ready, or
 *         PTK_ERR_TIMEOUT: the time passed;
 *         PTK_ERR_CANCELED: the caller was cancelled;
 *         PTK_ERR_CLOSED: the waitable was destroyed, or its socket was closed;
 *         PTK_ERR_ABORTED: ptk_waitable_abort() ended the wait;
 *         PTK_ERR_BUSY: another green thread waits for one of the events;
 *         PTK_ERR_INVALID_PARAM: `waitable` is NULL, `events` are none of its kind, or its descriptor was
 *         closed;
 *         PTK_ERR_NO_RESOURCES: the system is short of memory;
 *         PTK_ERR_NOT_GREEN: called outside a green thread with a non-zero timeout;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: yes, until it is ready. \n
 * Thread: a green thread of the waitable's loop; with timeout 0 also outside one.
 */
PTK_API PTK_NODISCARD ptk_err ptk_waitable_wait(ptk_waitable_t *waitable, uint32_t events,
                                                uint32_t timeout_ms);

/**
 * Waits until a waitable is ready, and returns what came: ptk_waitable_wait() with out-parameters.
 *
 * @param waitable    as for ptk_waitable_wait()
 * @param events      as for ptk_waitable_wait()
 * @param timeout_ms  as for ptk_waitable_wait()
 * @param ready_out   if not NULL, receives the events that are ready, 0 when the call fails
 * @param count_out   if not NULL, receives the count that was taken, 0 when the call fails and for SOCKET
 * @return as ptk_waitable_wait().
 *
 * Parks: yes, until it is ready. \n
 * Thread: a green thread of the waitable's loop; with timeout 0 also outside one.
 */
PTK_API PTK_NODISCARD ptk_err ptk_waitable_wait_for(ptk_waitable_t *waitable, uint32_t events,
                                                    uint32_t timeout_ms, uint32_t *ready_out,
                                                    uint64_t *count_out);

/** One waitable of a ptk_waitable_wait_any(). */
typedef struct ptk_waitable_wait_item {
    ptk_waitable_t *waitable; /**< What to wait for. */
    uint32_t events;          /**< As for ptk_waitable_wait(). */
    uint32_t ready_out;       /**< The events that are ready, 0 if none. */
    uint64_t count_out;       /**< The count that was taken, as by ptk_waitable_wait_for(). */
} ptk_waitable_wait_item_t;

/** Most items of one ptk_waitable_wait_any(). */
#define PTK_WAIT_ANY_MAX 64

/**
 * Waits until one of several waitables is ready, and reports that one only: the first in the array if several
 * are ready. The counts of the others stay for a later wait.
 *
 * @param items       the waitables and their events; receives what came
 * @param item_count  1 to #PTK_WAIT_ANY_MAX
 * @param index_out   if not NULL, receives the index of the item that is ready, or whose error it is
 * @param timeout_ms  as for ptk_waitable_wait()
 * @return as ptk_waitable_wait(): PTK_ERR_CLOSED, PTK_ERR_ABORTED and PTK_ERR_BUSY of one item end the call;
 *         PTK_ERR_INVALID_PARAM also means a bad `items` or `item_count`.
 *
 * Parks: yes, until one is ready. \n
 * Thread: a green thread of the waitables' loop; with timeout 0 also outside one. \n
 * Ownership: `items` is the caller's again when the call returns.
 */
PTK_API PTK_NODISCARD ptk_err ptk_waitable_wait_any(ptk_waitable_wait_item_t *items, size_t item_count,
                                                    size_t *index_out, uint32_t timeout_ms);

/**
 * Returns the events that the running green thread's last successful wait reported.
 *
 * @return the events, 0 outside a green thread.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API uint32_t ptk_waitable_ready(void);

/**
 * Returns the count that the running green thread's last successful wait took.
 *
 * @return the count, 0 outside a green thread.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API uint64_t ptk_waitable_count(void);

/**
 * Signals a USER waitable: its count grows by one, and its first waiter wakes.
 *
 * @param waitable  the waitable
 * @return PTK_OK, or
 *         PTK_ERR_CLOSED: it was destroyed;
 *         PTK_ERR_INVALID_PARAM: it is NULL or of another type;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's, not in a signal handler; others use ptk_signaler_signal().
 */
PTK_API PTK_NODISCARD ptk_err ptk_waitable_signal(ptk_waitable_t *waitable);

/**
 * Ends every current wait for a waitable with PTK_ERR_ABORTED. Later waits are not affected.
 *
 * @param waitable  the waitable
 * @return PTK_OK, or
 *         PTK_ERR_CLOSED: it was destroyed;
 *         PTK_ERR_INVALID_PARAM: it is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_waitable_abort(ptk_waitable_t *waitable);

/** A counted reference to a USER waitable, for other threads and for signal handlers. It is a plain pointer
 * and not a token: do not use it after the last reference was dropped. */
typedef struct ptk_signaler ptk_signaler_t;

/**
 * Makes a signaler for a USER waitable, with one reference. It may outlive the waitable and the loop.
 *
 * @param waitable  the waitable
 * @return the signaler; NULL on failure, with the reason in ptk_get_err():
 *         PTK_ERR_NO_RESOURCES: out of memory;
 *         PTK_ERR_CLOSED: the waitable was destroyed;
 *         PTK_ERR_INVALID_PARAM: it is NULL or of another type;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the caller drops the reference with ptk_signaler_unref().
 */
PTK_API PTK_NODISCARD ptk_signaler_t *ptk_waitable_signaler(ptk_waitable_t *waitable);

/**
 * Signals the waitable of a signaler. It takes no lock. In a signal handler a failure leaves the interrupted
 * code's ptk_get_err() as it is. ptk takes a thread to be in a signal handler while the thread blocks a
 * signal for which the process has a handler.
 *
 * @param signaler  the signaler
 * @return PTK_OK, or
 *         PTK_ERR_CLOSED: the waitable is gone; nothing happened;
 *         PTK_ERR_INVALID_PARAM: `signaler` is NULL.
 *
 * Parks: no. \n
 * Thread: any, also in signal handlers.
 */
PTK_API PTK_NODISCARD ptk_err ptk_signaler_signal(ptk_signaler_t *signaler);

/**
 * Takes one more reference to a signaler.
 *
 * @param signaler  the signaler, or NULL
 * @return `signaler`.
 *
 * Parks: no. \n
 * Thread: any. \n
 * Ownership: the caller drops the new reference with ptk_signaler_unref().
 */
PTK_API PTK_NODISCARD ptk_signaler_t *ptk_signaler_ref(ptk_signaler_t *signaler);

/**
 * Drops a reference to a signaler; the last one frees it. NULL does nothing.
 *
 * @param signaler  the signaler, or NULL
 *
 * Parks: no. \n
 * Thread: any, not in a signal handler. \n
 * Ownership: frees the signaler when it was the last reference.
 */
PTK_API void ptk_signaler_unref(ptk_signaler_t *signaler);

#ifdef __cplusplus
}
#endif
