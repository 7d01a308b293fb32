/* SPDX-License-Identifier: MIT */
/*
 * Standard error of the real system on Linux, for the log and for reports.
 *
 * Descriptor 2 is the program's, and may be anything: closed, a pipe whose reader is gone or asleep, or,
 * after a close, a connection. So three things hold for every write:
 *   - it goes only to the file that descriptor 2 was when it was adopted, recognised by device and inode;
 *     before the first adoption any file is taken, after the adoption of a closed descriptor none;
 *   - it does not wait. The file status flags belong to the open file description, which other processes
 *     share, so they are not changed: poll(2) is called first, and the write is then made without waiting,
 *     as far as the kind of file has such a call; a terminal has none, and is opened again for the write;
 *   - it raises no signal. The signals that a write can raise are blocked around it, and one that the write
 *     made pending is taken back. SIGTTOU is blocked too: it stops a process in the background.
 *
 * All functions here are async-signal-safe.
 */
#include "sys/ptk_sys_linux.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

typedef enum sys_error_file { SYS_ERROR_ANY, SYS_ERROR_ADOPTED, SYS_ERROR_CLOSED } sys_error_file_t;

/* The adopted file. An adoption is made while no other thread has a loop, so the three belong together. */
static _Atomic sys_error_file_t sys_error_file;
static atomic_uintptr_t sys_error_device;
static atomic_uintptr_t sys_error_inode;

void ptk_sys_linux_error_adopt(void) {
    int saved_errno = errno;
    struct stat status;
    if (fstat(STDERR_FILENO, &status) == 0) {
        atomic_store(&sys_error_device, (uintptr_t) status.st_dev);
        atomic_store(&sys_error_inode, (uintptr_t) status.st_ino);
        atomic_store(&sys_error_file, SYS_ERROR_ADOPTED);
    } else {
        atomic_store(&sys_error_file, SYS_ERROR_CLOSED);
    }
    errno = saved_errno;
}

void ptk_sys_linux_error_forget(void) {
    atomic_store(&sys_error_file, SYS_ERROR_ANY);
}

/* Returns whether lines may be written to the file that descriptor 2 is now. */
static bool sys_error_is_ours(const struct stat *status) {
    switch (atomic_load(&sys_error_file)) {
    case SYS_ERROR_ANY:
        return true;
    case SYS_ERROR_ADOPTED:
        return atomic_load(&sys_error_device) == (uintptr_t) status->st_dev &&
               atomic_load(&sys_error_inode) == (uintptr_t) status->st_ino;
    case SYS_ERROR_CLOSED:
        break;
    }
    return false;
}

/* A failure counts as room: a filter may deny the call. */
static bool sys_error_has_room(void) {
    struct pollfd entry = {.fd = STDERR_FILENO, .events = POLLOUT};
    return ptk_sys_linux_poll(&entry, 1, 0) != 0;
}

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008 /* as in linux/fs.h; musl 1.2.3 has neither it nor pwritev2(2) */
#endif

/* RWF_NOWAIT is for the case that another process takes the room between the two calls. Kernels and files
 * without it fail with one of several errors; a plain write then has to do. */
static ssize_t sys_error_write_pipe(const char *text, size_t bytes) {
    struct iovec part = {(void *) (uintptr_t) text, bytes};
    ssize_t written = syscall(SYS_pwritev2, (long) STDERR_FILENO, &part, 1L, -1L, -1L, (long) RWF_NOWAIT);
    if (written < 0 && errno != EAGAIN && errno != EPIPE) {
        written = write(STDERR_FILENO, text, bytes);
    }
    return written;
}

/* A terminal that has room for one byte counts as writable, and a longer write would wait for the rest. The
 * second description has its own flags. Where it cannot be opened, a plain write has to do. */
static ssize_t sys_error_write_terminal(const char *text, size_t bytes) {
    int fd = ptk_sys_above_standard(open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY |
                                                                O_CLOEXEC)); /* NOLINT: no mode is needed */
    if (fd < 0) {
        return write(STDERR_FILENO, text, bytes);
    }
    ssize_t written = write(fd, text, bytes);
    int write_errno = errno;
    close(fd);
    errno = write_errno;
    return written;
}

/* A regular file never waits for a reader. */
static ssize_t sys_error_write_by_kind(mode_t mode, const char *text, size_t bytes) {
    if (S_ISREG(mode)) {
        return write(STDERR_FILENO, text, bytes);
    }
    if (S_ISSOCK(mode)) {
        return send(STDERR_FILENO, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (!sys_error_has_room()) {
        return 0;
    }
    if (S_ISCHR(mode) && isatty(STDERR_FILENO)) {
        return sys_error_write_terminal(text, bytes);
    }
    return sys_error_write_pipe(text, bytes);
}

/* Writes with SIGPIPE (a pipe without a reader), SIGXFSZ (a file at its limit) and SIGTTOU blocked. The first
 * two are directed at the thread, so one that was not pending before is this write's. */
static ssize_t sys_error_write_quietly(mode_t mode, const char *text, size_t bytes) {
    sigset_t quiet, before, pending;
    sigemptyset(&quiet);
    sigaddset(&quiet, SIGPIPE);
    sigaddset(&quiet, SIGXFSZ);
    sigaddset(&quiet, SIGTTOU);
    if (sigpending(&pending) != 0 || pthread_sigmask(SIG_BLOCK, &quiet, &before) != 0) {
        return -1;
    }
    ssize_t written = sys_error_write_by_kind(mode, text, bytes);
    int raised = written >= 0 ? 0 : errno == EPIPE ? SIGPIPE : errno == EFBIG ? SIGXFSZ : 0;
    if (raised != 0 && sigismember(&pending, raised) == 0) {
        const struct timespec no_time = {0, 0};
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, raised);
        while (sigtimedwait(&one, NULL, &no_time) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return written;
}

bool ptk_sys_linux_write_error(const char *text, size_t bytes) {
    int saved_errno = errno;
    struct stat status;
    bool whole = fstat(STDERR_FILENO, &status) == 0 && sys_error_is_ours(&status) &&
                 sys_error_write_quietly(status.st_mode, text, bytes) == (ssize_t) bytes;
    errno = saved_errno;
    return whole;
}
