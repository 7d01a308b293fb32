/* SPDX-License-Identifier: MIT */
/*
 * Making connections (layer 5): connect and accept.
 *
 * Connect drives the outbound operation to its end. An attempt that its caller gave up goes on in the kernel,
 * and nobody could tell what it will become: the socket is spoiled. Only an attempt that was started with
 * timeout 0 may be continued.
 *
 * Accept reserves the socket before it asks the kernel, so a connection that was taken is never lost to a
 * lack of memory. Connections that died in the backlog are skipped. When descriptors or kernel memory are
 * short, asking again at once would spin, because the listener stays readable: accept leaves the listener
 * alone, and waits until a socket of this loop is closed or some time has passed, longer each time.
 */
#include "net/ptk_sock_impl.h"

#include "sched/ptk_call.h"
#include "sched/ptk_op.h"
#include "sched/ptk_park.h"
#include "sched/ptk_timer.h"

#include <errno.h>

#define BACKOFF_FIRST_NS (10 * PTK_NS_PER_MS)
#define BACKOFF_LAST_NS  (1000 * PTK_NS_PER_MS)

/* --- connect --- */

static ptk_err check_connect(const ptk_sock_t *sock) {
    switch ((ptk_sock_state_t) sock->state) {
    case PTK_SOCK_OPEN:
    case PTK_SOCK_CONNECTING:
        return sock->outbound_gate.taken ? PTK_ERR_BUSY : PTK_OK;
    case PTK_SOCK_CONNECTED:
        return PTK_ERR_ALREADY_CONNECTED;
    case PTK_SOCK_LISTENING:
    case PTK_SOCK_SPOILED:
        break;
    }
    return PTK_ERR_INVALID_PARAM;
}

static ptk_err connect_inside_gate(ptk_sock_t *sock, ptk_call_t *call, const struct sockaddr *addr,
                                   socklen_t addrlen) {
    ptk_event_op_t *op = &sock->outbound;
    op->kind = PTK_OP_CONNECT;
    op->started = sock->state == PTK_SOCK_CONNECTING;
    op->at.target = addr;
    op->bytes = addrlen;
    ptk_err err = ptk_op_wait(call, op, "connect", sock);
    if (err == PTK_OK && op->result < 0) {
        err = ptk_call_errno(call, op->result);
    }
    bool goes_on = err == PTK_ERR_TIMEOUT && call->deadline.kind == PTK_DEADLINE_NOW;
    if (err == PTK_OK) {
        sock->state = PTK_SOCK_CONNECTED;
    } else {
        sock->state = goes_on ? PTK_SOCK_CONNECTING : PTK_SOCK_SPOILED;
    }
    return err;
}

ptk_err ptk_sock_connect(ptk_sock_t *sock, const struct sockaddr *addr, socklen_t addrlen,
                         uint32_t timeout_ms) {
    ptk_call_t call;
    ptk_err err = addr ? ptk_sock_begin(sock, &call, timeout_ms) : ptk_fail(PTK_ERR_INVALID_PARAM);
    if (err != PTK_OK) {
        return err;
    }
    err = check_connect(sock);
    if (err == PTK_OK) {
        sock->outbound_gate.taken = true;
        err = connect_inside_gate(sock, &call, addr, addrlen);
        ptk_sock_leave_gate(sock, &sock->outbound_gate);
    }
    return ptk_sock_finish(sock, &call, err);
}

/* --- accept --- */

/* accept(2): a connection that failed before it was taken, and network errors that are pending on the new
 * socket. */
static bool died_in_backlog(int os_err) {
    switch (os_err) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
    case ECONNRESET:
    case ETIMEDOUT:
    case EPERM: /* a firewall forbade it */
        return true;
    default:
        return false;
    }
}

static bool is_short_of_resources(int os_err) {
    return os_err == EMFILE || os_err == ENFILE || os_err == ENOBUFS || os_err == ENOMEM;
}

/* Wait until a handle is free, perhaps. NO_RESOURCES: the call's time is up. */
static ptk_err wait_for_handle(ptk_sock_t *listener, ptk_call_t *call, uint64_t *backoff_ns) {
    ptk_event_counter_t *handles = &ptk_socks_of(call->scheduler)->handles;
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return PTK_ERR_NO_RESOURCES;
    }
    ptk_deadline_t pause = {.kind = PTK_DEADLINE_RELATIVE, .ns = *backoff_ns};
    ptk_deadline_fix(&pause);
    ptk_deadline_fix(&call->deadline);
    bool is_last = call->deadline.kind == PTK_DEADLINE_ABSOLUTE && call->deadline.ns <= pause.ns;
    *backoff_ns = *backoff_ns * 2 < BACKOFF_LAST_NS ? *backoff_ns * 2 : BACKOFF_LAST_NS;
    ptk_wait_t *wait = ptk_wait_plain(call->self, "a free descriptor", listener, true);
    ptk_list_append(&handles->waiters, &wait->link);
    ptk_err code = ptk_park(call->self, is_last ? &call->deadline : &pause);
    if (code == PTK_ERR_TIMEOUT) {
        return is_last ? PTK_ERR_NO_RESOURCES : PTK_OK;
    }
    return code;
}

/* Ask for the next one, unless the call was to ask just once. */
static ptk_err skip_dead(ptk_call_t *call) {
    return call->deadline.kind == PTK_DEADLINE_NOW ? PTK_ERR_TIMEOUT : ptk_call_continue(call);
}

/* The next connection's handle. OK with op->result >= 0, or why not. */
static ptk_err accept_handle(ptk_sock_t *sock, ptk_call_t *call) {
    ptk_event_op_t *op = &sock->inbound;
    uint64_t backoff_ns = BACKOFF_FIRST_NS;
    for (;;) {
        ptk_err err = ptk_op_wait(call, op, "accept", sock);
        int os_err = err == PTK_OK && op->result < 0 ? (int) -op->result : 0;
        if (err != PTK_OK || os_err == 0) {
            return err;
        }
        if (is_short_of_resources(os_err)) {
            err = wait_for_handle(sock, call, &backoff_ns);
            call->os_err = err == PTK_ERR_NO_RESOURCES ? os_err : 0;
        } else {
            err = died_in_backlog(os_err) ? skip_dead(call) : ptk_call_errno(call, op->result);
        }
        if (err != PTK_OK || sock->is_closed) {
            return err != PTK_OK ? err : PTK_ERR_CLOSED;
        }
    }
}

static ptk_sock_t *accept_inside_gate(ptk_sock_t *sock, ptk_call_t *call, ptk_err *err_out) {
    ptk_sock_t *accepted = ptk_sock_reserve(call->scheduler);
    if (!accepted) {
        *err_out = PTK_ERR_NO_RESOURCES;
        return NULL;
    }
    *err_out = accept_handle(sock, call);
    if (*err_out != PTK_OK) {
        ptk_sock_discard(accepted);
        return NULL;
    }
    ptk_sock_set_handle(accepted, sock->inbound.result, PTK_SOCK_CONNECTED);
    return accepted;
}

/* In the queue of those who accept, then for a connection. */
static ptk_sock_t *accept_call(ptk_sock_t *sock, ptk_call_t *call, struct sockaddr *addr, socklen_t *addrlen,
                               ptk_err *err_out) {
    *err_out = ptk_gate_enter(&sock->inbound_gate, call, "turn to accept", sock);
    if (*err_out != PTK_OK || sock->is_closed) {
        *err_out = *err_out != PTK_OK ? *err_out : PTK_ERR_CLOSED;
        return NULL;
    }
    sock->inbound.kind = PTK_OP_ACCEPT;
    sock->inbound.at.addr = addr;
    sock->inbound.addrlen = addrlen;
    ptk_sock_t *accepted = accept_inside_gate(sock, call, err_out);
    ptk_sock_leave_gate(sock, &sock->inbound_gate);
    return accepted;
}

ptk_sock_t *ptk_sock_accept(ptk_sock_t *sock, struct sockaddr *addr, socklen_t *addrlen,
                            uint32_t timeout_ms) {
    ptk_call_t call;
    if ((addr == NULL) != (addrlen == NULL)) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    ptk_err err = ptk_sock_begin(sock, &call, timeout_ms);
    if (err != PTK_OK) {
        return NULL;
    }
    ptk_sock_t *accepted = NULL;
    if (sock->state == PTK_SOCK_LISTENING) {
        accepted = accept_call(sock, &call, addr, addrlen, &err);
    } else {
        err = PTK_ERR_INVALID_PARAM;
    }
    (void) ptk_sock_finish(sock, &call, err);
    return accepted;
}
