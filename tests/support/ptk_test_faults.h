/* SPDX-License-Identifier: MIT */
/*
 * A system table that fails on demand: the one that was in use, with the n-th call of a chosen member failing
 * with a chosen errno, once or from then on. It is hung into the thread block in use; there is one per
 * process. Objects that keep the table of their creation (an inbox, a loop) go on using it after it was
 * removed; it then fails nothing.
 *
 *     ptk_test_faults_install();
 *     ptk_test_fault(PTK_FAULT_socket, 1, EMFILE, PTK_TEST_ONCE);
 *     CHECK(ptk_sock_open(...) == NULL);
 *     ptk_test_faults_remove();
 */
#pragma once

#include "sys/ptk_sys.h"

/* X(member, result type, parameters, arguments): the members that can fail with an errno. */
#define PTK_TEST_FAULT_TABLE(X)                                                                              \
    X(random_bytes, int, (void *buffer, size_t bytes), (buffer, bytes))                                      \
    X(map_stacks, int, (size_t bytes, void **memory_out), (bytes, memory_out))                               \
    X(unmap, int, (void *memory, size_t bytes), (memory, bytes))                                             \
    X(protect_none, int, (void *memory, size_t bytes), (memory, bytes))                                      \
    X(guard_install, int, (void *memory, size_t bytes), (memory, bytes))                                     \
    X(resident, int, (void *memory, size_t bytes, unsigned char *vector), (memory, bytes, vector))           \
    X(socket, int, (int family, int type, int protocol, ptk_os_handle_t *handle_out),                        \
      (family, type, protocol, handle_out))                                                                  \
    X(bind, int, (ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen),                   \
      (handle, addr, addrlen))                                                                               \
    X(listen, int, (ptk_os_handle_t handle, int backlog), (handle, backlog))                                 \
    X(accept, int,                                                                                           \
      (ptk_os_handle_t handle, struct sockaddr * addr, socklen_t * addrlen, ptk_os_handle_t * handle_out),   \
      (handle, addr, addrlen, handle_out))                                                                   \
    X(connect, int, (ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen),                \
      (handle, addr, addrlen))                                                                               \
    X(recv, intptr_t, (ptk_os_handle_t handle, void *buffer, size_t bytes), (handle, buffer, bytes))         \
    X(send, intptr_t, (ptk_os_handle_t handle, const void *buffer, size_t bytes), (handle, buffer, bytes))   \
    X(shutdown, int, (ptk_os_handle_t handle, int how), (handle, how))                                       \
    X(local_name, int, (ptk_os_handle_t handle, struct sockaddr * addr, socklen_t * addrlen),                \
      (handle, addr, addrlen))                                                                               \
    X(peer_name, int, (ptk_os_handle_t handle, struct sockaddr * addr, socklen_t * addrlen),                 \
      (handle, addr, addrlen))                                                                               \
    X(get_option, int, (ptk_os_handle_t handle, int level, int name, void *value, socklen_t *length),        \
      (handle, level, name, value, length))                                                                  \
    X(set_option, int, (ptk_os_handle_t handle, int level, int name, const void *value, socklen_t length),   \
      (handle, level, name, value, length))                                                                  \
    X(epoll_create, int, (ptk_os_handle_t * handle_out), (handle_out))                                       \
    X(epoll_ctl, int,                                                                                        \
      (ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle, struct epoll_event *event),             \
      (epoll, operation, handle, event))                                                                     \
    X(epoll_wait, int,                                                                                       \
      (ptk_os_handle_t epoll, struct epoll_event * events, int capacity, int64_t timeout_ns),                \
      (epoll, events, capacity, timeout_ns))                                                                 \
    X(poll, int, (struct pollfd * entries, size_t count, int64_t timeout_ns), (entries, count, timeout_ns))  \
    X(timer_open, int, (ptk_os_handle_t * handle_out), (handle_out))                                         \
    X(timer_set, int, (ptk_os_handle_t timer, uint64_t deadline_ns), (timer, deadline_ns))                   \
    X(wake_open, int, (ptk_os_handle_t * handle_out), (handle_out))                                          \
    X(wake_kick, int, (ptk_os_handle_t wake), (wake))                                                        \
    X(wake_drain, int, (ptk_os_handle_t wake), (wake))                                                       \
    X(signal_action, int, (int signal_number, const struct sigaction *action, struct sigaction *old_out),    \
      (signal_number, action, old_out))                                                                      \
    X(signal_stack_install, int, (void **cookie_out), (cookie_out))                                          \
    X(at_fork_child, int, (void (*handler)(void)), (handler))

#define PTK_TEST_FAULT_NAME(member, result, parameters, arguments) PTK_FAULT_##member,
typedef enum ptk_test_fault_member {
    PTK_TEST_FAULT_TABLE(PTK_TEST_FAULT_NAME)
        PTK_FAULT_heap_reallocate, /* fails by answering NULL, whatever the errno */
    PTK_FAULT_close,               /* closes and then answers the errno */
    PTK_FAULT_MEMBERS
} ptk_test_fault_member_t;
#undef PTK_TEST_FAULT_NAME

typedef enum ptk_test_fault_span { PTK_TEST_ONCE, PTK_TEST_FOR_GOOD } ptk_test_fault_span_t;

/* Hang the table into the thread block in use, over the one that is there; no faults are planned. The runner
   takes it for a failure if a test leaves it installed. */
void ptk_test_faults_install(void);
void ptk_test_faults_remove(void);

/* Plan: from now on, the n-th call of `member` (1 is the next one) fails; an os_err of 0 means ENOMEM.
   Replaces what was planned for it; nth 0 plans nothing. */
void ptk_test_fault(ptk_test_fault_member_t member, uint32_t nth, int os_err, ptk_test_fault_span_t span);

/* How many calls of `member` came since its last plan (else since install), and how many of them failed. */
uint32_t ptk_test_fault_calls(ptk_test_fault_member_t member);
uint32_t ptk_test_fault_failures(ptk_test_fault_member_t member);

/* For other tables that follow the same plans: count a call; the errno that it is to fail with, 0 if it is to
   succeed. */
int ptk_test_fault_take(ptk_test_fault_member_t member);

/* The table itself, for thread blocks of other threads. */
const ptk_sys_t *ptk_test_faults_table(void);
