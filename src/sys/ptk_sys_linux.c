/* SPDX-License-Identifier: MIT */
/*
 * The real system on Linux: the table, and the calls that belong to none of the other files.
 *
 * Every call of the table restores errno: ptk_get_os_err() is where ptk's callers find the value, and a call
 * of ptk must not change the errno of the program around it.
 */
#include "sys/ptk_sys_linux.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

/* The vDSO serves this call without entering the kernel. It cannot fail for this clock. */
static uint64_t sys_linux_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
}

/* getrandom(2) may return fewer bytes than requested, if that is more than 256. */
static int sys_linux_random_bytes(void *buffer, size_t bytes) {
    int saved_errno = errno;
    for (size_t done = 0; done < bytes;) {
        ssize_t got = getrandom((char *) buffer + done, bytes - done, 0);
        if (got < 0) {
            return (int) ptk_sys_result(got, saved_errno);
        }
        done += (size_t) got;
    }
    return 0;
}

/* realloc(3) may set errno also on success. */
static void *sys_linux_heap_reallocate(void *memory, size_t bytes) {
    int saved_errno = errno;
    void *fresh = realloc(memory, bytes);
    errno = saved_errno;
    return fresh;
}

static void sys_linux_heap_free(void *memory) {
    free(memory);
}

/* pthread_atfork(3) returns a positive error. A handler cannot be removed again. */
static int sys_linux_at_fork_child(void (*handler)(void)) {
    return -pthread_atfork(NULL, NULL, handler);
}

static pthread_once_t sys_exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t sys_exit_key;
static int sys_exit_error; /* of making the key */
typedef void (*sys_exit_fn)(void *argument);

static sys_exit_fn sys_exit_handler;

static void sys_linux_make_exit_key(void) {
    sys_exit_error = pthread_key_create(&sys_exit_key, __atomic_load_n(&sys_exit_handler, __ATOMIC_RELAXED));
}

/* The functions of pthreads return positive errors and leave errno alone. The first call sets the handler;
 * all threads pass the same. */
static int sys_linux_at_thread_exit(void (*handler)(void *argument), void *argument) {
    __atomic_store_n(&sys_exit_handler, handler, __ATOMIC_RELAXED);
    pthread_once(&sys_exit_once, sys_linux_make_exit_key);
    return sys_exit_error != 0 ? -sys_exit_error : -pthread_setspecific(sys_exit_key, argument);
}

static void sys_linux_thread_yield(void) {
    sched_yield();
}

/* The string belongs to the environment and is not kept. */
static const char *sys_linux_environment(const char *name) {
    return getenv(name);
}

/* NULL in a program that was linked without C++. */
extern void *__cxa_get_globals(void) __attribute__((weak));

/* The weak reference finds the library where it was linked statically, and dlsym(3) where it came later by
 * dlopen(3): the reference stays NULL then. */
void *ptk_sys_cxx_globals(void) {
    void *(*get)(void) = __cxa_get_globals;
    if (!get) {
        *(void **) &get = dlsym(RTLD_DEFAULT, "__cxa_get_globals");
    }
    return get ? get() : NULL;
}

const ptk_sys_t ptk_sys_real = {
    .now_ns = sys_linux_now_ns,
    .random_bytes = sys_linux_random_bytes,
    .heap_reallocate = sys_linux_heap_reallocate,
    .heap_free = sys_linux_heap_free,
    .map_stacks = ptk_sys_linux_map_stacks,
    .unmap = ptk_sys_linux_unmap,
    .protect_none = ptk_sys_linux_protect_none,
    .guard_install = ptk_sys_linux_guard_install,
    .resident = ptk_sys_linux_resident,
    .discard = ptk_sys_linux_discard,
    .mapping_room = ptk_sys_linux_mapping_room,
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
    .signal_is_blocked = ptk_sys_linux_signal_is_blocked,
    .signal_set_blocked = ptk_sys_linux_signal_set_blocked,
    .signal_raise = ptk_sys_linux_signal_raise,
    .signal_stack_install = ptk_sys_linux_signal_stack_install,
    .signal_stack_remove = ptk_sys_linux_signal_stack_remove,
    .in_signal_handler = ptk_sys_linux_in_signal_handler,
    .at_fork_child = sys_linux_at_fork_child,
    .at_thread_exit = sys_linux_at_thread_exit,
    .thread_yield = sys_linux_thread_yield,
    .thread_start = ptk_sys_linux_thread_start,
    .thread_join = ptk_sys_linux_thread_join,
    .thread_self = ptk_sys_linux_thread_self,
    .thread_signal = ptk_sys_linux_thread_signal,
    .thread_wait = ptk_sys_linux_thread_wait,
    .thread_wake = ptk_sys_linux_thread_wake,
    .environment = sys_linux_environment,
    .error_adopt = ptk_sys_linux_error_adopt,
    .error_forget = ptk_sys_linux_error_forget,
    .write_error = ptk_sys_linux_write_error,
    .abort = abort,
    .symbolize = ptk_sys_linux_symbolize,
};
