/* SPDX-License-Identifier: MIT */
/*
 * Each thread has a table and dice of its own, from a pool that lives as long as the process: an inbox keeps
 * the table of its creation, and other threads close and kick through it.
 */
#include "ptk_test_hostile.h"

#include "base/ptk_thread.h"
#include "ptk_test.h"
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define WATCHES     4096
#define TABLES      64
#define SHORT_BYTES 7 /* a short transfer lacks at most so many bytes, or leaves so few */

typedef struct hostile {
    ptk_sys_t table;
    const ptk_sys_t *below;
    ptk_test_random_t dice;
    uint64_t strikes;
} hostile_t;

static hostile_t pool[TABLES];
static atomic_uint pool_used;
static _Thread_local hostile_t *mine;

/* --- what epolls watch --- */

typedef struct watch {
    ptk_os_handle_t epoll; /* 0: nobody watches it (standard input is never an epoll) */
    struct epoll_event event;
} watch_t;

static _Thread_local watch_t *watches;

static watch_t *watch_of(ptk_os_handle_t handle) {
    static _Thread_local watch_t room[WATCHES];
    watches = room;
    return handle >= 0 && handle < WATCHES ? &room[handle] : NULL;
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

/* By the system call itself: modifying makes the kernel look again. Fails harmlessly on what is not watched.
 */
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

/* True in one of `sides` cases, and that is a strike. */
static bool strikes(unsigned sides) {
    bool strike = ptk_test_random_below(&mine->dice, sides) == 0;
    mine->strikes += strike;
    return strike;
}

/* Less than `bytes`, which is more than one: nearly all, or hardly anything, or in between. */
static size_t fewer(size_t bytes) {
    size_t most = bytes - 1;
    size_t few = most < SHORT_BYTES ? most : SHORT_BYTES;
    switch (ptk_test_random_below(&mine->dice, 3)) {
    case 0:
        return 1 + ptk_test_random_below(&mine->dice, few);
    case 1:
        return most - ptk_test_random_below(&mine->dice, few);
    default:
        return 1 + ptk_test_random_below(&mine->dice, most);
    }
}

/* --- sockets --- */

static intptr_t hostile_recv(ptk_os_handle_t handle, void *buffer, size_t bytes) {
    if (strikes(6)) {
        return -EINTR;
    }
    bool cut = bytes > 1 && strikes(2);
    intptr_t result = mine->below->recv(handle, buffer, cut ? fewer(bytes) : bytes);
    if (cut && result > 0) {
        ptk_test_watch_again(handle);
    }
    return result;
}

static intptr_t hostile_send(ptk_os_handle_t handle, const void *buffer, size_t bytes) {
    if (strikes(6)) {
        return -EINTR;
    }
    return mine->below->send(handle, buffer, bytes > 1 && strikes(2) ? fewer(bytes) : bytes);
}

static int hostile_accept(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen,
                          ptk_os_handle_t *handle_out) {
    return strikes(3) ? -EINTR : mine->below->accept(handle, addr, addrlen, handle_out);
}

/* Interrupted before anything began, or after. */
static int hostile_connect(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    if (strikes(4)) {
        return -EINTR;
    }
    int result = mine->below->connect(handle, addr, addrlen);
    return result == -EINPROGRESS && strikes(4) ? -EINTR : result;
}

/* A kick goes to the loop of another thread: that one's table, from a thread that may have none. */
static int hostile_close(ptk_os_handle_t handle) {
    watch_t *watch = watch_of(handle);
    if (watch) {
        watch->epoll = 0;
    }
    if (!mine) {
        return ptk_sys_real.close(handle);
    }
    int result = mine->below->close(handle);
    return result == 0 && strikes(4) ? -EINTR : result;
}

/* --- pollers --- */

static int hostile_epoll_ctl(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                             struct epoll_event *event) {
    int result = mine->below->epoll_ctl(epoll, operation, handle, event);
    if (result == 0) {
        ptk_test_watch_note(epoll, operation, handle, event);
    }
    return result;
}

/* An event that did not happen, of something that this epoll does watch; 1 if there is such a thing. */
static int invent_event(ptk_os_handle_t epoll, struct epoll_event *event) {
    size_t start = ptk_test_random_below(&mine->dice, 64);
    (void) watch_of(0);
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

static int hostile_epoll_wait(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                              int64_t timeout_ns) {
    if (strikes(6)) {
        return -EINTR;
    }
    if (strikes(6)) {
        return 0;
    }
    int count = mine->below->epoll_wait(epoll, events, strikes(4) ? 1 : capacity, timeout_ns);
    if (count >= 0 && count < capacity && strikes(4)) {
        count += invent_event(epoll, &events[count]);
    }
    return count;
}

/* Somebody asks for the truth about one descriptor, or a loop sleeps. */
static int hostile_poll(struct pollfd *entries, size_t count, int64_t timeout_ns) {
    if (strikes(6)) {
        return -EINTR;
    }
    bool may_lie = count > 1;
    for (size_t i = 0; may_lie && i < count; i++) {
        entries[i].revents = 0;
    }
    if (may_lie && strikes(6)) {
        return 0;
    }
    int ready = mine->below->poll(entries, count, timeout_ns);
    struct pollfd *entry = &entries[ptk_test_random_below(&mine->dice, count)];
    if (may_lie && ready >= 0 && strikes(4) && entry->revents == 0) {
        entry->revents = entry->events;
        ready += entry->revents != 0;
    }
    return ready;
}

/* What was not read stays there. */
static int hostile_wake_drain(ptk_os_handle_t wake) {
    return strikes(4) ? -EINTR : mine->below->wake_drain(wake);
}

/* --- hanging it in --- */

bool ptk_test_is_hostile(void) {
    const char *seed = getenv("PTK_TEST_HOSTILE");
    return seed && *seed && strcmp(seed, "0") != 0;
}

static void take_table(void) {
    const char *seed = getenv("PTK_TEST_HOSTILE");
    unsigned index = atomic_fetch_add(&pool_used, 1);
    CHECK(index < TABLES);
    mine = &pool[index];
    mine->dice.state = (seed ? strtoull(seed, NULL, 10) : 0) * 1000003 + index;
}

void ptk_test_hostile_install(void) {
    if (mine && ptk_sys() == &mine->table) {
        return;
    }
    if (!mine) {
        take_table();
    }
    mine->below = ptk_sys();
    mine->table = *mine->below;
    mine->table.recv = hostile_recv;
    mine->table.send = hostile_send;
    mine->table.accept = hostile_accept;
    mine->table.connect = hostile_connect;
    mine->table.close = hostile_close;
    mine->table.epoll_ctl = hostile_epoll_ctl;
    mine->table.epoll_wait = hostile_epoll_wait;
    mine->table.poll = hostile_poll;
    mine->table.wake_drain = hostile_wake_drain;
    ptk_thread()->sys = &mine->table;
}

uint64_t ptk_test_hostile_strikes(void) {
    return mine ? mine->strikes : 0;
}
