/* SPDX-License-Identifier: MIT */
/* Steps of random programs: the lives of sockets, and the objects that the program begins with. */
#include "programs.h"

#include "base/ptk_thread.h"
#include "sim/kernel/ptk_sim_kernel.h"
#include <errno.h>
#include <netinet/in.h>

#define ADDRESS "127.0.0.1:7"

/* --- the life of sockets --- */

static programs_sock_t *add_sock(ptk_sock_t *token, programs_sock_state_t state) {
    programs_sock_t *sock = &programs.socks[programs.sock_count++];
    *sock = (programs_sock_t) {.token = token, .state = state, .fd = ptk_sock_fd(token)};
    return sock;
}

static uint16_t port_of_name(const programs_sock_t *sock) {
    struct sockaddr_in addr = {0};
    socklen_t length = sizeof addr;
    return ptk_sys()->local_name(sock->fd, (struct sockaddr *) &addr, &length) == 0 ? addr.sin_port : 0;
}

/* Finds the client of an accepted connection by its port. */
static void link_peer(programs_sock_t *accepted, uint16_t port) {
    accepted->peer_port = port;
    accepted->is_narrow = programs.listener->is_narrow; /* it has inherited the buffers */
    for (size_t i = programs.sock_count; i > 0 && port != 0 && !accepted->peer; i--) {
        programs_sock_t *client = &programs.socks[i - 1];
        uint16_t its = client->port ? client->port : client->is_closed ? 0 : port_of_name(client);
        if (client != accepted && !client->peer && its == port && client->state != SOCK_LISTENING) {
            client->peer = accepted;
            accepted->peer = client;
        }
    }
}

/* Finds the accepted end of a connection that is known only now. */
static void link_client(programs_sock_t *client) {
    client->port = port_of_name(client);
    for (size_t i = programs.sock_count; i > 0 && client->port != 0 && !client->peer; i--) {
        programs_sock_t *accepted = &programs.socks[i - 1];
        if (accepted != client && !accepted->peer && accepted->peer_port == client->port) {
            client->peer = accepted;
            accepted->peer = client;
        }
    }
}

static void make_narrow(programs_sock_t *sock) {
    int bytes = 2048;
    sock->is_narrow = true;
    PTK_SIM_CHECK(ptk_sys()->set_option(sock->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0);
    PTK_SIM_CHECK(ptk_sys()->set_option(sock->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
}

ptk_err programs_make_listener(void) {
    ptk_sock_t *token = ptk_tcp_listen(NULL, ADDRESS, NULL);
    programs.listener = token ? add_sock(token, SOCK_LISTENING) : NULL;
    return token ? PTK_OK : ptk_get_err();
}

/* The client does not wait: it continues its attempt when it is writable. */
void programs_make_pair(bool is_narrow) {
    ptk_addr_t addr;
    ptk_sock_t *token = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    PTK_SIM_CHECK(ptk_addr_parse(ADDRESS, &addr) == PTK_OK && (token || programs.is_short));
    if (!token) {
        return;
    }
    programs_sock_t *client = add_sock(token, SOCK_OPEN);
    if (is_narrow) {
        make_narrow(client);
        make_narrow(programs.listener);
    }
    ptk_err err = ptk_sock_connect(token, ptk_addr_sockaddr(&addr), addr.length, 0);
    PTK_SIM_CHECK(err == PTK_OK || err == PTK_ERR_TIMEOUT || programs.is_short);
    struct sockaddr_in peer = {0};
    socklen_t length = sizeof peer;
    ptk_sock_t *accepted = ptk_sock_accept(programs.listener->token, (struct sockaddr *) &peer, &length, 50);
    err = err == PTK_OK ? PTK_OK : ptk_sock_connect(token, ptk_addr_sockaddr(&addr), addr.length, 50);
    client->state = err == PTK_OK ? SOCK_CONNECTED : SOCK_FAILED;
    PTK_SIM_CHECK(!accepted || err == PTK_OK || programs.is_short);
    if (accepted) {
        link_peer(add_sock(accepted, SOCK_CONNECTED), peer.sin_port);
        PTK_SIM_CHECK(client->peer == &programs.socks[programs.sock_count - 1]);
    }
}

void programs_open(programs_worker_t *me, const programs_step_t *step) {
    if (programs.sock_count == SOCKS) {
        return;
    }
    PROGRAMS_BEGIN(me, 0, false, "open");
    ptk_sock_t *token = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    if (token && add_sock(token, SOCK_OPEN) && step->extra % 2) {
        make_narrow(&programs.socks[programs.sock_count - 1]);
    }
    programs_finish(me, token ? PTK_OK : ptk_get_err());
}

/* What a connect returns that is refused because of the socket's state; OK: nothing. */
static ptk_err connect_refusal(const programs_sock_t *sock) {
    if (sock->is_closed) {
        return PTK_ERR_CLOSED;
    }
    switch (sock->state) {
    case SOCK_LISTENING:
        return PTK_ERR_LISTENING;
    case SOCK_CONNECTED:
        return PTK_ERR_ALREADY_CONNECTED;
    case SOCK_FAILED:
        return PTK_ERR_CONNECT_FAILED;
    case SOCK_UNLISTENED:
        return PTK_ERR_CLOSED;
    case SOCK_OPEN:
    case SOCK_CONNECTING:
        break;
    }
    return PTK_OK;
}

static void check_connect_error(programs_worker_t *me, programs_sock_t *sock, ptk_err err, ptk_err refusal) {
    bool listened =
        programs.listener && programs.listener->state == SOCK_LISTENING && !programs.listener->is_closed;
    if (err == refusal && refusal != PTK_OK) {
        return;
    }
    if (err == PTK_ERR_REFUSED) {
        PTK_SIM_CHECK(!listened || programs.listened_order > me->call.order);
        return;
    }
    if (err == PTK_ERR_ALREADY_CONNECTED ||
        err == PTK_ERR_CONNECT_FAILED) { /* another connect came between */
        PTK_SIM_CHECK(me->call.ran_other);
        return;
    }
    programs_check_sock_error(me, sock, err);
}

void programs_connect(programs_worker_t *me, const programs_step_t *step) {
    ptk_addr_t addr;
    programs_sock_t *sock = programs_sock_of(step);
    uint32_t timeout_ms = programs_timeout(step);
    ptk_err refusal = connect_refusal(sock);
    PTK_SIM_CHECK(ptk_addr_parse(ADDRESS, &addr) == PTK_OK);
    programs_call_t *call =
        PROGRAMS_BEGIN(me, timeout_ms, true, "connect socket %d, %d ms", (int) sock->fd, (int) timeout_ms);
    if (refusal == PTK_OK) {
        programs_uses(me, sock, PTK_EVENT_WRITE);
    }
    call->is_exact = refusal == PTK_ERR_CLOSED || (refusal != PTK_OK && timeout_ms == 0);
    call->result = refusal;
    ptk_err err = ptk_sock_connect(sock->token, ptk_addr_sockaddr(&addr), addr.length, timeout_ms);
    if (err == PTK_OK) {
        PTK_SIM_CHECK(refusal == PTK_OK);
        sock->state = SOCK_CONNECTED;
    } else {
        check_connect_error(me, sock, err, refusal);
    }
    bool began = refusal == PTK_OK && err != PTK_OK && err != PTK_ERR_BUSY && !sock->is_closed;
    if (began && err == PTK_ERR_CANCELED) { /* at entry or later: the socket's state is not known */
        ptk_sock_close(sock->token);
        programs_closed(sock);
    } else if (began && err != PTK_ERR_ALREADY_CONNECTED && err != PTK_ERR_CONNECT_FAILED) {
        sock->state = err == PTK_ERR_TIMEOUT && timeout_ms == 0 ? SOCK_CONNECTING : SOCK_FAILED;
    }
    if (!sock->is_closed && sock->state <= SOCK_CONNECTED) {
        sock->port = port_of_name(sock);
    }
    programs_finish(me, err);
}

void programs_connect_tcp(programs_worker_t *me, const programs_step_t *step) {
    uint32_t timeout_ms = programs_timeout(step);
    if (programs.sock_count == SOCKS) {
        return;
    }
    PROGRAMS_BEGIN(me, timeout_ms, true, "tcp_connect, %d ms", (int) timeout_ms);
    ptk_sock_t *token = ptk_tcp_connect(ADDRESS, timeout_ms);
    ptk_err err = token ? PTK_OK : ptk_get_err();
    if (token) {
        link_client(add_sock(token, SOCK_CONNECTED));
    }
    bool listened =
        programs.listener && programs.listener->state == SOCK_LISTENING && !programs.listener->is_closed;
    PTK_SIM_CHECK(err != PTK_ERR_REFUSED || !listened || programs.listened_order > me->call.order);
    PTK_SIM_CHECK(err == PTK_OK || err == PTK_ERR_TIMEOUT || err == PTK_ERR_CANCELED ||
                  err == PTK_ERR_REFUSED || err == PTK_ERR_RESET || programs.is_short);
    programs_finish(me, err);
}

/* Accepts are served in the order in which they came. */
static void check_order_of_accepts(const programs_worker_t *me) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        const programs_call_t *other = &programs.workers[i].call;
        bool is_older = other != &me->call && other->is_open && other->sock == me->call.sock &&
                        other->accepts && other->order < me->call.order &&
                        other->start_idle_ns < me->call.start_idle_ns;
        PTK_SIM_CHECK(!is_older || other->is_due || other->timeout_ms != PTK_TIMEOUT_INFINITE ||
                      programs_may_be_cancelled(&programs.workers[i]));
    }
}

void programs_accept(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = step->extra % 8 && programs.listener ? programs.listener : programs_sock_of(step);
    uint32_t timeout_ms = programs_timeout(step);
    bool listens = sock->state == SOCK_LISTENING && !sock->is_closed;
    bool has_ended = sock->is_closed || sock->state == SOCK_UNLISTENED;
    if (programs.sock_count == SOCKS) {
        return;
    }
    programs_call_t *call =
        PROGRAMS_BEGIN(me, timeout_ms, true, "accept on socket %d, %d ms", (int) sock->fd, (int) timeout_ms);
    call->accepts = true;
    if (listens) {
        programs_uses(me, sock, PTK_EVENT_READ);
    }
    call->is_exact = has_ended || (!listens && timeout_ms == 0);
    call->result = has_ended ? PTK_ERR_CLOSED : PTK_ERR_NOT_LISTENING;
    struct sockaddr_in peer = {0};
    socklen_t length = sizeof peer;
    ptk_sock_t *token = ptk_sock_accept(sock->token, (struct sockaddr *) &peer, &length, timeout_ms);
    ptk_err err = token ? PTK_OK : ptk_get_err();
    if (token) {
        check_order_of_accepts(me);
        PTK_SIM_CHECK(length == sizeof peer && peer.sin_family == AF_INET && peer.sin_port != 0);
        link_peer(add_sock(token, SOCK_CONNECTED), peer.sin_port);
    } else if (listens || err != call->result) {
        programs_check_sock_error(me, sock, err);
    }
    PTK_SIM_CHECK(!token || listens);
    programs_finish(me, err);
}

/* A new listener takes the place of one that has ended. */
void programs_listen(programs_worker_t *me, const programs_step_t *step) {
    (void) step;
    bool has_one =
        programs.listener && programs.listener->state == SOCK_LISTENING && !programs.listener->is_closed;
    if (programs.sock_count == SOCKS) {
        return;
    }
    PROGRAMS_BEGIN(me, 0, false, "listen");
    ptk_sock_t *token = ptk_tcp_listen(NULL, ADDRESS, NULL);
    ptk_err err = token ? PTK_OK : ptk_get_err();
    PTK_SIM_CHECK(err == PTK_OK ? !has_one : err == PTK_ERR_ADDRESS_IN_USE || programs.is_short);
    if (token) {
        programs.listener = add_sock(token, SOCK_LISTENING);
        programs.listened_order = programs.orders;
    }
    programs_finish(me, err);
}

void programs_close(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = programs_sock_of(step);
    bool is_reset = step->extra % 4 == 0;
    if (sock == programs.listener && step->extra % 8 != 1) {
        return;
    }
    PROGRAMS_BEGIN(me, 0, false, "%s socket %d", is_reset ? "reset" : "close", (int) sock->fd);
    (is_reset ? ptk_sock_reset : ptk_sock_close)(sock->token);
    bool was_closed = sock->is_closed;
    if (!was_closed) {
        sock->is_reset = is_reset;
        programs_closed(sock);
    }
    PTK_SIM_CHECK(ptk_sock_fd(sock->token) == PTK_OS_HANDLE_NONE);
    programs_finish(me, PTK_ERR_CLOSED); /* by the call that found it closed */
}

static bool has_connecting_call(const programs_sock_t *sock) {
    return sock->state == SOCK_OPEN || sock->state == SOCK_CONNECTING;
}

void programs_linger(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = programs_sock_of(step);
    uint32_t timeout_ms = programs_timeout(step);
    if (sock == programs.listener || has_connecting_call(sock)) {
        return;
    }
    bool was_closed = sock->is_closed;
    bool is_connected = programs_is_usable(sock);
    programs_call_t *call = PROGRAMS_BEGIN(me, timeout_ms, true, "close_linger socket %d, %d ms",
                                           (int) sock->fd, (int) timeout_ms);
    call->lingers = true;
    if (is_connected) {
        programs_uses(me, sock, 0);
    }
    call->is_exact = was_closed || (!is_connected && timeout_ms == 0);
    call->result = was_closed ? PTK_ERR_CLOSED : PTK_OK;
    sock->is_write_shut = sock->is_write_shut || is_connected;
    ptk_err err = ptk_sock_close_linger(sock->token, timeout_ms);
    if (err == PTK_ERR_BUSY) {
        PTK_SIM_CHECK(programs_is_shared(me, sock, PTK_EVENT_READ));
    } else if (err != PTK_OK && !call->is_exact) {
        programs_check_sock_error(me, sock, err);
    } else if (err == PTK_OK && is_connected && sock->peer) {
        PTK_SIM_CHECK(sock->peer->is_closed || sock->peer->is_write_shut || sock->is_read_shut);
    }
    if (!sock->is_closed) {
        programs_closed(sock);
    }
    programs_finish(me, err);
}

static ptk_err shutdown_result(const programs_sock_t *sock) {
    if (sock->is_closed) {
        return PTK_ERR_CLOSED;
    }
    return sock->state == SOCK_CONNECTED || sock->state == SOCK_LISTENING ? PTK_OK : PTK_ERR_NOT_CONNECTED;
}

void programs_shutdown(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = programs_sock_of(step);
    int direction = step->extra % 3 + 1;
    if (has_connecting_call(sock) || (sock == programs.listener && step->timeout % 8)) {
        return;
    }
    ptk_err expected = shutdown_result(sock);
    PROGRAMS_BEGIN(me, 0, false, "shut socket %d down, %d", (int) sock->fd, direction);
    ptk_err err = ptk_sock_shutdown(sock->token, (ptk_sock_direction_t) direction);
    if (err != expected) {
        bool has_ended = programs_may_be_reset(sock) || (sock->is_write_shut && sock->peer->is_write_shut);
        PTK_SIM_CHECK((err == PTK_ERR_TIMEOUT && sock->may_keep_rest && (direction & PTK_SOCK_WRITE)) ||
                      (err == PTK_ERR_NOT_CONNECTED && has_ended));
    }
    if (err == PTK_OK && sock->state == SOCK_LISTENING && (direction & PTK_SOCK_READ)) {
        sock->state = SOCK_UNLISTENED;
    }
    if (err == PTK_OK && sock->state == SOCK_CONNECTED) {
        sock->is_write_shut = sock->is_write_shut || (direction & PTK_SOCK_WRITE);
        sock->is_read_shut = sock->is_read_shut || (direction & PTK_SOCK_READ);
    }
    programs_finish(me, err);
}

void programs_look_at_sock(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = programs_sock_of(step);
    ptk_err expected = sock->is_closed ? PTK_ERR_CLOSED : PTK_OK;
    struct sockaddr_storage addr;
    socklen_t length = sizeof addr;
    PROGRAMS_BEGIN(me, 0, false, "look at socket %d", (int) sock->fd);
    PTK_SIM_CHECK(ptk_sock_set_user(sock->token, sock) == expected);
    PTK_SIM_CHECK(ptk_sock_user(sock->token) == (sock->is_closed ? NULL : sock));
    PTK_SIM_CHECK(ptk_sock_fd(sock->token) == (sock->is_closed ? PTK_OS_HANDLE_NONE : sock->fd));
    PTK_SIM_CHECK(ptk_sock_local_addr(sock->token, (struct sockaddr *) &addr, &length) == expected);
    PTK_SIM_CHECK(ptk_sock_set_nodelay(sock->token, true) == expected);
    if (sock->state != SOCK_OPEN) {
        ptk_err bound = ptk_sock_bind(sock->token, (struct sockaddr *) &addr, length);
        PTK_SIM_CHECK(bound != PTK_OK);
        expected = bound;
    }
    programs_finish(me, expected);
}

/* --- descriptors of another library --- */

/* Makes a pair of descriptors that are not ptk's. */
ptk_err programs_make_descriptors(void) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof addr;
    const ptk_sys_t *sys = ptk_sys();
    ptk_os_handle_t handles[3] = {-1, -1, -1};
    programs.pair[0] = programs.pair[1] = -1;
    bool is_made = sys->socket(AF_INET, SOCK_STREAM, 0, &handles[0]) == 0 &&
                   sys->bind(handles[0], (struct sockaddr *) &addr, length) == 0 &&
                   sys->listen(handles[0], 1) == 0 &&
                   sys->local_name(handles[0], (struct sockaddr *) &addr, &length) == 0 &&
                   sys->socket(AF_INET, SOCK_STREAM, 0, &handles[1]) == 0;
    while (is_made && sys->connect(handles[1], (struct sockaddr *) &addr, length) == -EINTR) {
    }
    for (size_t i = 0; is_made && handles[2] < 0 && i < 100; i++) {
        PTK_SIM_CHECK(ptk_sleep_ms(1) == PTK_OK);
        (void) sys->accept(handles[0], NULL, NULL, &handles[2]);
    }
    if (handles[0] >= 0) {
        (void) sys->close(handles[0]);
    }
    programs.pair[0] = (int) handles[1];
    programs.pair[1] = (int) handles[2];
    is_made = is_made && handles[2] >= 0;
    programs.pair_sock = (programs_sock_t) {.fd = handles[1], .state = SOCK_CONNECTED};
    programs.pair_waitable =
        is_made ? ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(handles[1])) : NULL;
    return programs.pair_waitable ? PTK_OK : PTK_ERR_NO_RESOURCES;
}

void programs_end_descriptors(void) {
    ptk_waitable_destroy(programs.pair_waitable);
    for (size_t i = 0; i < 2; i++) {
        if (programs.pair[i] > 0) {
            (void) ptk_sys()->close(programs.pair[i]);
        }
    }
}

void programs_use_pair(programs_worker_t *me, const programs_step_t *step) {
    char byte = 0;
    programs_describe(me, "%s the pair", step->extra % 2 ? "write to" : "read from");
    if (step->extra % 2) {
        (void) (ptk_sys()->send(programs.pair[1], &byte, 1));
    } else {
        (void) (ptk_sys()->recv(programs.pair[0], &byte, 1));
    }
}
