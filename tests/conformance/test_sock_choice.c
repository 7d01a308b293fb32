/* SPDX-License-Identifier: MIT */
/*
 * Every order of {readiness, timeout, cancel, close} around one socket call, enumerated depth first.
 *
 * Three green threads: one makes the call; one disturbs it (not at all, by a cancel, by a close) at some
 * time; one brings the event that the call waits for (or a part of it, or its failure) at some time. These
 * times are before the call's deadline, at the same nanosecond, and after it. Six decisions make a scenario:
 * timeout, disturbance, its time, event, its time, and the order in which the three start, which decides the
 * order at equal times. In the second driver everything happens in the same nanosecond, and the scheduler's
 * own picks are decisions, too.
 *
 * What must hold: what happens strictly first decides the outcome; of simultaneous things, one does; bytes
 * out are bytes in, and no connection is lost.
 */
#include "test_sock.h"

#include "sim/world/ptk_choice_tree.h"
#include <errno.h>
#include <string.h>

#define START_MS    2
#define DEADLINE_MS 4
#define LATE_MS     6
#define END_MS      10 /* remaining waiters are cancelled then */
#define MESSAGE     8
#define BIG         60000 /* far more than a narrow pair takes, also after a part was read */
#define PART        8000
#define NO_OUTCOME  (-1)

typedef enum disturbance { DISTURB_NOT, DISTURB_CANCEL, DISTURB_CLOSE, DISTURBANCES } disturbance_t;
typedef enum event { EVENT_NONE, EVENT_GOOD, EVENT_FAILURE, EVENT_PART, EVENT_END } event_t;

/* The kind of the call, and the meaning of its events. */
typedef struct subject {
    const char *name;
    uint32_t events;
    void (*begin)(void);               /* a socket, and the task's call on it */
    void (*act)(event_t event);        /* not EVENT_NONE */
    ptk_err (*outcome)(event_t event); /* NO_OUTCOME: the call continues */
    void (*check)(ptk_err err);        /* nothing is lost; frees what begin made, except the socket */
} subject_t;

typedef struct scenario {
    const subject_t *subject;
    sock_pair_t pair; /* its sock is the one on which the call is made */
    sock_task_t task;
    char buffer[BIG];
    uint64_t start_ns;
    uint32_t timeout_ms;
    disturbance_t disturbance;
    uint32_t disturbance_ms;
    event_t event;
    uint32_t event_ms;
    uint32_t order;
    bool closed;
    size_t sent;     /* by the peer */
    size_t filled;   /* in the stream before the call's own bytes */
    size_t received; /* by the peer, into `received_bytes` */
} scenario_t;

static scenario_t scenario;
static char received_bytes[1 << 16];
static peer_full_t full;

/* --- the oracle --- */

static struct {
    ptk_choice_oracle_t oracle;
    ptk_choice_tree_t tree;
    bool picks; /* the scheduler's picks are decisions */
} driver;

static uint32_t choose(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    (void) oracle;
    bool decides = site >= PTK_CHOICE_TEST || (driver.picks && site == PTK_CHOICE_RUN_NEXT);
    return decides ? driver.tree.oracle.choose(&driver.tree.oracle, site, count) : 0;
}

static _Noreturn void wrong(const char *what, ptk_err err) {
    char path[512];
    ptk_choice_tree_describe(&driver.tree, path, sizeof path);
    ptk_test_failed(
        __FILE__, __LINE__,
        "%s: %s: got %s, cause %s, count %zu; timeout %u, disturbance %d at %u, event %d at %u, order %u; "
        "path %s",
        scenario.subject->name, what, ptk_err_name(err), ptk_err_name(scenario.task.cause),
        scenario.task.count, scenario.timeout_ms, (int) scenario.disturbance, scenario.disturbance_ms,
        (int) scenario.event, scenario.event_ms, scenario.order, path);
}

static void require(bool condition, const char *what, ptk_err err) {
    if (!condition) {
        wrong(what, err);
    }
}

/* --- receive --- */

static void recv_begin(void) {
    scenario.pair = sock_pair();
    scenario.task.verb = SOCK_RECV;
    scenario.task.length = MESSAGE;
}

static void recv_act(event_t event) {
    if (event == EVENT_END) {
        peer_finish(&scenario.pair);
    } else if (event == EVENT_FAILURE) {
        peer_reset(&scenario.pair);
    } else {
        scenario.sent = event == EVENT_GOOD ? MESSAGE : MESSAGE / 2;
        peer_write(&scenario.pair, "12345678", scenario.sent);
    }
}

static ptk_err recv_outcome(event_t event) {
    static const ptk_err outcomes[] = {NO_OUTCOME, PTK_OK, PTK_ERR_RESET, NO_OUTCOME, PTK_ERR_EOF};
    return outcomes[event];
}

static void recv_check(ptk_err err) {
    char got[2 * MESSAGE] = {0};
    size_t total = err == PTK_OK ? MESSAGE : 0;
    size_t count = 0;
    memcpy(got, scenario.buffer, total);
    require(scenario.closed || err == PTK_OK || ptk_sock_pending(scenario.pair.sock) <= scenario.sent,
            "carry", err);
    while (!scenario.closed && total < sizeof got &&
           ptk_sock_recv_some(scenario.pair.sock, got + total, sizeof got - total, &count, 0) == PTK_OK) {
        total += count;
    }
    require(total == scenario.sent || (scenario.closed && err != PTK_OK), "bytes in are bytes out", err);
    require(memcmp(got, "12345678", total) == 0, "bytes are in order", err);
}

/* --- send --- */

static void send_begin(void) {
    scenario.pair = sock_pair_narrow();
    scenario.task.verb = SOCK_SEND;
    scenario.task.length = MESSAGE;
    sock_fill(scenario.buffer, MESSAGE, 0);
    scenario.filled = sock_fill_stream(&scenario.pair);
}

static void send_big_begin(void) {
    scenario.pair = sock_pair_narrow();
    if (scenario.timeout_ms == 0) {
        sock_need_stated_room(scenario.pair.fd);
    }
    scenario.task.verb = SOCK_SEND;
    scenario.task.length = BIG;
    sock_fill(scenario.buffer, BIG, 0);
}

static void take(size_t most) {
    ssize_t got = peer_read_now(scenario.pair.peer, received_bytes + scenario.received, most);
    CHECK(got >= 0);
    scenario.received += (size_t) got;
}

static void take_what_is_there(void) {
    take(sizeof received_bytes - scenario.received);
}

static void send_act(event_t event) {
    if (event == EVENT_FAILURE) {
        peer_reset(&scenario.pair);
    } else if (event == EVENT_PART) {
        take(PART);
    } else {
        int plenty = 1 << 20;
        CHECK_EQ(fd_set_option(scenario.pair.fd, SOL_SOCKET, SO_SNDBUF, &plenty, sizeof plenty), 0);
        take_what_is_there();
        peer_await(scenario.pair.fd, POLLOUT);
    }
}

static ptk_err send_outcome(event_t event) {
    static const ptk_err outcomes[] = {NO_OUTCOME, PTK_OK, PTK_ERR_RESET, NO_OUTCOME};
    return outcomes[event];
}

static void send_check(ptk_err err) {
    bool partial = err == PTK_ERR_PARTIAL;
    size_t count = err == PTK_OK ? scenario.task.length : partial ? scenario.task.count : 0;
    size_t expected = scenario.filled + count;
    require(!partial || (count > 0 && count < scenario.task.length), "count of a partial send", err);
    if (scenario.pair.peer < 0) {
        return;
    }
    while (scenario.received < expected) {
        peer_await(scenario.pair.peer, POLLIN);
        size_t before = scenario.received;
        take_what_is_there();
        require(scenario.received > before, "the stream ended early", err);
    }
    if (scenario.closed) {
        peer_await(scenario.pair.peer, POLLIN);
    }
    take_what_is_there();
    require(scenario.received == expected, "bytes out are bytes in", err);
    require(peer_at_end(scenario.pair.peer) == scenario.closed, "end of the stream", err);
    require(sock_is_filled(received_bytes + scenario.filled, count, 0), "bytes are in order", err);
}

/* --- accept --- */

static ptk_addr_t accept_addr;

static void accept_begin(void) {
    scenario.pair = (sock_pair_t) {.sock = sock_listener(5, &accept_addr), .peer = -1};
    scenario.pair.fd = sock_world.last_fd;
    scenario.task.verb = SOCK_ACCEPT;
}

static void accept_act(event_t event) {
    (void) event;
    scenario.pair.peer = peer_connect(&accept_addr);
    peer_await(scenario.pair.fd, POLLIN);
}

static void accept_check(ptk_err err) {
    bool connected = scenario.pair.peer >= 0;
    require((err == PTK_OK) == (scenario.task.accepted != NULL), "a socket or an error", err);
    ptk_sock_t *rest = scenario.closed ? NULL : ptk_sock_accept(scenario.pair.sock, NULL, NULL, 0);
    require(scenario.closed || connected == (rest != NULL || err == PTK_OK),
            "connections in are connections out", err);
    require(err != PTK_OK || rest == NULL, "one connection", err);
    ptk_sock_close(rest);
    ptk_sock_close(scenario.task.accepted);
}

/* --- connect: to a peer that never responds; the test makes ptk see another result --- */

static int handshake; /* 1: in progress; 0: done; negative: it failed so */

static int64_t handshake_error(ptk_sys_call_t *call) {
    int64_t err = ptk_sys_call_below(call);
    if (err == 0 && call->get_option.name == SO_ERROR && handshake < 0) {
        int failure = -handshake;
        memcpy(call->get_option.value, &failure, sizeof failure);
    }
    return err;
}

static int64_t handshake_peer(ptk_sys_call_t *call) {
    return handshake == 0 ? 0 : ptk_sys_call_below(call);
}

static void connect_begin(void) {
    scenario.pair = (sock_pair_t) {.sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0), .peer = -1};
    scenario.pair.fd = sock_world.last_fd;
    scenario.task.verb = SOCK_CONNECT;
    scenario.task.addr = &full.addr;
    handshake = 1;
    sock_world_hook(PTK_SYS_get_option, handshake_error);
    sock_world_hook(PTK_SYS_peer_name, handshake_peer);
}

static void connect_act(event_t event) {
    handshake = event == EVENT_GOOD ? 0 : -ECONNREFUSED;
    sock_world.fake_fd = scenario.pair.fd;
    sock_world.fake_events = event == EVENT_GOOD ? EPOLLOUT : EPOLLERR | EPOLLHUP;
    sock_world.fakes = 1;
}

static ptk_err connect_outcome(event_t event) {
    static const ptk_err outcomes[] = {NO_OUTCOME, PTK_OK, PTK_ERR_REFUSED};
    return outcomes[event];
}

static void connect_check(ptk_err err) {
    require(err != PTK_OK || handshake == 0, "connected without an answer", err);
    sock_world.fakes = 0;
    sock_world_hook(PTK_SYS_get_option, NULL);
    sock_world_hook(PTK_SYS_peer_name, NULL);
}

static const subject_t subject_recv = {"recv", 5, recv_begin, recv_act, recv_outcome, recv_check};
static const subject_t subject_send = {"send", 3, send_begin, send_act, send_outcome, send_check};
static const subject_t subject_send_big = {"big send", 4, send_big_begin, send_act, send_outcome, send_check};
static const subject_t subject_accept = {"accept", 2, accept_begin, accept_act, send_outcome, accept_check};
static const subject_t subject_connect = {"connect",    3, connect_begin, connect_act, connect_outcome,
                                          connect_check};

/* --- one scenario --- */

static uint64_t moment(uint32_t ms) {
    return scenario.start_ns + ms * PTK_NS_PER_MS;
}

static ptk_err caller_main(void *unused) {
    (void) unused;
    sock_task_call(&scenario.task);
    return PTK_OK;
}

static ptk_err disturber_main(void *unused) {
    (void) unused;
    CHECK_OK(ptk_sleep_until(moment(scenario.disturbance_ms)));
    if (scenario.disturbance == DISTURB_CANCEL) {
        CHECK_OK(ptk_green_cancel(scenario.task.green));
    } else if (scenario.disturbance == DISTURB_CLOSE) {
        ptk_sock_close(scenario.pair.sock);
        scenario.closed = true;
    }
    return PTK_OK;
}

/* There is nothing to wait for on a closed socket; only connect's event comes nevertheless, for a stale
   registration. */
static ptk_err event_main(void *unused) {
    (void) unused;
    CHECK_OK(ptk_sleep_until(moment(scenario.event_ms)));
    if (scenario.event != EVENT_NONE && (!scenario.closed || scenario.subject == &subject_connect)) {
        scenario.subject->act(scenario.event);
    }
    return PTK_OK;
}

/* Returns whether the call may have had this outcome: only what happened first decides. */
static bool is_legal(ptk_err err) {
    static const ptk_err disturbances[] = {NO_OUTCOME, PTK_ERR_CANCELED, PTK_ERR_CLOSED};
    const struct {
        uint32_t ms;
        ptk_err err;
    } endings[] = {
        {scenario.timeout_ms == SOCK_FOREVER ? END_MS : scenario.timeout_ms,
         scenario.timeout_ms == SOCK_FOREVER ? PTK_ERR_CANCELED : PTK_ERR_TIMEOUT},
        {scenario.disturbance_ms, disturbances[scenario.disturbance]},
        {scenario.event_ms, scenario.subject->outcome(scenario.event)},
    };
    uint32_t first_ms = END_MS;
    for (int i = 0; i < 3; i++) {
        first_ms = endings[i].err != NO_OUTCOME && endings[i].ms < first_ms ? endings[i].ms : first_ms;
    }
    for (int i = 0; i < 3; i++) {
        if (endings[i].err == err && endings[i].ms == first_ms) {
            return true;
        }
    }
    return false;
}

static void check_scenario(void) {
    ptk_err err = scenario.task.err;
    bool is_big = scenario.subject == &subject_send_big && err != PTK_OK;
    bool is_try = scenario.timeout_ms == 0; /* it takes all bytes or none */
    require(!is_big || is_try || err == PTK_ERR_PARTIAL, "a big send fails in the middle", err);
    require(!is_big || !is_try || err == PTK_ERR_TIMEOUT, "a big try sends nothing", err);
    require(is_legal(err == PTK_ERR_PARTIAL ? scenario.task.cause : err), "outcome", err);
    scenario.subject->check(err);
    sock_pair_end(&scenario.pair);
}

static void run_scenario(void) {
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const ptk_green_fn mains[3] = {caller_main, disturber_main, event_main};
    ptk_green_t *greens[3];
    scenario.subject->begin();
    scenario.task.sock = scenario.pair.sock;
    scenario.task.buffer = scenario.buffer;
    scenario.task.timeout_ms = scenario.timeout_ms;
    scenario.start_ns = ptk_now_ns();
    for (int i = 0; i < 3; i++) {
        int who = orders[scenario.order][i];
        greens[who] = test_spawn(mains[who], NULL);
    }
    scenario.task.green = greens[0];
    CHECK_OK(ptk_sleep_until(moment(END_MS)));
    if (!scenario.task.ended) {
        CHECK_OK(ptk_green_cancel(greens[0]));
    }
    for (int i = 0; i < 3; i++) {
        CHECK_OK(test_join(greens[i]));
    }
    check_scenario();
}

/* --- the drivers --- */

static uint32_t decide(uint32_t number, uint32_t count) {
    return ptk_choice(PTK_CHOICE_TEST + number, count);
}

static void decide_times(void) {
    static const uint32_t timeouts[] = {0, DEADLINE_MS, SOCK_FOREVER};
    static const uint32_t times[] = {START_MS, DEADLINE_MS, LATE_MS};
    scenario.timeout_ms = timeouts[decide(0, 3)];
    scenario.disturbance = (disturbance_t) decide(1, DISTURBANCES);
    scenario.disturbance_ms = scenario.disturbance == DISTURB_NOT ? START_MS : times[decide(2, 3)];
    scenario.event = (event_t) decide(3, scenario.subject->events);
    scenario.event_ms = scenario.event == EVENT_NONE ? START_MS : times[decide(4, 3)];
    scenario.order = decide(5, 6);
}

static void decide_ties(void) {
    scenario.timeout_ms = DEADLINE_MS;
    scenario.disturbance = (disturbance_t) decide(0, DISTURBANCES);
    scenario.disturbance_ms = DEADLINE_MS;
    scenario.event = (event_t) decide(1, scenario.subject->events);
    scenario.event_ms = DEADLINE_MS;
    scenario.order = 0;
    driver.picks = true;
}

static const subject_t *driven;

static uint64_t drive(void (*decide_all)(void), size_t depth) {
    driver.oracle.choose = choose;
    ptk_choice_tree_init(&driver.tree, depth);
    test_decide_by(&driver.oracle);
    full = peer_full_begin();
    do {
        driver.picks = false;
        memset(&scenario, 0, sizeof scenario);
        scenario.subject = driven;
        decide_all();
        run_scenario();
    } while (ptk_choice_tree_next(&driver.tree));
    peer_full_end(&full);
    test_decide_by(NULL);
    return driver.tree.runs;
}

static ptk_err every_time(void *unused) {
    (void) unused;
    CHECK(drive(decide_times, 6) >= 500);
    return PTK_OK;
}

static ptk_err every_tie(void *unused) {
    (void) unused;
    CHECK(drive(decide_ties, 8) >= 30);
    return PTK_OK;
}

static void exhaust(const subject_t *subject, ptk_green_fn fn) {
    driven = subject;
    sock_in_green(fn);
}

TEST(p23_every_order_around_a_recv, ENUMERATES) {
    exhaust(&subject_recv, every_time);
}

TEST(p23_every_order_around_a_send, ENUMERATES) {
    exhaust(&subject_send, every_time);
}

TEST(p24_every_order_around_a_big_send, ENUMERATES) {
    exhaust(&subject_send_big, every_time);
}

TEST(p23_every_order_around_an_accept, ENUMERATES) {
    exhaust(&subject_accept, every_time);
}

TEST(p23_every_order_around_a_connect, ENUMERATES | HOOKS_POLLER) {
    exhaust(&subject_connect, every_time);
}

TEST(p46_every_pick_around_a_recv, ENUMERATES) {
    exhaust(&subject_recv, every_tie);
}

TEST(p46_every_pick_around_a_send, ENUMERATES) {
    exhaust(&subject_send, every_tie);
}

TEST(p46_every_pick_around_a_big_send, ENUMERATES) {
    exhaust(&subject_send_big, every_tie);
}

TEST(p46_every_pick_around_an_accept, ENUMERATES) {
    exhaust(&subject_accept, every_tie);
}

TEST(p46_every_pick_around_a_connect, ENUMERATES) {
    exhaust(&subject_connect, every_tie);
}
