/* SPDX-License-Identifier: MIT */
/*
 * A connection of a bare server: non-blocking, registered once in epoll, edge-triggered for both directions,
 * with its readiness remembered. A short receive means that the socket is drained, unless the peer has hung
 * up, and a short send that it is full. So an echo is one receive and one send.
 */
#pragma once

#include "bench_load.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

typedef struct baseline_conn {
    int fd;
    bool readable;
    bool writable;
    bool hung_up;
} baseline_conn_t;

/* Opens a listener on a free port of 127.0.0.1 and lets the client connect. -1: that failed. */
int baseline_listen(load_t *load);

/* Accepts all connections and registers them in `epoll`. `conns` are structs of `conn_bytes` that begin with
   a baseline_conn_t; epoll's data points to them. False: that failed. */
bool baseline_accept(const load_t *load, int listener, int epoll, void *conns, size_t conn_bytes);

/* Stores the readiness that epoll reported. */
static inline void baseline_conn_note(baseline_conn_t *conn, uint32_t events) {
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        conn->hung_up = true;
        conn->writable = true;
    }
    conn->readable |= (events & EPOLLIN) != 0 || conn->hung_up;
    conn->writable |= (events & EPOLLOUT) != 0;
}

/* Receives once. Returns the bytes, 0: it would block, -1: the connection has ended. */
static inline ssize_t baseline_conn_recv(baseline_conn_t *conn, void *buffer, size_t length) {
    if (!conn->readable) {
        return 0;
    }
    ssize_t received = recv(conn->fd, buffer, length, 0);
    if (received > 0) {
        conn->readable = (size_t) received == length || conn->hung_up;
        return received;
    }
    if (received < 0 && errno == EAGAIN) {
        conn->readable = false;
        return 0;
    }
    return -1;
}

/* Sends once. Returns the bytes, 0: it would block, -1: the connection has ended. */
static inline ssize_t baseline_conn_send(baseline_conn_t *conn, const void *buffer, size_t length) {
    if (!conn->writable) {
        return 0;
    }
    ssize_t sent = send(conn->fd, buffer, length, MSG_NOSIGNAL);
    if (sent >= 0) {
        conn->writable = (size_t) sent == length;
        return sent;
    }
    conn->writable = false;
    return errno == EAGAIN ? 0 : -1;
}
