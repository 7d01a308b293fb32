/* SPDX-License-Identifier: MIT */
/* Gates (layer 3): the model stands in ptk_gate.h. */
#include "sched/ptk_gate.h"

#include "sched/ptk_call.h"
#include "sched/ptk_park.h"
#include "sched/ptk_wait_queue.h"

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
    ptk_wait_t *next = ptk_wait_queue_first(&gate->waiters);
    gate->taken = next != NULL;
    if (next) {
        ptk_wake(next, PTK_OK);
    }
}
