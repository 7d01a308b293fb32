/* SPDX-License-Identifier: MIT */
/*
 * Pollers, timers and wakes of the real system on Linux.
 *
 * A wait is in nanoseconds where the kernel takes them. Where it does not (epoll before Linux 5.11), it is in
 * whole milliseconds, rounded up: late by less than one, never early. A wait that is too long for the
 * kernel's type is cut; the caller reads the clock after every wait and waits again.
 *
 * A wake is an eventfd: its counter is added to by a kick and set to 0 by a drain.
 */
#include "sys/ptk_sys_linux.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* The timespec of epoll_pwait2(2): 64 bits wide whatever the width of time_t. */
typedef struct sys_kernel_time {
    int64_t seconds;
    int64_t nanoseconds;
} sys_kernel_time_t;

int ptk_sys_linux_epoll_create(ptk_os_handle_t *handle_out) {
    int saved_errno = errno;
    return ptk_sys_handle_or_error(epoll_create1(EPOLL_CLOEXEC), saved_errno, handle_out);
}

/* DEL of a descriptor that was closed fails with EBADF, and that of a reopened number with ENOENT; callers
 * ignore both. */
int ptk_sys_linux_epoll_ctl(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                            struct epoll_event *event) {
    int saved_errno = errno;
    return (int) ptk_sys_result(epoll_ctl((int) epoll, operation, (int) handle, event), saved_errno);
}

/* Returns a timeout in milliseconds, rounded up; -1: no limit. */
static int sys_whole_milliseconds(int64_t timeout_ns) {
    if (timeout_ns < 0) {
        return -1;
    }
    int64_t rounded_up = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return rounded_up < INT_MAX ? (int) rounded_up : INT_MAX;
}

int ptk_sys_linux_epoll_wait_ms(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                                int64_t timeout_ns) {
    int saved_errno = errno;
    int result = epoll_wait((int) epoll, events, capacity, sys_whole_milliseconds(timeout_ns));
    return (int) ptk_sys_result(result, saved_errno);
}

#ifdef SYS_epoll_pwait2
static int sys_epoll_wait_ns(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                             int64_t timeout_ns) {
    int saved_errno = errno;
    sys_kernel_time_t limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    const sys_kernel_time_t *time = timeout_ns < 0 ? NULL : &limit;
    long result = syscall(SYS_epoll_pwait2, (int) epoll, events, capacity, time, NULL, (size_t) 0);
    return (int) ptk_sys_result(result, saved_errno);
}
#else
static int sys_epoll_wait_ns(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                             int64_t timeout_ns) {
    (void) epoll, (void) events, (void) capacity, (void) timeout_ns;
    return -ENOSYS;
}
#endif

/* The first ENOSYS decides for the process. Threads that meet it at the same time decide the same, so the
 * flag orders nothing. */
int ptk_sys_linux_epoll_wait(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                             int64_t timeout_ns) {
    static atomic_bool only_milliseconds;
    if (!atomic_load_explicit(&only_milliseconds, memory_order_relaxed)) {
        int result = sys_epoll_wait_ns(epoll, events, capacity, timeout_ns);
        if (result != -ENOSYS) {
            return result;
        }
        atomic_store_explicit(&only_milliseconds, true, memory_order_relaxed);
    }
    return ptk_sys_linux_epoll_wait_ms(epoll, events, capacity, timeout_ns);
}

/* ppoll(2) has a timeout in nanoseconds on every kernel that ptk supports. It may write to `limit`, which is
 * a copy. */
int ptk_sys_linux_poll(struct pollfd *entries, size_t count, int64_t timeout_ns) {
    int saved_errno = errno;
    struct timespec limit = ptk_sys_timespec(timeout_ns < 0 ? 0 : (uint64_t) timeout_ns);
    return (int) ptk_sys_result(ppoll(entries, count, timeout_ns < 0 ? NULL : &limit, NULL), saved_errno);
}

/* CLOCK_MONOTONIC is the clock of now_ns, so absolute deadlines need no conversion. */
int ptk_sys_linux_timer_open(ptk_os_handle_t *handle_out) {
    int saved_errno = errno;
    return ptk_sys_handle_or_error(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), saved_errno,
                                   handle_out);
}

/* Setting a timer also resets its readability. */
int ptk_sys_linux_timer_set(ptk_os_handle_t timer, uint64_t deadline_ns) {
    int saved_errno = errno;
    struct itimerspec setting = {.it_value = {0, 0}};
    if (deadline_ns != UINT64_MAX) {
        setting.it_value = ptk_sys_timespec(deadline_ns ? deadline_ns : 1); /* 0 would disarm it */
    }
    return (int) ptk_sys_result(timerfd_settime((int) timer, TFD_TIMER_ABSTIME, &setting, NULL), saved_errno);
}

int ptk_sys_linux_wake_open(ptk_os_handle_t *handle_out) {
    int saved_errno = errno;
    return ptk_sys_handle_or_error(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), saved_errno, handle_out);
}

/* EAGAIN is success: a kick of a full counter leaves it readable, and a drain of an empty one leaves it
 * empty. */
static int sys_unless_would_block(intptr_t result) {
    return result >= 0 || result == -EAGAIN ? 0 : (int) result;
}

/* Called from signal handlers: write(2) is async-signal-safe, and errno is restored. */
int ptk_sys_linux_wake_kick(ptk_os_handle_t wake) {
    int saved_errno = errno;
    const uint64_t one = 1;
    return sys_unless_would_block(ptk_sys_result(write((int) wake, &one, sizeof one), saved_errno));
}

int ptk_sys_linux_wake_drain(ptk_os_handle_t wake) {
    int saved_errno = errno;
    uint64_t kicks;
    return sys_unless_would_block(ptk_sys_result(read((int) wake, &kicks, sizeof kicks), saved_errno));
}
