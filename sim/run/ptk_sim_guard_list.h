/* SPDX-License-Identifier: MIT */
/*
 * The functions that no simulated host may call (internal): X(result, name, parameters, arguments) for each.
 * ptk_sim_wrap.txt has the same names as options of the linker.
 */
#pragma once

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define PTK_SIM_GUARDED(X)                                                                                   \
    /* Clocks and sleeps. */                                                                                 \
    X(int, clock_gettime, (clockid_t clock, struct timespec * time_out), (clock, time_out))                  \
    X(int, gettimeofday, (struct timeval * time_out, void *zone), (time_out, zone))                          \
    X(time_t, time, (time_t *time_out), (time_out))                                                          \
    X(unsigned, sleep, (unsigned seconds), (seconds))                                                        \
    X(int, usleep, (useconds_t us), (us))                                                                    \
    X(int, nanosleep, (const struct timespec *wanted, struct timespec *left_out), (wanted, left_out))        \
    X(int, clock_nanosleep,                                                                                  \
      (clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left_out),                \
      (clock, flags, wanted, left_out))                                                                      \
    X(clock_t, clock, (void), ())                                                                            \
    X(int, timespec_get, (struct timespec * time_out, int base), (time_out, base))                           \
    X(int, thrd_sleep, (const struct timespec *wanted, struct timespec *left_out), (wanted, left_out))       \
    /* Random numbers. */                                                                                    \
    X(long, lrand48, (void), ())                                                                             \
    X(ssize_t, getrandom, (void *buffer, size_t bytes, unsigned flags), (buffer, bytes, flags))              \
    X(int, getentropy, (void *buffer, size_t bytes), (buffer, bytes))                                        \
    X(int, rand, (void), ())                                                                                 \
    X(long, random, (void), ())                                                                              \
    /* The network and its pollers. */                                                                       \
    X(int, socket, (int family, int type, int protocol), (family, type, protocol))                           \
    X(int, socketpair, (int family, int type, int protocol, int pair[2]), (family, type, protocol, pair))    \
    X(int, connect, (int descriptor, const struct sockaddr *addr, socklen_t addrlen),                        \
      (descriptor, addr, addrlen))                                                                           \
    X(int, bind, (int descriptor, const struct sockaddr *addr, socklen_t addrlen),                           \
      (descriptor, addr, addrlen))                                                                           \
    X(int, accept, (int descriptor, struct sockaddr *addr, socklen_t *addrlen), (descriptor, addr, addrlen)) \
    X(int, poll, (struct pollfd * entries, nfds_t count, int timeout_ms), (entries, count, timeout_ms))      \
    X(int, epoll_wait, (int epoll, struct epoll_event *events, int capacity, int timeout_ms),                \
      (epoll, events, capacity, timeout_ms))                                                                 \
    X(int, select, (int count, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout),        \
      (count, read, write, except, timeout))                                                                 \
    /* Other threads and processes. */                                                                       \
    X(int, thrd_create, (thrd_t * thread_out, thrd_start_t body, void *arg), (thread_out, body, arg))        \
    X(int, pthread_create,                                                                                   \
      (pthread_t * thread_out, const pthread_attr_t *attributes, void *(*body)(void *), void *arg),          \
      (thread_out, attributes, body, arg))                                                                   \
    X(pid_t, fork, (void), ())                                                                               \
    X(int, system, (const char *command), (command))
