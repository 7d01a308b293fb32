/* SPDX-License-Identifier: MIT */
/* The world of test_sock.h: an interceptor that watches and changes the calls that ptk makes for its sockets.
 */
#include "test_sock.h"

#include <string.h>

sock_world_t sock_world;

/* epoll_wait counts as poll. The descriptor is the first argument of nearly all, so `close` stands for them.
 */
static ptk_sys_member_t kind_of(const ptk_sys_call_t *call) {
    return call->member == PTK_SYS_epoll_wait ? PTK_SYS_poll : call->member;
}

static int descriptor_of(const ptk_sys_call_t *call) {
    switch (call->member) {
    case PTK_SYS_socket:
    case PTK_SYS_poll:
        return -1;
    case PTK_SYS_epoll_ctl:
        return (int) call->epoll_ctl.handle;
    default:
        return (int) call->close.handle;
    }
}

/* Keeps what a descriptor was registered with, so that an event for it can be made up. */
static void note_registration(const struct ptk_sys_epoll_ctl_arguments *call) {
    if (call->event && call->handle >= 0 && call->handle < SOCK_WORLD_FDS) {
        sock_world.epoll = (int) call->epoll;
        sock_world.registered[call->handle] = *call->event;
        sock_world.watched[call->handle] = call->operation != EPOLL_CTL_DEL;
    }
}

static void note_success(const ptk_sys_call_t *call) {
    if (call->member == PTK_SYS_socket) {
        sock_world.last_fd = (int) *call->socket.handle_out;
    } else if (call->member == PTK_SYS_accept) {
        sock_world.last_fd = (int) *call->accept.handle_out;
    } else if (call->member == PTK_SYS_epoll_ctl) {
        note_registration(&call->epoll_ctl);
    }
}

/* The test's `before`, the call as `make` makes it, the test's `after`. */
static int64_t watch(ptk_sys_call_t *call, ptk_sys_hook_t make) {
    const ptk_sys_member_t kind = kind_of(call);
    const int fd = descriptor_of(call);
    sock_world.calls[kind]++;
    int64_t result = sock_world.before ? sock_world.before(kind, fd) : 0;
    if (result == 0) {
        result = make(call);
        if (result == 0) {
            note_success(call);
        }
        if (sock_world.after) {
            sock_world.after(kind, fd, (intptr_t) result);
        }
    }
    return result;
}

static int64_t world_call(ptk_sys_call_t *call) {
    return watch(call, ptk_sys_call_below);
}

static int64_t world_close(ptk_sys_call_t *call) {
    const ptk_os_handle_t handle = call->close.handle;
    if (handle == sock_world.epoll) {
        memset(sock_world.watched, 0, sizeof sock_world.watched);
    }
    CHECK(handle >= SOCK_WORLD_FDS || !sock_world.watched[handle]);
    return world_call(call);
}

/* --- pollers --- */

static bool fake_is_due(int64_t timeout_ns) {
    return timeout_ns != 0 && sock_world.fakes > 0;
}

static void mask_epoll(struct epoll_event *events, int64_t count) {
    if (sock_world.masked_fd < 0) {
        return;
    }
    uint64_t data = sock_world.registered[sock_world.masked_fd].data.u64;
    for (int64_t i = 0; i < count; i++) {
        if (events[i].data.u64 == data) {
            events[i].events &= ~sock_world.masked_events;
        }
    }
}

static int64_t faked_epoll(ptk_sys_call_t *call) {
    struct epoll_event *events = call->epoll_wait.events;
    bool is_due = fake_is_due(call->epoll_wait.timeout_ns);
    if (is_due) {
        call->epoll_wait.timeout_ns = 0;
    }
    int64_t got = ptk_sys_call_below(call);
    if (is_due && got == 0) {
        sock_world.fakes--;
        events[0] = sock_world.registered[sock_world.fake_fd];
        events[0].events = sock_world.fake_events;
        got = 1;
    }
    mask_epoll(events, got);
    return got;
}

static struct pollfd *find_entry(const struct ptk_sys_poll_arguments *call, int fd) {
    for (size_t i = 0; fd >= 0 && i < call->count; i++) {
        if (call->entries[i].fd == fd) {
            return &call->entries[i];
        }
    }
    return NULL;
}

static int64_t faked_poll(ptk_sys_call_t *call) {
    struct pollfd *masked = find_entry(&call->poll, sock_world.masked_fd);
    struct pollfd *faked =
        fake_is_due(call->poll.timeout_ns) ? find_entry(&call->poll, sock_world.fake_fd) : NULL;
    uint32_t requested = faked ? (uint32_t) faked->events | POLLERR | POLLHUP : 0;
    uint32_t shown = sock_world.fake_events & requested;
    if (faked) {
        call->poll.timeout_ns = 0;
    }
    int64_t got = ptk_sys_call_below(call);
    if (got == 0 && shown) {
        sock_world.fakes--;
        faked->revents = (short) shown;
        got = 1;
    }
    if (masked && got > 0) {
        masked->revents = (short) ((uint32_t) masked->revents & ~sock_world.masked_events);
    }
    return got;
}

static int64_t world_poll(ptk_sys_call_t *call) {
    return watch(call, call->member == PTK_SYS_poll ? faked_poll : faked_epoll);
}

/* Under an oracle ptk reads the clock before each pick, too: if that took as long as the interval of its
 * ticks, no green thread would run. */
static int64_t world_now(ptk_sys_call_t *call) {
    if (sock_world.tick_ns) {
        test_clock_advance(ptk_thread()->oracle ? sock_world.tick_ns / 4 : sock_world.tick_ns);
    }
    return ptk_sys_call_below(call);
}

static const ptk_interceptor_t world_hooks = {.hooks = {
                                                  [PTK_SYS_now_ns] = world_now,
                                                  [PTK_SYS_socket] = world_call,
                                                  [PTK_SYS_bind] = world_call,
                                                  [PTK_SYS_listen] = world_call,
                                                  [PTK_SYS_accept] = world_call,
                                                  [PTK_SYS_connect] = world_call,
                                                  [PTK_SYS_recv] = world_call,
                                                  [PTK_SYS_send] = world_call,
                                                  [PTK_SYS_shutdown] = world_call,
                                                  [PTK_SYS_close] = world_close,
                                                  [PTK_SYS_local_name] = world_call,
                                                  [PTK_SYS_peer_name] = world_call,
                                                  [PTK_SYS_get_option] = world_call,
                                                  [PTK_SYS_set_option] = world_call,
                                                  [PTK_SYS_epoll_ctl] = world_call,
                                                  [PTK_SYS_epoll_wait] = world_poll,
                                                  [PTK_SYS_poll] = world_poll,
                                              }};

void sock_world_hook(ptk_sys_member_t member, ptk_sys_hook_t hook) {
    sock_world.interceptor.hooks[member] = hook ? hook : world_hooks.hooks[member];
}

void sock_world_begin(void) {
    test_clock_begin(1000 * PTK_NS_PER_MS);
    sock_world = (sock_world_t) {
        .interceptor = world_hooks, .last_fd = -1, .fake_fd = -1, .masked_fd = -1, .epoll = -1};
    ptk_intercept(&sock_world.interceptor);
}
