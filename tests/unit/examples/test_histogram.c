/* SPDX-License-Identifier: MIT */
/* The demonstration's histogram: exact for small values, and to 1 % for all others. */
#include "ptk_test.h"
#include "support/histogram.h"

static histogram_t histogram;

/* Returns the median of a histogram that contains only this value. */
static uint64_t median_of(uint64_t value) {
    histogram = (histogram_t) {0};
    histogram_add(&histogram, value);
    CHECK_EQ(histogram.total, 1);
    return histogram_percentile(&histogram, 50);
}

TEST(empty_is_zero) {
    CHECK_EQ(histogram_percentile(&histogram, 99), 0);
}

TEST(small_values_are_exact) {
    for (uint64_t value = 0; value < 256; value++) {
        CHECK_EQ(median_of(value), value);
    }
}

TEST(large_values_are_at_most_one_percent_too_high) {
    ptk_test_random_t random = {0};
    for (unsigned turn = 0; turn < 2000; turn++) {
        uint64_t value = ptk_test_random(&random) >> ptk_test_random_below(&random, 64);
        uint64_t found = median_of(value);
        CHECK(found >= value);
        CHECK(found - value <= value / 100);
    }
    CHECK_EQ(median_of(UINT64_MAX), UINT64_MAX);
}

TEST(percentiles_of_a_row) {
    histogram = (histogram_t) {0};
    for (uint64_t value = 1; value <= 100; value++) {
        histogram_add(&histogram, value);
    }
    CHECK_EQ(histogram_percentile(&histogram, 1), 1);
    CHECK_EQ(histogram_percentile(&histogram, 50), 50);
    CHECK_EQ(histogram_percentile(&histogram, 99), 99);
    CHECK_EQ(histogram_percentile(&histogram, 100), 100);
}
