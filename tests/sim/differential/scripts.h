/* SPDX-License-Identifier: MIT */
/*
 * What the two tests of random scripts have in common.
 */
#pragma once

#include <ptk_test.h>
#include <stdlib.h>

/* Which scripts a test runs: a fixed number, ten times as many in long tests, or what the environment sets.
 */
typedef struct scripts_range {
    unsigned first;  /* seed: PTK_TEST_SEED */
    unsigned count;  /* PTK_TEST_SCRIPTS */
    unsigned enough; /* ends after this many that differ: PTK_TEST_DIFFERENCES */
} scripts_range_t;

static inline unsigned scripts_number(const char *name, unsigned otherwise) {
    const char *text = getenv(name);
    return text ? (unsigned) strtoul(text, NULL, 10) : otherwise;
}

static inline scripts_range_t scripts_range(unsigned usual) {
    return (scripts_range_t) {
        .first = scripts_number("PTK_TEST_SEED", 1),
        .count = scripts_number("PTK_TEST_SCRIPTS", ptk_test_is_long() ? 10 * usual : usual),
        .enough = scripts_number("PTK_TEST_DIFFERENCES", 1),
    };
}

/* A line of a record, written piece by piece into `text` of `bytes`; a line that is too long is a failed
   check. */
typedef struct scripts_line {
    char *text;
    size_t bytes;
    size_t length;
} scripts_line_t;

void scripts_write(scripts_line_t *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Picks one of `count`, each as often as its weight; `drawn` is a number below the sum of the weights. */
unsigned scripts_sum(const unsigned *weights, unsigned count);
unsigned scripts_pick(const unsigned *weights, unsigned drawn);

/* A trial that shows a difference, as bytes that can be copied, and the operations on it. */
typedef struct scripts_trial {
    void *trial;
    size_t bytes;
    size_t (*count)(const void *trial); /* its steps */
    void (*drop)(void *trial, size_t step);
    bool (*differs)(void *trial);
} scripts_trial_t;

/* Removes every step that is not needed for a difference. */
void scripts_minimise(const scripts_trial_t *of);
