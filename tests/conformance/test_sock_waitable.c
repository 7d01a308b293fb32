/* SPDX-License-Identifier: MIT */
/* A socket's own waitable: a hint that consumes nothing, and enters the gate of the direction like a call. */
#include "test_sock.h"

#include <string.h>

#define BOTH (PTK_EVENT_READ | PTK_EVENT_WRITE)

static ptk_err wait_for(ptk_sock_t *sock, uint32_t events, uint32_t timeout_ms) {
    ptk_waitable_t *waitable = ptk_sock_waitable(sock, events);
    CHECK(waitable != NULL);
    return ptk_waitable_wait(waitable, events, timeout_ms);
}

/* --- what it is --- */

static ptk_err same_pointer(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    ptk_waitable_t *reading = ptk_sock_waitable(pair.sock, PTK_EVENT_READ);
    ptk_waitable_t *writing = ptk_sock_waitable(pair.sock, PTK_EVENT_WRITE);
    ptk_waitable_t *both = ptk_sock_waitable(pair.sock, BOTH);
    CHECK(reading != NULL && writing != NULL && both != NULL);
    CHECK_EQ(ptk_sock_waitable(pair.sock, PTK_EVENT_READ), reading);
    CHECK_EQ(ptk_sock_waitable(pair.sock, PTK_EVENT_WRITE), writing);
    CHECK_EQ(ptk_sock_waitable(pair.sock, BOTH), both);
    CHECK(ptk_sock_waitable(pair.sock, 0) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    CHECK(ptk_sock_waitable(pair.sock, 64) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_waitable_signal(reading), PTK_ERR_INVALID_PARAM);
    ptk_waitable_destroy(reading);
    ptk_waitable_destroy(both);
    CHECK_EQ(ptk_sock_waitable(pair.sock, PTK_EVENT_READ), reading);
    peer_write(&pair, "x", 1);
    CHECK_OK(ptk_waitable_wait(reading, PTK_EVENT_READ, SOCK_FOREVER));
    sock_pair_end(&pair);
    CHECK_ERR(ptk_waitable_wait(reading, PTK_EVENT_READ, SOCK_FOREVER), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_waitable_wait(writing, PTK_EVENT_WRITE, 0), PTK_ERR_CLOSED);
    ptk_waitable_destroy(reading);
    return PTK_OK;
}

TEST(sock_waitable_is_the_same_each_time_and_ends_with_the_socket) {
    sock_in_green(same_pointer);
}

static ptk_err hint(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[4] = {0};
    sock_task_t task = {
        .verb = SOCK_WAIT, .sock = pair.sock, .events = PTK_EVENT_READ, .timeout_ms = SOCK_FOREVER};
    CHECK_ERR(wait_for(pair.sock, PTK_EVENT_READ, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(wait_for(pair.sock, PTK_EVENT_READ, 10), PTK_ERR_TIMEOUT);
    sock_task_start(&task);
    sock_settle();
    CHECK(!task.ended);
    peer_write(&pair, "data", 4);
    CHECK_OK(sock_task_join(&task));
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(wait_for(pair.sock, PTK_EVENT_READ, i % 2 ? 0 : SOCK_FOREVER));
        CHECK_EQ(ptk_waitable_ready() & PTK_EVENT_READ, PTK_EVENT_READ);
        CHECK_EQ(ptk_sock_pending(pair.sock), 0);
        CHECK_OK(ptk_sock_recv(pair.sock, got + i, 1, 0));
        sock_settle();
    }
    CHECK(memcmp(got, "data", 4) == 0);
    CHECK_ERR(wait_for(pair.sock, PTK_EVENT_READ, 0), PTK_ERR_TIMEOUT);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_waitable_is_a_hint_that_consumes_nothing, TRUSTS_READINESS) {
    sock_in_green(hint);
}

static ptk_err writable(void *unused) {
    (void) unused;
    static char big[100000];
    sock_pair_t pair = sock_pair_narrow();
    CHECK_OK(wait_for(pair.sock, PTK_EVENT_WRITE, 0));
    CHECK_OK(wait_for(pair.sock, BOTH, SOCK_FOREVER));
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_WRITE);
    size_t total = sock_fill_stream(&pair);
    CHECK_ERR(wait_for(pair.sock, PTK_EVENT_WRITE, 0), PTK_ERR_TIMEOUT);
    sock_task_t task = {
        .verb = SOCK_WAIT, .sock = pair.sock, .events = PTK_EVENT_WRITE, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    CHECK(!task.ended);
    peer_drain(pair.peer, big, total);
    CHECK_OK(sock_task_join(&task));
    CHECK_OK(ptk_sock_send(pair.sock, "x", 1, 0));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_waitable_for_writing, TRUSTS_READINESS) {
    sock_in_green(writable);
}

/* The end of the stream, and a reset, make it readable. */
static ptk_err ends(void *unused) {
    (void) unused;
    for (int with_reset = 0; with_reset < 2; with_reset++) {
        sock_pair_t pair = sock_pair();
        char byte;
        sock_task_t task = {
            .verb = SOCK_WAIT, .sock = pair.sock, .events = PTK_EVENT_READ, .timeout_ms = SOCK_FOREVER};
        sock_task_start(&task);
        sock_settle();
        if (with_reset) {
            peer_reset(&pair);
        } else {
            peer_finish(&pair);
        }
        CHECK_OK(sock_task_join(&task));
        CHECK_OK(wait_for(pair.sock, PTK_EVENT_READ, 0));
        CHECK_ERR(ptk_sock_recv(pair.sock, &byte, 1, 0), with_reset ? PTK_ERR_RESET : PTK_ERR_EOF);
        sock_pair_end(&pair);
    }
    return PTK_OK;
}

TEST(p09_sock_waitable_is_ready_at_the_end_of_the_stream_and_after_a_reset) {
    sock_in_green(ends);
}

/* --- it enters the gate of the direction --- */

static ptk_err beside_a_receive(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[4];
    sock_task_t receiver = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 4, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&receiver);
    sock_settle();
    CHECK_ERR(wait_for(pair.sock, PTK_EVENT_READ, SOCK_FOREVER), PTK_ERR_BUSY);
    CHECK_ERR(wait_for(pair.sock, PTK_EVENT_READ, 0), PTK_ERR_BUSY);
    CHECK_ERR(wait_for(pair.sock, BOTH, SOCK_FOREVER), PTK_ERR_BUSY);
    CHECK_OK(wait_for(pair.sock, PTK_EVENT_WRITE, SOCK_FOREVER));
    peer_write(&pair, "data", 4);
    CHECK_OK(sock_task_join(&receiver));
    CHECK_ERR(wait_for(pair.sock, PTK_EVENT_READ, 5), PTK_ERR_TIMEOUT);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p06_sock_waitable_is_busy_beside_a_receive, TRUSTS_READINESS) {
    sock_in_green(beside_a_receive);
}

static ptk_err receive_beside(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[4];
    sock_task_t waiter = {
        .verb = SOCK_WAIT, .sock = pair.sock, .events = PTK_EVENT_READ, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&waiter);
    sock_settle();
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 4, SOCK_FOREVER), PTK_ERR_BUSY);
    CHECK_ERR(wait_for(pair.sock, PTK_EVENT_READ, SOCK_FOREVER), PTK_ERR_BUSY);
    CHECK_OK(ptk_sock_send(pair.sock, "free", 4, SOCK_FOREVER));
    peer_write(&pair, "data", 4);
    CHECK_OK(sock_task_join(&waiter));
    CHECK_OK(ptk_sock_recv(pair.sock, got, 4, 0));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p06_receive_is_busy_beside_a_wait_for_reading, TRUSTS_READINESS) {
    sock_in_green(receive_beside);
}

/* For writing it waits in the queue of sends. */
static ptk_err beside_a_send(void *unused) {
    (void) unused;
    static char big[200000];
    sock_pair_t pair = sock_pair_narrow();
    sock_task_t sender = {.verb = SOCK_SEND,
                          .sock = pair.sock,
                          .buffer = big,
                          .length = sizeof big,
                          .timeout_ms = SOCK_FOREVER};
    sock_task_t waiter = {
        .verb = SOCK_WAIT, .sock = pair.sock, .events = PTK_EVENT_WRITE, .timeout_ms = SOCK_FOREVER};
    sock_task_t behind = {
        .verb = SOCK_SEND, .sock = pair.sock, .buffer = "tail", .length = 4, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&sender);
    sock_settle();
    sock_task_start(&waiter);
    sock_settle();
    sock_task_start(&behind);
    sock_settle();
    CHECK(!sender.ended && !waiter.ended && !behind.ended);
    static char taken[sizeof big + 4];
    peer_drain(pair.peer, taken, sizeof taken);
    CHECK(memcmp(taken + sizeof big, "tail", 4) == 0);
    CHECK_OK(sock_task_join(&sender));
    CHECK_OK(sock_task_join(&waiter));
    CHECK_OK(sock_task_join(&behind));
    CHECK(sender.order < waiter.order && sender.order < behind.order);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p06_sock_waitable_for_writing_queues_behind_a_send) {
    sock_in_green(beside_a_send);
}

/* Waiters of a listener: a hint takes nothing, so the next one in the queue is woken as well. */
static ptk_err of_a_listener(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    sock_task_t tasks[3] = {
        {.verb = SOCK_WAIT, .sock = listener, .events = PTK_EVENT_READ, .timeout_ms = SOCK_FOREVER},
        {.verb = SOCK_WAIT, .sock = listener, .events = PTK_EVENT_READ, .timeout_ms = SOCK_FOREVER},
        {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER},
    };
    for (int i = 0; i < 3; i++) {
        sock_task_start(&tasks[i]);
        sock_settle();
    }
    CHECK(!tasks[0].ended && !tasks[1].ended && !tasks[2].ended);
    int peer = peer_connect(&addr);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(sock_task_join(&tasks[i]));
    }
    CHECK_ERR(wait_for(listener, PTK_EVENT_READ, 0), PTK_ERR_TIMEOUT);
    ptk_sock_close(tasks[2].accepted);
    ptk_sock_close(listener);
    CHECK_EQ(fd_close(peer), 0);
    return PTK_OK;
}

TEST(p06_sock_waitable_of_a_listener_passes_the_wake_on, TRUSTS_READINESS) {
    sock_in_green(of_a_listener);
}

static ptk_err leave(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[4];
    sock_task_t task = {
        .verb = SOCK_WAIT, .sock = pair.sock, .events = PTK_EVENT_READ, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    CHECK_OK(ptk_green_cancel(task.green));
    CHECK_ERR(sock_task_join(&task), PTK_ERR_CANCELED);
    sock_task_start(&task);
    sock_settle();
    CHECK_OK(ptk_waitable_abort(ptk_sock_waitable(pair.sock, PTK_EVENT_READ)));
    CHECK_ERR(sock_task_join(&task), PTK_ERR_ABORTED);
    peer_write(&pair, "data", 4);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 4, SOCK_FOREVER));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p46_sock_waitable_waits_can_be_cancelled_and_aborted, TRUSTS_READINESS) {
    sock_in_green(leave);
}

/* --- unread bytes --- */

static ptk_err carry(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[8];
    peer_write(&pair, "half", 4);
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 8, 5), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_sock_pending(pair.sock), 4);
    CHECK_OK(wait_for(pair.sock, PTK_EVENT_READ, 0));
    CHECK_OK(wait_for(pair.sock, PTK_EVENT_READ, SOCK_FOREVER));
    CHECK_EQ(ptk_waitable_ready() & PTK_EVENT_READ, PTK_EVENT_READ);
    ptk_waitable_wait_item_t item = {.waitable = ptk_sock_waitable(pair.sock, PTK_EVENT_READ)};
    size_t index = 9;
    item.events = PTK_EVENT_READ;
    CHECK_OK(ptk_waitable_wait_any(&item, 1, &index, SOCK_FOREVER));
    CHECK_EQ(index, 0);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 4, 0));
    CHECK_ERR(wait_for(pair.sock, PTK_EVENT_READ, 0), PTK_ERR_TIMEOUT);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_waitable_is_ready_while_there_are_unread_bytes, TRUSTS_READINESS) {
    sock_in_green(carry);
}

/* --- wait_any --- */

static ptk_err beside_a_timer(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[4];
    size_t index = 9;
    ptk_waitable_t *timer = test_timer_waitable(10, 0);
    ptk_waitable_wait_item_t items[2] = {
        {.waitable = ptk_sock_waitable(pair.sock, PTK_EVENT_READ), .events = PTK_EVENT_READ},
        {.waitable = timer, .events = PTK_EVENT_READ},
    };
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, SOCK_FOREVER));
    CHECK_EQ(index, 1);
    CHECK_EQ(items[1].count_out, 1);
    CHECK_EQ(items[0].ready_out, 0);
    peer_write(&pair, "data", 4);
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, SOCK_FOREVER));
    CHECK_EQ(index, 0);
    CHECK_EQ(items[0].ready_out & PTK_EVENT_READ, PTK_EVENT_READ);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 4, 0));
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 20), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(timer);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_waitable_in_wait_any_with_a_timer, TRUSTS_READINESS) {
    sock_in_green(beside_a_timer);
}

typedef struct any_wait {
    ptk_waitable_wait_item_t items[3];
    size_t index;
    ptk_err err;
} any_wait_t;

static ptk_err wait_any_main(void *arg) {
    any_wait_t *wait = arg;
    wait->err = ptk_waitable_wait_any(wait->items, 3, &wait->index, SOCK_FOREVER);
    return PTK_OK;
}

/* Of three sockets, each in turn becomes ready; the other two are unchanged. */
static ptk_err one_of_three(void *unused) {
    (void) unused;
    sock_pair_t pairs[3] = {sock_pair(), sock_pair(), sock_pair()};
    for (size_t which = 0; which < 3; which++) {
        any_wait_t wait = {.index = 9};
        char got[4];
        for (int i = 0; i < 3; i++) {
            wait.items[i].waitable = ptk_sock_waitable(pairs[i].sock, PTK_EVENT_READ);
            wait.items[i].events = PTK_EVENT_READ;
        }
        ptk_green_t *green = test_spawn(wait_any_main, &wait);
        sock_settle();
        CHECK_ERR(ptk_sock_recv(pairs[2].sock, got, 4, 0), PTK_ERR_BUSY);
        peer_write(&pairs[which], "data", 4);
        CHECK_OK(test_join(green));
        CHECK_OK(wait.err);
        CHECK_EQ(wait.index, which);
        CHECK_OK(ptk_sock_recv(pairs[which].sock, got, 4, 0));
        for (int i = 0; i < 3; i++) {
            CHECK_ERR(ptk_sock_recv(pairs[i].sock, got, 4, 0), PTK_ERR_TIMEOUT);
        }
    }
    for (int i = 0; i < 3; i++) {
        sock_pair_end(&pairs[i]);
    }
    return PTK_OK;
}

TEST(p07_wait_any_of_three_sockets, TRUSTS_READINESS) {
    sock_in_green(one_of_three);
}

static ptk_err closed_in_wait_any(void *unused) {
    (void) unused;
    sock_pair_t pairs[3] = {sock_pair(), sock_pair(), sock_pair()};
    any_wait_t wait = {.index = 9};
    for (int i = 0; i < 3; i++) {
        wait.items[i].waitable = ptk_sock_waitable(pairs[i].sock, PTK_EVENT_READ);
        wait.items[i].events = PTK_EVENT_READ;
    }
    ptk_green_t *green = test_spawn(wait_any_main, &wait);
    sock_settle();
    ptk_sock_close(pairs[1].sock);
    CHECK_OK(test_join(green));
    CHECK_ERR(wait.err, PTK_ERR_CLOSED);
    CHECK_EQ(wait.index, 1);
    for (int i = 0; i < 3; i++) {
        sock_pair_end(&pairs[i]);
    }
    return PTK_OK;
}

TEST(p05_close_ends_a_wait_any_with_its_index, TRUSTS_READINESS) {
    sock_in_green(closed_in_wait_any);
}
