/* SPDX-License-Identifier: MIT */
/*
 * The life of a socket, and the calls that never wait (layer 5).
 *
 * Closing ends every wait on the socket with CLOSED, deregisters it, closes the handle, in this order and at
 * once. The memory follows when the last green thread has left its call, and is then reused last, so that a
 * stale pointer finds `is_closed` and not somebody else's socket.
 */
#include "net/ptk_sock_impl.h"

#include "base/ptk_memory.h"
#include "sched/ptk_call.h"
#include "sched/ptk_op.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_wait_queue.h"
#include <errno.h>

static const ptk_platform_socket_ops_t *verbs(const ptk_sock_t *sock) {
    return sock->loop->ops->sockets;
}

/* --- the slab --- */

static void close_if_open(void *context, void *object) {
    ptk_sock_t *sock = object;
    (void) context;
    if (sock->loop && !sock->is_closed) {
        ptk_sock_close(sock);
    }
}

static void init_socks(ptk_scheduler_t *scheduler, void *state) {
    ptk_socks_t *socks = state;
    (void) scheduler;
    ptk_slab_init(&socks->slab, sizeof(ptk_sock_t), true);
    ptk_event_counter_init(&socks->handles);
}

static void fini_socks(ptk_scheduler_t *scheduler, void *state) {
    ptk_socks_t *socks = state;
    (void) scheduler;
    ptk_slab_visit(&socks->slab, close_if_open, NULL);
    ptk_slab_fini(&socks->slab);
}

ptk_socks_t *ptk_socks_of(ptk_scheduler_t *scheduler) {
    return ptk_scheduler_service(scheduler, PTK_SERVICE_SOCKETS, sizeof(ptk_socks_t), init_socks, fini_socks);
}

/* Nobody is inside any more. */
static void give_back(ptk_pin_t *pin) {
    ptk_sock_t *sock = ptk_container_of(pin, ptk_sock_t, pin);
    for (size_t i = 0; i < 3; i++) {
        if (sock->waitables[i]) {
            ptk_waitable_end(sock->waitables[i]);
            sock->waitables[i] = NULL;
        }
    }
    ptk_free(sock->unread);
    sock->unread = NULL;
    ptk_slab_free(&ptk_socks_of(ptk_thread()->scheduler)->slab, sock);
}

ptk_sock_t *ptk_sock_reserve(ptk_scheduler_t *scheduler) {
    ptk_socks_t *socks = ptk_socks_of(scheduler);
    ptk_sock_t *sock = socks ? ptk_slab_alloc(&socks->slab) : NULL;
    if (!sock) {
        return NULL;
    }
    *sock = (ptk_sock_t) {.loop = scheduler->loop, .pin = {.release = give_back}};
    sock->source = (ptk_event_source_t) {.handle = PTK_OS_HANDLE_NONE, .mode = PTK_SOURCE_OWNED};
    sock->inbound.source = &sock->source;
    sock->outbound.source = &sock->source;
    ptk_gate_init(&sock->inbound_gate, true);
    ptk_gate_init(&sock->outbound_gate, false);
    if (scheduler->loop->ops->attach(scheduler->loop, &sock->source) != 0) {
        sock->is_closed = true;
        ptk_pin_close(&sock->pin);
        return NULL;
    }
    return sock;
}

void ptk_sock_discard(ptk_sock_t *sock) {
    sock->is_closed = true;
    sock->loop->ops->detach(sock->loop, &sock->source);
    ptk_pin_close(&sock->pin);
}

void ptk_sock_set_handle(ptk_sock_t *sock, ptk_os_handle_t handle, ptk_sock_state_t state) {
    sock->state = (uint8_t) state;
    sock->source.short_means_drained = true; /* an internet stream, opened with SO_OOBINLINE */
    sock->loop->ops->set_handle(sock->loop, &sock->source, handle);
}

/* --- calls --- */

ptk_err ptk_sock_check(const ptk_sock_t *sock) {
    if (!sock) {
        return PTK_ERR_INVALID_PARAM;
    }
    if (!ptk_loop_is_mine(sock->loop)) {
        return ptk_loop_refusal();
    }
    return sock->is_closed ? PTK_ERR_CLOSED : PTK_OK;
}

ptk_err ptk_sock_begin(ptk_sock_t *sock, ptk_call_t *call, uint32_t timeout_ms) {
    call->os_err = 0;
    ptk_err err = ptk_sock_check(sock);
    if (err == PTK_OK) {
        err = ptk_call_begin(call, sock->loop, timeout_ms);
    }
    if (err == PTK_OK) {
        err = ptk_sock_check(sock); /* the call may have yielded */
    }
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    ptk_pin_take(&sock->pin);
    return PTK_OK;
}

ptk_err ptk_sock_finish(ptk_sock_t *sock, const ptk_call_t *call, ptk_err err) {
    bool open = ptk_pin_drop(&sock->pin);
    if (err == PTK_OK) {
        return PTK_OK;
    }
    return open ? ptk_call_fail(call, err) : ptk_fail(PTK_ERR_CLOSED);
}

void ptk_sock_leave_gate(ptk_sock_t *sock, ptk_gate_t *gate) {
    if (!sock->is_closed) {
        ptk_gate_leave(gate);
    }
}

/* --- open and close --- */

static bool is_supported(int family, int type, int protocol) {
    return (family == AF_INET || family == AF_INET6) && type == SOCK_STREAM &&
           (protocol == 0 || protocol == IPPROTO_TCP);
}

ptk_sock_t *ptk_sock_open(ptk_event_loop_platform_t *loop, int af, int type, int proto) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_os_handle_t handle = PTK_OS_HANDLE_NONE;
    if (ptk_scheduler_attach(loop, &scheduler) != PTK_OK) {
        return NULL;
    }
    if (!is_supported(af, type, proto)) {
        ptk_fail(PTK_ERR_NOT_SUPPORTED);
        return NULL;
    }
    ptk_sock_t *sock = ptk_sock_reserve(scheduler);
    if (!sock) {
        ptk_fail(PTK_ERR_NO_RESOURCES);
        return NULL;
    }
    int result = verbs(sock)->open(af, type, proto, &handle);
    if (result != 0) {
        ptk_sock_discard(sock);
        ptk_fail_errno(-result);
        return NULL;
    }
    ptk_sock_set_handle(sock, handle, PTK_SOCK_OPEN);
    return sock;
}

static void end_waits(ptk_sock_t *sock) {
    for (size_t i = 0; i < 3; i++) {
        if (sock->waitables[i]) {
            ptk_waitable_stop(sock->waitables[i]);
        }
    }
    ptk_op_end(&sock->inbound, PTK_ERR_CLOSED);
    ptk_op_end(&sock->outbound, PTK_ERR_CLOSED);
    ptk_wait_queue_wake_all(&sock->inbound_gate.waiters, PTK_ERR_CLOSED);
    ptk_wait_queue_wake_all(&sock->outbound_gate.waiters, PTK_ERR_CLOSED);
}

static void close_sock(ptk_sock_t *sock, bool reset) {
    if (ptk_sock_check(sock) != PTK_OK) {
        return;
    }
    ptk_event_counter_t *handles = &ptk_socks_of(ptk_thread()->scheduler)->handles;
    ptk_os_handle_t handle = sock->source.handle;
    sock->is_closed = true;
    end_waits(sock);
    ptk_wait_queue_wake_object(&handles->waiters, sock, PTK_ERR_CLOSED);
    sock->loop->ops->detach(sock->loop, &sock->source);
    (void) verbs(sock)->close(handle, reset);
    ptk_pin_close(&sock->pin);
    if (!ptk_list_is_empty(&handles->waiters)) {
        ptk_event_counter_add(handles, 1);
    }
}

void ptk_sock_close(ptk_sock_t *sock) {
    close_sock(sock, false);
}

void ptk_sock_reset(ptk_sock_t *sock) {
    close_sock(sock, true);
}

/* --- verbs that never wait --- */

static ptk_err answer(int result) {
    return result == 0 ? PTK_OK : ptk_fail_errno(-result);
}

ptk_err ptk_sock_bind(ptk_sock_t *sock, const struct sockaddr *addr, socklen_t addrlen) {
    ptk_err err = ptk_sock_check(sock);
    if (err != PTK_OK || !addr) {
        return ptk_fail(err != PTK_OK ? err : PTK_ERR_INVALID_PARAM);
    }
    return answer(verbs(sock)->bind(sock->source.handle, addr, addrlen));
}

ptk_err ptk_sock_listen(ptk_sock_t *sock, int backlog) {
    ptk_err err = ptk_sock_check(sock);
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    if (sock->state != PTK_SOCK_OPEN && sock->state != PTK_SOCK_LISTENING) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    err = answer(verbs(sock)->listen(sock->source.handle, backlog));
    if (err == PTK_OK) {
        sock->state = PTK_SOCK_LISTENING;
        sock->inbound_gate.refuses = false; /* many may accept */
    }
    return err;
}

ptk_err ptk_sock_shutdown(ptk_sock_t *sock, ptk_sock_direction_t direction) {
    ptk_err err = ptk_sock_check(sock);
    bool known = direction >= PTK_SOCK_READ && direction <= PTK_SOCK_BOTH;
    if (err != PTK_OK || !known) {
        return ptk_fail(err != PTK_OK ? err : PTK_ERR_INVALID_PARAM);
    }
    if (sock->state == PTK_SOCK_OPEN && !sock->outbound_gate.taken) {
        return answer(-ENOTCONN); /* the system would say so too, and shut it down all the same */
    }
    bool write = (direction & PTK_SOCK_WRITE) != 0;
    err = answer(verbs(sock)->shutdown(sock->source.handle, direction & PTK_SOCK_READ, write));
    sock->is_write_shut = sock->is_write_shut || (err == PTK_OK && write);
    return err;
}

size_t ptk_sock_pending(ptk_sock_t *sock) {
    ptk_err err = ptk_sock_check(sock);
    if (err != PTK_OK) {
        ptk_fail(err);
        return 0;
    }
    return sock->unread_bytes;
}

ptk_waitable_t *ptk_sock_waitable(ptk_sock_t *sock, uint32_t events) {
    ptk_err err = ptk_sock_check(sock);
    if (err != PTK_OK || events == 0 || (events & ~(PTK_EVENT_READ | PTK_EVENT_WRITE)) != 0) {
        ptk_fail(err != PTK_OK ? err : PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    ptk_waitable_t **place = &sock->waitables[events - 1];
    if (!*place) {
        const ptk_waitable_subject_t subject = {
            .pin = &sock->pin,
            .source = &sock->source,
            .gates = {&sock->inbound_gate, &sock->outbound_gate},
            .held = &sock->unread_bytes,
            .allowed = events,
        };
        *place = ptk_waitable_lend(ptk_thread()->scheduler, &subject);
    }
    return *place;
}

ptk_err ptk_sock_local_addr(ptk_sock_t *sock, struct sockaddr *addr_out, socklen_t *addrlen) {
    ptk_err err = ptk_sock_check(sock);
    if (err != PTK_OK || !addr_out || !addrlen) {
        return ptk_fail(err != PTK_OK ? err : PTK_ERR_INVALID_PARAM);
    }
    return answer(verbs(sock)->local_addr(sock->source.handle, addr_out, addrlen));
}

ptk_err ptk_sock_peer_addr(ptk_sock_t *sock, struct sockaddr *addr_out, socklen_t *addrlen) {
    ptk_err err = ptk_sock_check(sock);
    if (err != PTK_OK || !addr_out || !addrlen) {
        return ptk_fail(err != PTK_OK ? err : PTK_ERR_INVALID_PARAM);
    }
    return answer(verbs(sock)->peer_addr(sock->source.handle, addr_out, addrlen));
}

ptk_err ptk_sock_set_nodelay(ptk_sock_t *sock, bool on) {
    ptk_err err = ptk_sock_check(sock);
    return err == PTK_OK ? answer(verbs(sock)->set_nodelay(sock->source.handle, on)) : ptk_fail(err);
}

ptk_err ptk_sock_set_reuse(ptk_sock_t *sock, bool on) {
    ptk_err err = ptk_sock_check(sock);
    return err == PTK_OK ? answer(verbs(sock)->set_reuse(sock->source.handle, on)) : ptk_fail(err);
}
