/* SPDX-License-Identifier: MIT */
/*
 * Signalers (floor 4): how other threads and signal handlers reach a USER waitable.
 *
 * A signaler is counted and lives apart from waitable and loop; it keeps the inbox alive, not the loop. Signalling adds to
 * the count, and posts the one embedded node unless it is posted already; the loop takes the node, clears `posted`, and
 * only then takes the count, so an event that comes in between is either in this count or posts again. A posted node
 * holds a reference: whoever lets go last, a thread or the loop, frees it.
 */
#include "ptk_waitable_impl.h"

#include "base/ptk_memory.h"

struct ptk_signaler {
    ptk_inbox_node_t node;
    ptk_inbox_t *inbox; /* counted */
    ptk_latch_t *latch; /* owner thread only; NULL once it is gone */
    atomic_uint_least64_t count;
    atomic_uint references;
    atomic_bool posted;
    atomic_bool closed;
};

static void deliver(ptk_inbox_node_t *node) {
    ptk_signaler_t *signaler = ptk_container_of(node, ptk_signaler_t, node);
    ptk_inbox_node_taken(node);
    atomic_exchange(&signaler->posted, false);
    uint64_t count = atomic_exchange(&signaler->count, 0);
    if (signaler->latch && count > 0) {
        ptk_latch_add(signaler->latch, count);
    }
    ptk_signaler_release(signaler);
}

ptk_signaler_t *ptk_signaler_create(ptk_scheduler_t *scheduler, ptk_latch_t *latch) {
    ptk_signaler_t *signaler = ptk_allocate_zeroed(sizeof *signaler);
    if (!signaler) {
        return NULL;
    }
    signaler->node.deliver = deliver;
    signaler->inbox = scheduler->inbox;
    signaler->latch = latch;
    ptk_inbox_reference(signaler->inbox);
    atomic_init(&signaler->references, 1);
    return signaler;
}

void ptk_signaler_close(ptk_signaler_t *signaler) {
    signaler->latch = NULL;
    atomic_store(&signaler->closed, true);
    ptk_signaler_release(signaler);
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
    atomic_fetch_add(&signaler->references, 1);
    if (ptk_inbox_push(signaler->inbox, &signaler->node)) {
        return PTK_OK;
    }
    atomic_fetch_sub(&signaler->references, 1); /* the caller's own reference keeps it alive */
    return PTK_ERR_CLOSED;
}

ptk_signaler_t *ptk_signaler_reference(ptk_signaler_t *signaler) {
    atomic_fetch_add_explicit(&signaler->references, 1, memory_order_relaxed);
    return signaler;
}

void ptk_signaler_release(ptk_signaler_t *signaler) {
    if (signaler && atomic_fetch_sub_explicit(&signaler->references, 1, memory_order_acq_rel) == 1) {
        ptk_inbox_release(signaler->inbox);
        ptk_release(signaler);
    }
}
