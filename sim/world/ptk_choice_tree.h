/* SPDX-License-Identifier: MIT */
/*
 * The depth-first driver over ptk_choice: runs a program once per leaf of its tree of decisions.
 *
 *     ptk_choice_tree_t tree;
 *     ptk_choice_tree_init(&tree, 6);
 *     do {
 *         ... run the program under &tree.oracle ...
 *     } while (ptk_choice_tree_next(&tree));
 *
 * A run replays a prefix of decisions and takes 0 beyond it; `next` changes the last decision that has
 * another value. At most `depth_limit` decisions of a run branch; those beyond are 0. A program that decides
 * differently under the same prefix is not deterministic: that is reported and aborts.
 */
#pragma once

#include "base/ptk_choice.h"
#include <stdbool.h>
#include <stddef.h>

#define PTK_CHOICE_TREE_DEPTH_MAX 64

/* One decision of the path. */
typedef struct ptk_choice_step {
    uint32_t site;
    uint32_t count; /* how many values there were */
    uint32_t value;
} ptk_choice_step_t;

typedef struct ptk_choice_tree {
    ptk_choice_oracle_t oracle; /* for the thread block of the program */
    ptk_choice_step_t steps[PTK_CHOICE_TREE_DEPTH_MAX];
    size_t depth_limit; /* decisions of a run that branch */
    size_t prefix;      /* decisions that are replayed */
    size_t depth;       /* decisions of this run so far, at most depth_limit */
    uint64_t runs;
} ptk_choice_tree_t;

/* Initialises a tree before its first run. `depth_limit` is at most PTK_CHOICE_TREE_DEPTH_MAX. */
void ptk_choice_tree_init(ptk_choice_tree_t *tree, size_t depth_limit);

/* Prepares the next run. Returns false when every leaf has been visited. */
bool ptk_choice_tree_next(ptk_choice_tree_t *tree);

/* Writes the path of the current run as text "site:value/count ...", for a failing test's report. */
void ptk_choice_tree_describe(const ptk_choice_tree_t *tree, char *text_out, size_t text_bytes);
