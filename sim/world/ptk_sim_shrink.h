/* SPDX-License-Identifier: MIT */
/*
 * Shrinking (layer 5): from a tape that makes a program fail, the few decisions that it takes.
 */
#pragma once

#include "sim/world/ptk_sim_tape.h"

typedef struct ptk_sim_shrink {
    /* Does the program still fail, in the way that is meant, when this sorted tape is replayed? */
    bool (*still_fails)(void *context, const ptk_sim_tape_t *candidate);
    void *context;
    uint64_t run_limit;                /* how often it may be asked */
    bool (*is_time_up)(void *context); /* nor any longer; NULL: as long as it takes */
    /* What came of it: */
    uint64_t runs;
    uint64_t failures; /* how many of those runs failed: each of them made the tape smaller */
    bool is_minimal; /* no entry can be taken out alone, no answer be lowered by one; not cut off by the limit
                      */
} ptk_sim_shrink_t;

/* Make a failing `tape` as small as it gets within the limit, in place. It is sorted and still fails; that it
   fails to begin with is not asked. The same questions and answers always lead to the same tape. */
void ptk_sim_shrink(ptk_sim_shrink_t *shrink, ptk_sim_tape_t *tape);
