/* SPDX-License-Identifier: MIT */
/*
 * The records of sockets, and entering and leaving their calls (layer 5, internal).
 *
 * A socket is a source with one operation and one gate per direction. Receive and accept pass the inbound
 * gate, send and connect the outbound one. Every call that may park does three things: enter, wait for its
 * operation, leave.
 *
 * *Enter* decides the ordinary case by one test: the task's and the gate's word `unusual` are 0 and there is
 * budget (ptk_call.h). Such a call has an owner, is not cancelled, and its socket is connected, with the
 * direction free and no bytes unread or missing. Everything else is ptk_sock_enter_unusual. A call that was
 * entered holds the gate and a pin, so close may come at any time: it ends the waits, and the memory is freed
 * with the last pin.
 */
#pragma once

#include "sched/ptk_gate.h"
#include "sched/ptk_op.h"
#include "sched/ptk_pin.h"
#include "wait/ptk_waitable_impl.h"
#include <ptk_sock.h>

/*
 *     OPEN  --bind-->  BOUND  --listen-->  LISTENING  --shutdown-->  UNLISTENED
 *     OPEN, BOUND  --connect-->  CONNECTED | FAILED | CONNECTING (timeout 0, goes on)
 *     CONNECTING  --connect-->  CONNECTED | FAILED | CONNECTING
 *
 * An accepted socket begins as CONNECTED. A connect that is parked leaves the state as it was and holds the
 * outbound gate.
 */
typedef enum ptk_sock_state {
    PTK_SOCK_OPEN,
    PTK_SOCK_BOUND,
    PTK_SOCK_LISTENING,
    PTK_SOCK_CONNECTING,
    PTK_SOCK_CONNECTED,
    PTK_SOCK_FAILED,     /* a connect that did not succeed: the socket can only be closed */
    PTK_SOCK_UNLISTENED, /* a listener whose reading direction was shut down: it can only be closed */
} ptk_sock_state_t;

/* The owner's bits of a gate's word `unusual`. */
#define PTK_SOCK_NOT_CONNECTED PTK_GATE_OWNER_BIT        /* both directions */
#define PTK_SOCK_HAS_UNREAD    (PTK_GATE_OWNER_BIT << 1) /* inbound: bytes of a receive that was cut short */
#define PTK_SOCK_HAS_MISSING                                                                                 \
    (PTK_GATE_OWNER_BIT << 2)                       /* outbound: a send that was cut short is not resumed */
#define PTK_SOCK_HAS_REST (PTK_GATE_OWNER_BIT << 3) /* outbound: bytes of a send with timeout 0 */

/* The members of a receive come first, in the order of use. */
struct ptk_sock {
    ptk_token_head_t head;
    ptk_gate_t inbound_gate;   /* receive, accept: refuses, until the socket listens */
    ptk_pin_t pin;             /* the calls inside; the waitables' waits too */
    ptk_event_op_t inbound;    /* of the holder of the inbound gate */
    ptk_event_source_t source; /* the descriptor, owned; attached until the socket is closed */
    ptk_gate_t outbound_gate;  /* send, connect: queues */
    ptk_event_op_t outbound;   /* of the holder of the outbound gate */
    uint8_t state;             /* ptk_sock_state_t */
    bool is_write_shut;        /* ptk_sock_shutdown has ended the outbound direction */
    bool no_reuse;             /* SO_REUSEADDR was switched off by ptk_sock_set_reuse */
    bool resets_on_close;      /* it was connected to itself, and must not keep the port */
    int broken_by; /* -errno that ended the connection: the system reports it once, to either direction */
    char *unread;  /* received and not delivered yet: the next receive gets it first; owned, NULL: none */
    size_t unread_start;    /* bytes of `unread` that were delivered since */
    size_t unread_bytes;    /* bytes after those; not 0 exactly while PTK_SOCK_HAS_UNREAD is set */
    size_t unread_capacity; /* bytes that `unread` has room for */
    char *rest; /* of a send with timeout 0, before every later byte; owned, NULL: the system has taken all */
    size_t rest_start;    /* bytes of `rest` that the system has taken since */
    size_t rest_bytes;    /* bytes after those; not 0 exactly while PTK_SOCK_HAS_REST is set */
    size_t missing_bytes; /* of a send that was cut short: they must be sent before any other byte; not 0
                             exactly while PTK_SOCK_HAS_MISSING is set */
    ptk_scheduler_t *scheduler;
    ptk_waitable_t *waitables; /* lent, one for each set of events that was requested; end with the socket */
    ptk_gate_t hangup_gate;    /* waits for HANGUP: refuses */
    ptk_gate_t priority_gate;  /* waits for PRIORITY: refuses */
    void *user;                /* the user's pointer */
    const void *opened_at;     /* the return address of the public call that made it, for the report */
};

/* The calls that may park. */
typedef enum ptk_sock_verb {
    PTK_SOCK_VERB_RECV,
    PTK_SOCK_VERB_ACCEPT,
    PTK_SOCK_VERB_SEND,      /* the first verb of the outbound direction */
    PTK_SOCK_VERB_SEND_SOME, /* may resume a send that was cut short */
    PTK_SOCK_VERB_CONNECT,
} ptk_sock_verb_t;

/* A call that was entered: it holds the gate, unless the socket was closed meanwhile, and one pin. */
typedef struct ptk_sock_call {
    ptk_call_t call;
    ptk_sock_t *sock;
    ptk_gate_t *gate;
} ptk_sock_call_t;

/* Returns the living socket that a token names on the calling thread's loop, NULL: ptk_token_refusal states
 * why. */
static inline ptk_sock_t *ptk_sock_find(const ptk_sock_t *token) {
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    return ptk_likely(scheduler != NULL) ? ptk_token_find(&scheduler->services[PTK_SERVICE_SOCKETS].table,
                                                          token, PTK_TOKEN_STRIDE(ptk_sock_t))
                                         : NULL;
}

/* Returns the gate of the verb's direction. */
static inline ptk_gate_t *ptk_sock_gate(ptk_sock_t *sock, ptk_sock_verb_t verb) {
    return verb < PTK_SOCK_VERB_SEND ? &sock->inbound_gate : &sock->outbound_gate;
}

/* The two functions of ptk_sock_call.c. They enter and leave in every case that ptk_sock_enter and
 * ptk_sock_leave do not decide themselves. */
ptk_err ptk_sock_enter_unusual(ptk_sock_call_t *call, const ptk_sock_t *token, ptk_sock_verb_t verb,
                               uint32_t timeout_ms);
ptk_err ptk_sock_leave_unusual(ptk_sock_call_t *call, ptk_err err);

/* Enters a call: owner, green thread, cancel, budget, state of the socket, pin, gate. It may wait for the
   gate. On failure the reason is recorded and nothing is held. A word of 0 means that transfers are allowed,
   so accept and connect always take the longer way. */
static inline ptk_err ptk_sock_enter(ptk_sock_call_t *call, const ptk_sock_t *token, ptk_sock_verb_t verb,
                                     uint32_t timeout_ms) {
    const bool is_transfer = verb != PTK_SOCK_VERB_ACCEPT && verb != PTK_SOCK_VERB_CONNECT;
    ptk_sock_t *sock = is_transfer ? ptk_sock_find(token) : NULL;
    if (ptk_likely(sock != NULL)) {
        ptk_gate_t *gate = ptk_sock_gate(sock, verb);
        if (ptk_likely(ptk_call_enter_usual(&call->call, sock->scheduler, gate->unusual, timeout_ms))) {
            ptk_assert_debug(sock->state == PTK_SOCK_CONNECTED && ptk_list_is_empty(&gate->waiters));
            gate->unusual = PTK_GATE_TAKEN;
            ptk_pin_take(&sock->pin);
            call->sock = sock;
            call->gate = gate;
            return PTK_OK;
        }
    }
    return ptk_sock_enter_unusual(call, token, verb, timeout_ms);
}

/* Leaves a call that was entered, with its result, and returns what the user gets: CLOSED if the socket was
   closed meanwhile and nothing had succeeded. */
static inline ptk_err ptk_sock_leave(ptk_sock_call_t *call, ptk_err err) {
    ptk_sock_t *sock = call->sock;
    ptk_assert(sock->pin.count > 0);
    if (ptk_likely(err == PTK_OK && call->gate->unusual == PTK_GATE_TAKEN && !sock->pin.closed)) {
        call->gate->unusual = 0;
        sock->pin.count--;
        return PTK_OK;
    }
    return ptk_sock_leave_unusual(call, err);
}

/* The functions of src/ptk_sock.c.
 *
 * Returns a socket without a descriptor, with all memory that it will need; NULL: out of memory. Its token is
 * living and not handed out yet. ptk_sock_discard undoes it. */
ptk_sock_t *ptk_sock_reserve(ptk_scheduler_t *scheduler);
void ptk_sock_discard(ptk_sock_t *sock);

/* Reports a socket that was left open (src/net/ptk_sock_leaks.c). */
void ptk_sock_report_leak(const ptk_sock_t *sock);

/* Sets the place at which a socket was opened: for a call that opens it for its own caller. NULL does
 * nothing. */
void ptk_sock_set_place(const ptk_sock_t *token, const void *return_address);

/* Gives a reserved socket its descriptor, which it owns from then on, and its state. Cannot fail. */
void ptk_sock_init_handle(ptk_sock_t *sock, ptk_os_handle_t handle, ptk_sock_state_t state);

/* Returns true if `addr` may be an address: it is long enough to have a family, and has one. The system takes
 * AF_UNSPEC, which a zeroed address has, for a request to disconnect, or to bind to any address. */
bool ptk_sock_has_family(const struct sockaddr *addr, socklen_t addrlen);

/* Sends the rest of a send with timeout 0, if there is one, within the deadline of a call that holds the
 * outbound gate. */
ptk_err ptk_sock_push_rest(ptk_sock_call_t *call);

/* Sends the rest of a send with timeout 0 as far as the system takes it. Returns OK if none is left, TIMEOUT
 * if some is, or why it can never be sent. The error slot is unchanged. */
ptk_err ptk_sock_push_rest_now(ptk_sock_t *sock);

/* Sets the state, and with it the word that a call tests when it enters. */
void ptk_sock_set_state(ptk_sock_t *sock, ptk_sock_state_t state);
