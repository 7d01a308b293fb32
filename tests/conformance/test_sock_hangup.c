/* SPDX-License-Identifier: MIT */
/* HANGUP and PRIORITY: events that a green thread waits for while others receive and send. */
#include "test_sock.h"

#include <string.h>

#define HANGUP   PTK_EVENT_HANGUP
#define PRIORITY PTK_EVENT_PRIORITY
#define READ     PTK_EVENT_READ
#define WRITE    PTK_EVENT_WRITE
#define ALL      (READ | WRITE | HANGUP | PRIORITY)

/* Waits for events of the socket; what came is ptk_waitable_ready(). */
static ptk_err wait_for(ptk_sock_t *sock, uint32_t events, uint32_t timeout_ms) {
    ptk_waitable_t *waitable = ptk_sock_waitable(sock, events);
    CHECK(waitable != NULL);
    return ptk_waitable_wait(waitable, events, timeout_ms);
}

/* A wait that has been parked, on a green thread of its own. */
static sock_task_t watch(ptk_sock_t *sock, uint32_t events) {
    return (sock_task_t) {.verb = SOCK_WAIT, .sock = sock, .events = events, .timeout_ms = SOCK_FOREVER};
}

static sock_task_t receive(ptk_sock_t *sock, void *buffer, size_t length) {
    return (sock_task_t) {
        .verb = SOCK_RECV, .sock = sock, .buffer = buffer, .length = length, .timeout_ms = SOCK_FOREVER};
}

static void start_and_park(sock_task_t *task) {
    sock_task_start(task);
    sock_settle();
    CHECK(!task->ended);
}

/* --- what it is --- */

static ptk_err not_by_bytes(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    sock_task_t watcher = watch(pair.sock, HANGUP);
    char got[4];
    CHECK_ERR(wait_for(pair.sock, HANGUP, 0), PTK_ERR_TIMEOUT);
    start_and_park(&watcher);
    peer_write(&pair, "data", 4);
    sock_settle();
    CHECK(!watcher.ended);
    peer_finish(&pair);
    CHECK_OK(sock_task_join(&watcher));
    for (int i = 0; i < 3; i++) { /* as long as it holds, before and after the bytes are received */
        CHECK_OK(wait_for(pair.sock, HANGUP, i % 2 ? 0 : SOCK_FOREVER));
        CHECK_EQ(ptk_waitable_ready(), HANGUP);
    }
    CHECK_OK(wait_for(pair.sock, READ | HANGUP, SOCK_FOREVER));
    CHECK_EQ(ptk_waitable_ready(), READ | HANGUP);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 4, 0));
    CHECK(memcmp(got, "data", 4) == 0);
    CHECK_OK(wait_for(pair.sock, HANGUP, SOCK_FOREVER));
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 1, SOCK_FOREVER), PTK_ERR_EOF);
    CHECK_OK(wait_for(pair.sock, HANGUP, SOCK_FOREVER));
    CHECK_OK(ptk_sock_send(pair.sock, "half-open", 9, SOCK_FOREVER)); /* the peer may still receive */
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_hangup_is_the_end_of_the_peers_stream_and_not_its_bytes, TRUSTS_READINESS) {
    sock_in_green(not_by_bytes);
}

/* With bytes that arrived, unread in the system and in ptk, a wait for HANGUP sleeps: it does not go round.
 */
static ptk_err beside_unread_bytes(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[8];
    peer_write(&pair, "part", 4);
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 8, 5), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_sock_pending(pair.sock), 4);
    peer_write(&pair, "more", 4);
    uint64_t polls = sock_world.calls[PTK_SYS_poll];
    CHECK_ERR(wait_for(pair.sock, HANGUP, 50), PTK_ERR_TIMEOUT);
    CHECK_ERR(wait_for(pair.sock, HANGUP | PRIORITY, 50), PTK_ERR_TIMEOUT);
    CHECK(sock_world.calls[PTK_SYS_poll] - polls < 50);
    peer_finish(&pair);
    CHECK_OK(wait_for(pair.sock, READ | HANGUP, SOCK_FOREVER));
    CHECK_EQ(ptk_waitable_ready(), READ | HANGUP);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 8, SOCK_FOREVER));
    CHECK(memcmp(got, "partmore", 8) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_hangup_is_waited_for_beside_unread_bytes) {
    sock_in_green(beside_unread_bytes);
}

static ptk_err after_a_reset(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    sock_task_t watcher = watch(pair.sock, HANGUP);
    char byte;
    start_and_park(&watcher);
    peer_reset(&pair);
    CHECK_OK(sock_task_join(&watcher));
    CHECK_OK(wait_for(pair.sock, HANGUP, 0));
    CHECK_EQ(ptk_waitable_ready(), HANGUP | PTK_EVENT_ERROR);
    CHECK_ERR(ptk_sock_recv(pair.sock, &byte, 1, SOCK_FOREVER), PTK_ERR_RESET);
    CHECK_OK(wait_for(pair.sock, HANGUP, SOCK_FOREVER));
    CHECK_OK(wait_for(pair.sock, PRIORITY, SOCK_FOREVER)); /* an error ends every wait */
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_ERROR);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_hangup_is_reported_after_a_reset, TRUSTS_READINESS) {
    sock_in_green(after_a_reset);
}

static ptk_err peer_vanishes(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char byte;
    CHECK_OK(ptk_tcp_set_user_timeout(pair.sock, 1));
    CHECK_EQ(fd_fall_silent(pair.peer), 0);
    CHECK_OK(ptk_sock_send(pair.sock, "lost", 4, SOCK_FOREVER));
    CHECK_OK(wait_for(pair.sock, HANGUP, SOCK_FOREVER));
    CHECK_EQ(ptk_waitable_ready(), HANGUP | PTK_EVENT_ERROR);
    CHECK_ERR(ptk_sock_recv(pair.sock, &byte, 1, SOCK_FOREVER), PTK_ERR_PEER_TIMEOUT);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_hangup_is_reported_of_a_peer_that_is_gone) {
    sock_in_green(peer_vanishes);
}

static ptk_err by_own_shutdown(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    sock_task_t watcher = watch(pair.sock, HANGUP);
    start_and_park(&watcher);
    CHECK_OK(ptk_sock_shutdown(pair.sock, PTK_SOCK_WRITE));
    sock_settle();
    CHECK(!watcher.ended);
    CHECK_OK(ptk_sock_shutdown(pair.sock, PTK_SOCK_READ));
    CHECK_OK(sock_task_join(&watcher));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_hangup_is_reported_after_the_own_end_of_reading, TRUSTS_READINESS) {
    sock_in_green(by_own_shutdown);
}

/* --- waits at the same time --- */

static ptk_err beside_transfers(void *unused) {
    (void) unused;
    static char big[200000];
    static char taken[sizeof big];
    sock_pair_t pair = sock_pair_narrow();
    char got[4];
    sock_task_t watcher = watch(pair.sock, HANGUP);
    sock_task_t urgent = watch(pair.sock, PRIORITY);
    sock_task_t receiver = receive(pair.sock, got, 4);
    sock_task_t sender = {.verb = SOCK_SEND,
                          .sock = pair.sock,
                          .buffer = big,
                          .length = sizeof big,
                          .timeout_ms = SOCK_FOREVER};
    start_and_park(&watcher);
    start_and_park(&urgent);
    start_and_park(&receiver);
    start_and_park(&sender);
    peer_write(&pair, "data", 4);
    CHECK_OK(sock_task_join(&receiver));
    peer_drain(pair.peer, taken, sizeof taken);
    CHECK_OK(sock_task_join(&sender));
    CHECK(!watcher.ended && !urgent.ended);
    CHECK_EQ(fd_send_urgent(pair.peer, '!'), 1);
    CHECK_OK(sock_task_join(&urgent));
    receiver = receive(pair.sock, got, 4); /* after that: it takes the urgent byte, and the event with it */
    start_and_park(&receiver);
    CHECK(!watcher.ended);
    peer_finish(&pair);
    CHECK_OK(sock_task_join(&watcher));
    CHECK_ERR(sock_task_join(&receiver), PTK_ERR_UNEXPECTED_EOF);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_hangup_and_priority_are_waited_for_beside_transfers, TRUSTS_READINESS) {
    sock_in_green(beside_transfers);
}

static ptk_err one_for_each(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    sock_task_t watcher = watch(pair.sock, HANGUP);
    sock_task_t urgent = watch(pair.sock, PRIORITY);
    sock_task_t reader = watch(pair.sock, READ);
    start_and_park(&watcher);
    CHECK_ERR(wait_for(pair.sock, HANGUP, SOCK_FOREVER), PTK_ERR_BUSY);
    CHECK_ERR(wait_for(pair.sock, HANGUP | WRITE, 0), PTK_ERR_BUSY);
    CHECK_ERR(wait_for(pair.sock, ALL, SOCK_FOREVER), PTK_ERR_BUSY);
    start_and_park(&urgent);
    CHECK_ERR(wait_for(pair.sock, PRIORITY, SOCK_FOREVER), PTK_ERR_BUSY);
    start_and_park(&reader);
    CHECK_ERR(wait_for(pair.sock, READ, SOCK_FOREVER), PTK_ERR_BUSY);
    CHECK_OK(wait_for(pair.sock, WRITE, SOCK_FOREVER));
    peer_finish(&pair);
    CHECK_OK(sock_task_join(&watcher));
    CHECK_OK(sock_task_join(&reader));
    sock_settle();
    CHECK(!urgent.ended);
    CHECK_OK(wait_for(pair.sock, HANGUP | READ, SOCK_FOREVER));
    ptk_sock_close(pair.sock);
    CHECK_ERR(sock_task_join(&urgent), PTK_ERR_CLOSED);
    CHECK_EQ(fd_close(pair.peer), 0);
    return PTK_OK;
}

TEST(sock_waits_are_one_for_each_event, TRUSTS_READINESS) {
    sock_in_green(one_for_each);
}

/* --- other ends of the wait --- */

static ptk_err other_ends(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    sock_task_t watcher = watch(pair.sock, HANGUP | PRIORITY);
    ptk_waitable_t *waitable = ptk_sock_waitable(pair.sock, HANGUP | PRIORITY);
    CHECK_EQ(ptk_sock_waitable(pair.sock, HANGUP | PRIORITY), waitable);
    CHECK(ptk_sock_waitable(pair.sock, HANGUP) != waitable);
    CHECK_ERR(ptk_waitable_wait(waitable, HANGUP | READ, 0), PTK_ERR_INVALID_PARAM);
    CHECK(ptk_sock_waitable(pair.sock, PTK_EVENT_ERROR) == NULL);
    start_and_park(&watcher);
    CHECK_OK(ptk_waitable_abort(waitable));
    CHECK_ERR(sock_task_join(&watcher), PTK_ERR_ABORTED);
    watcher = watch(pair.sock, HANGUP);
    start_and_park(&watcher);
    CHECK_OK(ptk_green_cancel(watcher.green));
    CHECK_ERR(sock_task_join(&watcher), PTK_ERR_CANCELED);
    watcher = watch(pair.sock, ALL & ~WRITE);
    start_and_park(&watcher);
    ptk_sock_close(pair.sock);
    CHECK_ERR(sock_task_join(&watcher), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_waitable_wait(waitable, HANGUP, 0), PTK_ERR_CLOSED);
    CHECK_EQ(fd_close(pair.peer), 0);
    return PTK_OK;
}

TEST(sock_hangup_waits_end_by_abort_cancel_and_close, TRUSTS_READINESS) {
    sock_in_green(other_ends);
}

/* --- among several --- */

static ptk_err among_several(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    ptk_waitable_t *hangup = ptk_sock_waitable(pair.sock, HANGUP);
    ptk_waitable_t *both = ptk_sock_waitable(pair.sock, HANGUP | PRIORITY);
    ptk_waitable_t *timer = test_timer_waitable(10, 10);
    ptk_waitable_wait_item_t items[] = {{.waitable = hangup, .events = HANGUP},
                                        {.waitable = both, .events = HANGUP | PRIORITY},
                                        {.waitable = hangup, .events = HANGUP},
                                        {.waitable = timer, .events = READ}};
    size_t index = 9;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ptk_waitable_wait_any(items, 4, &index, SOCK_FOREVER));
        CHECK_EQ(index, 3);
    }
    CHECK_EQ(fd_send_urgent(pair.peer, '!'), 1);
    CHECK_OK(ptk_waitable_wait_any(items, 4, &index, SOCK_FOREVER));
    CHECK_EQ(index, 1);
    CHECK_EQ(items[1].ready_out, PRIORITY);
    peer_finish(&pair);
    CHECK_OK(ptk_waitable_wait_any(items, 4, &index, SOCK_FOREVER));
    CHECK_EQ(index, 0);
    CHECK_EQ(items[0].ready_out, HANGUP);
    ptk_waitable_destroy(timer);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_hangup_is_waited_for_among_several) {
    sock_in_green(among_several);
}

/* A listener is the one socket whose two gates both have queues; the wait has one record to queue with. */
static ptk_err of_a_listener(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(4, &addr);
    sock_task_t acceptor = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
    sock_task_t writer = watch(listener, WRITE);
    sock_task_t all = watch(listener, ALL);
    start_and_park(&acceptor);
    start_and_park(&writer);
    start_and_park(&all);
    int peer = peer_connect(&addr);
    CHECK_OK(sock_task_join(&acceptor));
    sock_settle();
    CHECK(!all.ended);
    int other = peer_connect(&addr);
    CHECK_OK(sock_task_join(&all));
    CHECK_OK(ptk_sock_shutdown(listener, PTK_SOCK_READ));
    sock_settle();
    ptk_sock_close(acceptor.accepted);
    ptk_sock_close(listener);
    ptk_err err = sock_task_join(&writer);
    CHECK(err == PTK_OK || err == PTK_ERR_CLOSED); /* the shutdown makes it ready, or the close ends it */
    CHECK_EQ(fd_close(peer), 0);
    CHECK_EQ(fd_close(other), 0);
    return PTK_OK;
}

TEST(sock_waits_for_every_event_of_a_listener, TRUSTS_READINESS) {
    sock_in_green(of_a_listener);
}

/* --- urgent bytes --- */

static ptk_err urgent(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[8];
    for (int round = 0; round < 3; round++) {
        sock_task_t watcher = watch(pair.sock, PRIORITY);
        start_and_park(&watcher);
        peer_write(&pair, "abc", 3);
        sock_settle();
        CHECK(!watcher.ended);
        CHECK_EQ(fd_send_urgent(pair.peer, '!'), 1);
        CHECK_OK(sock_task_join(&watcher));
        CHECK_OK(ptk_sock_recv(pair.sock, got, 3, SOCK_FOREVER));
        CHECK_OK(wait_for(pair.sock, PRIORITY, 0)); /* until the urgent byte itself is received */
        CHECK_EQ(ptk_waitable_ready(), PRIORITY);
        CHECK_OK(ptk_sock_recv(pair.sock, got, 1, SOCK_FOREVER));
        CHECK_EQ(got[0], '!');
        peer_write(&pair, "d", 1);
        CHECK_OK(ptk_sock_recv(pair.sock, got, 1, SOCK_FOREVER));
        CHECK_ERR(wait_for(pair.sock, PRIORITY, 5), PTK_ERR_TIMEOUT);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_priority_lasts_until_the_urgent_byte_is_received, TRUSTS_READINESS) {
    sock_in_green(urgent);
}

/* --- what it is for --- */

typedef struct request {
    ptk_sock_t *sock;
    ptk_green_t *worker;
    bool was_cancelled;
} request_t;

/* A handler that waits for something else than its client. */
static ptk_err work(void *arg) {
    request_t *request = arg;
    ptk_err err = ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
    request->was_cancelled = err == PTK_ERR_CANCELED;
    return err;
}

static ptk_err cancel_when_gone(void *arg) {
    const request_t *request = arg;
    ptk_err err = wait_for(request->sock, HANGUP, SOCK_FOREVER);
    return err ? err : ptk_green_cancel(request->worker);
}

static ptk_err client_goes_away(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    request_t request = {.sock = pair.sock};
    request.worker = test_spawn(work, &request);
    ptk_green_t *watcher = test_spawn(cancel_when_gone, &request);
    peer_write(&pair, "another request, which nothing reads", 36);
    sock_settle();
    CHECK(!request.was_cancelled);
    peer_finish(&pair);
    CHECK_OK(test_join(watcher));
    CHECK_ERR(test_join(request.worker), PTK_ERR_CANCELED);
    CHECK(request.was_cancelled);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_hangup_cancels_the_work_for_a_client_that_goes_away) {
    sock_in_green(client_goes_away);
}

/* --- descriptors of others --- */

static ptk_err wait_for_hangup(void *waitable) {
    return ptk_waitable_wait(waitable, HANGUP, PTK_TIMEOUT_INFINITE);
}

static ptk_err wait_for_reading(void *waitable) {
    return ptk_waitable_wait(waitable, READ, PTK_TIMEOUT_INFINITE);
}

/* Two waitables of one descriptor share the system's registration. */
static ptk_err of_a_descriptor(void *unused) {
    (void) unused;
    int pair[2];
    test_socketpair(pair);
    ptk_waitable_t *one = test_fd_waitable(pair[0]);
    ptk_waitable_t *other = test_fd_waitable(pair[0]);
    ptk_green_t *watcher = test_spawn(wait_for_hangup, one);
    ptk_green_t *reader = test_spawn(wait_for_reading, other);
    test_let_poll();
    CHECK_ERR(ptk_waitable_wait(one, HANGUP, SOCK_FOREVER), PTK_ERR_BUSY);
    CHECK_ERR(ptk_waitable_wait(other, HANGUP, 0), PTK_ERR_TIMEOUT);
    test_write(pair[1], 3);
    CHECK_OK(test_join(reader));
    test_let_poll();
    CHECK_EQ(fd_shutdown(pair[1], SHUT_WR), 0);
    CHECK_OK(test_join(watcher));
    CHECK_OK(ptk_waitable_wait(other, READ | HANGUP, 0));
    CHECK_EQ(ptk_waitable_ready(), READ | HANGUP);
    ptk_waitable_destroy(one);
    ptk_waitable_destroy(other);
    test_close_pair(pair);
    return PTK_OK;
}

TEST(fd_hangup_is_waited_for_beside_a_reader) {
    test_in_green(of_a_descriptor);
}

static ptk_err of_a_pipe(void *unused) {
    (void) unused;
    int ends[2];
    test_pipe(ends);
    ptk_waitable_t *waitable = test_fd_waitable(ends[0]);
    ptk_green_t *watcher = test_spawn(wait_for_hangup, waitable);
    test_let_poll();
    test_write(ends[1], 3);
    CHECK_ERR(ptk_waitable_wait(waitable, PRIORITY, 0), PTK_ERR_TIMEOUT);
    test_let_poll();
    CHECK_EQ(fd_close(ends[1]), 0);
    CHECK_OK(test_join(watcher));
    CHECK_OK(ptk_waitable_wait(waitable, HANGUP, 0));
    CHECK_EQ(test_read(ends[0], 8), 3);
    CHECK_OK(ptk_waitable_wait(waitable, HANGUP, 0));
    ptk_waitable_destroy(waitable);
    CHECK_EQ(fd_close(ends[0]), 0);
    return PTK_OK;
}

TEST(fd_hangup_of_a_pipe) {
    test_in_green(of_a_pipe);
}
