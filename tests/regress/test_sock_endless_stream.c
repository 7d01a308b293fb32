/* SPDX-License-Identifier: MIT */
/*
 * A receive into a huge buffer, from a peer that never stops sending, did not end at its deadline: as long as
 * there was data it continued, and while the data had already arrived no other green thread ran.
 */
#include "regress_sock.h"

#include "ptk_test_intercept.h"

#define BUFFER_BYTES ((size_t) 1 << 20)
#define PIECE_BYTES  16
#define MOST_WRITES  20000

static char buffer[BUFFER_BYTES];
static ptk_interceptor_t hooks;
static size_t pieces;
static size_t writes;
static int peer = -1;

/* There is always something: a piece that takes a tenth of a millisecond. */
static int64_t receive_piece(ptk_sys_call_t *call) {
    CHECK(call->recv.bytes >= PIECE_BYTES);
    pieces++;
    test_clock_advance(PTK_NS_PER_MS / 10);
    return PIECE_BYTES;
}

/* There is data as soon as the loop polls, a tenth of a millisecond after the last. */
static void write_piece(void) {
    static const char zeros[PIECE_BYTES];
    if (peer >= 0 && writes < MOST_WRITES) {
        writes++;
        test_clock_advance(PTK_NS_PER_MS / 10);
        CHECK_EQ(send(peer, zeros, sizeof zeros, MSG_NOSIGNAL), PIECE_BYTES);
    }
}

static int64_t write_and_poll(ptk_sys_call_t *call) {
    write_piece();
    return ptk_sys_call_below(call);
}

/* The clock stands still but for the pieces. */
static void run_on(const char *platform, ptk_green_fn fn) {
    test_clock_begin(1000 * PTK_NS_PER_MS);
    ptk_intercept(&hooks);
    regress_in_green(platform, fn);
    test_clock_end();
}

static ptk_err receive_one(void *sock) {
    char byte;
    return ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE);
}

/* Its rounds take time too, or a receive that only waits would never end. */
static ptk_err count_ticks(void *arg) {
    size_t *turns = arg;
    while (ptk_yield() == PTK_OK) {
        ++*turns;
        test_clock_advance(1000);
    }
    return PTK_OK;
}

/* A stream whose end has been seen is read without a pause until that end. */
static ptk_err receive_without_parking(void *unused) {
    (void) unused;
    int end = -1;
    size_t turns = 0;
    ptk_sock_t *sock = regress_pair(&end);
    ptk_green_t *first = test_spawn(receive_one, sock);
    test_let_poll();
    CHECK_EQ(send(end, "x", 1, MSG_NOSIGNAL), 1);
    CHECK_EQ(shutdown(end, SHUT_WR), 0);
    CHECK_OK(test_join(first));
    ptk_green_t *other = test_spawn(count_ticks, &turns);
    hooks.hooks[PTK_SYS_recv] = receive_piece;
    CHECK_ERR(ptk_sock_recv(sock, buffer, BUFFER_BYTES, 50), PTK_ERR_TIMEOUT);
    hooks.hooks[PTK_SYS_recv] = NULL;
    CHECK(turns > 0);
    CHECK(pieces >= 100 && pieces < 2000); /* at most 500, and the rest of a tick's budget */
    CHECK_EQ(ptk_sock_pending(sock), pieces * PIECE_BYTES);
    regress_cancel(other);
    regress_pair_end(sock, end);
    return PTK_OK;
}

TEST(p47_receive_of_data_that_is_always_there_ends_at_its_deadline) {
    run_on("epoll", receive_without_parking);
}

TEST(p47_receive_of_data_that_is_always_there_ends_at_its_deadline_on_poll) {
    run_on("poll", receive_without_parking);
}

static ptk_err receive_with_parking(void *unused) {
    (void) unused;
    int end = -1;
    ptk_sock_t *sock = regress_pair(&end);
    hooks.hooks[PTK_SYS_epoll_wait] = write_and_poll;
    hooks.hooks[PTK_SYS_poll] = write_and_poll;
    peer = end;
    CHECK_ERR(ptk_sock_recv(sock, buffer, BUFFER_BYTES, 50), PTK_ERR_TIMEOUT);
    peer = -1;
    CHECK(writes >= 400 && writes < 2000);
    regress_pair_end(sock, end);
    return PTK_OK;
}

TEST(p47_receive_of_data_that_comes_piece_by_piece_ends_at_its_deadline) {
    run_on("epoll", receive_with_parking);
}
