/* SPDX-License-Identifier: MIT */
/* Condenses rounds to figures, and prints the table for people. */
#pragma once

#include "bench_run.h"

/* One figure over all rounds. */
typedef struct bench_summary {
    double ptk;      /* median */
    double baseline; /* median, NAN without a baseline */
    double ratio;    /* median of the rounds' ratios, NAN without a baseline */
    double quartile; /* of the ratios (of ptk's values if there is no baseline), on the bad side */
    bool judged;
    bool passed;
} bench_summary_t;

/* Computes the medians and the quartile of one figure. */
bench_summary_t bench_summarise(const bench_result_t *result, const bench_figure_t *figure);

/* Writes the name of a figure, as in "echo-64 per cpu-second". */
void bench_figure_name(const bench_t *bench, const bench_figure_t *figure, char *text_out, size_t text_bytes);

/* Print the head of the table, and the rows of one bench. */
void bench_table_head(const bench_options_t *options);
void bench_table_rows(const bench_result_t *result);
