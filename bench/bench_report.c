/* SPDX-License-Identifier: MIT */
#include "bench_report.h"
#include "bench_tools.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

void bench_figure_name(const bench_t *bench, const bench_figure_t *figure, char *text_out,
                       size_t text_bytes) {
    const char *metric = bench->metrics[figure->metric].name;
    (void) snprintf(text_out, text_bytes, "%s%s%s", bench->name, *metric ? " " : "", metric);
}

/* Returns the quartile on the bad side, the lower one where bigger is better. */
static double bad_quartile(double *values, size_t count, bool bigger_is_better) {
    return bench_quantile(values, count, bigger_is_better ? 0.25 : 0.75);
}

static bool reaches(double value, double target, bool bigger_is_better) {
    return bigger_is_better ? value >= target : value <= target;
}

bench_summary_t bench_summarise(const bench_result_t *result, const bench_figure_t *figure) {
    double ptk[BENCH_ROUNDS_MAX];
    double baseline[BENCH_ROUNDS_MAX];
    double ratio[BENCH_ROUNDS_MAX];
    bool bigger = result->bench->metrics[figure->metric].bigger_is_better;
    for (size_t round = 0; round < result->rounds; round++) {
        ptk[round] = result->values[round][0][figure->metric];
        baseline[round] = result->values[round][figure->baseline][figure->metric];
        ratio[round] = ptk[round] / baseline[round];
    }
    bench_summary_t summary = {.baseline = NAN, .ratio = NAN};
    summary.ptk = bench_median(ptk, result->rounds);
    if (figure->baseline == 0) {
        summary.quartile = bad_quartile(ptk, result->rounds, bigger);
    } else {
        summary.baseline = bench_median(baseline, result->rounds);
        summary.ratio = bench_median(ratio, result->rounds);
        summary.quartile = bad_quartile(ratio, result->rounds, bigger);
    }
    summary.judged = figure->goal != BENCH_GOAL_NONE;
    double judged = figure->goal == BENCH_GOAL_VALUE ? summary.ptk : summary.ratio;
    summary.passed = summary.judged && reaches(judged, figure->target, bigger);
    return summary;
}

#define NAME_WIDTH 30

void bench_table_head(const bench_options_t *options) {
    struct utsname system;
    (void) uname(&system);
    (void) printf("ptk benchmark, %s %s, %s; %zu rounds%s\n", system.sysname, system.release, system.machine,
                  options->rounds, options->quick ? ", quick" : "");
    (void) printf(
        "ratio: median over rounds of ptk / baseline; quartile: of the ratios, on the bad side\n\n");
    (void) printf("%-*s %12s %12s  %-8s %7s %9s  %-10s\n", NAME_WIDTH, "figure", "ptk", "baseline", "unit",
                  "ratio", "quartile", "target");
}

/* Writes a number in ten columns with at least three significant digits; large ones in k, M or G. */
static void format_value(double value, char *text, size_t bytes) {
    if (isnan(value)) {
        (void) snprintf(text, bytes, "-");
    } else if (fabs(value) >= 1e9) {
        (void) snprintf(text, bytes, "%.3f G", value / 1e9);
    } else if (fabs(value) >= 1e6) {
        (void) snprintf(text, bytes, "%.3f M", value / 1e6);
    } else if (fabs(value) >= 1e4) {
        (void) snprintf(text, bytes, "%.1f k", value / 1e3);
    } else {
        (void) snprintf(text, bytes, fabs(value) >= 100 ? "%.1f" : "%.3f", value);
    }
}

static void format_ratio(double ratio, char *text, size_t bytes) {
    (void) snprintf(text, bytes, isnan(ratio) ? "-" : "%.3f", ratio);
}

static void print_row(const bench_result_t *result, const bench_figure_t *figure) {
    const bench_t *bench = result->bench;
    const bench_metric_t *metric = &bench->metrics[figure->metric];
    bench_summary_t summary = bench_summarise(result, figure);
    char name[64];
    char ptk[24];
    char baseline[24];
    char ratio[24];
    char quartile[24];
    char target[24] = "";
    bench_figure_name(bench, figure, name, sizeof(name));
    format_value(summary.ptk, ptk, sizeof(ptk));
    format_value(summary.baseline, baseline, sizeof(baseline));
    format_ratio(summary.ratio, ratio, sizeof(ratio));
    (figure->baseline ? format_ratio : format_value)(summary.quartile, quartile, sizeof(quartile));
    if (summary.judged) {
        (void) snprintf(target, sizeof(target), "%s %.2f%s",
                        metric->bigger_is_better ? ">=" : "<=", figure->target,
                        figure->goal == BENCH_GOAL_VALUE ? " (ptk)" : "");
    }
    const char *verdict = !summary.judged ? "" : summary.passed ? "PASS" : "FALLS SHORT";
    (void) printf("%-*s %12s %12s  %-8s %7s %9s  %-14s %-11s  %s\n", NAME_WIDTH, name, ptk, baseline,
                  metric->unit, ratio, quartile, target, verdict,
                  figure->baseline ? bench->variants[figure->baseline].name : "");
}

void bench_table_rows(const bench_result_t *result) {
    if (result->status != BENCH_OK) {
        (void) printf("%-*s %s: %s\n", NAME_WIDTH, result->bench->name,
                      result->status == BENCH_SKIPPED ? "skipped" : "FAILED", result->reason);
    }
    if (result->rounds == 0) {
        return;
    }
    for (size_t index = 0; index < bench_figure_count(result->bench); index++) {
        print_row(result, &result->bench->figures[index]);
    }
    (void) fflush(stdout);
}
