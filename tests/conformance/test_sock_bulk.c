/* SPDX-License-Identifier: MIT */
/* Much data, and many connections. */
#include "test_sock.h"

#include <stdlib.h>
#include <string.h>

/* --- 16 MiB both ways --- */

#define BULK_BYTES ((size_t) 16 << 20)
#define PIECE_MAX  ((size_t) 256 << 10)

typedef struct flow {
    ptk_sock_t *sock;
    uint64_t seed; /* of the sizes of the pieces */
    uint64_t sum;
    bool exact;
} flow_t;

/* FNV-1a over the bytes that pass */
static uint64_t add_to_sum(uint64_t sum, const unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

static size_t next_piece(ptk_test_random_t *sizes, size_t left) {
    size_t piece = (size_t) ptk_test_random_below(sizes, PIECE_MAX) + 1;
    return piece < left ? piece : left;
}

static ptk_err send_flow(void *arg) {
    flow_t *flow = arg;
    ptk_test_random_t sizes = {flow->seed};
    unsigned char *piece = malloc(PIECE_MAX);
    for (size_t at = 0; at < BULK_BYTES;) {
        size_t count = next_piece(&sizes, BULK_BYTES - at);
        sock_fill(piece, count, at + (size_t) flow->seed);
        flow->sum = add_to_sum(flow->sum, piece, count);
        CHECK_OK(ptk_sock_send(flow->sock, piece, count, SOCK_FOREVER));
        at += count;
    }
    free(piece);
    return ptk_sock_shutdown(flow->sock, PTK_SOCK_WRITE);
}

static ptk_err receive_flow(void *arg) {
    flow_t *flow = arg;
    ptk_test_random_t sizes = {flow->seed};
    unsigned char *piece = malloc(PIECE_MAX);
    size_t count = 0;
    for (size_t at = 0; at < BULK_BYTES; at += count) {
        count = next_piece(&sizes, BULK_BYTES - at);
        if (flow->exact) {
            CHECK_OK(ptk_sock_recv(flow->sock, piece, count, SOCK_FOREVER));
        } else {
            CHECK_OK(ptk_sock_recv_some(flow->sock, piece, count, &count, SOCK_FOREVER));
        }
        flow->sum = add_to_sum(flow->sum, piece, count);
    }
    CHECK_ERR(ptk_sock_recv(flow->sock, piece, 1, SOCK_FOREVER), PTK_ERR_EOF);
    free(piece);
    return PTK_OK;
}

static ptk_err both_ways(void *unused) {
    (void) unused;
    ptk_sock_t *ends[2];
    sock_pair_green(ends);
    flow_t senders[2] = {{.sock = ends[0], .seed = 1}, {.sock = ends[1], .seed = 2}};
    flow_t receivers[2] = {{.sock = ends[1], .seed = 3, .exact = true}, {.sock = ends[0], .seed = 4}};
    ptk_green_t *greens[4];
    for (int i = 0; i < 2; i++) {
        greens[i] = test_spawn(send_flow, &senders[i]);
        greens[i + 2] = test_spawn(receive_flow, &receivers[i]);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_OK(test_join(greens[i]));
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(senders[i].sum, receivers[i].sum);
    }
    CHECK(senders[0].sum != senders[1].sum);
    ptk_sock_close(ends[0]);
    ptk_sock_close(ends[1]);
    return PTK_OK;
}

TEST(sock_16_mib_both_ways_at_once) {
    test_in_green(both_ways);
}

TEST(sock_16_mib_both_ways_at_once_ipv6) {
    sock_use_ipv6();
    test_in_green(both_ways);
}

/* --- 500 connections --- */

#define CONNECTIONS 500
#define ROUNDS      20

static ptk_addr_t server_addr;
static size_t served;
static size_t answered;

static ptk_err serve(void *arg) {
    ptk_sock_t *sock = arg;
    char bytes[64];
    while (ptk_sock_recv(sock, bytes, sizeof bytes, SOCK_FOREVER) == PTK_OK) {
        CHECK_OK(ptk_sock_send(sock, bytes, sizeof bytes, SOCK_FOREVER));
        served++;
    }
    CHECK_ERR(ptk_get_err(), PTK_ERR_EOF);
    ptk_sock_close(sock);
    return PTK_OK;
}

static ptk_err accept_all(void *arg) {
    for (int i = 0; i < CONNECTIONS; i++) {
        ptk_sock_t *sock = ptk_sock_accept(arg, NULL, NULL, SOCK_FOREVER);
        CHECK(sock != NULL);
        test_go(serve, sock);
    }
    ptk_sock_close(arg);
    return PTK_OK;
}

static ptk_err ask(void *arg) {
    size_t number = (size_t) (uintptr_t) arg;
    char bytes[64];
    char got[64];
    ptk_sock_t *sock = ptk_sock_open(NULL, sock_family, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    CHECK_OK(ptk_sock_connect(sock, ptk_addr_sockaddr(&server_addr), server_addr.length, SOCK_FOREVER));
    for (size_t round = 0; round < ROUNDS; round++) {
        sock_fill(bytes, sizeof bytes, number * 1000 + round);
        CHECK_OK(ptk_sock_send(sock, bytes, sizeof bytes, SOCK_FOREVER));
        CHECK_OK(ptk_sock_recv(sock, got, sizeof got, SOCK_FOREVER));
        CHECK(memcmp(bytes, got, sizeof got) == 0);
        answered++;
    }
    ptk_sock_close(sock);
    return PTK_OK;
}

static void many_connections(void) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_sock_t *listener = sock_listener(0, &server_addr);
    test_go(accept_all, listener);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        test_go(ask, (void *) i);
    }
    test_run();
    CHECK_EQ(answered, (size_t) CONNECTIONS * ROUNDS);
    CHECK_EQ(served, answered);
    test_loop_end(loop);
}

TEST(sock_500_connections_echo_at_once, MANY_DESCRIPTORS) {
    many_connections();
}

TEST(sock_500_connections_echo_at_once_ipv6, MANY_DESCRIPTORS) {
    sock_use_ipv6();
    many_connections();
}

/* --- many short connections leave nothing behind ------ */

static ptk_err short_ones(void *unused) {
    (void) unused;
    int first_fd = -1;
    for (int i = 0; i < 2000; i++) {
        ptk_sock_t *ends[2];
        char got[4];
        sock_pair_green(ends);
        if (first_fd < 0) {
            first_fd = sock_world.last_fd;
        }
        CHECK_EQ(sock_world.last_fd, first_fd);
        CHECK_OK(ptk_sock_send(ends[i % 2], "data", 4, SOCK_FOREVER));
        CHECK_OK(ptk_sock_recv(ends[1 - i % 2], got, 4, SOCK_FOREVER));
        ptk_sock_reset(ends[0]);
        ptk_sock_close(ends[1]);
    }
    return PTK_OK;
}

TEST(sock_2000_connections_one_after_another_reuse_the_same_descriptors) {
    sock_in_green(short_ones);
}
