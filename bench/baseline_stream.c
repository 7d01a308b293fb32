/* SPDX-License-Identifier: MIT */
/* The state of a connection is a block and its progress; an event advances it as far as the socket allows. */
#include "baseline_stream.h"
#include "baseline_conn.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct stream_machine {
    baseline_conn_t conn; /* first: epoll's data points to it */
    size_t moved;         /* of the block */
    char *block;
} stream_machine_t;

/* Receives or sends a part of the block, once. */
static ssize_t move_part_of_block(stream_machine_t *machine, load_t *load) {
    char *rest = machine->block + machine->moved;
    size_t left_bytes = LOAD_BLOCK_BYTES - machine->moved;
    ssize_t moved = load->plan.kind == LOAD_SINK ? baseline_conn_recv(&machine->conn, rest, left_bytes)
                                                 : baseline_conn_send(&machine->conn, rest, left_bytes);
    if (moved > 0) {
        machine->moved += (size_t) moved;
    }
    if (machine->moved == LOAD_BLOCK_BYTES) {
        machine->moved = 0;
        load_count(&load->meter, LOAD_BLOCK_BYTES);
    }
    return moved;
}

/* Moves blocks until the socket would block. False: the connection has ended, or a source may stop. */
static bool advance_stream(stream_machine_t *machine, load_t *load) {
    ssize_t moved = 1;
    while (moved > 0) {
        if (load->plan.kind == LOAD_SOURCE && machine->moved == 0 && load_is_done(&load->meter)) {
            return false;
        }
        moved = move_part_of_block(machine, load);
    }
    return moved == 0;
}

static void end_stream(stream_machine_t *machine) {
    (void) close(machine->conn.fd);
    free(machine->block);
    machine->block = NULL;
}

static bool allocate_blocks(stream_machine_t *machines, size_t count) {
    for (size_t index = 0; index < count; index++) {
        machines[index].block = calloc(1, LOAD_BLOCK_BYTES);
        if (!machines[index].block) {
            return false;
        }
    }
    return true;
}

bool baseline_stream(load_t *load) {
    struct epoll_event events[LOAD_EVENTS];
    size_t open = load->plan.connections;
    stream_machine_t *machines = calloc(load->plan.connections, sizeof(*machines));
    int listener = baseline_listen(load);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!machines || !allocate_blocks(machines, open) || listener < 0 || epoll < 0 ||
        !baseline_accept(load, listener, epoll, machines, sizeof(*machines))) {
        return false;
    }
    while (open > 0) {
        int count = epoll_wait(epoll, events, LOAD_EVENTS, -1);
        for (int index = 0; index < count; index++) {
            stream_machine_t *machine = events[index].data.ptr;
            baseline_conn_note(&machine->conn, events[index].events);
            if (!advance_stream(machine, load)) {
                end_stream(machine);
                open--;
            }
        }
    }
    return true;
}
