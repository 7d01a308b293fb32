/* SPDX-License-Identifier: MIT */
/*
 * A window of decisions, in which the benign answer and the last one of each are tried (layer 5).
 *
 *     ptk_sim_window_t window;
 *     ptk_sim_window_init(&window, number, 6, 2);
 *     do {
 *         ... make a world, ptk_sim_oracle_use_window(&sim->oracle, &window), run it ...
 *     } while (ptk_sim_window_next(&window));
 *
 * Window 0 is the run without any decision that is not benign; window n has the n-th decision of a run as its
 * first. So the windows 0, 1, 2, ..., up to the first that no run reaches, hold every run whose decisions
 * that are not benign have their last answer, and lie within `decisions` ones in a row, with at most `faults`
 * faults among them; and they hold it once.
 */
#pragma once

#include "sim/world/ptk_choice_tree.h"

typedef struct ptk_sim_window {
    ptk_choice_tree_t tree; /* of the decisions behind the first */
    uint64_t number;
    uint32_t fault_limit;
    bool is_reached; /* by some run */
    /* Of one run: */
    bool is_disabled;    /* whoever runs it may set this: decisions do not count, and are benign */
    uint64_t passed; /* decisions so far */
    uint32_t faults;
} ptk_sim_window_t;

/* `decisions` from 1 to PTK_CHOICE_TREE_DEPTH_MAX. */
void ptk_sim_window_init(ptk_sim_window_t *window, uint64_t number, uint32_t decisions, uint32_t fault_limit);

/* Prepare the next run; false: there is none. */
bool ptk_sim_window_next(ptk_sim_window_t *window);

/* Prepare the run that was the last one, or is under way, once more. */
void ptk_sim_window_repeat(ptk_sim_window_t *window);

/* What is decided: 0, or the last answer of `count`; of those between none is tried. */
uint32_t ptk_sim_window_decide(ptk_sim_window_t *window, uint32_t site, bool is_fault, uint32_t count);
