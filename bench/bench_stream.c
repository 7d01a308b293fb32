/* SPDX-License-Identifier: MIT */
/*
 * Streams of 64 KiB blocks over four connections, in MiB per second of the server's processor time. The
 * server of a sink receives whole blocks, the server of a source sends them. The baseline is bare epoll with
 * the same blocks.
 */
#include "bench_list.h"
#include "bench_load.h"
#include "bench_serve.h"
#include "baseline_stream.h"

#include <ptk.h>
#include <stdlib.h>

#define TIMEOUT_MS 5000
#define MIB        1048576.0

enum { METRIC_PER_CPU_SECOND, METRIC_PER_SECOND };

static load_t stream_load;

/* --- ptk --- */

static bool move_block(ptk_sock_t *sock, char *block) {
    ptk_err err = stream_load.plan.kind == LOAD_SINK
                      ? ptk_sock_recv(sock, block, LOAD_BLOCK_BYTES, TIMEOUT_MS)
                      : ptk_sock_send(sock, block, LOAD_BLOCK_BYTES, TIMEOUT_MS);
    return err == PTK_OK;
}

static ptk_err serve_stream(void *argument) {
    ptk_sock_t *sock = argument;
    char *block = calloc(1, LOAD_BLOCK_BYTES);
    while (block && !(stream_load.plan.kind == LOAD_SOURCE && load_is_done(&stream_load.meter)) &&
           move_block(sock, block)) {
        load_count(&stream_load.meter, LOAD_BLOCK_BYTES);
    }
    free(block);
    ptk_sock_close(sock);
    return PTK_OK;
}

/* --- both variants --- */

static bool measure_stream_ptk(const bench_t *bench, load_kind_t kind, bool quick, double *metrics_out) {
    bool served = load_begin(&stream_load, bench, kind, quick) && bench_serve(&stream_load, serve_stream) &&
                  load_end(&stream_load);
    load_metrics(&stream_load, MIB, metrics_out);
    return served;
}

static bool measure_stream_epoll(const bench_t *bench, load_kind_t kind, bool quick, double *metrics_out) {
    bool served = load_begin(&stream_load, bench, kind, quick) && baseline_stream(&stream_load) &&
                  load_end(&stream_load);
    load_metrics(&stream_load, MIB, metrics_out);
    return served;
}

static bool measure_sink_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    return measure_stream_ptk(bench, LOAD_SINK, quick, metrics_out);
}

static bool measure_sink_epoll(const bench_t *bench, bool quick, double *metrics_out) {
    return measure_stream_epoll(bench, LOAD_SINK, quick, metrics_out);
}

static bool measure_source_ptk(const bench_t *bench, bool quick, double *metrics_out) {
    return measure_stream_ptk(bench, LOAD_SOURCE, quick, metrics_out);
}

static bool measure_source_epoll(const bench_t *bench, bool quick, double *metrics_out) {
    return measure_stream_epoll(bench, LOAD_SOURCE, quick, metrics_out);
}

#define STREAM_METRICS                                                                                       \
    {                                                                                                        \
        {"per cpu-second", "MiB", true},                                                                     \
        {"per second", "MiB", true},                                                                         \
    }
#define STREAM_FIGURES                                                                                       \
    {                                                                                                        \
        {METRIC_PER_CPU_SECOND, 1, BENCH_GOAL_RATIO, 0.95},                                                  \
        {METRIC_PER_SECOND, 1, BENCH_GOAL_NONE, 0},                                                          \
    }

const bench_t bench_stream[] = {
    {.name = "stream-sink",
     .what = "the server receives blocks of 64 KiB",
     .count = 4,
     .rounds_times = 2,
     .variants = {{"ptk", measure_sink_ptk}, {"bare epoll", measure_sink_epoll}},
     .metrics = STREAM_METRICS,
     .figures = STREAM_FIGURES},
    {.name = "stream-source",
     .what = "the server sends blocks of 64 KiB",
     .count = 4,
     .rounds_times = 2,
     .variants = {{"ptk", measure_source_ptk}, {"bare epoll", measure_source_epoll}},
     .metrics = STREAM_METRICS,
     .figures = STREAM_FIGURES},
    {.name = NULL},
};
