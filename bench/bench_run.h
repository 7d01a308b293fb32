/* SPDX-License-Identifier: MIT */
/* Runs the rounds of a bench, each measurement in a process of its own. */
#pragma once

#include "bench.h"

typedef enum bench_status { BENCH_OK, BENCH_SKIPPED, BENCH_FAILED } bench_status_t;

/* The values that the rounds of one bench measured; NAN where a variant has no such metric. */
typedef struct bench_result {
    const bench_t *bench;
    bench_status_t status;
    char reason[128];
    size_t rounds;
    double (*values)[BENCH_VARIANTS_MAX][BENCH_METRICS_MAX]; /* [round][variant][metric] */
} bench_result_t;

/* Each returns how many entries of the array are in use. */
size_t bench_variant_count(const bench_t *bench);
size_t bench_metric_count(const bench_t *bench);
size_t bench_figure_count(const bench_t *bench);

/* Runs all rounds of one bench. bench_result_fini frees what the result holds. */
void bench_run(const bench_t *bench, const bench_options_t *options, bench_result_t *result);
void bench_result_fini(bench_result_t *result);
