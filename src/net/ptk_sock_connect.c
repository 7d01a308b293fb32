/* SPDX-License-Identifier: MIT */
/*
 * Connecting (layer 5).
 *
 * Connect drives the outbound operation to its end. An attempt that its caller gave up continues in the
 * kernel, and no later call returns its outcome: the socket can only be closed. Only an attempt that was
 * started with timeout 0 may be continued by another call.
 *
 * TCP connects a socket to itself if it happens to get its target as its own local port (simultaneous open).
 * No listener was there, and while such a connection exists none can be: it counts as REFUSED, and close
 * resets it, so that its port is free at once.
 */
#include "net/ptk_sock_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* The port, in network order, is at the same place in both families. */
static in_port_t port_of(const struct sockaddr_storage *addr) {
    struct sockaddr_in in;
    memcpy(&in, addr, sizeof in);
    return in.sin_port;
}

static bool is_same_endpoint(const struct sockaddr_storage *a, const struct sockaddr_storage *b) {
    if (a->ss_family != b->ss_family || port_of(a) != port_of(b)) {
        return false;
    }
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a6 = (const void *) a;
        const struct sockaddr_in6 *b6 = (const void *) b;
        return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
    }
    const struct sockaddr_in *a4 = (const void *) a;
    const struct sockaddr_in *b4 = (const void *) b;
    return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}

/* Returns 0 if the peer of a new connection is another socket, -ECONNREFUSED if it is the socket itself, or
 * why the system does not state it. A peer that has gone already was another one. */
static int check_peer(const ptk_sock_t *sock) {
    const ptk_platform_socket_ops_t *ops = sock->scheduler->loop->ops->sockets;
    struct sockaddr_storage local = {0};
    struct sockaddr_storage peer = {0};
    socklen_t local_bytes = sizeof local;
    socklen_t peer_bytes = sizeof peer;
    int result = ops->local_addr(sock->source.handle, (struct sockaddr *) &local, &local_bytes);
    if (result == 0) {
        result = ops->peer_addr(sock->source.handle, (struct sockaddr *) &peer, &peer_bytes);
    }
    if (result != 0) {
        return result == -ENOTCONN ? 0 : result;
    }
    return is_same_endpoint(&local, &peer) ? -ECONNREFUSED : 0;
}

/* Drives the outbound operation inside an entered call. */
static ptk_err wait_for_connection(ptk_sock_call_t *call, const struct sockaddr *addr, socklen_t addrlen) {
    ptk_sock_t *sock = call->sock;
    ptk_event_op_t *op = &sock->outbound;
    op->kind = PTK_OP_CONNECT;
    op->started = sock->state == PTK_SOCK_CONNECTING;
    op->at.target = addr;
    op->bytes = addrlen;
    ptk_assert(sock->state == PTK_SOCK_OPEN || sock->state == PTK_SOCK_BOUND ||
               sock->state == PTK_SOCK_CONNECTING);
    ptk_err err = ptk_op_wait(&call->call, op, "connect", sock);
    if (err != PTK_OK) {
        return err;
    }
    intptr_t result = op->result < 0 ? op->result : check_peer(sock);
    sock->resets_on_close = op->result == 0 && result == -ECONNREFUSED;
    return result < 0 ? ptk_call_errno(&call->call, result) : PTK_OK;
}

ptk_err ptk_sock_connect(ptk_sock_t *token, const struct sockaddr *addr, socklen_t addrlen,
                         uint32_t timeout_ms) {
    ptk_sock_call_t call;
    if (!ptk_sock_has_family(addr, addrlen)) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    ptk_err err = ptk_sock_enter(&call, token, PTK_SOCK_VERB_CONNECT, timeout_ms);
    if (err != PTK_OK) {
        return err;
    }
    err = wait_for_connection(&call, addr, addrlen);
    bool continues = err == PTK_ERR_TIMEOUT && call.call.deadline.kind == PTK_DEADLINE_NOW;
    if (err == PTK_OK) {
        ptk_sock_set_state(call.sock, PTK_SOCK_CONNECTED);
    } else {
        ptk_sock_set_state(call.sock, continues ? PTK_SOCK_CONNECTING : PTK_SOCK_FAILED);
    }
    return ptk_sock_leave(&call, err);
}
