/* SPDX-License-Identifier: MIT */
/*
 * What a test does with descriptors of its own, beside ptk: system calls by another name. In a plain process
 * each is just that call. On a simulated host (see test_simulated_host.c) it is the same call of the host's
 * kernel, whatever table a test has hung over that.
 *
 * As on Linux the loopback device takes no time there: what is under way within the host has arrived before
 * each of these calls and after it.
 *
 * All answer as the system call does: -1, with the reason in errno. Every descriptor that is opened is
 * non-blocking and close-on-exec.
 */
#pragma once

#include <poll.h>
#include <ptk_os_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Does a simulated host act? */
bool test_is_simulated(void);

/* A TCP socket; accept; and what they share. */
int fd_socket(int family);
int fd_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);
int fd_listen(int fd, int backlog);
int fd_connect(int fd, const struct sockaddr *addr, socklen_t addrlen);
int fd_accept(int fd);
int fd_local_name(int fd, struct sockaddr *addr, socklen_t *addrlen);
int fd_peer_name(int fd, struct sockaddr *addr, socklen_t *addrlen);
int fd_get_option(int fd, int level, int name, void *value, socklen_t *length);
int fd_set_option(int fd, int level, int name, const void *value, socklen_t length);
int fd_shutdown(int fd, int how);

/* Never SIGPIPE. fd_send_urgent: one byte, out of band. */
ssize_t fd_recv(int fd, void *buffer, size_t bytes);
ssize_t fd_send(int fd, const void *buffer, size_t bytes);
int fd_send_urgent(int fd, char byte);

/* Of anything; fd_close answers like close(2). */
ssize_t fd_read(int fd, void *buffer, size_t bytes);
ssize_t fd_write(int fd, const void *buffer, size_t bytes);
int fd_poll(struct pollfd *entries, size_t count, int timeout_ms);
int fd_duplicate(int fd);
int fd_duplicate_to(int fd, int number);
int fd_close(int fd);

/* A connected pair of stream sockets: AF_UNIX, on a simulated host TCP. A pipe, the end to read first: on a
   simulated host such a pair that is used in one direction. */
int fd_socketpair(int fds[2]);
int fd_pipe(int fds[2]);

/* An eventfd: a counter that is readable unless it is 0 (on a simulated host it counts to 1). Adding 1 to it;
   taking its count, which becomes 0: 0, or -1 with EAGAIN. */
int fd_event(void);
int fd_event_add(int fd);
int fd_event_take(int fd, uint64_t *count_out);

/* The number that the next descriptor will have. */
int fd_next(void);

/* From now on no descriptor has a number from `limit` on, until it is called with what it answered. */
uint64_t fd_limit(uint64_t limit);

/* Bytes that have come and were not read; that were sent and not acknowledged. */
int fd_unread(int fd);
int fd_unacknowledged(int fd);

/* Acknowledge now what has come. Simulated TCP never puts that off: not on a simulated host. */
void fd_acknowledge(int fd);

/* A signal to this thread, and to this process: both the same on a simulated host. It has been handled when
   the call returns, if no other thread has taken it. */
int test_raise(int signal_number);
int test_kill(int signal_number);
