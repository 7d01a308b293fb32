/* SPDX-License-Identifier: MIT */
/*
 * Which inboxes hear of which signal (layer 0): one of the three process-wide tables.
 *
 * One handler per signal only notes the arrival: it adds to each subscription's count and pushes its node.
 * The handler takes no lock. Unsubscribing waits until no handler on another thread still looks at the
 * subscription. The first subscription of a signal saves the earlier disposition, the end of the last
 * restores it.
 */
#pragma once

#include "base/ptk_inbox.h"
#include <ptk_err.h>

typedef struct ptk_signal_subscription {
    ptk_inbox_node_t node;       /* what the inbox gets */
    atomic_uint_least32_t count; /* arrivals since the consumer last took them; saturates */
    ptk_inbox_t *inbox;          /* counted */
    int signal_number;
    const struct ptk_sim_kernel *kernel; /* of the simulated host that subscribed; NULL: none */
    uint32_t slot;                       /* its place in the table */
} ptk_signal_subscription_t;

/* Start and stop hearing. `subscription` is the caller's memory. From any thread, not from a handler.
   INVALID_PARAM for a signal that cannot be caught, NO_RESOURCES if the table is full. Unsubscribe leaves the
   node queued if it was: the consumer must take it from the inbox (or find it there) before the memory goes.
 */
ptk_err ptk_signal_subscribe(ptk_signal_subscription_t *subscription, ptk_inbox_t *inbox, int signal_number);
void ptk_signal_unsubscribe(ptk_signal_subscription_t *subscription);

/* What the handler does for `kernel` NULL: note the arrival of a signal with those who subscribed on that
   simulated host, or on none. */
void ptk_signal_arrives(int signal_number, const struct ptk_sim_kernel *kernel);
