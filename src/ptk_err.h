/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_err.h
 * The errors of ptk: one table of fixed values, and the functions that return the error of a failed call.
 *
 * Values are never renumbered. 1 to 99 are *conditions* that a protocol handles (a timeout, an end of
 * stream); 100 to 199 are *failures* (out of resources, a refused connection, misuse).
 *
 * How a connection continues: after PTK_ERR_TIMEOUT of a receive it is as before. After PTK_ERR_EOF,
 * PTK_ERR_UNEXPECTED_EOF, PTK_ERR_PARTIAL, PTK_ERR_BROKEN and the failures of the network (120 to 124) close
 * the socket and connect another one, after a pause. After PTK_ERR_CANCELED free what the green thread owns
 * and return. docs/errors.md has a table of all codes.
 */
#pragma once

#include <ptk_api.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Every result code: PTK_OK is 0, all others are positive. */
typedef int32_t ptk_err;

/** The one table of name, value and text. The enumeration, ptk_err_name() and ptk_err_text() are made from
 * it. */
#define PTK_ERR_TABLE(X)                                                                                     \
    X(PTK_OK, 0, "success")                                                                                  \
    X(PTK_ERR_TIMEOUT, 1, "the call's own timeout passed")                                                   \
    X(PTK_ERR_CLOSED, 2, "the object was closed or destroyed in this program")                               \
    X(PTK_ERR_CANCELED, 3, "the green thread was cancelled; return from it, or shield the clean-up")         \
    X(PTK_ERR_BUSY, 4, "another green thread or call is using it")                                           \
    X(PTK_ERR_TRUNCATED, 5, "the datagram is longer than the buffer")                                        \
    X(PTK_ERR_SHORT, 6, "the datagram is shorter than requested")                                            \
    X(PTK_ERR_PARTIAL, 7, "a part was sent before the call failed; see ptk_get_count and ptk_get_cause")     \
    X(PTK_ERR_BROKEN, 8,                                                                                     \
      "an earlier send was cut short; resume it with ptk_sock_send_some or close the socket")                \
    X(PTK_ERR_ABORTED, 9, "the wait was ended by ptk_waitable_abort")                                        \
    X(PTK_ERR_EOF, 10, "the peer ended the stream")                                                          \
    X(PTK_ERR_UNEXPECTED_EOF, 11,                                                                            \
      "the peer ended the stream in the middle of a message; ptk_sock_recv_some returns its bytes")          \
    X(PTK_ERR_WRITE_SHUT, 12, "this side of the stream was ended by ptk_sock_shutdown")                      \
    X(PTK_ERR_DONE, 13, "no green thread but daemons is left")                                               \
    X(PTK_ERR_STUCK, 14, "cancelled green threads have not ended in time; the report names them")            \
    X(PTK_ERR_NO_RESOURCES, 100, "out of memory, descriptors or another resource; see ptk_get_os_err")       \
    X(PTK_ERR_INVALID_PARAM, 101, "an argument is not valid")                                                \
    X(PTK_ERR_WRONG_THREAD, 102, "the object belongs to another thread's loop")                              \
    X(PTK_ERR_NOT_GREEN, 103,                                                                                \
      "a call with a timeout was made outside a green thread; start one with ptk_go")                        \
    X(PTK_ERR_NOT_SUPPORTED, 104, "not supported here")                                                      \
    X(PTK_ERR_DEADLOCK, 105, "every green thread waits for something that can never come")                   \
    X(PTK_ERR_FORKED, 106, "the object belongs to the process that forked this one")                         \
    X(PTK_ERR_PERMISSION, 107, "the operating system does not permit it")                                    \
    X(PTK_ERR_OS, 108, "the operating system refused; see ptk_get_os_err")                                   \
    X(PTK_ERR_NO_LOOP, 109, "this thread has no event loop; call ptk_event_loop_platform_create")            \
    X(PTK_ERR_NETWORK, 120, "network failure; see ptk_get_os_err")                                           \
    X(PTK_ERR_REFUSED, 121, "connection refused")                                                            \
    X(PTK_ERR_RESET, 122, "connection reset by the peer")                                                    \
    X(PTK_ERR_UNREACHABLE, 123, "network or host unreachable")                                               \
    X(PTK_ERR_PEER_TIMEOUT, 124, "the peer no longer acknowledges, and the transport gave up")               \
    X(PTK_ERR_ADDRESS_IN_USE, 125, "address already in use")                                                 \
    X(PTK_ERR_ADDRESS_NOT_AVAILABLE, 126, "address not available")                                           \
    X(PTK_ERR_NOT_CONNECTED, 127, "the socket is not connected")                                             \
    X(PTK_ERR_ALREADY_CONNECTED, 128, "the socket is connected already")                                     \
    X(PTK_ERR_NOT_BOUND, 129, "the socket has no local address; bind it before listening")                   \
    X(PTK_ERR_ALREADY_BOUND, 130, "the socket has a local address already")                                  \
    X(PTK_ERR_NOT_LISTENING, 131, "the socket is no listener; call ptk_sock_listen")                         \
    X(PTK_ERR_LISTENING, 132, "the socket is a listener")                                                    \
    X(PTK_ERR_CONNECT_FAILED, 133, "an earlier connect of this socket failed; close it and open another")    \
    X(PTK_ERR_NOT_NUMERIC, 134, "the host is a name and not a numeric address")                              \
    X(PTK_ERR_NO_PORT, 135, "the text has no port; write HOST:PORT")

/** Makes an enumerator of a row. */
#define PTK_ERR_ENUMERATOR(name, value, text) name = value,
/** The values of #ptk_err. */
enum ptk_err_value { PTK_ERR_TABLE(PTK_ERR_ENUMERATOR) };
#undef PTK_ERR_ENUMERATOR

/**
 * Returns the text of an error. It says what to do next where that is known.
 *
 * @param err  an error
 * @return the text, "unknown error" for a value that is none; a static string.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API const char *ptk_err_text(ptk_err err);

/**
 * Returns the name of an error, such as "PTK_ERR_TIMEOUT".
 *
 * @param err  an error
 * @return the name, "unknown error" for a value that is none; a static string.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API const char *ptk_err_name(ptk_err err);

/**
 * Returns the error of ptk that stands for an error number of the operating system.
 *
 * @param os_err  a value of errno; its negative is taken for the same
 * @return the error, PTK_OK for 0, PTK_ERR_OS where no other fits.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API PTK_NODISCARD ptk_err ptk_err_from_os(int os_err);

/**
 * Returns the error of the last call that failed: the running green thread's; outside a green thread, the OS
 * thread's. A call that succeeds leaves it as it is. Every call that fails leaves its error here, also one
 * that returns nothing, and a call that returns an error leaves that same error.
 *
 * @return the error, PTK_OK if no call has failed.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API PTK_NODISCARD ptk_err ptk_get_err(void);

/**
 * Returns the operating system's error number (errno) behind ptk_get_err().
 *
 * @return the number, 0 if there was none.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API int ptk_get_os_err(void);

/**
 * Returns how many bytes the last failed call had moved before it failed (PTK_ERR_PARTIAL,
 * PTK_ERR_NO_RESOURCES).
 *
 * @return the number of bytes.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API size_t ptk_get_count(void);

/**
 * Returns the error that cut the last failed call short: the cause of PTK_ERR_PARTIAL.
 *
 * @return the cause, PTK_OK if there was none.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API PTK_NODISCARD ptk_err ptk_get_cause(void);

/**
 * Makes an error that of the last call that failed: for functions on top of ptk that report errors as ptk
 * does. The error number of the operating system, the count and the cause become 0.
 *
 * @param err  the error; PTK_OK leaves everything as it is
 * @return `err`, so that `return ptk_set_err(PTK_ERR_BUSY);` is one statement.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API PTK_NODISCARD ptk_err ptk_set_err(ptk_err err);

#ifdef __cplusplus
}
#endif
