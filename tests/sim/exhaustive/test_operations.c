/* SPDX-License-Identifier: MIT */
/*
 * Tries every way in which one operation can go, on a small scale: three green threads on two simulated
 * hosts, six decisions that branch, and at most two of them faults.
 *
 * A server accepts, greets and listens; on the other host, a client carries out the operation and a disturber
 * interferes with it. Decisions are taken from a window of six: all earlier and later ones are benign. The
 * window moves along the run until it has passed the run's last decision, so late steps are tried like early
 * ones. After each leaf the simulator has checked that the hosts have ended and leaked nothing; the test
 * checks that each call returned a documented result.
 */
#include "sim/kernel/ptk_sim_site.h"
#include "sim/world/ptk_sim_impl.h"

#include <ptk.h>
#include <ptk_sim.h>
#include <ptk_test.h>
#include <stdio.h>

#define DECISIONS    6
#define FAULTS       2
#define WINDOWS_MAX  200
#define SERVER       "10.0.0.1:7"
#define LATE_MS      300000
#define MOST_BYTES   1000
#define RESULTS      130
#define LIMIT_MS     3600000
#define LEAVES_LEAST 100

/* Sites that stay benign: the network only loses, duplicates and cuts short. */
static const uint32_t benign_sites[] = {
    PTK_SIM_SITE_LATENCY,   PTK_SIM_SITE_SEGMENT, PTK_SIM_SITE_SHORT_RECV, PTK_SIM_SITE_REORDER,
    PTK_SIM_SITE_PARTITION, PTK_SIM_SITE_CRASH,   PTK_SIM_SITE_PAUSE,      PTK_SIM_SITE_CLOCK_STEP,
};

/* --- the world --- */

typedef struct operation {
    const char *name;
    void (*client)(ptk_sock_t *sock); /* `sock` is connected if `needs_connection` */
    void (*disturber)(ptk_sock_t *sock);
    bool needs_connection;
    const ptk_err *documented; /* results of the client's call; ends with -1 */
    const ptk_err *seen;       /* those that must occur; ends with -1 */
} operation_t;

static struct {
    const operation_t *operation;
    ptk_sim_window_t window;
    uint64_t results[RESULTS];
    uint64_t leaves;
    /* The state of one run. */
    ptk_sock_t *sock;
    ptk_waitable_t *waitable;
    ptk_green_t *client;
} world;

static _Noreturn void fail(const char *what, ptk_err err) {
    char path[1024];
    ptk_choice_tree_describe(&world.window.tree, path, sizeof path);
    ptk_test_failed(__FILE__, __LINE__, "%s: %s (%s); window %llu, path: %s", world.operation->name, what,
                    ptk_err_name(err), (unsigned long long) world.window.number, path);
}

static bool is_among(const ptk_err *list, ptk_err err) {
    while (*list >= 0 && *list != err) {
        list++;
    }
    return *list >= 0;
}

/* Records the result of the client's call. */
static void note(ptk_err err) {
    if (!is_among(world.operation->documented, err)) {
        fail("a result that is not documented", err);
    }
    world.results[err]++;
}

static ptk_err connect_to_server(ptk_sock_t *sock) {
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse(SERVER, &addr));
    return ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, LATE_MS);
}

/* Serves one connection: greets, reads what comes, and ends it. Any error ends it. */
static ptk_err serve(void *arg) {
    char bytes[MOST_BYTES];
    size_t count = 0;
    ptk_sock_t *listener = arg;
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, 1000);
    if (sock && ptk_sock_send(sock, "hello", 5, LATE_MS) == PTK_OK) {
        while (ptk_sock_recv_some(sock, bytes, sizeof bytes, &count, 1000) == PTK_OK) {
        }
    }
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    return PTK_OK;
}

static ptk_err run_client(void *arg) {
    (void) arg;
    world.operation->client(world.sock);
    return PTK_OK;
}

static ptk_err run_disturber(void *arg) {
    (void) arg;
    world.operation->disturber(world.sock);
    return PTK_OK;
}

static ptk_err server_main(void *arg) {
    (void) arg;
    ptk_addr_t addr;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_sock_t *listener = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_addr_parse(SERVER, &addr));
    CHECK_OK(ptk_sock_bind(listener, ptk_addr_sockaddr(&addr), addr.length));
    CHECK_OK(ptk_sock_listen(listener, 5));
    CHECK_OK(ptk_go(loop, serve, listener));
    ptk_err err = ptk_scheduler_run(loop);
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    return err;
}

/* Sets up without faults, runs the operation, and ends everything. */
static ptk_err begin(void *arg) {
    ptk_event_loop_platform_t *loop = arg;
    if (world.operation->needs_connection) {
        CHECK_OK(connect_to_server(world.sock));
    }
    world.client = ptk_green_spawn(loop, NULL, run_client, NULL);
    ptk_green_t *disturber = ptk_green_spawn(loop, NULL, run_disturber, NULL);
    CHECK(world.client && disturber);
    world.window.is_disabled = false;
    CHECK_OK(ptk_green_join(disturber, NULL, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_green_join(world.client, NULL, PTK_TIMEOUT_INFINITE));
    ptk_sock_close(world.sock);
    ptk_waitable_destroy(world.waitable);
    return PTK_OK;
}

static ptk_err client_main(void *arg) {
    (void) arg;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK(loop != NULL);
    world.sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    world.waitable = ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL);
    CHECK(world.sock && world.waitable);
    CHECK_OK(ptk_go(loop, begin, loop));
    ptk_err err = ptk_scheduler_run(loop);
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    return err;
}

/* --- the search --- */

static void run_leaf(const char *platform) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .flags = PTK_SIM_EXHAUSTION, .platform = platform};
    const ptk_sim_host_options_t server = {
        .struct_size = sizeof server, .name = "server", .address = "10.0.0.1"};
    const ptk_sim_host_options_t client = {
        .struct_size = sizeof client, .name = "client", .address = "10.0.0.2"};
    ptk_sim_t *sim = ptk_sim_create(&options);
    CHECK(sim != NULL);
    ptk_sim_oracle_use_window(&sim->oracle, &world.window);
    for (size_t i = 0; i < sizeof benign_sites / sizeof benign_sites[0]; i++) {
        ptk_sim_oracle_set_rate(&sim->oracle, benign_sites[i], 0);
    }
    world.window.is_disabled = true;
    CHECK(ptk_sim_host(sim, &server, server_main, NULL) && ptk_sim_host(sim, &client, client_main, NULL));
    ptk_sim_end_t end = ptk_sim_run_for(sim, LIMIT_MS);
    if (end != PTK_SIM_END_QUIESCENT) {
        const char *failure = ptk_sim_report(sim).failure;
        fail(failure ? failure : "it does not end", PTK_OK);
    }
    ptk_sim_destroy(sim);
    world.leaves++;
}

/* Runs the whole window. Returns false if no run has a decision in it. */
static bool search_window(const char *platform, unsigned number) {
    ptk_sim_window_init(&world.window, number, DECISIONS, FAULTS);
    do {
        run_leaf(platform);
    } while (ptk_sim_window_next(&world.window));
    return world.window.is_reached;
}

static void search(const operation_t *operation) {
    static const char *const platforms[] = {"sim", "epoll", "poll"};
    unsigned windows = ptk_test_is_long() ? 10 * WINDOWS_MAX : WINDOWS_MAX;
    world.operation = operation;
    for (size_t i = 0; i < sizeof platforms / sizeof platforms[0]; i++) {
        uint64_t before = world.leaves;
        unsigned window = 0;
        while (window < windows && search_window(platforms[i], window)) {
            window++;
        }
        fprintf(stderr, "%s on %s: %llu leaves of %u windows\n", operation->name, platforms[i],
                (unsigned long long) (world.leaves - before), window);
        CHECK(world.leaves - before >= LEAVES_LEAST);
    }
    for (ptk_err err = 0; err < RESULTS; err++) {
        if (world.results[err] > 0) {
            fprintf(stderr, "    %s: %llu\n", ptk_err_name(err), (unsigned long long) world.results[err]);
        }
    }
    for (const ptk_err *seen = operation->seen; *seen >= 0; seen++) {
        if (world.results[*seen] == 0) {
            fail("a result was never seen", *seen);
        }
    }
}

/* --- operations --- */

static void do_nothing(ptk_sock_t *sock) {
    (void) sock;
}

/* The operation is disturbed at once, or when the greeting has come. */
static void let_it_wait(void) {
    CHECK_OK(ptk_yield());
    if (ptk_sim_choose(2) != 0) {
        CHECK_OK(ptk_sleep_ms(1));
    }
}

static void wait_once(ptk_sock_t *sock) {
    (void) sock;
    note(ptk_waitable_wait(world.waitable, PTK_EVENT_READ, 1));
}

static void signal_late(ptk_sock_t *sock) {
    (void) sock;
    ptk_err slept = ptk_sleep_ms(1);
    if (slept == PTK_OK) {
        CHECK_OK(ptk_waitable_signal(world.waitable));
    }
}

TEST(wait_returns_only_documented_results) {
    static const ptk_err results[] = {PTK_OK, PTK_ERR_TIMEOUT, -1};
    search(&(operation_t) {"wait", wait_once, signal_late, true, results, results});
}

static void recv_greeting(ptk_sock_t *sock) {
    char bytes[5];
    note(ptk_sock_recv(sock, bytes, sizeof bytes, LATE_MS));
}

static void recv_beside(ptk_sock_t *sock) {
    char bytes[5];
    ptk_err err = ptk_sock_recv(sock, bytes, sizeof bytes, 0);
    if (err != PTK_OK && err != PTK_ERR_TIMEOUT && err != PTK_ERR_BUSY) {
        fail("the disturber", err);
    }
}

TEST(recv_returns_only_documented_results) {
    static const ptk_err documented[] = {
        PTK_OK,
        PTK_ERR_EOF,
        PTK_ERR_NO_RESOURCES,
        PTK_ERR_RESET,
        PTK_ERR_TIMEOUT, /* both the connection and the report of it are lost */
        -1};
    static const ptk_err seen[] = {PTK_OK, PTK_ERR_RESET, PTK_ERR_TIMEOUT, -1};
    search(&(operation_t) {"recv", recv_greeting, recv_beside, true, documented, seen});
}

static void send_much(ptk_sock_t *sock) {
    static const char bytes[MOST_BYTES];
    note(ptk_sock_send(sock, bytes, sizeof bytes, LATE_MS));
}

static void send_beside(ptk_sock_t *sock) {
    ptk_err err = ptk_sock_send(sock, "beside", 6, LATE_MS);
    if (err != PTK_OK && err != PTK_ERR_PARTIAL && err != PTK_ERR_RESET && err != PTK_ERR_BROKEN) {
        fail("the disturber", err);
    }
}

TEST(send_returns_only_documented_results) {
    static const ptk_err documented[] = {PTK_OK, PTK_ERR_PARTIAL, PTK_ERR_RESET, PTK_ERR_BROKEN, -1};
    static const ptk_err seen[] = {PTK_OK, -1};
    search(&(operation_t) {"send", send_much, send_beside, true, documented, seen});
}

static void connect_once(ptk_sock_t *sock) {
    note(connect_to_server(sock));
}

TEST(connect_returns_only_documented_results) {
    static const ptk_err documented[] = {PTK_OK, PTK_ERR_RESET, PTK_ERR_REFUSED, PTK_ERR_NO_RESOURCES, -1};
    static const ptk_err seen[] = {PTK_OK, PTK_ERR_NO_RESOURCES, -1};
    search(&(operation_t) {"connect", connect_once, do_nothing, false, documented, seen});
}

/* On the client's host: a listener of its own, and the disturber's connection to it. */
static void accept_from_beside(ptk_sock_t *sock) {
    (void) sock;
    ptk_sock_t *accepted = ptk_sock_accept(world.sock, NULL, NULL, 100);
    note(accepted ? PTK_OK : ptk_get_err());
    ptk_sock_close(accepted);
}

static void connect_beside(ptk_sock_t *sock) {
    ptk_addr_t addr = {.length = sizeof addr.storage};
    CHECK_OK(ptk_sock_local_addr(sock, (struct sockaddr *) &addr.storage, &addr.length));
    ptk_sock_t *peer = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    if (!peer) {
        CHECK_EQ(ptk_get_err(), PTK_ERR_NO_RESOURCES);
        return;
    }
    ptk_err err = ptk_sock_connect(peer, ptk_addr_sockaddr(&addr), addr.length, LATE_MS);
    if (err != PTK_OK && err != PTK_ERR_RESET && err != PTK_ERR_REFUSED && err != PTK_ERR_NO_RESOURCES) {
        fail("the disturber", err);
    }
    ptk_sock_close(peer);
}

static void listen_and_connect(ptk_sock_t *sock) {
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse("10.0.0.2:9", &addr));
    if (ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length) == PTK_OK) {
        PTK_IGNORE(ptk_sock_listen(sock, 5)); /* the accept or the connect shows a failure */
    }
    connect_beside(sock);
}

static void listen_and_accept(ptk_sock_t *sock) {
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse("10.0.0.2:9", &addr));
    if (ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length) == PTK_OK) {
        PTK_IGNORE(ptk_sock_listen(sock, 5)); /* the accept or the connect shows a failure */
    }
    accept_from_beside(sock);
}

TEST(accept_returns_only_documented_results) {
    static const ptk_err documented[] = {PTK_OK, PTK_ERR_TIMEOUT, PTK_ERR_NO_RESOURCES, -1};
    static const ptk_err seen[] = {PTK_OK, PTK_ERR_TIMEOUT, -1};
    search(&(operation_t) {"accept", listen_and_accept, listen_and_connect, false, documented, seen});
}

static void recv_too_much(ptk_sock_t *sock) {
    char bytes[6];
    note(ptk_sock_recv(sock, bytes, sizeof bytes, LATE_MS));
}

static void close_under_it(ptk_sock_t *sock) {
    let_it_wait();
    ptk_sock_close(sock);
}

TEST(close_returns_only_documented_results) {
    static const ptk_err documented[] = {PTK_ERR_CLOSED, PTK_ERR_RESET, PTK_ERR_NO_RESOURCES, -1};
    static const ptk_err seen[] = {PTK_ERR_CLOSED, -1};
    search(&(operation_t) {"close", recv_too_much, close_under_it, true, documented, seen});
}

static void cancel_it(ptk_sock_t *sock) {
    (void) sock;
    let_it_wait();
    CHECK_OK(ptk_green_cancel(world.client));
}

TEST(cancel_returns_only_documented_results) {
    static const ptk_err documented[] = {PTK_OK, PTK_ERR_CANCELED, PTK_ERR_NO_RESOURCES, -1};
    static const ptk_err seen[] = {PTK_OK, PTK_ERR_CANCELED, -1};
    search(&(operation_t) {"cancel", recv_greeting, cancel_it, true, documented, seen});
}
