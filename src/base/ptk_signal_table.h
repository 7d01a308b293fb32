/* SPDX-License-Identifier: MIT */
/*
 * The process-wide table of signal subscriptions (layer 0): the inboxes that are notified of a signal.
 *
 * The one handler counts an arrival in each subscription of the signal and pushes its node; it takes no lock.
 * Unsubscribing waits until no handler on another thread uses the subscription any more. The first
 * subscription of a signal installs ptk's handler, and the end of the last one removes it, beside the
 * handlers of others (ptk_signal_chain.h).
 */
#pragma once

#include "base/ptk_inbox.h"
#include <ptk_err.h>

/* One subscription, in the subscriber's memory. */
typedef struct ptk_signal_subscription {
    ptk_inbox_node_t node;       /* the message that the inbox gets */
    atomic_uint_least32_t count; /* arrivals since the consumer last read them; saturates */
    ptk_inbox_t *inbox;          /* counted; NULL: `notify` is called instead */
    void (*notify)(struct ptk_signal_subscription *subscription);
    int signal_number;
    const void *host; /* the subscriber's ptk_thread_block_t.host: NULL for real signals */
    uint32_t slot;    /* its index in the table */
} ptk_signal_subscription_t;

/* Subscribes to `signal_number`; messages go to `inbox`, of which it takes a reference. `subscription` is the
 * caller's memory and stays in place until it is unsubscribed. Returns INVALID_PARAM for a signal that cannot
 * be caught, NO_RESOURCES if the table is full. Logs a warning if the calling thread blocks the signal. Any
 * thread, not from a signal handler. */
ptk_err ptk_signal_subscribe(ptk_signal_subscription_t *subscription, ptk_inbox_t *inbox, int signal_number);

/* The same, with a function that the handler calls at each arrival, on any thread, after it has counted it.
 * It must be async-signal-safe. */
ptk_err ptk_signal_subscribe_notify(ptk_signal_subscription_t *subscription,
                                    void (*notify)(ptk_signal_subscription_t *subscription),
                                    int signal_number);

/* Ends a subscription. The node stays queued if it is: the consumer drains it from the inbox before the
 * memory is reused. Any thread, not from a signal handler. */
void ptk_signal_unsubscribe(ptk_signal_subscription_t *subscription);

/* Notifies the subscriptions of `signal_number` that were made on `host` (NULL: on the machine itself). The
 * body of the handler; a caller other than the handler raises signals on hosts that are not the machine.
 * Async-signal-safe. */
void ptk_signal_arrives(int signal_number, const void *host);
