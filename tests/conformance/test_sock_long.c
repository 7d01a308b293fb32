/* SPDX-License-Identifier: MIT */
/*
 * One call that moves much data in small pieces: other green threads run meanwhile, and a cancel, a close and
 * the call's deadline end it in the middle, although there is always something to move.
 *
 * When receiving, the stream has ended behind the data, so a short receive does not mean that no more has
 * arrived (where the poller reports the end; otherwise each piece is waited for).
 */
#include "test_sock.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH 60000
#define PIECE  16

static size_t pieces; /* that were transferred */

static int64_t counted(int64_t result) {
    pieces += result > 0;
    return result;
}

static int64_t small_recv(ptk_sys_call_t *call) {
    call->recv.bytes = call->recv.bytes < PIECE ? call->recv.bytes : PIECE;
    return counted(ptk_sys_call_below(call));
}

static int64_t small_send(ptk_sys_call_t *call) {
    call->send.bytes = call->send.bytes < PIECE ? call->send.bytes : PIECE;
    return counted(ptk_sys_call_below(call));
}

typedef enum ending { END_WHOLE, END_CANCEL, END_CLOSE, END_TIMEOUT } ending_t;

typedef struct long_call {
    sock_pair_t pair;
    sock_task_t task;
    ending_t ending;
    size_t turns; /* of another green thread, while the call was in progress */
    bool is_ended_by_bystander;
} long_call_t;

static char bytes[LENGTH];
static char got[LENGTH];
static long_call_t call;

static void end_call(void) {
    if (call.ending == END_CANCEL) {
        CHECK_OK(ptk_green_cancel(call.task.green));
    } else if (call.ending == END_CLOSE) {
        ptk_sock_close(call.pair.sock);
    }
}

/* Runs whenever the call lets it, and ends the call after a few rounds, when it has transferred something. */
static ptk_err bystander(void *unused) {
    (void) unused;
    while (!call.task.ended) {
        if (++call.turns >= 5 && pieces > 0 && !call.is_ended_by_bystander) {
            call.is_ended_by_bystander = true;
            end_call();
        }
        test_yield();
    }
    return PTK_OK;
}

static ptk_err run_long(sock_verb_t verb, ending_t ending) {
    call = (long_call_t) {.pair = sock_pair(), .ending = ending};
    pieces = 0;
    call.task =
        (sock_task_t) {.verb = verb, .sock = call.pair.sock, .length = LENGTH, .timeout_ms = SOCK_FOREVER};
    call.task.buffer = verb == SOCK_RECV ? got : bytes;
    sock_fill(bytes, LENGTH, 0);
    memset(got, 0, LENGTH);
    sock_world_hook(PTK_SYS_recv, small_recv);
    sock_world_hook(PTK_SYS_send, small_send);
    if (ending == END_TIMEOUT) {
        call.task.timeout_ms = 3;
    }
    sock_task_start(&call.task);
    if (verb == SOCK_RECV) {
        sock_settle();
        peer_write(&call.pair, bytes, LENGTH);
        peer_finish(&call.pair);
    }
    sock_world.tick_ns = 200 * 1000;
    ptk_green_t *green = test_spawn(bystander, NULL);
    ptk_err err = sock_task_join(&call.task);
    CHECK_OK(test_join(green));
    sock_world.tick_ns = 0;
    return err;
}

static void end_long(void) {
    sock_world_hook(PTK_SYS_recv, NULL);
    sock_world_hook(PTK_SYS_send, NULL);
    sock_pair_end(&call.pair);
}

/* --- receiving --- */

/* What was received so far is kept, and the rest is still in the stream. */
static void check_all_is_there(void) {
    size_t kept = ptk_sock_pending(call.pair.sock);
    CHECK(kept > 0 && kept < LENGTH);
    CHECK_OK(ptk_sock_recv(call.pair.sock, got, LENGTH, SOCK_FOREVER));
    CHECK(memcmp(got, bytes, LENGTH) == 0);
}

static ptk_err long_receives(void *unused) {
    (void) unused;
    CHECK_OK(run_long(SOCK_RECV, END_WHOLE));
    CHECK(memcmp(got, bytes, LENGTH) == 0);
    CHECK(call.turns >= 20); /* 3,750 pieces, and a budget of 128 per tick */
    end_long();
    CHECK_ERR(run_long(SOCK_RECV, END_CANCEL), PTK_ERR_CANCELED);
    check_all_is_there();
    end_long();
    CHECK_ERR(run_long(SOCK_RECV, END_TIMEOUT), PTK_ERR_TIMEOUT);
    check_all_is_there();
    end_long();
    CHECK_ERR(run_long(SOCK_RECV, END_CLOSE), PTK_ERR_CLOSED);
    end_long();
    return PTK_OK;
}

TEST(p47_one_long_receive_lets_others_run_and_can_be_ended) {
    sock_in_green(long_receives);
}

/* --- sending --- */

static void check_partial(ptk_err err, ptk_err cause) {
    CHECK_ERR(err, PTK_ERR_PARTIAL);
    CHECK_ERR(call.task.cause, cause);
    CHECK(call.task.count > 0 && call.task.count < LENGTH);
    peer_drain(call.pair.peer, got, call.task.count);
    CHECK(memcmp(got, bytes, call.task.count) == 0);
}

static ptk_err long_sends(void *unused) {
    (void) unused;
    CHECK_OK(run_long(SOCK_SEND, END_WHOLE));
    CHECK(call.turns >= 20);
    peer_drain(call.pair.peer, got, LENGTH);
    CHECK(memcmp(got, bytes, LENGTH) == 0);
    end_long();
    check_partial(run_long(SOCK_SEND, END_CANCEL), PTK_ERR_CANCELED);
    end_long();
    check_partial(run_long(SOCK_SEND, END_TIMEOUT), PTK_ERR_TIMEOUT);
    end_long();
    check_partial(run_long(SOCK_SEND, END_CLOSE), PTK_ERR_CLOSED);
    end_long();
    return PTK_OK;
}

TEST(p47_one_long_send_lets_others_run_and_can_be_ended) {
    sock_in_green(long_sends);
}

/* With timeout 0 a call never lets another green thread run: it takes what has arrived. */
static ptk_err long_calls_at_once(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    sock_fill(bytes, LENGTH, 0);
    peer_write(&pair, bytes, LENGTH);
    sock_world_hook(PTK_SYS_recv, small_recv);
    sock_world_hook(PTK_SYS_send, small_send);
    uint64_t switches = test_counters().switches;
    CHECK_OK(ptk_sock_recv(pair.sock, got, LENGTH, 0));
    CHECK_OK(ptk_sock_send(pair.sock, bytes, LENGTH, 0));
    CHECK_EQ(test_counters().switches, switches);
    CHECK(memcmp(got, bytes, LENGTH) == 0);
    peer_drain(pair.peer, got, LENGTH);
    CHECK(memcmp(got, bytes, LENGTH) == 0);
    sock_world_hook(PTK_SYS_recv, NULL);
    sock_world_hook(PTK_SYS_send, NULL);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p47_calls_with_timeout_0_never_switch) {
    sock_in_green(long_calls_at_once);
}
