/* SPDX-License-Identifier: MIT */
/*
 * Signalers (layer 4): how other threads and signal handlers reach a USER waitable.
 *
 * A signaler lives apart from waitable and loop. Signalling adds to the count, and posts the one embedded
 * node unless it is posted already; the loop takes the node, clears `posted`, and only then takes the count,
 * so an event that comes in between is either in this count or posts again.
 *
 * Two counts. *Holders* are the users' references and a posted node: as long as there is one, the signaler
 * keeps the inbox alive, and the loop has hope that somebody outside may still wake it.
 * *Shares* keep the memory: the waitable has one until it is destroyed, all holders together have the other.
 */
#include "wait/ptk_waitable_impl.h"

#include "base/ptk_memory.h"

struct ptk_signaler {
    ptk_inbox_node_t node;
    ptk_inbox_t *inbox;           /* counted while there are holders */
    ptk_event_counter_t *counter; /* owner thread only; NULL once it is gone */
    atomic_uint_least64_t count;
    atomic_uint holders;
    atomic_uint shares;
    atomic_bool posted;
    atomic_bool closed;
};

static void deliver(ptk_inbox_node_t *node) {
    ptk_signaler_t *signaler = ptk_container_of(node, ptk_signaler_t, node);
    ptk_inbox_node_dequeued(node);
    atomic_exchange(&signaler->posted, false);
    uint64_t count = atomic_exchange(&signaler->count, 0);
    if (signaler->counter && count > 0) {
        ptk_event_counter_add(signaler->counter, count);
    }
    ptk_signaler_unref(signaler);
}

ptk_signaler_t *ptk_signaler_create(ptk_scheduler_t *scheduler, ptk_event_counter_t *counter) {
    ptk_signaler_t *signaler = ptk_allocate_zeroed(sizeof *signaler);
    if (!signaler) {
        return NULL;
    }
    signaler->node.deliver = deliver;
    signaler->inbox = scheduler->inbox;
    signaler->counter = counter;
    atomic_init(&signaler->shares, 1);
    return signaler;
}

static void drop_share(ptk_signaler_t *signaler) {
    if (atomic_fetch_sub_explicit(&signaler->shares, 1, memory_order_acq_rel) == 1) {
        ptk_free(signaler);
    }
}

void ptk_signaler_hand_out(ptk_signaler_t *signaler) {
    if (atomic_fetch_add(&signaler->holders, 1) == 0) {
        atomic_fetch_add(&signaler->shares, 1);
        ptk_inbox_ref(signaler->inbox);
        ptk_inbox_add_waker(signaler->inbox);
    }
}

void ptk_signaler_close(ptk_signaler_t *signaler) {
    signaler->counter = NULL;
    atomic_store(&signaler->closed, true);
    drop_share(signaler);
}

static void add_saturating(atomic_uint_least64_t *count) {
    uint_least64_t value = atomic_load_explicit(count, memory_order_relaxed);
    while (value < UINT64_MAX && !atomic_compare_exchange_weak(count, &value, value + 1)) {
    }
}

ptk_err ptk_signaler_signal(ptk_signaler_t *signaler) {
    if (!signaler) {
        return PTK_ERR_INVALID_PARAM;
    }
    if (atomic_load(&signaler->closed)) {
        return PTK_ERR_CLOSED;
    }
    add_saturating(&signaler->count);
    if (atomic_exchange(&signaler->posted, true)) {
        return PTK_OK;
    }
    atomic_fetch_add(&signaler->holders, 1);
    if (ptk_inbox_push(signaler->inbox, &signaler->node)) {
        return PTK_OK;
    }
    atomic_fetch_sub(&signaler->holders, 1); /* the caller is a holder, so this is not the last */
    return PTK_ERR_CLOSED;
}

ptk_signaler_t *ptk_signaler_ref(ptk_signaler_t *signaler) {
    atomic_fetch_add_explicit(&signaler->holders, 1, memory_order_relaxed);
    return signaler;
}

void ptk_signaler_unref(ptk_signaler_t *signaler) {
    if (!signaler) {
        return;
    }
    ptk_inbox_t *inbox = signaler->inbox;
    if (atomic_fetch_sub_explicit(&signaler->holders, 1, memory_order_acq_rel) == 1) {
        drop_share(signaler);
        ptk_inbox_remove_waker(inbox);
        ptk_inbox_unref(inbox);
    }
}
