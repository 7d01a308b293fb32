/* SPDX-License-Identifier: MIT */
/*
 * The oracle of every nondeterministic decision (layer 0).
 *
 * `ptk_choice(site, n)` answers a number below n; 0 is always the benign choice, and the answer without an
 * oracle. Sites are stable identifiers: they never change their meaning, so that a recorded tape stays valid.
 */
#pragma once

#include "base/ptk_thread.h"
#include <stdint.h>

/* Stable: append only. */
typedef enum ptk_choice_site {
    PTK_CHOICE_RUN_NEXT = 1,    /* which runnable green thread goes next */
    PTK_CHOICE_BATCH_END = 2,   /* how much earlier a batch of events ends */
    PTK_CHOICE_EVENT_ORDER = 3, /* which finished record is delivered next */
    PTK_CHOICE_TICK = 4,        /* 1: take a tick before the next pick */
    PTK_CHOICE_TEST = 1000,     /* from here on: tests and user programs */
} ptk_choice_site_t;

/* An oracle: embed it. */
typedef struct ptk_choice_oracle {
    uint32_t (*choose)(struct ptk_choice_oracle *oracle, uint32_t site, uint32_t count);
} ptk_choice_oracle_t;

/* A number below `count`, which is at least 1. */
static inline uint32_t ptk_choice(uint32_t site, uint32_t count) {
    ptk_choice_oracle_t *oracle = ptk_thread()->oracle;
    return oracle && count > 1 ? oracle->choose(oracle, site, count) : 0;
}
