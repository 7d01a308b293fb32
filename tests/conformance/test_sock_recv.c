/* SPDX-License-Identifier: MIT */
/* Receiving: exactly `len` bytes, in any pieces; ends of the stream; one receiver at a time. */
#include "test_sock.h"

#include <string.h>

#define MESSAGE 40

/* --- splits --- */

/* A message of `total` bytes comes in pieces, whose sizes are the runs of equal bits in `cuts`; the receiver
 * is parked. */
static void receive_in_pieces(const sock_pair_t *pair, size_t total, uint64_t cuts) {
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE] = {0};
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair->sock, .buffer = got, .length = total, .timeout_ms = SOCK_FOREVER};
    sock_fill(bytes, total, (size_t) cuts);
    sock_task_start(&task);
    sock_settle();
    for (size_t start = 0; start < total;) {
        size_t end = start + 1;
        while (end < total && ((cuts >> end) & 1) == ((cuts >> start) & 1)) {
            end++;
        }
        CHECK(!task.ended);
        peer_write(pair, bytes + start, end - start);
        sock_settle();
        start = end;
    }
    CHECK(task.ended);
    CHECK_OK(sock_task_join(&task));
    CHECK(sock_is_filled(got, total, (size_t) cuts));
}

static ptk_err every_split_in_two(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    for (size_t total = 1; total <= MESSAGE; total++) {
        for (size_t first = 1; first <= total; first++) {
            receive_in_pieces(&pair, total, (UINT64_C(1) << first) - 1);
        }
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p01_recv_takes_messages_of_1_to_40_bytes_split_anywhere) {
    sock_in_green(every_split_in_two);
}

TEST(p01_recv_takes_messages_of_1_to_40_bytes_split_anywhere_ipv6) {
    sock_use_ipv6();
    sock_in_green(every_split_in_two);
}

static ptk_err every_composition(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    for (size_t total = 1; total <= 8; total++) {
        for (uint64_t cuts = 0; cuts < UINT64_C(1) << (total - 1); cuts++) {
            receive_in_pieces(&pair, total, cuts);
        }
    }
    receive_in_pieces(&pair, MESSAGE, UINT64_C(0xaaaaaaaaaaaaaaaa));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p01_recv_takes_messages_in_every_composition_of_pieces) {
    sock_in_green(every_composition);
}

/* 40 bytes come at once and are never notified again: bytes that are left over must be found. */
static ptk_err every_partial_read(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE];
    sock_fill(bytes, MESSAGE, 0);
    for (size_t first = 1; first < MESSAGE; first++) {
        sock_task_t task = {
            .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = first, .timeout_ms = SOCK_FOREVER};
        sock_task_start(&task);
        sock_settle();
        peer_write(&pair, bytes, MESSAGE);
        CHECK_OK(sock_task_join(&task));
        sock_settle();
        CHECK_OK(ptk_sock_recv(pair.sock, got + first, MESSAGE - first, SOCK_FOREVER));
        CHECK(sock_is_filled(got, MESSAGE, 0));
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p01_recv_finds_what_a_partial_read_of_every_size_left) {
    sock_in_green(every_partial_read);
}

static ptk_err bytes_one_by_one(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE];
    sock_fill(bytes, MESSAGE, 5);
    peer_write(&pair, bytes, MESSAGE);
    for (size_t total = 0; total < MESSAGE;) {
        size_t count = 0;
        size_t room = total % 7 + 1;
        CHECK_OK(ptk_sock_recv_some(pair.sock, got + total, room < MESSAGE - total ? room : MESSAGE - total,
                                    &count, SOCK_FOREVER));
        CHECK(count >= 1 && count <= room);
        total += count;
    }
    CHECK(sock_is_filled(got, MESSAGE, 5));
    size_t count = 0;
    CHECK_ERR(ptk_sock_recv_some(pair.sock, got, MESSAGE, &count, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_sock_recv_some(pair.sock, got, MESSAGE, &count, 20), PTK_ERR_TIMEOUT);
    CHECK_EQ(count, 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p01_recv_some_gives_at_least_one_byte_and_leaves_the_rest) {
    sock_in_green(bytes_one_by_one);
}

/* --- the end of the stream --- */

static void end_after(size_t before_end, size_t wanted) {
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE] = {0};
    size_t count = 0;
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = wanted, .timeout_ms = SOCK_FOREVER};
    sock_fill(bytes, MESSAGE, before_end);
    sock_task_start(&task);
    sock_settle();
    if (before_end > 0) {
        peer_write(&pair, bytes, before_end);
    }
    peer_finish(&pair);
    CHECK_ERR(sock_task_join(&task), before_end == 0 ? PTK_ERR_EOF : PTK_ERR_UNEXPECTED_EOF);
    CHECK_EQ(ptk_sock_pending(pair.sock), before_end);
    for (size_t total = 0; total < before_end; total += count) {
        CHECK_OK(ptk_sock_recv_some(pair.sock, got + total, MESSAGE - total, &count, SOCK_FOREVER));
        CHECK(sock_is_filled(got, total + count, before_end));
    }
    CHECK_EQ(ptk_sock_pending(pair.sock), 0);
    CHECK_ERR(ptk_sock_recv_some(pair.sock, got, 1, &count, SOCK_FOREVER), PTK_ERR_EOF);
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 1, 0), PTK_ERR_EOF);
    CHECK_OK(ptk_sock_send(pair.sock, "still open", 10, SOCK_FOREVER));
    sock_pair_end(&pair);
}

static ptk_err end_at_every_offset(void *unused) {
    (void) unused;
    for (size_t before_end = 0; before_end < MESSAGE; before_end++) {
        end_after(before_end, MESSAGE);
    }
    end_after(1, 2);
    return PTK_OK;
}

TEST(p09_end_of_stream_at_every_byte_of_a_recv) {
    sock_in_green(end_at_every_offset);
}

/* Data and the end have both arrived before the first look: no data may be dropped because of the end. */
static ptk_err end_behind_messages(void *unused) {
    (void) unused;
    for (size_t size = 1; size <= MESSAGE / 2; size++) {
        sock_pair_t pair = sock_pair();
        unsigned char bytes[MESSAGE];
        unsigned char got[MESSAGE];
        sock_fill(bytes, MESSAGE, size);
        peer_write(&pair, bytes, 2 * size);
        peer_finish(&pair);
        sock_settle();
        CHECK_OK(ptk_sock_recv(pair.sock, got, size, SOCK_FOREVER));
        sock_settle();
        CHECK_OK(ptk_sock_recv(pair.sock, got + size, size, 0));
        CHECK(sock_is_filled(got, 2 * size, size));
        CHECK_ERR(ptk_sock_recv(pair.sock, got, size, SOCK_FOREVER), PTK_ERR_EOF);
        sock_pair_end(&pair);
    }
    return PTK_OK;
}

TEST(p09_recv_gets_all_data_before_an_end_that_came_with_it) {
    sock_in_green(end_behind_messages);
}

/* The kernel keeps what came before a reset: so does ptk. */
static void reset_after(size_t before_end) {
    sock_pair_t pair = sock_pair();
    unsigned char bytes[MESSAGE];
    unsigned char got[MESSAGE];
    size_t count = 0;
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = MESSAGE, .timeout_ms = SOCK_FOREVER};
    sock_fill(bytes, MESSAGE, 3);
    sock_task_start(&task);
    sock_settle();
    if (before_end > 0) {
        peer_write(&pair, bytes, before_end);
    }
    peer_reset(&pair);
    CHECK_ERR(sock_task_join(&task), PTK_ERR_RESET);
    for (size_t total = 0; total < before_end; total += count) {
        CHECK_OK(ptk_sock_recv_some(pair.sock, got + total, MESSAGE - total, &count, SOCK_FOREVER));
        CHECK(sock_is_filled(got, total + count, 3));
    }
    CHECK_EQ(ptk_sock_pending(pair.sock), 0);
    ptk_err last = ptk_sock_recv_some(pair.sock, got, 1, &count, SOCK_FOREVER);
    CHECK(last == PTK_ERR_RESET || last == PTK_ERR_EOF);
    sock_pair_end(&pair);
}

static ptk_err reset_at_every_offset(void *unused) {
    (void) unused;
    for (size_t before_end = 0; before_end < MESSAGE; before_end++) {
        reset_after(before_end);
    }
    return PTK_OK;
}

TEST(p09_reset_at_every_byte_of_a_recv) {
    sock_in_green(reset_at_every_offset);
}

static ptk_err end_while_sending(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair_narrow();
    char got[4];
    static char big[1 << 20];
    sock_task_t sender = {.verb = SOCK_SEND,
                          .sock = pair.sock,
                          .buffer = big,
                          .length = sizeof big,
                          .timeout_ms = SOCK_FOREVER};
    sock_task_start(&sender);
    sock_settle();
    peer_write(&pair, "data", 4);
    peer_finish(&pair);
    sock_settle();
    CHECK(!sender.ended);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 4, SOCK_FOREVER));
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 4, SOCK_FOREVER), PTK_ERR_EOF);
    static char taken[sizeof big];
    peer_drain(pair.peer, taken, sizeof taken);
    CHECK_OK(sock_task_join(&sender));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p09_end_of_the_peers_stream_does_not_end_a_send) {
    sock_in_green(end_while_sending);
}

/* --- one receiver at a time --- */

static ptk_err three_receivers(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[3][4] = {{0}};
    sock_task_t tasks[3] = {
        {.verb = SOCK_RECV, .sock = pair.sock, .buffer = got[0], .length = 4, .timeout_ms = SOCK_FOREVER},
        {.verb = SOCK_RECV, .sock = pair.sock, .buffer = got[1], .length = 4, .timeout_ms = SOCK_FOREVER},
        {.verb = SOCK_RECV_SOME, .sock = pair.sock, .buffer = got[2], .length = 4, .timeout_ms = 50},
    };
    for (int i = 0; i < 3; i++) {
        sock_task_start(&tasks[i]);
        sock_settle();
    }
    CHECK(!tasks[0].ended && tasks[1].ended && tasks[2].ended);
    CHECK_ERR(sock_task_join(&tasks[1]), PTK_ERR_BUSY);
    CHECK_ERR(sock_task_join(&tasks[2]), PTK_ERR_BUSY);
    peer_write(&pair, "da", 2);
    sock_settle();
    CHECK_ERR(ptk_sock_recv(pair.sock, got[1], 1, 0), PTK_ERR_BUSY);
    peer_write(&pair, "ta", 2);
    CHECK_OK(sock_task_join(&tasks[0]));
    CHECK(memcmp(got[0], "data", 4) == 0);
    CHECK_ERR(ptk_sock_recv(pair.sock, got[1], 1, 0), PTK_ERR_TIMEOUT);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p06_second_and_third_receiver_of_a_stream_are_busy) {
    sock_in_green(three_receivers);
}

static ptk_err one_of_each(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair_narrow();
    static char big[256 * 1024];
    static char taken[sizeof big];
    char got[4];
    sock_task_t sender = {.verb = SOCK_SEND,
                          .sock = pair.sock,
                          .buffer = big,
                          .length = sizeof big,
                          .timeout_ms = SOCK_FOREVER};
    sock_task_t receiver = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 4, .timeout_ms = SOCK_FOREVER};
    sock_fill(big, sizeof big, 0);
    sock_task_start(&sender);
    sock_task_start(&receiver);
    sock_settle();
    CHECK(!sender.ended && !receiver.ended);
    peer_write(&pair, "data", 4);
    CHECK_OK(sock_task_join(&receiver));
    CHECK(!sender.ended);
    peer_drain(pair.peer, taken, sizeof taken);
    CHECK_OK(sock_task_join(&sender));
    CHECK(sock_is_filled(taken, sizeof taken, 0));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p06_sender_and_receiver_of_a_stream_each_get_their_own_wake) {
    sock_in_green(one_of_each);
}
