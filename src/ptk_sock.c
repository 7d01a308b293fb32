/* SPDX-License-Identifier: MIT */
/*
 * The life of a socket, and the calls that never wait (layer 5).
 *
 * Closing ends the token, ends every wait on the socket with CLOSED, deregisters it and closes the
 * descriptor, in this order and at once. The memory is freed when the last green thread has left its call.
 *
 *     free  --reserve-->  reserved  --init_handle-->  open  --close, reset-->  closed  --last pin-->  free
 *                                   --discard-->  free
 *
 * A reserved socket has all its memory, its registration included, and no descriptor; no caller has its
 * token.
 */
#include "net/ptk_sock_impl.h"

#include "base/ptk_memory.h"
#include "sched/ptk_leaks.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_wait_queue.h"
#include <errno.h>
#include <string.h>

static const ptk_platform_socket_ops_t *socket_ops(const ptk_sock_t *sock) {
    return sock->scheduler->loop->ops->sockets;
}

/* Records the failure of a system call that a verb made. */
static ptk_err verb_result(int result) {
    return result == 0 ? PTK_OK : ptk_fail_errno(-result);
}

/* Returns the living socket that a token names; NULL with the reason recorded. */
static ptk_sock_t *resolve_sock(const ptk_sock_t *token) {
    ptk_sock_t *sock = ptk_sock_find(token);
    if (!sock) {
        ptk_fail(ptk_token_refusal(token));
    }
    return sock;
}

/* --- the table --- */

static void close_living_sock(void *context, void *object) {
    const ptk_scheduler_t *scheduler = context;
    if (ptk_leaks_are_reported(scheduler)) {
        ptk_sock_report_leak(object);
    }
    ptk_sock_close(ptk_token_of(object));
}

/* The drain has ended every call, so no socket is pinned. */
static void fini_socks(ptk_scheduler_t *scheduler) {
    ptk_token_visit(&scheduler->services[PTK_SERVICE_SOCKETS].table, close_living_sock, scheduler);
}

static ptk_token_table_t *sock_table(ptk_scheduler_t *scheduler) {
    return ptk_scheduler_service(scheduler, PTK_SERVICE_SOCKETS, PTK_TOKEN_STRIDE(ptk_sock_t), fini_socks);
}

/* Frees a closed socket that no call pins any more. */
static void free_sock(ptk_pin_t *pin) {
    ptk_sock_t *sock = ptk_container_of(pin, ptk_sock_t, pin);
    ptk_assert(sock->head.token == 0 && !sock->source.attached);
    while (sock->waitables) {
        ptk_waitable_t *waitable = sock->waitables;
        sock->waitables = waitable->next;
        ptk_waitable_free(waitable);
    }
    ptk_free(sock->unread);
    sock->unread = NULL;
    ptk_free(sock->rest);
    sock->rest = NULL;
    ptk_token_free(sock_table(sock->scheduler), &sock->head);
}

ptk_sock_t *ptk_sock_reserve(ptk_scheduler_t *scheduler) {
    ptk_sock_t *sock = ptk_token_alloc(sock_table(scheduler));
    if (!sock) {
        return NULL;
    }
    *sock = (ptk_sock_t) {.head = sock->head, .scheduler = scheduler, .pin = {.free = free_sock}};
    sock->source = (ptk_event_source_t) {.handle = PTK_OS_HANDLE_NONE, .mode = PTK_SOURCE_OWNED};
    sock->inbound.source = &sock->source;
    sock->outbound.source = &sock->source;
    ptk_gate_init(&sock->inbound_gate, true);
    ptk_gate_init(&sock->outbound_gate, false);
    ptk_gate_init(&sock->hangup_gate, true);
    ptk_gate_init(&sock->priority_gate, true);
    ptk_sock_set_state(sock, PTK_SOCK_OPEN);
    if (scheduler->loop->ops->attach(scheduler->loop, &sock->source) != 0) {
        ptk_token_end(&sock->head);
        ptk_pin_close(&sock->pin);
        return NULL;
    }
    return sock;
}

void ptk_sock_discard(ptk_sock_t *sock) {
    ptk_event_loop_platform_t *loop = sock->scheduler->loop;
    ptk_token_end(&sock->head);
    loop->ops->detach(loop, &sock->source);
    ptk_pin_close(&sock->pin);
}

void ptk_sock_init_handle(ptk_sock_t *sock, ptk_os_handle_t handle, ptk_sock_state_t state) {
    ptk_event_loop_platform_t *loop = sock->scheduler->loop;
    ptk_assert(sock->source.handle == PTK_OS_HANDLE_NONE && sock->source.attached);
    ptk_sock_set_state(sock, state);
    sock->source.short_means_drained = true; /* an internet stream, opened with SO_OOBINLINE */
    loop->ops->set_handle(loop, &sock->source, handle);
}

void ptk_sock_set_state(ptk_sock_t *sock, ptk_sock_state_t state) {
    ptk_assert(sock->state != PTK_SOCK_FAILED || state == PTK_SOCK_FAILED);
    uint32_t bit = state == PTK_SOCK_CONNECTED ? 0 : PTK_SOCK_NOT_CONNECTED;
    sock->state = (uint8_t) state;
    sock->inbound_gate.unusual = (sock->inbound_gate.unusual & ~PTK_SOCK_NOT_CONNECTED) | bit;
    sock->outbound_gate.unusual = (sock->outbound_gate.unusual & ~PTK_SOCK_NOT_CONNECTED) | bit;
}

/* --- open and close --- */

/* Returns true for TCP over IPv4 and IPv6. */
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
    int result = socket_ops(sock)->open(af, type, proto, &handle);
    if (result != 0) {
        ptk_sock_discard(sock);
        ptk_fail_errno(-result);
        return NULL;
    }
    ptk_sock_init_handle(sock, handle, PTK_SOCK_OPEN);
    sock->opened_at = __builtin_return_address(0);
    return ptk_token_of(&sock->head);
}

void ptk_sock_set_place(const ptk_sock_t *token, const void *return_address) {
    ptk_sock_t *sock = ptk_sock_find(token);
    if (sock) {
        sock->opened_at = return_address;
    }
}

/* Wakes every waiter of the inbound direction with CLOSED. */
static void end_inbound_waits(ptk_sock_t *sock) {
    ptk_op_end(&sock->inbound, PTK_ERR_CLOSED);
    ptk_wait_queue_wake_all(&sock->inbound_gate.waiters, PTK_ERR_CLOSED);
    if (sock->state == PTK_SOCK_LISTENING || sock->state == PTK_SOCK_UNLISTENED) {
        ptk_wait_queue_wake_object(&sock->scheduler->descriptor_waiters, sock, PTK_ERR_CLOSED);
    }
}

/* Wakes every waiter of the socket with CLOSED. */
static void end_sock_waits(ptk_sock_t *sock) {
    for (ptk_waitable_t *waitable = sock->waitables; waitable; waitable = waitable->next) {
        ptk_waitable_stop(waitable);
    }
    end_inbound_waits(sock);
    ptk_op_end(&sock->outbound, PTK_ERR_CLOSED);
    ptk_wait_queue_wake_all(&sock->outbound_gate.waiters, PTK_ERR_CLOSED);
}

/* A descriptor is free afterwards, so one accept that waits for a descriptor is woken. */
static void close_sock(const ptk_sock_t *token, bool reset) {
    if (!token) {
        return;
    }
    ptk_sock_t *sock = resolve_sock(token);
    if (!sock) {
        return;
    }
    ptk_scheduler_t *scheduler = sock->scheduler;
    ptk_os_handle_t handle = sock->source.handle;
    const ptk_platform_socket_ops_t *ops = socket_ops(sock);
    reset = reset || sock->resets_on_close;
    if (!reset) {
        (void) ptk_sock_push_rest_now(sock);
    }
    ptk_token_end(&sock->head);
    end_sock_waits(sock);
    ptk_assert(sock->inbound.state == PTK_OP_IDLE && sock->outbound.state == PTK_OP_IDLE);
    scheduler->loop->ops->detach(scheduler->loop, &sock->source);
    (void) ops->close(handle, reset);
    ptk_pin_close(&sock->pin);
    ptk_wait_t *waiter = ptk_wait_queue_first(&scheduler->descriptor_waiters);
    if (waiter) {
        ptk_wake(waiter, PTK_OK);
    }
}

void ptk_sock_close(ptk_sock_t *token) {
    close_sock(token, false);
}

void ptk_sock_reset(ptk_sock_t *token) {
    close_sock(token, true);
}

/* --- verbs that never wait --- */

/* The family is copied, because a caller's sockaddr may have no alignment. */
bool ptk_sock_has_family(const struct sockaddr *addr, socklen_t addrlen) {
    sa_family_t family;
    const size_t begin = offsetof(struct sockaddr, sa_family);
    if (!addr || addrlen < begin + sizeof family) {
        return false;
    }
    memcpy(&family, (const char *) addr + begin, sizeof family);
    return family != AF_UNSPEC;
}

/* Returns true while a call connects an open or a bound socket. */
static bool is_connecting(const ptk_sock_t *sock) {
    bool is_idle = sock->state == PTK_SOCK_OPEN || sock->state == PTK_SOCK_BOUND;
    return is_idle && (sock->outbound_gate.unusual & PTK_GATE_TAKEN);
}

/* Returns OK if the socket's state allows bind, else the code of the state. */
static ptk_err check_bind_state(const ptk_sock_t *sock) {
    switch ((ptk_sock_state_t) sock->state) {
    case PTK_SOCK_BOUND:
    case PTK_SOCK_LISTENING:
    case PTK_SOCK_UNLISTENED:
        return PTK_ERR_ALREADY_BOUND;
    case PTK_SOCK_CONNECTING:
    case PTK_SOCK_CONNECTED:
        return PTK_ERR_ALREADY_CONNECTED;
    case PTK_SOCK_FAILED:
        return PTK_ERR_CONNECT_FAILED;
    case PTK_SOCK_OPEN:
        break;
    }
    return is_connecting(sock) ? PTK_ERR_BUSY : PTK_OK;
}

ptk_err ptk_sock_bind(ptk_sock_t *token, const struct sockaddr *addr, socklen_t addrlen) {
    ptk_sock_t *sock = resolve_sock(token);
    if (!sock || !ptk_sock_has_family(addr, addrlen)) {
        return sock ? ptk_fail(PTK_ERR_INVALID_PARAM) : ptk_get_err();
    }
    ptk_err err = check_bind_state(sock);
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    int result = sock->no_reuse ? 0 : socket_ops(sock)->set_reuse(sock->source.handle, true);
    if (result == 0) {
        result = socket_ops(sock)->bind(sock->source.handle, addr, addrlen);
    }
    if (result == 0) {
        ptk_sock_set_state(sock, PTK_SOCK_BOUND);
    }
    return verb_result(result);
}

/* Returns OK if the socket's state allows listen, else the code of the state. */
static ptk_err check_listen_state(const ptk_sock_t *sock) {
    switch ((ptk_sock_state_t) sock->state) {
    case PTK_SOCK_OPEN:
        return PTK_ERR_NOT_BOUND;
    case PTK_SOCK_CONNECTING:
    case PTK_SOCK_CONNECTED:
        return PTK_ERR_ALREADY_CONNECTED;
    case PTK_SOCK_FAILED:
        return PTK_ERR_CONNECT_FAILED;
    case PTK_SOCK_UNLISTENED:
        return PTK_ERR_CLOSED;
    case PTK_SOCK_BOUND:
    case PTK_SOCK_LISTENING:
        break;
    }
    return is_connecting(sock) ? PTK_ERR_BUSY : PTK_OK;
}

ptk_err ptk_sock_listen(ptk_sock_t *token, int backlog) {
    ptk_sock_t *sock = resolve_sock(token);
    ptk_err err = sock ? check_listen_state(sock) : ptk_get_err();
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    err = verb_result(socket_ops(sock)->listen(sock->source.handle, backlog));
    if (err == PTK_OK) {
        ptk_sock_set_state(sock, PTK_SOCK_LISTENING);
        sock->inbound_gate.refuses = false; /* many may accept */
    }
    return err;
}

/* Returns true if the socket listens or is connected, or if a connect may be under way. The system must not
 * shut down any other socket: it reports ENOTCONN and marks the socket all the same. */
static bool can_be_shut_down(const ptk_sock_t *sock) {
    return sock->state == PTK_SOCK_LISTENING || sock->state == PTK_SOCK_CONNECTED ||
           sock->state == PTK_SOCK_CONNECTING || is_connecting(sock);
}

/* Ends accepting after a shutdown of the listener's reading direction. Waiters in the gate's queue would be
 * handed a socket that listens no more. */
static void end_listening(ptk_sock_t *sock) {
    ptk_assert(sock->state == PTK_SOCK_LISTENING);
    ptk_sock_set_state(sock, PTK_SOCK_UNLISTENED);
    end_inbound_waits(sock);
}

ptk_err ptk_sock_shutdown(ptk_sock_t *token, ptk_sock_direction_t direction) {
    ptk_sock_t *sock = resolve_sock(token);
    bool known = direction >= PTK_SOCK_READ && direction <= PTK_SOCK_BOTH;
    if (!sock || !known) {
        return sock ? ptk_fail(PTK_ERR_INVALID_PARAM) : ptk_get_err();
    }
    if (!can_be_shut_down(sock)) {
        return verb_result(-ENOTCONN);
    }
    bool write = (direction & PTK_SOCK_WRITE) != 0;
    if (write && ptk_sock_push_rest_now(sock) == PTK_ERR_TIMEOUT) {
        return ptk_fail(PTK_ERR_TIMEOUT);
    }
    ptk_err err =
        verb_result(socket_ops(sock)->shutdown(sock->source.handle, direction & PTK_SOCK_READ, write));
    sock->is_write_shut = sock->is_write_shut || (err == PTK_OK && write);
    if (err == PTK_OK && sock->state == PTK_SOCK_LISTENING && (direction & PTK_SOCK_READ)) {
        end_listening(sock);
    }
    return err;
}

size_t ptk_sock_pending(const ptk_sock_t *token) {
    const ptk_sock_t *sock = resolve_sock(token);
    return sock ? sock->unread_bytes : 0;
}

/* Returns the socket's waitable for a set of events, NULL: it was not requested before. */
static ptk_waitable_t *find_lent_waitable(const ptk_sock_t *sock, uint32_t events) {
    ptk_waitable_t *waitable = sock->waitables;
    while (waitable && waitable->subject.allowed != events) {
        waitable = waitable->next;
    }
    return waitable;
}

/* Makes a waitable for a set of events; NULL with the reason recorded. */
static ptk_waitable_t *lend_waitable(ptk_sock_t *sock, uint32_t events) {
    const ptk_waitable_subject_t subject = {
        .pin = &sock->pin,
        .source = &sock->source,
        .gates = {&sock->inbound_gate, &sock->outbound_gate, &sock->hangup_gate, &sock->priority_gate},
        .unread = &sock->unread_bytes,
        .allowed = events,
    };
    ptk_waitable_t *waitable = ptk_waitable_lend(sock->scheduler, &subject);
    if (waitable) {
        waitable->next = sock->waitables;
        sock->waitables = waitable;
    }
    return waitable;
}

ptk_waitable_t *ptk_sock_waitable(ptk_sock_t *token, uint32_t events) {
    const uint32_t all = PTK_EVENT_READ | PTK_EVENT_WRITE | PTK_EVENT_HANGUP | PTK_EVENT_PRIORITY;
    ptk_sock_t *sock = resolve_sock(token);
    if (!sock || events == 0 || (events & ~all) != 0) {
        if (sock) {
            ptk_fail(PTK_ERR_INVALID_PARAM);
        }
        return NULL;
    }
    ptk_waitable_t *waitable = find_lent_waitable(sock, events);
    waitable = waitable ? waitable : lend_waitable(sock, events);
    return waitable ? ptk_token_of(&waitable->head) : NULL;
}

ptk_err ptk_sock_local_addr(const ptk_sock_t *token, struct sockaddr *addr_out, socklen_t *addrlen) {
    const ptk_sock_t *sock = resolve_sock(token);
    if (!sock || !addr_out || !addrlen) {
        return sock ? ptk_fail(PTK_ERR_INVALID_PARAM) : ptk_get_err();
    }
    return verb_result(socket_ops(sock)->local_addr(sock->source.handle, addr_out, addrlen));
}

ptk_err ptk_sock_peer_addr(const ptk_sock_t *token, struct sockaddr *addr_out, socklen_t *addrlen) {
    const ptk_sock_t *sock = resolve_sock(token);
    if (!sock || !addr_out || !addrlen) {
        return sock ? ptk_fail(PTK_ERR_INVALID_PARAM) : ptk_get_err();
    }
    return verb_result(socket_ops(sock)->peer_addr(sock->source.handle, addr_out, addrlen));
}

ptk_err ptk_sock_set_nodelay(ptk_sock_t *token, bool on) {
    const ptk_sock_t *sock = resolve_sock(token);
    return sock ? verb_result(socket_ops(sock)->set_nodelay(sock->source.handle, on)) : ptk_get_err();
}

ptk_err ptk_sock_set_reuse(ptk_sock_t *token, bool on) {
    ptk_sock_t *sock = resolve_sock(token);
    if (!sock) {
        return ptk_get_err();
    }
    sock->no_reuse = !on;
    return verb_result(socket_ops(sock)->set_reuse(sock->source.handle, on));
}

ptk_os_handle_t ptk_sock_fd(const ptk_sock_t *token) {
    const ptk_sock_t *sock = resolve_sock(token);
    return sock ? sock->source.handle : PTK_OS_HANDLE_NONE;
}

ptk_err ptk_sock_set_user(ptk_sock_t *token, void *user) {
    ptk_sock_t *sock = resolve_sock(token);
    if (!sock) {
        return ptk_get_err();
    }
    sock->user = user;
    return PTK_OK;
}

void *ptk_sock_user(const ptk_sock_t *token) {
    const ptk_sock_t *sock = resolve_sock(token);
    return sock ? sock->user : NULL;
}
