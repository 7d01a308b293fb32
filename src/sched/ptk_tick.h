/* SPDX-License-Identifier: MIT */
/* The tick (layer 3, internal): the model stands at the top of ptk_tick.c. */
#pragma once

#include "sched/ptk_sched.h"

/* Runs one tick on the main context. It waits until `limit_ns` at most, and only if no green thread is
 * runnable. Returns OK, or records the failure of the system's poller; the rest of the tick is done all the
 * same. */
ptk_err ptk_tick_run(ptk_scheduler_t *scheduler, uint64_t limit_ns);

/* Returns true if a green thread is runnable, a finished operation is not delivered yet, or the platform may
 * have more of them: then another tick is due at once. */
static inline bool ptk_tick_has_work(const ptk_scheduler_t *scheduler) {
    return scheduler->run_queue.first || !ptk_list_is_empty(&scheduler->finished) ||
           scheduler->loop->has_more;
}

/* Makes the loop's descriptor readable now, if there is work, or at the first deadline. Does nothing unless
 * the descriptor was lent out and no call is inside run or poll. */
void ptk_tick_show(ptk_scheduler_t *scheduler);

/* Prepares a wait with timeout 0: delivers the messages of other threads, and, outside run and poll, expires
 * timers, because no tick has. */
void ptk_tick_catch_up(ptk_scheduler_t *scheduler);
