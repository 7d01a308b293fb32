/* SPDX-License-Identifier: MIT */
/*
 * Streaming in blocks of 64 KiB over four connections, in bytes per second of the server's processor time.
 * The server of a sink receives whole blocks, that of a source sends them. The baseline is bare epoll with
 * the same blocks.
 */
#include "bench_load.h"
#include "bench_serve.h"
#include "baseline_stream.h"

#include <ptk.h>
#include <stdlib.h>

#define TIMEOUT_MS 5000
#define MIB        1048576.0

enum { METRIC_PER_CPU_SECOND, METRIC_PER_SECOND };

static load_t load;

/* --- ptk
 * -------------------------------------------------------------------------------------------------------- */

static bool move_block(ptk_sock_t *sock, char *block) {
    ptk_err err = load.kind == LOAD_SINK ? ptk_sock_recv(sock, block, LOAD_BLOCK_BYTES, TIMEOUT_MS)
                                         : ptk_sock_send(sock, block, LOAD_BLOCK_BYTES, TIMEOUT_MS);
    return err == PTK_OK;
}

static ptk_err serve(void *argument) {
    ptk_sock_t *sock = argument;
    char *block = calloc(1, LOAD_BLOCK_BYTES);
    while (block && !(load.kind == LOAD_SOURCE && load_is_done(&load.meter)) && move_block(sock, block)) {
        load_count(&load.meter, LOAD_BLOCK_BYTES);
    }
    free(block);
    ptk_sock_close(sock);
    return PTK_OK;
}

/* --- both
 * ------------------------------------------------------------------------------------------------------- */

static bool measure_ptk(const bench_t *bench, load_kind_t kind, bool quick, double *metrics_out) {
    bool served = load_begin(&load, bench, kind, quick) && bench_serve(&load, serve) && load_end(&load);
    load_metrics(&load, MIB, metrics_out);
    return served;
}

static bool measure_baseline(const bench_t *bench, load_kind_t kind, bool quick, double *metrics_out) {
    bool served = load_begin(&load, bench, kind, quick) && baseline_stream(&load) && load_end(&load);
    load_metrics(&load, MIB, metrics_out);
    return served;
}

static bool ptk_sink(const bench_t *bench, bool quick, double *metrics_out) {
    return measure_ptk(bench, LOAD_SINK, quick, metrics_out);
}

static bool baseline_sink(const bench_t *bench, bool quick, double *metrics_out) {
    return measure_baseline(bench, LOAD_SINK, quick, metrics_out);
}

static bool ptk_source(const bench_t *bench, bool quick, double *metrics_out) {
    return measure_ptk(bench, LOAD_SOURCE, quick, metrics_out);
}

static bool baseline_source(const bench_t *bench, bool quick, double *metrics_out) {
    return measure_baseline(bench, LOAD_SOURCE, quick, metrics_out);
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
     .variants = {{"ptk", ptk_sink}, {"bare epoll", baseline_sink}},
     .metrics = STREAM_METRICS,
     .figures = STREAM_FIGURES},
    {.name = "stream-source",
     .what = "the server sends blocks of 64 KiB",
     .count = 4,
     .rounds_times = 2,
     .variants = {{"ptk", ptk_source}, {"bare epoll", baseline_source}},
     .metrics = STREAM_METRICS,
     .figures = STREAM_FIGURES},
    {.name = NULL},
};
