/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_tcp.h
 * TCP listeners and connections from addresses in text form, and the options of TCP that find out that a peer
 * is gone. What is returned are sockets of ptk_sock.h.
 *
 * A peer that loses its power, or the way to it, sends no more: neither bytes nor the end of its stream.
 * Three limits end what waits for it:
 *   - the timeout of a receive, for a peer that should have sent something by then, gone or only silent;
 *     only the program can set it, and a server needs such a limit for every connection;
 *   - keepalive (ptk_tcp_set_keepalive()), for a connection that may rightly be silent for long;
 *   - the user timeout (ptk_tcp_set_user_timeout()), for a peer that takes nothing of what is sent to it.
 * When keepalive, the user timeout or the system's own limit of about 15 minutes for unacknowledged bytes
 * ends a connection, receives, sends and waits end with PTK_ERR_PEER_TIMEOUT, or with PTK_ERR_UNREACHABLE if
 * a router has reported why. PTK_ERR_TIMEOUT is always a call's own timeout, after which the connection is as
 * before.
 *
 * Both options are off unless they are set. A socket that is accepted inherits them from its listener.
 */
#pragma once

#include <ptk_sock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Binds without SO_REUSEADDR: the address is refused while connections of an earlier listener are in
 * TIME_WAIT. */
#define PTK_TCP_LISTEN_NO_REUSE 1u
/** Switches keepalive on for all accepted sockets, with the times of ptk_tcp_set_keepalive()'s defaults. */
#define PTK_TCP_LISTEN_KEEPALIVE 2u

/** Options for ptk_tcp_listen(). Zero in a field means its default. */
typedef struct ptk_tcp_listen_options {
    uint32_t struct_size; /**< The size of this struct; 0 is filled in by the call. */
    uint32_t flags;       /**< #PTK_TCP_LISTEN_NO_REUSE, #PTK_TCP_LISTEN_KEEPALIVE. */
    uint32_t backlog;     /**< How many connections may wait to be accepted; 0: the system's maximum. */
    uint32_t reserved;    /**< Zero. */
} ptk_tcp_listen_options_t;

/** Initialises #ptk_tcp_listen_options_t in C and C++; fields that are not named are zero. */
#define PTK_TCP_LISTEN_OPTIONS_INIT {(uint32_t) sizeof(ptk_tcp_listen_options_t), 0, 0, 0}

#ifndef __cplusplus
/** Makes options in C: `ptk_tcp_listen(loop, "*:502", &PTK_TCP_LISTEN_OPTIONS(.backlog = 16))`. */
#define PTK_TCP_LISTEN_OPTIONS(...)                                                                          \
    ((ptk_tcp_listen_options_t) {.struct_size = (uint32_t) sizeof(ptk_tcp_listen_options_t), __VA_ARGS__})
#endif

/**
 * Opens a TCP listener: opens a socket, binds it to an address, and makes it a listener. SO_REUSEADDR is on,
 * so that a server can start again while connections of its last run are in TIME_WAIT.
 *
 * @param loop     the loop; NULL means the current one
 * @param address  `HOST:PORT` as for ptk_addr_parse(): `127.0.0.1:502`, `*:502`, `[::1]:502`,
 *                 `[fe80::1%eth0]:502`; port 0: a free port, which ptk_sock_local_addr() returns
 * @param options  the options; NULL means all defaults
 * @return the listener, for ptk_sock_accept(); NULL on failure, with the reason in ptk_get_err():
 *         PTK_ERR_ADDRESS_IN_USE: another socket listens at the address;
 *         PTK_ERR_ADDRESS_NOT_AVAILABLE: the address is not one of this machine's;
 *         PTK_ERR_PERMISSION: the operating system forbids it, for example a port below 1024;
 *         PTK_ERR_NOT_NUMERIC: HOST is a host name;
 *         PTK_ERR_NO_PORT: no port follows HOST;
 *         PTK_ERR_INVALID_PARAM: `address` has another form, or `options` are not valid;
 *         PTK_ERR_NOT_SUPPORTED: the system has no IPv4 or no IPv6;
 *         PTK_ERR_NO_RESOURCES: no memory or descriptor is left;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's, inside or outside a green thread. \n
 * Ownership: the caller closes the listener; `address` and `options` are not kept.
 */
PTK_API PTK_NODISCARD ptk_sock_t *ptk_tcp_listen(ptk_event_loop_platform_t *loop, const char *address,
                                                 const ptk_tcp_listen_options_t *options);

/**
 * Opens a TCP connection on the current loop. If the attempt fails, its socket is closed.
 *
 * @param address     `HOST:PORT` as for ptk_addr_parse()
 * @param timeout_ms  the longest time to wait; PTK_TIMEOUT_INFINITE: until the transport gives up
 * @return a connected socket; NULL on failure, with the reason in ptk_get_err():
 *         PTK_ERR_TIMEOUT: the time passed; with timeout 0 it is returned unless the connection is made at
 *         once;
 *         PTK_ERR_CANCELED: the caller was cancelled;
 *         PTK_ERR_NOT_GREEN: called outside a green thread with a non-zero timeout;
 *         PTK_ERR_REFUSED: no listener at that address;
 *         PTK_ERR_UNREACHABLE: no route to the host;
 *         PTK_ERR_PEER_TIMEOUT: the transport gave up;
 *         PTK_ERR_RESET: the peer reset the connection;
 *         PTK_ERR_ADDRESS_NOT_AVAILABLE: no local address or port is left for it;
 *         PTK_ERR_PERMISSION: the operating system forbids it;
 *         PTK_ERR_NOT_NUMERIC: HOST is a host name;
 *         PTK_ERR_NO_PORT: no port follows HOST;
 *         PTK_ERR_INVALID_PARAM: `address` has another form;
 *         PTK_ERR_NOT_SUPPORTED: the system has no IPv4 or no IPv6;
 *         PTK_ERR_NO_RESOURCES: no memory or descriptor is left;
 *         PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: yes. \n
 * Thread: a green thread; with timeout 0 also outside one. \n
 * Ownership: the caller closes the socket; `address` is not kept.
 */
PTK_API PTK_NODISCARD ptk_sock_t *ptk_tcp_connect(const char *address, uint32_t timeout_ms);

/** The default times of ptk_tcp_set_keepalive(): a peer that is gone is found out within two minutes. */
#define PTK_TCP_KEEPALIVE_IDLE_MS     60000u
#define PTK_TCP_KEEPALIVE_INTERVAL_MS 10000u /**< See #PTK_TCP_KEEPALIVE_IDLE_MS. */
#define PTK_TCP_KEEPALIVE_COUNT       6u     /**< See #PTK_TCP_KEEPALIVE_IDLE_MS. */

/** Options for ptk_tcp_set_keepalive(). Zero in a field means its default. Times are rounded up to what the
 * system takes: whole seconds, 32767 at most. */
typedef struct ptk_tcp_keepalive_options {
    uint32_t struct_size; /**< The size of this struct; 0 is filled in by the call. */
    uint32_t idle_ms;     /**< Silence of the peer until the first probe; 0: #PTK_TCP_KEEPALIVE_IDLE_MS. */
    uint32_t interval_ms; /**< From one probe to the next; 0: #PTK_TCP_KEEPALIVE_INTERVAL_MS. */
    uint32_t count;       /**< Probes without a reply until the connection ends, 127 at most; 0:
                             #PTK_TCP_KEEPALIVE_COUNT. */
} ptk_tcp_keepalive_options_t;

/** Initialises #ptk_tcp_keepalive_options_t in C and C++; fields that are not named are zero. */
#define PTK_TCP_KEEPALIVE_OPTIONS_INIT {(uint32_t) sizeof(ptk_tcp_keepalive_options_t), 0, 0, 0}

#ifndef __cplusplus
/** Makes options in C: `ptk_tcp_set_keepalive(sock, true, &PTK_TCP_KEEPALIVE_OPTIONS(.idle_ms = 30000))`. */
#define PTK_TCP_KEEPALIVE_OPTIONS(...)                                                                       \
    ((ptk_tcp_keepalive_options_t) {.struct_size = (uint32_t) sizeof(ptk_tcp_keepalive_options_t),           \
                                    __VA_ARGS__})
#endif

/**
 * Switches keepalive (RFC 1122, 4.2.3.6): when the peer has sent nothing for `idle_ms`, the system sends
 * probes, which a living peer's system acknowledges without its program. After `count` probes without a
 * reply, which are `interval_ms` apart, the connection ends with PTK_ERR_PEER_TIMEOUT: `idle_ms` + `count` x
 * `interval_ms` after the last sign of the peer. While sent bytes are unacknowledged no probes are sent, so a
 * program that sends also needs ptk_tcp_set_user_timeout(); where that is set, it decides instead of `count`.
 *
 * A listener hands its setting down to the sockets that it accepts from then on.
 *
 * @param sock     the socket
 * @param on       the new state
 * @param options  the times; NULL means all defaults, and is required to switch it off
 * @return PTK_OK, or
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL, a time is out of range, or `options` are not valid;
 *         nothing has changed;
 *         PTK_ERR_NOT_SUPPORTED: the system does not have it;
 *         PTK_ERR_PERMISSION: the operating system forbids it;
 *         PTK_ERR_NO_RESOURCES: the system is short of memory;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: `options` are not kept.
 */
PTK_API PTK_NODISCARD ptk_err ptk_tcp_set_keepalive(ptk_sock_t *sock, bool on,
                                                    const ptk_tcp_keepalive_options_t *options);

/**
 * Sets the user timeout (RFC 5482): how long sent bytes may stay unacknowledged before the connection ends
 * with PTK_ERR_PEER_TIMEOUT. It also ends a connection whose peer is alive and lets no bytes come for that
 * long, so it must be longer than the pauses of a slow receiver. At least one retransmission is waited for,
 * which takes 200 ms or more.
 *
 * A listener hands its setting down to the sockets that it accepts from then on.
 *
 * @param sock        the socket
 * @param timeout_ms  the time, INT32_MAX at most; 0: the system's own limit, which is the setting at first:
 * on Linux about 15 minutes, and none for a peer whose system still replies
 * @return PTK_OK, or
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL, or `timeout_ms` is out of range;
 *         PTK_ERR_NOT_SUPPORTED: the system does not have it;
 *         PTK_ERR_PERMISSION: the operating system forbids it;
 *         PTK_ERR_NO_RESOURCES: the system is short of memory;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_tcp_set_user_timeout(ptk_sock_t *sock, uint32_t timeout_ms);

/** Implements the macro ptk_tcp_set_keepalive(): fills in a `struct_size` of 0. */
PTK_NODISCARD static inline ptk_err ptk_tcp_set_keepalive_sized(ptk_sock_t *sock, bool on,
                                                                const ptk_tcp_keepalive_options_t *options) {
    ptk_tcp_keepalive_options_t copy = PTK_TCP_KEEPALIVE_OPTIONS_INIT;
    if (options && options->struct_size == 0) {
        copy = *options;
        copy.struct_size = (uint32_t) sizeof copy;
        options = &copy;
    }
    return ptk_tcp_set_keepalive(sock, on, options);
}

/** Calls the function of the same name, after filling in a `struct_size` of 0. */
#define ptk_tcp_set_keepalive(sock, on, options) ptk_tcp_set_keepalive_sized((sock), (on), (options))

/** Implements the macro ptk_tcp_listen(): fills in a `struct_size` of 0. */
PTK_NODISCARD static inline ptk_sock_t *ptk_tcp_listen_sized(ptk_event_loop_platform_t *loop,
                                                             const char *address,
                                                             const ptk_tcp_listen_options_t *options) {
    ptk_tcp_listen_options_t copy = PTK_TCP_LISTEN_OPTIONS_INIT;
    if (options && options->struct_size == 0) {
        copy = *options;
        copy.struct_size = (uint32_t) sizeof copy;
        options = &copy;
    }
    return ptk_tcp_listen(loop, address, options);
}

/** Calls the function of the same name, after filling in a `struct_size` of 0. */
#define ptk_tcp_listen(loop, address, options) ptk_tcp_listen_sized((loop), (address), (options))

#ifdef __cplusplus
}
#endif
