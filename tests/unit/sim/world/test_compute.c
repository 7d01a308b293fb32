/* SPDX-License-Identifier: MIT */
/*
 * Programs that compute (ptk_sim_compute): virtual time goes on by exactly that much, other hosts and the
 * network go on meanwhile, and a loop is fair by what its green threads really cost.
 */
#include "ptk_test.h"

#include <ptk.h>
#include <ptk_sim.h>
#include <stdio.h>
#include <string.h>

#define MS          UINT64_C(1000000)
#define PORT        "7"
#define WORK_NS     MS
#define REQUESTS    200
#define LATENCY_NS  UINT64_C(100000) /* of the default link, the benign one */
#define ROUND_TRIPS 50

static ptk_sim_t *world(uint32_t flags, const char *platform) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .flags = flags, .seed = 5, .platform = platform};
    ptk_sim_t *sim = ptk_sim_create(&options);
    CHECK(sim != NULL);
    return sim;
}

static ptk_sim_host_t *host(ptk_sim_t *sim, const char *name, const char *address, uint32_t flags,
                            ptk_err (*body)(void *arg), void *arg) {
    const ptk_sim_host_options_t options = {
        .struct_size = sizeof options, .flags = flags, .name = name, .address = address};
    ptk_sim_host_t *made = ptk_sim_host(sim, &options, body, arg);
    CHECK(made != NULL);
    return made;
}

/* Runs one or two green threads on a loop of their own. */
static ptk_err run_both(ptk_green_fn first, ptk_green_fn second, void *arg) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK(loop != NULL);
    CHECK_OK(ptk_go(loop, first, arg));
    if (second) {
        CHECK_OK(ptk_go(loop, second, arg));
    }
    ptk_err err = ptk_scheduler_run(loop);
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    return err;
}

/* --- the watchdog --- */

#define STALL_MS 20

static struct {
    int count;
    char last[512];
} warnings;

static void take_warning(void *context, ptk_log_level_t level, const char *line) {
    (void) context, (void) level;
    warnings.count++;
    snprintf(warnings.last, sizeof warnings.last, "%s", line);
}

static void ignore_report(void *context, const char *line) {
    (void) context, (void) line;
}

static ptk_err compute_at_length(void *arg) {
    (void) arg;
    ptk_sim_compute((STALL_MS - 1) * MS);
    CHECK_EQ(warnings.count, 0);
    CHECK_OK(ptk_sleep_ms(1)); /* a tick */
    for (int i = 0; i < 10; i++) {
        ptk_sim_compute(STALL_MS / 4 * MS); /* without a tick */
        CHECK_EQ(warnings.count, i < 3 ? 0 : 1);
    }
    CHECK(strstr(warnings.last, "green thread \"compute_at_length\", spawned at ") != NULL);
    CHECK(strstr(warnings.last, " has blocked its loop for 20 ms") != NULL);
    CHECK_OK(ptk_sleep_ms(1));
    ptk_sim_compute(3 * STALL_MS * MS);
    CHECK_EQ(warnings.count, 2);
    CHECK(strstr(warnings.last, " has blocked its loop for 60 ms") != NULL);
    return PTK_OK;
}

static ptk_err run_watched(void *arg) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.watchdog_ms = STALL_MS;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    CHECK(loop != NULL);
    CHECK_OK(ptk_go(loop, compute_at_length, arg));
    CHECK_OK(ptk_scheduler_run(loop));
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    return PTK_OK;
}

static void check_watchdog_on(const char *platform) {
    warnings.count = 0;
    ptk_sim_t *sim = world(PTK_SIM_BENIGN, platform);
    host(sim, "watched", "10.0.0.1", 0, run_watched, NULL);
    CHECK_EQ(ptk_sim_settle(sim, 1000000), PTK_SIM_END_QUIESCENT);
    ptk_sim_destroy(sim);
}

TEST(p66_a_simulated_loop_that_is_blocked_is_named_once_per_stall) {
    ptk_log_set_sink(take_warning, NULL);
    ptk_log_set_report_sink(ignore_report, NULL);
    check_watchdog_on("sim");
    check_watchdog_on("epoll");
    check_watchdog_on("poll");
    ptk_log_set_sink(NULL, NULL);
    ptk_log_set_report_sink(NULL, NULL);
}

/* --- time --- */

static ptk_err compute_once(void *arg) {
    uint64_t began_ns = ptk_sim_now_ns();
    uint64_t own_ns = ptk_now_ns();
    ptk_sim_compute(7 * MS + 3);
    CHECK_EQ(ptk_sim_now_ns() - began_ns, 7 * MS + 3);
    CHECK_EQ(ptk_now_ns() - own_ns, 7 * MS + 3);
    ptk_sim_compute(0);
    CHECK_EQ(ptk_sim_now_ns() - began_ns, 7 * MS + 3);
    *(bool *) arg = true;
    return PTK_OK;
}

TEST(computing_takes_exactly_its_time) {
    bool done = false;
    ptk_sim_t *sim = world(PTK_SIM_BENIGN, "sim");
    (void) host(sim, "a", NULL, 0, compute_once, &done);
    CHECK_EQ(ptk_sim_settle(sim, 1000), PTK_SIM_END_QUIESCENT);
    CHECK(done);
    ptk_sim_compute(MS); /* outside a host: no effect */
    ptk_sim_destroy(sim);
    ptk_sim_compute(MS); /* without a world: none either */
}

static ptk_err compute_for_long(void *arg) {
    (void) arg;
    ptk_sim_compute(1000 * MS);
    return PTK_OK;
}

static ptk_err run_long(void *arg) {
    return run_both(compute_for_long, NULL, arg);
}

TEST(hosts_compute_at_the_same_time) {
    ptk_sim_t *sim = world(PTK_SIM_BENIGN, "sim");
    (void) host(sim, "a", NULL, 0, run_long, NULL);
    (void) host(sim, "b", NULL, 0, run_long, NULL);
    CHECK_EQ(ptk_sim_settle(sim, 5000), PTK_SIM_END_QUIESCENT);
    CHECK(ptk_sim_report(sim).elapsed_ns < 1001 * MS);
    ptk_sim_destroy(sim);
}

TEST(a_host_that_crashes_while_it_computes_unwinds_at_once) {
    ptk_sim_t *sim = world(PTK_SIM_BENIGN, "epoll");
    ptk_sim_host_t *crashed = host(sim, "a", NULL, 0, run_long, NULL);
    CHECK_EQ(ptk_sim_run_for(sim, 100), PTK_SIM_END_TIME_LIMIT);
    ptk_sim_crash(crashed);
    CHECK(ptk_sim_report(sim).failure == NULL);
    CHECK(ptk_sim_report(sim).elapsed_ns <= 101 * MS);
    ptk_sim_destroy(sim);
}

/* --- fairness: bursts between yields --- */

typedef struct bursts {
    uint64_t burst_ns;
    uint64_t worst_late_ns;
    bool over;
} bursts_t;

static ptk_err sleep_beside(void *arg) {
    bursts_t *bursts = arg;
    for (int i = 0; i < 20; i++) {
        uint64_t began_ns = ptk_sim_now_ns();
        CHECK_OK(ptk_sleep_ms(10));
        uint64_t late_ns = ptk_sim_now_ns() - began_ns - 10 * MS;
        bursts->worst_late_ns = late_ns > bursts->worst_late_ns ? late_ns : bursts->worst_late_ns;
    }
    bursts->over = true;
    return PTK_OK;
}

static ptk_err compute_between_yields(void *arg) {
    bursts_t *bursts = arg;
    while (!bursts->over) {
        ptk_sim_compute(bursts->burst_ns);
        CHECK_OK(ptk_yield());
    }
    return PTK_OK;
}

static ptk_err run_bursts(void *arg) {
    return run_both(sleep_beside, compute_between_yields, arg);
}

static void check_bursts(const char *platform, uint64_t burst_ns) {
    bursts_t bursts = {.burst_ns = burst_ns};
    ptk_sim_t *sim = world(PTK_SIM_BENIGN, platform);
    (void) host(sim, "a", NULL, 0, run_bursts, &bursts);
    CHECK_EQ(ptk_sim_settle(sim, 100000), PTK_SIM_END_QUIESCENT);
    CHECK(bursts.worst_late_ns <= 3 * burst_ns);
    ptk_sim_destroy(sim);
}

TEST(p65_a_simulated_sleep_is_late_by_three_bursts) {
    const char *const platforms[] = {"sim", "epoll", "poll"};
    for (size_t i = 0; i < 3; i++) {
        check_bursts(platforms[i], MS / 5);
        check_bursts(platforms[i], MS);
        check_bursts(platforms[i], 20 * MS);
        check_bursts(platforms[i], 100 * MS);
    }
}

/* --- fairness: a client that pipelines, beside one that waits for each echo --- */

static ptk_sock_t *connect_to_server(void) {
    ptk_sock_t *sock = ptk_tcp_connect("10.0.0.1:" PORT, 10000);
    CHECK(sock != NULL);
    return sock;
}

static ptk_err echo_with_work(void *arg) {
    ptk_sock_t *sock = arg;
    char byte;
    while (ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE) == PTK_OK) {
        ptk_sim_compute(byte == 'w' ? WORK_NS : 0);
        if (ptk_sock_send(sock, &byte, 1, PTK_TIMEOUT_INFINITE) != PTK_OK) {
            break;
        }
    }
    ptk_sock_close(sock);
    return PTK_OK;
}

static ptk_err serve(void *arg) {
    (void) arg;
    ptk_sock_t *listener = ptk_tcp_listen(NULL, "0.0.0.0:" PORT, NULL);
    CHECK(listener != NULL);
    ptk_sock_t *sock;
    while ((sock = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE)) != NULL) {
        CHECK_OK(ptk_go(NULL, echo_with_work, sock));
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

static ptk_err run_server(void *arg) {
    return run_both(serve, NULL, arg);
}

static ptk_err pipeline(void *arg) {
    (void) arg;
    static char requests[REQUESTS];
    ptk_sock_t *sock = connect_to_server();
    for (size_t i = 0; i < REQUESTS; i++) {
        requests[i] = 'w';
    }
    CHECK_OK(ptk_sock_send(sock, requests, REQUESTS, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sock_recv(sock, requests, REQUESTS, PTK_TIMEOUT_INFINITE));
    ptk_sock_close(sock);
    return PTK_OK;
}

static ptk_err run_pipeline(void *arg) {
    return run_both(pipeline, NULL, arg);
}

static ptk_err ping(void *arg) {
    uint64_t *worst_ns = arg;
    ptk_sock_t *sock = connect_to_server();
    for (int i = 0; i < ROUND_TRIPS; i++) {
        char byte = 'p';
        uint64_t began_ns = ptk_sim_now_ns();
        CHECK_OK(ptk_sock_send(sock, &byte, 1, PTK_TIMEOUT_INFINITE));
        CHECK_OK(ptk_sock_recv(sock, &byte, 1, PTK_TIMEOUT_INFINITE));
        uint64_t took_ns = ptk_sim_now_ns() - began_ns;
        *worst_ns = took_ns > *worst_ns ? took_ns : *worst_ns;
    }
    ptk_sock_close(sock);
    return PTK_OK;
}

static ptk_err run_ping(void *arg) {
    return run_both(ping, NULL, arg);
}

static void check_pipeline(const char *platform) {
    uint64_t worst_ns = 0;
    ptk_sim_t *sim = world(PTK_SIM_BENIGN, platform);
    (void) host(sim, "server", "10.0.0.1", PTK_SIM_HOST_DAEMON, run_server, NULL);
    (void) host(sim, "pipeline", "10.0.0.2", 0, run_pipeline, NULL);
    (void) host(sim, "ping", "10.0.0.3", 0, run_ping, &worst_ns);
    CHECK_EQ(ptk_sim_settle(sim, 100000), PTK_SIM_END_QUIESCENT);
    CHECK(worst_ns >= WORK_NS);
    CHECK(worst_ns <= 2 * LATENCY_NS + 4 * WORK_NS);
    ptk_sim_destroy(sim);
}

TEST(p65_a_client_that_pipelines_costs_its_neighbour_a_few_requests) {
    check_pipeline("sim");
    check_pipeline("epoll");
    check_pipeline("poll");
}
