/* SPDX-License-Identifier: MIT */
/* Returning idle memory to the system (layer 3, internal): the model stands at the top of ptk_trim.c. */
#pragma once

#include "sched/ptk_sched.h"

/* Returns the time at which a tick has memory to return: 0 during a pass, UINT64_MAX if there is none. */
uint64_t ptk_trim_next_ns(const ptk_scheduler_t *scheduler);

/* Ends the period if it is over, and returns a part of the memory that the present pass returns. */
void ptk_trim_step(ptk_scheduler_t *scheduler);

/* Returns all idle memory. */
void ptk_trim_all(ptk_scheduler_t *scheduler);

/* Returns true if ptk_trim_step has something to do. */
static inline bool ptk_trim_is_due(const ptk_scheduler_t *scheduler) {
    return ptk_unlikely(scheduler->trim.runs || scheduler->now_ns >= scheduler->trim.due_ns);
}
