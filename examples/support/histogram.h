/* SPDX-License-Identifier: MIT */
/**
 * @file histogram.h
 * A histogram of 64-bit values that is exact to 1 %: log-linear, of fixed size, without configuration.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** Steps per doubling: values of a bucket differ by at most 1/128. */
#define HISTOGRAM_STEPS   ((size_t) 128)
#define HISTOGRAM_BUCKETS ((64 - 7 + 1) * HISTOGRAM_STEPS)

/** An empty histogram is all zero. */
typedef struct histogram {
    uint64_t total;
    uint64_t counts[HISTOGRAM_BUCKETS];
} histogram_t;

/** Counts a value. */
void histogram_add(histogram_t *histogram, uint64_t value);

/** Returns the value that `percent` of all values do not exceed, at most 1/128 too high; 0 if there are no
 * values. */
uint64_t histogram_percentile(const histogram_t *histogram, double percent);
