/* SPDX-License-Identifier: MIT */
/*
 * The benchmark's harness.
 *
 * A *bench* measures one thing in several *variants*: variant 0 is ptk, the others are its baselines, the
 * same work by the barest code that can do it. Measuring a variant once gives a few *metrics*. Every
 * measurement runs in a forked child of its own, so that nothing is left over from the one before, and a
 * crash or a hang costs one measurement. A *round* measures each variant once, starting with another one each
 * time, so that what drifts in the machine meets them alike.
 *
 * A *figure* is one line of the report: a metric of ptk beside the same metric of one baseline. Its ratio is
 * computed per round; the report gives the median of the ratios and, beside it, the quartile on the bad side.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_VARIANTS_MAX 3
#define BENCH_METRICS_MAX  4
#define BENCH_FIGURES_MAX  6
#define BENCH_ROUNDS_MAX   1000

/* What is timed in nanoseconds is timed in slices of some hundred microseconds, and the median slice counts:
   another process that takes the processor for a while then spoils a few slices only. */
#define BENCH_SLICES 101

typedef struct bench bench_t;

/* Measure once; fill in the metrics that this variant has. False: it could not run. `quick` asks for shorter
 * samples. */
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
    size_t count; /* how many green threads, connections, ...: the bench's own */
    size_t
        rounds_times;  /* this many rounds for each that is asked for, 0: one; for what is short and uneven */
    size_t rounds_max; /* 0: no limit; for what takes long, or hardly varies */
    size_t rounds_max_quick;
    bool slow;         /* with --quick only if it is named */
    size_t memory_mib; /* skipped where less is available */
    bench_variant_t variants[BENCH_VARIANTS_MAX];
    bench_metric_t metrics[BENCH_METRICS_MAX];
    bench_figure_t figures[BENCH_FIGURES_MAX];
};

/* The benches of each file; arrays that end with a NULL name. */
extern const bench_t bench_yield[];
extern const bench_t bench_spawn[];
extern const bench_t bench_alive[];
extern const bench_t bench_timeout[];
extern const bench_t bench_sleepers[];
extern const bench_t bench_echo[];
extern const bench_t bench_stream[];
extern const bench_t bench_sim[];

typedef struct bench_options {
    const char *json_path;
    size_t rounds;
    bool quick;
} bench_options_t;

/* --- measuring
 * -------------------------------------------------------------------------------------------------- */

typedef enum bench_status { BENCH_OK, BENCH_SKIPPED, BENCH_FAILED } bench_status_t;

/* What the rounds of one bench gave; NAN where a variant has no such metric. */
typedef struct bench_result {
    const bench_t *bench;
    bench_status_t status;
    char reason[128];
    size_t rounds;
    double (*values)[BENCH_VARIANTS_MAX][BENCH_METRICS_MAX]; /* [round][variant][metric] */
} bench_result_t;

size_t bench_variant_count(const bench_t *bench);
size_t bench_metric_count(const bench_t *bench);
size_t bench_figure_count(const bench_t *bench);

/* All rounds of one bench. */
void bench_run(const bench_t *bench, const bench_options_t *options, bench_result_t *result);
void bench_result_fini(bench_result_t *result);

/* --- reporting
 * -------------------------------------------------------------------------------------------------- */

/* One figure's rounds, condensed. */
typedef struct bench_summary {
    double ptk;      /* median */
    double baseline; /* median, NAN without a baseline */
    double ratio;    /* median of the rounds' ratios, NAN without a baseline */
    double quartile; /* of the ratios (of ptk's values if there is no baseline), on the bad side */
    bool judged;
    bool passed;
} bench_summary_t;

bench_summary_t bench_summarise(const bench_result_t *result, const bench_figure_t *figure);

/* "echo-64 requests/cpu-s" */
void bench_figure_name(const bench_t *bench, const bench_figure_t *figure, char *text_out, size_t text_bytes);

void bench_table_head(const bench_options_t *options);
void bench_table_rows(const bench_result_t *result);
bool bench_json_write(const char *path, const bench_options_t *options, const bench_result_t *results,
                      size_t count);

/* --- small tools
 * ------------------------------------------------------------------------------------------------ */

/* Values of one kind; sorted by the calls below. */
double bench_median(double *values, size_t count);
double bench_quantile(double *values, size_t count, double quantile);

uint64_t bench_now_ns(void);
uint64_t bench_cpu_ns(void); /* this process, user and system */

/* A line of /proc/self/status or /proc/meminfo in KiB, 0 if there is none:
 * bench_proc_kib("/proc/self/status", "VmRSS:") */
uint64_t bench_proc_kib(const char *path, const char *key);

/* Measurements run on one processor, load clients on another if there is one. */
void bench_pin_measured(void);
void bench_pin_client(void);

/* A small, fast random number generator (xorshift64*). The state must not be 0. */
static inline uint64_t bench_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}
