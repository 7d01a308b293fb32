/* SPDX-License-Identifier: MIT */
/*
 * Receiving and sending on streams (layer 5).
 *
 * A receive fills the caller's buffer from the unread bytes first, then from the operation, until it has as
 * many bytes as the caller requested. If it ends before that, its bytes become the unread bytes: the stream
 * as the caller sees it has lost nothing.
 *
 * Unread bytes that are fewer than an exact receive needs stay where they are until the rest has come. The
 * operation fills the caller's buffer behind the place that they will have; on success they are copied in
 * front, and on failure the new bytes alone are appended to them. So a byte is copied twice at most, however
 * many receives time out before its message is whole. (The memory doubles when it grows, so moving it costs
 * no more than that.)
 *
 * A send drives the operation until all bytes are out. One that is cut short leaves half a frame in the
 * stream, and the socket refuses further frames until send_some has sent as many bytes as the frame lacks.
 *
 * A send with timeout 0 takes all bytes or none. It reads first how much room the system has, and requires
 * more than the bytes themselves, because the system's own records take room too. If the system still leaves
 * some of them, the socket keeps this *rest*, and the call has succeeded. The rest precedes every later byte.
 */
#include "net/ptk_sock_impl.h"

#include "base/ptk_memory.h"
#include <errno.h>
#include <string.h>

/* Room that the system's records of one send may take besides as much as its bytes. */
#define SEND_RECORD_BYTES 4096

typedef struct transfer {
    char *buffer; /* the caller's; a send only reads it */
    size_t least; /* done when so many bytes have moved */
    size_t most;  /* size of the buffer */
    size_t moved; /* bytes so far, from the unread bytes or by the operation */
} transfer_t;

/* --- unread bytes --- */

/* Moves the first `bytes` unread bytes to `buffer`. The memory is freed with the last. */
static void take_unread(ptk_sock_t *sock, char *buffer, size_t bytes) {
    ptk_assert(sock->unread && bytes <= sock->unread_bytes);
    ptk_assert(sock->inbound_gate.unusual & PTK_SOCK_HAS_UNREAD);
    memcpy(buffer, sock->unread + sock->unread_start, bytes);
    sock->unread_start += bytes;
    sock->unread_bytes -= bytes;
    if (sock->unread_bytes == 0) {
        ptk_free(sock->unread);
        sock->unread = NULL;
        sock->unread_start = 0;
        sock->unread_capacity = 0;
        sock->inbound_gate.unusual &= ~PTK_SOCK_HAS_UNREAD;
    }
}

/* Makes room for `bytes` more behind the unread bytes. False: out of memory; nothing has changed. */
static bool reserve_unread(ptk_sock_t *sock, size_t bytes) {
    size_t needed = sock->unread_bytes + bytes;
    if (sock->unread_start + needed <= sock->unread_capacity) {
        return true;
    }
    size_t capacity = needed < 2 * sock->unread_bytes ? 2 * sock->unread_bytes : needed;
    char *memory = ptk_allocate(capacity);
    if (!memory) {
        return false;
    }
    if (sock->unread) {
        memcpy(memory, sock->unread + sock->unread_start, sock->unread_bytes);
    }
    ptk_free(sock->unread);
    sock->unread = memory;
    sock->unread_start = 0;
    sock->unread_capacity = capacity;
    return true;
}

/* Appends to the unread bytes. False: out of memory. */
static bool keep_unread(ptk_sock_t *sock, const char *buffer, size_t bytes) {
    ptk_assert(bytes > 0 && (sock->unread_bytes == 0) == !sock->unread);
    if (!reserve_unread(sock, bytes)) {
        return false;
    }
    ptk_assert(sock->unread && sock->unread_start + sock->unread_bytes + bytes <= sock->unread_capacity);
    memcpy(sock->unread + sock->unread_start + sock->unread_bytes, buffer, bytes);
    sock->unread_bytes += bytes;
    sock->inbound_gate.unusual |= PTK_SOCK_HAS_UNREAD;
    return true;
}

/* --- the transfer --- */

/* Returns the code of a failed transfer. The system reports only once why a connection is broken; a receive
 * after that would return an end of stream, as if the peer had ended it in good order, and a send EPIPE, so
 * the reason is kept. EPIPE is not kept: bytes that the peer sent before its end may still be read. */
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
    if (op->result == -EPIPE && sock->broken_by != 0) {
        return ptk_call_errno(
            &call->call, sock->broken_by); /* the system has reported the reason to the other direction */
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

/* Leaves a receive that failed in the middle. Its new bytes become unread bytes, or, without memory, all stay
   in the caller's buffer. */
static ptk_err leave_failed_receive(ptk_sock_call_t *call, const transfer_t *transfer, ptk_err err) {
    ptk_sock_t *sock = call->sock;
    size_t unread = sock->unread_bytes;
    ptk_assert(err != PTK_OK && unread <= transfer->moved && transfer->moved < transfer->least);
    bool keeps = transfer->moved > unread && !sock->pin.closed;
    if (!keeps || keep_unread(sock, transfer->buffer + unread, transfer->moved - unread)) {
        return ptk_sock_leave(call, err);
    }
    if (unread > 0) {
        take_unread(sock, transfer->buffer, unread);
    }
    err = ptk_sock_leave(call, PTK_ERR_NO_RESOURCES);
    return ptk_fail_count(err, PTK_OK, transfer->moved);
}

/* Receives where there are unread bytes. If they are not enough, their place in front stays free until the
   rest has come. */
static __attribute__((noinline)) ptk_err receive_behind_unread(ptk_sock_call_t *call, transfer_t *transfer) {
    ptk_sock_t *sock = call->sock;
    size_t unread = sock->unread_bytes < transfer->most ? sock->unread_bytes : transfer->most;
    transfer->moved = unread;
    ptk_err err = move_bytes(call, transfer, &sock->inbound, "recv");
    if (err != PTK_OK) {
        return leave_failed_receive(call, transfer, err);
    }
    if (unread > 0) { /* not so if no byte was requested */
        take_unread(sock, transfer->buffer, unread);
    }
    return ptk_sock_leave(call, PTK_OK);
}

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
        return receive_behind_unread(&call, transfer);
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

/* --- the rest of a send with timeout 0 --- */

static void drop_rest(ptk_sock_t *sock, size_t bytes) {
    ptk_assert(sock->rest && bytes <= sock->rest_bytes);
    sock->rest_start += bytes;
    sock->rest_bytes -= bytes;
    if (sock->rest_bytes == 0) {
        ptk_free(sock->rest);
        sock->rest = NULL;
        sock->outbound_gate.unusual &= ~PTK_SOCK_HAS_REST;
    }
}

/* Copies what the system has left. False: out of memory. */
static bool keep_rest(ptk_sock_t *sock, const char *buffer, size_t bytes) {
    ptk_assert(bytes > 0 && !sock->rest && sock->rest_bytes == 0);
    sock->rest = ptk_allocate(bytes);
    if (!sock->rest) {
        return false;
    }
    memcpy(sock->rest, buffer, bytes);
    sock->rest_start = 0;
    sock->rest_bytes = bytes;
    sock->outbound_gate.unusual |= PTK_SOCK_HAS_REST;
    return true;
}

__attribute__((noinline)) ptk_err ptk_sock_push_rest(ptk_sock_call_t *call) {
    ptk_sock_t *sock = call->sock;
    if (sock->rest_bytes == 0) {
        return PTK_OK;
    }
    transfer_t transfer = {
        .buffer = sock->rest + sock->rest_start, .least = sock->rest_bytes, .most = sock->rest_bytes};
    sock->outbound.kind = PTK_OP_SEND;
    ptk_err err = move_bytes(call, &transfer, &sock->outbound, "send");
    drop_rest(sock, transfer.moved);
    return err;
}

ptk_err ptk_sock_push_rest_now(ptk_sock_t *sock) {
    if (sock->rest_bytes == 0) {
        return PTK_OK;
    }
    ptk_assert(sock->rest && (sock->outbound_gate.unusual & PTK_SOCK_HAS_REST));
    if (!ptk_gate_try(&sock->outbound_gate)) {
        return PTK_ERR_TIMEOUT;
    }
    ptk_sock_call_t call = {.call = {.scheduler = sock->scheduler, .deadline = {.kind = PTK_DEADLINE_NOW}},
                            .sock = sock};
    ptk_err err = ptk_sock_push_rest(&call);
    ptk_gate_leave(&sock->outbound_gate);
    return err;
}

static inline __attribute__((always_inline)) ptk_err send_bytes(const ptk_sock_t *token, transfer_t *transfer,
                                                                ptk_sock_verb_t verb, uint32_t timeout_ms) {
    ptk_sock_call_t call;
    ptk_err err = ptk_sock_enter(&call, token, verb, timeout_ms);
    if (err != PTK_OK) {
        return err;
    }
    ptk_sock_t *sock = call.sock;
    if (ptk_unlikely(call.gate->unusual & PTK_SOCK_HAS_REST)) {
        err = ptk_sock_push_rest(&call);
        if (err != PTK_OK) {
            return ptk_sock_leave(&call, err);
        }
    }
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

/* Returns true unless the system has no room for all of `bytes`. Its records take as much room as the bytes
   at worst; bytes that fill more than half of it are tried when it is empty. Where it does not state its
   room, what it leaves becomes the rest. */
static bool has_room(const ptk_sock_t *sock, size_t bytes) {
    size_t room = 0;
    size_t capacity = 0;
    const ptk_platform_socket_ops_t *ops = sock->scheduler->loop->ops->sockets;
    if (bytes == 0 || sock->is_write_shut || ops->send_room(sock->source.handle, &room, &capacity) != 0) {
        return true;
    }
    ptk_assert(room <= capacity);
    return bytes <= capacity &&
           (room == capacity || (room > SEND_RECORD_BYTES && (room - SEND_RECORD_BYTES) / 2 >= bytes));
}

/* Sends all bytes or none, at once. A failure of the connection in the middle is PARTIAL all the same. */
static ptk_err send_now(const ptk_sock_t *token, transfer_t *transfer) {
    ptk_sock_call_t call;
    ptk_err err = ptk_sock_enter(&call, token, PTK_SOCK_VERB_SEND, 0);
    if (err != PTK_OK) {
        return err;
    }
    ptk_sock_t *sock = call.sock;
    err = ptk_sock_push_rest(&call);
    if (err == PTK_OK && !has_room(sock, transfer->most)) {
        err = PTK_ERR_TIMEOUT;
    }
    if (err == PTK_OK) {
        sock->outbound.kind = PTK_OP_SEND;
        err = move_bytes(&call, transfer, &sock->outbound, "send");
    }
    if (err == PTK_ERR_TIMEOUT && transfer->moved > 0) {
        size_t left = transfer->most - transfer->moved;
        err = keep_rest(sock, transfer->buffer + transfer->moved, left) ? PTK_OK : PTK_ERR_NO_RESOURCES;
    }
    if (err == PTK_OK) {
        return ptk_sock_leave(&call, PTK_OK);
    }
    if (transfer->moved > 0) {
        set_missing(sock, transfer->most - transfer->moved);
    }
    return leave_failed_send(&call, transfer, err);
}

ptk_err ptk_sock_send(ptk_sock_t *token, const void *buf, size_t len, uint32_t timeout_ms) {
    if (!buf && len > 0) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    transfer_t transfer = {.buffer = without_const(buf), .least = len, .most = len};
    if (timeout_ms == 0) {
        return send_now(token, &transfer);
    }
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
