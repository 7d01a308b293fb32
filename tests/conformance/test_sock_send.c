/* SPDX-License-Identifier: MIT */
/* Sending: whole messages, first come first served; a closed peer; the state after a send of which nothing
   was sent. */
#include "test_sock.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* --- whole sends do not mix --- */

#define SENDERS 5

typedef struct crowd {
    sock_pair_t pair;
    sock_task_t tasks[SENDERS];
    size_t total;
} crowd_t;

/* Sender i sends (i + 1) * unit bytes of the pattern from i * 1,000,000 on. */
static void crowd_start(crowd_t *crowd, size_t unit) {
    crowd->pair = sock_pair_narrow();
    crowd->total = 0;
    for (size_t i = 0; i < SENDERS; i++) {
        sock_task_t *task = &crowd->tasks[i];
        *task = (sock_task_t) {.verb = SOCK_SEND, .sock = crowd->pair.sock, .timeout_ms = SOCK_FOREVER};
        task->length = (i + 1) * unit;
        task->buffer = malloc(task->length);
        sock_fill(task->buffer, task->length, i * 1000000);
        crowd->total += task->length;
        sock_task_start(task);
        sock_settle();
    }
}

static void crowd_end(crowd_t *crowd) {
    for (size_t i = 0; i < SENDERS; i++) {
        free(crowd->tasks[i].buffer);
    }
    sock_pair_end(&crowd->pair);
}

static ptk_err several_senders(void *unused) {
    (void) unused;
    static const size_t units[] = {1, 100, 60000};
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        crowd_t crowd;
        crowd_start(&crowd, units[u]);
        unsigned char *taken = malloc(crowd.total);
        size_t at = 0;
        peer_drain(crowd.pair.peer, taken, crowd.total);
        for (size_t i = 0; i < SENDERS; i++) {
            CHECK_OK(sock_task_join(&crowd.tasks[i]));
            CHECK(sock_is_filled(taken + at, crowd.tasks[i].length, i * 1000000));
            CHECK(i == 0 || crowd.tasks[i].order > crowd.tasks[i - 1].order);
            at += crowd.tasks[i].length;
        }
        free(taken);
        crowd_end(&crowd);
    }
    return PTK_OK;
}

TEST(p06_several_sends_go_out_whole_and_in_their_order) {
    sock_in_green(several_senders);
}

TEST(p06_several_sends_go_out_whole_and_in_their_order_ipv6) {
    sock_use_ipv6();
    sock_in_green(several_senders);
}

/* A send with timeout 0 does not overtake waiting senders. */
static ptk_err no_overtaking(void *unused) {
    (void) unused;
    crowd_t crowd;
    crowd_start(&crowd, 60000);
    size_t count = 0;
    CHECK_ERR(ptk_sock_send(crowd.pair.sock, "x", 1, 0), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_get_count(), 0);
    CHECK_ERR(ptk_sock_send_some(crowd.pair.sock, "x", 1, &count, 0), PTK_ERR_TIMEOUT);
    static unsigned char taken[SENDERS * (SENDERS + 1) / 2 * 60000];
    peer_drain(crowd.pair.peer, taken, crowd.total);
    CHECK(sock_is_filled(taken, 60000, 0));
    CHECK(sock_is_filled(taken + 60000, 120000, 1000000));
    for (size_t i = 0; i < SENDERS; i++) {
        CHECK_OK(sock_task_join(&crowd.tasks[i]));
    }
    CHECK_OK(ptk_sock_send(crowd.pair.sock, "x", 1, 0));
    crowd_end(&crowd);
    return PTK_OK;
}

TEST(p06_send_with_timeout_0_does_not_overtake) {
    sock_in_green(no_overtaking);
}

/* --- leaving the queue --- */

static ptk_err queued_ones_leave(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair_narrow();
    static char big[200000];
    static char taken[sizeof big];
    sock_task_t first = {.verb = SOCK_SEND,
                         .sock = pair.sock,
                         .buffer = big,
                         .length = sizeof big,
                         .timeout_ms = SOCK_FOREVER};
    sock_task_t timed = {.verb = SOCK_SEND, .sock = pair.sock, .buffer = "t", .length = 1, .timeout_ms = 20};
    sock_task_t cancelled = {
        .verb = SOCK_SEND, .sock = pair.sock, .buffer = "c", .length = 1, .timeout_ms = SOCK_FOREVER};
    sock_task_t last = {
        .verb = SOCK_SEND, .sock = pair.sock, .buffer = "l", .length = 1, .timeout_ms = SOCK_FOREVER};
    sock_fill(big, sizeof big, 0);
    sock_task_t *tasks[] = {&first, &timed, &cancelled, &last};
    for (size_t i = 0; i < 4; i++) {
        sock_task_start(tasks[i]);
        sock_settle();
    }
    CHECK_OK(ptk_green_cancel(cancelled.green));
    CHECK_ERR(sock_task_join(&cancelled), PTK_ERR_CANCELED);
    CHECK_ERR(sock_task_join(&timed), PTK_ERR_TIMEOUT);
    CHECK(!first.ended && !last.ended);
    CHECK_EQ(timed.count, 0);
    peer_drain(pair.peer, taken, sizeof taken);
    CHECK(sock_is_filled(taken, sizeof taken, 0));
    CHECK_OK(sock_task_join(&first));
    CHECK_OK(sock_task_join(&last));
    peer_read(pair.peer, taken, 1);
    CHECK_EQ(taken[0], 'l');
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p46_queued_send_that_leaves_breaks_nothing) {
    sock_in_green(queued_ones_leave);
}

/* The stream is full and not a byte of the next message was sent: the send may be repeated. */
static ptk_err nothing_went_out(void *unused) {
    (void) unused;
    static char taken[1 << 20];
    sock_pair_t pair = sock_pair_narrow();
    size_t filled = sock_fill_stream(&pair);
    sock_task_t cancelled = {
        .verb = SOCK_SEND, .sock = pair.sock, .buffer = "c", .length = 1, .timeout_ms = SOCK_FOREVER};
    size_t count = 0;
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, 10), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_get_count(), 0);
    CHECK_ERR(ptk_sock_send_some(pair.sock, "x", 1, &count, 10), PTK_ERR_TIMEOUT);
    sock_task_start(&cancelled);
    sock_settle();
    CHECK_OK(ptk_green_cancel(cancelled.green));
    CHECK_ERR(sock_task_join(&cancelled), PTK_ERR_CANCELED);
    peer_drain(pair.peer, taken, filled);
    CHECK_OK(ptk_sock_send(pair.sock, "whole", 5, SOCK_FOREVER));
    peer_drain(pair.peer, taken, 5);
    CHECK(memcmp(taken, "whole", 5) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p24_send_timeout_before_the_first_byte_breaks_nothing) {
    sock_in_green(nothing_went_out);
}

/* A parked sender continues when the peer makes room, as often as needed. */
static ptk_err slow_reader(void *unused) {
    (void) unused;
    static char big[300000];
    static char taken[sizeof big];
    sock_pair_t pair = sock_pair_narrow();
    sock_task_t task = {.verb = SOCK_SEND,
                        .sock = pair.sock,
                        .buffer = big,
                        .length = sizeof big,
                        .timeout_ms = SOCK_FOREVER};
    sock_fill(big, sizeof big, 0);
    sock_task_start(&task);
    for (size_t total = 0; total < sizeof big;) {
        sock_settle();
        ssize_t got = peer_read_now(pair.peer, taken + total, 1000 + total % 777);
        CHECK(got >= 0 && total + (size_t) got <= sizeof big);
        total += (size_t) got;
    }
    CHECK_OK(sock_task_join(&task));
    CHECK(sock_is_filled(taken, sizeof taken, 0));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p01_send_goes_on_for_a_reader_that_takes_little) {
    sock_in_green(slow_reader);
}

/* --- the peer has closed --- */

static void use_default_sigpipe(void) {
    sigset_t pipe_only;
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    CHECK_EQ(sigprocmask(SIG_UNBLOCK, &pipe_only, NULL), 0);
}

static ptk_err send_to_a_reset_connection(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    size_t count = 0;
    peer_reset(&pair);
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, SOCK_FOREVER), PTK_ERR_RESET);
    for (uint32_t timeout_ms = 0; timeout_ms <= 20; timeout_ms += 10) {
        CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, timeout_ms), PTK_ERR_RESET);
        CHECK_ERR(ptk_sock_send_some(pair.sock, "x", 1, &count, timeout_ms), PTK_ERR_RESET);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p16_send_to_a_reset_connection_returns_reset_and_no_sigpipe) {
    use_default_sigpipe();
    sock_in_green(send_to_a_reset_connection);
}

/* The peer closed: it refuses the first bytes with a reset, which the next send reports. */
static ptk_err send_to_a_closed_peer(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    CHECK_EQ(fd_close(pair.peer), 0);
    pair.peer = -1;
    peer_await(pair.fd, POLLRDHUP);
    CHECK_OK(ptk_sock_send(pair.sock, "x", 1, SOCK_FOREVER));
    peer_await(pair.fd, 0);
    ptk_err err = ptk_sock_send(pair.sock, "x", 1, SOCK_FOREVER);
    CHECK_ERR(err, PTK_ERR_RESET);
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, SOCK_FOREVER), PTK_ERR_RESET);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p16_send_to_a_closed_peer_returns_reset_and_no_sigpipe) {
    use_default_sigpipe();
    sock_in_green(send_to_a_closed_peer);
}

static ptk_err send_after_own_shutdown(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    size_t count = 0;
    CHECK_OK(ptk_sock_shutdown(pair.sock, PTK_SOCK_WRITE));
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, SOCK_FOREVER), PTK_ERR_WRITE_SHUT);
    CHECK_ERR(ptk_sock_send_some(pair.sock, "x", 1, &count, SOCK_FOREVER), PTK_ERR_WRITE_SHUT);
    peer_await(pair.peer, POLLIN);
    CHECK(peer_at_end(pair.peer));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p16_send_after_shutdown_is_an_error_and_no_sigpipe) {
    use_default_sigpipe();
    sock_in_green(send_after_own_shutdown);
}

/* The reset comes while a send is parked in the middle of its message, and others wait behind it. */
static ptk_err reset_under_senders(void *unused) {
    (void) unused;
    crowd_t crowd;
    crowd_start(&crowd, 60000);
    peer_reset(&crowd.pair);
    CHECK_ERR(sock_task_join(&crowd.tasks[0]), PTK_ERR_PARTIAL);
    CHECK_ERR(crowd.tasks[0].cause, PTK_ERR_RESET);
    CHECK(crowd.tasks[0].count > 0 && crowd.tasks[0].count < 60000);
    for (size_t i = 1; i < SENDERS; i++) {
        CHECK_ERR(sock_task_join(&crowd.tasks[i]), PTK_ERR_BROKEN);
    }
    crowd_end(&crowd);
    return PTK_OK;
}

TEST(p16_reset_in_the_middle_of_a_send_is_partial_and_breaks_the_queue) {
    use_default_sigpipe();
    sock_in_green(reset_under_senders);
}

/* The system has no room, and no later try would succeed: the shutdown is the reason. */
static ptk_err send_into_a_full_stream_that_is_shut(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair_narrow();
    sock_fill_stream(&pair);
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_sock_shutdown(pair.sock, PTK_SOCK_WRITE));
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, 0), PTK_ERR_WRITE_SHUT);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p86_send_with_timeout_0_into_a_full_stream_that_is_shut_returns_write_shut) {
    sock_in_green(send_into_a_full_stream_that_is_shut);
}
