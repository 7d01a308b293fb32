/* SPDX-License-Identifier: MIT */
/*
 * The oracle of every nondeterministic decision (layer 0).
 *
 * Choice 0 is always the benign one, and the only one without an oracle. Sites are stable identifiers: they
 * never change their meaning, so that a recorded sequence of choices stays valid across versions.
 */
#pragma once

#include "base/ptk_thread.h"
#include <stdint.h>

/* Stable: append only. */
typedef enum ptk_choice_site {
    PTK_CHOICE_RUN_NEXT = 1,    /* index in the run queue of the green thread that runs next */
    PTK_CHOICE_BATCH_END = 2,   /* by how many events a batch ends early */
    PTK_CHOICE_EVENT_ORDER = 3, /* index of the finished operation that is delivered next */
    PTK_CHOICE_TICK = 4,        /* 1: a tick is taken before the next pick */
    PTK_CHOICE_TEST = 1000,     /* first site of tests and user programs */
} ptk_choice_site_t;

/* An oracle, embedded in its owner's struct. `choose` returns a number below `count`; count is at least 2. */
typedef struct ptk_choice_oracle {
    uint32_t (*choose)(struct ptk_choice_oracle *oracle, uint32_t site, uint32_t count);
} ptk_choice_oracle_t;

/* Returns a number below `count`, which is at least 1. The oracle is not consulted where there is no choice.
 */
static inline uint32_t ptk_choice(uint32_t site, uint32_t count) {
    ptk_choice_oracle_t *oracle = ptk_thread()->oracle;
    return oracle && count > 1 ? oracle->choose(oracle, site, count) : 0;
}
