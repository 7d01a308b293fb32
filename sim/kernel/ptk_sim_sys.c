/* SPDX-License-Identifier: MIT */
/*
 * The system table of simulated hosts: each call finds its kernel by the thread block in use.
 *
 * Memory for stacks, pages and faults is the process's own and goes to the real table; the heap is, too, but
 * what a host takes of it is accounted for (ptk_sim_heap.h). What a program may see
 * of the outside does not: time, chance, network and descriptors are the simulation's.
 */
#include "sim/kernel/ptk_sim_kernel.h"

#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_fault.h"
#include "sim/kernel/ptk_sim_site.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#define LAST_SIGNAL 64

/* What the trace calls the calls. Stable. */
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

static ptk_sim_kernel_t *here(void) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    ptk_assert(kernel != NULL);
    return kernel;
}

static intptr_t note(ptk_sim_kernel_t *kernel, uint64_t call, ptk_os_handle_t handle, intptr_t answer) {
    kernel->calls++;
    ptk_sim_net_note(kernel->net, PTK_SIM_TRACE_CALL, kernel->node->index, call, (uint64_t) handle,
                     (uint64_t) answer);
    return answer;
}

static bool is_interrupted(void) {
    return ptk_choice(PTK_SIM_SITE_EINTR, 2) != 0;
}

/* --- time and chance --- */

static uint64_t sim_now_ns(void) {
    return ptk_sim_kernel_now_ns(here());
}

static int sim_random_bytes(void *buffer, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        ((unsigned char *) buffer)[i] = (unsigned char) ptk_choice(PTK_SIM_SITE_RANDOM, 256);
    }
    return 0;
}

/* --- memory --- */

static void *sim_heap_reallocate(void *memory, size_t bytes) {
    ptk_sim_kernel_t *kernel = here();
    if (!ptk_sim_heap_fits(&kernel->heap, memory, bytes)) {
        ptk_sim_net_note(kernel->net, PTK_SIM_TRACE_FAULT, kernel->node->index, PTK_SIM_FAULT_NO_MEMORY,
                         ptk_sim_heap_charge(bytes), 0);
        return NULL;
    }
    uint32_t fails = ptk_choice(PTK_SIM_SITE_NO_MEMORY, 2);
    return fails ? NULL : ptk_sim_heap_reallocate(&kernel->heap, memory, bytes);
}

static void sim_heap_free(void *memory) {
    ptk_sim_heap_free(&here()->heap, memory);
}

static int sim_map_stacks(size_t bytes, void **memory_out) {
    return ptk_sys_real.map_stacks(bytes, memory_out);
}

static int sim_unmap(void *memory, size_t bytes) {
    return ptk_sys_real.unmap(memory, bytes);
}

static int sim_protect_none(void *memory, size_t bytes) {
    return ptk_sys_real.protect_none(memory, bytes);
}

static int sim_guard_install(void *memory, size_t bytes) {
    return ptk_sys_real.guard_install(memory, bytes);
}

static int sim_resident(void *memory, size_t bytes, unsigned char *vector) {
    return ptk_sys_real.resident(memory, bytes, vector);
}

static bool sim_is_readable(const void *memory) {
    return ptk_sys_real.is_readable(memory);
}

static size_t sim_page_bytes(void) {
    return ptk_sys_real.page_bytes();
}

/* --- sockets --- */

static void tcp_changed(ptk_sim_tcp_t *tcp, uint32_t events) {
    ptk_sim_file_changed(tcp->owner, events);
}

static void own(ptk_sim_file_t *file, ptk_sim_tcp_t *tcp) {
    file->u.tcp = tcp;
    tcp->owner = file;
    tcp->changed = tcp_changed;
}

/* The endpoint behind a descriptor, NULL and why. */
static ptk_sim_tcp_t *tcp_of(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, int *error_out) {
    const ptk_sim_file_t *file = ptk_sim_file_find(kernel, handle);
    *error_out = !file ? -EBADF : (file->kind != PTK_SIM_FILE_TCP ? -ENOTSOCK : -ENETDOWN);
    return file && file->kind == PTK_SIM_FILE_TCP ? file->u.tcp : NULL;
}

static int sim_socket(int family, int type, int protocol, ptk_os_handle_t *handle_out) {
    ptk_sim_kernel_t *kernel = here();
    ptk_sim_file_t *file = NULL;
    if (family != AF_INET && family != AF_INET6) {
        return -EAFNOSUPPORT;
    }
    if (type != SOCK_STREAM || (protocol != 0 && protocol != IPPROTO_TCP)) {
        return -EPROTONOSUPPORT;
    }
    int result = ptk_sim_file_open(kernel, PTK_SIM_FILE_TCP, &file, handle_out);
    if (result == 0 && !kernel->crashed) {
        own(file, ptk_sim_tcp_create(kernel->node, family));
    }
    return (int) note(kernel, CALL_SOCKET, result == 0 ? *handle_out : -1, result);
}

static int sim_bind(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    int error = 0;
    ptk_sim_kernel_t *kernel = here();
    ptk_sim_tcp_t *tcp = tcp_of(kernel, handle, &error);
    return (int) note(kernel, CALL_BIND, handle, tcp ? ptk_sim_tcp_bind(tcp, addr, addrlen) : error);
}

static int sim_listen(ptk_os_handle_t handle, int backlog) {
    int error = 0;
    ptk_sim_kernel_t *kernel = here();
    ptk_sim_tcp_t *tcp = tcp_of(kernel, handle, &error);
    return (int) note(kernel, CALL_LISTEN, handle, tcp ? ptk_sim_tcp_listen(tcp, backlog) : error);
}

/* The descriptor comes first, so that a connection is not lost for want of one. */
static int accept_into(ptk_sim_kernel_t *kernel, ptk_sim_tcp_t *listener, ptk_os_handle_t *handle_out) {
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
    own(file, accepted);
    return 0;
}

/* The connection has died since it came: whoever made it gets a reset, not an end in good order. */
static int lose_accepted(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle) {
    int error = 0;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    ptk_sim_tcp_t *tcp = tcp_of(kernel, handle, &error);
    (void) ptk_sim_tcp_set_option(tcp, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    (void) ptk_sim_file_close(kernel, handle);
    return -ECONNABORTED;
}

static int sim_accept(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen,
                      ptk_os_handle_t *handle_out) {
    int error = 0;
    ptk_sim_kernel_t *kernel = here();
    ptk_sim_tcp_t *listener = tcp_of(kernel, handle, &error);
    if (!listener) {
        return error;
    }
    if (is_interrupted()) {
        return -EINTR;
    }
    int result = accept_into(kernel, listener, handle_out);
    if (result == 0 && ptk_choice(PTK_SIM_SITE_ACCEPT_ERROR, 2) != 0) {
        result = lose_accepted(kernel, *handle_out);
    }
    if (result == 0 && addr) {
        ptk_sim_tcp_t *tcp = tcp_of(kernel, *handle_out, &error);
        ptk_sim_tcp_accepted_name(tcp, addr, addrlen);
    }
    return (int) note(kernel, CALL_ACCEPT, handle, result);
}

static int sim_connect(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    int error = 0;
    ptk_sim_kernel_t *kernel = here();
    ptk_sim_tcp_t *tcp = tcp_of(kernel, handle, &error);
    if (tcp && is_interrupted()) {
        return -EINTR;
    }
    return (int) note(kernel, CALL_CONNECT, handle, tcp ? ptk_sim_tcp_connect(tcp, addr, addrlen) : error);
}

static intptr_t sim_recv(ptk_os_handle_t handle, void *buffer, size_t bytes) {
    int error = 0;
    ptk_sim_kernel_t *kernel = here();
    ptk_sim_tcp_t *tcp = tcp_of(kernel, handle, &error);
    if (!tcp) {
        return error == -ENETDOWN ? -ECONNRESET : error;
    }
    if (is_interrupted()) {
        return -EINTR;
    }
    uint32_t fewer =
        bytes > 1 && bytes < UINT32_MAX ? ptk_choice(PTK_SIM_SITE_SHORT_RECV, (uint32_t) bytes) : 0;
    intptr_t result = ptk_sim_tcp_recv(tcp, buffer, bytes - fewer);
    if (fewer != 0) {
        /* On Linux a receive is short only when the queue is empty, and what comes later is reported as news.
         */
        ptk_sim_file_changed(tcp->owner, POLLIN);
    }
    return note(kernel, CALL_RECV, handle, result);
}

static intptr_t sim_send(ptk_os_handle_t handle, const void *buffer, size_t bytes) {
    int error = 0;
    ptk_sim_kernel_t *kernel = here();
    ptk_sim_tcp_t *tcp = tcp_of(kernel, handle, &error);
    if (!tcp) {
        return error == -ENETDOWN ? -EPIPE : error;
    }
    if (is_interrupted()) {
        return -EINTR;
    }
    return note(kernel, CALL_SEND, handle, ptk_sim_tcp_send(tcp, buffer, bytes, false));
}

static int sim_shutdown(ptk_os_handle_t handle, int how) {
    int error = 0;
    ptk_sim_kernel_t *kernel = here();
    ptk_sim_tcp_t *tcp = tcp_of(kernel, handle, &error);
    return (int) note(kernel, CALL_SHUTDOWN, handle, tcp ? ptk_sim_tcp_shutdown(tcp, how) : error);
}

static int sim_close(ptk_os_handle_t handle) {
    ptk_sim_kernel_t *kernel = here();
    return (int) note(kernel, CALL_CLOSE, handle, ptk_sim_file_close(kernel, handle));
}

static int sim_local_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    int error = 0;
    ptk_sim_tcp_t *tcp = tcp_of(here(), handle, &error);
    return tcp ? ptk_sim_tcp_local_name(tcp, addr, addrlen) : error;
}

static int sim_peer_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    int error = 0;
    ptk_sim_tcp_t *tcp = tcp_of(here(), handle, &error);
    return tcp ? ptk_sim_tcp_peer_name(tcp, addr, addrlen) : error;
}

static int sim_get_option(ptk_os_handle_t handle, int level, int name, void *value, socklen_t *length) {
    int error = 0;
    ptk_sim_tcp_t *tcp = tcp_of(here(), handle, &error);
    return tcp ? ptk_sim_tcp_get_option(tcp, level, name, value, length) : error;
}

static int sim_set_option(ptk_os_handle_t handle, int level, int name, const void *value, socklen_t length) {
    int error = 0;
    ptk_sim_tcp_t *tcp = tcp_of(here(), handle, &error);
    return tcp ? ptk_sim_tcp_set_option(tcp, level, name, value, length) : error;
}

/* --- pollers, timers, wakes --- */

static int sim_epoll_create(ptk_os_handle_t *handle_out) {
    ptk_sim_file_t *file = NULL;
    int result = ptk_sim_file_open(here(), PTK_SIM_FILE_EPOLL, &file, handle_out);
    if (result == 0) {
        ptk_list_init(&file->u.epoll.interests);
        ptk_list_init(&file->u.epoll.ready);
    }
    return result;
}

static int sim_epoll_ctl(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                         struct epoll_event *event) {
    return ptk_sim_epoll_ctl(here(), epoll, operation, handle, event);
}

static int sim_epoll_wait(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                          int64_t timeout_ns) {
    ptk_sim_kernel_t *kernel = here();
    int result = ptk_sim_epoll_wait(kernel, epoll, events, capacity, timeout_ns);
    return (int) note(kernel, CALL_EPOLL_WAIT, epoll, result);
}

static int sim_poll(struct pollfd *entries, size_t count, int64_t timeout_ns) {
    ptk_sim_kernel_t *kernel = here();
    return (int) note(kernel, CALL_POLL, (ptk_os_handle_t) count,
                      ptk_sim_poll(kernel, entries, count, timeout_ns));
}

static void expire(ptk_sim_event_t *event) {
    ptk_sim_file_t *file = ptk_container_of(event, ptk_sim_file_t, u.timer.event);
    file->u.timer.expired = true;
    ptk_sim_file_changed(file, POLLIN);
}

static int sim_timer_open(ptk_os_handle_t *handle_out) {
    ptk_sim_file_t *file = NULL;
    int result = ptk_sim_file_open(here(), PTK_SIM_FILE_TIMER, &file, handle_out);
    if (result == 0) {
        file->u.timer.event.happen = expire;
    }
    return result;
}

static int sim_timer_set(ptk_os_handle_t timer, uint64_t deadline_ns) {
    ptk_sim_kernel_t *kernel = here();
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

static int sim_wake_open(ptk_os_handle_t *handle_out) {
    ptk_sim_file_t *file = NULL;
    return ptk_sim_file_open(here(), PTK_SIM_FILE_WAKE, &file, handle_out);
}

static int sim_wake_kick(ptk_os_handle_t wake) {
    ptk_sim_file_t *file = ptk_sim_file_find(here(), wake);
    if (!file || file->kind != PTK_SIM_FILE_WAKE) {
        return file ? -EINVAL : -EBADF;
    }
    file->u.kicked = true;
    ptk_sim_file_changed(file, POLLIN);
    return 0;
}

static int sim_wake_drain(ptk_os_handle_t wake) {
    ptk_sim_file_t *file = ptk_sim_file_find(here(), wake);
    if (!file || file->kind != PTK_SIM_FILE_WAKE) {
        return file ? -EINVAL : -EBADF;
    }
    file->u.kicked = false;
    return 0;
}

/* --- signals and the process --- */

/* Signals come from ptk_sim_signal alone, which asks ptk's own table: dispositions mean nothing. Two may not
 * be changed, and libc keeps two more for itself. */
static int sim_signal_action(int signal_number, const struct sigaction *action, struct sigaction *old_out) {
    (void) old_out;
    bool is_one = signal_number > 0 && signal_number <= LAST_SIGNAL;
    bool is_fixed = signal_number == SIGKILL || signal_number == SIGSTOP;
    bool is_taken = signal_number == 32 || signal_number == 33;
    return !is_one || is_taken || (action && is_fixed) ? -EINVAL : 0;
}

static int sim_signal_stack_install(void **cookie_out) {
    return ptk_sys_real.signal_stack_install(cookie_out);
}

static void sim_signal_stack_remove(void *cookie) {
    ptk_sys_real.signal_stack_remove(cookie);
}

static int sim_at_fork_child(void (*handler)(void)) {
    (void) handler;
    return 0;
}

static void sim_thread_yield(void) {
}

static const char *sim_environment(const char *name) {
    return strcmp(name, "PTK_PLATFORM") == 0 ? here()->platform : NULL;
}

static void sim_write_error(const char *text, size_t bytes) {
    ptk_sys_real.write_error(text, bytes);
}

static void sim_abort(void) {
    ptk_sys_real.abort();
}

static bool sim_symbolize(const void *address, ptk_sys_symbol_t *symbol_out) {
    return ptk_sys_real.symbolize(address, symbol_out);
}

const ptk_sys_t ptk_sim_sys = {
    .now_ns = sim_now_ns,
    .random_bytes = sim_random_bytes,
    .heap_reallocate = sim_heap_reallocate,
    .heap_free = sim_heap_free,
    .map_stacks = sim_map_stacks,
    .unmap = sim_unmap,
    .protect_none = sim_protect_none,
    .guard_install = sim_guard_install,
    .resident = sim_resident,
    .is_readable = sim_is_readable,
    .page_bytes = sim_page_bytes,
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
    .signal_action = sim_signal_action,
    .signal_stack_install = sim_signal_stack_install,
    .signal_stack_remove = sim_signal_stack_remove,
    .at_fork_child = sim_at_fork_child,
    .thread_yield = sim_thread_yield,
    .environment = sim_environment,
    .write_error = sim_write_error,
    .abort = sim_abort,
    .symbolize = sim_symbolize,
};
