/* SPDX-License-Identifier: MIT */
/*
 * The guard: a simulated host that uses a real clock, random source, sleep, socket, thread or fork would
 * decide by something that no seed replays.
 *
 * The linker redirects the program's calls of such functions to this file (see ptk_sim_guard.options).
 * Outside a host they call the C library; on a host they end the process with a backtrace. Calls inside the C
 * library are not seen.
 */
#include "base/ptk_log_impl.h"
#include "context/ptk_backtrace.h"
#include "sim/world/ptk_sim_impl.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/select.h>
#include <threads.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define GUARD_FRAMES 32 /* of the backtrace */

/* Ends the process if a host executes. */
static void guard_refuse(const char *name) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    if (!kernel) {
        return;
    }
    const ptk_sim_host_t *host = kernel->owner;
    const void *frames[GUARD_FRAMES];
    ptk_report("%s was called on the simulated host \"%s\", where no seed can replay it", name, host->name);
    ptk_backtrace_report(frames, ptk_backtrace_here(NULL, NULL, frames, GUARD_FRAMES));
    ptk_sys_real.abort();
}

/* Defines the wrapper of one function. */
#define GUARD(result, name, parameters, arguments)                                                           \
    result __real_##name parameters;                                                                         \
    result __wrap_##name parameters;                                                                         \
    result __wrap_##name parameters {                                                                        \
        guard_refuse(#name);                                                                                 \
        return __real_##name arguments;                                                                      \
    }

/* Clocks and sleeps. */
GUARD(int, clock_gettime, (clockid_t clock, struct timespec *time_out), (clock, time_out))
GUARD(int, gettimeofday, (struct timeval * time_out, void *zone), (time_out, zone))
GUARD(time_t, time, (time_t *time_out), (time_out))
GUARD(unsigned, sleep, (unsigned seconds), (seconds))
GUARD(int, usleep, (useconds_t us), (us))
GUARD(int, nanosleep, (const struct timespec *wanted, struct timespec *left_out), (wanted, left_out))
GUARD(int, clock_nanosleep,
      (clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left_out),
      (clock, flags, wanted, left_out))

GUARD(clock_t, clock, (void), ())
GUARD(int, timespec_get, (struct timespec * time_out, int base), (time_out, base))
GUARD(int, thrd_sleep, (const struct timespec *wanted, struct timespec *left_out), (wanted, left_out))

/* Random numbers. */
GUARD(long, lrand48, (void), ())
GUARD(ssize_t, getrandom, (void *buffer, size_t bytes, unsigned flags), (buffer, bytes, flags))
GUARD(int, getentropy, (void *buffer, size_t bytes), (buffer, bytes))
GUARD(int, rand, (void), ())
GUARD(long, random, (void), ())

/* The network and its pollers. */
GUARD(int, socket, (int family, int type, int protocol), (family, type, protocol))
GUARD(int, socketpair, (int family, int type, int protocol, int pair[2]), (family, type, protocol, pair))
GUARD(int, connect, (int descriptor, const struct sockaddr *addr, socklen_t addrlen),
      (descriptor, addr, addrlen))
GUARD(int, bind, (int descriptor, const struct sockaddr *addr, socklen_t addrlen),
      (descriptor, addr, addrlen))
GUARD(int, accept, (int descriptor, struct sockaddr *addr, socklen_t *addrlen), (descriptor, addr, addrlen))
GUARD(int, poll, (struct pollfd * entries, nfds_t count, int timeout_ms), (entries, count, timeout_ms))
GUARD(int, epoll_wait, (int epoll, struct epoll_event *events, int capacity, int timeout_ms),
      (epoll, events, capacity, timeout_ms))

GUARD(int, select, (int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout),
      (count, read, write, except, timeout))

/* Other threads and processes. */
GUARD(int, thrd_create, (thrd_t * thread_out, thrd_start_t body, void *arg), (thread_out, body, arg))
GUARD(int, pthread_create,
      (pthread_t * thread_out, const pthread_attr_t *attributes, void *(*body)(void *), void *arg),
      (thread_out, attributes, body, arg))
GUARD(pid_t, fork, (void), ())
GUARD(int, system, (const char *command), (command))
