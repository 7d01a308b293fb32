/* SPDX-License-Identifier: MIT */
/*
 * Between the wake and the run: a waiter's event has come, but before the waiter runs, another green thread
 * that woke in the same batch cancels it, or closes its socket, and takes away what it was woken for. It must
 * not wait again.
 */
#include "test_sock.h"

#include <errno.h>
#include <string.h>

typedef enum victim_kind {
    VICTIM_RECV,
    VICTIM_RECV_SOME,
    VICTIM_SEND,
    VICTIM_ACCEPT,
    VICTIM_WAIT,
    VICTIM_WAIT_ANY,
    VICTIMS,
} victim_kind_t;

typedef struct between {
    sock_pair_t first; /* the culprit waits for this one, which is reported first */
    sock_pair_t pair;  /* the victim's */
    ptk_sock_t *spare; /* takes the place that setting up the first one left free, so that the victim comes
                          after it */
    ptk_addr_t addr;   /* ACCEPT: of its listener */
    victim_kind_t kind;
    bool closes;
    sock_task_t task;
    ptk_waitable_wait_item_t item;
    char buffer[8];
} between_t;

static between_t between;
static char junk[1 << 16];

static ptk_err wait_any_main(void *unused) {
    (void) unused;
    size_t index = 9;
    between.task.err = ptk_waitable_wait_any(&between.item, 1, &index, SOCK_FOREVER);
    between.task.ended = true;
    return PTK_OK;
}

/* Takes away what the victim was woken for. */
static void steal(void) {
    switch (between.kind) {
    case VICTIM_RECV:
        break; /* it was woken for a part, which may stay */
    case VICTIM_SEND:
        CHECK(fd_send(between.pair.fd, junk, sizeof junk) > 0);
        break;
    case VICTIM_ACCEPT:
        CHECK_EQ(fd_close(fd_accept(between.pair.fd)), 0);
        break;
    case VICTIM_RECV_SOME:
    case VICTIM_WAIT:
    case VICTIM_WAIT_ANY:
    case VICTIMS:
        CHECK(fd_recv(between.pair.fd, junk, sizeof junk) > 0);
        break;
    }
}

static ptk_err culprit(void *unused) {
    (void) unused;
    char byte;
    CHECK_OK(ptk_sock_recv(between.first.sock, &byte, 1, SOCK_FOREVER));
    CHECK(!between.task.ended);
    steal();
    if (between.closes) {
        ptk_sock_close(between.pair.sock);
    } else {
        CHECK_OK(ptk_green_cancel(between.task.green));
    }
    return PTK_OK;
}

static void begin_victim(void) {
    static const sock_verb_t verbs[VICTIMS] = {SOCK_RECV,   SOCK_RECV_SOME, SOCK_SEND,
                                               SOCK_ACCEPT, SOCK_WAIT,      SOCK_WAIT};
    if (between.kind == VICTIM_ACCEPT) {
        between.pair = (sock_pair_t) {.sock = sock_listener(5, &between.addr), .fd = sock_world.last_fd};
        between.pair.peer = peer_open();
    } else {
        between.pair = sock_pair_narrow();
    }
    if (between.kind == VICTIM_SEND) {
        sock_fill_stream(&between.pair);
    }
    between.task =
        (sock_task_t) {.verb = verbs[between.kind], .sock = between.pair.sock, .timeout_ms = SOCK_FOREVER};
    between.task.buffer = between.kind == VICTIM_SEND ? junk : between.buffer;
    between.task.length = between.kind == VICTIM_SEND ? sizeof junk : sizeof between.buffer;
    between.task.events = PTK_EVENT_READ;
}

static void start_victim(void) {
    if (between.kind == VICTIM_WAIT_ANY) {
        between.item.waitable = ptk_sock_waitable(between.pair.sock, PTK_EVENT_READ);
        between.item.events = PTK_EVENT_READ;
        between.task.green = test_spawn(wait_any_main, NULL);
    } else {
        sock_task_start(&between.task);
    }
}

/* A part of what the victim waits for comes. */
static void bring_event(void) {
    if (between.kind == VICTIM_SEND) {
        while (fd_recv(between.pair.peer, junk, sizeof junk) > 0) {
        }
        peer_await(between.pair.fd, POLLOUT);
    } else if (between.kind == VICTIM_ACCEPT) {
        int answer = fd_connect(between.pair.peer, ptk_addr_sockaddr(&between.addr), between.addr.length);
        CHECK(answer == 0 || errno == EINPROGRESS);
        peer_await(between.pair.fd, POLLIN);
    } else {
        peer_write(&between.pair, "data", 4);
    }
}

static void run_between(victim_kind_t kind, bool closes) {
    memset(&between, 0, sizeof between);
    between.kind = kind;
    between.closes = closes;
    between.first = sock_pair();
    between.spare = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    begin_victim();
    ptk_green_t *green = test_spawn(culprit, NULL);
    sock_settle();
    start_victim();
    sock_settle();
    CHECK(!between.task.ended);
    peer_write(&between.first, "x", 1);
    bring_event();
    CHECK_OK(test_join(green));
    CHECK_OK(test_join(between.task.green));
    bool partial =
        kind == VICTIM_SEND && between.task.err == PTK_ERR_PARTIAL; /* there was a little room left */
    CHECK_ERR(partial ? between.task.cause : between.task.err, closes ? PTK_ERR_CLOSED : PTK_ERR_CANCELED);
    if (kind == VICTIM_RECV && !closes) {
        CHECK_OK(ptk_sock_recv(between.pair.sock, between.buffer, 4, 0));
        CHECK(memcmp(between.buffer, "data", 4) == 0);
    }
    sock_pair_end(&between.pair);
    ptk_sock_close(between.spare);
    sock_pair_end(&between.first);
}

static ptk_err cancel_between(void *unused) {
    (void) unused;
    for (victim_kind_t kind = VICTIM_RECV; kind < VICTIMS; kind++) {
        run_between(kind, false);
    }
    return PTK_OK;
}

TEST(p46_cancel_between_the_wake_and_the_run_of_a_socket_call, NEEDS_ORDER | TRUSTS_READINESS) {
    sock_in_green(cancel_between);
}

static ptk_err close_between(void *unused) {
    (void) unused;
    for (victim_kind_t kind = VICTIM_RECV; kind < VICTIMS; kind++) {
        run_between(kind, true);
    }
    return PTK_OK;
}

TEST(p05_close_between_the_wake_and_the_run_of_a_socket_call, NEEDS_ORDER | TRUSTS_READINESS) {
    sock_in_green(close_between);
}

/* --- a gate that is handed over to a waiter that is cancelled before it runs --- */

typedef struct handover {
    sock_pair_t pair;
    sock_task_t first;
    sock_task_t second;
} handover_t;

static ptk_err first_then_cancel_second(void *arg) {
    handover_t *handover = arg;
    CHECK_OK(sock_task_call(&handover->first));
    CHECK(!handover->second.ended);
    CHECK_OK(ptk_green_cancel(handover->second.green));
    return PTK_OK;
}

static ptk_err send_handover(void *unused) {
    (void) unused;
    static char first[30000];
    static char second[1 << 20];
    static char taken[sizeof first + sizeof second];
    handover_t handover = {.pair = sock_pair_narrow()};
    sock_fill(first, sizeof first, 0);
    sock_fill(second, sizeof second, sizeof first);
    handover.first = (sock_task_t) {.verb = SOCK_SEND,
                                    .sock = handover.pair.sock,
                                    .buffer = first,
                                    .length = sizeof first,
                                    .timeout_ms = SOCK_FOREVER};
    handover.second = handover.first;
    handover.second.buffer = second;
    handover.second.length = sizeof second;
    ptk_green_t *green = test_spawn(first_then_cancel_second, &handover);
    sock_settle();
    sock_task_start(&handover.second);
    sock_settle();
    CHECK(!handover.first.ended && !handover.second.ended);
    peer_drain(handover.pair.peer, taken, sizeof first);
    CHECK_OK(test_join(green));
    ptk_err err = sock_task_join(&handover.second);
    size_t sent = handover.second.count;
    if (err == PTK_ERR_PARTIAL) {
        CHECK_ERR(handover.second.cause, PTK_ERR_CANCELED);
        peer_drain(handover.pair.peer, taken + sizeof first, sent);
    } else {
        CHECK_ERR(err, PTK_ERR_CANCELED);
        CHECK_OK(ptk_sock_send(handover.pair.sock, "x", 1, 0));
    }
    CHECK(sock_is_filled(taken, sizeof first + sent, 0));
    sock_pair_end(&handover.pair);
    return PTK_OK;
}

TEST(p46_send_that_is_cancelled_as_it_passes_the_gate) {
    sock_in_green(send_handover);
}

static ptk_err accept_handover(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    handover_t handover = {.pair = {.sock = sock_listener(5, &addr)}};
    handover.first =
        (sock_task_t) {.verb = SOCK_ACCEPT, .sock = handover.pair.sock, .timeout_ms = SOCK_FOREVER};
    handover.second = handover.first;
    ptk_green_t *green = test_spawn(first_then_cancel_second, &handover);
    sock_settle();
    sock_task_start(&handover.second);
    sock_settle();
    handover.pair.peer = peer_connect(&addr);
    CHECK_OK(test_join(green));
    CHECK_ERR(sock_task_join(&handover.second), PTK_ERR_CANCELED);
    ptk_sock_close(handover.first.accepted);
    sock_pair_end(&handover.pair);
    return PTK_OK;
}

TEST(p46_accept_that_is_cancelled_as_it_passes_the_gate) {
    sock_in_green(accept_handover);
}
