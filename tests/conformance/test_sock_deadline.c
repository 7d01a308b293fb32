/* SPDX-License-Identifier: MIT */
/* Deadlines against events, one nanosecond apart: data beats the timeout, which is never early. */
#include "test_sock.h"

#include <string.h>

#define LIMIT_MS 5
#define LIMIT_NS (LIMIT_MS * PTK_NS_PER_MS)

typedef struct race {
    sock_pair_t pair;
    uint64_t write_at_ns;
    uint64_t jump_ns; /* how long the thread is busy after it wrote */
    bool late;        /* the writer's timer is armed after the receiver's */
} race_t;

static ptk_err write_then_be_busy(void *arg) {
    race_t *race = arg;
    CHECK_OK(ptk_sleep_until(race->write_at_ns));
    peer_write(&race->pair, "12345678", 8);
    test_clock_advance(race->jump_ns);
    return PTK_OK;
}

/* Checks that what the receiver got and what is left are the eight bytes, in their order. Returns its
   outcome. */
static ptk_err run_race(race_t *race, sock_verb_t verb) {
    char got[16] = {0};
    char left[16] = {0};
    size_t count = 0;
    uint64_t start = ptk_now_ns();
    sock_task_t task = {
        .verb = verb, .sock = race->pair.sock, .buffer = got, .length = 8, .timeout_ms = LIMIT_MS};
    ptk_green_t *writer = NULL;
    race->write_at_ns += start;
    if (!race->late) {
        writer = test_spawn(write_then_be_busy, race);
    }
    sock_task_start(&task);
    if (race->late) {
        writer = test_spawn(write_then_be_busy, race);
    }
    ptk_err err = sock_task_join(&task);
    CHECK(err == PTK_OK || ptk_now_ns() >= start + LIMIT_NS);
    CHECK_OK(test_join(writer));
    if (err) {
        CHECK_OK(ptk_sock_recv(race->pair.sock, left, 8, SOCK_FOREVER));
        CHECK(memcmp(left, "12345678", 8) == 0);
    } else {
        CHECK(memcmp(got, "12345678", 8) == 0);
    }
    CHECK_ERR(ptk_sock_recv_some(race->pair.sock, left, 8, &count, 0), PTK_ERR_TIMEOUT);
    return err;
}

static ptk_err all_boundaries(void *unused) {
    (void) unused;
    static const sock_verb_t verbs[] = {SOCK_RECV, SOCK_RECV_SOME};
    for (int round = 0; round < 4; round++) {
        race_t race = {.pair = sock_pair(), .late = round / 2};
        sock_verb_t verb = verbs[round % 2];
        race.write_at_ns = LIMIT_NS - 1;
        CHECK_OK(run_race(&race, verb));
        race.write_at_ns = LIMIT_NS;
        ptk_err tie = run_race(&race, verb);
        CHECK(tie == PTK_OK || (race.late && tie == PTK_ERR_TIMEOUT)); /* the first to park is woken first */
        race.write_at_ns = LIMIT_NS + 1;
        CHECK_ERR(run_race(&race, verb), PTK_ERR_TIMEOUT);
        sock_pair_end(&race.pair);
    }
    return PTK_OK;
}

TEST(p23_recv_deadline_at_the_event_and_a_nanosecond_beside_it, WHOLE_TRANSFERS | NEEDS_ORDER) {
    sock_in_green(all_boundaries);
}

/* The data is in the kernel, but the thread looks only when the deadline has passed too. */
static ptk_err late_look(void *unused) {
    (void) unused;
    static const uint64_t jumps[] = {LIMIT_NS - 1, LIMIT_NS, LIMIT_NS + 1, 1000 * LIMIT_NS};
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        race_t race = {.pair = sock_pair(), .jump_ns = jumps[i], .late = i % 2};
        CHECK_OK(run_race(&race, SOCK_RECV));
        race.write_at_ns = 1;
        CHECK_OK(run_race(&race, SOCK_RECV_SOME));
        sock_pair_end(&race.pair);
    }
    return PTK_OK;
}

TEST(p23_data_that_has_come_beats_a_deadline_that_has_passed, WHOLE_TRANSFERS) {
    sock_in_green(late_look);
}

static ptk_err late_look_of_accept(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(8, &addr);
    int listener_fd = sock_world.last_fd;
    sock_task_t task = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = LIMIT_MS};
    sock_task_start(&task);
    sock_settle();
    int peer = peer_connect(&addr);
    peer_await(listener_fd, POLLIN);
    test_clock_advance(2 * LIMIT_NS);
    CHECK_OK(sock_task_join(&task));
    ptk_sock_close(task.accepted);
    CHECK_EQ(fd_shutdown(peer, SHUT_RDWR), 0);
    sock_pair_t rest = {.sock = listener, .peer = peer};
    sock_pair_end(&rest);
    return PTK_OK;
}

TEST(p23_connection_that_has_come_beats_the_deadline_of_accept) {
    sock_in_green(late_look_of_accept);
}

static ptk_err late_look_of_send(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair_narrow();
    static char taken[128 * 1024];
    size_t filled = sock_fill_stream(&pair);
    CHECK(filled < sizeof taken);
    sock_task_t task = {
        .verb = SOCK_SEND, .sock = pair.sock, .buffer = "data", .length = 4, .timeout_ms = LIMIT_MS};
    sock_task_start(&task);
    sock_settle();
    CHECK(!task.ended);
    peer_read(pair.peer, taken, filled);
    peer_await(pair.fd, POLLOUT);
    test_clock_advance(2 * LIMIT_NS);
    CHECK_OK(sock_task_join(&task));
    peer_read(pair.peer, taken, 4);
    CHECK(memcmp(taken, "data", 4) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p23_room_that_has_come_beats_the_deadline_of_send, WHOLE_TRANSFERS) {
    sock_in_green(late_look_of_send);
}

/* Bytes arrive just before each deadline would pass: the timeout is the whole call's, not one wait's. */
static ptk_err trickle(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[8];
    uint64_t start = ptk_now_ns();
    sock_task_t task = {.verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 8, .timeout_ms = 10};
    sock_task_start(&task);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(ptk_sleep_ms(3));
        if (i < 3) {
            CHECK(!task.ended);
            peer_write(&pair, "x", 1);
        }
    }
    CHECK(task.ended);
    CHECK_ERR(sock_task_join(&task), PTK_ERR_TIMEOUT);
    CHECK(ptk_now_ns() - start >= 10 * PTK_NS_PER_MS);
    CHECK_EQ(ptk_sock_pending(pair.sock), 3);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p23_recv_timeout_is_the_whole_calls_not_one_waits) {
    sock_in_green(trickle);
}

/* At each poll there is a little more data, and a millisecond has passed. */
static sock_pair_t flowing;
static bool flows;
static char flowed[1 << 20];

static int let_flow(ptk_sys_member_t what, int fd) {
    (void) fd;
    if (flows && what == PTK_SYS_poll) {
        CHECK_EQ(fd_send(flowing.peer, "x", 1), 1);
        CHECK(peer_read_now(flowing.peer, flowed, 8000) >= 0);
        test_clock_advance(PTK_NS_PER_MS);
    }
    return 0;
}

static ptk_err never_quiet(void *unused) {
    (void) unused;
    char got[1000];
    flowing = sock_pair_narrow();
    sock_world.before = let_flow;
    for (int sends = 0; sends < 2; sends++) {
        sock_task_t task = {.verb = SOCK_RECV, .sock = flowing.sock, .buffer = got, .length = sizeof got};
        task.timeout_ms = 20;
        if (sends) {
            task.verb = SOCK_SEND;
            task.buffer = flowed;
            task.length = sizeof flowed;
        }
        uint64_t start = ptk_now_ns();
        sock_task_start(&task);
        flows = true;
        ptk_err err = sock_task_join(&task);
        flows = false;
        CHECK_ERR(err, sends ? PTK_ERR_PARTIAL : PTK_ERR_TIMEOUT);
        CHECK_ERR(sends ? task.cause : err, PTK_ERR_TIMEOUT);
        CHECK(ptk_now_ns() - start <= 40 * PTK_NS_PER_MS);
    }
    CHECK(ptk_sock_pending(flowing.sock) > 0);
    sock_world.before = NULL;
    sock_pair_end(&flowing);
    return PTK_OK;
}

TEST(p23_deadline_holds_although_a_little_comes_again_and_again, HOOKS_POLLER) {
    sock_in_green(never_quiet);
}

static ptk_err timeouts_with_nothing(void *unused) {
    (void) unused;
    static const uint32_t limits[] = {1, 2, 1000, 0x7fffffffu, 0x80000000u, UINT32_MAX - 1};
    sock_pair_t pair = sock_pair();
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(1, &addr);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        char byte;
        uint64_t start = ptk_now_ns();
        CHECK_ERR(ptk_sock_recv(pair.sock, &byte, 1, limits[i]), PTK_ERR_TIMEOUT);
        CHECK(ptk_now_ns() - start >= limits[i] * PTK_NS_PER_MS);
        start = ptk_now_ns();
        CHECK(ptk_sock_accept(listener, NULL, NULL, limits[i]) == NULL);
        CHECK_ERR(ptk_get_err(), PTK_ERR_TIMEOUT);
        CHECK(ptk_now_ns() - start >= limits[i] * PTK_NS_PER_MS);
    }
    ptk_sock_close(listener);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p18_sock_timeouts_of_any_length_are_never_early) {
    sock_in_green(timeouts_with_nothing);
}
