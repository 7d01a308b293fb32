/* SPDX-License-Identifier: MIT */
/*
 * The calls of the real table on Linux, one file per kind of call (layer 0). Contracts: ptk_sys.h.
 *
 * ptk_sys_linux.c has the table, ptk_sys_linux_memory.c pages and signals, ptk_sys_linux_net.c sockets,
 * ptk_sys_linux_poll.c pollers, timers and wakes, ptk_sys_linux_error.c standard error,
 * ptk_sys_linux_symbol.c names of code addresses, ptk_sys_linux_thread.c other threads, and
 * ptk_sys_linux_handle.c the numbers of new descriptors.
 */
#pragma once

#include "sys/ptk_sys.h"
#include <errno.h>
#include <time.h>

/* Converts the result of a system call to the table's convention: a negative result becomes the negated
 * errno, and errno is restored to `errno_before`. */
static inline intptr_t ptk_sys_result(intptr_t result, int errno_before) {
    if (result >= 0) {
        return result;
    }
    result = -errno;
    errno = errno_before;
    return result;
}

/* Returns `ns` as a timespec, cut at 68 years, where a 32-bit time_t ends. */
static inline struct timespec ptk_sys_timespec(uint64_t ns) {
    uint64_t seconds = ns / UINT64_C(1000000000);
    struct timespec time = {.tv_sec = INT32_MAX};
    if (seconds < INT32_MAX) {
        time.tv_sec = (time_t) seconds;
        time.tv_nsec = (long) (ns % UINT64_C(1000000000));
    }
    return time;
}

/* New descriptors: ptk_sys_linux_handle.c. */

/* Returns `fd`, or a duplicate above 2 in its place, close-on-exec like all of ptk's: programs that started
 * without standard streams, and daemons that open them later, write to 0, 1 and 2 or replace them by dup2(2).
 * A negative `fd` is returned as it is; on failure it is closed, the result is -1 and errno is set. */
int ptk_sys_above_standard(int fd);

/* Writes a new descriptor, moved above 2, to *handle_out; 0 or the negated errno of the call that should have
 * made it. */
int ptk_sys_handle_or_error(int fd, int errno_before, ptk_os_handle_t *handle_out);

/* Pages: ptk_sys_linux_memory.c. */
int ptk_sys_linux_map_stacks(size_t bytes, void **memory_out);
int ptk_sys_linux_unmap(void *memory, size_t bytes);
int ptk_sys_linux_protect_none(void *memory, size_t bytes);
int ptk_sys_linux_guard_install(void *memory, size_t bytes);
int ptk_sys_linux_resident(void *memory, size_t bytes, unsigned char *vector);
void ptk_sys_linux_discard(void *memory, size_t bytes);
size_t ptk_sys_linux_mapping_room(size_t *limit_out);
bool ptk_sys_linux_is_readable(const void *memory);
size_t ptk_sys_linux_page_bytes(void);

/* Sockets: ptk_sys_linux_net.c. */
int ptk_sys_linux_socket(int family, int type, int protocol, ptk_os_handle_t *handle_out);
int ptk_sys_linux_bind(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen);
int ptk_sys_linux_listen(ptk_os_handle_t handle, int backlog);
int ptk_sys_linux_accept(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen,
                         ptk_os_handle_t *handle_out);
int ptk_sys_linux_connect(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen);
intptr_t ptk_sys_linux_recv(ptk_os_handle_t handle, void *buffer, size_t bytes);
intptr_t ptk_sys_linux_send(ptk_os_handle_t handle, const void *buffer, size_t bytes);
int ptk_sys_linux_shutdown(ptk_os_handle_t handle, int how);
int ptk_sys_linux_close(ptk_os_handle_t handle);
int ptk_sys_linux_local_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);
int ptk_sys_linux_peer_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen);
int ptk_sys_linux_get_option(ptk_os_handle_t handle, int level, int name, void *value, socklen_t *length);
int ptk_sys_linux_set_option(ptk_os_handle_t handle, int level, int name, const void *value,
                             socklen_t length);

/* Pollers, timers and wakes: ptk_sys_linux_poll.c. */
int ptk_sys_linux_epoll_create(ptk_os_handle_t *handle_out);
int ptk_sys_linux_epoll_ctl(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                            struct epoll_event *event);
int ptk_sys_linux_epoll_wait(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                             int64_t timeout_ns);
int ptk_sys_linux_poll(struct pollfd *entries, size_t count, int64_t timeout_ns);
int ptk_sys_linux_timer_open(ptk_os_handle_t *handle_out);
int ptk_sys_linux_timer_set(ptk_os_handle_t timer, uint64_t deadline_ns);
int ptk_sys_linux_wake_open(ptk_os_handle_t *handle_out, ptk_os_handle_t *kick_out);
int ptk_sys_linux_wake_kick(ptk_os_handle_t kick);
int ptk_sys_linux_wake_drain(ptk_os_handle_t wake);

/* Makes a pipe with both ends non-blocking and close-on-exec; ends[0] is the one to read from. */
int ptk_sys_linux_pipe(int ends[2]);

/* Waits with epoll_wait(2), whose timeout is in whole milliseconds, rounded up: for kernels before 5.11, and
 * for the test that compares the two. */
int ptk_sys_linux_epoll_wait_ms(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                                int64_t timeout_ns);

/* Names of code: ptk_sys_linux_symbol.c. */
bool ptk_sys_linux_symbolize(const void *address, ptk_sys_symbol_t *symbol_out);

/* Standard error: ptk_sys_linux_error.c. */
void ptk_sys_linux_error_adopt(void);
void ptk_sys_linux_error_forget(void);
bool ptk_sys_linux_write_error(const char *text, size_t bytes);

/* Signals: ptk_sys_linux_memory.c. */
int ptk_sys_linux_signal_action(int signal_number, const struct sigaction *action, struct sigaction *old_out);
bool ptk_sys_linux_signal_is_blocked(int signal_number);
void ptk_sys_linux_signal_set_blocked(int signal_number, bool blocked);
void ptk_sys_linux_signal_raise(int signal_number);
int ptk_sys_linux_signal_stack_install(void **cookie_out);
void ptk_sys_linux_signal_stack_remove(void *cookie);
bool ptk_sys_linux_in_signal_handler(void);

/* Other threads: ptk_sys_linux_thread.c. */
int ptk_sys_linux_thread_start(void (*body)(void *argument), void *argument, uintptr_t *thread_out);
void ptk_sys_linux_thread_join(uintptr_t thread);
uintptr_t ptk_sys_linux_thread_self(void);
void ptk_sys_linux_thread_signal(uintptr_t thread, int signal_number);
void ptk_sys_linux_thread_wait(atomic_uint *word, unsigned value, int64_t timeout_ns);
void ptk_sys_linux_thread_wake(atomic_uint *word);
