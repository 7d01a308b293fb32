/* SPDX-License-Identifier: MIT */
/*
 * Linux epoll (layer 2): the platform contract over epoll(7).
 *
 * ptk's own sockets are added once, edge-triggered in both directions, at the first operation that pends: an
 * ADD reports what is ready at that moment, so nothing that came earlier is missed. Foreign handles are
 * level-triggered and one-shot: a MOD (an ADD where the owner closed and reopened the number) before each
 * park, nothing afterwards. What epoll hands back is place and generation of a registration, never a
 * descriptor: epoll watches open file descriptions, which can outlive the descriptor that was added.
 *
 * The token of the inbox's wake is all ones, that of the alarm one less: the alarm is a timerfd that exists
 * once somebody outside watches the epoll descriptor.
 */
#include "platform/ptk_readiness.h"

#include <errno.h>
#include <sys/epoll.h>

#define TOKEN_WAKE  UINT64_MAX
#define TOKEN_ALARM (UINT64_MAX - 1)
#define BATCH       256

typedef struct epoll_loop {
    ptk_readiness_t readiness;
    ptk_os_handle_t epoll;
    ptk_os_handle_t alarm;
    struct epoll_event batch[BATCH];
} epoll_loop_t;

static epoll_loop_t *epoll_loop(ptk_event_loop_platform_t *loop) {
    return ptk_container_of(loop, epoll_loop_t, readiness.loop);
}

static uint32_t epoll_bits(uint32_t interest) {
    return (interest & PTK_READY_READ ? (uint32_t) EPOLLIN : 0) |
           (interest & PTK_READY_WRITE ? (uint32_t) EPOLLOUT : 0);
}

static uint32_t ready_bits(uint32_t events) {
    const uint32_t broken = EPOLLHUP | EPOLLERR;
    return (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | broken) ? PTK_READY_READ : 0) |
           (events & (EPOLLOUT | broken) ? PTK_READY_WRITE : 0) | (events & broken ? PTK_READY_ERROR : 0) |
           (events & (EPOLLRDHUP | EPOLLPRI | broken) ? PTK_READY_UNSURE : 0);
}

/* A foreign registration is for one report. The owner may have closed the number, reopened it, or both. */
static int arm_foreign(epoll_loop_t *self, ptk_registration_t *registration, struct epoll_event *event) {
    const ptk_sys_t *sys = ptk_sys();
    int result = sys->epoll_ctl(self->epoll, registration->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
                                registration->handle, event);
    if (result == -ENOENT) {
        result = sys->epoll_ctl(self->epoll, EPOLL_CTL_ADD, registration->handle, event);
    } else if (result == -EEXIST) {
        result = sys->epoll_ctl(self->epoll, EPOLL_CTL_MOD, registration->handle, event);
    }
    registration->armed = registration->armed || result == 0;
    return result;
}

static int arm_owned(epoll_loop_t *self, ptk_registration_t *registration, struct epoll_event *event) {
    if (registration->armed) {
        return 0;
    }
    event->events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    int result = ptk_sys()->epoll_ctl(self->epoll, EPOLL_CTL_ADD, registration->handle, event);
    registration->armed = result == 0;
    return result;
}

static int epoll_interest(ptk_readiness_t *readiness, uint32_t index, uint32_t interest) {
    epoll_loop_t *self = ptk_container_of(readiness, epoll_loop_t, readiness);
    ptk_registration_t *registration = &readiness->registrations[index];
    if (interest == 0) {
        return 0; /* an edge that nobody waits for only sets a bit; a one-shot report that comes now is
                     dropped */
    }
    struct epoll_event event = {.events = epoll_bits(interest) | EPOLLONESHOT};
    event.data.u64 = (uint64_t) registration->generation << 32 | index;
    bool foreign = registration->sources->mode == PTK_SOURCE_FOREIGN;
    return foreign ? arm_foreign(self, registration, &event) : arm_owned(self, registration, &event);
}

static void epoll_forget(ptk_readiness_t *readiness, uint32_t index) {
    epoll_loop_t *self = ptk_container_of(readiness, epoll_loop_t, readiness);
    const ptk_registration_t *registration = &readiness->registrations[index];
    struct epoll_event unused = {0};
    if (registration->armed) {
        (void) ptk_sys()->epoll_ctl(self->epoll, EPOLL_CTL_DEL, registration->handle, &unused);
    }
}

static void deliver(epoll_loop_t *self, const struct epoll_event *event, ptk_list_t *finished) {
    ptk_readiness_t *readiness = &self->readiness;
    uint32_t index = (uint32_t) event->data.u64;
    uint32_t generation = (uint32_t) (event->data.u64 >> 32);
    if (index >= readiness->count || readiness->registrations[index].generation != generation) {
        return;
    }
    ptk_readiness_deliver(readiness, index, ready_bits(event->events), finished);
}

static void deliver_any(epoll_loop_t *self, const struct epoll_event *event, ptk_list_t *finished) {
    if (event->data.u64 == TOKEN_WAKE) {
        (void) ptk_sys()->wake_drain(self->readiness.loop.inbox->wake);
    } else if (event->data.u64 == TOKEN_ALARM) {
        (void) ptk_sys()->timer_set(self->alarm, UINT64_MAX);
    } else {
        deliver(self, event, finished);
    }
}

static int epoll_poll(ptk_event_loop_platform_t *loop, uint64_t now_ns, uint64_t deadline_ns,
                      ptk_list_t *finished) {
    epoll_loop_t *self = epoll_loop(loop);
    loop->polls++;
    int count =
        ptk_sys()->epoll_wait(self->epoll, self->batch, BATCH, ptk_readiness_timeout(now_ns, deadline_ns));
    if (count < 0) {
        return count == -EINTR ? 0 : count;
    }
    for (int i = 0; i < count; i++) {
        deliver_any(self, &self->batch[i], finished);
    }
    return 0;
}

static int watch_internal(epoll_loop_t *self, ptk_os_handle_t handle, uint64_t token) {
    struct epoll_event event = {.events = EPOLLIN};
    event.data.u64 = token;
    return ptk_sys()->epoll_ctl(self->epoll, EPOLL_CTL_ADD, handle, &event);
}

static int epoll_open(ptk_event_loop_platform_t *loop) {
    epoll_loop_t *self = epoll_loop(loop);
    ptk_readiness_open(&self->readiness);
    self->readiness.interest = epoll_interest;
    self->readiness.forget = epoll_forget;
    self->alarm = PTK_OS_HANDLE_NONE;
    int result = ptk_sys()->epoll_create(&self->epoll);
    if (result != 0) {
        return result;
    }
    result = watch_internal(self, loop->inbox->wake, TOKEN_WAKE);
    if (result != 0) {
        ptk_sys()->close(self->epoll);
    }
    return result;
}

static void epoll_shut(ptk_event_loop_platform_t *loop) {
    epoll_loop_t *self = epoll_loop(loop);
    if (self->alarm != PTK_OS_HANDLE_NONE) {
        ptk_sys()->close(self->alarm);
    }
    ptk_sys()->close(self->epoll);
    ptk_readiness_shut(&self->readiness);
}

static int epoll_expose(ptk_event_loop_platform_t *loop, ptk_os_handle_t *handle_out) {
    epoll_loop_t *self = epoll_loop(loop);
    if (self->alarm == PTK_OS_HANDLE_NONE) {
        ptk_os_handle_t alarm = PTK_OS_HANDLE_NONE;
        int result = ptk_sys()->timer_open(&alarm);
        if (result == 0) {
            result = watch_internal(self, alarm, TOKEN_ALARM);
        }
        if (result != 0) {
            if (alarm != PTK_OS_HANDLE_NONE) {
                ptk_sys()->close(alarm);
            }
            return result;
        }
        self->alarm = alarm;
    }
    *handle_out = self->epoll;
    return 0;
}

static void epoll_set_alarm(ptk_event_loop_platform_t *loop, uint64_t deadline_ns) {
    (void) ptk_sys()->timer_set(epoll_loop(loop)->alarm, deadline_ns);
}

const ptk_platform_ops_t ptk_platform_epoll = {
    .name = "epoll",
    .loop_bytes = sizeof(epoll_loop_t),
    .open = epoll_open,
    .shut = epoll_shut,
    .attach = ptk_readiness_attach,
    .detach = ptk_readiness_detach,
    .set_handle = ptk_readiness_set_handle,
    .submit = ptk_readiness_submit,
    .cancel = ptk_readiness_cancel,
    .poll = epoll_poll,
    .expose = epoll_expose,
    .set_alarm = epoll_set_alarm,
    .sockets = &ptk_posix_sock_ops,
};
