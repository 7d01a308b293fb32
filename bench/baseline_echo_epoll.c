/* SPDX-License-Identifier: MIT */
/*
 * Bare epoll: the echo server that somebody writes who has no green threads. Each connection is a buffer and
 * how much of it still has to go out; an event advances it as far as the socket allows.
 */
#include "baseline_conn.h"
#include "baseline_echo.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct machine {
    baseline_conn_t conn; /* first: epoll's data points to it */
    size_t held;          /* bytes in the buffer */
    size_t sent;          /* of these */
    char buffer[LOAD_BUFFER_BYTES];
} machine_t;

/* One step: answers what the socket did, as baseline_conn_recv and baseline_conn_send do. */
static ssize_t send_held(machine_t *machine, load_meter_t *meter) {
    ssize_t sent =
        baseline_conn_send(&machine->conn, machine->buffer + machine->sent, machine->held - machine->sent);
    if (sent > 0) {
        machine->sent += (size_t) sent;
    }
    if (machine->sent == machine->held) {
        machine->held = 0;
        machine->sent = 0;
        load_count(meter, 1);
    }
    return sent;
}

static ssize_t receive(machine_t *machine) {
    ssize_t received = baseline_conn_recv(&machine->conn, machine->buffer, sizeof(machine->buffer));
    machine->held = received > 0 ? (size_t) received : 0;
    return received;
}

/* False: the connection has ended. */
static bool advance(machine_t *machine, load_meter_t *meter) {
    ssize_t moved = 1;
    while (moved > 0) {
        moved = machine->held > 0 ? send_held(machine, meter) : receive(machine);
    }
    return moved == 0;
}

bool baseline_echo_epoll(load_t *load) {
    struct epoll_event events[LOAD_EVENTS];
    size_t open = load->connections;
    machine_t *machines = calloc(load->connections, sizeof(*machines));
    int listener = baseline_listen(load);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!machines || listener < 0 || epoll < 0 ||
        !baseline_accept(load, listener, epoll, machines, sizeof(*machines))) {
        return false;
    }
    while (open > 0) {
        int count = epoll_wait(epoll, events, LOAD_EVENTS, -1);
        for (int index = 0; index < count; index++) {
            machine_t *machine = events[index].data.ptr;
            baseline_conn_note(&machine->conn, events[index].events);
            if (!advance(machine, &load->meter)) {
                (void) close(machine->conn.fd);
                open--;
            }
        }
    }
    return true;
}
