/* SPDX-License-Identifier: MIT */
/*
 * Signalers (layer 4): how other threads and signal handlers reach a USER waitable.
 *
 * A signaler lives apart from waitable and loop. A signal adds to the count, and pushes the one embedded node
 * into the loop's inbox unless it is pushed already; the loop takes the node, clears `posted`, and only then
 * takes the count, so an event that comes in between is either in this count or pushes the node again.
 *
 * Two counts. *Holders* are the users' references and a pushed node: as long as there is one, the signaler
 * keeps the inbox alive, and the loop counts as externally wakeable. *Shares* keep the memory: the waitable
 * has one until it is destroyed, all holders together have the other.
 *
 *     open  --the waitable is destroyed-->  closed        (for ever; signals return CLOSED)
 *
 * Invariant: `posted` is true exactly while the node is on its way: pushed, or about to be pushed by the
 * producer that set it. So at most one producer pushes, and the node is a holder once.
 */
#include "wait/ptk_signaler.h"

#include "base/ptk_memory.h"

struct ptk_signaler {
    ptk_inbox_node_t node;        /* the one message that is pushed */
    ptk_inbox_t *inbox;           /* of the loop; counted while there are holders */
    ptk_event_counter_t *counter; /* the waitable's; owner thread only; NULL once it is gone */
    atomic_uint_least64_t count;  /* signals that the loop has not taken yet; saturates */
    atomic_uint holders;
    atomic_uint shares;
    atomic_bool posted;
    atomic_bool closed;
};

/* Takes the count over to the loop's thread and drops the node's hold. Also runs after the waitable's end,
 * when the inbox is drained for the last time. */
static void deliver_signals(ptk_inbox_node_t *node) {
    ptk_signaler_t *signaler = ptk_container_of(node, ptk_signaler_t, node);
    ptk_inbox_node_dequeued(node);
    bool was_posted = atomic_exchange(&signaler->posted, false);
    ptk_assert(was_posted && atomic_load(&signaler->holders) > 0);
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
    signaler->node.deliver = deliver_signals;
    signaler->inbox = scheduler->inbox;
    signaler->counter = counter;
    atomic_init(&signaler->shares, 1);
    return signaler;
}

/* Drops a share; the last one frees the signaler. */
static void drop_share(ptk_signaler_t *signaler) {
    if (atomic_fetch_sub_explicit(&signaler->shares, 1, memory_order_acq_rel) == 1) {
        ptk_free(signaler);
    }
}

/* The first holder brings the holders' share, the inbox and the waker; the last one takes them back. */
void ptk_signaler_hand_out(ptk_signaler_t *signaler) {
    if (atomic_fetch_add(&signaler->holders, 1) == 0) {
        atomic_fetch_add(&signaler->shares, 1);
        ptk_inbox_ref(signaler->inbox);
        ptk_inbox_add_waker(signaler->inbox);
    }
}

void ptk_signaler_close(ptk_signaler_t *signaler) {
    ptk_assert(signaler->counter != NULL && atomic_load(&signaler->shares) > 0);
    signaler->counter = NULL;
    atomic_store(&signaler->closed, true);
    drop_share(signaler);
}

/* Counts one signal up to UINT64_MAX. */
static void count_signal(atomic_uint_least64_t *count) {
    uint_least64_t value = atomic_load_explicit(count, memory_order_relaxed);
    while (value < UINT64_MAX && !atomic_compare_exchange_weak(count, &value, value + 1)) {
    }
}

/* Records a failure, except in a signal handler, which must leave the error of the interrupted code as it is.
 */
static ptk_err signal_failure(ptk_err err) {
    return ptk_sys_real.in_signal_handler() ? err : ptk_fail(err);
}

/* Pushes the signaler's node into the inbox, and returns false if the loop is gone. The node is a holder
 * until it is delivered. */
static bool post_node(ptk_signaler_t *signaler) {
    atomic_fetch_add(&signaler->holders, 1);
    if (ptk_inbox_push(signaler->inbox, &signaler->node)) {
        return true;
    }
    atomic_fetch_sub(&signaler->holders, 1); /* the caller is a holder, so this is not the last */
    return false;
}

ptk_err ptk_signaler_signal(ptk_signaler_t *signaler) {
    if (!signaler) {
        return signal_failure(PTK_ERR_INVALID_PARAM);
    }
    if (atomic_load(&signaler->closed)) {
        return signal_failure(PTK_ERR_CLOSED);
    }
    count_signal(&signaler->count);
    bool is_posted = atomic_exchange(&signaler->posted, true);
    return is_posted || post_node(signaler) ? PTK_OK : signal_failure(PTK_ERR_CLOSED);
}

ptk_signaler_t *ptk_signaler_ref(ptk_signaler_t *signaler) {
    if (signaler) {
        atomic_fetch_add_explicit(&signaler->holders, 1, memory_order_relaxed);
    }
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
