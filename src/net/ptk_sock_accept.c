/* SPDX-License-Identifier: MIT */
/*
 * Accepting (layer 5).
 *
 * Accept reserves the socket before it calls the kernel, so a connection that was taken is never lost to a
 * lack of memory. Connections that died in the backlog are skipped. When descriptors or kernel memory are
 * short, another try at once would spin, because the listener stays readable. Accept waits then until a
 * socket of this loop is closed or some time has passed, longer each time, and does not watch the listener
 * meanwhile.
 *
 *     accept(2)  --descriptor-->  OK
 *                --died in the backlog-->  accept(2), budget spent
 *                --shortage-->  wait for a descriptor  --closed one, or time-->  accept(2)
 *                                                      --the call's time is up-->  NO_RESOURCES
 *
 * The call keeps the inbound gate all the time, so that connections go to the waiters in order.
 */
#include "net/ptk_sock_impl.h"

#include "sched/ptk_timer.h"
#include <errno.h>

#define BACKOFF_FIRST_NS (10 * PTK_NS_PER_MS)
#define BACKOFF_LAST_NS  (1000 * PTK_NS_PER_MS)

/* Returns true if accept(2) reports a connection that failed before it was taken, or a network error that is
   pending on the new socket. */
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

/* Returns true if a try at once would fail in the same way. */
static bool is_short_of_resources(int os_err) {
    return os_err == EMFILE || os_err == ENFILE || os_err == ENOBUFS || os_err == ENOMEM;
}

/* Returns true if the listener was closed or shut down, which may happen during each wait. */
static bool has_ended(const ptk_sock_t *listener) {
    return listener->pin.closed || listener->state == PTK_SOCK_UNLISTENED;
}

/* Waits until a descriptor may be free. NO_RESOURCES: the call's time is up. */
static ptk_err wait_for_descriptor(ptk_sock_call_t *sock_call, uint64_t *backoff_ns) {
    ptk_call_t *call = &sock_call->call;
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return PTK_ERR_NO_RESOURCES;
    }
    ptk_deadline_t pause = {.kind = PTK_DEADLINE_RELATIVE, .ns = *backoff_ns};
    ptk_deadline_fix(&pause);
    ptk_deadline_fix(&call->deadline);
    bool is_last = call->deadline.kind == PTK_DEADLINE_ABSOLUTE && call->deadline.ns <= pause.ns;
    *backoff_ns = *backoff_ns * 2 < BACKOFF_LAST_NS ? *backoff_ns * 2 : BACKOFF_LAST_NS;
    ptk_wait_t *wait = ptk_wait_plain(call->self, "a free descriptor", sock_call->sock, true);
    ptk_list_append(&call->scheduler->descriptor_waiters, &wait->link);
    ptk_err code = ptk_park(call->self, is_last ? &call->deadline : &pause);
    if (code == PTK_ERR_TIMEOUT) {
        return is_last ? PTK_ERR_NO_RESOURCES : PTK_OK;
    }
    return code;
}

/* Continues with the next connection, unless the call is to try just once. */
static ptk_err skip_dead_connection(ptk_call_t *call) {
    return call->deadline.kind == PTK_DEADLINE_NOW ? PTK_ERR_TIMEOUT : ptk_call_continue(call);
}

/* Decides about a failed accept(2). OK: try again. */
static ptk_err handle_accept_failure(ptk_sock_call_t *call, int os_err, uint64_t *backoff_ns) {
    ptk_err err;
    if (has_ended(call->sock)) {
        return PTK_ERR_CLOSED; /* the failure is the shutdown's */
    }
    if (is_short_of_resources(os_err)) {
        err = wait_for_descriptor(call, backoff_ns);
        call->call.os_err = err == PTK_ERR_NO_RESOURCES ? os_err : 0;
    } else {
        err = died_in_backlog(os_err) ? skip_dead_connection(&call->call)
                                      : ptk_call_errno(&call->call, -os_err);
    }
    return err == PTK_OK && has_ended(call->sock) ? PTK_ERR_CLOSED : err;
}

/* Waits for the next connection's descriptor: OK with op->result >= 0, or why there is none. */
static ptk_err accept_descriptor(ptk_sock_call_t *call) {
    const ptk_event_op_t *op = &call->sock->inbound;
    uint64_t backoff_ns = BACKOFF_FIRST_NS;
    ptk_err err = PTK_OK;
    while (err == PTK_OK) {
        err = ptk_op_wait(&call->call, &call->sock->inbound, "accept", call->sock);
        if (err != PTK_OK || op->result >= 0) {
            return err;
        }
        err = handle_accept_failure(call, (int) -op->result, &backoff_ns);
    }
    return err;
}

/* Accepts inside an entered call. NULL: *err_out is set. */
static ptk_sock_t *accept_connection(ptk_sock_call_t *call, ptk_err *err_out) {
    ptk_sock_t *accepted = ptk_sock_reserve(call->call.scheduler);
    if (!accepted) {
        *err_out = PTK_ERR_NO_RESOURCES;
        return NULL;
    }
    *err_out = accept_descriptor(call);
    ptk_assert(*err_out != PTK_OK || call->sock->inbound.result >= 0);
    if (*err_out != PTK_OK) {
        ptk_sock_discard(accepted);
        return NULL;
    }
    ptk_sock_init_handle(accepted, call->sock->inbound.result, PTK_SOCK_CONNECTED);
    return accepted;
}

ptk_sock_t *ptk_sock_accept(ptk_sock_t *token, struct sockaddr *addr, socklen_t *addrlen,
                            uint32_t timeout_ms) {
    ptk_sock_call_t call;
    if ((addr == NULL) != (addrlen == NULL)) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    ptk_err err = ptk_sock_enter(&call, token, PTK_SOCK_VERB_ACCEPT, timeout_ms);
    if (err != PTK_OK) {
        return NULL;
    }
    ptk_assert(call.sock->state == PTK_SOCK_LISTENING && call.sock->inbound.state == PTK_OP_IDLE);
    call.sock->inbound.kind = PTK_OP_ACCEPT;
    call.sock->inbound.at.addr = addr;
    call.sock->inbound.addrlen = addrlen;
    ptk_sock_t *accepted = accept_connection(&call, &err);
    if (accepted) {
        accepted->opened_at = __builtin_return_address(0);
    }
    (void) ptk_sock_leave(&call, err);
    return accepted ? ptk_token_of(&accepted->head) : NULL;
}
