/* SPDX-License-Identifier: MIT */
/*
 * Which green thread runs next (layer 3, internal): the model stands at the top of ptk_park.c. The ordinary
 * pick is inlined into the switch; the pick at which the clock is read is out of line.
 */
#pragma once

#include "sched/ptk_sched.h"

/* The largest portion of picks between two readings of the clock. */
#define PTK_PICKS_MOST 256

/* Delivers the messages of other threads and signal handlers. */
void ptk_drain_inbox(ptk_scheduler_t *scheduler);

/* Grants the next portion of picks: 1 under an oracle, so that each pick is its choice. */
void ptk_pick_grant(ptk_scheduler_t *scheduler);

/* Takes the first task of the run queue, which is not empty; under an oracle the one that it chooses. */
ptk_task_t *ptk_pick_first(ptk_scheduler_t *scheduler);

/* Picks at the end of a portion, where the clock is read. */
ptk_task_t *ptk_pick_slowly(ptk_scheduler_t *scheduler);

static inline ptk_task_t *ptk_pick_task_of(ptk_queue_node_t *node) {
    return ptk_container_of(node, ptk_task_t, run_link);
}

/* Returns the context to switch to, and counts the switch. */
static inline ptk_task_t *ptk_pick(ptk_scheduler_t *scheduler) {
    if (ptk_unlikely(++scheduler->switches == scheduler->reading_at)) {
        return ptk_pick_slowly(scheduler);
    }
    if (ptk_unlikely(ptk_inbox_has_some(scheduler->inbox))) {
        ptk_drain_inbox(scheduler);
    }
    ptk_queue_node_t *node = ptk_queue_pop(&scheduler->run_queue);
    if (ptk_unlikely(!node)) {
        scheduler->switches--;
        return &scheduler->main_context;
    }
    return ptk_pick_task_of(node);
}

/* Takes a pick back that picked the running green thread itself: no switch is counted, but the pick counts
 * towards the next reading. */
static inline void ptk_pick_undo(ptk_scheduler_t *scheduler) {
    scheduler->switches--;
    scheduler->reading_at--;
}
