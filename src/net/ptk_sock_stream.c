/* SPDX-License-Identifier: MIT */
/*
 * Receiving and sending on streams (layer 5).
 *
 * A receive fills the caller's buffer from the unread bytes first, then from the operation, until it has the
 * requested bytes. If it ends before that, its bytes become the unread bytes, so the stream loses none. There
 * are no unread bytes whenever a receive uses the operation, so keeping them is a plain copy.
 *
 * A send drives the operation until all bytes are out. One that is cut short leaves half a frame in the
 * stream, and the socket refuses further frames until send_some has sent as many bytes as the frame lacks.
 *
 *     inbound:   no unread bytes  --receive cut short-->  unread bytes  --receives take all-->  no unread
 * bytes outbound:  whole            --send cut short----->  missing bytes --send_some sends all-->  whole
 */
#include "net/ptk_sock_impl.h"

#include "base/ptk_memory.h"
#include <errno.h>
#include <string.h>

/* One receive or send. */
typedef struct transfer {
    char *buffer; /* the caller's; a send only reads it */
    size_t least; /* done when so many bytes have moved */
    size_t most;  /* size of the buffer */
    size_t moved; /* bytes so far, from the unread bytes or by the operation */
} transfer_t;

/* --- unread bytes --- */

/* Moves unread bytes to `buffer` and returns their number. The last one frees the memory. */
static size_t take_unread(ptk_sock_t *sock, char *buffer, size_t bytes) {
    size_t taken = sock->unread_bytes < bytes ? sock->unread_bytes : bytes;
    if (taken == 0) {
        return 0;
    }
    memcpy(buffer, sock->unread + sock->unread_start, taken);
    ptk_assert(sock->unread && (sock->inbound_gate.unusual & PTK_SOCK_HAS_UNREAD));
    sock->unread_start += taken;
    sock->unread_bytes -= taken;
    if (sock->unread_bytes == 0) {
        ptk_free(sock->unread);
        sock->unread = NULL;
        sock->unread_start = 0;
        sock->inbound_gate.unusual &= ~PTK_SOCK_HAS_UNREAD;
    }
    return taken;
}

/* Makes a copy of `bytes` bytes the unread bytes, of which there are none. Returns false if there is no
 * memory. */
static bool keep_unread(ptk_sock_t *sock, const char *buffer, size_t bytes) {
    ptk_assert(sock->unread_bytes == 0 && !sock->unread && bytes > 0);
    sock->unread = ptk_allocate(bytes);
    if (!sock->unread) {
        return false;
    }
    memcpy(sock->unread, buffer, bytes);
    sock->unread_bytes = bytes;
    sock->inbound_gate.unusual |= PTK_SOCK_HAS_UNREAD;
    return true;
}

/* --- the transfer --- */

/* Returns the code of a failed transfer. The system reports only once that a connection is broken; a receive
 * after that would return an end of stream, as if the peer had ended it in good order, so the reason is kept.
 * EPIPE is not kept: bytes that the peer sent before its end may still be read. */
static ptk_err transfer_failure(ptk_sock_call_t *call, intptr_t result) {
    switch (-result) {
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
        call->sock->broken_by = (int) result;
        break;
    default:
        break;
    }
    return ptk_call_errno(&call->call, result);
}

/* Decides about an operation that moved nothing: the end of the stream, or a failure. */
static ptk_err end_of_transfer(ptk_sock_call_t *call, const transfer_t *transfer, const ptk_event_op_t *op) {
    ptk_sock_t *sock = call->sock;
    ptk_assert(op->state == PTK_OP_IDLE && op->result != -EAGAIN);
    if (op->result == -EPIPE && sock->is_write_shut) {
        return PTK_ERR_WRITE_SHUT;
    }
    if (op->result < 0) {
        return transfer_failure(call, op->result);
    }
    if (op->kind == PTK_OP_SEND) {
        return PTK_OK; /* no byte was taken: try again */
    }
    if (sock->broken_by != 0) {
        return ptk_call_errno(&call->call, sock->broken_by);
    }
    return transfer->moved > 0 ? PTK_ERR_UNEXPECTED_EOF : PTK_ERR_EOF;
}

/* Prepares the next operation of a transfer that has not parked. */
static ptk_err continue_transfer(ptk_sock_call_t *call) {
    ptk_err err = ptk_call_continue(&call->call);
    return call->sock->pin.closed ? PTK_ERR_CLOSED : err;
}

/* Moves bytes until `least` have moved: the loop of every receive and every send. It and its two callers are
   inlined, so that nothing lies between a verb and ptk_park. */
static inline __attribute__((always_inline)) ptk_err move_bytes(ptk_sock_call_t *call, transfer_t *transfer,
                                                                ptk_event_op_t *op, const char *kind) {
    while (transfer->moved < transfer->least) {
        op->at.buffer = transfer->buffer + transfer->moved;
        op->bytes = transfer->most - transfer->moved;
        ptk_err err = ptk_op_wait(&call->call, op, kind, call->sock);
        if (ptk_likely(err == PTK_OK && op->result > 0)) {
            ptk_assert((size_t) op->result <= op->bytes);
            transfer->moved += (size_t) op->result;
        } else {
            err = err == PTK_OK ? end_of_transfer(call, transfer, op) : err;
        }
        if (ptk_unlikely(err == PTK_OK && transfer->moved < transfer->least)) {
            err = continue_transfer(call);
        }
        if (ptk_unlikely(err != PTK_OK)) {
            return err;
        }
    }
    return PTK_OK;
}

/* --- receive --- */

/* Leaves a receive that failed in the middle. Its bytes become the unread bytes, or, without memory, stay in
   the caller's buffer. */
static ptk_err leave_failed_receive(ptk_sock_call_t *call, const transfer_t *transfer, ptk_err err) {
    ptk_assert(err != PTK_OK && transfer->moved < transfer->least);
    bool keeps = transfer->moved > 0 && !call->sock->pin.closed;
    if (!keeps || keep_unread(call->sock, transfer->buffer, transfer->moved)) {
        return ptk_sock_leave(call, err);
    }
    err = ptk_sock_leave(call, PTK_ERR_NO_RESOURCES);
    return ptk_fail_count(err, PTK_OK, transfer->moved);
}

/* Enters, moves bytes, leaves: both receives. */
static inline __attribute__((always_inline)) ptk_err receive(const ptk_sock_t *token, transfer_t *transfer,
                                                             uint32_t timeout_ms) {
    ptk_sock_call_t call;
    ptk_err err = ptk_sock_enter(&call, token, PTK_SOCK_VERB_RECV, timeout_ms);
    if (err != PTK_OK) {
        return err;
    }
    ptk_event_op_t *op = &call.sock->inbound;
    op->kind = PTK_OP_RECV;
    if (ptk_unlikely(call.gate->unusual & PTK_SOCK_HAS_UNREAD)) {
        transfer->moved = take_unread(call.sock, transfer->buffer, transfer->most);
    }
    err = move_bytes(&call, transfer, op, "recv");
    return ptk_likely(err == PTK_OK) ? ptk_sock_leave(&call, PTK_OK)
                                     : leave_failed_receive(&call, transfer, err);
}

ptk_err ptk_sock_recv(ptk_sock_t *token, void *buf, size_t len, uint32_t timeout_ms) {
    if (!buf && len > 0) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    transfer_t transfer = {.buffer = buf, .least = len, .most = len};
    return receive(token, &transfer, timeout_ms);
}

ptk_err ptk_sock_recv_some(ptk_sock_t *token, void *buf, size_t len, size_t *received_out,
                           uint32_t timeout_ms) {
    if (received_out) {
        *received_out = 0;
    }
    if (!buf || len == 0 || !received_out) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    transfer_t transfer = {.buffer = buf, .least = 1, .most = len};
    ptk_err err = receive(token, &transfer, timeout_ms);
    *received_out = err == PTK_OK ? transfer.moved : 0;
    return err;
}

/* --- send --- */

/* Leaves a send that failed. After some bytes it is PARTIAL, whatever else happened to the socket. */
static ptk_err leave_failed_send(ptk_sock_call_t *call, const transfer_t *transfer, ptk_err err) {
    int os_err = call->call.os_err;
    ptk_assert(err != PTK_OK && transfer->moved <= transfer->most);
    ptk_err cause = ptk_sock_leave(call, err);
    if (transfer->moved == 0) {
        return cause;
    }
    err = ptk_fail_count(PTK_ERR_PARTIAL, cause, transfer->moved);
    ptk_error_slot()->os_err = os_err;
    return err;
}

/* Sets how many bytes a frame that was cut short still lacks. */
static void set_missing(ptk_sock_t *sock, size_t bytes) {
    sock->missing_bytes = bytes;
    sock->outbound_gate.unusual &= ~PTK_SOCK_HAS_MISSING;
    if (bytes > 0) {
        sock->outbound_gate.unusual |= PTK_SOCK_HAS_MISSING;
    }
}

/* Enters, moves bytes, leaves: both sends. How many bytes are missing is set before the gate is handed over.
 */
static inline __attribute__((always_inline)) ptk_err send_bytes(const ptk_sock_t *token, transfer_t *transfer,
                                                                ptk_sock_verb_t verb, uint32_t timeout_ms) {
    ptk_sock_call_t call;
    ptk_err err = ptk_sock_enter(&call, token, verb, timeout_ms);
    if (err != PTK_OK) {
        return err;
    }
    ptk_sock_t *sock = call.sock;
    sock->outbound.kind = PTK_OP_SEND;
    err = move_bytes(&call, transfer, &sock->outbound, "send");
    if (verb == PTK_SOCK_VERB_SEND_SOME) {
        size_t missing = sock->missing_bytes;
        set_missing(sock, missing - (transfer->moved < missing ? transfer->moved : missing));
    } else if (ptk_unlikely(err != PTK_OK && transfer->moved > 0)) {
        set_missing(sock, transfer->most - transfer->moved);
    }
    return ptk_likely(err == PTK_OK) ? ptk_sock_leave(&call, PTK_OK)
                                     : leave_failed_send(&call, transfer, err);
}

/* A send only reads the buffer, but a receive uses the same record. */
static char *without_const(const void *buf) {
    return (char *) (uintptr_t) buf;
}

ptk_err ptk_sock_send(ptk_sock_t *token, const void *buf, size_t len, uint32_t timeout_ms) {
    if (!buf && len > 0) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    transfer_t transfer = {.buffer = without_const(buf), .least = len, .most = len};
    return send_bytes(token, &transfer, PTK_SOCK_VERB_SEND, timeout_ms);
}

ptk_err ptk_sock_send_some(ptk_sock_t *token, const void *buf, size_t len, size_t *sent_out,
                           uint32_t timeout_ms) {
    if (sent_out) {
        *sent_out = 0;
    }
    if (!buf || len == 0 || !sent_out) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    transfer_t transfer = {.buffer = without_const(buf), .least = 1, .most = len};
    ptk_err err = send_bytes(token, &transfer, PTK_SOCK_VERB_SEND_SOME, timeout_ms);
    *sent_out = err == PTK_OK ? transfer.moved : 0;
    return err;
}
