/* SPDX-License-Identifier: MIT */
/*
 * A window of decisions, in which the benign value and the last one of each are tried.
 *
 *     ptk_sim_window_t window;
 *     ptk_sim_window_init(&window, number, 6, 2);
 *     do {
 *         ... make a world, ptk_sim_oracle_use_window(&sim->oracle, &window), run it ...
 *     } while (ptk_sim_window_next(&window));
 *
 * Window 0 is the run in which every decision is benign; window n has the n-th decision of a run as its
 * first. So the windows 0, 1, 2, ..., up to the first that no run reaches, contain each run once whose
 * decisions that are not benign have their last value, and lie within `decisions` consecutive ones, with at
 * most `faults` faults among them.
 */
#pragma once

#include "sim/world/ptk_choice_tree.h"

typedef struct ptk_sim_window {
    ptk_choice_tree_t tree; /* of the decisions behind the first */
    uint64_t number;
    uint32_t fault_limit; /* the most faults of one run */
    bool is_reached;      /* by a run */
    /* Of one run. */
    bool is_disabled; /* set by the caller: decisions are benign and do not count */
    uint64_t passed;  /* decisions so far */
    uint32_t faults;
} ptk_sim_window_t;

/* Initialises window `number`. `decisions` is from 1 to PTK_CHOICE_TREE_DEPTH_MAX. */
void ptk_sim_window_init(ptk_sim_window_t *window, uint64_t number, uint32_t decisions, uint32_t fault_limit);

/* Prepares the next run. Returns false if there is none. */
bool ptk_sim_window_next(ptk_sim_window_t *window);

/* Prepares the last run, or the one that is under way, once more. */
void ptk_sim_window_repeat(ptk_sim_window_t *window);

/* Returns the decision: 0, or the last value of `count`; the ones between are not tried. */
uint32_t ptk_sim_window_decide(ptk_sim_window_t *window, uint32_t site, bool is_fault, uint32_t count);
