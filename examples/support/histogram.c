/* SPDX-License-Identifier: MIT */
/*
 * Values below 128 have a bucket each. Above, every doubling (128 to 255, 256 to 511, ...) is divided into
 * 128 buckets of equal width: the position of the highest bit and the seven bits after it select the bucket.
 */
#include "support/histogram.h"

static unsigned doublings(uint64_t value) {
    unsigned count = 0;
    while (value >> count >= 2 * HISTOGRAM_STEPS) {
        count++;
    }
    return count;
}

static size_t bucket_of(uint64_t value) {
    unsigned shift = doublings(value);
    return shift * HISTOGRAM_STEPS + (size_t) (value >> shift);
}

/* Returns the highest value that falls into a bucket. */
static uint64_t bucket_end(size_t bucket) {
    if (bucket < HISTOGRAM_STEPS) {
        return bucket;
    }
    size_t shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void histogram_add(histogram_t *histogram, uint64_t value) {
    histogram->counts[bucket_of(value)]++;
    histogram->total++;
}

uint64_t histogram_percentile(const histogram_t *histogram, double percent) {
    double wanted = (double) histogram->total * percent / 100.0;
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (seen > 0 && (double) seen >= wanted) {
            return bucket_end(bucket);
        }
    }
    return 0;
}
