/* SPDX-License-Identifier: MIT */
/*
 * Bare green threads on epoll: ptk's echo server without scheduler, timeouts, cancellation, errors and
 * checks. A connection's context receives and sends; when a call would block it switches to the loop, which
 * waits for events and switches to the context of each.
 */
#include "baseline_conn.h"
#include "baseline_echo.h"
#include "baseline_stacks.h"
#include "baseline_switch.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct contexts_server {
    baseline_context_t main_context; /* the loop */
    load_t *load;
    int epoll;
    size_t open;
} contexts_server_t;

typedef struct fiber {
    baseline_conn_t conn; /* first: epoll's data points to it */
    baseline_context_t context;
    contexts_server_t *server;
    bool waits_to_read;
    bool waits_to_write;
} fiber_t;

static ssize_t fiber_recv(fiber_t *fiber, void *buffer, size_t length) {
    ssize_t received = baseline_conn_recv(&fiber->conn, buffer, length);
    while (received == 0) {
        fiber->waits_to_read = true;
        baseline_switch(&fiber->context, &fiber->server->main_context);
        fiber->waits_to_read = false;
        received = baseline_conn_recv(&fiber->conn, buffer, length);
    }
    return received;
}

static bool fiber_send(fiber_t *fiber, const char *buffer, size_t length) {
    size_t done = 0;
    while (done < length) {
        ssize_t sent = baseline_conn_send(&fiber->conn, buffer + done, length - done);
        if (sent < 0) {
            return false;
        }
        done += (size_t) sent;
        if (sent == 0) {
            fiber->waits_to_write = true;
            baseline_switch(&fiber->context, &fiber->server->main_context);
            fiber->waits_to_write = false;
        }
    }
    return true;
}

static void fiber_body(baseline_context_t *self) {
    fiber_t *fiber = (fiber_t *) (void *) ((char *) self - offsetof(fiber_t, context));
    char buffer[LOAD_BUFFER_BYTES];
    ssize_t received = fiber_recv(fiber, buffer, sizeof(buffer));
    while (received > 0 && fiber_send(fiber, buffer, (size_t) received)) {
        load_count(&fiber->server->load->meter, 1);
        received = fiber_recv(fiber, buffer, sizeof(buffer));
    }
    (void) close(fiber->conn.fd);
    fiber->server->open--;
    baseline_switch(&fiber->context, &fiber->server->main_context);
}

static void run_fibers(contexts_server_t *server) {
    struct epoll_event events[LOAD_EVENTS];
    while (server->open > 0) {
        int count = epoll_wait(server->epoll, events, LOAD_EVENTS, -1);
        for (int index = 0; index < count; index++) {
            fiber_t *fiber = events[index].data.ptr;
            baseline_conn_note(&fiber->conn, events[index].events);
            if ((fiber->waits_to_read && fiber->conn.readable) ||
                (fiber->waits_to_write && fiber->conn.writable)) {
                baseline_switch(&server->main_context, &fiber->context);
            }
        }
    }
}

bool baseline_echo_contexts(load_t *load) {
    contexts_server_t server = {.load = load, .open = load->plan.connections};
    baseline_stacks_t stacks = baseline_stacks_map(load->plan.connections);
    fiber_t *fibers = aligned_alloc(64, load->plan.connections * sizeof(*fibers));
    int listener = baseline_listen(load);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!stacks.base || !fibers || listener < 0 || server.epoll < 0) {
        return false;
    }
    for (size_t index = 0; index < load->plan.connections; index++) {
        fibers[index] = (fiber_t) {.server = &server};
        baseline_prepare(&fibers[index].context, baseline_stacks_high(&stacks, index), fiber_body);
    }
    if (!baseline_accept(load, listener, server.epoll, fibers, sizeof(*fibers))) {
        return false;
    }
    for (size_t index = 0; index < load->plan.connections; index++) {
        baseline_switch(&server.main_context, &fibers[index].context);
    }
    run_fibers(&server);
    return true;
}
