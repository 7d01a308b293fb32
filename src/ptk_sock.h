/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_sock.h
 * Sockets that block the green thread and never the OS thread.
 *
 * All timeouts are milliseconds from the call: 0 tries once and never parks (and works outside green
 * threads), PTK_TIMEOUT_INFINITE has no limit. Data that has arrived beats the timeout, and no byte is lost
 * by a timeout or a cancel. Besides the errors named below, every call can answer INVALID_PARAM,
 * WRONG_THREAD, CLOSED (the socket was closed), FORKED, and every call with a non-zero timeout NOT_GREEN and
 * CANCELED.
 */
#pragma once

#include <ptk_err.h>
#include <ptk_os_net.h>
#include <ptk_waitable.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A socket. */
typedef struct ptk_sock ptk_sock_t;

/**
 * Open a socket and associate it with a thread-local event loop: AF_INET or AF_INET6, SOCK_STREAM, protocol 0
 * or IPPROTO_TCP (others NOT_SUPPORTED for now). Never parks; owner thread; `loop` NULL means the current
 * one. The caller closes it. TCP_NODELAY and SO_OOBINLINE are set. NULL on failure, reason in ptk_get_err():
 * also NO_RESOURCES, NO_LOOP.
 */
PTK_API ptk_sock_t *ptk_sock_open(ptk_event_loop_platform_t *loop, int af, int type, int proto);

/**
 * Close a socket: what was sent is still delivered (close(2)); calls that wait on it get CLOSED. NULL is
 * fine; so is a socket that is closed already. Never parks; owner thread.
 */
PTK_API void ptk_sock_close(ptk_sock_t *sock);

/** Close and reset the connection (RST: nothing more is delivered). Otherwise as ptk_sock_close(). Never
 * parks. */
PTK_API void ptk_sock_reset(ptk_sock_t *sock);

/**
 * Coroutine-friendly blocking connect. Parks. REFUSED, UNREACHABLE, PEER_TIMEOUT, RESET,
 * ADDRESS_NOT_AVAILABLE, CONNECTED, BUSY (a connect is under way), NO_RESOURCES, TIMEOUT. After TIMEOUT or
 * CANCELED the socket is good only for closing. With timeout 0 an attempt is started and TIMEOUT means that
 * it goes on: wait for PTK_EVENT_WRITE on the socket's waitable, then call again.
 */
PTK_API ptk_err ptk_sock_connect(ptk_sock_t *sock, const struct sockaddr *addr, socklen_t addrlen,
                                 uint32_t timeout_ms);

/**
 * Send all `len` bytes. Parks while the peer takes nothing. Whole sends do not mix: several green threads
 * queue, first come first served. If it fails after some bytes: PARTIAL, ptk_get_count() bytes went out,
 * ptk_get_cause() tells why, and every later send gets BROKEN, because a cut frame must not be followed by
 * another; ptk_sock_send_some() can resume. With no byte sent: TIMEOUT, CANCELED, RESET, BROKEN,
 * NOT_CONNECTED, NO_RESOURCES. The buffer is yours again on return.
 */
PTK_API ptk_err ptk_sock_send(ptk_sock_t *sock, const void *buf, size_t len, uint32_t timeout_ms);

/** Send at least one byte of `len` and say how many. Parks. After a send that was PARTIAL it goes on with the
 * frame: the BROKEN state ends when it has sent as many bytes as the frame lacked. */
PTK_API ptk_err ptk_sock_send_some(ptk_sock_t *sock, const void *buf, size_t len, size_t *sent_out,
                                   uint32_t timeout_ms);

/**
 * Receive exactly `len` bytes, or none. Parks. If TIMEOUT or CANCELED strikes in the middle, what came is
 * kept and the next receive gets it first. CLOSED: the stream ended before the first byte; TRUNCATED: in the
 * middle (the bytes stay readable by ptk_sock_recv_some()); BUSY: another green thread receives; RESET,
 * PEER_TIMEOUT, NETWORK; NO_RESOURCES: no memory to keep the part: it stays in `buf`, ptk_get_count() bytes.
 */
PTK_API ptk_err ptk_sock_recv(ptk_sock_t *sock, void *buf, size_t len, uint32_t timeout_ms);

/** Receive at least one byte, at most `len`, and say how many. Parks. CLOSED at the end of the stream; else
 * as recv. */
PTK_API ptk_err ptk_sock_recv_some(ptk_sock_t *sock, void *buf, size_t len, size_t *received_out,
                                   uint32_t timeout_ms);

/**
 * Coroutine-friendly blocking accept: a connected socket of the same loop, which the caller closes. Parks.
 * Many may wait, first come first served. `addr` and `addrlen` (both or neither NULL) get the peer's address,
 * cut as accept(2) does. NULL on failure, reason in ptk_get_err(). Connections that die in the backlog are
 * skipped; while descriptors are short it waits for one (and answers NO_RESOURCES when its time is up).
 */
PTK_API ptk_sock_t *ptk_sock_accept(ptk_sock_t *sock, struct sockaddr *addr, socklen_t *addrlen,
                                    uint32_t timeout_ms);

/** Bind to a local address (bind(2)); SO_REUSEADDR as ptk_sock_set_reuse() left it. Never parks; owner
   thread. ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, PERMISSION. */
PTK_API ptk_err ptk_sock_bind(ptk_sock_t *sock, const struct sockaddr *addr, socklen_t addrlen);

/** Become a listener; backlog <= 0 means the system's maximum. Never parks; owner thread. */
PTK_API ptk_err ptk_sock_listen(ptk_sock_t *sock, int backlog);

/** What ptk_sock_shutdown() ends. */
typedef enum ptk_sock_direction {
    PTK_SOCK_READ = 1,  /**< No more receives here. */
    PTK_SOCK_WRITE = 2, /**< No more sends: the peer sees the end of the stream (FIN). */
    PTK_SOCK_BOTH = 3,  /**< Both. */
} ptk_sock_direction_t;

/** End one or both directions (shutdown(2)). Never parks; owner thread. NOT_CONNECTED. */
PTK_API ptk_err ptk_sock_shutdown(ptk_sock_t *sock, ptk_sock_direction_t direction);

/** Bytes that ptk holds for the next receive (the carry of one that was cut short). Never parks; owner
 * thread. */
PTK_API size_t ptk_sock_pending(ptk_sock_t *sock);

/**
 * The socket's own waitable for `events` (PTK_EVENT_READ, PTK_EVENT_WRITE or both), for ptk_waitable_wait()
 * and wait_any: the same pointer each time, gone with the socket; destroying it does nothing. Its wake is a
 * hint and consumes nothing. For READ of a stream it takes the receive direction like a receive (BUSY beside
 * one). Bytes that ptk holds make it ready. Never parks; owner thread. NULL: INVALID_PARAM, CLOSED,
 * WRONG_THREAD.
 */
PTK_API ptk_waitable_t *ptk_sock_waitable(ptk_sock_t *sock, uint32_t events);

/** The local address. `addr_out` gets it, `addrlen` its room and then its length. Never parks; owner thread.
 */
PTK_API ptk_err ptk_sock_local_addr(ptk_sock_t *sock, struct sockaddr *addr_out, socklen_t *addrlen);

/** The peer's address. As ptk_sock_local_addr(); NOT_CONNECTED. Never parks; owner thread. */
PTK_API ptk_err ptk_sock_peer_addr(ptk_sock_t *sock, struct sockaddr *addr_out, socklen_t *addrlen);

/** Switch TCP_NODELAY (on from the start). Never parks; owner thread. */
PTK_API ptk_err ptk_sock_set_nodelay(ptk_sock_t *sock, bool on);

/** Switch SO_REUSEADDR (off at the start), before bind. Never parks; owner thread. */
PTK_API ptk_err ptk_sock_set_reuse(ptk_sock_t *sock, bool on);

#ifdef __cplusplus
}
#endif
