/* SPDX-License-Identifier: MIT */
/*
 * The system table of simulated hosts: each call finds its kernel by the thread block in use.
 *
 * Memory for stacks and pages is the process's own and goes to the real table; so does the heap, but a host's
 * blocks are recorded (ptk_sim_heap.h). Time, random numbers, network and descriptors are the simulation's.
 *
 * The oracle may interrupt calls, cut receives short, refuse memory and end connections before they are
 * accepted.
 */
#include "sim/kernel/ptk_sim_kernel.h"

#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_fault.h"
#include "sim/kernel/ptk_sim_site.h"
#include "sim/kernel/ptk_sim_sys_pages.h"
#include "sim/kernel/ptk_sim_sys_signal.h"
#include "sim/kernel/ptk_sim_sys_thread.h"
#include <errno.h>
#include <poll.h>
#include <string.h>

/* Numbers of the calls in the trace: stable. */
enum {
    CALL_SOCKET = 1,
    CALL_BIND,
    CALL_LISTEN,
    CALL_ACCEPT,
    CALL_CONNECT,
    CALL_RECV,
    CALL_SEND,
    CALL_SHUTDOWN,
    CALL_CLOSE,
    CALL_EPOLL_WAIT,
    CALL_POLL
};

/* Returns the kernel of the host that executes; a call outside a host is a bug. */
static ptk_sim_kernel_t *sys_kernel(void) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    ptk_assert(kernel != NULL);
    return kernel;
}

/* Traces a call and returns its result. */
static intptr_t sys_trace_call(ptk_sim_kernel_t *kernel, uint64_t call, ptk_os_handle_t handle,
                               intptr_t result) {
    kernel->calls++;
    ptk_sim_net_trace(kernel->net, PTK_SIM_TRACE_CALL, kernel->node->index, call, (uint64_t) handle,
                      (uint64_t) result);
    return result;
}

/* Decides whether the call returns -EINTR without any effect. */
static bool sys_is_interrupted(void) {
    return ptk_choice(PTK_SIM_SITE_EINTR, 2) != 0;
}

/* --- time and random numbers --- */

static uint64_t sim_now_ns(void) {
    return ptk_sim_kernel_now_ns(sys_kernel());
}

/* Each byte is a decision, so that a tape can replay it. */
static int sim_random_bytes(void *buffer, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        ((unsigned char *) buffer)[i] = (unsigned char) ptk_choice(PTK_SIM_SITE_RANDOM, 256);
    }
    return 0;
}

/* --- memory --- */

/* The limit comes first: it must not depend on the oracle. */
static void *sim_heap_reallocate(void *memory, size_t bytes) {
    ptk_sim_kernel_t *kernel = sys_kernel();
    if (!ptk_sim_heap_fits(&kernel->heap, memory, bytes)) {
        ptk_sim_net_trace(kernel->net, PTK_SIM_TRACE_FAULT, kernel->node->index, PTK_SIM_FAULT_NO_MEMORY,
                          ptk_sim_heap_charge(bytes), 0);
        return NULL;
    }
    uint32_t fails = ptk_choice(PTK_SIM_SITE_NO_MEMORY, 2);
    return fails ? NULL : ptk_sim_heap_reallocate(&kernel->heap, memory, bytes);
}

/* Also frees a block of another host, see ptk_sim_heap_free(). */
static void sim_heap_free(void *memory) {
    ptk_sim_heap_free(&sys_kernel()->heap, memory);
}

/* --- sockets --- */

/* The endpoint's `changed`: wakes the pollers of its description. */
static void sys_tcp_changed(ptk_sim_tcp_t *tcp, uint32_t events) {
    ptk_sim_file_changed(tcp->owner, events);
}

/* Joins a description and its endpoint. */
static void sys_attach_tcp(ptk_sim_file_t *file, ptk_sim_tcp_t *tcp) {
    file->u.tcp = tcp;
    tcp->owner = file;
    tcp->changed = sys_tcp_changed;
}

/* Returns the endpoint behind a descriptor, or NULL and the reason: -EBADF, -ENOTSOCK, or -ENETDOWN after a
   crash. */
static ptk_sim_tcp_t *sys_find_tcp(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, int *error_out) {
    const ptk_sim_file_t *file = ptk_sim_file_find(kernel, handle);
    *error_out = !file ? -EBADF : (file->kind != PTK_SIM_FILE_TCP ? -ENOTSOCK : -ENETDOWN);
    return file && file->kind == PTK_SIM_FILE_TCP ? file->u.tcp : NULL;
}

/* After a crash the descriptor exists without an endpoint, and every call on it fails. */
static int sim_socket(int family, int type, int protocol, ptk_os_handle_t *handle_out) {
    ptk_sim_kernel_t *kernel = sys_kernel();
    ptk_sim_file_t *file = NULL;
    if (family != AF_INET && family != AF_INET6) {
        return -EAFNOSUPPORT;
    }
    if (type != SOCK_STREAM || (protocol != 0 && protocol != IPPROTO_TCP)) {
        return -EPROTONOSUPPORT;
    }
    int result = ptk_sim_file_open(kernel, PTK_SIM_FILE_TCP, &file, handle_out);
    if (result == 0 && !kernel->crashed) {
        sys_attach_tcp(file, ptk_sim_tcp_create(kernel->node, family));
    }
    return (int) sys_trace_call(kernel, CALL_SOCKET, result == 0 ? *handle_out : -1, result);
}

static int sim_bind(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    int error = 0;
    ptk_sim_kernel_t *kernel = sys_kernel();
    ptk_sim_tcp_t *tcp = sys_find_tcp(kernel, handle, &error);
    return (int) sys_trace_call(kernel, CALL_BIND, handle,
                                tcp ? ptk_sim_tcp_bind(tcp, addr, addrlen) : error);
}

static int sim_listen(ptk_os_handle_t handle, int backlog) {
    int error = 0;
    ptk_sim_kernel_t *kernel = sys_kernel();
    ptk_sim_tcp_t *tcp = sys_find_tcp(kernel, handle, &error);
    return (int) sys_trace_call(kernel, CALL_LISTEN, handle, tcp ? ptk_sim_tcp_listen(tcp, backlog) : error);
}

/* Opens the descriptor before it accepts, so that a connection is not lost for lack of a descriptor. */
static int sys_accept_into(ptk_sim_kernel_t *kernel, ptk_sim_tcp_t *listener, ptk_os_handle_t *handle_out) {
    ptk_sim_file_t *file = NULL;
    ptk_sim_tcp_t *accepted = NULL;
    int result = ptk_sim_file_open(kernel, PTK_SIM_FILE_TCP, &file, handle_out);
    if (result != 0) {
        return result;
    }
    result = ptk_sim_tcp_accept(listener, &accepted);
    if (result != 0) {
        (void) ptk_sim_file_close(kernel, *handle_out);
        return result;
    }
    sys_attach_tcp(file, accepted);
    return 0;
}

/* The accepted connection has ended already: its peer gets an RST, not a FIN. */
static int sys_reset_accepted(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle) {
    int error = 0;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    ptk_sim_tcp_t *tcp = sys_find_tcp(kernel, handle, &error);
    (void) ptk_sim_tcp_set_option(tcp, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void) ptk_sim_file_close(kernel, handle);
    return -ECONNABORTED;
}

/* The oracle may end the connection between the handshake and the accept: programs see ECONNABORTED. */
static int sim_accept(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen,
                      ptk_os_handle_t *handle_out) {
    int error = 0;
    ptk_sim_kernel_t *kernel = sys_kernel();
    ptk_sim_tcp_t *listener = sys_find_tcp(kernel, handle, &error);
    if (!listener) {
        return error;
    }
    if (sys_is_interrupted()) {
        return -EINTR;
    }
    int result = sys_accept_into(kernel, listener, handle_out);
    if (result == 0 && ptk_choice(PTK_SIM_SITE_ACCEPT_ERROR, 2) != 0) {
        result = sys_reset_accepted(kernel, *handle_out);
    }
    if (result == 0 && addr) {
        ptk_sim_tcp_t *tcp = sys_find_tcp(kernel, *handle_out, &error);
        ptk_sim_tcp_accepted_name(tcp, addr, addrlen);
    }
    return (int) sys_trace_call(kernel, CALL_ACCEPT, handle, result);
}

/* An interrupted connect is not started: -EINTR has no effect, unlike on a blocking socket. */
static int sim_connect(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    int error = 0;
    ptk_sim_kernel_t *kernel = sys_kernel();
    ptk_sim_tcp_t *tcp = sys_find_tcp(kernel, handle, &error);
    if (tcp && sys_is_interrupted()) {
        return -EINTR;
    }
    return (int) sys_trace_call(kernel, CALL_CONNECT, handle,
                                tcp ? ptk_sim_tcp_connect(tcp, addr, addrlen) : error);
}

/* A receive that the oracle cuts short reports POLLIN again, or an edge-triggered poller would miss the
   rest. */
static intptr_t sim_recv(ptk_os_handle_t handle, void *buffer, size_t bytes) {
    int error = 0;
    ptk_sim_kernel_t *kernel = sys_kernel();
    ptk_sim_tcp_t *tcp = sys_find_tcp(kernel, handle, &error);
    if (!tcp) {
        return error == -ENETDOWN ? -ECONNRESET : error;
    }
    if (sys_is_interrupted()) {
        return -EINTR;
    }
    uint32_t fewer =
        bytes > 1 && bytes < UINT32_MAX ? ptk_choice(PTK_SIM_SITE_SHORT_RECV, (uint32_t) bytes) : 0;
    intptr_t result = ptk_sim_tcp_recv(tcp, buffer, bytes - fewer);
    if (fewer != 0) {
        /* On Linux a receive is short only if the queue is empty, and what arrives later is an edge. */
        ptk_sim_file_changed(tcp->owner, POLLIN);
    }
    return sys_trace_call(kernel, CALL_RECV, handle, result);
}

/* After a crash a send returns -EPIPE, as on a connection that was reset. */
static intptr_t sim_send(ptk_os_handle_t handle, const void *buffer, size_t bytes) {
    int error = 0;
    ptk_sim_kernel_t *kernel = sys_kernel();
    ptk_sim_tcp_t *tcp = sys_find_tcp(kernel, handle, &error);
    if (!tcp) {
        return error == -ENETDOWN ? -EPIPE : error;
    }
    if (sys_is_interrupted()) {
        return -EINTR;
    }
    return sys_trace_call(kernel, CALL_SEND, handle, ptk_sim_tcp_send(tcp, buffer, bytes, false));
}

static int sim_shutdown(ptk_os_handle_t handle, int how) {
    int error = 0;
    ptk_sim_kernel_t *kernel = sys_kernel();
    ptk_sim_tcp_t *tcp = sys_find_tcp(kernel, handle, &error);
    return (int) sys_trace_call(kernel, CALL_SHUTDOWN, handle, tcp ? ptk_sim_tcp_shutdown(tcp, how) : error);
}

static int sim_close(ptk_os_handle_t handle) {
    ptk_sim_kernel_t *kernel = sys_kernel();
    return (int) sys_trace_call(kernel, CALL_CLOSE, handle, ptk_sim_file_close(kernel, handle));
}

static int sim_local_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    int error = 0;
    ptk_sim_tcp_t *tcp = sys_find_tcp(sys_kernel(), handle, &error);
    return tcp ? ptk_sim_tcp_local_name(tcp, addr, addrlen) : error;
}

static int sim_peer_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    int error = 0;
    ptk_sim_tcp_t *tcp = sys_find_tcp(sys_kernel(), handle, &error);
    return tcp ? ptk_sim_tcp_peer_name(tcp, addr, addrlen) : error;
}

static int sim_get_option(ptk_os_handle_t handle, int level, int name, void *value, socklen_t *length) {
    int error = 0;
    ptk_sim_tcp_t *tcp = sys_find_tcp(sys_kernel(), handle, &error);
    return tcp ? ptk_sim_tcp_get_option(tcp, level, name, value, length) : error;
}

static int sim_set_option(ptk_os_handle_t handle, int level, int name, const void *value, socklen_t length) {
    int error = 0;
    ptk_sim_tcp_t *tcp = sys_find_tcp(sys_kernel(), handle, &error);
    return tcp ? ptk_sim_tcp_set_option(tcp, level, name, value, length) : error;
}

/* --- pollers, timers, wakes --- */

/* Also the descriptor of an epoll counts towards the limit. */
static int sim_epoll_create(ptk_os_handle_t *handle_out) {
    ptk_sim_file_t *file = NULL;
    int result = ptk_sim_file_open(sys_kernel(), PTK_SIM_FILE_EPOLL, &file, handle_out);
    if (result == 0) {
        ptk_list_init(&file->u.epoll.interests);
        ptk_list_init(&file->u.epoll.ready);
    }
    return result;
}

static int sim_epoll_ctl(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                         struct epoll_event *event) {
    return ptk_sim_epoll_ctl(sys_kernel(), epoll, operation, handle, event);
}

static int sim_epoll_wait(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                          int64_t timeout_ns) {
    ptk_sim_kernel_t *kernel = sys_kernel();
    int result = ptk_sim_epoll_wait(kernel, epoll, events, capacity, timeout_ns);
    return (int) sys_trace_call(kernel, CALL_EPOLL_WAIT, epoll, result);
}

static int sim_poll(struct pollfd *entries, size_t count, int64_t timeout_ns) {
    ptk_sim_kernel_t *kernel = sys_kernel();
    return (int) sys_trace_call(kernel, CALL_POLL, (ptk_os_handle_t) count,
                                ptk_sim_poll(kernel, entries, count, timeout_ns));
}

/* Event handler of a timer's description. */
static void sys_timer_expired(ptk_sim_event_t *event) {
    ptk_sim_file_t *file = ptk_container_of(event, ptk_sim_file_t, u.timer.event);
    file->u.timer.expired = true;
    ptk_sim_file_changed(file, POLLIN);
}

static int sim_timer_open(ptk_os_handle_t *handle_out) {
    ptk_sim_file_t *file = NULL;
    int result = ptk_sim_file_open(sys_kernel(), PTK_SIM_FILE_TIMER, &file, handle_out);
    if (result == 0) {
        file->u.timer.event.fire = sys_timer_expired;
    }
    return result;
}

/* The deadline is of the host's clock, and is converted at the clock's present rate. */
static int sim_timer_set(ptk_os_handle_t timer, uint64_t deadline_ns) {
    ptk_sim_kernel_t *kernel = sys_kernel();
    ptk_sim_file_t *file = ptk_sim_file_find(kernel, timer);
    if (!file || file->kind != PTK_SIM_FILE_TIMER) {
        return file ? -EINVAL : -EBADF;
    }
    ptk_sim_event_queue_t *events = &kernel->net->events;
    file->u.timer.expired = false;
    ptk_sim_event_queue_cancel(events, &file->u.timer.event);
    if (deadline_ns != UINT64_MAX) {
        uint64_t now_ns = ptk_sim_kernel_now_ns(kernel);
        uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        ptk_sim_event_queue_insert(events, &file->u.timer.event,
                                   events->now_ns + ptk_sim_kernel_world_ns(kernel, left_ns));
    }
    return 0;
}

/* A wake is like an eventfd whose value is read as a whole: readable while it is kicked. */
static int sim_wake_open(ptk_os_handle_t *handle_out, ptk_os_handle_t *kick_out) {
    ptk_sim_file_t *file = NULL;
    int result = ptk_sim_file_open(sys_kernel(), PTK_SIM_FILE_WAKE, &file, handle_out);
    if (result == 0) {
        *kick_out = *handle_out;
    }
    return result;
}

static int sim_wake_kick(ptk_os_handle_t wake) {
    ptk_sim_file_t *file = ptk_sim_file_find(sys_kernel(), wake);
    if (!file || file->kind != PTK_SIM_FILE_WAKE) {
        return file ? -EINVAL : -EBADF;
    }
    file->u.kicked = true;
    ptk_sim_file_changed(file, POLLIN);
    return 0;
}

static int sim_wake_drain(ptk_os_handle_t wake) {
    ptk_sim_file_t *file = ptk_sim_file_find(sys_kernel(), wake);
    if (!file || file->kind != PTK_SIM_FILE_WAKE) {
        return file ? -EINVAL : -EBADF;
    }
    file->u.kicked = false;
    return 0;
}

/* --- the process --- */

/* There is one thread, and standard error belongs to the process and not to the host. */
static void sim_do_nothing(void) {
}

/* A simulated program sees one variable: the platform of its loops. */
static const char *sim_environment(const char *name) {
    return strcmp(name, "PTK_PLATFORM") == 0 ? sys_kernel()->platform : NULL;
}

static bool sim_write_error(const char *text, size_t bytes) {
    return ptk_sys_real.write_error(text, bytes);
}

static void sim_abort(void) {
    ptk_sys_real.abort();
}

static bool sim_symbolize(const void *address, ptk_sys_symbol_t *symbol_out) {
    return ptk_sys_real.symbolize(address, symbol_out);
}

/* Every member is set: a simulated host uses nothing of the real system but the memory of the process. */
const ptk_sys_t ptk_sim_sys = {
    .now_ns = sim_now_ns,
    .random_bytes = sim_random_bytes,
    .heap_reallocate = sim_heap_reallocate,
    .heap_free = sim_heap_free,
    .map_stacks = ptk_sim_sys_map_stacks,
    .unmap = ptk_sim_sys_unmap,
    .protect_none = ptk_sim_sys_protect_none,
    .guard_install = ptk_sim_sys_guard_install,
    .resident = ptk_sim_sys_resident,
    .discard = ptk_sim_sys_discard,
    .mapping_room = ptk_sim_sys_mapping_room,
    .is_readable = ptk_sim_sys_is_readable,
    .page_bytes = ptk_sim_sys_page_bytes,
    .socket = sim_socket,
    .bind = sim_bind,
    .listen = sim_listen,
    .accept = sim_accept,
    .connect = sim_connect,
    .recv = sim_recv,
    .send = sim_send,
    .shutdown = sim_shutdown,
    .close = sim_close,
    .local_name = sim_local_name,
    .peer_name = sim_peer_name,
    .get_option = sim_get_option,
    .set_option = sim_set_option,
    .epoll_create = sim_epoll_create,
    .epoll_ctl = sim_epoll_ctl,
    .epoll_wait = sim_epoll_wait,
    .poll = sim_poll,
    .timer_open = sim_timer_open,
    .timer_set = sim_timer_set,
    .wake_open = sim_wake_open,
    .wake_kick = sim_wake_kick,
    .wake_drain = sim_wake_drain,
    .signal_action = ptk_sim_sys_signal_action,
    .signal_is_blocked = ptk_sim_sys_signal_is_blocked,
    .signal_set_blocked = ptk_sim_sys_signal_set_blocked,
    .signal_raise = ptk_sim_sys_signal_raise,
    .signal_stack_install = ptk_sim_sys_signal_stack_install,
    .signal_stack_remove = ptk_sim_sys_signal_stack_remove,
    .at_fork_child = ptk_sim_sys_at_fork_child,
    .at_thread_exit = ptk_sim_sys_at_thread_exit,
    .thread_yield = sim_do_nothing,
    .thread_start = ptk_sim_sys_thread_start,
    .thread_join = ptk_sim_sys_thread_join,
    .thread_self = ptk_sim_sys_thread_self,
    .thread_signal = ptk_sim_sys_thread_signal,
    .thread_wait = ptk_sim_sys_thread_wait,
    .thread_wake = ptk_sim_sys_thread_wake,
    .environment = sim_environment,
    .error_adopt = sim_do_nothing,
    .error_forget = sim_do_nothing,
    .write_error = sim_write_error,
    .abort = sim_abort,
    .symbolize = sim_symbolize,
};
