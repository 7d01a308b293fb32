/* SPDX-License-Identifier: MIT */
/*
 * Each measurement is a forked child that writes its metrics into a pipe. The child leads a process group of
 * its own, which is killed when the measurement takes too long. A child ends with its parent.
 */
#include "bench_run.h"
#include "bench_tools.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <ptk_log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEASUREMENT_LIMIT_MS 60000
#define REPORT_LINES         40

size_t bench_variant_count(const bench_t *bench) {
    size_t count = 0;
    while (count < BENCH_VARIANTS_MAX && bench->variants[count].name) {
        count++;
    }
    return count;
}

size_t bench_metric_count(const bench_t *bench) {
    size_t count = 0;
    while (count < BENCH_METRICS_MAX && bench->metrics[count].unit) {
        count++;
    }
    return count;
}

/* A figure of zeros ends the list; only the first may be metric 0 without a baseline. */
size_t bench_figure_count(const bench_t *bench) {
    size_t count = 1;
    while (count < BENCH_FIGURES_MAX && (bench->figures[count].metric || bench->figures[count].baseline)) {
        count++;
    }
    return count;
}

/* Prints the beginning of a report only: it may list a million green threads. */
static void print_report_line(void *context, const char *line) {
    static int lines;
    (void) context;
    if (lines < REPORT_LINES) {
        (void) fprintf(stderr, "%s\n", line);
        lines++;
    }
}

static _Noreturn void measure_in_child(const bench_t *bench, size_t variant, bool quick, int out) {
    double metrics[BENCH_METRICS_MAX];
    for (size_t metric = 0; metric < BENCH_METRICS_MAX; metric++) {
        metrics[metric] = NAN;
    }
    (void) setpgid(0, 0);
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void) signal(SIGPIPE, SIG_IGN);
    bench_pin_measured();
    ptk_log_set_report_sink(print_report_line, NULL);
    bool measured = bench->variants[variant].measure(bench, quick, metrics);
    if (measured && write(out, metrics, sizeof(metrics)) != (ssize_t) sizeof(metrics)) {
        measured = false;
    }
    _exit(measured ? 0 : 1);
}

/* Reads what the child wrote. False: not all of it came within the limit. */
static bool read_metrics(int in, double *metrics_out) {
    struct pollfd readable = {in, POLLIN, 0};
    int ready;
    do {
        ready = poll(&readable, 1, MEASUREMENT_LIMIT_MS);
    } while (ready < 0 && errno == EINTR);
    ssize_t size = (ssize_t) (BENCH_METRICS_MAX * sizeof(double));
    return ready == 1 && read(in, metrics_out, (size_t) size) == size;
}

static bool measure_variant(const bench_t *bench, size_t variant, bool quick, double *metrics_out) {
    int pipes[2];
    if (pipe(pipes) != 0) {
        return false;
    }
    (void) fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void) close(pipes[0]);
        measure_in_child(bench, variant, quick, pipes[1]);
    }
    (void) close(pipes[1]);
    bool measured = child > 0 && read_metrics(pipes[0], metrics_out);
    (void) close(pipes[0]);
    if (child > 0) {
        if (!measured) {
            (void) kill(-child, SIGKILL);
        }
        (void) waitpid(child, NULL, 0);
    }
    return measured;
}

/* Measures each variant once. A variant that could not run leaves NAN; the round goes on with the others. */
static void run_round(bench_result_t *result, bool quick) {
    const bench_t *bench = result->bench;
    size_t variants = bench_variant_count(bench);
    size_t round = result->rounds++;
    for (size_t step = 0; step < variants; step++) {
        size_t variant = (round + step) % variants;
        double *metrics = result->values[round][variant];
        if (!measure_variant(bench, variant, quick, metrics)) {
            result->status = BENCH_FAILED;
            (void) snprintf(result->reason, sizeof(result->reason), "%s could not run",
                            bench->variants[variant].name);
            for (size_t metric = 0; metric < BENCH_METRICS_MAX; metric++) {
                metrics[metric] = NAN;
            }
        }
    }
}

static size_t rounds_of(const bench_t *bench, const bench_options_t *options) {
    size_t times = bench->rounds_times && !options->quick ? bench->rounds_times : 1;
    size_t most = options->quick ? bench->rounds_max_quick : bench->rounds_max;
    size_t rounds = options->rounds * times;
    rounds = most && most < rounds ? most : rounds;
    return rounds < BENCH_ROUNDS_MAX ? rounds : BENCH_ROUNDS_MAX;
}

void bench_run(const bench_t *bench, const bench_options_t *options, bench_result_t *result) {
    *result = (bench_result_t) {.bench = bench, .status = BENCH_OK};
    uint64_t available_mib = bench_proc_kib("/proc/meminfo", "MemAvailable:") / 1024;
    if (available_mib < bench->memory_mib) {
        result->status = BENCH_SKIPPED;
        (void) snprintf(result->reason, sizeof(result->reason), "needs %zu MiB of memory", bench->memory_mib);
        return;
    }
    size_t rounds = rounds_of(bench, options);
    result->values = calloc(rounds, sizeof(*result->values));
    if (!result->values) {
        result->status = BENCH_FAILED;
        (void) snprintf(result->reason, sizeof(result->reason), "out of memory");
        return;
    }
    while (result->rounds < rounds && result->status == BENCH_OK) {
        run_round(result, options->quick);
    }
}

void bench_result_fini(bench_result_t *result) {
    free(result->values);
    result->values = NULL;
}
