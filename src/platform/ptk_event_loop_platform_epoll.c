/* SPDX-License-Identifier: MIT */
/*
 * Linux epoll (layer 2): the platform contract over epoll(7).
 *
 * ptk's own sockets are added once, edge-triggered in both directions, at the first operation that pends: an
 * ADD reports what is ready at that time, so nothing that arrived earlier is missed. Foreign handles are
 * level-triggered and one-shot: a MOD (an ADD where the owner closed and reopened the number) before each
 * park, nothing afterwards. `armed` of a registration is 1 once the kernel has it, for both kinds.
 *
 * The token of an event is index and generation of a registration, never a descriptor: epoll watches open
 * file descriptions, which can outlive the descriptor that was added. The token of the inbox's wake is all
 * ones, that of the alarm one less; no registration has either.
 *
 * The alarm is a timerfd that exists once the epoll descriptor was lent out. Most timeouts never expire, and
 * each would cost two system calls if the alarm followed the first deadline. So it is set only to an earlier
 * deadline than the one that it has, and may go off for one that is no more: the embedder then polls once for
 * nothing, and the first deadline that is left is set. It is watched edge-triggered, so that it need not be
 * reset when it has gone off.
 */
#include "platform/ptk_event_loop_platform_epoll.h"

#include "base/ptk_thread.h"
#include "platform/ptk_posix_sock.h"
#include "platform/ptk_readiness.h"
#include <errno.h>
#include <sys/epoll.h>

#define EPOLL_TOKEN_WAKE  UINT64_MAX
#define EPOLL_TOKEN_ALARM (UINT64_MAX - 1)
#define EPOLL_BATCH       256 /* events per system call */

typedef struct epoll_loop {
    ptk_readiness_t readiness;
    ptk_os_handle_t epoll;
    ptk_os_handle_t alarm; /* PTK_OS_HANDLE_NONE until the loop is exposed */
    uint64_t alarm_ns;     /* what it is set to; UINT64_MAX: nothing, or it has gone off */
    struct epoll_event batch[EPOLL_BATCH];
} epoll_loop_t;

static epoll_loop_t *epoll_loop_of(ptk_event_loop_platform_t *loop) {
    return ptk_container_of(loop, epoll_loop_t, readiness.loop);
}

/* Returns the epoll events for an interest. EPOLLHUP and EPOLLERR are always reported and need no bit. */
static uint32_t epoll_interest_bits(uint32_t interest) {
    return (interest & PTK_READY_READ ? (uint32_t) EPOLLIN : 0) |
           (interest & PTK_READY_WRITE ? (uint32_t) EPOLLOUT : 0) |
           (interest & PTK_READY_HANGUP ? (uint32_t) EPOLLRDHUP : 0) |
           (interest & PTK_READY_PRIORITY ? (uint32_t) EPOLLPRI : 0);
}

/* A hang-up or an error makes everything ready: the system call returns the reason. */
static uint32_t epoll_ready_bits(uint32_t events) {
    const uint32_t broken = EPOLLHUP | EPOLLERR;
    return (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI) ? PTK_READY_READ : 0) |
           (events & EPOLLOUT ? PTK_READY_WRITE : 0) | (events & EPOLLRDHUP ? PTK_READY_HANGUP : 0) |
           (events & EPOLLPRI ? PTK_READY_PRIORITY : 0) |
           (events & broken ? PTK_READY_ANY | PTK_READY_ERROR : 0) |
           (events & (EPOLLRDHUP | EPOLLPRI | broken) ? PTK_READY_EXCEPTIONAL : 0);
}

/* Returns the token of a registration. The assertion holds because generation and index never both reach
 * their maximum. */
static uint64_t epoll_token(const ptk_registration_t *registration, uint32_t index) {
    uint64_t token = (uint64_t) registration->generation << 32 | index;
    ptk_assert(token < EPOLL_TOKEN_ALARM);
    return token;
}

/* Registers a foreign handle for one report. Its owner may have closed the number, reopened it, or both, so
 * the kernel may have no registration where `armed` is set, and the other way round. */
static int epoll_arm_foreign(epoll_loop_t *self, ptk_registration_t *registration, uint32_t index,
                             uint32_t interest) {
    const ptk_sys_t *sys = ptk_sys();
    struct epoll_event event = {.events = epoll_interest_bits(interest) | EPOLLONESHOT};
    event.data.u64 = epoll_token(registration, index);
    int result = sys->epoll_ctl(self->epoll, registration->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                                registration->handle, &event);
    if (result == -ENOENT) {
        result = sys->epoll_ctl(self->epoll, EPOLL_CTL_ADD, registration->handle, &event);
    } else if (result == -EEXIST) {
        result = sys->epoll_ctl(self->epoll, EPOLL_CTL_MOD, registration->handle, &event);
    }
    registration->armed = registration->armed || result == 0;
    return result;
}

/* Adds an owned handle, once, for both directions: later edges arrive without a system call. EPOLLPRI reports
 * urgent bytes, EPOLLRDHUP the peer's end of the stream; after either of them a short receive no longer means
 * an empty queue. */
static int epoll_arm_owned(epoll_loop_t *self, ptk_registration_t *registration, uint32_t index) {
    ptk_assert(registration->handle != PTK_OS_HANDLE_NONE && !registration->superseded);
    ptk_assert(registration->owned && registration->source_count == 1);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET};
    event.data.u64 = epoll_token(registration, index);
    int result = ptk_sys()->epoll_ctl(self->epoll, EPOLL_CTL_ADD, registration->handle, &event);
    registration->armed = result == 0;
    return result;
}

/* Interest 0 needs no call: an edge without a waiter only sets a bit, and a one-shot report without a waiter
 * is dropped. Neither does an owned registration that the kernel has. */
static int epoll_set_interest(ptk_readiness_t *readiness, uint32_t index, uint32_t interest) {
    epoll_loop_t *self = ptk_container_of(readiness, epoll_loop_t, readiness);
    ptk_registration_t *registration = &readiness->registrations[index];
    if (interest == 0) {
        return 0;
    }
    if (!registration->owned) {
        return epoll_arm_foreign(self, registration, index, interest);
    }
    return registration->armed ? 0 : epoll_arm_owned(self, registration, index);
}

/* The result of DEL is ignored: the owner of a foreign handle may have closed it, which removed the
 * registration. */
static void epoll_remove(ptk_readiness_t *readiness, uint32_t index) {
    epoll_loop_t *self = ptk_container_of(readiness, epoll_loop_t, readiness);
    const ptk_registration_t *registration = &readiness->registrations[index];
    struct epoll_event unused = {0};
    ptk_assert(registration->source_count == 0);
    if (registration->armed) {
        (void) ptk_sys()->epoll_ctl(self->epoll, EPOLL_CTL_DEL, registration->handle, &unused);
    }
}

/* Delivers an event of a registration, unless the registration was freed since the kernel queued the event.
 */
static void epoll_deliver_source(epoll_loop_t *self, const struct epoll_event *event, ptk_list_t *finished) {
    ptk_readiness_t *readiness = &self->readiness;
    uint32_t index = (uint32_t) event->data.u64;
    uint32_t generation = (uint32_t) (event->data.u64 >> 32);
    if (index >= readiness->count || readiness->registrations[index].generation != generation) {
        return;
    }
    ptk_readiness_deliver(readiness, index, epoll_ready_bits(event->events), finished);
}

/* Handles one event. The wake is level-triggered and must be reset here, or the next wait returns at once. */
static void epoll_deliver(epoll_loop_t *self, const struct epoll_event *event, ptk_list_t *finished) {
    if (event->data.u64 == EPOLL_TOKEN_WAKE) {
        (void) ptk_sys()->wake_drain(self->readiness.loop.inbox->wake);
    } else if (event->data.u64 == EPOLL_TOKEN_ALARM) {
        ptk_assert(self->alarm != PTK_OS_HANDLE_NONE);
        self->alarm_ns = UINT64_MAX;
    } else {
        epoll_deliver_source(self, event, finished);
    }
}

/* Takes one batch. Events beyond it remain queued in the kernel for the next tick, so that events cannot
 * starve green threads. A full batch may have left some. EINTR counts as an early return: the kernel
 * interrupts a wait only while there is no event. */
static int epoll_poll(ptk_event_loop_platform_t *loop, uint64_t now_ns, uint64_t deadline_ns,
                      ptk_list_t *finished) {
    epoll_loop_t *self = epoll_loop_of(loop);
    loop->polls++;
    int count = ptk_sys()->epoll_wait(self->epoll, self->batch, EPOLL_BATCH,
                                      ptk_readiness_timeout(now_ns, deadline_ns));
    loop->has_more = count == EPOLL_BATCH;
    if (count < 0) {
        return count == -EINTR ? 0 : count;
    }
    ptk_assert(count <= EPOLL_BATCH);
    for (int i = 0; i < count; i++) {
        epoll_deliver(self, &self->batch[i], finished);
    }
    return 0;
}

/* Adds a descriptor of the loop itself; `mode` is EPOLLET or 0, level-triggered. */
static int epoll_watch_internal(epoll_loop_t *self, ptk_os_handle_t handle, uint64_t token, uint32_t mode) {
    struct epoll_event event = {.events = EPOLLIN | mode};
    event.data.u64 = token;
    return ptk_sys()->epoll_ctl(self->epoll, EPOLL_CTL_ADD, handle, &event);
}

/* A wake that was kicked before this call is level-triggered and so not missed. */
static int epoll_open(ptk_event_loop_platform_t *loop) {
    epoll_loop_t *self = epoll_loop_of(loop);
    ptk_readiness_init(&self->readiness);
    self->readiness.set_interest = epoll_set_interest;
    self->readiness.remove = epoll_remove;
    self->alarm = PTK_OS_HANDLE_NONE;
    int result = ptk_sys()->epoll_create(&self->epoll);
    if (result != 0) {
        return result;
    }
    result = epoll_watch_internal(self, loop->inbox->wake, EPOLL_TOKEN_WAKE, 0);
    if (result != 0) {
        ptk_sys()->close(self->epoll);
    }
    return result;
}

/* Closing the epoll descriptor removes the registrations; their sources were detached before. */
static void epoll_close(ptk_event_loop_platform_t *loop) {
    epoll_loop_t *self = epoll_loop_of(loop);
    if (self->alarm != PTK_OS_HANDLE_NONE) {
        ptk_sys()->close(self->alarm);
    }
    ptk_sys()->close(self->epoll);
    ptk_readiness_fini(&self->readiness);
}

/* Opens the alarm; 0 or -errno. The alarm stays NONE on failure. */
static int epoll_open_alarm(epoll_loop_t *self) {
    ptk_os_handle_t alarm = PTK_OS_HANDLE_NONE;
    int result = ptk_sys()->timer_open(&alarm);
    if (result != 0) {
        return result;
    }
    result = epoll_watch_internal(self, alarm, EPOLL_TOKEN_ALARM, EPOLLET);
    if (result != 0) {
        ptk_sys()->close(alarm);
        return result;
    }
    self->alarm = alarm;
    self->alarm_ns = UINT64_MAX;
    return 0;
}

/* An epoll descriptor is itself readable when it has an event; only deadlines need the alarm in addition. */
static int epoll_expose(ptk_event_loop_platform_t *loop, ptk_os_handle_t *handle_out) {
    epoll_loop_t *self = epoll_loop_of(loop);
    int result = self->alarm == PTK_OS_HANDLE_NONE ? epoll_open_alarm(self) : 0;
    if (result == 0) {
        *handle_out = self->epoll;
    }
    return result;
}

/* After a failure the embedding program wakes late, unless the next call succeeds: no error could be returned
 * to it. */
static void epoll_set_alarm(ptk_event_loop_platform_t *loop, uint64_t deadline_ns) {
    epoll_loop_t *self = epoll_loop_of(loop);
    ptk_assert(self->alarm != PTK_OS_HANDLE_NONE);
    if (deadline_ns < self->alarm_ns && ptk_sys()->timer_set(self->alarm, deadline_ns) == 0) {
        self->alarm_ns = deadline_ns;
    }
}

const ptk_platform_ops_t ptk_platform_epoll = {
    .name = "epoll",
    .loop_bytes = sizeof(epoll_loop_t),
    .open = epoll_open,
    .close = epoll_close,
    .disown = ptk_readiness_disown,
    .attach = ptk_readiness_attach,
    .detach = ptk_readiness_detach,
    .set_handle = ptk_readiness_set_handle,
    .submit = ptk_readiness_submit,
    .cancel = ptk_readiness_cancel,
    .poll = epoll_poll,
    .expose = epoll_expose,
    .poll_set = NULL,
    .set_alarm = epoll_set_alarm,
    .sockets = &ptk_posix_sock_ops,
};
