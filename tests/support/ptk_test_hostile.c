/* SPDX-License-Identifier: MIT */
/* The hostile kernel: see the header. Each thread has an interceptor and a random source (`dice`) of its own.
 */
#include "ptk_test_hostile.h"

#include "ptk_test.h"
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define WATCHES     4096
#define SHORT_BYTES 7 /* a short transfer leaves, or transfers, at most so many bytes */

static _Thread_local ptk_test_random_t dice;
static _Thread_local uint64_t bends;

/* --- what epolls watch --- */

typedef struct watch {
    ptk_os_handle_t epoll; /* 0: none watches it (standard input is never an epoll) */
    struct epoll_event event;
} watch_t;

static _Thread_local watch_t watches[WATCHES];

static watch_t *watch_of(ptk_os_handle_t handle) {
    return handle >= 0 && handle < WATCHES ? &watches[handle] : NULL;
}

void ptk_test_watch_note(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                         const struct epoll_event *event) {
    watch_t *watch = watch_of(handle);
    if (watch) {
        *watch = (watch_t) {.epoll = 0};
    }
    if (watch && operation != EPOLL_CTL_DEL) {
        *watch = (watch_t) {.epoll = epoll, .event = *event};
    }
}

/* Modifies the registration, which makes the kernel look at the descriptor again. This is a system call that
   passes no interceptor. It fails without harm if the descriptor is not watched. */
void ptk_test_watch_again(ptk_os_handle_t handle) {
    const watch_t *watch = watch_of(handle);
    int saved_errno = errno;
    if (watch && watch->epoll != 0) {
        struct epoll_event event = watch->event;
        (void) epoll_ctl((int) watch->epoll, EPOLL_CTL_MOD, (int) handle, &event);
    }
    errno = saved_errno;
}

/* --- the dice --- */

/* Returns true in one of `sides` cases, at random, and counts these cases. */
static bool bends_call(unsigned sides) {
    bool bend = ptk_test_random_below(&dice, sides) == 0;
    bends += bend;
    return bend;
}

/* Returns a number from 1 to `bytes` - 1, where `bytes` is at least 2: nearly all, very few, or any number
 * between. */
static size_t fewer(size_t bytes) {
    size_t most = bytes - 1;
    size_t few = most < SHORT_BYTES ? most : SHORT_BYTES;
    switch (ptk_test_random_below(&dice, 3)) {
    case 0:
        return 1 + ptk_test_random_below(&dice, few);
    case 1:
        return most - ptk_test_random_below(&dice, few);
    default:
        return 1 + ptk_test_random_below(&dice, most);
    }
}

/* --- sockets --- */

static int64_t hostile_recv(ptk_sys_call_t *call) {
    if (bends_call(6)) {
        return -EINTR;
    }
    bool cut = call->recv.bytes > 1 && bends_call(2);
    if (cut) {
        call->recv.bytes = fewer(call->recv.bytes);
    }
    int64_t result = ptk_sys_call_below(call);
    if (cut && result > 0) {
        ptk_test_watch_again(call->recv.handle);
    }
    return result;
}

static int64_t hostile_send(ptk_sys_call_t *call) {
    if (bends_call(6)) {
        return -EINTR;
    }
    if (call->send.bytes > 1 && bends_call(2)) {
        call->send.bytes = fewer(call->send.bytes);
    }
    return ptk_sys_call_below(call);
}

static int64_t hostile_accept(ptk_sys_call_t *call) {
    return bends_call(3) ? -EINTR : ptk_sys_call_below(call);
}

/* Returns EINTR before or after the connection has begun. */
static int64_t hostile_connect(ptk_sys_call_t *call) {
    if (bends_call(4)) {
        return -EINTR;
    }
    int64_t result = ptk_sys_call_below(call);
    return result == -EINPROGRESS && bends_call(4) ? -EINTR : result;
}

static int64_t hostile_close(ptk_sys_call_t *call) {
    watch_t *watch = watch_of(call->close.handle);
    if (watch) {
        watch->epoll = 0;
    }
    int64_t result = ptk_sys_call_below(call);
    return result == 0 && bends_call(4) ? -EINTR : result;
}

/* --- pollers --- */

static int64_t hostile_epoll_ctl(ptk_sys_call_t *call) {
    int64_t result = ptk_sys_call_below(call);
    if (result == 0) {
        ptk_test_watch_note(call->epoll_ctl.epoll, call->epoll_ctl.operation, call->epoll_ctl.handle,
                            call->epoll_ctl.event);
    }
    return result;
}

/* Writes an event that did not happen, of a descriptor that this epoll does watch; returns 1 if there is one.
 */
static int invent_event(ptk_os_handle_t epoll, struct epoll_event *event) {
    size_t start = ptk_test_random_below(&dice, 64);
    for (size_t i = 0; i < 64; i++) {
        const watch_t *watch = &watches[(start + i) % 64];
        if (watch->epoll == epoll) {
            *event = watch->event;
            event->events &= EPOLLIN | EPOLLOUT;
            return event->events != 0;
        }
    }
    return 0;
}

static int64_t hostile_epoll_wait(ptk_sys_call_t *call) {
    const int capacity = call->epoll_wait.capacity;
    if (bends_call(6)) {
        return -EINTR;
    }
    if (bends_call(6)) {
        return 0;
    }
    call->epoll_wait.capacity = bends_call(4) ? 1 : capacity;
    int64_t count = ptk_sys_call_below(call);
    if (count >= 0 && count < capacity && bends_call(4)) {
        count += invent_event(call->epoll_wait.epoll, &call->epoll_wait.events[count]);
    }
    return count;
}

/* May interrupt any poll. Changes the result only of a poll of several descriptors, which is a loop that
   sleeps: a poll of one descriptor reads its state. */
static int64_t hostile_poll(ptk_sys_call_t *call) {
    struct pollfd *entries = call->poll.entries;
    const size_t count = call->poll.count;
    if (bends_call(6)) {
        return -EINTR;
    }
    bool may_lie = count > 1;
    for (size_t i = 0; may_lie && i < count; i++) {
        entries[i].revents = 0;
    }
    if (may_lie && bends_call(6)) {
        return 0;
    }
    int64_t ready = ptk_sys_call_below(call);
    struct pollfd *entry = &entries[ptk_test_random_below(&dice, count)];
    if (may_lie && ready >= 0 && bends_call(4) && entry->revents == 0) {
        entry->revents = entry->events;
        ready += entry->revents != 0;
    }
    return ready;
}

/* Returns EINTR at random, without a call: the count stays in the descriptor. */
static int64_t hostile_wake_drain(ptk_sys_call_t *call) {
    return bends_call(4) ? -EINTR : ptk_sys_call_below(call);
}

static _Thread_local ptk_interceptor_t hostile = {.hooks = {
                                                      [PTK_SYS_recv] = hostile_recv,
                                                      [PTK_SYS_send] = hostile_send,
                                                      [PTK_SYS_accept] = hostile_accept,
                                                      [PTK_SYS_connect] = hostile_connect,
                                                      [PTK_SYS_close] = hostile_close,
                                                      [PTK_SYS_epoll_ctl] = hostile_epoll_ctl,
                                                      [PTK_SYS_epoll_wait] = hostile_epoll_wait,
                                                      [PTK_SYS_poll] = hostile_poll,
                                                      [PTK_SYS_wake_drain] = hostile_wake_drain,
                                                  }};

bool ptk_test_is_hostile(void) {
    const char *seed = getenv("PTK_TEST_HOSTILE");
    return seed && *seed && strcmp(seed, "0") != 0;
}

/* Seeds the dice of this thread. */
static void take_dice(void) {
    static atomic_uint threads;
    static _Thread_local bool taken;
    const char *seed = getenv("PTK_TEST_HOSTILE");
    if (!taken) {
        taken = true;
        dice.state = (seed ? strtoull(seed, NULL, 10) : 0) * 1000003 + atomic_fetch_add(&threads, 1);
    }
}

void ptk_test_hostile_install(void) {
    if (!ptk_intercept_is_installed(&hostile)) {
        take_dice();
        ptk_intercept(&hostile);
    }
}

uint64_t ptk_test_hostile_bends(void) {
    return bends;
}
