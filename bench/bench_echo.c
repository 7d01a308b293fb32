/* SPDX-License-Identifier: MIT */
/*
 * Echo over loopback: N connections, each with one message of 64 bytes in flight. The figures are requests
 * per second of the server's processor time, and per second of the clock, beside both baselines
 * (baseline_echo.h). All servers use the same socket options and buffers, and the same system calls per echo:
 * one recv, one send, and a share of an epoll_wait.
 */
#include "bench_list.h"
#include "bench_load.h"
#include "bench_serve.h"
#include "baseline_echo.h"

#include <ptk.h>

#define TIMEOUT_MS 5000

enum { METRIC_PER_CPU_SECOND, METRIC_PER_SECOND };

static load_t echo_load;

/* --- ptk --- */

static ptk_err serve_echo(void *argument) {
    ptk_sock_t *sock = argument;
    char buffer[LOAD_BUFFER_BYTES];
    size_t received;
    while (ptk_sock_recv_some(sock, buffer, sizeof(buffer), &received, TIMEOUT_MS) == PTK_OK &&
           ptk_sock_send(sock, buffer, received, TIMEOUT_MS) == PTK_OK) {
        load_count(&echo_load.meter, 1);
    }
    ptk_sock_close(sock);
    return PTK_OK;
}

/* --- all variants --- */

static bool measure_echo_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    bool served = load_begin(&echo_load, bench, LOAD_ECHO, quick) && bench_serve(&echo_load, serve_echo) &&
                  load_end(&echo_load);
    load_metrics(&echo_load, 1, metrics_out);
    return served;
}

static bool measure_echo_contexts(const bench_t *bench, bool quick, double *metrics_out) {
    bool served = load_begin(&echo_load, bench, LOAD_ECHO, quick) && baseline_echo_contexts(&echo_load) &&
                  load_end(&echo_load);
    load_metrics(&echo_load, 1, metrics_out);
    return served;
}

static bool measure_echo_epoll(const bench_t *bench, bool quick, double *metrics_out) {
    bool served = load_begin(&echo_load, bench, LOAD_ECHO, quick) && baseline_echo_epoll(&echo_load) &&
                  load_end(&echo_load);
    load_metrics(&echo_load, 1, metrics_out);
    return served;
}

#define ECHO_VARIANTS                                                                                        \
    {                                                                                                        \
        {"ptk", measure_echo_ptk},                                                                           \
        {"bare green threads", measure_echo_contexts},                                                       \
        {"bare epoll", measure_echo_epoll},                                                                  \
    }
#define ECHO_METRICS                                                                                         \
    {                                                                                                        \
        {"per cpu-second", "requests", true},                                                                \
        {"per second", "requests", true},                                                                    \
    }
#define ECHO_FIGURES(goal)                                                                                   \
    {                                                                                                        \
        {METRIC_PER_CPU_SECOND, 1, (goal), 0.95},                                                            \
        {METRIC_PER_CPU_SECOND, 2, (goal), 0.90},                                                            \
        {METRIC_PER_SECOND, 1, BENCH_GOAL_NONE, 0},                                                          \
        {METRIC_PER_SECOND, 2, BENCH_GOAL_NONE, 0},                                                          \
    }

const bench_t bench_echo[] = {
    {.name = "echo-1",
     .what = "echo of 64 bytes over 1 connection",
     .count = 1,
     .rounds_times = 2,
     .variants = ECHO_VARIANTS,
     .metrics = ECHO_METRICS,
     .figures = ECHO_FIGURES(BENCH_GOAL_NONE)},
    {.name = "echo-64",
     .what = "echo of 64 bytes over 64 connections",
     .count = 64,
     .rounds_times = 2,
     .variants = ECHO_VARIANTS,
     .metrics = ECHO_METRICS,
     .figures = ECHO_FIGURES(BENCH_GOAL_RATIO)},
    {.name = "echo-1000",
     .what = "echo of 64 bytes over 1,000 connections",
     .count = 1000,
     .rounds_times = 2,
     .variants = ECHO_VARIANTS,
     .metrics = ECHO_METRICS,
     .figures = ECHO_FIGURES(BENCH_GOAL_RATIO)},
    {.name = NULL},
};
