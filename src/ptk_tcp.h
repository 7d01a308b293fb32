/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_tcp.h
 * TCP listeners and connections from addresses in text form. What they return are sockets of ptk_sock.h.
 */
#pragma once

#include <ptk_sock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Binds without SO_REUSEADDR: the address is refused while connections of an earlier listener are in
 * TIME_WAIT. */
#define PTK_TCP_LISTEN_NO_REUSE 1u

/** Options for ptk_tcp_listen(). Zero in a field means its default. */
typedef struct ptk_tcp_listen_options {
    uint32_t struct_size; /**< The size of this struct; 0 is filled in by the call. */
    uint32_t flags;       /**< #PTK_TCP_LISTEN_NO_REUSE. */
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
