/* SPDX-License-Identifier: MIT */
/* What the system does to sockets: interrupted calls, spurious wakes, events between any two steps, resets
   that no call sees. */
#include "test_sock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- EINTR --- */

static int interruptions; /* that each call gets before it is made */
static int interruptions_left[PTK_SYS_MEMBERS];

/* An EINTR without the call would be untrue of connect, which has begun then, and of close, which is not
   repeated: so neither is interrupted here. */
static int interrupt(ptk_sys_member_t call, int fd) {
    (void) fd;
    static const bool can_be_interrupted[PTK_SYS_MEMBERS] = {
        [PTK_SYS_accept] = true, [PTK_SYS_recv] = true, [PTK_SYS_send] = true, [PTK_SYS_poll] = true};
    if (!can_be_interrupted[call]) {
        return 0;
    }
    if (interruptions_left[call] == 0) {
        interruptions_left[call] = interruptions;
        return 0;
    }
    interruptions_left[call]--;
    return -EINTR;
}

static ptk_err converse(ptk_sock_t *client, ptk_sock_t *server) {
    char got[6] = {0};
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = server, .buffer = got, .length = 6, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    CHECK_OK(ptk_sock_send(client, "req", 3, SOCK_FOREVER));
    sock_settle();
    CHECK_OK(ptk_sock_send(client, "est", 3, SOCK_FOREVER));
    CHECK_OK(sock_task_join(&task));
    CHECK(memcmp(got, "reqest", 6) == 0);
    CHECK_OK(ptk_sock_send(server, got, 6, SOCK_FOREVER));
    CHECK_OK(ptk_sock_recv(client, got, 6, 1000));
    CHECK_ERR(ptk_sock_recv(client, got, 1, 5), PTK_ERR_TIMEOUT);
    return PTK_OK;
}

static ptk_err converse_interrupted(void *unused) {
    (void) unused;
    for (interruptions = 1; interruptions <= 3; interruptions++) {
        ptk_sock_t *ends[2];
        sock_world.before = interrupt;
        sock_pair_green(ends);
        CHECK_OK(converse(ends[0], ends[1]));
        ptk_sock_close(ends[0]);
        ptk_sock_close(ends[1]);
        sock_world.before = NULL;
    }
    return PTK_OK;
}

TEST(p11_sock_calls_go_on_after_interruptions) {
    sock_in_green(converse_interrupted);
}

/* close(2) has closed the descriptor when it returns EINTR: a second call could close a descriptor of
   another owner. */
static int closes_of[SOCK_WORLD_FDS];

static int64_t interrupted_close(ptk_sys_call_t *call) {
    closes_of[call->close.handle]++;
    CHECK_EQ(ptk_sys_call_below(call), 0);
    return -EINTR;
}

static ptk_err close_interrupted(void *unused) {
    (void) unused;
    ptk_sock_t *ends[2];
    sock_pair_green(ends);
    sock_world_hook(PTK_SYS_close, interrupted_close);
    ptk_sock_close(ends[0]);
    ptk_sock_reset(ends[1]);
    int total = 0;
    for (int fd = 0; fd < SOCK_WORLD_FDS; fd++) {
        CHECK(closes_of[fd] <= 1);
        total += closes_of[fd];
    }
    CHECK_EQ(total, 2);
    sock_world_hook(PTK_SYS_close, NULL);
    return PTK_OK;
}

TEST(p11_sock_close_is_never_retried) {
    sock_in_green(close_interrupted);
}

/* --- spurious wakes ------ */

static void wake_for_nothing(int fd, uint32_t events, int times) {
    sock_world.fake_fd = fd;
    sock_world.fake_events = events;
    sock_world.fakes = times;
    sock_settle();
    CHECK_EQ(sock_world.fakes, 0);
}

static ptk_err spurious_recv(void *unused) {
    (void) unused;
    static const uint32_t events[] = {EPOLLIN, EPOLLIN | EPOLLRDHUP, EPOLLERR, EPOLLHUP, EPOLLIN | EPOLLPRI};
    sock_pair_t pair = sock_pair();
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        char got[4] = {0};
        sock_task_t task = {
            .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 4, .timeout_ms = SOCK_FOREVER};
        sock_task_start(&task);
        sock_settle();
        wake_for_nothing(pair.fd, events[i], 3);
        CHECK(!task.ended);
        peer_write(&pair, "da", 2);
        sock_settle();
        wake_for_nothing(pair.fd, events[i], 1);
        CHECK(!task.ended);
        peer_write(&pair, "ta", 2);
        CHECK_OK(sock_task_join(&task));
        CHECK(memcmp(got, "data", 4) == 0);
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p10_recv_goes_back_to_wait_after_a_spurious_wake, HOOKS_POLLER) {
    sock_in_green(spurious_recv);
}

static ptk_err spurious_send(void *unused) {
    (void) unused;
    static char big[100000];
    static char taken[sizeof big];
    sock_pair_t pair = sock_pair_narrow();
    sock_task_t task = {.verb = SOCK_SEND,
                        .sock = pair.sock,
                        .buffer = big,
                        .length = sizeof big,
                        .timeout_ms = SOCK_FOREVER};
    sock_fill(big, sizeof big, 0);
    sock_task_start(&task);
    sock_settle();
    wake_for_nothing(pair.fd, EPOLLOUT, 3);
    CHECK(!task.ended);
    peer_drain(pair.peer, taken, sizeof taken);
    CHECK_OK(sock_task_join(&task));
    CHECK(sock_is_filled(taken, sizeof taken, 0));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p10_send_goes_back_to_wait_after_a_spurious_wake, HOOKS_POLLER) {
    sock_in_green(spurious_send);
}

static ptk_err spurious_accept(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    int listener_fd = sock_world.last_fd;
    sock_task_t task = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
    sock_task_t wait = {
        .verb = SOCK_WAIT, .sock = listener, .events = PTK_EVENT_READ, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_task_start(&wait);
    sock_settle();
    wake_for_nothing(listener_fd, EPOLLIN, 3);
    CHECK(!task.ended && !wait.ended);
    int peer = peer_connect(&addr);
    CHECK_OK(sock_task_join(&task));
    ptk_sock_close(task.accepted);
    CHECK_EQ(fd_close(peer), 0);
    ptk_sock_close(listener);
    ptk_err err = sock_task_join(&wait);
    CHECK(err == PTK_OK || err == PTK_ERR_CLOSED);
    return PTK_OK;
}

TEST(p10_accept_goes_back_to_wait_after_a_spurious_wake, HOOKS_POLLER | TRUSTS_READINESS) {
    sock_in_green(spurious_accept);
}

static ptk_err spurious_wait(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    sock_task_t task = {
        .verb = SOCK_WAIT, .sock = pair.sock, .events = PTK_EVENT_READ, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    wake_for_nothing(pair.fd, EPOLLIN, 3);
    CHECK(!task.ended);
    peer_write(&pair, "x", 1);
    CHECK_OK(sock_task_join(&task));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p10_wait_of_a_sockets_waitable_is_not_ended_by_a_spurious_wake, HOOKS_POLLER | TRUSTS_READINESS) {
    sock_in_green(spurious_wait);
}

/* --- an event between any two steps --- */

/*
 * A step is a point just before or just after a call that ptk makes. `happen` is called at step number
 * `happen_at`, and every wait that is in progress must see it; if fewer steps were made, it happens when all
 * green threads are parked.
 */
static int steps;
static int happen_at;
static void (*happen)(void);
static sock_pair_t step_pair;
static ptk_addr_t step_addr;
static char step_bytes[100000];
static size_t step_filled;

static void step(void) {
    void (*now)(void) = happen;
    if (now && steps++ == happen_at) {
        happen = NULL;
        now();
    }
}

static int step_before(ptk_sys_member_t call, int fd) {
    (void) call;
    (void) fd;
    step();
    return 0;
}

static void step_after(ptk_sys_member_t call, int fd, intptr_t result) {
    (void) call;
    (void) fd;
    (void) result;
    step();
}

/* Runs `task`; `what` happens at step `at`. False: the task was parked before that many steps were made. */
static bool run_with_event_at(sock_task_t *task, void (*what)(void), int at) {
    steps = 0;
    happen_at = at;
    happen = what;
    sock_world.before = step_before;
    sock_world.after = step_after;
    sock_task_start(task);
    sock_settle();
    bool in_time = happen == NULL;
    if (!in_time) {
        happen = NULL;
        what();
    }
    CHECK_OK(sock_task_join(task));
    sock_world.before = NULL;
    sock_world.after = NULL;
    return in_time;
}

static void write_at_step(void) {
    peer_write(&step_pair, "data", 4);
}

static ptk_err recv_at_every_step(void *unused) {
    (void) unused;
    static const sock_verb_t verbs[] = {SOCK_RECV, SOCK_RECV_SOME, SOCK_WAIT};
    for (size_t v = 0; v < sizeof verbs / sizeof verbs[0]; v++) {
        int at = 0;
        step_pair = sock_pair();
        for (bool in_time = true; in_time; at++) {
            char got[8] = {0};
            sock_task_t task = {.verb = verbs[v], .sock = step_pair.sock, .buffer = got, .length = 4};
            task.events = PTK_EVENT_READ;
            task.timeout_ms = at % 2 ? SOCK_FOREVER : 1000;
            in_time = run_with_event_at(&task, write_at_step, at);
            if (verbs[v] == SOCK_WAIT) {
                CHECK_OK(ptk_sock_recv(step_pair.sock, got, 4, 0));
            }
            CHECK(memcmp(got, "data", 4) == 0);
        }
        CHECK(at >= 2);
        sock_pair_end(&step_pair);
    }
    return PTK_OK;
}

TEST(p02_recv_sees_data_that_comes_between_any_two_steps, WHOLE_TRANSFERS) {
    sock_in_green(recv_at_every_step);
}

static int step_peer;

static void connect_at_step(void) {
    step_peer = peer_connect(&step_addr);
}

static ptk_err accept_at_every_step(void *unused) {
    (void) unused;
    int at = 0;
    ptk_sock_t *listener = sock_listener(5, &step_addr);
    for (bool in_time = true; in_time; at++) {
        sock_task_t task = {
            .verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = at % 2 ? SOCK_FOREVER : 1000};
        in_time = run_with_event_at(&task, connect_at_step, at);
        ptk_sock_close(task.accepted);
        CHECK_EQ(fd_close(step_peer), 0);
    }
    CHECK(at >= 2);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p02_accept_sees_a_connection_that_comes_between_any_two_steps) {
    sock_in_green(accept_at_every_step);
}

static void drain_at_step(void) {
    peer_read(step_pair.peer, step_bytes, step_filled);
    peer_await(step_pair.fd, POLLOUT);
}

static ptk_err send_at_every_step(void *unused) {
    (void) unused;
    int at = 0;
    for (bool in_time = true; in_time; at++) {
        step_pair = sock_pair_narrow();
        step_filled = sock_fill_stream(&step_pair);
        sock_settle();
        sock_task_t task = {.verb = SOCK_SEND, .sock = step_pair.sock, .buffer = "data", .length = 4};
        task.timeout_ms = at % 2 ? SOCK_FOREVER : 1000;
        in_time = run_with_event_at(&task, drain_at_step, at);
        peer_read(step_pair.peer, step_bytes, 4);
        CHECK(memcmp(step_bytes, "data", 4) == 0);
        sock_pair_end(&step_pair);
    }
    CHECK(at >= 2);
    return PTK_OK;
}

TEST(p02_send_sees_room_that_comes_between_any_two_steps, HOOKS_POLLER) {
    sock_in_green(send_at_every_step);
}

/* --- resets and hang-ups without a waiter -------- */

static int refuse_to_spin(ptk_sys_member_t call, int fd) {
    (void) fd;
    CHECK(call != PTK_SYS_poll || sock_world.calls[PTK_SYS_poll] < 200);
    return 0;
}

static ptk_err unseen_ends(void *unused) {
    (void) unused;
    sock_pair_t reset = sock_pair();
    sock_pair_t hung_up = sock_pair();
    sock_pair_t waiting = sock_pair();
    char got[4];
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = waiting.sock, .buffer = got, .length = 4, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    CHECK_ERR(ptk_sock_recv(reset.sock, got, 1, 5), PTK_ERR_TIMEOUT);
    sock_world.calls[PTK_SYS_poll] = 0;
    sock_world.before = refuse_to_spin;
    peer_reset(&reset);
    peer_finish(&hung_up);
    CHECK_OK(ptk_sock_shutdown(hung_up.sock, PTK_SOCK_WRITE));
    uint64_t events = test_counters().events;
    for (int i = 0; i < 20; i++) {
        CHECK_OK(ptk_sleep_ms(10));
    }
    CHECK(test_counters().events - events <= 4);
    CHECK_ERR(ptk_sock_recv(reset.sock, got, 1, SOCK_FOREVER), PTK_ERR_RESET);
    CHECK_ERR(ptk_sock_recv(hung_up.sock, got, 1, SOCK_FOREVER), PTK_ERR_EOF);
    peer_write(&waiting, "data", 4);
    CHECK_OK(sock_task_join(&task));
    sock_pair_end(&reset);
    sock_pair_end(&hung_up);
    sock_pair_end(&waiting);
    return PTK_OK;
}

TEST(p08_reset_and_hangup_without_waiters_do_not_spin, TRUSTS_READINESS) {
    sock_in_green(unseen_ends);
}

/* One direction has a waiter, and an event that was not requested comes for the whole socket. */
static ptk_err reset_under_a_sender(void *unused) {
    (void) unused;
    static char big[1 << 20];
    sock_pair_t pair = sock_pair_narrow();
    sock_task_t sender = {.verb = SOCK_SEND,
                          .sock = pair.sock,
                          .buffer = big,
                          .length = sizeof big,
                          .timeout_ms = SOCK_FOREVER};
    sock_task_t receiver = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = step_bytes, .length = 4, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&sender);
    sock_task_start(&receiver);
    sock_settle();
    peer_reset(&pair);
    CHECK_ERR(sock_task_join(&sender), PTK_ERR_PARTIAL);
    ptk_err err = sock_task_join(&receiver);
    CHECK(err == PTK_ERR_RESET || err == PTK_ERR_EOF);
    CHECK(sender.cause == PTK_ERR_RESET);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p08_reset_ends_both_directions) {
    sock_in_green(reset_under_a_sender);
}
