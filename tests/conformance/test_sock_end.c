/* SPDX-License-Identifier: MIT */
/* Three ways to end a connection: shutdown, close, reset; which waiters are woken, and what a stale
   pointer refers to. */
#include "test_sock.h"

#include <errno.h>
#include <string.h>

/* --- shutdown --- */

static ptk_err half_close(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[8];
    CHECK_OK(ptk_sock_send(pair.sock, "request", 7, SOCK_FOREVER));
    CHECK_OK(ptk_sock_shutdown(pair.sock, PTK_SOCK_WRITE));
    peer_read(pair.peer, got, 7);
    peer_await(pair.peer, POLLIN);
    CHECK(peer_at_end(pair.peer));
    peer_write(&pair, "answer", 6);
    peer_finish(&pair);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 6, SOCK_FOREVER));
    CHECK(memcmp(got, "answer", 6) == 0);
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 1, SOCK_FOREVER), PTK_ERR_EOF);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_shutdown_of_writing_leaves_reading) {
    sock_in_green(half_close);
}

/* A green server echoes until the end of the stream; its client half-closes, then reads it all. */
static ptk_err echo_until_the_end(void *arg) {
    ptk_sock_t *sock = arg;
    char bytes[100];
    size_t count = 0;
    while (ptk_sock_recv_some(sock, bytes, sizeof bytes, &count, SOCK_FOREVER) == PTK_OK) {
        CHECK_OK(ptk_sock_send(sock, bytes, count, SOCK_FOREVER));
    }
    CHECK_ERR(ptk_get_err(), PTK_ERR_EOF);
    ptk_sock_close(sock);
    return PTK_OK;
}

static ptk_err half_close_echo(void *unused) {
    (void) unused;
    ptk_sock_t *ends[2];
    unsigned char bytes[1000];
    unsigned char got[1000];
    sock_pair_green(ends);
    ptk_green_t *server = test_spawn(echo_until_the_end, ends[1]);
    sock_fill(bytes, sizeof bytes, 0);
    CHECK_OK(ptk_sock_send(ends[0], bytes, sizeof bytes, SOCK_FOREVER));
    CHECK_OK(ptk_sock_shutdown(ends[0], PTK_SOCK_WRITE));
    CHECK_OK(ptk_sock_recv(ends[0], got, sizeof got, SOCK_FOREVER));
    CHECK(memcmp(bytes, got, sizeof got) == 0);
    CHECK_ERR(ptk_sock_recv(ends[0], got, 1, SOCK_FOREVER), PTK_ERR_EOF);
    CHECK_OK(test_join(server));
    ptk_sock_close(ends[0]);
    return PTK_OK;
}

TEST(sock_half_closed_client_still_gets_its_echo) {
    sock_in_green(half_close_echo);
}

TEST(sock_half_closed_client_still_gets_its_echo_ipv6) {
    sock_use_ipv6();
    sock_in_green(half_close_echo);
}

static ptk_err end_reading(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[4];
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 4, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    CHECK_OK(ptk_sock_shutdown(pair.sock, PTK_SOCK_READ));
    CHECK_ERR(sock_task_join(&task), PTK_ERR_EOF);
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 4, SOCK_FOREVER), PTK_ERR_EOF);
    CHECK_OK(ptk_sock_send(pair.sock, "data", 4, SOCK_FOREVER));
    peer_read(pair.peer, got, 4);
    CHECK(!peer_at_end(pair.peer));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_shutdown_of_reading_ends_a_recv_and_leaves_writing) {
    sock_in_green(end_reading);
}

static ptk_err end_both(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char byte;
    CHECK_OK(ptk_sock_shutdown(pair.sock, PTK_SOCK_BOTH));
    CHECK_ERR(ptk_sock_recv(pair.sock, &byte, 1, SOCK_FOREVER), PTK_ERR_EOF);
    CHECK(ptk_sock_send(pair.sock, "x", 1, SOCK_FOREVER) != PTK_OK);
    peer_await(pair.peer, POLLIN);
    CHECK(peer_at_end(pair.peer));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_shutdown_of_both) {
    sock_in_green(end_both);
}

/* --- close and abort --- */

static ptk_err close_delivers(void *unused) {
    (void) unused;
    static char big[200000];
    static char taken[sizeof big];
    sock_pair_t pair = sock_pair();
    static const int room = sizeof big;
    CHECK_EQ(fd_set_option(pair.fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    sock_fill(big, sizeof big, 0);
    CHECK_OK(ptk_sock_send(pair.sock, big, sizeof big, SOCK_FOREVER));
    ptk_sock_close(pair.sock);
    peer_read(pair.peer, taken, sizeof taken);
    CHECK(sock_is_filled(taken, sizeof taken, 0));
    peer_await(pair.peer, POLLIN);
    CHECK(peer_at_end(pair.peer));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_close_delivers_what_was_sent) {
    sock_in_green(close_delivers);
}

static ptk_err abort_resets(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char byte;
    CHECK_OK(ptk_sock_send(pair.sock, "data", 4, SOCK_FOREVER));
    peer_await(pair.peer, POLLIN);
    ptk_sock_reset(pair.sock);
    peer_await(pair.peer, 0);
    int error = 0;
    socklen_t length = sizeof error;
    CHECK_EQ(fd_get_option(pair.peer, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    CHECK_EQ(error, ECONNRESET);
    CHECK_ERR(ptk_sock_recv(pair.sock, &byte, 1, SOCK_FOREVER), PTK_ERR_CLOSED);
    ptk_sock_reset(pair.sock);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_reset_resets_the_connection) {
    sock_in_green(abort_resets);
}

/* --- close while others wait --- */

/* One waiter of each kind, two where many may wait; all parked on sockets on which nothing happens. */
typedef struct waiters {
    sock_pair_t pair; /* a receiver, two senders */
    sock_pair_t some; /* a receiver of some, a sender of some */
    sock_pair_t hint; /* waits of its waitable, for reading and for writing */
    ptk_sock_t *listener;
    ptk_sock_t *connecting;
    peer_full_t full;
    sock_task_t tasks[10];
    size_t count;
} waiters_t;

static void add_waiter(waiters_t *waiters, sock_verb_t verb, ptk_sock_t *sock, uint32_t events) {
    static char big[1 << 20];
    sock_task_t *task = &waiters->tasks[waiters->count++];
    *task = (sock_task_t) {.verb = verb, .sock = sock, .buffer = big, .length = sizeof big, .events = events};
    task->addr = &waiters->full.addr;
    task->timeout_ms = SOCK_FOREVER;
    sock_task_start(task);
    sock_settle();
}

static void waiters_begin(waiters_t *waiters) {
    ptk_addr_t addr;
    *waiters =
        (waiters_t) {.pair = sock_pair_narrow(), .some = sock_pair_narrow(), .hint = sock_pair_narrow()};
    waiters->full = peer_full_begin();
    waiters->listener = sock_listener(5, &addr);
    waiters->connecting = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    sock_fill_stream(&waiters->some);
    sock_fill_stream(&waiters->hint);
    add_waiter(waiters, SOCK_RECV, waiters->pair.sock, 0);
    add_waiter(waiters, SOCK_SEND, waiters->pair.sock, 0);
    add_waiter(waiters, SOCK_SEND, waiters->pair.sock, 0);
    add_waiter(waiters, SOCK_RECV_SOME, waiters->some.sock, 0);
    add_waiter(waiters, SOCK_SEND_SOME, waiters->some.sock, 0);
    add_waiter(waiters, SOCK_WAIT, waiters->hint.sock, PTK_EVENT_READ);
    add_waiter(waiters, SOCK_WAIT, waiters->hint.sock, PTK_EVENT_WRITE);
    add_waiter(waiters, SOCK_ACCEPT, waiters->listener, 0);
    add_waiter(waiters, SOCK_ACCEPT, waiters->listener, 0);
    add_waiter(waiters, SOCK_CONNECT, waiters->connecting, 0);
    sock_settle();
    for (size_t i = 0; i < waiters->count; i++) {
        CHECK(!waiters->tasks[i].ended);
    }
}

static void waiters_end(waiters_t *waiters, void (*end)(ptk_sock_t *sock)) {
    ptk_sock_t *socks[] = {waiters->pair.sock, waiters->some.sock, waiters->hint.sock, waiters->listener,
                           waiters->connecting};
    for (size_t i = 0; i < sizeof socks / sizeof socks[0]; i++) {
        end(socks[i]);
    }
    for (size_t i = 0; i < waiters->count; i++) {
        ptk_err err = sock_task_join(&waiters->tasks[i]);
        if (i == 1) { /* the first sender was in the middle of its message */
            CHECK_ERR(err, PTK_ERR_PARTIAL);
            CHECK_ERR(waiters->tasks[i].cause, PTK_ERR_CLOSED);
            CHECK(waiters->tasks[i].count > 0);
        } else {
            CHECK_ERR(err, PTK_ERR_CLOSED);
        }
    }
    for (size_t i = 0; i < sizeof socks / sizeof socks[0]; i++) {
        sock_check_all_calls(socks[i], SOCK_FOREVER, PTK_ERR_CLOSED);
    }
    sock_pair_end(&waiters->pair);
    sock_pair_end(&waiters->some);
    sock_pair_end(&waiters->hint);
    peer_full_end(&waiters->full);
}

static ptk_err close_under_waiters(void *unused) {
    (void) unused;
    static waiters_t waiters;
    waiters_begin(&waiters);
    waiters_end(&waiters, ptk_sock_close);
    return PTK_OK;
}

TEST(p05_close_wakes_recv_send_accept_connect_and_waits, TRUSTS_READINESS) {
    sock_in_green(close_under_waiters);
}

static ptk_err abort_under_waiters(void *unused) {
    (void) unused;
    static waiters_t waiters;
    waiters_begin(&waiters);
    waiters_end(&waiters, ptk_sock_reset);
    return PTK_OK;
}

TEST(p05_reset_wakes_recv_send_accept_connect_and_waits, TRUSTS_READINESS) {
    sock_in_green(abort_under_waiters);
}

/* The loop is destroyed while green threads wait on sockets that are still open. */
TEST(p45_loop_that_ends_cancels_waits_and_closes_sockets) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    sock_pair_t pair = sock_pair();
    char got[4];
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 4, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK(!task.ended);
    if (test_is_foreign()) { /* destroy does not drain what it cannot resume; the rest is the same */
        CHECK_ERR(ptk_event_loop_platform_destroy(loop), PTK_ERR_BUSY);
        CHECK_OK(ptk_scheduler_stop(loop));
        while (ptk_scheduler_poll(loop, 0, NULL) == PTK_OK) {
        }
    }
    test_loop_end(loop);
    CHECK(task.ended);
    CHECK_ERR(task.err, PTK_ERR_CANCELED);
    peer_await(pair.peer, POLLIN);
    CHECK(peer_at_end(pair.peer));
    CHECK_EQ(fd_close(pair.peer), 0);
}

/* --- stale pointers --- */

static void check_is_stale(ptk_sock_t *sock) {
    ptk_addr_t addr = {.length = sizeof addr.storage};
    struct sockaddr *room = (struct sockaddr *) &addr.storage;
    ptk_addr_t target = sock_loopback();
    sock_check_all_calls(sock, 0, PTK_ERR_CLOSED);
    sock_check_all_calls(sock, SOCK_FOREVER, PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_bind(sock, ptk_addr_sockaddr(&target), target.length), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_listen(sock, 1), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_shutdown(sock, PTK_SOCK_BOTH), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_set_nodelay(sock, true), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_set_reuse(sock, true), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_local_addr(sock, room, &addr.length), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_peer_addr(sock, room, &addr.length), PTK_ERR_CLOSED);
    CHECK(ptk_sock_waitable(sock, PTK_EVENT_READ) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    CHECK_EQ(ptk_sock_pending(sock), 0);
    ptk_sock_close(sock);
    ptk_sock_reset(sock);
}

static ptk_err use_after_close(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[8];
    peer_write(&pair, "data", 4);
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 8, 0), PTK_ERR_TIMEOUT);
    ptk_sock_t *stale = pair.sock;
    ptk_sock_close(stale);
    check_is_stale(stale);
    for (int i = 0; i < 1000; i++) {
        ptk_sock_t *other = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
        CHECK(other != NULL && other != stale);
        ptk_sock_close(other);
    }
    check_is_stale(stale);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_used_after_close_answers_closed_for_1000_other_closes) {
    sock_in_green(use_after_close);
}

/* --- a description that outlives its descriptor --- */

static int refuse_to_spin(ptk_sys_member_t call, int fd) {
    (void) fd;
    CHECK(call != PTK_SYS_poll || sock_world.calls[PTK_SYS_poll] < 200);
    return 0;
}

/* A duplicate (of a forked child, say) keeps the connection open; ptk no longer cares what happens to it. */
static ptk_err duplicate_outlives(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[4];
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 4, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    int duplicate = fd_duplicate(pair.fd);
    CHECK(duplicate >= 0);
    ptk_sock_close(pair.sock);
    CHECK_ERR(sock_task_join(&task), PTK_ERR_CLOSED);
    sock_pair_t next = sock_pair(); /* has the descriptor, or its place */
    sock_world.calls[PTK_SYS_poll] = 0;
    sock_world.before = refuse_to_spin;
    uint64_t events = test_counters().events;
    CHECK_EQ(fd_send(pair.peer, "late", 4), 4);
    task.sock = next.sock;
    sock_task_start(&task);
    CHECK_OK(ptk_sleep_ms(100));
    CHECK(!task.ended);
    CHECK(test_counters().events - events <= 2);
    peer_write(&next, "mine", 4);
    CHECK_OK(sock_task_join(&task));
    CHECK(memcmp(got, "mine", 4) == 0);
    CHECK_EQ(fd_close(duplicate), 0);
    sock_pair_end(&pair);
    sock_pair_end(&next);
    return PTK_OK;
}

TEST(p04_close_of_a_socket_that_was_duplicated_ends_its_events) {
    sock_in_green(duplicate_outlives);
}

/* --- a descriptor that is reused in the batch --- */

typedef struct batch {
    sock_pair_t pairs[2];
    sock_pair_t fresh; /* gets the descriptor of the pair that was closed */
    ptk_addr_t addr;   /* where the fresh one connects */
    sock_task_t tasks[2];
    char got[2][4];
} batch_t;

static int placeholders[64];
static int placeholder_count;

/* Takes every free descriptor below `fd`, which is itself in use. */
static void use_up_below(int fd) {
    for (placeholder_count = 0; placeholder_count < 64; placeholder_count++) {
        int taken = fd_event();
        CHECK(taken >= 0 && taken != fd);
        if (taken > fd) {
            CHECK_EQ(fd_close(taken), 0);
            return;
        }
        placeholders[placeholder_count] = taken;
    }
    CHECK(placeholder_count < 64);
}

static void give_placeholders_back(void) {
    for (int i = 0; i < placeholder_count; i++) {
        CHECK_EQ(fd_close(placeholders[i]), 0);
    }
}

/* Both sockets have an event in one batch. The receiver that runs first closes the other's socket, and a new
   one with the same descriptor waits at once: it must not get the event. */
static ptk_err close_and_reuse(void *arg) {
    batch_t *batch = arg;
    sock_task_call(&batch->tasks[0]);
    use_up_below(batch->pairs[1].fd);
    ptk_sock_close(batch->pairs[1].sock);
    batch->fresh.sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    batch->fresh.fd = sock_world.last_fd;
    CHECK_EQ(batch->fresh.fd, batch->pairs[1].fd);
    return ptk_sock_connect(batch->fresh.sock, ptk_addr_sockaddr(&batch->addr), batch->addr.length,
                            SOCK_FOREVER);
}

static ptk_err reuse_in_a_batch(void *unused) {
    (void) unused;
    for (int with_reset = 0; with_reset < 2; with_reset++) {
        batch_t batch = {.pairs = {sock_pair(), sock_pair()}};
        int listener = peer_listener(5, &batch.addr);
        for (int i = 0; i < 2; i++) {
            batch.tasks[i] =
                (sock_task_t) {.verb = SOCK_RECV, .sock = batch.pairs[i].sock, .buffer = batch.got[i]};
            batch.tasks[i].length = 4;
            batch.tasks[i].timeout_ms = SOCK_FOREVER;
        }
        ptk_green_t *closer = test_spawn(close_and_reuse, &batch);
        sock_task_start(&batch.tasks[1]);
        sock_settle();
        peer_write(&batch.pairs[0], "data", 4);
        if (with_reset) {
            peer_reset(&batch.pairs[1]);
        } else {
            peer_write(&batch.pairs[1], "late", 4);
        }
        CHECK_OK(test_join(closer));
        /* Either the event came first, and its receiver has the outcome, or the close did. */
        ptk_err err = sock_task_join(&batch.tasks[1]);
        CHECK(err == PTK_ERR_CLOSED || err == (with_reset ? PTK_ERR_RESET : PTK_OK));
        batch.fresh.peer = peer_accept(listener);
        batch.tasks[1].sock = batch.fresh.sock;
        sock_task_start(&batch.tasks[1]);
        sock_settle();
        CHECK(!batch.tasks[1].ended);
        peer_write(&batch.fresh, "mine", 4);
        CHECK_OK(sock_task_join(&batch.tasks[1]));
        CHECK(memcmp(batch.got[1], "mine", 4) == 0);
        CHECK_EQ(fd_close(listener), 0);
        give_placeholders_back();
        sock_pair_end(&batch.fresh);
        sock_pair_end(&batch.pairs[0]);
        sock_pair_end(&batch.pairs[1]);
    }
    return PTK_OK;
}

TEST(p03_close_in_a_batch_and_reuse_of_the_lowest_descriptor) {
    sock_in_green(reuse_in_a_batch);
}

/* --- close with unread input --- */

/* The peer has sent more than was received; it gets the whole answer and the end of the stream. */
static ptk_err answer_early(void *unused) {
    (void) unused;
    enum { ANSWER = 200000 };
    static char answer[ANSWER];
    static char taken[ANSWER];
    for (uint32_t timeout_ms = 0; timeout_ms <= 1000; timeout_ms += 1000) {
        char head[4];
        size_t length = timeout_ms == 0 ? 1000 : ANSWER;
        sock_pair_t pair = sock_pair();
        peer_write(&pair, "head and much more", 18);
        CHECK_OK(ptk_sock_recv(pair.sock, head, 4, SOCK_FOREVER));
        sock_task_t task = {.verb = SOCK_SEND,
                            .sock = pair.sock,
                            .buffer = answer,
                            .length = length,
                            .timeout_ms = SOCK_FOREVER};
        sock_fill(answer, length, 5);
        sock_task_start(&task);
        peer_drain(pair.peer, taken, length);
        CHECK_OK(sock_task_join(&task));
        CHECK_EQ(fd_send(pair.peer, "tail", 4), 4);
        CHECK_ERR(ptk_sock_close_linger(pair.sock, timeout_ms), PTK_ERR_TIMEOUT);
        CHECK_ERR(ptk_sock_close_linger(pair.sock, 0), PTK_ERR_CLOSED);
        pair.sock = NULL;
        CHECK(sock_is_filled(taken, length, 5));
        while (!peer_at_end(pair.peer)) { /* a reset would fail here */
            sock_settle();
        }
        sock_pair_end(&pair);
    }
    return PTK_OK;
}

TEST(p76_close_linger_with_unread_input_ends_the_stream_in_order) {
    sock_in_green(answer_early);
}

static ptk_err peer_ends(void *arg) {
    sock_pair_t *pair = arg;
    while (!peer_at_end(pair->peer)) {
        test_yield();
    }
    CHECK_EQ(fd_send(pair->peer, "late", 4), 4);
    sock_settle();
    CHECK_EQ(fd_shutdown(pair->peer, SHUT_WR), 0);
    return PTK_OK;
}

/* The peer sends on after the end that it has received, and then ends its own stream: OK. */
static ptk_err linger_until_the_end(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    peer_write(&pair, "unread", 6);
    ptk_green_t *green = test_spawn(peer_ends, &pair);
    CHECK_OK(ptk_sock_close_linger(pair.sock, SOCK_FOREVER));
    pair.sock = NULL;
    CHECK_OK(test_join(green));
    CHECK(peer_at_end(pair.peer));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p76_close_linger_waits_for_the_end_of_the_peer) {
    sock_in_green(linger_until_the_end);
}

/* A call that succeeds leaves the last error as it is, also where it found that there is nothing to wait for.
 */
static ptk_err linger_unconnected(void *unused) {
    (void) unused;
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    CHECK_ERR(ptk_green_join(NULL, NULL, 0), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_sock_close_linger(sock, SOCK_FOREVER));
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    return PTK_OK;
}

TEST(p76_close_linger_without_a_connection_records_no_error) {
    sock_in_green(linger_unconnected);
}

static ptk_err cancelled_linger(void *arg) {
    sock_pair_t *pair = arg;
    CHECK_ERR(ptk_sock_close_linger(pair->sock, SOCK_FOREVER), PTK_ERR_CANCELED);
    return PTK_OK;
}

/* Whatever ends the call, the socket is closed. */
static ptk_err linger_always_closes(void *unused) {
    (void) unused;
    char byte = 0;
    for (int parks = 0; parks < 2; parks++) {
        sock_pair_t pair = sock_pair();
        ptk_green_t *green = test_spawn(cancelled_linger, &pair);
        if (parks) {
            sock_settle();
        }
        CHECK_OK(ptk_green_cancel(green));
        CHECK_OK(test_join(green));
        CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, 0), PTK_ERR_CLOSED);
        pair.sock = NULL;
        sock_pair_end(&pair);
    }
    sock_pair_t pair = sock_pair();
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = &byte, .length = 1, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    CHECK_ERR(ptk_sock_close_linger(pair.sock, 1000), PTK_ERR_BUSY);
    CHECK_ERR(sock_task_join(&task), PTK_ERR_CLOSED);
    pair.sock = NULL;
    sock_pair_end(&pair);
    pair = sock_pair();
    peer_reset(&pair);
    CHECK(ptk_sock_close_linger(pair.sock, 1000) != PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_sock_recv(pair.sock, &byte, 1, 0), PTK_ERR_CLOSED);
    ptk_sock_t *unconnected = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_sock_close_linger(unconnected, 1000));
    CHECK_ERR(ptk_sock_listen(unconnected, 1), PTK_ERR_CLOSED);
    CHECK_OK(ptk_sock_close_linger(NULL, 1000));
    return PTK_OK;
}

TEST(p76_close_linger_always_closes) {
    sock_in_green(linger_always_closes);
}

TEST(p76_close_linger_outside_green_threads_closes) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    sock_pair_t pair = sock_pair();
    CHECK_ERR(ptk_sock_close_linger(pair.sock, 1000), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_sock_send(pair.sock, "x", 1, 0), PTK_ERR_CLOSED);
    pair.sock = NULL;
    sock_pair_end(&pair);
    test_loop_end(loop);
}
