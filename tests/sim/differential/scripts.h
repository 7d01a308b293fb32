/* SPDX-License-Identifier: MIT */
/* Which scripts a test runs: so many by itself, ten times as many in long tests, or what the environment
   says. */
#pragma once

#include <ptk_test.h>
#include <stdlib.h>

typedef struct scripts_range {
    unsigned first;  /* seed: PTK_TEST_SEED */
    unsigned count;  /* PTK_TEST_SCRIPTS */
    unsigned enough; /* after so many that differ: PTK_TEST_DIFFERENCES */
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
