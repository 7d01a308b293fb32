/* SPDX-License-Identifier: MIT */
/*
 * Closing a connection without losing what was sent (layer 5).
 *
 * close(2) with unread input makes the kernel send a reset, which discards what the peer has not received. So
 * the stream is ended first, by a call of the outbound direction, which queues behind the sends of others.
 * Then a call of the inbound direction discards input until the peer's end. Both share one deadline. The
 * close comes last in every case.
 */
#include "net/ptk_sock_impl.h"

#include "sched/ptk_timer.h"

#define DISCARDED_BYTES 2048 /* at a time, on the caller's stack */

/* Waits for earlier sends, sends a rest, and ends the outbound direction. The deadline of the call, made
 * absolute, is the deadline of what follows. */
static ptk_err end_outbound(const ptk_sock_t *token, uint32_t timeout_ms, ptk_deadline_t *deadline_out) {
    ptk_sock_call_t call;
    ptk_err err = ptk_sock_enter(&call, token, PTK_SOCK_VERB_SEND_SOME, timeout_ms);
    if (err != PTK_OK) {
        return err;
    }
    ptk_sock_t *sock = call.sock;
    ptk_deadline_fix(&call.call.deadline);
    *deadline_out = call.call.deadline;
    err = ptk_sock_push_rest(&call);
    if (err == PTK_OK && !sock->is_write_shut) {
        int result = sock->scheduler->loop->ops->sockets->shutdown(sock->source.handle, false, true);
        sock->is_write_shut = result == 0;
        err = result == 0 ? PTK_OK : ptk_call_errno(&call.call, result);
    }
    return ptk_sock_leave(&call, err);
}

/* Receives and discards until the peer's end. */
static ptk_err discard_input(ptk_sock_call_t *call) {
    char discarded[DISCARDED_BYTES];
    ptk_event_op_t *op = &call->sock->inbound;
    ptk_err err = PTK_OK;
    while (err == PTK_OK) {
        op->kind = PTK_OP_RECV;
        op->at.buffer = discarded;
        op->bytes = sizeof discarded;
        err = ptk_op_wait(&call->call, op, "the peer's end", call->sock);
        if (err == PTK_OK && op->result <= 0) {
            return op->result == 0 ? PTK_OK : ptk_call_errno(&call->call, op->result);
        }
        err = err == PTK_OK ? ptk_call_continue(&call->call) : err;
        err = call->sock->pin.closed ? PTK_ERR_CLOSED : err;
    }
    return err;
}

static ptk_err await_end(const ptk_sock_t *token, uint32_t timeout_ms, const ptk_deadline_t *deadline) {
    ptk_sock_call_t call;
    ptk_err err = ptk_sock_enter(&call, token, PTK_SOCK_VERB_RECV, timeout_ms);
    if (err != PTK_OK) {
        return err;
    }
    call.call.deadline = *deadline;
    return ptk_sock_leave(&call, discard_input(&call));
}

ptk_err ptk_sock_close_linger(ptk_sock_t *token, uint32_t timeout_ms) {
    ptk_deadline_t deadline;
    if (!token) {
        return PTK_OK;
    }
    const ptk_error_slot_t before = *ptk_error_slot();
    ptk_err err = end_outbound(token, timeout_ms, &deadline);
    if (err == PTK_OK) {
        err = await_end(token, timeout_ms, &deadline);
    }
    int os_err = err == PTK_OK ? 0 : ptk_get_os_err();
    ptk_sock_close(token);
    if (err == PTK_ERR_NOT_CONNECTED) {
        *ptk_error_slot() = before; /* the call succeeds */
        return PTK_OK;
    }
    return err == PTK_OK ? PTK_OK : ptk_fail_os(err, os_err);
}
