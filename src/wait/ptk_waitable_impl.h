/* SPDX-License-Identifier: MIT */
/*
 * The inside of waitables (layer 4): their records, and how a service lends its own source to users.
 *
 * TIMER, SIGNAL and USER are a latch and what feeds it: a timer, a signal subscription, signal calls and a
 * signaler. SOCKET is a source, two turns (who may wait for reading, who for writing), and an operation for
 * each direction.
 */
#pragma once

#include "base/ptk_signal_table.h"
#include "sched/ptk_call.h"
#include "sched/ptk_event_counter.h"
#include "sched/ptk_gate.h"
#include "sched/ptk_pin.h"
#include <ptk_waitable.h>

/* What a SOCKET waitable waits on. The waitable's own for a foreign descriptor; a socket's for a socket's
 * waitable. */
typedef struct ptk_waitable_subject {
    ptk_pin_t *pin;
    ptk_event_source_t *source;
    ptk_gate_t *gates[2]; /* reading, writing */
    const size_t *held;   /* bytes that the service holds make it readable; NULL: never */
    uint32_t allowed;     /* the events that may be asked for */
} ptk_waitable_subject_t;

typedef struct ptk_waitable_foreign {
    ptk_event_source_t source;
    ptk_gate_t gates[2];
} ptk_waitable_foreign_t;

typedef struct ptk_waitable_timer {
    ptk_timer_t timer;
    uint64_t period_ns;
} ptk_waitable_timer_t;

struct ptk_waitable {
    ptk_queue_node_t slab_link;
    ptk_event_loop_platform_t *loop;
    ptk_pin_t pin;
    uint8_t type;
    bool is_dead;
    bool is_lent;                   /* a service's: users do not destroy it */
    ptk_event_counter_t counter;    /* TIMER, SIGNAL, USER */
    ptk_waitable_subject_t subject; /* SOCKET */
    ptk_event_op_t ops[2];
    union {
        ptk_waitable_foreign_t foreign;
        ptk_waitable_timer_t timer;
        ptk_signal_subscription_t subscription;
        ptk_signaler_t *signaler;
    } u;
};

/* A waitable for a service's subject; NULL: out of memory. Stop ends its waits (CLOSED) and refuses new ones;
   end gives it back, once nobody is inside the subject's lease. */
ptk_waitable_t *ptk_waitable_lend(ptk_scheduler_t *scheduler, const ptk_waitable_subject_t *subject);
void ptk_waitable_stop(ptk_waitable_t *waitable);
void ptk_waitable_end(ptk_waitable_t *waitable);

/* A wait succeeded: what ptk_waitable_ready() and ptk_waitable_count() say. Answers OK. */
ptk_err ptk_waitable_took(const ptk_call_t *call, uint32_t ready, uint64_t count);

/* The events that may be asked for. */
uint32_t ptk_waitable_allowed(const ptk_waitable_t *waitable);

/* OK if the calling thread may use the waitable, and it is not gone. */
ptk_err ptk_waitable_check(const ptk_waitable_t *waitable);

/* --- signalers (ptk_signaler.c) --- */

/* A signaler that feeds `latch`, held by nobody but its waitable; NULL: out of memory. */
ptk_signaler_t *ptk_signaler_create(ptk_scheduler_t *scheduler, ptk_event_counter_t *counter);

/* One more holder. Owner thread. */
void ptk_signaler_hand_out(ptk_signaler_t *signaler);

/* The latch is going: signals answer CLOSED from now on, and the memory goes with the last holder. Owner
 * thread. */
void ptk_signaler_close(ptk_signaler_t *signaler);
