/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_cancel.h
 * Cancellation and shields.
 *
 * Cancellation is level-triggered: once a green thread is cancelled, every call of it that may park returns
 * PTK_ERR_CANCELED at entry, until the green thread ends. A call that is parked ends with PTK_ERR_CANCELED,
 * unless its result is complete already. Calls with timeout 0 are not cancelled (ptk_yield() and
 * ptk_sleep_ms(0) are: they park), nor are close, reset, destroy and ptk_green_end(). Clean-up that must wait
 * for anything else uses a shield.
 *
 * A cancelled green thread is to return. If it goes on, the others go on beside it: any call with a timeout
 * other than 0 may switch, also one that returns PTK_ERR_CANCELED, and from the 1,000th refusal in a row on
 * each takes 1 ms; the log names the green thread once.
 *
 * ptk_green_cancel() is in ptk_green.h.
 */
#pragma once

#include <ptk_api.h>
#include <ptk_err.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Why the running green thread is cancelled. */
typedef enum ptk_cancel_cause {
    PTK_CANCEL_NONE = 0,     /**< It is not cancelled, or a shield hides it. */
    PTK_CANCEL_REQUEST = 1,  /**< ptk_green_cancel() or ptk_green_end(). */
    PTK_CANCEL_DEADLINE = 2, /**< A scope's deadline passed: the green thread's lifetime, or a shield's own
                                limit. */
    PTK_CANCEL_STOP = 3,     /**< The loop stops, or only daemons are left. */
} ptk_cancel_cause_t;

/**
 * Returns why calls of the running green thread return PTK_ERR_CANCELED now.
 *
 * @return the cause; PTK_CANCEL_NONE if they do not, or outside a green thread.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API ptk_cancel_cause_t ptk_cancel_cause(void);

/** A shield, on the caller's stack: between begin and end, cancels and deadlines from outside are hidden. */
typedef struct ptk_shield {
    uintptr_t opaque[4]; /**< ptk's. */
} ptk_shield_t;

/**
 * Begins a shield with a limit of its own: after `timeout_ms` the calls inside it return PTK_ERR_CANCELED
 * with the cause PTK_CANCEL_DEADLINE. Shields nest.
 *
 * @param shield      the shield's record
 * @param timeout_ms  the limit in milliseconds, not 0; PTK_TIMEOUT_INFINITE: none
 * @return PTK_OK, or
 *         PTK_ERR_NOT_GREEN: called outside a green thread;
 *         PTK_ERR_INVALID_PARAM: `shield` is NULL or `timeout_ms` is 0;
 *         PTK_ERR_NO_RESOURCES: out of memory;
 *         PTK_ERR_FORKED: the loop was inherited over a fork.
 *
 * Parks: no. \n
 * Thread: a green thread. \n
 * Ownership: `shield` is the caller's memory, and must stay in place until ptk_shield_end().
 */
PTK_API PTK_NODISCARD ptk_err ptk_shield_begin(ptk_shield_t *shield, uint32_t timeout_ms);

/**
 * Ends the innermost shield.
 *
 * @param shield  the shield that ptk_shield_begin() began last
 * @return PTK_OK, or
 *         PTK_ERR_INVALID_PARAM: it is not the innermost shield of this green thread;
 *         PTK_ERR_NOT_GREEN: called outside a green thread;
 *         PTK_ERR_FORKED: the loop was inherited over a fork.
 *
 * Parks: no. \n
 * Thread: the green thread that began it.
 */
PTK_API PTK_NODISCARD ptk_err ptk_shield_end(ptk_shield_t *shield);

#ifdef __cplusplus
}
#endif
