/* SPDX-License-Identifier: MIT */
/*
 * Pollers, timers and wakes of the real system on Linux.
 *
 * A wait is in nanoseconds where the kernel takes them. Where it does not (epoll before Linux 5.11), it is in
 * whole milliseconds, rounded up: too late by less than one, never early. A wait too long for the kernel's
 * type is cut, so a caller must be ready for an early end; it looks at the clock anyway.
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

/* What epoll_pwait2 takes, whatever width time_t has. */
typedef struct kernel_time {
    int64_t seconds;
    int64_t nanoseconds;
} kernel_time_t;

static int handle_or_error(int fd, int errno_before, ptk_os_handle_t *handle_out) {
    if (fd < 0) {
        return (int) ptk_sys_answer(fd, errno_before);
    }
    *handle_out = fd;
    return 0;
}

int ptk_sys_linux_epoll_create(ptk_os_handle_t *handle_out) {
    int saved_errno = errno;
    return handle_or_error(epoll_create1(EPOLL_CLOEXEC), saved_errno, handle_out);
}

int ptk_sys_linux_epoll_ctl(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                            struct epoll_event *event) {
    int saved_errno = errno;
    return (int) ptk_sys_answer(epoll_ctl((int) epoll, operation, (int) handle, event), saved_errno);
}

static int whole_milliseconds(int64_t timeout_ns) {
    if (timeout_ns < 0) {
        return -1;
    }
    int64_t rounded_up = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return rounded_up < INT_MAX ? (int) rounded_up : INT_MAX;
}

int ptk_sys_linux_epoll_wait_ms(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                                int64_t timeout_ns) {
    int saved_errno = errno;
    int result = epoll_wait((int) epoll, events, capacity, whole_milliseconds(timeout_ns));
    return (int) ptk_sys_answer(result, saved_errno);
}

#ifdef SYS_epoll_pwait2
static int epoll_wait_ns(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                         int64_t timeout_ns) {
    int saved_errno = errno;
    kernel_time_t limit = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    const kernel_time_t *time = timeout_ns < 0 ? NULL : &limit;
    long result = syscall(SYS_epoll_pwait2, (int) epoll, events, capacity, time, NULL, (size_t) 0);
    return (int) ptk_sys_answer(result, saved_errno);
}
#else
static int epoll_wait_ns(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                         int64_t timeout_ns) {
    (void) epoll, (void) events, (void) capacity, (void) timeout_ns;
    return -ENOSYS;
}
#endif

int ptk_sys_linux_epoll_wait(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                             int64_t timeout_ns) {
    static atomic_bool only_milliseconds;
    if (!atomic_load_explicit(&only_milliseconds, memory_order_relaxed)) {
        int result = epoll_wait_ns(epoll, events, capacity, timeout_ns);
        if (result != -ENOSYS) {
            return result;
        }
        atomic_store_explicit(&only_milliseconds, true, memory_order_relaxed);
    }
    return ptk_sys_linux_epoll_wait_ms(epoll, events, capacity, timeout_ns);
}

int ptk_sys_linux_poll(struct pollfd *entries, size_t count, int64_t timeout_ns) {
    int saved_errno = errno;
    struct timespec limit = ptk_sys_timespec(timeout_ns < 0 ? 0 : (uint64_t) timeout_ns);
    return (int) ptk_sys_answer(ppoll(entries, count, timeout_ns < 0 ? NULL : &limit, NULL), saved_errno);
}

int ptk_sys_linux_timer_open(ptk_os_handle_t *handle_out) {
    int saved_errno = errno;
    return handle_or_error(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), saved_errno,
                           handle_out);
}

int ptk_sys_linux_timer_set(ptk_os_handle_t timer, uint64_t deadline_ns) {
    int saved_errno = errno;
    struct itimerspec setting = {.it_value = {0, 0}};
    if (deadline_ns != UINT64_MAX) {
        setting.it_value = ptk_sys_timespec(deadline_ns ? deadline_ns : 1); /* zero would disarm it */
    }
    return (int) ptk_sys_answer(timerfd_settime((int) timer, TFD_TIMER_ABSTIME, &setting, NULL), saved_errno);
}

int ptk_sys_linux_wake_open(ptk_os_handle_t *handle_out) {
    int saved_errno = errno;
    return handle_or_error(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), saved_errno, handle_out);
}

/* A counter that is full, or empty, is as it should be. */
static int unless_would_block(intptr_t result) {
    return result >= 0 || result == -EAGAIN ? 0 : (int) result;
}

int ptk_sys_linux_wake_kick(ptk_os_handle_t wake) {
    int saved_errno = errno;
    const uint64_t one = 1;
    return unless_would_block(ptk_sys_answer(write((int) wake, &one, sizeof one), saved_errno));
}

int ptk_sys_linux_wake_drain(ptk_os_handle_t wake) {
    int saved_errno = errno;
    uint64_t kicks;
    return unless_would_block(ptk_sys_answer(read((int) wake, &kicks, sizeof kicks), saved_errno));
}
