/* SPDX-License-Identifier: MIT */
/*
 * Simulated TCP (layer 0): what a program sees of Linux's, over packets of ptk_sim_net.h.
 *
 * RFC 9293 without options but a maximum segment size: handshake, backlog, send and receive windows,
 * retransmission with exponential back-off, zero-window probes, FIN per direction, RST, urgent byte,
 * TIME_WAIT, ephemeral ports. Where the RFC and Linux differ, Linux is right. Loss is a stall and, in the
 * end, ETIMEDOUT; bytes are never missing.
 *
 * All calls are non-blocking and answer 0 (or a count) or -errno exactly as Linux does. None parks, none
 * calls back but through `changed`.
 */
#pragma once

#include "sim/kernel/ptk_sim_net.h"

typedef struct ptk_sim_tcp ptk_sim_tcp_t;

/* One endpoint: a listener, a connection, or not yet either. In the node's tables from bind or connect on. */
struct ptk_sim_tcp {
    ptk_sim_node_t *node;
    /* The owner is told of every event that a poller would count as an edge: new bytes, new room, a new
       connection in the backlog, a FIN, a reset, an error, the end of a connect. `events` are the poll bits
       that it concerns (POLLIN, POLLOUT, POLLRDHUP, POLLHUP, POLLERR, POLLPRI); where Linux wakes whoever
       waits, whatever for (FIN, reset, end of a connect, own shutdown), all bits that are ready. It comes
       from the event queue only, and must not call ptk_sim_tcp. NULL once nobody listens. */
    void (*changed)(ptk_sim_tcp_t *tcp, uint32_t events);
    void *owner;
    /* The rest is ptk_sim_tcp.c's. */
    struct ptk_sim_tcb *tcb;
};

/* `family` is AF_INET or AF_INET6 (which takes mapped IPv4 too unless IPV6_V6ONLY is set). Never NULL. */
ptk_sim_tcp_t *ptk_sim_tcp_create(ptk_sim_node_t *node, int family);

int ptk_sim_tcp_bind(ptk_sim_tcp_t *tcp, const struct sockaddr *addr, socklen_t addrlen);
int ptk_sim_tcp_listen(ptk_sim_tcp_t *tcp, int backlog);

/* -EINPROGRESS when it begins; then POLLOUT (or POLLERR|POLLHUP) and SO_ERROR tell. -EALREADY, -EISCONN, ...
 */
int ptk_sim_tcp_connect(ptk_sim_tcp_t *tcp, const struct sockaddr *addr, socklen_t addrlen);

/* The oldest of the backlog, as an endpoint of its own that the caller must close; -EAGAIN: none. */
int ptk_sim_tcp_accept(ptk_sim_tcp_t *listener, ptk_sim_tcp_t **accepted_out);

/* 0: end of stream. */
intptr_t ptk_sim_tcp_recv(ptk_sim_tcp_t *tcp, void *buffer, size_t bytes);

/* `urgent`: the last byte is urgent (MSG_OOB). PTK_SIM_SITE_SHORT_SEND is asked here: a send that is cut
   short, by it or for want of room, is followed by a POLLOUT edge, as on Linux. */
intptr_t ptk_sim_tcp_send(ptk_sim_tcp_t *tcp, const void *buffer, size_t bytes, bool urgent);
int ptk_sim_tcp_shutdown(ptk_sim_tcp_t *tcp, int how);

/* The descriptor is gone: the endpoint lives on by itself until its peer and TIME_WAIT are done with it (or
   is reset at once: SO_LINGER 0, unread bytes). The caller must not use it again. */
void ptk_sim_tcp_close(ptk_sim_tcp_t *tcp);

int ptk_sim_tcp_local_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen);
int ptk_sim_tcp_peer_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen);

/* Who has called, for accept: also where the connection has ended since, when peer_name answers -ENOTCONN. */
void ptk_sim_tcp_accepted_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen);
int ptk_sim_tcp_get_option(ptk_sim_tcp_t *tcp, int level, int name, void *value, socklen_t *length);
int ptk_sim_tcp_set_option(ptk_sim_tcp_t *tcp, int level, int name, const void *value, socklen_t length);

/* What FIONREAD and TIOCOUTQ would answer: bytes that a receive would find; bytes without acknowledgement. */
uint32_t ptk_sim_tcp_unread(const ptk_sim_tcp_t *tcp);
uint32_t ptk_sim_tcp_unacknowledged(const ptk_sim_tcp_t *tcp);

/* What poll(2) would report now: POLLIN, POLLOUT, POLLRDHUP, POLLHUP, POLLERR, POLLPRI. As on Linux, to find
   no POLLOUT is to wait for its edge. */
uint32_t ptk_sim_tcp_ready(const ptk_sim_tcp_t *tcp);

/* The node crashed: every endpoint of it that is still owned must have been closed with ptk_sim_tcp_abandon;
   what remains (TIME_WAIT, orphans, backlogs) vanishes without a packet. Also frees the node's tables. */
void ptk_sim_tcp_abandon(ptk_sim_tcp_t *tcp); /* free an owned endpoint, silently */
void ptk_sim_tcp_clear(ptk_sim_node_t *node);

/* So many endpoints of any state has the node: for checks that nothing is left. */
uint32_t ptk_sim_tcp_count(const ptk_sim_node_t *node);
