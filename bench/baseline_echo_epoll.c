/* SPDX-License-Identifier: MIT */
/*
 * Bare epoll: an echo server without green threads. The state of a connection is a buffer and how much of it
 * is still to be sent; an event advances it as far as the socket allows.
 */
#include "baseline_conn.h"
#include "baseline_echo.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct echo_machine {
    baseline_conn_t conn; /* first: epoll's data points to it */
    size_t held;          /* bytes in the buffer */
    size_t sent;          /* of the held ones */
    char buffer[LOAD_BUFFER_BYTES];
} echo_machine_t;

/* Sends what is left of the buffer. Returns what baseline_conn_send returned. */
static ssize_t send_from_buffer(echo_machine_t *machine, load_meter_t *meter) {
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

/* Receives into the empty buffer. Returns what baseline_conn_recv returned. */
static ssize_t receive_into_buffer(echo_machine_t *machine) {
    ssize_t received = baseline_conn_recv(&machine->conn, machine->buffer, sizeof(machine->buffer));
    machine->held = received > 0 ? (size_t) received : 0;
    return received;
}

/* Receives and sends until the socket would block. False: the connection has ended. */
static bool advance_echo(echo_machine_t *machine, load_meter_t *meter) {
    ssize_t moved = 1;
    while (moved > 0) {
        moved = machine->held > 0 ? send_from_buffer(machine, meter) : receive_into_buffer(machine);
    }
    return moved == 0;
}

bool baseline_echo_epoll(load_t *load) {
    struct epoll_event events[LOAD_EVENTS];
    size_t open = load->plan.connections;
    echo_machine_t *machines = calloc(load->plan.connections, sizeof(*machines));
    int listener = baseline_listen(load);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!machines || listener < 0 || epoll < 0 ||
        !baseline_accept(load, listener, epoll, machines, sizeof(*machines))) {
        return false;
    }
    while (open > 0) {
        int count = epoll_wait(epoll, events, LOAD_EVENTS, -1);
        for (int index = 0; index < count; index++) {
            echo_machine_t *machine = events[index].data.ptr;
            baseline_conn_note(&machine->conn, events[index].events);
            if (!advance_echo(machine, &load->meter)) {
                (void) close(machine->conn.fd);
                open--;
            }
        }
    }
    return true;
}
