/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_sock.h
 * Sockets that block the green thread and never the OS thread. ptk_tcp.h opens TCP sockets from addresses in
 * text form.
 *
 * Timeouts are milliseconds from the call on, for this one call: 0 never parks (and works outside green
 * threads), PTK_TIMEOUT_INFINITE has no limit. A limit over several calls is a deadline: compute it once with
 * ptk_now_ns(), and pass each call the time that is left. Data that has arrived beats the timeout, and no
 * byte is lost by a timeout or a cancel. So after a receive that timed out, the bytes that came are the first
 * of the next receive: they may belong to the response to an earlier request. A protocol matches responses to
 * requests by an identifier, or closes the connection after a timeout.
 *
 * A ptk_sock_t pointer is a token that ptk looks up and never dereferences. After ptk_sock_close() or
 * ptk_sock_reset(), or once its loop is gone, every call with it is refused and does nothing, on 64-bit
 * systems for ever: it never reaches another socket. The error is PTK_ERR_CLOSED, or PTK_ERR_WRONG_THREAD if
 * the loop is gone and a living loop of another thread has its number; a call that returns a pointer returns
 * NULL. A call that waits while the socket is closed returns PTK_ERR_CLOSED; a send that had sent some bytes
 * by then returns PTK_ERR_PARTIAL with that cause. On 32-bit systems such a pointer is accepted again if its
 * place has been used for exactly a multiple of 1,024 further sockets; one of a loop that has gone can be
 * accepted earlier, after 31 further loops. PTK_ERR_CLOSED always means that the socket was closed in this
 * program, or, of a listener, that it was shut down; the peer's end of the stream is PTK_ERR_EOF.
 *
 * docs/errors.md says how a protocol continues after each error.
 */
#pragma once

#include <ptk_err.h>
#include <ptk_os_net.h>
#include <ptk_waitable.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A socket. */
typedef struct ptk_sock ptk_sock_t;

/**
 * Opens a socket and associates it with a loop. TCP_NODELAY and SO_OOBINLINE are set.
 *
 * @param loop   the loop; NULL means the current one
 * @param af     AF_INET or AF_INET6
 * @param type   SOCK_STREAM
 * @param proto  0 or IPPROTO_TCP
 * @return the socket; NULL on failure, with the reason in ptk_get_err():
 *         PTK_ERR_NOT_SUPPORTED: another family, type or protocol, or the system lacks it;
 *         PTK_ERR_PERMISSION: the operating system forbids it;
 *         PTK_ERR_NO_RESOURCES: no memory or descriptor is left;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the caller closes the socket.
 */
PTK_API PTK_NODISCARD ptk_sock_t *ptk_sock_open(ptk_event_loop_platform_t *loop, int af, int type, int proto);

/**
 * Closes a socket. Bytes that were sent are still delivered (close(2)), except a rest that the socket keeps
 * of a send with timeout 0 and that the system does not take now; calls that wait on the socket return
 * PTK_ERR_CLOSED. NULL does nothing. For a socket that is closed already, or that belongs to another thread,
 * nothing is done and ptk_get_err() becomes PTK_ERR_CLOSED, PTK_ERR_WRONG_THREAD or PTK_ERR_FORKED.
 *
 * If bytes have arrived that were not received, the system resets the connection instead of ending it, and
 * what the peer has not received by then may be lost. A program that sends a response before it has read all
 * of a request closes with ptk_sock_close_linger().
 *
 * @param sock  the socket, or NULL
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the socket is gone.
 */
PTK_API void ptk_sock_close(ptk_sock_t *sock);

/**
 * Ends a connection so that the peer receives all that was sent: waits for sends of other green threads, ends
 * the stream (#PTK_SOCK_WRITE), receives and discards what the peer still sends until it ends its stream too,
 * and closes. Whatever it returns, the socket is closed as by ptk_sock_close(), except with
 * PTK_ERR_WRONG_THREAD and PTK_ERR_FORKED. A socket that is not connected is closed at once.
 *
 * @param sock        the socket, or NULL, which does nothing
 * @param timeout_ms  the longest time to wait; 0: end the stream, discard what has arrived, and close
 * @return PTK_OK: the peer has ended its stream, or the socket was not connected; or
 *         PTK_ERR_TIMEOUT: the time passed; bytes of the peer that come later reset the connection;
 *         PTK_ERR_CANCELED: the caller was cancelled;
 *         PTK_ERR_NOT_GREEN: called outside a green thread with a non-zero timeout;
 *         PTK_ERR_BUSY: another green thread receives; it returns PTK_ERR_CLOSED;
 *         PTK_ERR_RESET, PTK_ERR_PEER_TIMEOUT, PTK_ERR_UNREACHABLE, PTK_ERR_NETWORK: the connection failed;
 *         PTK_ERR_CLOSED: the socket was closed, before the call or during it;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: yes. \n
 * Thread: a green thread of the socket's loop; with timeout 0 also outside one. \n
 * Ownership: the socket is gone.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_close_linger(ptk_sock_t *sock, uint32_t timeout_ms);

/**
 * Closes a socket and resets the connection (RST): nothing more is delivered. Otherwise it is as
 * ptk_sock_close().
 *
 * @param sock  the socket, or NULL
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the socket is gone.
 */
PTK_API void ptk_sock_reset(ptk_sock_t *sock);

/**
 * Connects a socket. A socket whose connect failed or was given up can only be closed; a further attempt
 * needs a further socket. With timeout 0 the call starts an attempt, and PTK_ERR_TIMEOUT means that the
 * attempt is in progress: wait for PTK_EVENT_WRITE on the socket's waitable, then call again.
 *
 * @param sock        the socket
 * @param addr        the peer's address
 * @param addrlen     its length in bytes
 * @param timeout_ms  the longest time to wait
 * @return PTK_OK, or
 *         PTK_ERR_TIMEOUT: the time passed;
 *         PTK_ERR_CANCELED: the caller was cancelled;
 *         PTK_ERR_NOT_GREEN: called outside a green thread with a non-zero timeout;
 *         PTK_ERR_REFUSED: no listener at that address. It is also returned where TCP connected the socket to
 *         itself, which happens if the system chose the target as the local port: PTK_OK means another peer;
 *         PTK_ERR_UNREACHABLE: no route to the host;
 *         PTK_ERR_PEER_TIMEOUT: the transport gave up;
 *         PTK_ERR_RESET: the peer reset the connection;
 *         PTK_ERR_ADDRESS_NOT_AVAILABLE: no local address or port is left for it;
 *         PTK_ERR_ADDRESS_IN_USE: the local address is connected to this peer already;
 *         PTK_ERR_PERMISSION: the operating system forbids it;
 *         PTK_ERR_NO_RESOURCES: the system is short of memory;
 *         PTK_ERR_BUSY: another green thread connects this socket;
 *         PTK_ERR_ALREADY_CONNECTED: the socket is connected;
 *         PTK_ERR_CONNECT_FAILED: an earlier connect of this socket failed; open another socket;
 *         PTK_ERR_LISTENING: the socket is a listener;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` or `addr` is NULL, or the address is not valid, for example zeroed;
 *         PTK_ERR_NOT_SUPPORTED: the address is of another family than the socket (on Linux an IPv6 socket
 *         returns PTK_ERR_INVALID_PARAM for an IPv4 address);
 *         PTK_ERR_NETWORK, PTK_ERR_OS: another failure, with its number in ptk_get_os_err();
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: yes. \n
 * Thread: a green thread of the socket's loop; with timeout 0 also outside one. \n
 * Ownership: `addr` is not kept.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_connect(ptk_sock_t *sock, const struct sockaddr *addr,
                                               socklen_t addrlen, uint32_t timeout_ms);

/**
 * Sends all bytes of a buffer. Whole sends do not mix: several green threads queue, first come first served.
 *
 * If the call fails after some bytes, it returns PTK_ERR_PARTIAL: ptk_get_count() bytes went out,
 * ptk_get_cause() is the reason. Every later send then returns PTK_ERR_BROKEN, because a cut frame must not
 * be followed by another; ptk_sock_send_some() can resume it.
 *
 * With timeout 0 the call takes all bytes or none: PTK_ERR_TIMEOUT means that the system has no room for all
 * of them now, and the connection stays usable. More bytes than the system's send buffer has (SO_SNDBUF)
 * never find room. If the system takes fewer bytes than it had room for, which is rare, the socket keeps the
 * rest and the call returns PTK_OK; every later send, of no bytes too, sends the rest first. PTK_ERR_PARTIAL
 * remains for a connection that fails in the middle, and for a rest that finds no memory (the cause is then
 * PTK_ERR_NO_RESOURCES).
 *
 * @param sock        the socket
 * @param buf         the bytes
 * @param len         how many
 * @param timeout_ms  the longest time to wait
 * @return PTK_OK, or
 *         PTK_ERR_PARTIAL: some bytes were sent, then the call failed;
 *         PTK_ERR_BROKEN: an earlier send was cut short; nothing was sent;
 *         and, with no byte sent:
 *         PTK_ERR_TIMEOUT: the time passed;
 *         PTK_ERR_CANCELED: the caller was cancelled;
 *         PTK_ERR_NOT_GREEN: called outside a green thread with a non-zero timeout;
 *         PTK_ERR_RESET: the peer reset the connection or receives no more;
 *         PTK_ERR_PEER_TIMEOUT: the peer no longer acknowledges;
 *         PTK_ERR_UNREACHABLE, PTK_ERR_NETWORK: the network failed;
 *         PTK_ERR_WRITE_SHUT: ptk_sock_shutdown() has ended this direction;
 *         PTK_ERR_NOT_CONNECTED: the socket is not connected;
 *         PTK_ERR_NO_RESOURCES: the system is short of memory;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL, or `buf` is NULL and `len` is not 0;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: yes, while the peer takes nothing. \n
 * Thread: a green thread of the socket's loop; with timeout 0 also outside one. \n
 * Ownership: `buf` is the caller's again when the call returns.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_send(ptk_sock_t *sock, const void *buf, size_t len,
                                            uint32_t timeout_ms);

/**
 * Sends at least one byte of a buffer. After a send that returned PTK_ERR_PARTIAL it continues the frame:
 * PTK_ERR_BROKEN ends when it has sent as many bytes as the frame lacked.
 *
 * @param sock        the socket
 * @param buf         the bytes
 * @param len         how many
 * @param sent_out    receives how many were sent, 0 when the call fails
 * @param timeout_ms  the longest time to wait
 * @return as ptk_sock_send(), except PTK_ERR_PARTIAL and PTK_ERR_BROKEN; PTK_ERR_INVALID_PARAM also means
 * that `len` is 0 or `sent_out` is NULL.
 *
 * Parks: yes, while the peer takes nothing. \n
 * Thread: a green thread of the socket's loop; with timeout 0 also outside one. \n
 * Ownership: `buf` is the caller's again when the call returns.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_send_some(ptk_sock_t *sock, const void *buf, size_t len,
                                                 size_t *sent_out, uint32_t timeout_ms);

/**
 * Receives exactly `len` bytes, or none. If a timeout or a cancel comes in the middle, the bytes that came
 * are kept and the next receive gets them first. They are at most `len` - 1 bytes in at most twice as much
 * memory, and each is copied once when it is kept and once when it is delivered, however often the receive is
 * repeated: waking up often costs no more than ptk_sock_recv_some() does.
 *
 * @param sock        the socket
 * @param buf         receives the bytes; its contents are not specified unless the call returns PTK_OK
 * @param len         how many
 * @param timeout_ms  the longest time to wait
 * @return PTK_OK, or
 *         PTK_ERR_EOF: the peer ended the stream before the first byte;
 *         PTK_ERR_UNEXPECTED_EOF: the peer ended the stream after some bytes; ptk_sock_recv_some() returns
 *         them;
 *         PTK_ERR_TIMEOUT: the time passed; no byte is lost;
 *         PTK_ERR_CANCELED: the caller was cancelled; no byte is lost;
 *         PTK_ERR_NOT_GREEN: called outside a green thread with a non-zero timeout;
 *         PTK_ERR_BUSY: another green thread receives;
 *         PTK_ERR_RESET: the peer reset the connection;
 *         PTK_ERR_PEER_TIMEOUT, PTK_ERR_UNREACHABLE, PTK_ERR_NETWORK: the network failed;
 *         PTK_ERR_NOT_CONNECTED: the socket is not connected;
 *         PTK_ERR_NO_RESOURCES: no memory to keep a part: ptk_get_count() bytes of it are in `buf`;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL, or `buf` is NULL and `len` is not 0;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: yes. \n
 * Thread: a green thread of the socket's loop; with timeout 0 also outside one. \n
 * Ownership: `buf` is the caller's again when the call returns.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_recv(ptk_sock_t *sock, void *buf, size_t len, uint32_t timeout_ms);

/**
 * Receives at least one byte.
 *
 * @param sock          the socket
 * @param buf           receives the bytes
 * @param len           the most it may receive
 * @param received_out  receives how many came, 0 when the call fails
 * @param timeout_ms    the longest time to wait
 * @return PTK_OK, or
 *         PTK_ERR_EOF: the peer ended the stream, and all its bytes were received;
 *         PTK_ERR_INVALID_PARAM: `sock`, `buf` or `received_out` is NULL, or `len` is 0;
 *         other errors as ptk_sock_recv(), PTK_ERR_UNEXPECTED_EOF excepted.
 *
 * Parks: yes. \n
 * Thread: a green thread of the socket's loop; with timeout 0 also outside one. \n
 * Ownership: `buf` is the caller's again when the call returns.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_recv_some(ptk_sock_t *sock, void *buf, size_t len,
                                                 size_t *received_out, uint32_t timeout_ms);

/**
 * Accepts a connection. Many green threads may wait, first come first served. Connections that die in the
 * backlog are skipped. While descriptors are short, the call waits for one.
 *
 * @param sock        the listener
 * @param addr        if not NULL, receives the peer's address, cut as by accept(2)
 * @param addrlen     in: the size of `addr`; out: the length of the address; NULL if and only if `addr` is
 * NULL
 * @param timeout_ms  the longest time to wait
 * @return a connected socket of the same loop; NULL on failure, with the reason in ptk_get_err():
 *         PTK_ERR_TIMEOUT: the time passed;
 *         PTK_ERR_CANCELED: the caller was cancelled;
 *         PTK_ERR_NOT_GREEN: called outside a green thread with a non-zero timeout;
 *         PTK_ERR_NO_RESOURCES: no memory, or the time passed while descriptors were short;
 *         PTK_ERR_NOT_LISTENING: the socket is no listener; call ptk_sock_listen();
 *         PTK_ERR_CLOSED: the socket was closed, or ptk_sock_shutdown() has ended the listener;
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL, or only one of `addr` and `addrlen` is;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: yes. \n
 * Thread: a green thread of the socket's loop; with timeout 0 also outside one. \n
 * Ownership: the caller closes the new socket.
 */
PTK_API PTK_NODISCARD ptk_sock_t *ptk_sock_accept(ptk_sock_t *sock, struct sockaddr *addr, socklen_t *addrlen,
                                                  uint32_t timeout_ms);

/**
 * Binds a socket to a local address (bind(2)), with SO_REUSEADDR set unless ptk_sock_set_reuse() has switched
 * it off: a server can start again while connections of its last run are in TIME_WAIT.
 *
 * @param sock     the socket
 * @param addr     the address; port 0: a free port, which ptk_sock_local_addr() returns
 * @param addrlen  its length in bytes
 * @return PTK_OK, or
 *         PTK_ERR_ADDRESS_IN_USE: another socket has the address; this one stays unbound;
 *         PTK_ERR_ADDRESS_NOT_AVAILABLE: the address is not one of this machine's;
 *         PTK_ERR_PERMISSION: the operating system forbids it, for example a port below 1024;
 *         PTK_ERR_ALREADY_BOUND: the socket has a local address;
 *         PTK_ERR_ALREADY_CONNECTED: the socket is connected;
 *         PTK_ERR_CONNECT_FAILED: an earlier connect of this socket failed; open another socket;
 *         PTK_ERR_BUSY: another green thread connects this socket;
 *         PTK_ERR_NO_RESOURCES: the system is short of memory;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` or `addr` is NULL, or the address is not valid, for example zeroed;
 *         PTK_ERR_NOT_SUPPORTED: the address is of another family than the socket;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: `addr` is not kept.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_bind(ptk_sock_t *sock, const struct sockaddr *addr, socklen_t addrlen);

/**
 * Makes a bound socket a listener.
 *
 * @param sock     the socket
 * @param backlog  how many connections may wait to be accepted; 0 or less: the system's maximum
 * @return PTK_OK, or
 *         PTK_ERR_NOT_BOUND: the socket has no local address, because ptk_sock_bind() was not called or
 *         failed;
 *         PTK_ERR_ADDRESS_IN_USE: another socket listens at the address;
 *         PTK_ERR_ALREADY_CONNECTED: the socket is connected;
 *         PTK_ERR_CONNECT_FAILED: an earlier connect of this socket failed; open another socket;
 *         PTK_ERR_BUSY: another green thread connects this socket;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_listen(ptk_sock_t *sock, int backlog);

/** The directions of ptk_sock_shutdown(). */
typedef enum ptk_sock_direction {
    PTK_SOCK_READ = 1, /**< No more waiting for bytes: a receive that finds none returns PTK_ERR_EOF. On Linux
                          bytes that have arrived, or arrive later, are still received. */
    PTK_SOCK_WRITE = 2, /**< No more sends: the peer sees the end of the stream (FIN). */
    PTK_SOCK_BOTH = 3,  /**< Both. */
} ptk_sock_direction_t;

/**
 * Ends one or both directions of a stream (shutdown(2)). After #PTK_SOCK_WRITE sends return
 * PTK_ERR_WRITE_SHUT; after #PTK_SOCK_READ receives return the bytes that have arrived, then PTK_ERR_EOF.
 *
 * #PTK_SOCK_READ of a listener ends it: connections that were not accepted are reset, and accepts, waiting
 * and later ones, return PTK_ERR_CLOSED. It can only be closed then. #PTK_SOCK_WRITE of a listener does
 * nothing.
 *
 * @param sock       the socket
 * @param direction  what to end
 * @return PTK_OK, or
 *         PTK_ERR_TIMEOUT: the socket keeps a rest of a send with timeout 0, and nothing was ended: send the
 *         rest by a ptk_sock_send() of no bytes, then call again;
 *         PTK_ERR_NOT_CONNECTED: the socket is neither connected nor a listener;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL, or `direction` is none;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_shutdown(ptk_sock_t *sock, ptk_sock_direction_t direction);

/**
 * Returns how many bytes ptk holds for the next receive: the unread bytes of a receive that was cut short.
 *
 * @param sock  the socket
 * @return the number of bytes; 0 on failure, with the reason in ptk_get_err(): PTK_ERR_CLOSED,
 *         PTK_ERR_INVALID_PARAM, PTK_ERR_WRONG_THREAD or PTK_ERR_FORKED.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API size_t ptk_sock_pending(const ptk_sock_t *sock);

/**
 * Returns the socket's own waitable, for ptk_waitable_wait() and ptk_waitable_wait_any(). Each call with the
 * same events returns the same pointer. A wait takes no bytes, and its end is a hint: the receive or send
 * that follows may still have to wait. A stream has one reader at a time, so while a green thread receives, a
 * wait for #PTK_EVENT_READ returns PTK_ERR_BUSY, and the reverse. Bytes that ptk holds (ptk_sock_pending())
 * make the waitable readable.
 *
 * #PTK_EVENT_HANGUP and #PTK_EVENT_PRIORITY do not concern receives and sends: a green thread may wait for
 * either while others receive and send, and one for each at a time. A socket that has no connection counts as
 * hung up. So the work for a request can be cancelled when the client goes away:
 *
 *     static ptk_err watch(void *arg) {
 *         request_t *request = arg;
 *         ptk_waitable_t *hangup = ptk_sock_waitable(request->sock, PTK_EVENT_HANGUP);
 *         ptk_err err = ptk_waitable_wait(hangup, PTK_EVENT_HANGUP, PTK_TIMEOUT_INFINITE);
 *         return err ? err : ptk_green_cancel(request->worker);
 *     }
 *
 * @param sock    the socket
 * @param events  one or more of #PTK_EVENT_READ, #PTK_EVENT_WRITE, #PTK_EVENT_HANGUP and #PTK_EVENT_PRIORITY
 * @return the waitable; NULL on failure, with the reason in ptk_get_err():
 *         PTK_ERR_NO_RESOURCES: out of memory;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL, or `events` are not as above;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the waitable belongs to the socket and ends with it; destroying it does nothing.
 */
PTK_API PTK_NODISCARD ptk_waitable_t *ptk_sock_waitable(ptk_sock_t *sock, uint32_t events);

/**
 * Reads the local address.
 *
 * @param sock      the socket
 * @param addr_out  receives the address, cut to fit
 * @param addrlen   its room, then its full length
 * @return PTK_OK, or
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: an argument is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_local_addr(const ptk_sock_t *sock, struct sockaddr *addr_out,
                                                  socklen_t *addrlen);

/**
 * Reads the peer's address.
 *
 * @param sock      the socket
 * @param addr_out  receives the address, cut to fit
 * @param addrlen   its room, then its full length
 * @return PTK_OK, or
 *         PTK_ERR_NOT_CONNECTED: the socket is not connected;
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: an argument is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_peer_addr(const ptk_sock_t *sock, struct sockaddr *addr_out,
                                                 socklen_t *addrlen);

/**
 * Returns the descriptor beneath a socket, for options that ptk has no function for.
 *
 * @param sock  the socket
 * @return the descriptor; PTK_OS_HANDLE_NONE on failure, with the reason in ptk_get_err(): PTK_ERR_CLOSED,
 *         PTK_ERR_INVALID_PARAM, PTK_ERR_WRONG_THREAD or PTK_ERR_FORKED.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: the descriptor is lent until the socket is closed: do not close it, read from it, write to it,
 * make it blocking, or create a waitable for it: ptk_sock_waitable() returns the socket's own.
 */
PTK_API PTK_NODISCARD ptk_os_handle_t ptk_sock_fd(const ptk_sock_t *sock);

/**
 * Sets a socket's user pointer, which is NULL at first. ptk does not use it.
 *
 * @param sock  the socket
 * @param user  the pointer
 * @return PTK_OK, or
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's. \n
 * Ownership: `user` stays the caller's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_set_user(ptk_sock_t *sock, void *user);

/**
 * Returns a socket's user pointer.
 *
 * @param sock  the socket
 * @return the pointer; NULL if none was set, or on failure, with the reason of ptk_sock_set_user() in
 *         ptk_get_err().
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API void *ptk_sock_user(const ptk_sock_t *sock);

/**
 * Switches TCP_NODELAY, which is on from the start.
 *
 * @param sock  the socket
 * @param on    the new state
 * @return PTK_OK, or
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_set_nodelay(ptk_sock_t *sock, bool on);

/**
 * Switches SO_REUSEADDR for ptk_sock_bind(), which sets it unless it was switched off here.
 *
 * @param sock  the socket, before it is bound
 * @param on    the new state
 * @return PTK_OK, or
 *         PTK_ERR_CLOSED: the socket was closed;
 *         PTK_ERR_INVALID_PARAM: `sock` is NULL;
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_sock_set_reuse(ptk_sock_t *sock, bool on);

#ifdef __cplusplus
}
#endif
