/* SPDX-License-Identifier: MIT */
/*
 * Calls on a test's own descriptors, which ptk does not manage. In a plain process each function is the
 * system call of its name. On a simulated host (see test_simulated_host.c) it is the same call of the host's
 * kernel, and does not pass through the interceptors of the test.
 *
 * As on Linux, the loopback device takes no time there: packets within the host have arrived before each of
 * these calls and after it.
 *
 * All return what the system call returns: on failure -1, with the reason in errno. Every descriptor that is
 * opened is non-blocking and close-on-exec.
 */
#pragma once

#include <poll.h>
#include <ptk_os_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Returns whether the calling code runs on a simulated host. */
bool test_is_simulated(void);

/* Open a TCP socket, and make the calls on it. */
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

/* Lets the kernel drop every segment that arrives for a TCP socket from now on, so that its peer gets no sign
   of life any more. Returns 0, or -1. */
int fd_fall_silent(int fd);

/* Receive, send, and send one urgent byte. SIGPIPE is never raised. */
ssize_t fd_recv(int fd, void *buffer, size_t bytes);
ssize_t fd_send(int fd, const void *buffer, size_t bytes);
int fd_send_urgent(int fd, char byte);

/* Read, write, poll, duplicate and close any descriptor, like the system calls. */
ssize_t fd_read(int fd, void *buffer, size_t bytes);
ssize_t fd_write(int fd, const void *buffer, size_t bytes);
int fd_poll(struct pollfd *entries, size_t count, int timeout_ms);
int fd_duplicate(int fd);
int fd_duplicate_to(int fd, int number);
int fd_close(int fd);

/* Open a connected pair of stream sockets, and a pipe, read end first. The sockets are of AF_UNIX; on a
   simulated host both pairs are TCP connections. */
int fd_socketpair(int fds[2]);
int fd_pipe(int fds[2]);

/* Open an eventfd, add 1 to it, and take its count, which becomes 0. It is readable unless the count is 0.
   Taking 0 fails with EAGAIN. On a simulated host the count is at most 1. */
int fd_event(void);
int fd_event_add(int fd);
int fd_event_take(int fd, uint64_t *count_out);

/* Returns the number that the next descriptor will have. */
int fd_next(void);

/* Sets the limit below which the numbers of new descriptors lie. Returns the earlier limit, to be restored.
 */
uint64_t fd_limit(uint64_t limit);

/* Return how many received bytes were not read, and how many sent bytes were not acknowledged. */
int fd_unread(int fd);
int fd_unacknowledged(int fd);

/* Acknowledges all received bytes now. Simulated TCP never delays that, so this is not called on a simulated
 * host. */
void fd_acknowledge(int fd);

/* Send a signal to this thread, and to this process, which is the same on a simulated host. Its handler has
   run when the call returns, unless the signal was delivered to another thread. */
int test_raise(int signal_number);
int test_kill(int signal_number);
