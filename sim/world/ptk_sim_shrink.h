/* SPDX-License-Identifier: MIT */
/*
 * Shrinking: from a tape that makes a program fail to the few decisions that it takes.
 */
#pragma once

#include "sim/world/ptk_sim_tape.h"

typedef struct ptk_sim_shrink {
    /* Returns whether the program still fails, in the same way, when this sorted tape is replayed. */
    bool (*still_fails)(void *context, const ptk_sim_tape_t *candidate);
    void *context;
    uint64_t run_limit;                /* the most calls of still_fails */
    bool (*is_time_up)(void *context); /* ends the search early; NULL: it takes as long as it takes */
    /* Results. */
    uint64_t runs;
    uint64_t failures; /* how many of those runs failed: each made the tape smaller */
    /* no entry can be removed alone, and no value lowered by one; false also if the limit came first */
    bool is_minimal;
} ptk_sim_shrink_t;

/* Makes a failing `tape` as small as possible within the limit, in place. It is sorted afterwards and still
   fails; that it fails to begin with is assumed. The search is deterministic: equal results of still_fails
   lead to the same tape. */
void ptk_sim_shrink(ptk_sim_shrink_t *shrink, ptk_sim_tape_t *tape);
