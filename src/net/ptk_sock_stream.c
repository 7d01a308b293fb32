/* SPDX-License-Identifier: MIT */
/*
 * Receiving and sending on streams (layer 5).
 *
 * A receive fills the caller's buffer from the carry first, then from the operation, until it has what was
 * asked for. If it has to end before that, what it got goes into the carry: the stream as the caller sees it
 * has lost nothing. The carry is empty whenever a receive goes to the operation, so keeping is a plain copy.
 *
 * A send drives the operation until all is out. One that is cut short leaves half a frame in the stream, and
 * the socket is broken until send_some has sent as many bytes as the frame lacks.
 */
#include "net/ptk_sock_impl.h"

#include "base/ptk_memory.h"
#include "sched/ptk_call.h"
#include "sched/ptk_op.h"
#include <errno.h>
#include <string.h>

/* --- the carry --- */

static size_t take_unread(ptk_sock_t *sock, char *buffer, size_t bytes) {
    size_t taken = sock->unread_bytes < bytes ? sock->unread_bytes : bytes;
    if (taken == 0) {
        return 0;
    }
    memcpy(buffer, sock->unread + sock->unread_start, taken);
    sock->unread_start += taken;
    sock->unread_bytes -= taken;
    if (sock->unread_bytes == 0) {
        ptk_free(sock->unread);
        sock->unread = NULL;
        sock->unread_start = 0;
    }
    return taken;
}

static bool keep_unread(ptk_sock_t *sock, const char *buffer, size_t bytes) {
    ptk_assert(sock->unread_bytes == 0);
    sock->unread = ptk_allocate(bytes);
    if (!sock->unread) {
        return false;
    }
    memcpy(sock->unread, buffer, bytes);
    sock->unread_bytes = bytes;
    return true;
}

/* --- receive --- */

typedef struct transfer {
    char *buffer;
    size_t least; /* done when so many bytes have moved */
    size_t most;
    size_t moved;
} transfer_t;

/* Not while a connect is under way: a receive would take the error that the connect is to find. */
static bool may_transfer(const ptk_sock_t *sock) {
    return sock->state == PTK_SOCK_CONNECTED;
}

static ptk_err go_on(const ptk_sock_t *sock, ptk_call_t *call) {
    ptk_err err = ptk_call_continue(call);
    return sock->is_closed ? PTK_ERR_CLOSED : err;
}

/* The system tells only once that a connection is broken. The other direction, too, must hear of it: what it
 * gets is an end of stream, as if the peer had ended it in good order. (EPIPE is not among them: after it
 * what the peer sent before its end may still be read.) */
static ptk_err fail_transfer(ptk_sock_t *sock, ptk_call_t *call, intptr_t result) {
    switch (-result) {
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
        sock->broken_by = (int) result;
        break;
    default:
        break;
    }
    return ptk_call_errno(call, result);
}

static ptk_err receive_piece(ptk_sock_t *sock, ptk_call_t *call, transfer_t *transfer) {
    ptk_event_op_t *op = &sock->inbound;
    op->kind = PTK_OP_RECV;
    op->at.buffer = transfer->buffer + transfer->moved;
    op->bytes = transfer->most - transfer->moved;
    ptk_err err = ptk_op_wait(call, op, "recv", sock);
    if (err != PTK_OK) {
        return err;
    }
    if (op->result < 0) {
        return fail_transfer(sock, call, op->result);
    }
    if (op->result == 0 && sock->broken_by != 0) {
        return ptk_call_errno(call, sock->broken_by);
    }
    if (op->result == 0) {
        return transfer->moved > 0 ? PTK_ERR_TRUNCATED : PTK_ERR_CLOSED;
    }
    transfer->moved += (size_t) op->result;
    return PTK_OK;
}

static ptk_err receive(ptk_sock_t *sock, ptk_call_t *call, transfer_t *transfer) {
    transfer->moved = take_unread(sock, transfer->buffer, transfer->most);
    ptk_err err = PTK_OK;
    while (err == PTK_OK && transfer->moved < transfer->least) {
        err = receive_piece(sock, call, transfer);
        if (err == PTK_OK && transfer->moved < transfer->least) {
            err = go_on(sock, call);
        }
    }
    return err;
}

/* A receive that failed in the middle: the bytes go to the carry, or, without memory, stay in the caller's
 * buffer. */
static ptk_err give_up_receive(ptk_sock_t *sock, ptk_call_t *call, const transfer_t *transfer, ptk_err err) {
    if (transfer->moved == 0 || sock->is_closed || keep_unread(sock, transfer->buffer, transfer->moved)) {
        return ptk_sock_finish(sock, call, err);
    }
    err = ptk_sock_finish(sock, call, PTK_ERR_NO_RESOURCES);
    return ptk_fail_count(err, PTK_OK, transfer->moved);
}

static ptk_err receive_call(ptk_sock_t *sock, transfer_t *transfer, uint32_t timeout_ms) {
    ptk_call_t call;
    ptk_err err = ptk_sock_begin(sock, &call, timeout_ms);
    if (err != PTK_OK) {
        return err;
    }
    if (!may_transfer(sock)) {
        return ptk_sock_finish(sock, &call, PTK_ERR_NOT_CONNECTED);
    }
    err = ptk_gate_enter(&sock->inbound_gate, &call, "turn", sock);
    if (err != PTK_OK) {
        return ptk_sock_finish(sock, &call, err);
    }
    err = receive(sock, &call, transfer);
    ptk_sock_leave_gate(sock, &sock->inbound_gate);
    if (err != PTK_OK) {
        return give_up_receive(sock, &call, transfer, err);
    }
    return ptk_sock_finish(sock, &call, PTK_OK);
}

ptk_err ptk_sock_recv(ptk_sock_t *sock, void *buf, size_t len, uint32_t timeout_ms) {
    if (!buf && len > 0) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    transfer_t transfer = {.buffer = buf, .least = len, .most = len};
    return receive_call(sock, &transfer, timeout_ms);
}

ptk_err ptk_sock_recv_some(ptk_sock_t *sock, void *buf, size_t len, size_t *received_out,
                           uint32_t timeout_ms) {
    if (!buf || len == 0 || !received_out) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    transfer_t transfer = {.buffer = buf, .least = 1, .most = len};
    ptk_err err = receive_call(sock, &transfer, timeout_ms);
    *received_out = err == PTK_OK ? transfer.moved : 0;
    return err;
}

/* --- send --- */

static ptk_err send_piece(ptk_sock_t *sock, ptk_call_t *call, transfer_t *transfer) {
    ptk_event_op_t *op = &sock->outbound;
    op->kind = PTK_OP_SEND;
    op->at.data = transfer->buffer + transfer->moved;
    op->bytes = transfer->most - transfer->moved;
    ptk_err err = ptk_op_wait(call, op, "send", sock);
    if (err != PTK_OK) {
        return err;
    }
    if (op->result == -EPIPE && sock->is_write_shut) {
        return PTK_ERR_CLOSED;
    }
    if (op->result < 0) {
        return fail_transfer(sock, call, op->result);
    }
    transfer->moved += (size_t) op->result;
    return PTK_OK;
}

static ptk_err send_pieces(ptk_sock_t *sock, ptk_call_t *call, transfer_t *transfer) {
    ptk_err err = PTK_OK;
    while (err == PTK_OK && transfer->moved < transfer->least) {
        err = send_piece(sock, call, transfer);
        if (err == PTK_OK && transfer->moved < transfer->least) {
            err = go_on(sock, call);
        }
    }
    return err;
}

/* A send that failed: after some bytes it is PARTIAL, whatever else happened to the socket. */
static ptk_err give_up_send(ptk_sock_t *sock, ptk_call_t *call, const transfer_t *transfer, ptk_err err) {
    bool partial = transfer->moved > 0;
    int os_err = call->os_err;
    ptk_err cause = ptk_sock_finish(sock, call, err);
    if (!partial) {
        return cause;
    }
    err = ptk_fail_count(PTK_ERR_PARTIAL, cause, transfer->moved);
    ptk_error_slot()->os_err = os_err;
    return err;
}

/* What a cut frame lacks; sends that resume make up for it. */
static void note_missing(ptk_sock_t *sock, const transfer_t *transfer, bool resumes, ptk_err err) {
    if (resumes) {
        sock->missing -= transfer->moved < sock->missing ? transfer->moved : sock->missing;
    } else if (err != PTK_OK && transfer->moved > 0) {
        sock->missing = transfer->most - transfer->moved;
    }
}

static ptk_err send_call(ptk_sock_t *sock, transfer_t *transfer, bool resumes, uint32_t timeout_ms) {
    ptk_call_t call;
    ptk_err err = ptk_sock_begin(sock, &call, timeout_ms);
    if (err != PTK_OK) {
        return err;
    }
    if (!may_transfer(sock)) {
        return ptk_sock_finish(sock, &call, PTK_ERR_NOT_CONNECTED);
    }
    err = ptk_gate_enter(&sock->outbound_gate, &call, "turn to send", sock);
    if (err != PTK_OK || sock->is_closed) {
        return ptk_sock_finish(sock, &call, err != PTK_OK ? err : PTK_ERR_CLOSED);
    }
    if (sock->missing > 0 && !resumes) {
        ptk_sock_leave_gate(sock, &sock->outbound_gate);
        return ptk_sock_finish(sock, &call, PTK_ERR_BROKEN);
    }
    err = send_pieces(sock, &call, transfer);
    note_missing(sock, transfer, resumes, err);
    ptk_sock_leave_gate(sock, &sock->outbound_gate);
    if (err != PTK_OK) {
        return give_up_send(sock, &call, transfer, err);
    }
    return ptk_sock_finish(sock, &call, PTK_OK);
}

/* Sending only reads the buffer, but receiving shares the record. */
static char *readable(const void *buf) {
    return (char *) (uintptr_t) buf;
}

ptk_err ptk_sock_send(ptk_sock_t *sock, const void *buf, size_t len, uint32_t timeout_ms) {
    if (!buf && len > 0) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    transfer_t transfer = {.buffer = readable(buf), .least = len, .most = len};
    return send_call(sock, &transfer, false, timeout_ms);
}

ptk_err ptk_sock_send_some(ptk_sock_t *sock, const void *buf, size_t len, size_t *sent_out,
                           uint32_t timeout_ms) {
    if (!buf || len == 0 || !sent_out) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    transfer_t transfer = {.buffer = readable(buf), .least = 1, .most = len};
    ptk_err err = send_call(sock, &transfer, true, timeout_ms);
    *sent_out = err == PTK_OK ? transfer.moved : 0;
    return err;
}
