/* SPDX-License-Identifier: MIT */
/*
 * Simulated TCP: what a program sees of Linux's, over packets of ptk_sim_net.h.
 *
 * RFC 9293 without options but a maximum segment size: handshake, backlog, send and receive windows,
 * retransmission with exponential back-off, zero-window probes, FIN per direction, RST, urgent byte,
 * TIME_WAIT, ephemeral ports, keepalive, user timeout. Where the RFC and Linux differ, this follows Linux.
 * There is no congestion window. Loss is a stall and, in the end, ETIMEDOUT; bytes are never
 * missing.
 *
 * All calls are non-blocking and return 0 (or a count) or -errno exactly as Linux does. None parks. The only
 * callback is `changed`.
 *
 * Ownership: a program owns an endpoint from create or accept until close or abandon; from then on it lives
 * by itself.
 */
#pragma once

#include "sim/kernel/ptk_sim_net.h"

typedef struct ptk_sim_tcp ptk_sim_tcp_t;

/* One endpoint: a listener, a connection, or not yet either. It is in the node's tables from bind or
   connect on. */
struct ptk_sim_tcp {
    ptk_sim_node_t *node;
    /* Notifies the owner of every event that a poller counts as an edge: new bytes, new room, a new
       connection in the backlog, a FIN, a reset, an error, the end of a connect. `events` are the poll bits
       that it concerns (POLLIN, POLLOUT, POLLRDHUP, POLLHUP, POLLERR, POLLPRI); where Linux wakes all
       waiters (FIN, reset, end of a connect, own shutdown), all bits that are ready. It is called by events
       of the queue only, never by a call of the program, and must not call ptk_sim_tcp. NULL: no owner. */
    void (*changed)(ptk_sim_tcp_t *tcp, uint32_t events);
    void *owner; /* for `changed`; of the owner */
    /* Private. */
    struct ptk_sim_tcb *tcb;
};

/* Creates an endpoint. `family` is AF_INET, or AF_INET6, which accepts mapped IPv4 too unless IPV6_V6ONLY
   is set. Never returns NULL. */
ptk_sim_tcp_t *ptk_sim_tcp_create(ptk_sim_node_t *node, int family);

/* As bind(2). */
int ptk_sim_tcp_bind(ptk_sim_tcp_t *tcp, const struct sockaddr *addr, socklen_t addrlen);
/* As listen(2). Calling it again changes the backlog. */
int ptk_sim_tcp_listen(ptk_sim_tcp_t *tcp, int backlog);

/* As a non-blocking connect(2): -EINPROGRESS when it starts; then POLLOUT (or POLLERR and POLLHUP) and
   SO_ERROR report its end. Other results are -EALREADY, -EISCONN and so on. */
int ptk_sim_tcp_connect(ptk_sim_tcp_t *tcp, const struct sockaddr *addr, socklen_t addrlen);

/* Removes the oldest connection from the backlog and returns it as an endpoint that the caller must close.
   -EAGAIN: there is none. */
int ptk_sim_tcp_accept(ptk_sim_tcp_t *listener, ptk_sim_tcp_t **accepted_out);

/* As recv(2). 0: end of stream. */
intptr_t ptk_sim_tcp_recv(ptk_sim_tcp_t *tcp, void *buffer, size_t bytes);

/* As send(2). `urgent`: the last byte is urgent (MSG_OOB). PTK_SIM_SITE_SHORT_SEND decides how much is
   accepted; a send that is cut short, by it or for lack of room, is followed by a POLLOUT edge, as on
   Linux. */
intptr_t ptk_sim_tcp_send(ptk_sim_tcp_t *tcp, const void *buffer, size_t bytes, bool urgent);
/* As shutdown(2). */
int ptk_sim_tcp_shutdown(ptk_sim_tcp_t *tcp, int how);

/* Closes the program's side, as the last close(2) of a descriptor. The connection lives on by itself until
   its peer and TIME_WAIT are over, or is reset at once (SO_LINGER 0, unread bytes). The caller must not use
   the endpoint again. */
void ptk_sim_tcp_close(ptk_sim_tcp_t *tcp);

/* As getsockname(2). */
int ptk_sim_tcp_local_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen);
/* As getpeername(2): -ENOTCONN before and after the connection. */
int ptk_sim_tcp_peer_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen);

/* Returns the peer's address for accept: also if the connection has ended since, when peer_name returns
   -ENOTCONN. */
void ptk_sim_tcp_accepted_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen);
/* As getsockopt(2), for the options that ptk uses. */
int ptk_sim_tcp_get_option(ptk_sim_tcp_t *tcp, int level, int name, void *value, socklen_t *length);
/* As setsockopt(2). */
int ptk_sim_tcp_set_option(ptk_sim_tcp_t *tcp, int level, int name, const void *value, socklen_t length);

/* As FIONREAD: bytes that a receive would return. */
uint32_t ptk_sim_tcp_unread(const ptk_sim_tcp_t *tcp);
/* As SIOCOUTQ: bytes that were sent or queued and are not acknowledged. */
uint32_t ptk_sim_tcp_unacknowledged(const ptk_sim_tcp_t *tcp);

/* Returns what poll(2) would report: POLLIN, POLLOUT, POLLRDHUP, POLLHUP, POLLERR, POLLPRI. As on Linux, a
   call that finds no POLLOUT makes its edge due. */
uint32_t ptk_sim_tcp_ready(const ptk_sim_tcp_t *tcp);

/* The crash of a node: frees an owned endpoint without a packet. All owned endpoints of the node must be
   abandoned before ptk_sim_tcp_clear(). */
void ptk_sim_tcp_abandon(ptk_sim_tcp_t *tcp); /* free an owned endpoint, silently */
/* Frees what remains on a node (TIME_WAIT, orphans, backlogs) without a packet, and the node's tables. */
void ptk_sim_tcp_clear(ptk_sim_node_t *node);

/* Returns how many endpoints of any state the node has, for checks that nothing is left. */
uint32_t ptk_sim_tcp_count(const ptk_sim_node_t *node);
