/* SPDX-License-Identifier: MIT */
/* Steps of random programs: receives and sends. */
#include "programs.h"

/* --- streams --- */

/* Returns whether so many bytes are under way that a send may find no room. */
static bool is_flooded(const programs_sock_t *sock) {
    size_t bytes = 0;
    for (size_t i = 0; i < sock->frame_count; i++) {
        bytes += sock->frames[i].bytes - sock->frames[i].received;
    }
    return sock->is_narrow || bytes > 20000;
}

static programs_call_t *begin_transfer(programs_worker_t *me, programs_sock_t *sock, uint32_t events,
                                       uint32_t timeout_ms, const char *verb, size_t bytes) {
    programs_call_t *call = PROGRAMS_BEGIN(me, timeout_ms, true, "%s on socket %d, %zu bytes, %d ms", verb,
                                           (int) sock->fd, bytes, (int) timeout_ms);
    if (!sock->is_closed) {
        programs_uses(me, sock, events);
    } else {
        call->is_exact = true;
        call->result = PTK_ERR_CLOSED;
    }
    return call;
}

static size_t bytes_of(const programs_step_t *step, const programs_sock_t *sock) {
    static const size_t few[] = {1, 3, 10, 100, 500, 1000, 2, 50};
    static const size_t many[] = {1, 3000, 6000, BUFFER, 500, 1000, 2, 2500};
    return (sock->is_narrow && step->extra >= 128 ? many : few)[step->extra % 8];
}

static void check_receive(programs_worker_t *me, programs_sock_t *sock, ptk_err err, size_t count) {
    if (err == PTK_OK) {
        programs_received(sock, me->bytes, count);
        PTK_SIM_CHECK(sock->state == SOCK_CONNECTED && me->call.sock);
    } else {
        programs_check_sock_error(me, sock, err);
        if (err == PTK_ERR_NO_RESOURCES && ptk_get_count() > 0) {
            programs_received(sock, me->bytes, ptk_get_count());
        }
    }
    programs_finish(me, err);
}

void programs_recv(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = programs_sock_of(step);
    size_t bytes = bytes_of(step, sock);
    begin_transfer(me, sock, PTK_EVENT_READ, programs_timeout(step), "recv", bytes);
    ptk_err err = ptk_sock_recv(sock->token, me->bytes, bytes, programs_timeout(step));
    PTK_SIM_CHECK(err == PTK_OK || sock->is_closed || ptk_sock_pending(sock->token) < bytes ||
                  err == PTK_ERR_CANCELED || err == PTK_ERR_BUSY);
    check_receive(me, sock, err, bytes);
}

void programs_recv_some(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = programs_sock_of(step);
    size_t bytes = bytes_of(step, sock);
    size_t count = 99999;
    begin_transfer(me, sock, PTK_EVENT_READ, programs_timeout(step), "recv_some", bytes);
    ptk_err err = ptk_sock_recv_some(sock->token, me->bytes, bytes, &count, programs_timeout(step));
    PTK_SIM_CHECK(err == PTK_OK ? count > 0 && count <= bytes : count == 0);
    check_receive(me, sock, err, count);
}

/* A send that was cut short: how much went out and why. */
static size_t check_partial(programs_worker_t *me, programs_sock_t *sock, size_t bytes) {
    size_t count = ptk_get_count();
    ptk_err cause = ptk_get_cause();
    PTK_SIM_CHECK(count > 0 && count < bytes && cause != PTK_OK && cause != PTK_ERR_PARTIAL);
    PTK_SIM_CHECK(cause != PTK_ERR_BROKEN && cause != PTK_ERR_BUSY && cause != PTK_ERR_NOT_CONNECTED);
    if (cause !=
        PTK_ERR_TIMEOUT) { /* time is over after each operation, whatever else the system would take */
        programs_check_sock_error(me, sock, cause);
    }
    PTK_SIM_CHECK(cause != PTK_ERR_RESET || ptk_get_os_err() != 0);
    if (cause == PTK_ERR_CANCELED) {
        PTK_SIM_CHECK(me->call.takes_cancel && programs_may_be_cancelled(me));
    }
    if (cause == PTK_ERR_TIMEOUT) {
        PTK_SIM_CHECK(ptk_now_ns() >= me->call.start_ns + me->call.timeout_ms * PTK_NS_PER_MS &&
                      me->call.timeout_ms != 0);
    }
    if (!sock->is_closed) {
        sock->missing = bytes - count;
        sock->cuts++;
    }
    return count;
}

void programs_send(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = programs_sock_of(step);
    size_t bytes = bytes_of(step, sock);
    uint32_t timeout_ms = programs_timeout(step);
    if (sock->frame_count == FRAMES) {
        return;
    }
    programs_call_t *call = begin_transfer(me, sock, PTK_EVENT_WRITE, timeout_ms, "send", bytes);
    bool was_broken = sock->missing > 0;
    uint64_t resumes = sock->resumes;
    programs_frame_t *frame = programs_frame(sock, call->order, me->bytes, bytes);
    call->frame = call->sock ? frame : NULL;
    ptk_err err = ptk_sock_send(sock->token, me->bytes, bytes, timeout_ms);
    size_t count = err == PTK_OK ? bytes : 0;
    if (err == PTK_ERR_PARTIAL) {
        count = check_partial(me, sock, bytes);
    } else if (err != PTK_OK) {
        programs_check_sock_error(me, sock, err);
    } else {
        PTK_SIM_CHECK(call->sock && sock->state == SOCK_CONNECTED &&
                      (!was_broken || sock->resumes > resumes));
    }
    if (err == PTK_ERR_TIMEOUT && !is_flooded(sock) && !sock->may_keep_rest) {
        PTK_SIM_CHECK(programs_is_shared(me, sock, PTK_EVENT_WRITE));
    }
    sock->may_keep_rest = sock->may_keep_rest || (err == PTK_OK && timeout_ms == 0);
    programs_sent(sock, frame, count);
    programs_finish(me, err);
}

void programs_send_some(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = programs_sock_of(step);
    size_t bytes = bytes_of(step, sock);
    size_t count = 99999;
    if (sock->frame_count == FRAMES) {
        return;
    }
    programs_call_t *call =
        begin_transfer(me, sock, PTK_EVENT_WRITE, programs_timeout(step), "send_some", bytes);
    programs_frame_t *frame = programs_frame(sock, call->order, me->bytes, bytes);
    call->frame = call->sock ? frame : NULL;
    ptk_err err = ptk_sock_send_some(sock->token, me->bytes, bytes, &count, programs_timeout(step));
    PTK_SIM_CHECK(err == PTK_OK ? count > 0 && count <= bytes : count == 0);
    PTK_SIM_CHECK(err != PTK_OK || (call->sock && sock->state == SOCK_CONNECTED));
    if (err != PTK_OK) {
        PTK_SIM_CHECK(err != PTK_ERR_BROKEN);
        programs_check_sock_error(me, sock, err);
    }
    sock->resumes += count > 0;
    sock->missing -= count < sock->missing ? count : sock->missing;
    programs_sent(sock, frame, count);
    programs_finish(me, err);
}
