/* SPDX-License-Identifier: MIT */
/* Sends that are cut short: how many bytes were sent, that nothing follows, and that send_some can resume. */
#include "test_sock.h"

#include <stdlib.h>
#include <errno.h>
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

static int unreachable_after; /* so many sends succeed */

static int64_t unreachable_send(ptk_sys_call_t *call) {
    if (unreachable_after == 0) {
        return -EHOSTUNREACH;
    }
    call->send.bytes = 10;
    int64_t result = ptk_sys_call_below(call);
    unreachable_after -= result > 0 ? 1 : 0;
    return result;
}

/* The error of the system stays what it was, beside the cause and the count. */
static ptk_err system_ends_the_send(void *unused) {
    (void) unused;
    char taken[20];
    sock_pair_t pair = sock_pair();
    unreachable_after = 2;
    sock_world_hook(PTK_SYS_send, unreachable_send);
    ptk_err err = ptk_sock_send(pair.sock, "a frame of thirty-one bytes ...", 31, SOCK_FOREVER);
    CHECK_ERR(err, PTK_ERR_PARTIAL);
    CHECK_EQ(ptk_get_count(), 20);
    CHECK_ERR(ptk_get_cause(), PTK_ERR_UNREACHABLE);
    CHECK_EQ(ptk_get_os_err(), EHOSTUNREACH);
    sock_world_hook(PTK_SYS_send, NULL);
    peer_drain(pair.peer, taken, sizeof taken);
    CHECK(memcmp(taken, "a frame of thirty-on", sizeof taken) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_partial_send_keeps_the_error_of_the_system, WHOLE_TRANSFERS) {
    sock_in_green(system_ends_the_send);
}

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

/* --- timeout 0: all bytes or none --- */

/* A peer that does not read gets whole frames until one finds no room, and more as soon as it has read. */
static ptk_err frames_to_a_slow_peer(void *unused) {
    (void) unused;
    enum { FRAME = 1000, ROUNDS = 3, MOST = 1 << 16 };
    static unsigned char taken[MOST];
    unsigned char frame[FRAME];
    sock_pair_t pair = sock_pair_narrow();
    size_t sent = 0;
    size_t read = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t before = sent;
        ptk_err err = PTK_OK;
        while (err == PTK_OK) {
            sock_fill(frame, FRAME, sent);
            err = ptk_sock_send(pair.sock, frame, FRAME, 0);
            sent += err == PTK_OK ? FRAME : 0;
            CHECK(sent - before < MOST);
        }
        CHECK_ERR(err, PTK_ERR_TIMEOUT);
        CHECK_EQ(ptk_get_count(), 0);
        CHECK(sent > before);
        peer_drain(pair.peer, taken, sent - read);
        CHECK(sock_is_filled(taken, sent - read, read));
        read = sent;
        sock_settle();
    }
    sock_fill(frame, FRAME, sent);
    CHECK_OK(ptk_sock_send(pair.sock, frame, FRAME, SOCK_FOREVER));
    peer_drain(pair.peer, taken, FRAME);
    CHECK(sock_is_filled(taken, FRAME, sent));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p86_send_with_timeout_0_sends_whole_frames_or_none) {
    sock_in_green(frames_to_a_slow_peer);
}

/* More than the send buffer has never finds room, and the connection stays usable. */
static ptk_err too_big_at_once(void *unused) {
    (void) unused;
    static char message[1 << 20];
    char byte = 0;
    sock_pair_t pair = sock_pair_narrow();
    sock_need_stated_room(pair.peer);
    CHECK_ERR(ptk_sock_send(pair.sock, message, sizeof message, 0), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_get_count(), 0);
    CHECK_OK(ptk_sock_send(pair.sock, "x", 1, 0));
    peer_drain(pair.peer, &byte, 1);
    CHECK_EQ(byte, 'x');
    CHECK_ERR(ptk_sock_send(pair.sock, message, sizeof message, 10), PTK_ERR_PARTIAL);
    CHECK_ERR(ptk_sock_send(pair.sock, message, 1, 0), PTK_ERR_BROKEN);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p86_send_with_timeout_0_of_more_than_the_buffer_sends_nothing) {
    sock_in_green(too_big_at_once);
}

static size_t stingy_bytes; /* what the system takes before it would block */

static int64_t stingy_send(ptk_sys_call_t *call) {
    if (stingy_bytes == 0) {
        return -EAGAIN;
    }
    call->send.bytes = call->send.bytes < stingy_bytes ? call->send.bytes : stingy_bytes;
    int64_t sent = ptk_sys_call_below(call);
    stingy_bytes -= sent > 0 ? (size_t) sent : 0;
    return sent;
}

/* The system takes fewer bytes than it had room for: the socket keeps the rest, which precedes later bytes
   and the end of the stream. */
static ptk_err rest_goes_first(void *unused) {
    (void) unused;
    char taken[12];
    sock_pair_t pair = sock_pair();
    sock_world_hook(PTK_SYS_send, stingy_send);
    stingy_bytes = 3;
    CHECK_OK(ptk_sock_send(pair.sock, "abcdefgh", 8, 0));
    CHECK_ERR(ptk_sock_send(pair.sock, "ij", 2, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_sock_shutdown(pair.sock, PTK_SOCK_WRITE), PTK_ERR_TIMEOUT);
    stingy_bytes = 2;
    CHECK_ERR(ptk_sock_send(pair.sock, NULL, 0, 0), PTK_ERR_TIMEOUT);
    peer_drain(pair.peer, taken, 5);
    CHECK(memcmp(taken, "abcde", 5) == 0);
    stingy_bytes = 1000;
    CHECK_OK(ptk_sock_send(pair.sock, "ij", 2, SOCK_FOREVER));
    peer_drain(pair.peer, taken, 5);
    CHECK(memcmp(taken, "fghij", 5) == 0);
    stingy_bytes = 1;
    CHECK_OK(ptk_sock_send(pair.sock, "kl", 2, 0));
    stingy_bytes = 1000;
    CHECK_OK(ptk_sock_shutdown(pair.sock, PTK_SOCK_WRITE));
    peer_drain(pair.peer, taken, 2);
    CHECK(memcmp(taken, "kl", 2) == 0);
    while (!peer_at_end(pair.peer)) {
        sock_settle();
    }
    sock_world_hook(PTK_SYS_send, NULL);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p86_rest_of_a_send_with_timeout_0_precedes_later_bytes, WHOLE_TRANSFERS) {
    sock_in_green(rest_goes_first);
}

/* close tries the rest once, and frees what it cannot send. */
static ptk_err rest_at_close(void *unused) {
    (void) unused;
    char taken[8];
    for (size_t at_close = 0; at_close < 2; at_close++) {
        sock_pair_t pair = sock_pair();
        sock_world_hook(PTK_SYS_send, stingy_send);
        stingy_bytes = 3;
        CHECK_OK(ptk_sock_send(pair.sock, "abcdefgh", 8, 0));
        stingy_bytes = at_close * 1000;
        ptk_sock_close(pair.sock);
        sock_world_hook(PTK_SYS_send, NULL);
        pair.sock = NULL;
        peer_drain(pair.peer, taken, at_close ? 8 : 3);
        CHECK(memcmp(taken, "abcdefgh", at_close ? 8 : 3) == 0);
        sock_pair_end(&pair);
    }
    return PTK_OK;
}

TEST(p86_rest_of_a_send_with_timeout_0_is_tried_by_close, WHOLE_TRANSFERS) {
    sock_in_green(rest_at_close);
}

static int64_t no_memory(ptk_sys_call_t *call) {
    (void) call;
    return ptk_sys_pointer(NULL);
}

static ptk_err rest_without_memory(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    sock_world_hook(PTK_SYS_send, stingy_send);
    sock_world_hook(PTK_SYS_heap_reallocate, no_memory);
    stingy_bytes = 3;
    ptk_err err = ptk_sock_send(pair.sock, "abcdefgh", 8, 0);
    sock_world_hook(PTK_SYS_heap_reallocate, NULL);
    CHECK_ERR(err, PTK_ERR_PARTIAL);
    CHECK_EQ(ptk_get_count(), 3);
    CHECK_ERR(ptk_get_cause(), PTK_ERR_NO_RESOURCES);
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, 0), PTK_ERR_BROKEN);
    sock_world_hook(PTK_SYS_send, NULL);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p86_rest_without_memory_is_partial, WHOLE_TRANSFERS) {
    sock_in_green(rest_without_memory);
}

static int64_t no_meminfo(ptk_sys_call_t *call) {
    return call->get_option.name == SO_MEMINFO ? -ENOPROTOOPT : ptk_sys_call_below(call);
}

/* An older system does not state its room: the rest is kept. */
static ptk_err room_is_not_stated(void *unused) {
    (void) unused;
    static char message[1 << 20];
    static char taken[sizeof message];
    sock_pair_t pair = sock_pair_narrow();
    sock_world_hook(PTK_SYS_get_option, no_meminfo);
    sock_fill(message, sizeof message, 0);
    CHECK_OK(ptk_sock_send(pair.sock, message, sizeof message, 0));
    sock_task_t task = {.verb = SOCK_SEND, .sock = pair.sock, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task); /* of no bytes: it sends the rest */
    peer_drain(pair.peer, taken, sizeof taken);
    CHECK_OK(sock_task_join(&task));
    CHECK(memcmp(message, taken, sizeof taken) == 0);
    sock_world_hook(PTK_SYS_get_option, NULL);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p86_send_with_timeout_0_where_the_room_is_not_stated) {
    sock_in_green(room_is_not_stated);
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
    sock_settle();
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
    while (ptk_sock_send_some(pair.sock, message, sizeof message, &count, 5) == PTK_OK) {
        CHECK(count > 0); /* the kernel may have had room when the send ended */
    }
    CHECK_ERR(ptk_get_err(), PTK_ERR_TIMEOUT);
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
