/* SPDX-License-Identifier: MIT */
/* The real system on Linux: the table, and what needs no file of its own. */
#include "sys/ptk_sys_linux.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
}

static int random_bytes(void *buffer, size_t bytes) {
    int saved_errno = errno;
    for (size_t done = 0; done < bytes;) {
        ssize_t got = getrandom((char *) buffer + done, bytes - done, 0);
        if (got < 0) {
            return (int) ptk_sys_answer(got, saved_errno);
        }
        done += (size_t) got;
    }
    return 0;
}

static void *heap_reallocate(void *memory, size_t bytes) {
    int saved_errno = errno;
    void *fresh = realloc(memory, bytes);
    errno = saved_errno;
    return fresh;
}

static void heap_free(void *memory) {
    free(memory);
}

static int at_fork_child(void (*handler)(void)) {
    return -pthread_atfork(NULL, NULL, handler);
}

static void thread_yield(void) {
    sched_yield();
}

static const char *environment(const char *name) {
    return getenv(name);
}

static void write_error(const char *text, size_t bytes) {
    int saved_errno = errno;
    if (write(STDERR_FILENO, text, bytes) < 0) {
        errno = saved_errno;
    }
}

static bool symbolize(const void *address, ptk_sys_symbol_t *symbol_out) {
    Dl_info info;
    *symbol_out = (ptk_sys_symbol_t) {.module = NULL};
    if (!dladdr(address, &info)) {
        return false;
    }
    symbol_out->module = info.dli_fname;
    symbol_out->name = info.dli_sname;
    symbol_out->offset = (uintptr_t) address - (uintptr_t) (info.dli_sname ? info.dli_saddr : info.dli_fbase);
    return true;
}

const ptk_sys_t ptk_sys_real = {
    .now_ns = now_ns,
    .random_bytes = random_bytes,
    .heap_reallocate = heap_reallocate,
    .heap_free = heap_free,
    .map_stacks = ptk_sys_linux_map_stacks,
    .unmap = ptk_sys_linux_unmap,
    .protect_none = ptk_sys_linux_protect_none,
    .guard_install = ptk_sys_linux_guard_install,
    .discard = ptk_sys_linux_discard,
    .resident = ptk_sys_linux_resident,
    .is_readable = ptk_sys_linux_is_readable,
    .page_bytes = ptk_sys_linux_page_bytes,
    .socket = ptk_sys_linux_socket,
    .bind = ptk_sys_linux_bind,
    .listen = ptk_sys_linux_listen,
    .accept = ptk_sys_linux_accept,
    .connect = ptk_sys_linux_connect,
    .recv = ptk_sys_linux_recv,
    .send = ptk_sys_linux_send,
    .shutdown = ptk_sys_linux_shutdown,
    .close = ptk_sys_linux_close,
    .local_name = ptk_sys_linux_local_name,
    .peer_name = ptk_sys_linux_peer_name,
    .get_option = ptk_sys_linux_get_option,
    .set_option = ptk_sys_linux_set_option,
    .epoll_create = ptk_sys_linux_epoll_create,
    .epoll_ctl = ptk_sys_linux_epoll_ctl,
    .epoll_wait = ptk_sys_linux_epoll_wait,
    .poll = ptk_sys_linux_poll,
    .timer_open = ptk_sys_linux_timer_open,
    .timer_set = ptk_sys_linux_timer_set,
    .wake_open = ptk_sys_linux_wake_open,
    .wake_kick = ptk_sys_linux_wake_kick,
    .wake_drain = ptk_sys_linux_wake_drain,
    .signal_action = ptk_sys_linux_signal_action,
    .signal_stack_install = ptk_sys_linux_signal_stack_install,
    .signal_stack_remove = ptk_sys_linux_signal_stack_remove,
    .in_signal_handler = ptk_sys_linux_in_signal_handler,
    .at_fork_child = at_fork_child,
    .thread_yield = thread_yield,
    .environment = environment,
    .write_error = write_error,
    .abort = abort,
    .symbolize = symbolize,
};
