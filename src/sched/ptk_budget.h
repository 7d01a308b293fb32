/* SPDX-License-Identifier: MIT */
/* Portions, budgets, and when a tick is due (layer 3, internal): the model stands at the top of ptk_budget.c.
 */
#pragma once

#include "sched/ptk_sched.h"

/* A portion that costs less than this doubles at the next reading; above the other one it falls to 1. */
#define PTK_PORTION_CHEAP_NS  UINT64_C(50000)
#define PTK_PORTION_COSTLY_NS UINT64_C(100000)

static inline void ptk_portion_begin(ptk_portion_t *portion, uint64_t now_ns) {
    *portion = (ptk_portion_t) {.size = 1, .since_ns = now_ns};
}

/* Adapts a portion that is used up to what it has cost. */
static inline void ptk_portion_adapt(ptk_portion_t *portion, uint64_t now_ns, uint32_t most) {
    uint64_t used_ns = now_ns - portion->since_ns;
    ptk_assert_debug(portion->size >= 1 && portion->size <= most);
    if (used_ns < PTK_PORTION_CHEAP_NS) {
        portion->size = portion->size * 2 < most ? portion->size * 2 : most;
    } else if (used_ns > PTK_PORTION_COSTLY_NS) {
        portion->size = 1;
    }
    portion->since_ns = now_ns;
}

/* Returns true if the main context is to take a tick now. It reads the clock. */
bool ptk_tick_is_due(ptk_scheduler_t *scheduler);

/* Grants the smallest budget: after a tick, and after a yield that a used-up budget caused. */
void ptk_budget_begin(ptk_scheduler_t *scheduler);

/* Grants the next budget after one that is used up. Returns false if a call is to yield first. */
bool ptk_budget_renew(ptk_scheduler_t *scheduler);

/* Spends one operation. Returns false if the next one is to yield first. */
bool ptk_budget_spend(ptk_scheduler_t *scheduler);
