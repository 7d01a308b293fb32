/* SPDX-License-Identifier: MIT */
/* Receives that are cut short by a timeout or a cancel: no byte is lost, and data beats the timeout. */
#include "test_sock.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGE 40

/* --- a timeout in the middle --- */

/* What a receive left unread in `pair` after `kept` of MESSAGE bytes is whole once the rest has come. */
static void rest_comes_and_all_is_there(const sock_pair_t *pair, const unsigned char *bytes, size_t kept) {
    unsigned char got[MESSAGE] = {0};
    CHECK_EQ(ptk_sock_pending(pair->sock), kept);
    peer_write(pair, bytes + kept, MESSAGE - kept);
    CHECK_OK(ptk_sock_recv(pair->sock, got, MESSAGE, SOCK_FOREVER));
    CHECK(memcmp(got, bytes, MESSAGE) == 0);
    CHECK_EQ(ptk_sock_pending(pair->sock), 0);
}

static ptk_err timeout_after_every_count(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE];
    for (size_t kept = 1; kept < MESSAGE; kept++) {
        sock_fill(bytes, MESSAGE, kept);
        peer_write(&pair, bytes, kept);
        CHECK_ERR(ptk_sock_recv(pair.sock, got, MESSAGE, kept % 2 ? 0 : 5), PTK_ERR_TIMEOUT);
        rest_comes_and_all_is_there(&pair, bytes, kept);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p23_recv_timeout_after_every_byte_keeps_what_came) {
    sock_in_green(timeout_after_every_count);
}

/* The receiver is parked when the part comes, and again when its timeout expires. */
static ptk_err timeout_while_parked(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE];
    for (size_t kept = 1; kept < MESSAGE; kept++) {
        sock_task_t task = {
            .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = MESSAGE, .timeout_ms = 10};
        sock_fill(bytes, MESSAGE, kept);
        sock_task_start(&task);
        sock_settle();
        peer_write(&pair, bytes, kept);
        sock_settle();
        CHECK(!task.ended);
        CHECK_ERR(sock_task_join(&task), PTK_ERR_TIMEOUT);
        rest_comes_and_all_is_there(&pair, bytes, kept);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p23_recv_timeout_of_a_parked_receiver_keeps_what_came) {
    sock_in_green(timeout_while_parked);
}

static ptk_err timeout_after_each_byte(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE];
    sock_fill(bytes, MESSAGE, 9);
    for (size_t kept = 0; kept + 1 < MESSAGE; kept++) {
        peer_write(&pair, bytes + kept, 1);
        CHECK_ERR(ptk_sock_recv(pair.sock, got, MESSAGE, 3), PTK_ERR_TIMEOUT);
        CHECK_EQ(ptk_sock_pending(pair.sock), kept + 1);
    }
    rest_comes_and_all_is_there(&pair, bytes, MESSAGE - 1);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p23_recv_unread_bytes_grow_over_many_timeouts) {
    sock_in_green(timeout_after_each_byte);
}

static uint64_t allocations;

static int64_t counted_reallocate(ptk_sys_call_t *call) {
    allocations++;
    return ptk_sys_call_below(call);
}

/* A long message comes in small pieces, each after a timeout: the unread bytes are moved when their memory
   doubles, and not at each timeout. The number of allocations shows it. */
static ptk_err many_timeouts(void *unused) {
    (void) unused;
    enum { PIECE = 16, PIECES = 4096, LENGTH = PIECE * PIECES };
    sock_pair_t pair = sock_pair();
    unsigned char piece[PIECE];
    unsigned char *got = malloc(LENGTH);
    sock_world_hook(PTK_SYS_heap_reallocate, counted_reallocate);
    allocations = 0;
    for (size_t i = 0; i + 1 < PIECES; i++) {
        sock_fill(piece, PIECE, i * PIECE);
        peer_write(&pair, piece, PIECE);
        CHECK_ERR(ptk_sock_recv(pair.sock, got, LENGTH, i % 64 ? 0 : 3), PTK_ERR_TIMEOUT);
        CHECK_EQ(ptk_sock_pending(pair.sock), (i + 1) * PIECE);
    }
    CHECK(allocations > 0);
    CHECK(allocations <= 16); /* 2^16 is LENGTH */
    sock_fill(piece, PIECE, LENGTH - PIECE);
    peer_write(&pair, piece, PIECE);
    CHECK_OK(ptk_sock_recv(pair.sock, got, LENGTH, SOCK_FOREVER));
    CHECK(sock_is_filled(got, LENGTH, 0));
    CHECK_EQ(ptk_sock_pending(pair.sock), 0);
    free(got);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(recv_many_timeouts_move_the_unread_bytes_seldom, COUNTS_CALLS) {
    sock_in_green(many_timeouts);
}

/* Between the timeouts a part is taken, so the unread bytes do not begin where their memory does. */
static ptk_err timeouts_and_parts(void *unused) {
    (void) unused;
    enum { ROUNDS = 200, PIECE = 7, PART = 5 };
    sock_pair_t pair = sock_pair();
    unsigned char bytes[PIECE];
    unsigned char got[ROUNDS * PIECE];
    size_t taken = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        sock_fill(bytes, PIECE, round * PIECE);
        peer_write(&pair, bytes, PIECE);
        CHECK_ERR(ptk_sock_recv(pair.sock, got, sizeof got, 0), PTK_ERR_TIMEOUT);
        CHECK_OK(ptk_sock_recv(pair.sock, got, PART, 0));
        CHECK(sock_is_filled(got, PART, taken));
        taken += PART;
        CHECK_EQ(ptk_sock_pending(pair.sock), (round + 1) * PIECE - taken);
        CHECK_OK(ptk_sock_recv(pair.sock, NULL, 0, 0));
    }
    CHECK_OK(ptk_sock_recv(pair.sock, got, ROUNDS * PIECE - taken, 0));
    CHECK(sock_is_filled(got, ROUNDS * PIECE - taken, taken));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p23_recv_timeouts_and_parts_in_turns_lose_nothing) {
    sock_in_green(timeouts_and_parts);
}

/* Leaves `kept` unread bytes in `pair`; the stream's next byte is bytes[kept]. */
static void make_carry(const sock_pair_t *pair, const unsigned char *bytes, size_t kept) {
    unsigned char got[MESSAGE];
    peer_write(pair, bytes, kept);
    CHECK_ERR(ptk_sock_recv(pair->sock, got, kept + 1, 0), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_sock_pending(pair->sock), kept);
}

static ptk_err carry_in_small_pieces(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE];
    sock_fill(bytes, MESSAGE, 0);
    make_carry(&pair, bytes, 20);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 3, 0));
    CHECK_EQ(ptk_sock_pending(pair.sock), 17);
    size_t count = 0;
    CHECK_OK(ptk_sock_recv_some(pair.sock, got + 3, 5, &count, 0));
    CHECK_EQ(count, 5);
    CHECK_EQ(ptk_sock_pending(pair.sock), 12);
    peer_write(&pair, bytes + 20, 20);
    CHECK_OK(ptk_sock_recv(pair.sock, got + 8, 30, SOCK_FOREVER));
    CHECK_EQ(ptk_sock_pending(pair.sock), 0);
    CHECK_OK(ptk_sock_recv(pair.sock, got + 38, 2, SOCK_FOREVER));
    CHECK(memcmp(got, bytes, MESSAGE) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p23_recv_takes_unread_bytes_before_the_stream) {
    sock_in_green(carry_in_small_pieces);
}

static ptk_err carry_then_end(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE];
    sock_fill(bytes, MESSAGE, 0);
    make_carry(&pair, bytes, 20);
    peer_finish(&pair);
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 21, SOCK_FOREVER), PTK_ERR_UNEXPECTED_EOF);
    CHECK_EQ(ptk_sock_pending(pair.sock), 20);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 20, SOCK_FOREVER));
    CHECK(memcmp(got, bytes, 20) == 0);
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 1, SOCK_FOREVER), PTK_ERR_EOF);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p23_recv_unread_bytes_survive_the_end_of_the_stream) {
    sock_in_green(carry_then_end);
}

static ptk_err big_carry(void *unused) {
    (void) unused;
    enum { HALF = 300000 };
    unsigned char *bytes = malloc(2 * HALF);
    unsigned char *got = malloc(2 * HALF);
    ptk_sock_t *ends[2];
    sock_pair_green(ends);
    sock_task_t receiver = {
        .verb = SOCK_RECV, .sock = ends[1], .buffer = got, .length = 2 * HALF, .timeout_ms = 50};
    sock_fill(bytes, 2 * HALF, 0);
    sock_task_start(&receiver);
    CHECK_OK(ptk_sock_send(ends[0], bytes, HALF, SOCK_FOREVER));
    CHECK_ERR(sock_task_join(&receiver), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_sock_pending(ends[1]), HALF);
    receiver.timeout_ms = SOCK_FOREVER;
    sock_task_start(&receiver);
    CHECK_OK(ptk_sock_send(ends[0], bytes + HALF, HALF, SOCK_FOREVER));
    CHECK_OK(sock_task_join(&receiver));
    CHECK(sock_is_filled(got, 2 * HALF, 0));
    ptk_sock_close(ends[0]);
    ptk_sock_close(ends[1]);
    free(bytes);
    free(got);
    return PTK_OK;
}

TEST(p23_recv_unread_bytes_may_be_many) {
    sock_in_green(big_carry);
}

/* --- a cancel in the middle --- */

static ptk_err cancel_after_every_count(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE];
    for (size_t kept = 0; kept < MESSAGE; kept++) {
        sock_task_t task = {.verb = SOCK_RECV,
                            .sock = pair.sock,
                            .buffer = got,
                            .length = MESSAGE,
                            .timeout_ms = SOCK_FOREVER};
        sock_fill(bytes, MESSAGE, kept);
        sock_task_start(&task);
        sock_settle();
        if (kept > 0) {
            peer_write(&pair, bytes, kept);
            if (kept % 2) {
                sock_settle();
            }
        }
        CHECK_OK(ptk_green_cancel(task.green));
        CHECK_ERR(sock_task_join(&task), PTK_ERR_CANCELED);
        unsigned char whole[MESSAGE];
        peer_write(&pair, bytes + kept, MESSAGE - kept);
        CHECK_OK(ptk_sock_recv(pair.sock, whole, MESSAGE, SOCK_FOREVER));
        CHECK(memcmp(whole, bytes, MESSAGE) == 0);
        CHECK_EQ(ptk_sock_pending(pair.sock), 0);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p46_recv_cancelled_after_every_byte_keeps_what_came) {
    sock_in_green(cancel_after_every_count);
}

/* The message is complete when the cancel comes: either it is delivered, or all of it is still unread. */
static ptk_err cancel_behind_the_data(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    for (int round = 0; round < 4; round++) {
        char got[8] = {0};
        sock_task_t task = {.verb = round % 2 ? SOCK_RECV : SOCK_RECV_SOME,
                            .sock = pair.sock,
                            .buffer = got,
                            .length = 4,
                            .timeout_ms = SOCK_FOREVER};
        sock_task_start(&task);
        sock_settle();
        peer_write(&pair, "data", 4);
        CHECK_OK(ptk_green_cancel(task.green));
        ptk_err err = sock_task_join(&task);
        CHECK(err == PTK_OK || err == PTK_ERR_CANCELED);
        if (err) {
            CHECK_OK(ptk_sock_recv(pair.sock, got, 4, 0));
        }
        CHECK(memcmp(got, "data", 4) == 0);
        CHECK_ERR(ptk_sock_recv(pair.sock, got, 1, 0), PTK_ERR_TIMEOUT);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p46_recv_cancelled_when_the_data_is_there_loses_nothing, WHOLE_TRANSFERS) {
    sock_in_green(cancel_behind_the_data);
}
