/* SPDX-License-Identifier: MIT */
/*
 * Simulation: N simulated hosts, half of them servers, each with one client; 20,000 requests of 64 bytes in
 * all, without faults. The figures are events and requests per second of processor time, and the ratio of
 * simulated time to processor time. Only the number of hosts differs between the benches.
 */
#include "bench_list.h"
#include "bench_tools.h"

#include <ptk.h>
#include <ptk_sim.h>
#include <stdio.h>

#define REQUESTS   20000
#define BYTES      64
#define TIMEOUT_MS 60000
#define HOSTS_MAX  1000

enum { METRIC_EVENTS, METRIC_REQUESTS, METRIC_SPEED };

typedef struct pair {
    size_t number; /* of the pair, from 0 */
    size_t requests;
} sim_pair_t;

static sim_pair_t sim_pairs[HOSTS_MAX];

static bool server_addr(const sim_pair_t *pair, ptk_addr_t *addr_out) {
    char text[64];
    size_t number = pair->number * 2 + 1; /* servers are the odd hosts */
    (void) snprintf(text, sizeof text, "10.%zu.%zu.%zu:7", number >> 16, number >> 8 & 255, number & 255);
    return ptk_addr_parse(text, addr_out) == PTK_OK;
}

static ptk_err sim_server(void *arg) {
    ptk_addr_t addr;
    char bytes[BYTES];
    ptk_sock_t *listener = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    ptk_sock_t *sock = NULL;
    if (server_addr(arg, &addr) && ptk_sock_bind(listener, ptk_addr_sockaddr(&addr), addr.length) == PTK_OK &&
        ptk_sock_listen(listener, 1) == PTK_OK) {
        sock = ptk_sock_accept(listener, NULL, NULL, TIMEOUT_MS);
    }
    while (sock && ptk_sock_recv(sock, bytes, BYTES, TIMEOUT_MS) == PTK_OK &&
           ptk_sock_send(sock, bytes, BYTES, TIMEOUT_MS) == PTK_OK) {
    }
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    return PTK_OK;
}

static ptk_err sim_client(void *arg) {
    const sim_pair_t *pair = arg;
    ptk_addr_t addr;
    char bytes[BYTES] = {0};
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    bool ok = server_addr(pair, &addr) &&
              ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, TIMEOUT_MS) == PTK_OK;
    for (size_t i = 0; ok && i < pair->requests; i++) {
        ok = ptk_sock_send(sock, bytes, BYTES, TIMEOUT_MS) == PTK_OK &&
             ptk_sock_recv(sock, bytes, BYTES, TIMEOUT_MS) == PTK_OK;
    }
    ptk_sock_close(sock);
    return PTK_SIM_CHECK(ok) ? PTK_OK : PTK_ERR_NETWORK;
}

static ptk_err run_sim_loop(ptk_green_fn fn, void *arg) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_err err = loop ? ptk_go(loop, fn, arg) : ptk_get_err();
    if (err == PTK_OK) {
        err = ptk_scheduler_run(loop);
    }
    ptk_err destroyed = ptk_event_loop_platform_destroy(loop);
    return err != PTK_OK ? err : destroyed;
}

static ptk_err run_sim_server(void *arg) {
    return run_sim_loop(sim_server, arg);
}

static ptk_err run_sim_client(void *arg) {
    return run_sim_loop(sim_client, arg);
}

static bool add_pair(ptk_sim_t *sim, sim_pair_t *pair) {
    const ptk_sim_host_options_t options = {.struct_size = sizeof options};
    return ptk_sim_host(sim, &options, run_sim_server, pair) &&
           ptk_sim_host(sim, &options, run_sim_client, pair);
}

static bool measure_sim(const bench_t *bench, bool quick, double *metrics_out) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .seed = 1, .flags = PTK_SIM_NO_FAULTS, .platform = "epoll"};
    size_t pairs = bench->count / 2;
    ptk_sim_t *sim = ptk_sim_create(&options);
    bool ok = sim != NULL;
    for (size_t i = 0; ok && i < pairs; i++) {
        sim_pairs[i] = (sim_pair_t) {i, REQUESTS / (size_t) (quick ? 10 : 1) / pairs};
        ok = add_pair(sim, &sim_pairs[i]);
    }
    uint64_t began_ns = bench_cpu_ns();
    ok = ok && ptk_sim_run_for(sim, UINT32_MAX) == PTK_SIM_END_QUIESCENT;
    double seconds = (double) (bench_cpu_ns() - began_ns) / 1e9;
    ptk_sim_report_t report = ptk_sim_report(sim);
    metrics_out[METRIC_EVENTS] = (double) report.events / seconds;
    metrics_out[METRIC_REQUESTS] = (double) (sim_pairs[0].requests * pairs) / seconds;
    metrics_out[METRIC_SPEED] = (double) report.elapsed_ns / 1e9 / seconds;
    ptk_sim_destroy(sim);
    return ok;
}

#define SIM_BENCH(hosts)                                                                                     \
    {                                                                                                        \
        .name = "sim-" #hosts, .what = #hosts " simulated hosts, in pairs of client and server",             \
        .count = (hosts), .variants = {{"ptk", measure_sim}},                                                \
        .metrics = {{"events", "per cpu-s", true}, {"requests", "per cpu-s", true}, {"speed", "x", true}},   \
        .figures = {                                                                                         \
            {METRIC_EVENTS, 0, BENCH_GOAL_NONE, 0},                                                          \
            {METRIC_REQUESTS, 0, BENCH_GOAL_NONE, 0},                                                        \
            {METRIC_SPEED, 0, BENCH_GOAL_NONE, 0}                                                            \
        }                                                                                                    \
    }

const bench_t bench_sim[] = {SIM_BENCH(10), SIM_BENCH(100), SIM_BENCH(1000), {.name = NULL}};
