/* SPDX-License-Identifier: MIT */
/*
 * What the socket tests share: the world below ptk, pairs of a ptk socket and a plain descriptor, and tasks.
 *
 * The *world* is an interceptor. It counts calls, records the descriptors of sockets, and
 * calls functions of the test before and after each call. Its clock is that of conformance.h, which only
 * advances when the poller would sleep. So after `sock_settle()` everything that can happen has happened, and
 * all green threads but the caller are parked. A test may also put a hook of its own in the place of the
 * world's.
 *
 * A *peer* is a plain non-blocking descriptor of the test's own. What is written to it has arrived at ptk's
 * end when the call returns, so nothing depends on the speed of the kernel.
 *
 * A *task* is one socket call on a green thread of its own, with its outcome.
 */
#pragma once

#include "base/ptk_thread.h"
#include "conformance.h"
#include "ptk_test_intercept.h"

#include <poll.h>
#include <sys/epoll.h>

#define SOCK_FOREVER PTK_TIMEOUT_INFINITE

/* --- the world --- */

#define SOCK_WORLD_FDS 4096

typedef struct sock_world {
    ptk_interceptor_t interceptor;
    int last_fd;                     /* the newest that socket or accept gave */
    uint64_t calls[PTK_SYS_MEMBERS]; /* epoll_wait counts as poll */
    /* If set: called before each call (fd is -1 where there is none). A result other than 0 becomes the
     * result of the call, which is not made. */
    int (*before)(ptk_sys_member_t call, int fd);
    /* If set: called after each call, with its result. */
    void (*after)(ptk_sys_member_t call, int fd, intptr_t result);
    /* The next time that the poller would sleep it reports these events for `fake_fd` instead, `fakes` times.
     */
    int fake_fd;
    uint32_t fake_events;
    int fakes;
    /* Events that the poller hides when it reports about `masked_fd` (-1: none). */
    int masked_fd;
    uint32_t masked_events;
    /* Closing a descriptor that epoll still watches fails the test (P04). */
    int epoll;
    bool watched[SOCK_WORLD_FDS];
    uint64_t tick_ns; /* how far the clock moves each time it is read */
    struct epoll_event registered[SOCK_WORLD_FDS];
} sock_world_t;

extern sock_world_t sock_world;

/* Puts the world below this thread; before test_loop(). */
void sock_world_begin(void);

/* From now on `hook` receives the calls of `member` in the place of the world; NULL: the world again. */
void sock_world_hook(ptk_sys_member_t member, ptk_sys_hook_t hook);

/* fn in a green thread of a loop in the world, as test_in_green(). */
void sock_in_green(ptk_green_fn fn);

/* Lets everything happen that can. From a green thread. */
void sock_settle(void);

/* --- addresses and listeners --- */

/* The family that pairs and listeners use; AF_INET at first. */
extern int sock_family;

/* Sets sock_family to AF_INET6; skips the test where there is no ::1. */
void sock_use_ipv6(void);

/* Returns the loopback address of sock_family with port 0. */
ptk_addr_t sock_loopback(void);

/* Returns whether two addresses have the same host and port. */
bool sock_same_addr(const ptk_addr_t *a, const ptk_addr_t *b);

/* Returns a listening ptk socket on a port of its own. */
ptk_sock_t *sock_listener(int backlog, ptk_addr_t *addr_out);

/* The same as a plain descriptor; and one that accepts no handshake, because its backlog is full
   (peer_full_end ends it). */
int peer_listener(int backlog, ptk_addr_t *addr_out);
typedef struct peer_full {
    ptk_addr_t addr;
    int listener;
    int clients[8];
    int client_count;
} peer_full_t;
peer_full_t peer_full_begin(void);
void peer_full_end(peer_full_t *full);

/* Return a plain non-blocking TCP descriptor; the address to which it is bound; one that is connected to
   `addr`. */
int peer_open(void);
ptk_addr_t peer_local_addr(int fd);
int peer_connect(const ptk_addr_t *addr);

/* Returns the next connection of a plain listener; blocks the thread until there is one. */
int peer_accept(int listener);

/* Waits (and blocks the thread) until the kernel reports one of `events` for `fd`. */
void peer_await(int fd, short events);

/* --- pairs --- */

typedef struct sock_pair {
    ptk_sock_t *sock;
    int fd;   /* the descriptor beneath `sock`, only to look at */
    int peer; /* the other end; -1 once it is closed */
} sock_pair_t;

/* A ptk socket that accepted a plain one; with small kernel buffers. Neither parks. */
sock_pair_t sock_pair(void);
sock_pair_t sock_pair_narrow(void);

/* Skips the test if the system does not state the room of a send buffer: a send with timeout 0 may then keep
   a rest. */
void sock_need_stated_room(int fd);

/* Two ptk sockets. From a green thread. */
void sock_pair_green(ptk_sock_t *ends_out[2]);

/* Closes what is open. */
void sock_pair_end(sock_pair_t *pair);

/* The peer sends bytes; ends its stream; resets the connection. It has arrived when the call returns. */
void peer_write(const sock_pair_t *pair, const void *bytes, size_t count);
void peer_finish(const sock_pair_t *pair);
void peer_reset(sock_pair_t *pair);

/* Read what has arrived, at most `count` (-1: an error, which is in errno), or exactly `count`, blocking
   the thread. */
ssize_t peer_read_now(int fd, void *buffer, size_t count);
void peer_read(int fd, void *buffer, size_t count);

/* Fills an empty stream towards the peer until it takes no more, and no byte in transit can change that.
   Returns how many bytes it was. */
size_t sock_fill_stream(const sock_pair_t *pair);

/* A green thread takes what arrives at the peer until it has `count` bytes; between looks it lets others run.
 */
void peer_drain(int fd, void *buffer, size_t count);

/* Returns whether the peer's stream has ended (false: it is open; bytes and errors fail the test). */
bool peer_at_end(int fd);

/* --- bytes that show their place ---- */

/* `count` bytes of the pattern from `start` on; and a check that bytes are those. */
void sock_fill(void *buffer, size_t count, size_t start);
bool sock_is_filled(const void *buffer, size_t count, size_t start);

/* --- tasks --- */

typedef enum sock_verb {
    SOCK_RECV,
    SOCK_RECV_SOME,
    SOCK_SEND,
    SOCK_SEND_SOME,
    SOCK_ACCEPT,
    SOCK_CONNECT,
    SOCK_WAIT,
} sock_verb_t;

typedef struct sock_task {
    sock_verb_t verb;
    ptk_sock_t *sock;
    void *buffer; /* RECV*, SEND* */
    size_t length;
    uint32_t events;        /* WAIT: on the socket's own waitable */
    const ptk_addr_t *addr; /* CONNECT */
    uint32_t timeout_ms;
    /* The outcome of a task. */
    ptk_green_t *green;
    bool ended;
    uint32_t order; /* 1: the first task that ended */
    ptk_err err;
    ptk_err cause; /* ptk_get_cause() where err is not OK */
    size_t count;  /* of *_SOME; else ptk_get_count() where err is not OK */
    ptk_sock_t *accepted;
    ptk_addr_t accepted_addr;
} sock_task_t;

/* Makes the call on the calling green thread. */
ptk_err sock_task_call(sock_task_t *task);

/* Starts it on a green thread of its own (it runs when the caller parks). Join returns its error. */
void sock_task_start(sock_task_t *task);
ptk_err sock_task_join(sock_task_t *task);

/* Checks that every verb that takes a timeout returns `err`. */
void sock_check_all_calls(ptk_sock_t *sock, uint32_t timeout_ms, ptk_err err);
