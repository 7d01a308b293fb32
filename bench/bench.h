/* SPDX-License-Identifier: MIT */
/*
 * The terms of the benchmark.
 *
 * A *bench* measures one thing in several *variants*: variant 0 is ptk, the others are its *baselines*: the
 * same work, done by the least code that can do it. One measurement of a variant yields a few *metrics*. Each
 * measurement runs in a forked child of its own, so that no state is left over from the one before, and a
 * crash or a hang costs one measurement. A *round* measures each variant once; the order rotates from round
 * to round, so that a drift of the machine's speed affects all variants alike.
 *
 * A *figure* is one line of the report: a metric of ptk beside the same metric of one baseline. Its ratio is
 * computed per round. The report shows the median of the ratios and their quartile on the bad side.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_VARIANTS_MAX 3
#define BENCH_METRICS_MAX  4
#define BENCH_FIGURES_MAX  6
#define BENCH_ROUNDS_MAX   1000

/* Times of some nanoseconds are measured in slices of some hundred microseconds, and the median slice counts:
   when another process takes the processor for a while, only a few slices are spoilt. */
#define BENCH_SLICES 101

typedef struct bench bench_t;

/* Measures once and fills in the metrics that this variant has. `quick`: with shorter samples. False: the
   variant could not run. */
typedef bool (*bench_measure_fn)(const bench_t *bench, bool quick, double *metrics_out);

typedef struct bench_variant {
    const char *name;
    bench_measure_fn measure;
} bench_variant_t;

typedef struct bench_metric {
    const char *name; /* "" if the bench has only one that matters */
    const char *unit;
    bool bigger_is_better;
} bench_metric_t;

typedef enum bench_goal {
    BENCH_GOAL_NONE,
    BENCH_GOAL_RATIO, /* the target is one for ptk / baseline */
    BENCH_GOAL_VALUE, /* the target is one for ptk's own value */
} bench_goal_t;

typedef struct bench_figure {
    size_t metric;
    size_t baseline; /* a variant, 0 for a figure that has none */
    bench_goal_t goal;
    double target;
} bench_figure_t;

struct bench {
    const char *name;
    const char *what;
    size_t count;        /* of green threads, connections, hosts, ... */
    size_t rounds_times; /* rounds per requested round, 0: one; more for short and uneven measurements */
    size_t rounds_max;   /* 0: no limit; low for measurements that take long, or hardly vary */
    size_t rounds_max_quick;
    bool slow;         /* with --quick only if it is named */
    size_t memory_mib; /* skipped where less is available */
    bench_variant_t variants[BENCH_VARIANTS_MAX];
    bench_metric_t metrics[BENCH_METRICS_MAX];
    bench_figure_t figures[BENCH_FIGURES_MAX];
};

typedef struct bench_options {
    const char *json_path;
    size_t rounds;
    bool quick;
} bench_options_t;
