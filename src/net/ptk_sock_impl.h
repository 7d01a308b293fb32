/* SPDX-License-Identifier: MIT */
/*
 * The inside of sockets (layer 5).
 *
 * A socket is a source with one operation per direction, and a turn per direction that says who drives it:
 * receive and accept take the inbound one, send and connect the outbound one. Whoever is inside a call that
 * may park is inside the lease, so close may come at any time.
 */
#pragma once

#include "wait/ptk_waitable_impl.h"
#include <ptk_sock.h>

typedef enum ptk_sock_state {
    PTK_SOCK_OPEN,
    PTK_SOCK_LISTENING,
    PTK_SOCK_CONNECTING, /* started with timeout 0, and going on */
    PTK_SOCK_CONNECTED,
    PTK_SOCK_SPOILED, /* a connect that did not come to its end: only close is useful */
} ptk_sock_state_t;

struct ptk_sock {
    ptk_queue_node_t slab_link;
    ptk_event_loop_platform_t *loop;
    ptk_pin_t pin;
    ptk_event_source_t source;
    ptk_event_op_t inbound;
    ptk_event_op_t outbound;
    ptk_gate_t inbound_gate;
    ptk_gate_t outbound_gate;
    ptk_waitable_t *waitables[3]; /* by mask - 1 */
    char *unread;                 /* received, and not delivered yet: the next receive gets it first */
    size_t unread_start;
    size_t unread_bytes;
    uint8_t state;
    bool is_closed;
    bool is_write_shut;
    bool is_bound;
    bool is_without_reuse; /* bind does not set SO_REUSEADDR */
    void *user;            /* the program's */
    int broken_by;  /* -errno that ended the connection: the system tells it once, to either direction */
    size_t missing; /* bytes of a send that was cut short: nothing else may follow before they are out */
};

/* The sockets of a loop. */
typedef struct ptk_socks {
    ptk_slab_t slab;
    ptk_event_counter_t
        handles; /* grows when a handle is given back: accept waits here when there are none */
} ptk_socks_t;

ptk_socks_t *ptk_socks_of(ptk_scheduler_t *scheduler);

/* A socket without a handle, its memory complete; NULL: out of memory. ptk_sock_discard undoes it. */
ptk_sock_t *ptk_sock_reserve(ptk_scheduler_t *scheduler);
void ptk_sock_discard(ptk_sock_t *sock);

/* Give a reserved socket its handle. */
void ptk_sock_set_handle(ptk_sock_t *sock, ptk_os_handle_t handle, ptk_sock_state_t state);

/* OK if the calling thread may use the socket, and it is not closed. */
ptk_err ptk_sock_check(const ptk_sock_t *sock);

/* Begin a call on it: ptk_sock_check, ptk_call_begin, and the lease. Undo with ptk_sock_finish, which answers
   `err` in the way of public calls: CLOSED if the socket was closed meanwhile and nothing had succeeded. */
ptk_err ptk_sock_begin(ptk_sock_t *sock, ptk_call_t *call, uint32_t timeout_ms);
ptk_err ptk_sock_finish(ptk_sock_t *sock, const ptk_call_t *call, ptk_err err);

/* Hand a direction's turn on, unless the socket is closed. */
void ptk_sock_leave_gate(ptk_sock_t *sock, ptk_gate_t *gate);
