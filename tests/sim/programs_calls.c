/* SPDX-License-Identifier: MIT */
/* The calls of random programs: each makes one call of the public interface, and the rules of its own. */
#include "programs.h"

#include "base/ptk_thread.h"
#include "sim/kernel/ptk_sim_kernel.h"
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS "127.0.0.1:7"
#define SIGNAL  SIGUSR1

static uint32_t timeout_of(const programs_step_t *step) {
    static const uint32_t times_ms[] = {0, 1, 2, 3, 5, 10, 1000, PTK_TIMEOUT_INFINITE};
    return times_ms[step->timeout % 8];
}

static uint32_t short_time(const programs_step_t *step) {
    static const uint32_t times_ms[] = {1, 2, 3, 5};
    return times_ms[step->timeout % 4];
}

static void show(const programs_worker_t *me, const char *what, const char *result) {
    if (programs.is_shown) {
        uint64_t now_ns = ptk_sim_now_ns();
        fprintf(stdout, "%9.3f ms  worker %zu: %s%s%s\n", (double) (now_ns % 1000000000000) / 1e6, me->number,
                what, result[0] ? " -> " : "", result);
    }
}

/* Begins a call and prints it. */
#define BEGIN(me, timeout, cancel, ...)                                                                      \
    (snprintf_if(me, __VA_ARGS__), programs_begin(me, me->text, timeout, cancel))

__attribute__((format(printf, 2, 3))) static void snprintf_if(programs_worker_t *me, const char *format,
                                                              ...) {
    if (programs.is_shown) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(me->text, sizeof me->text, format, arguments);
        va_end(arguments);
        show(me, me->text, "");
    }
}

static void finish(programs_worker_t *me, ptk_err err) {
    show(me, me->text, ptk_err_name(err));
    programs_end(me, err);
}

/* --- time --- */

static void compute(programs_worker_t *me, const programs_step_t *step) {
    static const uint64_t times_ns[] = {20000, 60000, 120000, 1000000, 1000, 2000000, 700000, 5000000};
    uint64_t before_ns = ptk_now_ns();
    snprintf_if(me, "compute %llu us", (unsigned long long) times_ns[step->extra % 8] / 1000);
    ptk_sim_compute(times_ns[step->extra % 8]);
    programs.computed_ns += ptk_now_ns() - before_ns;
    programs_audit();
}

static void yield(programs_worker_t *me, const programs_step_t *step) {
    (void) step;
    BEGIN(me, PTK_TIMEOUT_INFINITE, true, "yield");
    me->call.due_idle_ns = programs_idle_ns();
    me->call.is_due = true;
    ptk_err err = step->extra % 2 ? ptk_yield() : ptk_sleep_ms(0);
    PTK_SIM_CHECK(err == PTK_OK || err == PTK_ERR_CANCELED);
    finish(me, err);
}

/* A sleep is a call whose TIMEOUT is its success. */
static void sleep_step(programs_worker_t *me, const programs_step_t *step) {
    uint32_t ms = short_time(step);
    programs_call_t *call = BEGIN(me, ms, true, "sleep %u ms", ms);
    ptk_err err = step->extra % 2 ? ptk_sleep_ms(ms) : ptk_sleep_until(ptk_now_ns() + ms * PTK_NS_PER_MS);
    PTK_SIM_CHECK(err == PTK_OK || err == PTK_ERR_CANCELED);
    PTK_SIM_CHECK(err != PTK_OK || ptk_now_ns() - call->start_ns >= ms * PTK_NS_PER_MS);
    finish(me, err);
}

/* --- counters --- */

void programs_make_counter(size_t slot) {
    static const ptk_timer_spec_t specs[] = {
        {3000000, 2000000}, {1000000, 0}, {5000000, 500000}, {0, 7000000}};
    static const ptk_waitable_type_t types[COUNTERS] = {
        PTK_WAITABLE_USER,   PTK_WAITABLE_USER,   PTK_WAITABLE_TIMER, PTK_WAITABLE_TIMER,
        PTK_WAITABLE_SIGNAL, PTK_WAITABLE_SIGNAL, PTK_WAITABLE_USER,  PTK_WAITABLE_USER};
    if (programs.counter_count == COUNTERS_EVER) {
        return;
    }
    ptk_waitable_type_t type = types[slot];
    const ptk_timer_spec_t *spec = &specs[(slot + programs.counter_count) % 4];
    void *const handles[] = {[PTK_WAITABLE_TIMER] = (void *) (uintptr_t) spec,
                             [PTK_WAITABLE_SIGNAL] = PTK_HANDLE_SIGNAL(SIGNAL),
                             [PTK_WAITABLE_USER] = NULL};
    ptk_waitable_t *waitable = ptk_waitable_create(NULL, type, handles[type]);
    if (!waitable) {
        PTK_SIM_CHECK(programs.is_short && ptk_get_err() == PTK_ERR_NO_RESOURCES);
        return;
    }
    programs_counter_t *counter = &programs.counters[programs.counter_count++];
    *counter = (programs_counter_t) {.waitable = waitable,
                                     .type = type,
                                     .created_ns = ptk_now_ns(),
                                     .created_computed_ns = programs.computed_ns,
                                     .first_ns = spec->first_ns,
                                     .period_ns = spec->period_ns};
    programs.slots[slot] = counter;
}

static programs_counter_t *counter_of(const programs_step_t *step, size_t offset) {
    return programs.slots[(step->object + offset) % COUNTERS];
}

static void add_item(programs_call_t *call, programs_counter_t *counter) {
    call->aborts[call->item_count] = counter ? counter->aborts : 0;
    call->items[call->item_count++] = counter;
}

static void wait_one(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = counter_of(step, 0);
    uint32_t timeout_ms = timeout_of(step);
    uint32_t ready = 99;
    uint64_t count = 99;
    programs_call_t *call =
        BEGIN(me, timeout_ms, true, "wait for %zu, %d ms", counter - programs.counters, (int) timeout_ms);
    add_item(call, counter);
    if (counter->is_destroyed) {
        call->is_exact = true;
        call->result = PTK_ERR_CLOSED;
    }
    ptk_err err = ptk_waitable_wait_for(counter->waitable, PTK_EVENT_READ, timeout_ms, &ready, &count);
    programs_check_wait(me, err, 0, ready, count);
    finish(me, err);
}

static programs_sock_t *sock_of(const programs_step_t *step) {
    return &programs.socks[step->object % programs.sock_count];
}

static ptk_waitable_t *waitable_of(programs_sock_t *sock, uint32_t events) {
    if (sock == &programs.pair_sock) {
        return programs.pair_waitable;
    }
    ptk_waitable_t *waitable = sock->is_closed ? NULL : ptk_sock_waitable(sock->token, events);
    PTK_SIM_CHECK(waitable || sock->is_closed || programs.is_short);
    return waitable;
}

/* The socket of a wait for several, NULL: none. */
static programs_sock_t *sock_of_wait(const programs_step_t *step, ptk_waitable_t **waitable_out,
                                     uint32_t *events_out) {
    programs_sock_t *sock = step->extra % 8 == 7 ? &programs.pair_sock : sock_of(step);
    uint32_t events = step->extra / 4 % 3 + 1;
    if (step->extra % 4 != 3 || sock->is_closed) {
        return NULL;
    }
    *waitable_out = waitable_of(sock, events);
    *events_out = events;
    return *waitable_out ? sock : NULL;
}

static void wait_any(programs_worker_t *me, const programs_step_t *step) {
    uint32_t timeout_ms = timeout_of(step);
    ptk_waitable_wait_item_t items[ITEMS];
    ptk_waitable_t *sock_waitable = NULL;
    uint32_t events = PTK_EVENT_READ;
    programs_sock_t *sock = sock_of_wait(step, &sock_waitable, &events);
    size_t index = 99;
    if (sock_waitable == NULL) {
        me->last_error = ptk_get_err();
    }
    programs_call_t *call = BEGIN(
        me, timeout_ms, true, "wait for any of %zu to %zu and %s, %d ms", (size_t) step->object % COUNTERS,
        (size_t) (step->object + step->extra % 3) % COUNTERS, sock ? "a socket" : "none", (int) timeout_ms);
    for (size_t i = 0; i <= step->extra % 3u; i++) {
        add_item(call, counter_of(step, i * (1 + step->extra / 64)));
        items[i] =
            (ptk_waitable_wait_item_t) {.waitable = call->items[i]->waitable, .events = PTK_EVENT_READ};
        if (call->items[i]->is_destroyed) {
            call->is_exact = true;
            call->result = PTK_ERR_CLOSED;
            call->result_index = i;
            break;
        }
    }
    if (sock) {
        items[call->item_count] = (ptk_waitable_wait_item_t) {.waitable = sock_waitable, .events = events};
        add_item(call, NULL);
        programs_uses(me, sock, events);
    }
    ptk_err err = ptk_waitable_wait_any(items, call->item_count, &index, timeout_ms);
    bool has_index = index < call->item_count;
    bool is_ok = err == PTK_OK && has_index;
    programs_check_wait(me, err, index, is_ok ? items[index].ready_out : 0,
                        is_ok ? items[index].count_out : 0);
    for (size_t i = 0; i < call->item_count && err == PTK_OK; i++) {
        PTK_SIM_CHECK((items[i].ready_out != 0) == (i == index));
    }
    finish(me, err);
}

static void wait_sock(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = step->extra % 4 == 3 ? &programs.pair_sock : sock_of(step);
    uint32_t events = step->extra / 4 % 3 + 1;
    uint32_t timeout_ms = timeout_of(step);
    ptk_waitable_t *waitable = waitable_of(sock, events);
    uint32_t ready = 99;
    uint64_t count = 99;
    if (!waitable) {
        return;
    }
    programs_call_t *call = BEGIN(me, timeout_ms, true, "wait for socket %d, events %u, %d ms",
                                  (int) sock->fd, events, (int) timeout_ms);
    add_item(call, NULL);
    programs_uses(me, sock, events);
    ptk_err err = ptk_waitable_wait_for(waitable, events, timeout_ms, &ready, &count);
    programs_check_wait(me, err, 0, ready, count);
    bool holds_bytes = sock != &programs.pair_sock && !sock->is_closed && ptk_sock_pending(sock->token) > 0;
    if (err == PTK_OK && !(ready & PTK_EVENT_ERROR) && !holds_bytes && !sock->is_closed) {
        PTK_SIM_CHECK((programs_kernel_ready(sock, events) & ready) == ready);
    }
    finish(me, err);
}

static void signal_step(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = counter_of(step, 0);
    BEGIN(me, 0, false, "signal %zu", counter - programs.counters);
    ptk_err err = ptk_waitable_signal(counter->waitable);
    ptk_err expected = counter->is_destroyed                ? PTK_ERR_CLOSED
                       : counter->type == PTK_WAITABLE_USER ? PTK_OK
                                                            : PTK_ERR_INVALID_PARAM;
    PTK_SIM_CHECK(err == expected);
    if (err == PTK_OK) {
        programs_signaled(counter, true);
    }
    finish(me, err);
}

static void signal_through_inbox(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = programs.signaled;
    BEGIN(me, 0, false, "signal %zu by its signaler", counter ? counter - programs.counters : 99);
    if (!programs.signaler || step->extra % 8 == 0) {
        counter = programs.slots[step->object % 2];
        ptk_signaler_t *signaler = ptk_waitable_signaler(counter->waitable);
        if (!signaler) {
            PTK_SIM_CHECK(counter->is_destroyed ? ptk_get_err() == PTK_ERR_CLOSED : programs.is_short);
            finish(me, ptk_get_err());
            return;
        }
        ptk_signaler_unref(programs.signaler);
        programs.signaler = signaler;
        programs.signaled = counter;
    }
    ptk_err err = ptk_signaler_signal(programs.signaler);
    PTK_SIM_CHECK(err == (counter->is_destroyed ? PTK_ERR_CLOSED : PTK_OK));
    if (err == PTK_OK) {
        programs_signaled(counter, false);
    }
    finish(me, err);
}

static void raise_step(programs_worker_t *me, const programs_step_t *step) {
    (void) step;
    snprintf_if(me, "raise the signal");
    for (size_t i = 0; i < programs.counter_count; i++) {
        programs_counter_t *counter = &programs.counters[i];
        if (counter->type == PTK_WAITABLE_SIGNAL && !counter->is_destroyed) {
            programs_signaled(counter, false);
        }
    }
    ptk_sim_signal(programs.host, SIGNAL);
}

static void abort_step(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = counter_of(step, 0);
    BEGIN(me, 0, false, "abort %zu", counter - programs.counters);
    ptk_err err = ptk_waitable_abort(counter->waitable);
    PTK_SIM_CHECK(err == (counter->is_destroyed ? PTK_ERR_CLOSED : PTK_OK));
    if (err == PTK_OK) {
        counter->aborts++;
        programs_ended_waits(counter, PTK_ERR_ABORTED);
    }
    finish(me, err);
}

static void destroy_step(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = counter_of(step, 0);
    BEGIN(me, 0, false, "destroy %zu", counter - programs.counters);
    ptk_waitable_destroy(counter->waitable);
    if (counter->is_destroyed) {
        finish(me, PTK_ERR_CLOSED);
        return;
    }
    programs_ended_waits(counter, PTK_ERR_CLOSED);
    counter->is_destroyed = true;
    finish(me, PTK_OK);
    if (step->extra % 4) {
        programs_make_counter(step->object % COUNTERS);
        me->last_error = ptk_get_err();
    }
}

static void abort_sock(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = step->extra % 2 ? &programs.pair_sock : sock_of(step);
    ptk_waitable_t *waitable = waitable_of(sock, step->extra / 2 % 3 + 1);
    me->last_error = ptk_get_err();
    if (waitable) {
        BEGIN(me, 0, false, "abort the waits for socket %d", (int) sock->fd);
        PTK_SIM_CHECK(ptk_waitable_abort(waitable) == PTK_OK);
        if (sock != &programs.pair_sock) {
            ptk_waitable_destroy(waitable); /* does nothing */
            PTK_SIM_CHECK(waitable == ptk_sock_waitable(sock->token, step->extra / 2 % 3 + 1));
        }
        sock->aborts++;
        finish(me, PTK_OK);
    }
}

/* --- streams --- */

/* Returns whether so many bytes are under way that a send may find no room. */
static bool is_flooded(const programs_sock_t *sock) {
    size_t bytes = 0;
    for (size_t i = 0; i < sock->frame_count; i++) {
        bytes += sock->frames[i].bytes - sock->frames[i].received;
    }
    return sock->is_narrow || bytes > 20000;
}

static bool is_usable(const programs_sock_t *sock) {
    return sock->state == SOCK_CONNECTED && !sock->is_closed;
}

static programs_call_t *begin_transfer(programs_worker_t *me, programs_sock_t *sock, uint32_t events,
                                       uint32_t timeout_ms, const char *verb, size_t bytes) {
    programs_call_t *call = BEGIN(me, timeout_ms, true, "%s on socket %d, %zu bytes, %d ms", verb,
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
    finish(me, err);
}

static void recv_step(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = sock_of(step);
    size_t bytes = bytes_of(step, sock);
    begin_transfer(me, sock, PTK_EVENT_READ, timeout_of(step), "recv", bytes);
    ptk_err err = ptk_sock_recv(sock->token, me->bytes, bytes, timeout_of(step));
    PTK_SIM_CHECK(err == PTK_OK || sock->is_closed || ptk_sock_pending(sock->token) < bytes ||
                  err == PTK_ERR_CANCELED || err == PTK_ERR_BUSY);
    check_receive(me, sock, err, bytes);
}

static void recv_some_step(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = sock_of(step);
    size_t bytes = bytes_of(step, sock);
    size_t count = 99999;
    begin_transfer(me, sock, PTK_EVENT_READ, timeout_of(step), "recv_some", bytes);
    ptk_err err = ptk_sock_recv_some(sock->token, me->bytes, bytes, &count, timeout_of(step));
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

static void send_step(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = sock_of(step);
    size_t bytes = bytes_of(step, sock);
    uint32_t timeout_ms = timeout_of(step);
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
    finish(me, err);
}

static void send_some_step(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = sock_of(step);
    size_t bytes = bytes_of(step, sock);
    size_t count = 99999;
    if (sock->frame_count == FRAMES) {
        return;
    }
    programs_call_t *call = begin_transfer(me, sock, PTK_EVENT_WRITE, timeout_of(step), "send_some", bytes);
    programs_frame_t *frame = programs_frame(sock, call->order, me->bytes, bytes);
    call->frame = call->sock ? frame : NULL;
    ptk_err err = ptk_sock_send_some(sock->token, me->bytes, bytes, &count, timeout_of(step));
    PTK_SIM_CHECK(err == PTK_OK ? count > 0 && count <= bytes : count == 0);
    PTK_SIM_CHECK(err != PTK_OK || (call->sock && sock->state == SOCK_CONNECTED));
    if (err != PTK_OK) {
        PTK_SIM_CHECK(err != PTK_ERR_BROKEN);
        programs_check_sock_error(me, sock, err);
    }
    sock->resumes += count > 0;
    sock->missing -= count < sock->missing ? count : sock->missing;
    programs_sent(sock, frame, count);
    finish(me, err);
}

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

static void open_step(programs_worker_t *me, const programs_step_t *step) {
    if (programs.sock_count == SOCKS) {
        return;
    }
    BEGIN(me, 0, false, "open");
    ptk_sock_t *token = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    if (token && add_sock(token, SOCK_OPEN) && step->extra % 2) {
        make_narrow(&programs.socks[programs.sock_count - 1]);
    }
    finish(me, token ? PTK_OK : ptk_get_err());
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

static void connect_step(programs_worker_t *me, const programs_step_t *step) {
    ptk_addr_t addr;
    programs_sock_t *sock = sock_of(step);
    uint32_t timeout_ms = timeout_of(step);
    ptk_err refusal = connect_refusal(sock);
    PTK_SIM_CHECK(ptk_addr_parse(ADDRESS, &addr) == PTK_OK);
    programs_call_t *call =
        BEGIN(me, timeout_ms, true, "connect socket %d, %d ms", (int) sock->fd, (int) timeout_ms);
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
    finish(me, err);
}

static void connect_tcp(programs_worker_t *me, const programs_step_t *step) {
    uint32_t timeout_ms = timeout_of(step);
    if (programs.sock_count == SOCKS) {
        return;
    }
    BEGIN(me, timeout_ms, true, "tcp_connect, %d ms", (int) timeout_ms);
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
    finish(me, err);
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

static void accept_step(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = step->extra % 8 && programs.listener ? programs.listener : sock_of(step);
    uint32_t timeout_ms = timeout_of(step);
    bool listens = sock->state == SOCK_LISTENING && !sock->is_closed;
    bool has_ended = sock->is_closed || sock->state == SOCK_UNLISTENED;
    if (programs.sock_count == SOCKS) {
        return;
    }
    programs_call_t *call =
        BEGIN(me, timeout_ms, true, "accept on socket %d, %d ms", (int) sock->fd, (int) timeout_ms);
    call->accepts = true;
    if (listens && !programs.is_short) {
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
    finish(me, err);
}

/* A new listener takes the place of one that has ended. */
static void listen_step(programs_worker_t *me, const programs_step_t *step) {
    (void) step;
    bool has_one =
        programs.listener && programs.listener->state == SOCK_LISTENING && !programs.listener->is_closed;
    if (programs.sock_count == SOCKS) {
        return;
    }
    BEGIN(me, 0, false, "listen");
    ptk_sock_t *token = ptk_tcp_listen(NULL, ADDRESS, NULL);
    ptk_err err = token ? PTK_OK : ptk_get_err();
    PTK_SIM_CHECK(err == PTK_OK ? !has_one : err == PTK_ERR_ADDRESS_IN_USE || programs.is_short);
    if (token) {
        programs.listener = add_sock(token, SOCK_LISTENING);
        programs.listened_order = programs.orders;
    }
    finish(me, err);
}

static void close_step(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = sock_of(step);
    bool is_reset = step->extra % 4 == 0;
    if (sock == programs.listener && step->extra % 8 != 1) {
        return;
    }
    BEGIN(me, 0, false, "%s socket %d", is_reset ? "reset" : "close", (int) sock->fd);
    (is_reset ? ptk_sock_reset : ptk_sock_close)(sock->token);
    bool was_closed = sock->is_closed;
    if (!was_closed) {
        sock->is_reset = is_reset;
        programs_closed(sock);
    }
    PTK_SIM_CHECK(ptk_sock_fd(sock->token) == PTK_OS_HANDLE_NONE);
    finish(me, PTK_ERR_CLOSED); /* by the call that found it closed */
}

static bool has_connecting_call(const programs_sock_t *sock) {
    return sock->state == SOCK_OPEN || sock->state == SOCK_CONNECTING;
}

static void linger_step(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = sock_of(step);
    uint32_t timeout_ms = timeout_of(step);
    if (sock == programs.listener || has_connecting_call(sock)) {
        return;
    }
    bool was_closed = sock->is_closed;
    bool is_connected = is_usable(sock);
    programs_call_t *call =
        BEGIN(me, timeout_ms, true, "close_linger socket %d, %d ms", (int) sock->fd, (int) timeout_ms);
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
    finish(me, err);
}

static ptk_err shutdown_result(const programs_sock_t *sock) {
    if (sock->is_closed) {
        return PTK_ERR_CLOSED;
    }
    return sock->state == SOCK_CONNECTED || sock->state == SOCK_LISTENING ? PTK_OK : PTK_ERR_NOT_CONNECTED;
}

static void shutdown_step(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = sock_of(step);
    int direction = step->extra % 3 + 1;
    if (has_connecting_call(sock) || (sock == programs.listener && step->timeout % 8)) {
        return;
    }
    ptk_err expected = shutdown_result(sock);
    BEGIN(me, 0, false, "shut socket %d down, %d", (int) sock->fd, direction);
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
    finish(me, err);
}

static void look_at_sock(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = sock_of(step);
    ptk_err expected = sock->is_closed ? PTK_ERR_CLOSED : PTK_OK;
    struct sockaddr_storage addr;
    socklen_t length = sizeof addr;
    BEGIN(me, 0, false, "look at socket %d", (int) sock->fd);
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
    finish(me, expected);
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

static void use_pair(programs_worker_t *me, const programs_step_t *step) {
    char byte = 0;
    snprintf_if(me, "%s the pair", step->extra % 2 ? "write to" : "read from");
    if (step->extra % 2) {
        (void) (ptk_sys()->send(programs.pair[1], &byte, 1));
    } else {
        (void) (ptk_sys()->recv(programs.pair[0], &byte, 1));
    }
}

/* --- green threads --- */

static programs_worker_t *worker_of(const programs_step_t *step) {
    return &programs.workers[step->object % programs.worker_count];
}

static bool is_joining(const programs_worker_t *me, const programs_worker_t *target) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        const programs_call_t *call = &programs.workers[i].call;
        if (&programs.workers[i] != me && call->is_open && call->joined == target) {
            return true;
        }
    }
    return false;
}

/* A name is cut at 31 bytes. */
#define LONG_NAME "a worker with a name that is too long"
#define CUT_NAME  "a worker with a name that is to"

static _Alignas(64) char stacks[WORKERS][65536]; /* of workers that get their own */

/* Starts the next worker: the step decides how. */
void programs_start(const programs_step_t *step) {
    if (programs.worker_count == WORKERS) {
        return;
    }
    programs_worker_t *worker = &programs.workers[programs.worker_count];
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.name = step->extra % 2 ? LONG_NAME : NULL;
    options.stack = step->extra % 16 == 2 ? stacks[programs.worker_count] : NULL;
    options.stack_bytes = options.stack ? sizeof stacks[0] : step->extra % 16 == 4 ? 100000 : 0;
    options.lifetime_ms = step->extra / 2 % 4 == 0 ? 1 + step->timeout : 0;
    options.flags =
        (step->extra / 8 % 4 == 0 ? PTK_GREEN_FP : 0) | (step->extra / 32 % 8 == 0 ? PTK_GREEN_DAEMON : 0);
    worker->number = programs.worker_count;
    worker->life_ns =
        options.lifetime_ms ? ptk_now_ns() + options.lifetime_ms * PTK_NS_PER_MS : PTK_TIME_NEVER;
    worker->life_computed_ns = programs.computed_ns;
    worker->is_daemon = (options.flags & PTK_GREEN_DAEMON) != 0;
    worker->handle = ptk_green_spawn(NULL, step->extra == 0 ? NULL : &options, programs.work, worker);
    if (step->extra == 0) {
        worker->life_ns = PTK_TIME_NEVER;
        worker->is_daemon = false;
    }
    bool is_full = programs.green_limit != 0 && programs_living() >= programs.green_limit;
    PTK_SIM_CHECK(worker->handle ? !is_full
                                 : (programs.is_short || is_full) && ptk_get_err() == PTK_ERR_NO_RESOURCES);
    if (worker->handle) {
        PTK_SIM_CHECK(strcmp(ptk_green_name(worker->handle),
                             options.name && step->extra ? CUT_NAME : "programs.work") == 0);
        programs.worker_count++;
    }
}

static void spawn_step(programs_worker_t *me, const programs_step_t *step) {
    BEGIN(me, 0, false, "spawn")->spawns = true;
    size_t before = programs.worker_count;
    programs_start(step);
    bool tried = before < WORKERS;
    finish(me, tried && programs.worker_count == before ? PTK_ERR_NO_RESOURCES : PTK_OK);
}

static void check_join(programs_worker_t *me, programs_worker_t *target, ptk_err err, ptk_err result) {
    switch (err) {
    case PTK_OK:
        PTK_SIM_CHECK(target->is_ended && !target->is_joined);
        PTK_SIM_CHECK(result == PTK_OK || result == 1000 + (ptk_err) target->number);
        target->is_joined = true;
        break;
    case PTK_ERR_BUSY:
        PTK_SIM_CHECK(is_joining(me, target));
        break;
    case PTK_ERR_CLOSED:
        PTK_SIM_CHECK(target->is_joined);
        break;
    case PTK_ERR_INVALID_PARAM:
        PTK_SIM_CHECK(target == me);
        break;
    case PTK_ERR_TIMEOUT:
        PTK_SIM_CHECK(!target->is_ended || is_joining(me, target));
        break;
    default:
        PTK_SIM_CHECK(err == PTK_ERR_CANCELED);
        break;
    }
}

/* An end takes no cancel, so two workers that end each other need a limit. */
static uint32_t end_timeout(const programs_step_t *step) {
    return timeout_of(step) == PTK_TIMEOUT_INFINITE ? 20 : timeout_of(step);
}

static programs_call_t *begin_join(programs_worker_t *me, programs_worker_t *target,
                                   const programs_step_t *step, bool takes_cancel, const char *verb) {
    uint32_t timeout_ms = takes_cancel ? timeout_of(step) : end_timeout(step);
    programs_call_t *call =
        BEGIN(me, timeout_ms, takes_cancel, "%s worker %zu, %d ms", verb, target->number, (int) timeout_ms);
    call->joined = target->is_joined ? NULL : target;
    if (target->is_ended) {
        call->is_due = true;
        call->due_idle_ns = programs_idle_ns();
    }
    call->is_exact = target->is_joined || (target == me && (!takes_cancel || call->timeout_ms == 0));
    call->result =
        target == me && !(takes_cancel && target->is_joined) ? PTK_ERR_INVALID_PARAM : PTK_ERR_CLOSED;
    return call;
}

static void join_step(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    ptk_err result = PTK_OK;
    begin_join(me, target, step, true, "join");
    ptk_err err = ptk_green_join(target->handle, &result, timeout_of(step));
    PTK_SIM_CHECK(err != PTK_OK || result != PTK_OK);
    check_join(me, target, err, result);
    finish(me, err);
}

static void end_step(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    begin_join(me, target, step, false, "end");
    if (!target->is_joined && target != me) {
        programs_cancelled(target);
    }
    ptk_err err = ptk_green_end(target->handle, end_timeout(step));
    check_join(me, target, err, PTK_OK);
    finish(me, err);
}

static void cancel_step(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    BEGIN(me, 0, false, "cancel worker %zu", target->number);
    ptk_err err = ptk_green_cancel(target->handle);
    PTK_SIM_CHECK(err == (target->is_joined && target != me ? PTK_ERR_CLOSED : PTK_OK));
    if (err == PTK_OK && !target->is_ended) {
        programs_cancelled(target);
    }
    finish(me, err);
}

static void detach_step(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    bool is_busy = is_joining(me, target);
    BEGIN(me, 0, false, "detach worker %zu", target->number);
    ptk_err err = ptk_green_detach(target->handle);
    if (err == PTK_ERR_BUSY) {
        PTK_SIM_CHECK(is_busy);
    } else {
        PTK_SIM_CHECK(err == (target->is_joined ? PTK_ERR_CLOSED : PTK_OK));
    }
    target->is_joined = target->is_joined || err == PTK_OK;
    finish(me, err);
}

static void look_at_green(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    BEGIN(me, 0, false, "look at worker %zu", target->number);
    ptk_err expected = target->is_joined && target != me ? PTK_ERR_CLOSED : PTK_OK;
    PTK_SIM_CHECK(ptk_green_set_user(target->handle, target) == expected);
    PTK_SIM_CHECK(ptk_green_user(target->handle) == (expected == PTK_OK ? target : NULL));
    PTK_SIM_CHECK(ptk_green_self() == me->handle);
    finish(me, expected);
}

/* --- shields, local values, stop --- */

static void begin_shield(programs_worker_t *me, const programs_step_t *step) {
    uint32_t limit_ms =
        step->timeout % 8 < 7 ? timeout_of(step) : 20; /* a limit, so that the worker can be ended */
    if (me->shield_count == SHIELDS) {
        return;
    }
    programs_shield_t *shield = &me->shields[me->shield_count];
    BEGIN(me, 0, false, "begin a shield of %d ms", (int) limit_ms);
    ptk_err err = ptk_shield_begin(&shield->shield, limit_ms);
    PTK_SIM_CHECK(limit_ms == 0 ? err == PTK_ERR_INVALID_PARAM : err == PTK_OK || programs.is_short);
    if (err == PTK_OK) {
        bool is_limited = limit_ms != PTK_TIMEOUT_INFINITE;
        shield->deadline_ns = is_limited ? ptk_now_ns() + limit_ms * PTK_NS_PER_MS : PTK_TIME_NEVER;
        shield->computed_ns = programs.computed_ns;
        shield->was_seen = false;
        me->shield_count++;
    }
    finish(me, err);
}

static void end_shield(programs_worker_t *me, const programs_step_t *step) {
    (void) step;
    if (me->shield_count == 0) {
        return;
    }
    BEGIN(me, 0, false, "end a shield");
    if (me->shield_count > 1 && step->extra % 4 == 0) {
        PTK_SIM_CHECK(ptk_shield_end(&me->shields[0].shield) == PTK_ERR_INVALID_PARAM);
        finish(me, PTK_ERR_INVALID_PARAM);
        return;
    }
    ptk_err err = ptk_shield_end(&me->shields[me->shield_count - 1].shield);
    PTK_SIM_CHECK(err == PTK_OK);
    me->shield_count--;
    finish(me, err);
}

static void local_ends(void *value) {
    programs_worker_t **place = value;
    PTK_SIM_CHECK(*place && (*place)->handle == ptk_green_self());
    *place = NULL;
}

static void set_local(programs_worker_t *me, const programs_step_t *step) {
    static const ptk_green_key_t keys[2] = {{local_ends}, {local_ends}};
    size_t i = step->extra % 2;
    bool has_value = me->locals[i] != NULL;
    BEGIN(me, 0, false, "set local %zu", i);
    PTK_SIM_CHECK(ptk_green_get_local(&keys[i]) == (has_value ? &me->locals[i] : NULL));
    bool sets = !has_value || step->extra % 4 < 2;
    ptk_err err = ptk_green_set_local(&keys[i], sets ? &me->locals[i] : NULL);
    PTK_SIM_CHECK(err == PTK_OK || (programs.is_short && !has_value));
    if (err == PTK_OK) {
        me->locals[i] = sets ? me : NULL;
    }
    finish(me, err);
}

static void stop_step(programs_worker_t *me, const programs_step_t *step) {
    if (step->extra % 16 != 0) {
        return;
    }
    BEGIN(me, 0, false, "stop the loop");
    ptk_err err = ptk_scheduler_stop(NULL);
    PTK_SIM_CHECK(err == PTK_OK);
    programs_stopped();
    finish(me, err);
}

/* --- all kinds --- */

static void do_nothing(programs_worker_t *me, const programs_step_t *step) {
    (void) me, (void) step;
}

static void (*const kinds[])(programs_worker_t *me, const programs_step_t *step) = {do_nothing,
                                                                                    compute,
                                                                                    compute,
                                                                                    compute,
                                                                                    yield,
                                                                                    yield,
                                                                                    sleep_step,
                                                                                    sleep_step,
                                                                                    wait_one,
                                                                                    wait_one,
                                                                                    wait_one,
                                                                                    wait_one,
                                                                                    wait_any,
                                                                                    wait_any,
                                                                                    wait_any,
                                                                                    wait_any,
                                                                                    wait_sock,
                                                                                    wait_sock,
                                                                                    signal_step,
                                                                                    signal_step,
                                                                                    signal_step,
                                                                                    signal_step,
                                                                                    signal_through_inbox,
                                                                                    raise_step,
                                                                                    abort_step,
                                                                                    destroy_step,
                                                                                    abort_sock,
                                                                                    recv_step,
                                                                                    recv_step,
                                                                                    recv_step,
                                                                                    recv_step,
                                                                                    recv_some_step,
                                                                                    recv_some_step,
                                                                                    recv_some_step,
                                                                                    send_step,
                                                                                    send_step,
                                                                                    send_step,
                                                                                    send_step,
                                                                                    send_some_step,
                                                                                    send_some_step,
                                                                                    open_step,
                                                                                    connect_step,
                                                                                    connect_step,
                                                                                    accept_step,
                                                                                    accept_step,
                                                                                    listen_step,
                                                                                    close_step,
                                                                                    linger_step,
                                                                                    shutdown_step,
                                                                                    look_at_sock,
                                                                                    use_pair,
                                                                                    use_pair,
                                                                                    spawn_step,
                                                                                    join_step,
                                                                                    join_step,
                                                                                    end_step,
                                                                                    cancel_step,
                                                                                    cancel_step,
                                                                                    detach_step,
                                                                                    look_at_green,
                                                                                    begin_shield,
                                                                                    begin_shield,
                                                                                    end_shield,
                                                                                    set_local,
                                                                                    stop_step,
                                                                                    programs_misuse,
                                                                                    programs_look_at_texts,
                                                                                    programs_live_alone,
                                                                                    programs_dump,
                                                                                    programs_go_on,
                                                                                    connect_tcp};

size_t programs_kinds(void) {
    return sizeof kinds / sizeof kinds[0];
}

void programs_make_step(programs_worker_t *me, const programs_step_t *step) {
    kinds[step->kind](me, step);
}
