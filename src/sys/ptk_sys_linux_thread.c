/* SPDX-License-Identifier: MIT */
/*
 * Other threads of the process on Linux.
 *
 * A wait is a futex: no descriptor, no lock, and a wake may come from a signal handler.
 */
#include "sys/ptk_sys_linux.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of <linux/futex.h>, which musl-gcc does not find. */
#define SYS_THREAD_FUTEX_WAIT (0 | 128)
#define SYS_THREAD_FUTEX_WAKE (1 | 128)

#define SYS_THREAD_STACK_BYTES ((size_t) 256 * 1024)

_Static_assert(sizeof(atomic_uint) == 4, "a futex has 32 bits");

/* What a thread runs. Owned by the thread. */
typedef struct sys_thread_start {
    void (*body)(void *argument);
    void *argument;
} sys_thread_start_t;

static void *sys_thread_run(void *memory) {
    sys_thread_start_t start = *(sys_thread_start_t *) memory;
    free(memory);
    start.body(start.argument);
    return NULL;
}

/* Fills in all signals but those of faults, which end the process without a handler where they are blocked.
 */
static void sys_thread_signals(sigset_t *set) {
    sigfillset(set);
    sigdelset(set, SIGSEGV);
    sigdelset(set, SIGBUS);
    sigdelset(set, SIGFPE);
    sigdelset(set, SIGILL);
}

/* The stack is small, because it counts in a process that has locked its memory; a size that the system
 * refuses leaves the default. Returns a positive errno value. */
static int sys_thread_create(pthread_t *thread, sys_thread_start_t *start) {
    pthread_attr_t attributes;
    int result = pthread_attr_init(&attributes);
    if (result != 0) {
        return result;
    }
    (void) pthread_attr_setstacksize(&attributes, SYS_THREAD_STACK_BYTES);
    result = pthread_create(thread, &attributes, sys_thread_run, start);
    pthread_attr_destroy(&attributes);
    return result;
}

/* The new thread inherits the mask of the creating one. */
int ptk_sys_linux_thread_start(void (*body)(void *argument), void *argument, uintptr_t *thread_out) {
    int saved_errno = errno;
    sigset_t blocked, before;
    pthread_t thread;
    sys_thread_start_t *start = malloc(sizeof *start);
    if (!start) {
        errno = saved_errno;
        return -ENOMEM;
    }
    *start = (sys_thread_start_t) {body, argument};
    sys_thread_signals(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int result = sys_thread_create(&thread, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        free(start);
    } else {
        *thread_out = (uintptr_t) thread;
    }
    errno = saved_errno;
    return -result;
}

void ptk_sys_linux_thread_join(uintptr_t thread) {
    pthread_join((pthread_t) thread, NULL);
}

uintptr_t ptk_sys_linux_thread_self(void) {
    return (uintptr_t) pthread_self();
}

void ptk_sys_linux_thread_signal(uintptr_t thread, int signal_number) {
    pthread_kill((pthread_t) thread, signal_number);
}

#if defined(SYS_futex_time64) && !defined(SYS_futex)
#define SYS_futex SYS_futex_time64 /* 32-bit systems that were made with 64-bit time */
#endif

/* The layout of the kernel's timeout: `long` twice for SYS_futex of 32-bit systems as of 64-bit ones. */
typedef struct sys_futex_time {
    long seconds;
    long nanoseconds;
} sys_futex_time_t;

void ptk_sys_linux_thread_wait(atomic_uint *word, unsigned value, int64_t timeout_ns) {
    int saved_errno = errno;
    struct timespec limit = ptk_sys_timespec(timeout_ns < 0 ? 0 : (uint64_t) timeout_ns);
    sys_futex_time_t time = {(long) limit.tv_sec, limit.tv_nsec};
    (void) syscall(SYS_futex, word, SYS_THREAD_FUTEX_WAIT, value, timeout_ns < 0 ? NULL : &time, NULL, 0);
    errno = saved_errno;
}

void ptk_sys_linux_thread_wake(atomic_uint *word) {
    int saved_errno = errno;
    (void) syscall(SYS_futex, word, SYS_THREAD_FUTEX_WAKE, 1, NULL, NULL, 0);
    errno = saved_errno;
}
