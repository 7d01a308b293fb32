/* SPDX-License-Identifier: MIT */
/*
 * Connecting (layer 5).
 *
 * Connect drives the outbound operation to its end. An attempt that its caller gave up continues in the
 * kernel, and no later call returns its outcome: the socket can only be closed. Only an attempt that was
 * started with timeout 0 may be continued by another call.
 */
#include "net/ptk_sock_impl.h"

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
    return err == PTK_OK && op->result < 0 ? ptk_call_errno(&call->call, op->result) : err;
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
