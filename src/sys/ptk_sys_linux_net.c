/* SPDX-License-Identifier: MIT */
/*
 * Sockets of the real system on Linux.
 *
 * MSG_DONTWAIT and MSG_NOSIGNAL are passed to every transfer: a descriptor that the program made blocking
 * must not stop the loop, and a send to a closed peer must not raise SIGPIPE.
 */
#include "sys/ptk_sys_linux.h"

#include <sys/socket.h>
#include <unistd.h>

/* The flags are set by the same call: a fork and exec between two calls would leak the descriptor. */
int ptk_sys_linux_socket(int family, int type, int protocol, ptk_os_handle_t *handle_out) {
    int saved_errno = errno;
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    return ptk_sys_handle_or_error(fd, saved_errno, handle_out);
}

int ptk_sys_linux_bind(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    int saved_errno = errno;
    return (int) ptk_sys_result(bind((int) handle, addr, addrlen), saved_errno);
}

int ptk_sys_linux_listen(ptk_os_handle_t handle, int backlog) {
    int saved_errno = errno;
    return (int) ptk_sys_result(listen((int) handle, backlog), saved_errno);
}

/* accept4(2), because an accepted descriptor inherits neither flag from its listener on Linux. A connection
 * that got a number below 3 and for which there is no other number is closed: EMFILE. */
int ptk_sys_linux_accept(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen,
                         ptk_os_handle_t *handle_out) {
    int saved_errno = errno;
    int fd = accept4((int) handle, addr, addrlen, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return ptk_sys_handle_or_error(fd, saved_errno, handle_out);
}

/* EINPROGRESS is the usual result of a non-blocking connect. */
int ptk_sys_linux_connect(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    int saved_errno = errno;
    return (int) ptk_sys_result(connect((int) handle, addr, addrlen), saved_errno);
}

/* Returns 0 at the end of the stream, and for a request of 0 bytes. */
intptr_t ptk_sys_linux_recv(ptk_os_handle_t handle, void *buffer, size_t bytes) {
    int saved_errno = errno;
    return ptk_sys_result(recv((int) handle, buffer, bytes, MSG_NOSIGNAL | MSG_DONTWAIT), saved_errno);
}

/* Returns the bytes that fitted into the send buffer. */
intptr_t ptk_sys_linux_send(ptk_os_handle_t handle, const void *buffer, size_t bytes) {
    int saved_errno = errno;
    return ptk_sys_result(send((int) handle, buffer, bytes, MSG_NOSIGNAL | MSG_DONTWAIT), saved_errno);
}

int ptk_sys_linux_shutdown(ptk_os_handle_t handle, int how) {
    int saved_errno = errno;
    return (int) ptk_sys_result(shutdown((int) handle, how), saved_errno);
}

/* The descriptor is gone also where the result is EINTR or EIO, so the call must not be repeated. */
int ptk_sys_linux_close(ptk_os_handle_t handle) {
    int saved_errno = errno;
    return (int) ptk_sys_result(close((int) handle), saved_errno);
}

/* Addresses are cut to *addrlen, which is then set to their full length. */
int ptk_sys_linux_local_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    int saved_errno = errno;
    return (int) ptk_sys_result(getsockname((int) handle, addr, addrlen), saved_errno);
}

int ptk_sys_linux_peer_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    int saved_errno = errno;
    return (int) ptk_sys_result(getpeername((int) handle, addr, addrlen), saved_errno);
}

/* Reading SO_ERROR clears it. */
int ptk_sys_linux_get_option(ptk_os_handle_t handle, int level, int name, void *value, socklen_t *length) {
    int saved_errno = errno;
    return (int) ptk_sys_result(getsockopt((int) handle, level, name, value, length), saved_errno);
}

int ptk_sys_linux_set_option(ptk_os_handle_t handle, int level, int name, const void *value,
                             socklen_t length) {
    int saved_errno = errno;
    return (int) ptk_sys_result(setsockopt((int) handle, level, name, value, length), saved_errno);
}
