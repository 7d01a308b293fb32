/* SPDX-License-Identifier: MIT */
/*
 * The interceptor: a system table in front of another, whose calls tests can observe, change, fail or
 * replace.
 *
 * A hook receives each call of one member of `ptk_sys_t`, with the arguments as fields that it may change. It
 * returns the call's result; `ptk_sys_call_below()` makes the call, as often as the hook calls it. An
 * interceptor is a set of hooks. Interceptors of a thread form a stack: the newest is called first, and a
 * call that passes all of them reaches the table that was in use before.
 *
 *     static int64_t short_send(ptk_sys_call_t *call) {
 *         call->send.bytes = 1;
 *         return ptk_sys_call_below(call);
 *     }
 *     static ptk_interceptor_t short_sends = {.hooks = {[PTK_SYS_send] = short_send}};
 *     ptk_intercept(&short_sends);
 *
 * Other threads, and objects that keep the table of their creation, pass through the interceptors of the
 * calling thread; a thread that has none reaches `ptk_sys_real`.
 */
#pragma once

#include "sys/ptk_sys.h"

typedef void (*ptk_sys_fork_handler_t)(void);
typedef void (*ptk_sys_exit_handler_t)(void *argument); /* also what a thread runs */

/* X(entry, kind of result, type of result, number of parameters, (type, name, ...)): first the members that
 * can fail. They return a negative errno; heap_reallocate returns NULL. */
#define PTK_SYS_FALLIBLE(X)                                                                                  \
    X(random_bytes, NUMBER, int, 2, (void *, buffer, size_t, bytes))                                         \
    X(map_stacks, NUMBER, int, 2, (size_t, bytes, void **, memory_out))                                      \
    X(unmap, NUMBER, int, 2, (void *, memory, size_t, bytes))                                                \
    X(protect_none, NUMBER, int, 2, (void *, memory, size_t, bytes))                                         \
    X(guard_install, NUMBER, int, 2, (void *, memory, size_t, bytes))                                        \
    X(resident, NUMBER, int, 3, (void *, memory, size_t, bytes, unsigned char *, vector))                    \
    X(socket, NUMBER, int, 4, (int, family, int, type, int, protocol, ptk_os_handle_t *, handle_out))        \
    X(bind, NUMBER, int, 3, (ptk_os_handle_t, handle, const struct sockaddr *, addr, socklen_t, addrlen))    \
    X(listen, NUMBER, int, 2, (ptk_os_handle_t, handle, int, backlog))                                       \
    X(accept, NUMBER, int, 4,                                                                                \
      (ptk_os_handle_t, handle, struct sockaddr *, addr, socklen_t *, addrlen, ptk_os_handle_t *,            \
       handle_out))                                                                                          \
    X(connect, NUMBER, int, 3, (ptk_os_handle_t, handle, const struct sockaddr *, addr, socklen_t, addrlen)) \
    X(recv, NUMBER, intptr_t, 3, (ptk_os_handle_t, handle, void *, buffer, size_t, bytes))                   \
    X(send, NUMBER, intptr_t, 3, (ptk_os_handle_t, handle, const void *, buffer, size_t, bytes))             \
    X(shutdown, NUMBER, int, 2, (ptk_os_handle_t, handle, int, how))                                         \
    X(local_name, NUMBER, int, 3, (ptk_os_handle_t, handle, struct sockaddr *, addr, socklen_t *, addrlen))  \
    X(peer_name, NUMBER, int, 3, (ptk_os_handle_t, handle, struct sockaddr *, addr, socklen_t *, addrlen))   \
    X(get_option, NUMBER, int, 5,                                                                            \
      (ptk_os_handle_t, handle, int, level, int, name, void *, value, socklen_t *, length))                  \
    X(set_option, NUMBER, int, 5,                                                                            \
      (ptk_os_handle_t, handle, int, level, int, name, const void *, value, socklen_t, length))              \
    X(epoll_create, NUMBER, int, 1, (ptk_os_handle_t *, handle_out))                                         \
    X(epoll_ctl, NUMBER, int, 4,                                                                             \
      (ptk_os_handle_t, epoll, int, operation, ptk_os_handle_t, handle, struct epoll_event *, event))        \
    X(epoll_wait, NUMBER, int, 4,                                                                            \
      (ptk_os_handle_t, epoll, struct epoll_event *, events, int, capacity, int64_t, timeout_ns))            \
    X(poll, NUMBER, int, 3, (struct pollfd *, entries, size_t, count, int64_t, timeout_ns))                  \
    X(timer_open, NUMBER, int, 1, (ptk_os_handle_t *, handle_out))                                           \
    X(timer_set, NUMBER, int, 2, (ptk_os_handle_t, timer, uint64_t, deadline_ns))                            \
    X(wake_open, NUMBER, int, 2, (ptk_os_handle_t *, handle_out, ptk_os_handle_t *, kick_out))               \
    X(wake_kick, NUMBER, int, 1, (ptk_os_handle_t, wake))                                                    \
    X(wake_drain, NUMBER, int, 1, (ptk_os_handle_t, wake))                                                   \
    X(signal_action, NUMBER, int, 3,                                                                         \
      (int, signal_number, const struct sigaction *, action, struct sigaction *, old_out))                   \
    X(signal_stack_install, NUMBER, int, 1, (void **, cookie_out))                                           \
    X(at_fork_child, NUMBER, int, 1, (ptk_sys_fork_handler_t, handler))                                      \
    X(at_thread_exit, NUMBER, int, 2, (ptk_sys_exit_handler_t, handler, void *, argument))                   \
    X(thread_start, NUMBER, int, 3,                                                                          \
      (ptk_sys_exit_handler_t, body, void *, argument, uintptr_t *, thread_out))                             \
    X(heap_reallocate, POINTER, void *, 2, (void *, memory, size_t, bytes))                                  \
    X(close, NUMBER, int, 1, (ptk_os_handle_t, handle))
#define PTK_SYS_INFALLIBLE(X)                                                                                \
    X(now_ns, NUMBER, uint64_t, 0, ())                                                                       \
    X(discard, NOTHING, void, 2, (void *, memory, size_t, bytes))                                            \
    X(mapping_room, NUMBER, size_t, 1, (size_t *, limit_out))                                                \
    X(heap_free, NOTHING, void, 1, (void *, memory))                                                         \
    X(is_readable, NUMBER, bool, 1, (const void *, memory))                                                  \
    X(page_bytes, NUMBER, size_t, 0, ())                                                                     \
    X(signal_is_blocked, NUMBER, bool, 1, (int, signal_number))                                              \
    X(signal_set_blocked, NOTHING, void, 2, (int, signal_number, bool, blocked))                             \
    X(signal_raise, NOTHING, void, 1, (int, signal_number))                                                  \
    X(signal_stack_remove, NOTHING, void, 1, (void *, cookie))                                               \
    X(thread_yield, NOTHING, void, 0, ())                                                                    \
    X(thread_join, NOTHING, void, 1, (uintptr_t, thread))                                                    \
    X(thread_self, NUMBER, uintptr_t, 0, ())                                                                 \
    X(thread_signal, NOTHING, void, 2, (uintptr_t, thread, int, signal_number))                              \
    X(thread_wait, NOTHING, void, 3, (atomic_uint *, word, unsigned, value, int64_t, timeout_ns))            \
    X(thread_wake, NOTHING, void, 1, (atomic_uint *, word))                                                  \
    X(environment, POINTER, const char *, 1, (const char *, name))                                           \
    X(error_adopt, NOTHING, void, 0, ())                                                                     \
    X(error_forget, NOTHING, void, 0, ())                                                                    \
    X(write_error, NUMBER, bool, 2, (const char *, text, size_t, bytes))                                     \
    X(abort, NOTHING, void, 0, ())                                                                           \
    X(in_signal_handler, NUMBER, bool, 0, ())                                                                \
    X(symbolize, NUMBER, bool, 2, (const void *, address, ptk_sys_symbol_t *, symbol_out))
#define PTK_SYS_ENTRIES(X) PTK_SYS_FALLIBLE(X) PTK_SYS_INFALLIBLE(X)

#define PTK_SYS_NAME(entry, kind, type, count, parameters) PTK_SYS_##entry,
typedef enum ptk_sys_member {
    PTK_SYS_FALLIBLE(PTK_SYS_NAME) PTK_SYS_FALLIBLE_MEMBERS,
    PTK_SYS_BEFORE_INFALLIBLE = PTK_SYS_FALLIBLE_MEMBERS - 1,
    PTK_SYS_INFALLIBLE(PTK_SYS_NAME) PTK_SYS_MEMBERS
} ptk_sys_member_t;
#undef PTK_SYS_NAME

#define PTK_SYS_FIELDS0()           char none;
#define PTK_SYS_FIELDS1(type, name) type name;
#define PTK_SYS_FIELDS2(type, name, ...)                                                                     \
    type name;                                                                                               \
    PTK_SYS_FIELDS1(__VA_ARGS__)
#define PTK_SYS_FIELDS3(type, name, ...)                                                                     \
    type name;                                                                                               \
    PTK_SYS_FIELDS2(__VA_ARGS__)
#define PTK_SYS_FIELDS4(type, name, ...)                                                                     \
    type name;                                                                                               \
    PTK_SYS_FIELDS3(__VA_ARGS__)
#define PTK_SYS_FIELDS5(type, name, ...)                                                                     \
    type name;                                                                                               \
    PTK_SYS_FIELDS4(__VA_ARGS__)
#define PTK_SYS_ARGUMENTS(entry, kind, type, count, parameters)                                              \
    struct ptk_sys_##entry##_arguments {                                                                     \
        PTK_SYS_FIELDS##count parameters                                                                     \
    } entry;

struct ptk_interceptor;

/* A call on its way: `call->recv.bytes` is the argument `bytes` of a call whose member is PTK_SYS_recv. */
typedef struct ptk_sys_call {
    ptk_sys_member_t member;
    struct ptk_interceptor *next; /* the interceptor that ptk_sys_call_below() calls, NULL: the system */
    union {
        PTK_SYS_ENTRIES(PTK_SYS_ARGUMENTS)
    };
} ptk_sys_call_t;
#undef PTK_SYS_ARGUMENTS

/* Returns the result of the call: a number, or a pointer as ptk_sys_pointer() converts it. */
typedef int64_t (*ptk_sys_hook_t)(ptk_sys_call_t *call);

typedef struct ptk_interceptor {
    ptk_sys_hook_t hooks[PTK_SYS_MEMBERS]; /* NULL: the call passes */
    struct ptk_interceptor *below;
} ptk_interceptor_t;

/* Makes the call with its present arguments, and returns its result. */
int64_t ptk_sys_call_below(ptk_sys_call_t *call);

static inline int64_t ptk_sys_pointer(const void *pointer) {
    return (intptr_t) pointer;
}

/* Puts the interceptor in front of the table that the thread block uses. It stays until it is removed. */
void ptk_intercept(ptk_interceptor_t *interceptor);
void ptk_intercept_remove(ptk_interceptor_t *interceptor);
bool ptk_intercept_is_installed(const ptk_interceptor_t *interceptor);

/* Removes all interceptors of this thread; the thread block uses the table again that it used before them. */
void ptk_intercept_end(void);

/* Puts the interceptor below those of every thread, until the process ends; `bottom` replaces ptk_sys_real
 * below it. For programs that put ptk_intercept_table in the place of ptk_sys_real. */
void ptk_intercept_everywhere(ptk_interceptor_t *interceptor, const ptk_sys_t *bottom);

/* The table that calls the interceptors. */
extern const ptk_sys_t ptk_intercept_table;
