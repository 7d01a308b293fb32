/* SPDX-License-Identifier: MIT */
/* The world of test_sock.h: a system table that watches and bends the calls that ptk makes for its sockets.
 */
#include "test_sock.h"

#include <string.h>

sock_world_t sock_world;

static int ask(sock_call_t call, ptk_os_handle_t handle) {
    sock_world.calls[call]++;
    return sock_world.before ? sock_world.before(call, (int) handle) : 0;
}

static void tell(sock_call_t call, ptk_os_handle_t handle, intptr_t result) {
    if (sock_world.after) {
        sock_world.after(call, (int) handle, result);
    }
}

/* An entry of the table: ask, make the call, tell. */
#define WATCHED(type, call, handle, real_call)                                                               \
    type result = ask(call, handle);                                                                         \
    if (result == 0) {                                                                                       \
        result = real_call;                                                                                  \
        tell(call, handle, result);                                                                          \
    }                                                                                                        \
    return result

static int opened(int result, const ptk_os_handle_t *handle) {
    if (result == 0) {
        sock_world.last_fd = (int) *handle;
    }
    return result;
}

static int world_socket(int family, int type, int protocol, ptk_os_handle_t *handle_out) {
    WATCHED(int, SOCK_CALL_SOCKET, -1,
            opened(sock_world.below.socket(family, type, protocol, handle_out), handle_out));
}

static int world_bind(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    WATCHED(int, SOCK_CALL_BIND, handle, sock_world.below.bind(handle, addr, addrlen));
}

static int world_listen(ptk_os_handle_t handle, int backlog) {
    WATCHED(int, SOCK_CALL_LISTEN, handle, sock_world.below.listen(handle, backlog));
}

static int world_accept(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen,
                        ptk_os_handle_t *handle_out) {
    WATCHED(int, SOCK_CALL_ACCEPT, handle,
            opened(sock_world.below.accept(handle, addr, addrlen, handle_out), handle_out));
}

static int world_connect(ptk_os_handle_t handle, const struct sockaddr *addr, socklen_t addrlen) {
    WATCHED(int, SOCK_CALL_CONNECT, handle, sock_world.below.connect(handle, addr, addrlen));
}

static intptr_t world_recv(ptk_os_handle_t handle, void *buffer, size_t bytes) {
    WATCHED(intptr_t, SOCK_CALL_RECV, handle, sock_world.below.recv(handle, buffer, bytes));
}

static intptr_t world_send(ptk_os_handle_t handle, const void *buffer, size_t bytes) {
    WATCHED(intptr_t, SOCK_CALL_SEND, handle, sock_world.below.send(handle, buffer, bytes));
}

static int world_shutdown(ptk_os_handle_t handle, int how) {
    WATCHED(int, SOCK_CALL_SHUTDOWN, handle, sock_world.below.shutdown(handle, how));
}

static int world_close(ptk_os_handle_t handle) {
    if (handle == sock_world.epoll) {
        memset(sock_world.watched, 0, sizeof sock_world.watched);
    }
    CHECK(handle >= SOCK_WORLD_FDS || !sock_world.watched[handle]);
    WATCHED(int, SOCK_CALL_CLOSE, handle, sock_world.below.close(handle));
}

static int world_local_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    WATCHED(int, SOCK_CALL_LOCAL_NAME, handle, sock_world.below.local_name(handle, addr, addrlen));
}

static int world_peer_name(ptk_os_handle_t handle, struct sockaddr *addr, socklen_t *addrlen) {
    WATCHED(int, SOCK_CALL_PEER_NAME, handle, sock_world.below.peer_name(handle, addr, addrlen));
}

static int world_get_option(ptk_os_handle_t handle, int level, int name, void *value, socklen_t *length) {
    WATCHED(int, SOCK_CALL_GET_OPTION, handle,
            sock_world.below.get_option(handle, level, name, value, length));
}

static int world_set_option(ptk_os_handle_t handle, int level, int name, const void *value,
                            socklen_t length) {
    WATCHED(int, SOCK_CALL_SET_OPTION, handle,
            sock_world.below.set_option(handle, level, name, value, length));
}

/* What a descriptor was registered with is kept, so that an event for it can be made up. */
static int registered(int result, ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                      const struct epoll_event *event) {
    if (result == 0 && event && handle >= 0 && handle < SOCK_WORLD_FDS) {
        sock_world.epoll = (int) epoll;
        sock_world.registered[handle] = *event;
        sock_world.watched[handle] = operation != EPOLL_CTL_DEL;
    }
    return result;
}

static int world_epoll_ctl(ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                           struct epoll_event *event) {
    WATCHED(int, SOCK_CALL_EPOLL_CTL, handle,
            registered(sock_world.below.epoll_ctl(epoll, operation, handle, event), epoll, operation, handle,
                       event));
}

/* --- pollers --- */

static bool fake_is_due(void) {
    return sock_world.fakes > 0;
}

static void mask_epoll(struct epoll_event *events, int count) {
    if (sock_world.masked_fd < 0) {
        return;
    }
    uint64_t data = sock_world.registered[sock_world.masked_fd].data.u64;
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == data) {
            events[i].events &= ~sock_world.masked_events;
        }
    }
}

static int faked_epoll(ptk_os_handle_t epoll, struct epoll_event *events, int capacity, int64_t timeout_ns) {
    if (timeout_ns != 0 && fake_is_due()) {
        int got = sock_world.below.epoll_wait(epoll, events, capacity, 0);
        if (got == 0) {
            sock_world.fakes--;
            events[0] = sock_world.registered[sock_world.fake_fd];
            events[0].events = sock_world.fake_events;
            got = 1;
        }
        return got;
    }
    return sock_world.below.epoll_wait(epoll, events, capacity, timeout_ns);
}

static int world_epoll_wait(ptk_os_handle_t epoll, struct epoll_event *events, int capacity,
                            int64_t timeout_ns) {
    int result = ask(SOCK_CALL_POLL, epoll);
    if (result == 0) {
        result = faked_epoll(epoll, events, capacity, timeout_ns);
        mask_epoll(events, result);
        tell(SOCK_CALL_POLL, epoll, result);
    }
    return result;
}

static struct pollfd *find_entry(struct pollfd *entries, size_t count, int fd) {
    for (size_t i = 0; fd >= 0 && i < count; i++) {
        if (entries[i].fd == fd) {
            return &entries[i];
        }
    }
    return NULL;
}

static int faked_poll(struct pollfd *entries, size_t count, int64_t timeout_ns) {
    struct pollfd *entry =
        timeout_ns != 0 && fake_is_due() ? find_entry(entries, count, sock_world.fake_fd) : NULL;
    if (!entry) {
        return sock_world.below.poll(entries, count, timeout_ns);
    }
    int got = sock_world.below.poll(entries, count, 0);
    uint32_t wanted = (uint32_t) entry->events | POLLERR | POLLHUP;
    if (got == 0 && (sock_world.fake_events & wanted)) {
        sock_world.fakes--;
        entry->revents = (short) (sock_world.fake_events & wanted);
        got = 1;
    }
    return got;
}

static int world_poll(struct pollfd *entries, size_t count, int64_t timeout_ns) {
    int result = ask(SOCK_CALL_POLL, -1);
    if (result == 0) {
        result = faked_poll(entries, count, timeout_ns);
        struct pollfd *entry = find_entry(entries, count, sock_world.masked_fd);
        if (entry && result > 0) {
            entry->revents = (short) ((uint32_t) entry->revents & ~sock_world.masked_events);
        }
        tell(SOCK_CALL_POLL, -1, result);
    }
    return result;
}

/* Under an oracle ptk reads the clock before each pick, too: if that took as long as the interval of its
 * turns, it would get to nothing else. */
static uint64_t world_now(void) {
    if (sock_world.tick_ns) {
        test_clock_advance(ptk_thread()->oracle ? sock_world.tick_ns / 4 : sock_world.tick_ns);
    }
    return sock_world.below.now_ns();
}

void sock_world_begin(void) {
    test_clock_begin(1000 * PTK_NS_PER_MS);
    memset(&sock_world, 0, sizeof sock_world);
    sock_world.below = *ptk_sys();
    sock_world.table = sock_world.below;
    sock_world.table.now_ns = world_now;
    sock_world.table.socket = world_socket;
    sock_world.table.bind = world_bind;
    sock_world.table.listen = world_listen;
    sock_world.table.accept = world_accept;
    sock_world.table.connect = world_connect;
    sock_world.table.recv = world_recv;
    sock_world.table.send = world_send;
    sock_world.table.shutdown = world_shutdown;
    sock_world.table.close = world_close;
    sock_world.table.local_name = world_local_name;
    sock_world.table.peer_name = world_peer_name;
    sock_world.table.get_option = world_get_option;
    sock_world.table.set_option = world_set_option;
    sock_world.table.epoll_ctl = world_epoll_ctl;
    sock_world.table.epoll_wait = world_epoll_wait;
    sock_world.table.poll = world_poll;
    sock_world.last_fd = -1;
    sock_world.fake_fd = -1;
    sock_world.masked_fd = -1;
    sock_world.epoll = -1;
    ptk_thread()->sys = &sock_world.table;
}
