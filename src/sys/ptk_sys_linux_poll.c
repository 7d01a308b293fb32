/* SPDX-License-Identifier: MIT */
/*
 * Pollers, timers and wakes of the real system on Linux.
 *
 * A wait is in nanoseconds where the kernel takes them. Where it does not (epoll before Linux 5.11), it is in
 * whole milliseconds, rounded up: late by less than one, never early. A wait that is too long for the
 * kernel's type is cut; the caller reads the clock after every wait and waits again.
 *
 * A wake is an eventfd: its counter is added to by a kick and set to 0 by a drain. Where eventfd is denied,
 * it is a pipe.
 *
 * A sandbox may deny any of these calls with ENOSYS, EPERM or EACCES. A new epoll descriptor is therefore
 * tried at once with the calls that it needs later, so that a loop is created on another platform instead of
 * failing in its first wait. The calls that were denied are kept in `sys_denied` until they are logged; the
 * log is above this layer.
 */
#include "sys/ptk_sys_linux.h"

#include <fcntl.h>
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

/* What ptk can do without. A plain ENOSYS of epoll_pwait2 is an older kernel and not recorded. */
enum {
    SYS_DENIED_EPOLL_CREATE,
    SYS_DENIED_EPOLL_CTL,
    SYS_DENIED_EPOLL_WAIT,
    SYS_DENIED_EPOLL_PWAIT2,
    SYS_DENIED_PPOLL,
    SYS_DENIED_EVENTFD,
    SYS_DENIED_PIPE,
    SYS_DENIED_COUNT
};

static const char *const sys_denied_text[SYS_DENIED_COUNT] = {
    [SYS_DENIED_EPOLL_CREATE] = "epoll_create1: loops cannot use epoll",
    [SYS_DENIED_EPOLL_CTL] = "epoll_ctl: loops cannot use epoll",
    [SYS_DENIED_EPOLL_WAIT] = "epoll_wait: loops cannot use epoll",
    [SYS_DENIED_EPOLL_PWAIT2] = "epoll_pwait2: epoll_wait is used, and waits are in whole milliseconds",
    [SYS_DENIED_PPOLL] = "ppoll: poll is used, and waits are in whole milliseconds",
    [SYS_DENIED_EVENTFD] = "eventfd2: loops are woken through a pipe",
    [SYS_DENIED_PIPE] = "pipe2 and pipe: loops cannot be woken from outside, and are not created",
};

#define SYS_DENIED_TAKEN (-1)

/* By call: 0: not denied; above 0: the errno value; SYS_DENIED_TAKEN: it was logged. */
static atomic_int sys_denied[SYS_DENIED_COUNT];

/* Records that a call is denied, once. */
static void sys_record_denied(int call, int result) {
    int never = 0;
    atomic_compare_exchange_strong(&sys_denied[call], &never, -result);
}

const char *ptk_sys_take_denied(int *os_err_out) {
    for (int i = 0; i < SYS_DENIED_COUNT; i++) {
        int os_err = atomic_load(&sys_denied[i]);
        if (os_err > 0 && atomic_compare_exchange_strong(&sys_denied[i], &os_err, SYS_DENIED_TAKEN)) {
            *os_err_out = os_err;
            return sys_denied_text[i];
        }
    }
    return NULL;
}

/* Returns `result`, which is recorded if it means that the call is denied. */
static int sys_result_of(int call, int result) {
    if (ptk_sys_is_denied(result)) {
        sys_record_denied(call, result);
    }
    return result;
}

/* Returns 0, or the negative errno value of a call that a filter denies. A deletion of the descriptor from
 * itself is invalid and changes nothing. EPERM of epoll_ctl also means a file that cannot be polled, so this
 * is the only place where it can be taken for a filter. */
static int sys_try_epoll(int epoll) {
    struct epoll_event event = {0};
    int result = ptk_sys_linux_epoll_ctl(epoll, EPOLL_CTL_DEL, epoll, &event);
    if (ptk_sys_is_denied(result)) {
        return sys_result_of(SYS_DENIED_EPOLL_CTL, result);
    }
    result = ptk_sys_linux_epoll_wait(epoll, &event, 1, 0);
    return ptk_sys_is_denied(result) ? sys_result_of(SYS_DENIED_EPOLL_WAIT, result) : 0;
}

int ptk_sys_linux_epoll_create(ptk_os_handle_t *handle_out) {
    int saved_errno = errno;
    int epoll = ptk_sys_above_standard(epoll_create1(EPOLL_CLOEXEC));
    if (epoll < 0) {
        return sys_result_of(SYS_DENIED_EPOLL_CREATE, (int) ptk_sys_result(epoll, saved_errno));
    }
    int result = sys_try_epoll(epoll);
    if (result != 0) {
        close(epoll);
        return result;
    }
    *handle_out = epoll;
    return 0;
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

/* The first refusal decides for the process. Threads that meet it at the same time decide the same, so the
 * flag orders nothing. */
int ptk_sys_linux_epoll_wait(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                             int64_t timeout_ns) {
    static atomic_bool only_milliseconds;
    if (!atomic_load_explicit(&only_milliseconds, memory_order_relaxed)) {
        int result = sys_epoll_wait_ns(epoll, events, capacity, timeout_ns);
        if (!ptk_sys_is_denied(result)) {
            return result;
        }
        if (result != -ENOSYS) {
            sys_record_denied(SYS_DENIED_EPOLL_PWAIT2, result);
        }
        atomic_store_explicit(&only_milliseconds, true, memory_order_relaxed);
    }
    return ptk_sys_linux_epoll_wait_ms(epoll, events, capacity, timeout_ns);
}

/* ppoll(2) has a timeout in nanoseconds on every kernel that ptk supports; poll(2) is for sandboxes that deny
 * it. ppoll may write to `limit`, which is a copy. */
int ptk_sys_linux_poll(struct pollfd *entries, size_t count, int64_t timeout_ns) {
    int saved_errno = errno;
    struct timespec limit = ptk_sys_timespec(timeout_ns < 0 ? 0 : (uint64_t) timeout_ns);
    int polled = ppoll(entries, count, timeout_ns < 0 ? NULL : &limit, NULL);
    int result = sys_result_of(SYS_DENIED_PPOLL, (int) ptk_sys_result(polled, saved_errno));
    if (!ptk_sys_is_denied(result)) {
        return result;
    }
    polled = poll(entries, count, sys_whole_milliseconds(timeout_ns));
    return (int) ptk_sys_result(polled, saved_errno);
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

/* Calls pipe(2) where the kernel has one beside pipe2. libc may implement its pipe() by pipe2. */
static long sys_plain_pipe(int ends[2]) {
#ifdef SYS_pipe
    return syscall(SYS_pipe, ends);
#else
    return pipe(ends);
#endif
}

/* Moves both ends above the standard descriptors; closes both if one has no other number. */
static int sys_raise_pipe(int ends[2], int errno_before) {
    ends[0] = ptk_sys_above_standard(ends[0]);
    ends[1] = ptk_sys_above_standard(ends[1]);
    if (ends[0] >= 0 && ends[1] >= 0) {
        return 0;
    }
    int result = (int) ptk_sys_result(-1, errno_before);
    close(ends[0] >= 0 ? ends[0] : ends[1]);
    errno = errno_before;
    return result;
}

/* The plain call is for sandboxes that deny pipe2. */
int ptk_sys_linux_pipe(int ends[2]) {
    int saved_errno = errno;
    int result = (int) ptk_sys_result(pipe2(ends, O_CLOEXEC | O_NONBLOCK), saved_errno);
    if (result == 0) {
        return sys_raise_pipe(ends, saved_errno);
    }
    if (!ptk_sys_is_denied(result)) {
        return result;
    }
    result = (int) ptk_sys_result(sys_plain_pipe(ends), saved_errno);
    for (int i = 0; i < 2 && result == 0; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, fcntl(ends[i], F_GETFL) | O_NONBLOCK);
    }
    return result == 0 ? sys_raise_pipe(ends, saved_errno) : result;
}

static int sys_wake_open_pipe(ptk_os_handle_t *handle_out, ptk_os_handle_t *kick_out) {
    int ends[2];
    int result = sys_result_of(SYS_DENIED_PIPE, ptk_sys_linux_pipe(ends));
    if (result == 0) {
        *handle_out = ends[0];
        *kick_out = ends[1];
    }
    return result;
}

int ptk_sys_linux_wake_open(ptk_os_handle_t *handle_out, ptk_os_handle_t *kick_out) {
    int saved_errno = errno;
    int wake = ptk_sys_above_standard(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    int result = sys_result_of(SYS_DENIED_EVENTFD, (int) ptk_sys_result(wake, saved_errno));
    if (ptk_sys_is_denied(result)) {
        return sys_wake_open_pipe(handle_out, kick_out);
    }
    if (result < 0) {
        return result;
    }
    *handle_out = wake;
    *kick_out = wake;
    return 0;
}

/* EAGAIN is success: a kick of a full counter or pipe leaves it readable, and a drain of an empty one leaves
 * it empty. */
static int sys_unless_would_block(intptr_t result) {
    return result >= 0 || result == -EAGAIN ? 0 : (int) result;
}

/* Called from signal handlers: write(2) is async-signal-safe, and errno is restored. */
int ptk_sys_linux_wake_kick(ptk_os_handle_t kick) {
    int saved_errno = errno;
    const uint64_t one = 1;
    return sys_unless_would_block(ptk_sys_result(write((int) kick, &one, sizeof one), saved_errno));
}

/* A pipe has the bytes of several kicks at most where a loop was kicked while it was awake; what the buffer
 * does not take is drained by the next tick. */
int ptk_sys_linux_wake_drain(ptk_os_handle_t wake) {
    int saved_errno = errno;
    uint64_t kicks[64];
    return sys_unless_would_block(ptk_sys_result(read((int) wake, kicks, sizeof kicks), saved_errno));
}
