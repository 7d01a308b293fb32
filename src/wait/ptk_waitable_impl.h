/* SPDX-License-Identifier: MIT */
/*
 * The records of waitables (layer 4, internal), and how a service lends its own source to users.
 *
 * TIMER, SIGNAL and USER waitables are an event counter and the source of its events: a timer, a signal
 * subscription, signal calls and a signaler. A SOCKET waitable is a source, and a gate and a READY operation
 * for each event that can be waited for: a *direction*, also where nothing flows in it.
 *
 *     living  --destroy, or the socket's close-->  ended  --last pin-->  free
 *
 * ptk_waitable_create and ptk_waitable_destroy own the user's waitables. A service lends one by
 * ptk_waitable_lend, ends it by ptk_waitable_stop and frees it by ptk_waitable_free. All are defined in
 * src/ptk_waitable.c.
 */
#pragma once

#include "base/ptk_signal_table.h"
#include "sched/ptk_event_counter.h"
#include "sched/ptk_gate.h"
#include "sched/ptk_pin.h"
#include <ptk_waitable.h>

/* How many directions have gates with a queue: READ and WRITE, the first ones. */
#define PTK_WAITABLE_QUEUED 2

/* What a SOCKET waitable waits on: its own records for a foreign descriptor, the socket's for the waitable of
   a socket. */
typedef struct ptk_waitable_subject {
    ptk_pin_t *pin;             /* of the object that owns the records: it pins them for a wait */
    ptk_event_source_t *source; /* attached for as long as the pin is not closed */
    ptk_gate_t *gates[PTK_DIRECTIONS];
    const size_t *unread; /* bytes that the service holds and that make it readable; NULL: it holds none */
    uint32_t allowed;     /* the events that a wait may name */
} ptk_waitable_subject_t;

/* The records of a foreign descriptor's waitable: the descriptor is its owner's, the registration is ptk's.
 */
typedef struct ptk_waitable_foreign {
    ptk_event_source_t source;
    ptk_gate_t gates[PTK_DIRECTIONS]; /* all refuse: one waiter per event */
} ptk_waitable_foreign_t;

/* The source of a TIMER waitable's events. */
typedef struct ptk_waitable_timer {
    ptk_timer_t timer;
    uint64_t period_ns;
    uint64_t next_ns; /* the next expiry of a timer that rests, see ptk_waitable_timer.c; else 0 */
} ptk_waitable_timer_t;

struct ptk_waitable {
    ptk_token_head_t head;
    ptk_scheduler_t *scheduler;
    ptk_pin_t pin;                  /* its memory's; the waits on a lent one pin its subject instead */
    uint8_t type;                   /* ptk_waitable_type_t */
    bool is_lent;                   /* a service's: users do not destroy it */
    uint64_t last_abort;            /* the scheduler's `aborts` at the last abort */
    ptk_event_counter_t counter;    /* TIMER, SIGNAL, USER */
    ptk_waitable_subject_t subject; /* SOCKET */
    /* SOCKET: READY operations; a wait uses that of the first direction that it watches. */
    ptk_event_op_t ops[PTK_DIRECTIONS];
    ptk_waitable_t *next; /* lent: the next one of the same subject; the service's */
    union {
        ptk_waitable_foreign_t foreign;         /* SOCKET, unless it is lent */
        ptk_waitable_timer_t timer;             /* TIMER */
        ptk_signal_subscription_t subscription; /* SIGNAL */
        ptk_signaler_t *signaler;               /* USER; NULL until one is requested */
    } u;
};

/* Returns a waitable for a service's subject; NULL: out of memory, which is recorded. */
ptk_waitable_t *ptk_waitable_lend(ptk_scheduler_t *scheduler, const ptk_waitable_subject_t *subject);

/* Ends the token of a lent waitable and its waits with CLOSED. */
void ptk_waitable_stop(ptk_waitable_t *waitable);

/* Frees a lent waitable that was stopped, once no call pins its subject. */
void ptk_waitable_free(ptk_waitable_t *waitable);

/* Returns the living waitable that a token names on the calling thread's loop, NULL: ptk_token_refusal states
 * why. */
static inline ptk_waitable_t *ptk_waitable_find(const ptk_waitable_t *token) {
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    return scheduler ? ptk_token_find(&scheduler->services[PTK_SERVICE_WAITABLES].table, token,
                                      PTK_TOKEN_STRIDE(ptk_waitable_t))
                     : NULL;
}
