/* SPDX-License-Identifier: MIT */
/* Gates (layer 3): the model stands in ptk_gate.h. */
#include "sched/ptk_gate.h"

#include "sched/ptk_park.h"
#include "sched/ptk_wait_queue.h"

void ptk_gate_init(ptk_gate_t *gate, bool refuses) {
    gate->unusual = 0;
    gate->refuses = refuses;
    ptk_list_init(&gate->waiters);
}

ptk_err ptk_gate_enter(ptk_gate_t *gate, ptk_call_t *call, const char *kind, const void *object) {
    if (ptk_gate_try(gate)) {
        return PTK_OK;
    }
    if (gate->refuses) {
        return PTK_ERR_BUSY;
    }
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return PTK_ERR_TIMEOUT;
    }
    ptk_gate_queue(gate, ptk_wait_plain(call->self, kind, object, false));
    return ptk_park(call->self, &call->deadline);
}

/* The bit WAITERS is cleared only here: a waiter that gave up has left it set. */
void ptk_gate_hand_over(ptk_gate_t *gate) {
    ptk_wait_t *next = ptk_wait_queue_first(&gate->waiters);
    ptk_assert(gate->unusual & PTK_GATE_TAKEN);
    if (next) {
        ptk_wake(next, PTK_OK); /* TAKEN stays set: the gate is the waiter's now */
    } else {
        gate->unusual &= ~PTK_GATE_TAKEN;
    }
    if (ptk_list_is_empty(&gate->waiters)) {
        gate->unusual &= ~PTK_GATE_WAITERS;
    }
}
