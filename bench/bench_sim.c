/* SPDX-License-Identifier: MIT */
/*
 * Simulation: N simulated hosts, half of them servers, each client in conversation with one; 20,000 requests
 * of 64 bytes in all, without faults. The figures are events and requests per second of processor time, and
 * how many times faster than the simulated clock that is. They grow or shrink with the number of hosts alone.
 */
#include "bench.h"

#include <ptk.h>
#include <ptk_sim.h>
#include <stdio.h>

#define REQUESTS   20000
#define BYTES      64
#define TIMEOUT_MS 60000
#define HOSTS_MOST 1000

enum { METRIC_EVENTS, METRIC_REQUESTS, METRIC_SPEED };

typedef struct place {
    size_t number; /* of the pair */
    size_t requests;
} place_t;

static place_t places[HOSTS_MOST];

static bool address_of(const place_t *place, ptk_addr_t *addr_out) {
    char text[64];
    size_t number = place->number * 2 + 1; /* servers are the odd hosts */
    (void) snprintf(text, sizeof text, "10.%zu.%zu.%zu:7", number >> 16, number >> 8 & 255, number & 255);
    return ptk_addr_parse(text, addr_out) == PTK_OK;
}

static ptk_err serve(void *arg) {
    ptk_addr_t addr;
    char bytes[BYTES];
    ptk_sock_t *listener = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    ptk_sock_t *sock = NULL;
    if (address_of(arg, &addr) && ptk_sock_bind(listener, ptk_addr_sockaddr(&addr), addr.length) == PTK_OK &&
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

static ptk_err ask(void *arg) {
    const place_t *place = arg;
    ptk_addr_t addr;
    char bytes[BYTES] = {0};
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    bool well = address_of(place, &addr) &&
                ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, TIMEOUT_MS) == PTK_OK;
    for (size_t i = 0; well && i < place->requests; i++) {
        well = ptk_sock_send(sock, bytes, BYTES, TIMEOUT_MS) == PTK_OK &&
               ptk_sock_recv(sock, bytes, BYTES, TIMEOUT_MS) == PTK_OK;
    }
    ptk_sock_close(sock);
    return PTK_SIM_CHECK(well) ? PTK_OK : PTK_ERR_NETWORK;
}

static ptk_err run_loop(ptk_green_fn fn, void *arg) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_err err = loop ? ptk_go(loop, fn, arg) : ptk_get_err();
    if (err == PTK_OK) {
        err = ptk_scheduler_run(loop);
    }
    ptk_err destroyed = ptk_event_loop_platform_destroy(loop);
    return err != PTK_OK ? err : destroyed;
}

static ptk_err run_server(void *arg) {
    return run_loop(serve, arg);
}

static ptk_err run_client(void *arg) {
    return run_loop(ask, arg);
}

static bool add_pair(ptk_sim_t *sim, place_t *place) {
    const ptk_sim_host_options_t options = {.struct_size = sizeof options};
    return ptk_sim_host(sim, &options, run_server, place) && ptk_sim_host(sim, &options, run_client, place);
}

static bool measure(const bench_t *bench, bool quick, double *metrics_out) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .seed = 1, .flags = PTK_SIM_NO_FAULTS, .platform = "epoll"};
    size_t pairs = bench->count / 2;
    ptk_sim_t *sim = ptk_sim_create(&options);
    bool well = sim != NULL;
    for (size_t i = 0; well && i < pairs; i++) {
        places[i] = (place_t) {i, REQUESTS / (size_t) (quick ? 10 : 1) / pairs};
        well = add_pair(sim, &places[i]);
    }
    uint64_t began_ns = bench_cpu_ns();
    well = well && ptk_sim_run_for(sim, UINT32_MAX) == PTK_SIM_END_QUIESCENT;
    double seconds = (double) (bench_cpu_ns() - began_ns) / 1e9;
    ptk_sim_report_t report = ptk_sim_report(sim);
    metrics_out[METRIC_EVENTS] = (double) report.events / seconds;
    metrics_out[METRIC_REQUESTS] = (double) (places[0].requests * pairs) / seconds;
    metrics_out[METRIC_SPEED] = (double) report.elapsed_ns / 1e9 / seconds;
    ptk_sim_destroy(sim);
    return well;
}

#define SIM_BENCH(hosts)                                                                                     \
    {                                                                                                        \
        .name = "sim-" #hosts, .what = #hosts " simulated hosts in conversation", .count = (hosts),          \
        .variants = {{"ptk", measure}},                                                                      \
        .metrics = {{"events", "per cpu-s", true}, {"requests", "per cpu-s", true}, {"speed", "x", true}},   \
        .figures = {                                                                                         \
            {METRIC_EVENTS, 0, BENCH_GOAL_NONE, 0},                                                          \
            {METRIC_REQUESTS, 0, BENCH_GOAL_NONE, 0},                                                        \
            {METRIC_SPEED, 0, BENCH_GOAL_NONE, 0}                                                            \
        }                                                                                                    \
    }

const bench_t bench_sim[] = {SIM_BENCH(10), SIM_BENCH(100), SIM_BENCH(1000), {.name = NULL}};
