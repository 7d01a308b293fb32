/* SPDX-License-Identifier: MIT */
/* The pairs, peers and tasks of test_sock.h; the world is in test_sock_world.c. */
#include "test_sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

int sock_family = AF_INET;
static uint32_t tasks_ended;

void sock_in_green(ptk_green_fn fn) {
    sock_world_begin();
    test_in_green(fn);
}

void sock_settle(void) {
    CHECK_OK(ptk_sleep_ms(1));
}

/* --- addresses and listeners --- */

ptk_addr_t sock_loopback(void) {
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse(sock_family == AF_INET6 ? "[::1]:0" : "127.0.0.1:0", &addr));
    return addr;
}

void sock_use_ipv6(void) {
    sock_family = AF_INET6;
    ptk_addr_t addr = sock_loopback();
    int fd = fd_socket(AF_INET6);
    bool there = fd >= 0 && fd_bind(fd, ptk_addr_sockaddr(&addr), addr.length) == 0;
    if (fd >= 0) {
        fd_close(fd);
    }
    if (!there) {
        SKIP("there is no ::1");
    }
}

bool sock_same_addr(const ptk_addr_t *a, const ptk_addr_t *b) {
    char texts[2][PTK_ADDR_TEXT_BYTES];
    CHECK_OK(ptk_addr_format(ptk_addr_sockaddr(a), a->length, texts[0], sizeof texts[0]));
    CHECK_OK(ptk_addr_format(ptk_addr_sockaddr(b), b->length, texts[1], sizeof texts[1]));
    return strcmp(texts[0], texts[1]) == 0;
}

ptk_sock_t *sock_listener(int backlog, ptk_addr_t *addr_out) {
    ptk_addr_t addr = sock_loopback();
    ptk_sock_t *sock = ptk_sock_open(NULL, sock_family, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    CHECK_OK(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length));
    CHECK_OK(ptk_sock_listen(sock, backlog));
    addr_out->length = sizeof addr_out->storage;
    CHECK_OK(ptk_sock_local_addr(sock, (struct sockaddr *) &addr_out->storage, &addr_out->length));
    return sock;
}

int peer_open(void) {
    int fd = fd_socket(sock_family);
    CHECK(fd >= 0);
    return fd;
}

ptk_addr_t peer_local_addr(int fd) {
    ptk_addr_t addr = {.length = sizeof addr.storage};
    CHECK_EQ(fd_local_name(fd, (struct sockaddr *) &addr.storage, &addr.length), 0);
    return addr;
}

int peer_listener(int backlog, ptk_addr_t *addr_out) {
    ptk_addr_t addr = sock_loopback();
    int fd = peer_open();
    CHECK_EQ(fd_bind(fd, ptk_addr_sockaddr(&addr), addr.length), 0);
    CHECK_EQ(fd_listen(fd, backlog), 0);
    *addr_out = peer_local_addr(fd);
    return fd;
}

void peer_await(int fd, short events) {
    struct pollfd entry = {.fd = fd, .events = events};
    int ready = fd_poll(&entry, 1, -1);
    while (ready < 0 && errno == EINTR) {
        ready = fd_poll(&entry, 1, -1);
    }
    CHECK_EQ(ready, 1);
}

static void connect_now(int fd, const ptk_addr_t *addr) {
    int answer = fd_connect(fd, ptk_addr_sockaddr(addr), addr->length);
    CHECK(answer == 0 || errno == EINPROGRESS);
    peer_await(fd, POLLOUT);
}

int peer_connect(const ptk_addr_t *addr) {
    int fd = peer_open();
    connect_now(fd, addr);
    return fd;
}

int peer_accept(int listener) {
    peer_await(listener, POLLIN);
    int fd = fd_accept(listener);
    CHECK(fd >= 0);
    return fd;
}

/* The loopback device completes a handshake within connect(2), so a client that has no connection
   afterwards never gets one. */
peer_full_t peer_full_begin(void) {
    peer_full_t full = {.client_count = 0};
    full.listener = peer_listener(0, &full.addr);
    for (bool answered = true; answered;) {
        CHECK(full.client_count < 8);
        int fd = peer_open();
        full.clients[full.client_count++] = fd;
        int answer = fd_connect(fd, ptk_addr_sockaddr(&full.addr), full.addr.length);
        CHECK(answer == 0 || errno == EINPROGRESS);
        struct pollfd entry = {.fd = fd, .events = POLLOUT};
        answered = fd_poll(&entry, 1, 20) == 1;
    }
    return full;
}

void peer_full_end(peer_full_t *full) {
    for (int i = 0; i < full->client_count; i++) {
        fd_close(full->clients[i]);
    }
    fd_close(full->listener);
}

/* --- pairs --- */

static void set_buffer(int fd, int option, int bytes) {
    if (bytes > 0) {
        CHECK_EQ(fd_set_option(fd, SOL_SOCKET, option, &bytes, sizeof bytes), 0);
    }
}

static sock_pair_t pair_with(int buffer_bytes) {
    ptk_addr_t addr;
    sock_pair_t pair = {.peer = peer_open()};
    ptk_sock_t *listener = sock_listener(1, &addr);
    int listener_fd = sock_world.last_fd;
    int nodelay = 1;
    set_buffer(pair.peer, SO_RCVBUF, buffer_bytes);
    connect_now(pair.peer, &addr);
    CHECK_EQ(fd_set_option(pair.peer, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay), 0);
    peer_await(listener_fd, POLLIN);
    pair.sock = ptk_sock_accept(listener, NULL, NULL, 0);
    CHECK(pair.sock != NULL);
    pair.fd = sock_world.last_fd;
    CHECK(pair.fd != listener_fd);
    set_buffer(pair.fd, SO_SNDBUF, buffer_bytes);
    ptk_sock_close(listener);
    return pair;
}

sock_pair_t sock_pair(void) {
    return pair_with(0);
}

sock_pair_t sock_pair_narrow(void) {
    return pair_with(8192);
}

/* qemu-user passes one int of the option. */
void sock_need_stated_room(int fd) {
    uint32_t counts[9];
    socklen_t length = sizeof counts;
    if (ptk_sys()->get_option(fd, SOL_SOCKET, SO_MEMINFO, counts, &length) != 0 || length < sizeof counts) {
        SKIP("the system does not state the room of a send buffer");
    }
}

static void close_with_reset(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    CHECK_EQ(fd_set_option(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    CHECK_EQ(fd_close(fd), 0);
}

void sock_pair_green(ptk_sock_t *ends_out[2]) {
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(1, &addr);
    ends_out[0] = ptk_sock_open(NULL, sock_family, SOCK_STREAM, 0);
    CHECK(ends_out[0] != NULL);
    CHECK_OK(ptk_sock_connect(ends_out[0], ptk_addr_sockaddr(&addr), addr.length, SOCK_FOREVER));
    ends_out[1] = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
    CHECK(ends_out[1] != NULL);
    ptk_sock_close(listener);
}

/* The peer closes first and with a reset, so that thousands of pairs leave no port in TIME_WAIT. */
void sock_pair_end(sock_pair_t *pair) {
    if (pair->peer >= 0) {
        close_with_reset(pair->peer);
        pair->peer = -1;
    }
    ptk_sock_close(pair->sock);
    pair->sock = NULL;
}

void peer_write(const sock_pair_t *pair, const void *bytes, size_t count) {
    int before = fd_unread(pair->fd);
    CHECK_EQ(fd_send(pair->peer, bytes, count), (ssize_t) count);
    while (fd_unread(pair->fd) < before + (int) count) {
        peer_await(pair->fd, POLLIN);
    }
}

void peer_finish(const sock_pair_t *pair) {
    CHECK_EQ(fd_shutdown(pair->peer, SHUT_WR), 0);
    peer_await(pair->fd, POLLRDHUP);
}

void peer_reset(sock_pair_t *pair) {
    close_with_reset(pair->peer);
    pair->peer = -1;
    peer_await(pair->fd, 0); /* POLLERR and POLLHUP need not be requested */
}

/* Waits until the sender has an acknowledgement of everything that the peer has: a later one would make
   room. On a simulated host that is so at once. */
static void acknowledge(const sock_pair_t *pair, size_t total) {
    while ((size_t) fd_unacknowledged(pair->fd) + (size_t) fd_unread(pair->peer) != total) {
        CHECK(!test_is_simulated());
        fd_acknowledge(pair->peer);
    }
}

size_t sock_fill_stream(const sock_pair_t *pair) {
    static const char zeros[4096];
    size_t total = 0;
    size_t before = 0;
    acknowledge(pair, 0);
    do {
        size_t count = 0;
        before = total;
        while (ptk_sock_send_some(pair->sock, zeros, sizeof zeros, &count, 0) == PTK_OK) {
            CHECK(count > 0 && count <= sizeof zeros);
            total += count;
        }
        CHECK_ERR(ptk_get_err(), PTK_ERR_TIMEOUT);
        acknowledge(pair, total);
    } while (total > before);
    return total;
}

ssize_t peer_read_now(int fd, void *buffer, size_t count) {
    size_t total = 0;
    while (total < count) {
        ssize_t got = fd_recv(fd, (char *) buffer + total, count - total);
        if (got < 0 && errno != EAGAIN) {
            return -1;
        }
        if (got <= 0) {
            break;
        }
        total += (size_t) got;
    }
    return (ssize_t) total;
}

void peer_read(int fd, void *buffer, size_t count) {
    for (size_t total = 0; total < count;) {
        peer_await(fd, POLLIN);
        ssize_t got = fd_recv(fd, (char *) buffer + total, count - total);
        CHECK(got > 0);
        total += (size_t) got;
    }
}

/* On a simulated host nothing is in transit after so many rounds. */
#define IDLE_MOST 10000

void peer_drain(int fd, void *buffer, size_t count) {
    uint32_t idle = 0;
    for (size_t total = 0; total < count;) {
        ssize_t got = peer_read_now(fd, (char *) buffer + total, count - total);
        CHECK(got >= 0);
        total += (size_t) got;
        if (got == 0) {
            CHECK(!test_is_simulated() || ++idle < IDLE_MOST);
            sock_settle();
        }
    }
}

bool peer_at_end(int fd) {
    char byte;
    ssize_t got = fd_recv(fd, &byte, 1);
    CHECK(got == 0 || (got < 0 && errno == EAGAIN));
    return got == 0;
}

/* --- bytes that show their place ---- */

static unsigned char pattern(size_t index) {
    return (unsigned char) (index * 37 + index / 251 + index / 65521 * 3 + 11);
}

void sock_fill(void *buffer, size_t count, size_t start) {
    unsigned char *bytes = buffer;
    for (size_t i = 0; i < count; i++) {
        bytes[i] = pattern(start + i);
    }
}

bool sock_is_filled(const void *buffer, size_t count, size_t start) {
    const unsigned char *bytes = buffer;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != pattern(start + i)) {
            return false;
        }
    }
    return true;
}

/* --- tasks --- */

static ptk_err call_accept(sock_task_t *task) {
    task->accepted_addr.length = sizeof task->accepted_addr.storage;
    task->accepted = ptk_sock_accept(task->sock, (struct sockaddr *) &task->accepted_addr.storage,
                                     &task->accepted_addr.length, task->timeout_ms);
    return task->accepted ? PTK_OK : ptk_get_err();
}

static ptk_err call_wait(sock_task_t *task) {
    ptk_waitable_t *waitable = ptk_sock_waitable(task->sock, task->events);
    return waitable ? ptk_waitable_wait(waitable, task->events, task->timeout_ms) : ptk_get_err();
}

static ptk_err call_verb(sock_task_t *task) {
    switch (task->verb) {
    case SOCK_RECV:
        return ptk_sock_recv(task->sock, task->buffer, task->length, task->timeout_ms);
    case SOCK_RECV_SOME:
        return ptk_sock_recv_some(task->sock, task->buffer, task->length, &task->count, task->timeout_ms);
    case SOCK_SEND:
        return ptk_sock_send(task->sock, task->buffer, task->length, task->timeout_ms);
    case SOCK_SEND_SOME:
        return ptk_sock_send_some(task->sock, task->buffer, task->length, &task->count, task->timeout_ms);
    case SOCK_ACCEPT:
        return call_accept(task);
    case SOCK_CONNECT:
        return ptk_sock_connect(task->sock, ptk_addr_sockaddr(task->addr), task->addr->length,
                                task->timeout_ms);
    case SOCK_WAIT:
        return call_wait(task);
    }
    return PTK_ERR_INVALID_PARAM;
}

ptk_err sock_task_call(sock_task_t *task) {
    task->count = 0;
    task->err = call_verb(task);
    task->cause = task->err ? ptk_get_cause() : PTK_OK;
    if (task->err) {
        CHECK_ERR(ptk_get_err(), task->err);
        task->count = ptk_get_count();
    }
    task->ended = true;
    task->order = ++tasks_ended;
    return task->err;
}

static ptk_err task_main(void *arg) {
    sock_task_call(arg);
    return PTK_OK;
}

void sock_task_start(sock_task_t *task) {
    task->ended = false;
    task->green = test_spawn(task_main, task);
}

ptk_err sock_task_join(sock_task_t *task) {
    CHECK_OK(test_join(task->green));
    CHECK(task->ended);
    return task->err;
}

void sock_check_all_calls(ptk_sock_t *sock, uint32_t timeout_ms, ptk_err err) {
    static const sock_verb_t verbs[] = {SOCK_RECV,      SOCK_RECV_SOME, SOCK_SEND,
                                        SOCK_SEND_SOME, SOCK_ACCEPT,    SOCK_CONNECT};
    ptk_addr_t addr = sock_loopback();
    char buffer[4] = "abc";
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        sock_task_t task = {.verb = verbs[i],
                            .sock = sock,
                            .buffer = buffer,
                            .length = 4,
                            .addr = &addr,
                            .timeout_ms = timeout_ms};
        CHECK_ERR(sock_task_call(&task), err);
    }
}
