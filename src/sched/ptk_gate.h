/* SPDX-License-Identifier: MIT */
/*
 * A gate (layer 3, internal) admits one green thread at a time to one direction of an object. Waiters queue,
 * first come first served; the holder hands the gate to the first of them directly, so no green thread
 * overtakes. Where a second user is a mistake, the gate refuses it with BUSY instead.
 */
#pragma once

#include "sched/ptk_call.h"

typedef struct ptk_gate {
    ptk_list_t waiters;
    bool taken;
    bool refuses; /* BUSY instead of a queue */
} ptk_gate_t;

void ptk_gate_init(ptk_gate_t *gate, bool refuses);

/* Takes the gate, waiting in its queue if need be. Returns OK, BUSY, or why the wait ended; with timeout 0
   TIMEOUT instead of a wait. */
ptk_err ptk_gate_enter(ptk_gate_t *gate, ptk_call_t *call, const char *kind, const void *object);

/* Hands the gate to the first waiter, or frees it. */
void ptk_gate_leave(ptk_gate_t *gate);
