/* SPDX-License-Identifier: MIT */
/* Sends that are cut short: how many bytes were sent, that nothing follows, and that send_some can resume. */
#include "test_sock.h"

#include <stdlib.h>
#include <string.h>

/*
 * The limit: the kernel takes `left` more bytes of a message, `piece` at a time, and then is full: so full
 * that it will report room later as it always does, because the rest of its buffer holds filler, which the
 * peer discards.
 */
typedef struct limit {
    bool on;
    size_t left;
    size_t piece;
    size_t taken;  /* of the message */
    size_t filler; /* behind it */
} limit_t;

static limit_t limit;

/* What the system says when there is no more room. */
static int64_t add_filler(ptk_sys_call_t *call) {
    static char filler[2048];
    int64_t put = 1;
    memset(filler, 0xee, sizeof filler);
    call->send.buffer = filler;
    call->send.bytes = sizeof filler;
    while (put > 0) {
        put = ptk_sys_call_below(call);
        limit.filler += put > 0 ? (size_t) put : 0;
    }
    return put;
}

static int64_t limited_send(ptk_sys_call_t *call) {
    if (!limit.on) {
        return ptk_sys_call_below(call);
    }
    if (limit.left == 0) {
        return add_filler(call);
    }
    size_t most = limit.left < limit.piece ? limit.left : limit.piece;
    call->send.bytes = call->send.bytes < most ? call->send.bytes : most;
    int64_t put = ptk_sys_call_below(call);
    if (put > 0) {
        limit.left -= (size_t) put;
        limit.taken += (size_t) put;
    }
    return put;
}

static void limit_begin(size_t bytes, size_t piece) {
    limit = (limit_t) {.on = true, .left = bytes, .piece = piece};
    sock_world_hook(PTK_SYS_send, limited_send);
}

/* The peer gets what was taken of the message, which begins the pattern at `start`, and discards the
   filler. */
static void limit_end(const sock_pair_t *pair, size_t start) {
    static char taken[1 << 16];
    limit.on = false;
    CHECK(limit.taken + limit.filler <= sizeof taken);
    peer_drain(pair->peer, taken, limit.taken + limit.filler);
    CHECK(sock_is_filled(taken, limit.taken, start));
}

#define MESSAGE 6000

/* A send of MESSAGE bytes of which `bytes` are taken ends by `ending`; then all guarantees of PARTIAL
   hold. */
static void cut_send(const sock_pair_t *pair, size_t bytes, size_t piece, ptk_err ending) {
    static char message[MESSAGE];
    static char rest[MESSAGE];
    sock_task_t task = {.verb = SOCK_SEND, .sock = pair->sock, .buffer = message, .length = MESSAGE};
    task.timeout_ms = ending == PTK_ERR_TIMEOUT ? 10 : SOCK_FOREVER;
    sock_fill(message, MESSAGE, bytes);
    limit_begin(bytes, piece);
    sock_task_start(&task);
    sock_settle();
    if (ending == PTK_ERR_CANCELED) {
        CHECK_OK(ptk_green_cancel(task.green));
    }
    CHECK_ERR(sock_task_join(&task), PTK_ERR_PARTIAL);
    CHECK_EQ(task.count, bytes);
    CHECK_EQ(task.count, limit.taken);
    CHECK_ERR(task.cause, ending);
    CHECK_ERR(ptk_sock_send(pair->sock, "next frame", 10, 0), PTK_ERR_BROKEN);
    limit_end(pair, bytes);
    CHECK_ERR(ptk_sock_send(pair->sock, "next frame", 10, SOCK_FOREVER), PTK_ERR_BROKEN);
    CHECK_EQ(ptk_get_count(), 0);
    for (size_t at = bytes; at < MESSAGE;) { /* in three parts: broken until the frame is whole */
        size_t count = 0;
        size_t most = (MESSAGE - bytes) / 3 + 1;
        CHECK_ERR(ptk_sock_send(pair->sock, "next frame", 10, 0), PTK_ERR_BROKEN);
        CHECK_OK(ptk_sock_send_some(pair->sock, message + at, most < MESSAGE - at ? most : MESSAGE - at,
                                    &count, SOCK_FOREVER));
        peer_drain(pair->peer, rest + at, count);
        at += count;
    }
    CHECK(memcmp(message + bytes, rest + bytes, MESSAGE - bytes) == 0);
    CHECK_OK(ptk_sock_send(pair->sock, "next frame", 10, SOCK_FOREVER));
    peer_drain(pair->peer, rest, 10);
    CHECK(memcmp(rest, "next frame", 10) == 0);
}

static ptk_err timeout_at_many_counts(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair_narrow();
    for (size_t bytes = 1; bytes <= 64; bytes++) {
        cut_send(&pair, bytes, MESSAGE, PTK_ERR_TIMEOUT);
    }
    for (size_t bytes = 65; bytes < MESSAGE; bytes += bytes / 3) {
        cut_send(&pair, bytes, 500, PTK_ERR_TIMEOUT);
    }
    cut_send(&pair, MESSAGE - 1, MESSAGE, PTK_ERR_TIMEOUT);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_partial_send_then_timeout_returns_how_many, WHOLE_TRANSFERS) {
    sock_in_green(timeout_at_many_counts);
}

static ptk_err cancel_at_many_counts(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair_narrow();
    for (size_t bytes = 1; bytes < MESSAGE; bytes += 1 + bytes / 2) {
        cut_send(&pair, bytes, 7 + bytes / 2, PTK_ERR_CANCELED);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_partial_send_then_cancel_returns_how_many) {
    sock_in_green(cancel_at_many_counts);
}

/* Pieces of every size form one message. */
static ptk_err short_sends(void *unused) {
    (void) unused;
    static char message[200];
    static char taken[sizeof message];
    sock_pair_t pair = sock_pair();
    sock_fill(message, sizeof message, 0);
    for (size_t piece = 1; piece <= sizeof message; piece += 1 + piece / 8) {
        limit_begin(sizeof message, piece);
        CHECK_OK(ptk_sock_send(pair.sock, message, sizeof message, piece % 2 ? 0 : SOCK_FOREVER));
        limit.on = false;
        CHECK_EQ(limit.taken, sizeof message);
        peer_drain(pair.peer, taken, sizeof taken);
        CHECK(memcmp(message, taken, sizeof taken) == 0);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_send_puts_short_pieces_together) {
    sock_in_green(short_sends);
}

/* With timeout 0 the part that fits is sent, and the result is PARTIAL as well. */
static ptk_err partial_at_once(void *unused) {
    (void) unused;
    static char message[1 << 20];
    static char taken[sizeof message];
    sock_pair_t pair = sock_pair_narrow();
    sock_fill(message, sizeof message, 0);
    CHECK_ERR(ptk_sock_send(pair.sock, message, sizeof message, 0), PTK_ERR_PARTIAL);
    size_t sent = ptk_get_count();
    CHECK(sent > 0 && sent < sizeof message);
    CHECK_ERR(ptk_get_cause(), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, 0), PTK_ERR_BROKEN);
    peer_drain(pair.peer, taken, sent);
    while (sent < sizeof message) {
        size_t count = 0;
        CHECK_OK(ptk_sock_send_some(pair.sock, message + sent, sizeof message - sent, &count, SOCK_FOREVER));
        peer_drain(pair.peer, taken + sent, count);
        sent += count;
    }
    CHECK(memcmp(message, taken, sizeof message) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_partial_send_with_timeout_0) {
    sock_in_green(partial_at_once);
}

static ptk_err broken_queue(void *unused) {
    (void) unused;
    static char message[MESSAGE];
    sock_pair_t pair = sock_pair_narrow();
    sock_task_t first = {
        .verb = SOCK_SEND, .sock = pair.sock, .buffer = message, .length = MESSAGE, .timeout_ms = 20};
    sock_task_t queued[3];
    sock_fill(message, MESSAGE, 0);
    limit_begin(100, MESSAGE);
    sock_task_start(&first);
    for (int i = 0; i < 3; i++) {
        queued[i] = first;
        queued[i].timeout_ms = SOCK_FOREVER;
        sock_task_start(&queued[i]);
    }
    CHECK_ERR(sock_task_join(&first), PTK_ERR_PARTIAL);
    CHECK_EQ(first.count, 100);
    for (int i = 0; i < 3; i++) {
        CHECK_ERR(sock_task_join(&queued[i]), PTK_ERR_BROKEN);
        CHECK_EQ(queued[i].count, 0);
    }
    limit_end(&pair, 0);
    sock_settle();
    CHECK(!peer_at_end(pair.peer));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_queued_sends_are_broken_by_a_partial_one) {
    sock_in_green(broken_queue);
}

/* A send_some that is cut short has returned its count, so it breaks nothing. */
static ptk_err some_breaks_nothing(void *unused) {
    (void) unused;
    static char message[1 << 20];
    static char taken[sizeof message + 5];
    sock_pair_t pair = sock_pair_narrow();
    size_t count = 0;
    size_t total = 0;
    sock_fill(message, sizeof message, 0);
    while (ptk_sock_send_some(pair.sock, message + total, sizeof message - total, &count, 5) == PTK_OK) {
        total += count;
    }
    CHECK_ERR(ptk_get_err(), PTK_ERR_TIMEOUT);
    CHECK(total > 0);
    peer_drain(pair.peer, taken, total);
    CHECK_OK(ptk_sock_send(pair.sock, "whole", 5, SOCK_FOREVER));
    peer_drain(pair.peer, taken + total, 5);
    CHECK(sock_is_filled(taken, total, 0) && memcmp(taken + total, "whole", 5) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_send_some_leaves_the_stream_whole) {
    sock_in_green(some_breaks_nothing);
}

/* The stream is broken in one direction only. */
static ptk_err broken_but_readable(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair_narrow();
    char got[4];
    static char message[1 << 20];
    size_t count = 9;
    CHECK_ERR(ptk_sock_send(pair.sock, message, sizeof message, 5), PTK_ERR_PARTIAL);
    CHECK_ERR(ptk_sock_send_some(pair.sock, message, sizeof message, &count, 5), PTK_ERR_TIMEOUT);
    CHECK_EQ(count, 0);
    peer_write(&pair, "data", 4);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 4, SOCK_FOREVER));
    CHECK(memcmp(got, "data", 4) == 0);
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, 5), PTK_ERR_BROKEN);
    ptk_sock_reset(pair.sock);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_broken_stream_can_still_be_read) {
    sock_in_green(broken_but_readable);
}

/* The peer receives what was sent before the break; a close sends no more than that. */
static ptk_err close_after_partial(void *unused) {
    (void) unused;
    static char message[1 << 20];
    static char taken[sizeof message];
    sock_pair_t pair = sock_pair_narrow();
    sock_fill(message, sizeof message, 0);
    CHECK_ERR(ptk_sock_send(pair.sock, message, sizeof message, 5), PTK_ERR_PARTIAL);
    size_t sent = ptk_get_count();
    ptk_sock_close(pair.sock);
    peer_drain(pair.peer, taken, sent);
    CHECK(sock_is_filled(taken, sent, 0));
    peer_await(pair.peer, POLLIN);
    CHECK(peer_at_end(pair.peer));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_close_after_a_partial_send_delivers_what_was_counted) {
    sock_in_green(close_after_partial);
}
