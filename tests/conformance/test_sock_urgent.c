/* SPDX-License-Identifier: MIT */
/* Urgent bytes in the middle of a stream, and a socket that is always ready beside others. */
#include "test_sock.h"

#include <string.h>

#define MESSAGE 20

/* --- urgent bytes --- */

/* Bytes [0, at) are sent plainly, byte `at` is urgent, and the rest is sent plainly again. All of it has
 * arrived. */
static void write_with_urgent_byte(const sock_pair_t *pair, const unsigned char *bytes, size_t at,
                                   bool pause) {
    if (at > 0) {
        peer_write(pair, bytes, at);
    }
    if (pause) {
        sock_settle();
    }
    CHECK_EQ(fd_send_urgent(pair->peer, (char) bytes[at]), 1);
    if (pause) {
        sock_settle();
    }
    if (at + 1 < MESSAGE) {
        CHECK_EQ(fd_send(pair->peer, bytes + at + 1, MESSAGE - at - 1), (ssize_t) (MESSAGE - at - 1));
    }
}

/* The receiver is parked, or comes when everything has arrived; the sender pauses, or does not. */
static void receive_across(const sock_pair_t *pair, size_t at, bool parked, bool pause) {
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE] = {0};
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair->sock, .buffer = got, .length = MESSAGE, .timeout_ms = SOCK_FOREVER};
    sock_fill(bytes, MESSAGE, at);
    if (parked) {
        sock_task_start(&task);
        sock_settle();
    }
    write_with_urgent_byte(pair, bytes, at, pause);
    if (!parked) {
        sock_task_start(&task);
    }
    CHECK_OK(sock_task_join(&task));
    CHECK(memcmp(got, bytes, MESSAGE) == 0);
}

static ptk_err urgent_at_every_byte(void *unused) {
    (void) unused;
    sock_pair_t same = sock_pair();
    for (size_t at = 0; at < MESSAGE; at++) {
        for (int how = 0; how < 4; how++) {
            receive_across(&same, at, how % 2, how / 2);
            sock_pair_t fresh = sock_pair();
            receive_across(&fresh, at, how % 2, how / 2);
            sock_pair_end(&fresh);
        }
    }
    sock_pair_end(&same);
    return PTK_OK;
}

TEST(p59_recv_exact_across_an_urgent_byte_at_every_place) {
    sock_in_green(urgent_at_every_byte);
}

/* Small receives stop at the mark, and what is behind it is never reported again: it must not be forgotten.
 */
static ptk_err some_around_the_mark(void *unused) {
    (void) unused;
    for (size_t room = 1; room <= MESSAGE + 1; room++) {
        sock_pair_t pair = sock_pair();
        unsigned char bytes[MESSAGE];
        unsigned char got[MESSAGE + 1];
        size_t total = 0;
        sock_fill(bytes, MESSAGE, room);
        write_with_urgent_byte(&pair, bytes, 7, room % 2);
        while (total < MESSAGE) {
            size_t count = 0;
            size_t left = sizeof got - total;
            CHECK_OK(
                ptk_sock_recv_some(pair.sock, got + total, room < left ? room : left, &count, SOCK_FOREVER));
            total += count;
            if (total % 3 == 0) {
                sock_settle();
            }
        }
        CHECK_EQ(total, MESSAGE);
        CHECK(memcmp(got, bytes, MESSAGE) == 0);
        sock_pair_end(&pair);
    }
    return PTK_OK;
}

TEST(p59_recv_some_around_an_urgent_byte) {
    sock_in_green(some_around_the_mark);
}

/* A timeout in the middle of such a message keeps the part, on either side of the mark. */
static ptk_err urgent_and_timeout(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    for (size_t at = 0; at < MESSAGE; at++) {
        unsigned char bytes[MESSAGE];
        unsigned char got[MESSAGE + 4];
        sock_fill(bytes, MESSAGE, at);
        write_with_urgent_byte(&pair, bytes, at, at % 2);
        CHECK_ERR(ptk_sock_recv(pair.sock, got, MESSAGE + 4, 5), PTK_ERR_TIMEOUT);
        CHECK_EQ(ptk_sock_pending(pair.sock), MESSAGE);
        peer_write(&pair, "tail", 4);
        CHECK_OK(ptk_sock_recv(pair.sock, got, MESSAGE + 4, SOCK_FOREVER));
        CHECK(memcmp(got, bytes, MESSAGE) == 0 && memcmp(got + MESSAGE, "tail", 4) == 0);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p59_recv_timeout_beside_an_urgent_byte_keeps_what_came) {
    sock_in_green(urgent_and_timeout);
}

/* --- an always-ready socket --- */

#define COLD 50

typedef struct crowd {
    sock_pair_t hot;
    sock_pair_t cold[COLD];
    char got[COLD];
    sock_task_t tasks[COLD];
    uint64_t hot_operations;
    bool ends;
} crowd_t;

static crowd_t crowd;

/* Takes one byte at a time of a stream that never runs dry. */
static ptk_err hot_receiver(void *unused) {
    (void) unused;
    static const char more[4096];
    char byte;
    size_t count = 0;
    while (!crowd.ends) {
        CHECK_OK(ptk_sock_recv_some(crowd.hot.sock, &byte, 1, &count, SOCK_FOREVER));
        if (crowd.hot_operations++ % sizeof more == 0) {
            peer_write(&crowd.hot, more, sizeof more);
        }
    }
    return PTK_OK;
}

/* A thousand operations is the budget of a tick, plus the picks between two readings of the clock, with
   room. */
static ptk_err others_progress(void *unused) {
    (void) unused;
    crowd.hot = sock_pair();
    for (int i = 0; i < COLD; i++) {
        crowd.cold[i] = sock_pair();
        crowd.tasks[i] =
            (sock_task_t) {.verb = SOCK_RECV, .sock = crowd.cold[i].sock, .buffer = &crowd.got[i]};
        crowd.tasks[i].length = 1;
        crowd.tasks[i].timeout_ms = SOCK_FOREVER;
        sock_task_start(&crowd.tasks[i]);
    }
    sock_settle();
    peer_write(&crowd.hot, "start", 5);
    sock_world.tick_ns = 100 * 1000;
    ptk_green_t *hot = test_spawn(hot_receiver, NULL);
    for (int i = 0; i < COLD; i++) {
        uint64_t before = crowd.hot_operations;
        peer_write(&crowd.cold[i], "x", 1);
        CHECK_OK(sock_task_join(&crowd.tasks[i]));
        CHECK(crowd.hot_operations - before <= 1000);
    }
    crowd.ends = true;
    CHECK_OK(test_join(hot));
    sock_world.tick_ns = 0;
    sock_pair_end(&crowd.hot);
    for (int i = 0; i < COLD; i++) {
        sock_pair_end(&crowd.cold[i]);
    }
    return PTK_OK;
}

TEST(p47_always_ready_socket_lets_others_receive, COUNTS_CALLS | MANY_DESCRIPTORS) {
    sock_in_green(others_progress);
}

/* With a timer beside the hot socket: it is late by a bounded number of the socket's operations. */
static ptk_err timers_progress(void *unused) {
    (void) unused;
    crowd.hot = sock_pair();
    peer_write(&crowd.hot, "start", 5);
    sock_world.tick_ns = 100 * 1000;
    ptk_green_t *hot = test_spawn(hot_receiver, NULL);
    for (int i = 0; i < COLD; i++) {
        uint64_t before = crowd.hot_operations;
        CHECK_OK(ptk_sleep_ms(1));
        CHECK(crowd.hot_operations - before <= 10 * 1000); /* ten readings of the clock make a millisecond */
    }
    crowd.ends = true;
    CHECK_OK(test_join(hot));
    sock_world.tick_ns = 0;
    sock_pair_end(&crowd.hot);
    return PTK_OK;
}

TEST(p47_always_ready_socket_lets_timers_fire, COUNTS_CALLS) {
    sock_in_green(timers_progress);
}

/* Always-ready senders and acceptors spend the budget as well. */
static ptk_err hot_sender(void *unused) {
    (void) unused;
    static char taken[65536];
    while (!crowd.ends) {
        CHECK_OK(ptk_sock_send(crowd.hot.sock, "x", 1, SOCK_FOREVER));
        if (crowd.hot_operations++ % 512 == 0) {
            CHECK(peer_read_now(crowd.hot.peer, taken, sizeof taken) >= 0);
        }
    }
    return PTK_OK;
}

static ptk_err others_progress_beside_a_sender(void *unused) {
    (void) unused;
    sock_pair_t cold = sock_pair();
    crowd.hot = sock_pair();
    sock_world.tick_ns = 100 * 1000;
    ptk_green_t *hot = test_spawn(hot_sender, NULL);
    for (int i = 0; i < COLD; i++) {
        char got;
        sock_task_t task = {
            .verb = SOCK_RECV, .sock = cold.sock, .buffer = &got, .length = 1, .timeout_ms = SOCK_FOREVER};
        sock_task_start(&task);
        test_yield();
        uint64_t before = crowd.hot_operations;
        peer_write(&cold, "x", 1);
        CHECK_OK(sock_task_join(&task));
        CHECK(crowd.hot_operations - before <= 1000);
    }
    crowd.ends = true;
    CHECK_OK(test_join(hot));
    sock_world.tick_ns = 0;
    sock_pair_end(&crowd.hot);
    sock_pair_end(&cold);
    return PTK_OK;
}

TEST(p47_always_ready_sender_lets_others_receive, COUNTS_CALLS) {
    sock_in_green(others_progress_beside_a_sender);
}
