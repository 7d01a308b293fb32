/* SPDX-License-Identifier: MIT */
/*
 * The first decision of a window is never benign: the runs in which it is belong to the windows behind it,
 * and would be run twice. The other decisions are a tree of two branches each, walked depth first. A fault
 * beyond the limit is not a decision at all, so it takes no place in the window.
 */
#include "sim/world/ptk_sim_window.h"

#include "base/ptk_assert.h"

/* Resets what belongs to one run. */
static void window_begin_run(ptk_sim_window_t *window) {
    window->passed = 0;
    window->faults = 0;
}

void ptk_sim_window_init(ptk_sim_window_t *window, uint64_t number, uint32_t decisions,
                         uint32_t fault_limit) {
    ptk_assert(decisions > 0 && decisions <= PTK_CHOICE_TREE_DEPTH_MAX);
    *window = (ptk_sim_window_t) {.number = number, .fault_limit = fault_limit, .is_reached = number == 0};
    ptk_choice_tree_init(&window->tree, number == 0 ? 0 : decisions - 1);
}

bool ptk_sim_window_next(ptk_sim_window_t *window) {
    window_begin_run(window);
    return ptk_choice_tree_next(&window->tree);
}

/* The whole path of the run becomes the prefix that is replayed. */
void ptk_sim_window_repeat(ptk_sim_window_t *window) {
    window_begin_run(window);
    window->tree.prefix = window->tree.depth;
    window->tree.depth = 0;
}

/* Counts a decision, and returns whether it takes its last value. */
static bool window_is_chosen(ptk_sim_window_t *window, uint32_t site) {
    uint64_t decision = ++window->passed;
    if (decision < window->number || window->number == 0) {
        return false;
    }
    if (decision == window->number) {
        window->is_reached = true;
        return true;
    }
    return window->tree.oracle.choose(&window->tree.oracle, site, 2) != 0;
}

/* Only a decision that takes its last value counts as a fault. */
uint32_t ptk_sim_window_decide(ptk_sim_window_t *window, uint32_t site, bool is_fault, uint32_t count) {
    if (window->is_disabled || (is_fault && window->faults == window->fault_limit)) {
        return 0;
    }
    if (!window_is_chosen(window, site)) {
        return 0;
    }
    window->faults += is_fault;
    return count - 1;
}
