/* SPDX-License-Identifier: MIT */
/* Latches and turns (layer 3): see ptk_event_counter_impl.h for the model. */
#include "sched/ptk_event_counter.h"

#include "base/ptk_bug.h"

static ptk_wait_t *first_waiter(const ptk_list_t *waiters) {
    ptk_list_node_t *node = ptk_list_first(waiters);
    return node ? ptk_container_of(node, ptk_wait_t, link) : NULL;
}

void ptk_wake_all(ptk_list_t *waiters, ptk_err code) {
    ptk_wait_t *wait;
    while ((wait = first_waiter(waiters)) != NULL) {
        ptk_wake(wait, code);
    }
}

void ptk_wake_those(ptk_list_t *waiters, const void *object, ptk_err code) {
    ptk_list_node_t *node = ptk_list_first(waiters);
    while (node) {
        ptk_wait_t *wait = ptk_container_of(node, ptk_wait_t, link);
        node = ptk_list_next(waiters, node);
        if (wait->object == object) {
            ptk_wake(wait, code);
        }
    }
}

void ptk_event_counter_init(ptk_event_counter_t *counter) {
    counter->count = 0;
    ptk_list_init(&counter->waiters);
}

uint64_t ptk_event_counter_take(ptk_event_counter_t *counter) {
    uint64_t count = counter->count;
    counter->count = 0;
    return count;
}

void ptk_event_counter_add(ptk_event_counter_t *counter, uint64_t count) {
    counter->count = count > UINT64_MAX - counter->count ? UINT64_MAX : counter->count + count;
    if (PTK_BUG(53)) {
        counter->count = 1; /* what comes while nobody waits is merged */
    }
    ptk_wait_t *wait = first_waiter(&counter->waiters);
    if (wait && counter->count > 0) {
        wait->count = ptk_event_counter_take(counter);
        ptk_wake(wait, PTK_OK);
    }
}

void ptk_gate_init(ptk_gate_t *gate, bool refuses) {
    ptk_list_init(&gate->waiters);
    gate->taken = false;
    gate->refuses = refuses;
}

ptk_err ptk_gate_enter(ptk_gate_t *gate, ptk_call_t *call, const char *kind, const void *object) {
    if (!gate->taken) {
        gate->taken = true;
        return PTK_OK;
    }
    if (gate->refuses) {
        return PTK_ERR_BUSY;
    }
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return PTK_ERR_TIMEOUT;
    }
    ptk_list_append(&gate->waiters, &ptk_wait_plain(call->self, kind, object, false)->link);
    return ptk_park(call->self, &call->deadline);
}

void ptk_gate_leave(ptk_gate_t *gate) {
    ptk_assert(gate->taken);
    ptk_wait_t *next = first_waiter(&gate->waiters);
    gate->taken = next != NULL;
    if (next) {
        ptk_wake(next, PTK_OK);
    }
}
