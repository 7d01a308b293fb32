/* SPDX-License-Identifier: MIT */
/*
 * A gate (layer 3, internal) admits one green thread at a time to one direction of an object. Waiters queue,
 * first come first served; the holder hands the gate to the first of them directly, so that no call that
 * comes later overtakes it. Where a second user is a mistake, the gate refuses it with BUSY instead.
 *
 * `unusual` is the word that a call tests when it enters: 0 means that the gate is free and that nothing
 * about the direction needs a second look. The lowest two bits are the gate's, the others its owner's.
 */
#pragma once

#include "sched/ptk_call.h"

#define PTK_GATE_TAKEN     0x01u
#define PTK_GATE_WAITERS   0x02u /* there may be waiters: one that gave up leaves the bit set */
#define PTK_GATE_OWNER_BIT 0x04u /* the first bit that the owner may use */

typedef struct ptk_gate {
    uint32_t unusual;   /* PTK_GATE_TAKEN, PTK_GATE_WAITERS, and the owner's bits */
    bool refuses;       /* BUSY instead of a queue */
    ptk_list_t waiters; /* wait records; empty while the gate is free */
} ptk_gate_t;

/* Initialises a free gate. */
void ptk_gate_init(ptk_gate_t *gate, bool refuses);

/* Takes the gate, waiting in its queue if need be. Returns OK, BUSY, or why the wait ended; with timeout 0
   TIMEOUT instead of a wait. */
ptk_err ptk_gate_enter(ptk_gate_t *gate, ptk_call_t *call, const char *kind, const void *object);

/* Hands a gate that may have waiters to the first of them, or frees it. */
void ptk_gate_hand_over(ptk_gate_t *gate);

/* Takes the gate and returns true if it is free. */
static inline bool ptk_gate_try(ptk_gate_t *gate) {
    if (gate->unusual & PTK_GATE_TAKEN) {
        return false;
    }
    gate->unusual |= PTK_GATE_TAKEN;
    return true;
}

/* Appends a wait record to the queue of a taken gate. Woken with OK, its green thread holds the gate. */
static inline void ptk_gate_queue(ptk_gate_t *gate, ptk_wait_t *wait) {
    ptk_assert((gate->unusual & PTK_GATE_TAKEN) && !gate->refuses);
    gate->unusual |= PTK_GATE_WAITERS;
    ptk_list_append(&gate->waiters, &wait->link);
}

/* Leaves the gate, which the caller holds: the first waiter holds it then, before it runs. */
static inline void ptk_gate_leave(ptk_gate_t *gate) {
    ptk_assert(gate->unusual & PTK_GATE_TAKEN);
    if (ptk_unlikely(gate->unusual & PTK_GATE_WAITERS)) {
        ptk_gate_hand_over(gate);
    } else {
        gate->unusual &= ~PTK_GATE_TAKEN;
    }
}
