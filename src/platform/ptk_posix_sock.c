/* SPDX-License-Identifier: MIT */
/*
 * The socket verbs of every POSIX platform (layer 2), over the system table.
 *
 * EINTR is retried here and nowhere else: every call is non-blocking, so a retry cannot wait. close is never
 * retried: on Linux the descriptor is gone even if it returns EINTR.
 *
 * A connect is started once; each later try reads SO_ERROR, and takes its 0 for success only if the socket
 * has a peer: "writable" can be reported before the handshake has ended.
 */
#include "platform/ptk_posix_sock.h"

#include "base/ptk_thread.h"
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#define POSIX_SOCK_KEEPALIVE_SECONDS_MAX 32767
#define POSIX_SOCK_KEEPALIVE_COUNT_MAX   127

/* macOS has another name for it. */
#ifdef TCP_KEEPIDLE
#define POSIX_SOCK_KEEPALIVE_IDLE TCP_KEEPIDLE
#else
#define POSIX_SOCK_KEEPALIVE_IDLE TCP_KEEPALIVE
#endif

/* Returns the bytes received, 0 at the end of the stream. */
static intptr_t posix_sock_try_recv(const ptk_event_op_t *op) {
    intptr_t result;
    do {
        result = ptk_sys()->recv(op->source->handle, op->at.buffer, op->bytes);
    } while (result == -EINTR);
    ptk_assert(result <= 0 || (size_t) result <= op->bytes);
    return result;
}

/* Returns the bytes accepted by the kernel, which may be fewer than requested. */
static intptr_t posix_sock_try_send(const ptk_event_op_t *op) {
    intptr_t result;
    do {
        result = ptk_sys()->send(op->source->handle, op->at.data, op->bytes);
    } while (result == -EINTR);
    ptk_assert(result <= 0 || (size_t) result <= op->bytes);
    return result;
}

/* Returns the new handle. Errors of a connection that ended in the queue (ECONNABORTED and others) are passed
 * on: the accepting layer skips them. */
static intptr_t posix_sock_try_accept(const ptk_event_op_t *op) {
    ptk_os_handle_t accepted = PTK_OS_HANDLE_NONE;
    int result;
    do {
        result = ptk_sys()->accept(op->source->handle, op->at.addr, op->addrlen, &accepted);
    } while (result == -EINTR);
    ptk_assert(result != 0 || accepted != PTK_OS_HANDLE_NONE);
    return result == 0 ? accepted : result;
}

/* Returns the result of a connect whose socket has no peer and no error: -EAGAIN while the handshake is under
 * way, -ECONNABORTED if the connection was established and has ended since, which poll(2) reports as a
 * hang-up without "writable". */
static intptr_t posix_sock_connection_end(const ptk_event_op_t *op) {
    struct pollfd entry = {.fd = (int) op->source->handle};
    int count = ptk_sys()->poll(&entry, 1, 0);
    return count == 1 && entry.revents == POLLHUP ? -ECONNABORTED : -EAGAIN;
}

/* Returns the result of a started connect, -EAGAIN while the handshake is under way. */
static intptr_t posix_sock_connect_result(const ptk_event_op_t *op) {
    int error = 0;
    socklen_t length = sizeof error;
    int result = ptk_sys()->get_option(op->source->handle, SOL_SOCKET, SO_ERROR, &error, &length);
    if (result != 0 || error != 0) {
        return result != 0 ? result : -error;
    }
    struct sockaddr_storage peer;
    length = sizeof peer;
    result = ptk_sys()->peer_name(op->source->handle, (struct sockaddr *) &peer, &length);
    if (result != -ENOTCONN) {
        return result;
    }
    return posix_sock_connection_end(op);
}

/* Starts the handshake, or reads the result of one that was started. An interrupted connect(2) goes on in the
 * kernel, so the repeated call returns EALREADY or EISCONN, and both are no failures. */
static intptr_t posix_sock_try_connect(ptk_event_op_t *op) {
    if (op->started) {
        return posix_sock_connect_result(op);
    }
    int result;
    bool interrupted = false;
    while ((result = ptk_sys()->connect(op->source->handle, op->at.target, (socklen_t) op->bytes)) ==
           -EINTR) {
        interrupted = true; /* the handshake may have begun or not: the next call returns which */
    }
    if (interrupted && result == -EISCONN) {
        return 0;
    }
    bool under_way = result == -EINPROGRESS || result == -EALREADY;
    ptk_assert(!op->started);
    op->started = under_way;
    return under_way ? -EAGAIN : result;
}

short ptk_posix_sock_poll_events(uint32_t interest) {
    return (short) ((interest & PTK_READY_READ ? POLLIN : 0) | (interest & PTK_READY_WRITE ? POLLOUT : 0) |
                    (interest & PTK_READY_HANGUP ? PTK_POSIX_SOCK_POLLRDHUP : 0) |
                    (interest & PTK_READY_PRIORITY ? POLLPRI : 0));
}

/* Returns the ready bits for what poll(2) reported. A hang-up or an error makes both directions ready. */
static uint32_t posix_sock_ready_bits(unsigned revents) {
    return (revents & (POLLIN | POLLHUP | POLLERR) ? PTK_READY_READ : 0) |
           (revents & (POLLOUT | POLLHUP | POLLERR) ? PTK_READY_WRITE : 0) |
           (revents & (POLLHUP | PTK_POSIX_SOCK_POLLRDHUP) ? PTK_READY_HANGUP : 0) |
           (revents & POLLPRI ? PTK_READY_PRIORITY : 0) |
           (revents & (POLLHUP | POLLERR) ? PTK_READY_ERROR : 0);
}

/* The handle of a foreign source is checked here, at its first operation: it comes from the program. */
static intptr_t posix_sock_try_ready(const ptk_event_op_t *op) {
    if (op->source->handle < 0 || op->source->handle > INT_MAX) {
        return -EBADF;
    }
    struct pollfd entry = {.fd = (int) op->source->handle};
    entry.events = ptk_posix_sock_poll_events(op->events);
    int count;
    do {
        count = ptk_sys()->poll(&entry, 1, 0);
    } while (count == -EINTR);
    if (count < 0) {
        return count;
    }
    if (entry.revents & POLLNVAL) {
        return -EBADF;
    }
    uint32_t ready = posix_sock_ready_bits((unsigned) entry.revents) & (op->events | PTK_READY_ERROR);
    return ready ? (intptr_t) ready : -EAGAIN;
}

intptr_t ptk_posix_sock_try(ptk_event_op_t *op) {
    switch ((ptk_event_op_kind_t) op->kind) {
    case PTK_OP_RECV:
        return posix_sock_try_recv(op);
    case PTK_OP_SEND:
        return posix_sock_try_send(op);
    case PTK_OP_ACCEPT:
        return posix_sock_try_accept(op);
    case PTK_OP_CONNECT:
        return posix_sock_try_connect(op);
    case PTK_OP_READY:
        break;
    }
    return posix_sock_try_ready(op);
}

/* Sets a socket option of type int. */
static int posix_sock_set_number(ptk_os_handle_t handle, int level, int name, int value) {
    return ptk_sys()->set_option(handle, level, name, &value, sizeof value);
}

static int posix_sock_set_flag(ptk_os_handle_t handle, int level, int name, bool on) {
    return posix_sock_set_number(handle, level, name, on);
}

static int posix_sock_set_nodelay(ptk_os_handle_t handle, bool on) {
    return posix_sock_set_flag(handle, IPPROTO_TCP, TCP_NODELAY, on);
}

static int posix_sock_set_reuse(ptk_os_handle_t handle, bool on) {
    return posix_sock_set_flag(handle, SOL_SOCKET, SO_REUSEADDR, on);
}

/* Returns whole seconds, rounded up. */
static uint32_t posix_sock_seconds(uint32_t ms) {
    return ms / 1000 + (ms % 1000 != 0);
}

/* The limits are checked here, so that no value is set unless all are: they are Linux's, the lowest of the
 * systems that have any. */
static bool posix_sock_is_keepalive_valid(const ptk_keepalive_t *keepalive) {
    return keepalive->idle_ms > 0 &&
           posix_sock_seconds(keepalive->idle_ms) <= POSIX_SOCK_KEEPALIVE_SECONDS_MAX &&
           keepalive->interval_ms > 0 &&
           posix_sock_seconds(keepalive->interval_ms) <= POSIX_SOCK_KEEPALIVE_SECONDS_MAX &&
           keepalive->count > 0 && keepalive->count <= POSIX_SOCK_KEEPALIVE_COUNT_MAX;
}

/* The times come first: they hold from the first probe on. */
static int posix_sock_set_keepalive(ptk_os_handle_t handle, const ptk_keepalive_t *keepalive) {
    if (!keepalive) {
        return posix_sock_set_flag(handle, SOL_SOCKET, SO_KEEPALIVE, false);
    }
    if (!posix_sock_is_keepalive_valid(keepalive)) {
        return -EINVAL;
    }
    int result = posix_sock_set_number(handle, IPPROTO_TCP, POSIX_SOCK_KEEPALIVE_IDLE,
                                       (int) posix_sock_seconds(keepalive->idle_ms));
    if (result == 0) {
        result = posix_sock_set_number(handle, IPPROTO_TCP, TCP_KEEPINTVL,
                                       (int) posix_sock_seconds(keepalive->interval_ms));
    }
    if (result == 0) {
        result = posix_sock_set_number(handle, IPPROTO_TCP, TCP_KEEPCNT, (int) keepalive->count);
    }
    return result == 0 ? posix_sock_set_flag(handle, SOL_SOCKET, SO_KEEPALIVE, true) : result;
}

#ifdef TCP_USER_TIMEOUT
static int posix_sock_set_user_timeout(ptk_os_handle_t handle, uint32_t timeout_ms) {
    return timeout_ms <= INT_MAX
               ? posix_sock_set_number(handle, IPPROTO_TCP, TCP_USER_TIMEOUT, (int) timeout_ms)
               : -EINVAL;
}
#else
static int posix_sock_set_user_timeout(ptk_os_handle_t handle, uint32_t timeout_ms) {
    (void) handle;
    (void) timeout_ms;
    return -ENOPROTOOPT;
}
#endif

/* Urgent bytes stay in line, which the readiness model needs, and small writes are sent at once. Accepted
 * sockets inherit both options from their listener. */
static int posix_sock_open(int family, int type, int protocol, ptk_os_handle_t *handle_out) {
    ptk_os_handle_t handle = PTK_OS_HANDLE_NONE;
    int result = ptk_sys()->socket(family, type, protocol, &handle);
    if (result != 0) {
        return result;
    }
    result = posix_sock_set_flag(handle, SOL_SOCKET, SO_OOBINLINE, true);
    if (result == 0) {
        result = posix_sock_set_nodelay(handle, true);
    }
    if (result != 0) {
        ptk_sys()->close(handle);
        return result;
    }
    *handle_out = handle;
    return 0;
}

static int posix_sock_bind(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    return ptk_sys()->bind(handle, addr, addrlen);
}

/* A backlog above the system's limit is cut by the kernel. */
static int posix_sock_listen(ptk_os_handle_t handle, int backlog) {
    return ptk_sys()->listen(handle, backlog > 0 ? backlog : SOMAXCONN);
}

/* The caller guarantees that one of the flags is set. */
static int posix_sock_shutdown(ptk_os_handle_t handle, bool read, bool write) {
    return ptk_sys()->shutdown(handle, read && write ? SHUT_RDWR : (read ? SHUT_RD : SHUT_WR));
}

/* Linger with timeout 0 makes close send a reset. A failure to set it is ignored: the close must happen. */
static int posix_sock_close(ptk_os_handle_t handle, bool reset) {
    if (reset) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        (void) ptk_sys()->set_option(handle, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    return ptk_sys()->close(handle);
}

static int posix_sock_local_addr(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    return ptk_sys()->local_name(handle, addr, addrlen);
}

static int posix_sock_peer_addr(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    return ptk_sys()->peer_name(handle, addr, addrlen);
}

/* Linux 4.12 and later; the positions are those of <linux/sock_diag.h>, which C libraries do not install. */
#ifdef SO_MEMINFO
static int posix_sock_send_room(ptk_os_handle_t handle, size_t *room_out, size_t *capacity_out) {
    enum { CAPACITY = 3, QUEUED = 5, COUNT = 9 };
    uint32_t counts[COUNT] = {0};
    socklen_t length = sizeof counts;
    int result = ptk_sys()->get_option(handle, SOL_SOCKET, SO_MEMINFO, counts, &length);
    if (result != 0) {
        return result;
    }
    if (length <= QUEUED * sizeof counts[0]) { /* qemu-user passes one int of it */
        return -ENOPROTOOPT;
    }
    *capacity_out = counts[CAPACITY];
    *room_out = counts[QUEUED] < counts[CAPACITY] ? counts[CAPACITY] - counts[QUEUED] : 0;
    return 0;
}
#else
static int posix_sock_send_room(ptk_os_handle_t handle, size_t *room_out, size_t *capacity_out) {
    (void) handle;
    (void) room_out;
    (void) capacity_out;
    return -ENOPROTOOPT;
}
#endif

const ptk_platform_socket_ops_t ptk_posix_sock_ops = {
    .open = posix_sock_open,
    .bind = posix_sock_bind,
    .listen = posix_sock_listen,
    .shutdown = posix_sock_shutdown,
    .close = posix_sock_close,
    .local_addr = posix_sock_local_addr,
    .peer_addr = posix_sock_peer_addr,
    .send_room = posix_sock_send_room,
    .set_nodelay = posix_sock_set_nodelay,
    .set_reuse = posix_sock_set_reuse,
    .set_keepalive = posix_sock_set_keepalive,
    .set_user_timeout = posix_sock_set_user_timeout,
};
