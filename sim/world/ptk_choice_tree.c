/* SPDX-License-Identifier: MIT */
/*
 * A run is a path from the root of the tree of decisions to a leaf. `steps` holds the path: its first
 * `prefix` values are replayed, and every decision beyond is 0 and recorded. The next path in depth-first
 * order is the same path, cut behind its last step that has another value, with that value one higher.
 */
#include "sim/world/ptk_choice_tree.h"

#include "base/ptk_assert.h"
#include "base/ptk_log_impl.h"

/* Reports a decision that differs from the same one of the run before, and aborts. */
static _Noreturn void choice_tree_not_deterministic(const ptk_choice_tree_t *tree, uint32_t site,
                                                    uint32_t count) {
    const ptk_choice_step_t *expected = &tree->steps[tree->depth];
    ptk_report("ptk: decision %zu of run %llu is not the one of the run before: site %u of %u, expected site "
               "%u of %u",
               tree->depth, (unsigned long long) tree->runs, (unsigned) site, (unsigned) count,
               (unsigned) expected->site, (unsigned) expected->count);
    ptk_assert_failed(__FILE__, __LINE__, "the program is deterministic under its decisions");
}

/* The oracle's entry. */
static uint32_t choice_tree_choose(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    ptk_choice_tree_t *tree = ptk_container_of(oracle, ptk_choice_tree_t, oracle);
    if (tree->depth == tree->depth_limit) {
        return 0;
    }
    ptk_choice_step_t *step = &tree->steps[tree->depth];
    if (tree->depth >= tree->prefix) {
        *step = (ptk_choice_step_t) {.site = site, .count = count, .value = 0};
    } else if (step->site != site || step->count != count) {
        choice_tree_not_deterministic(tree, site, count);
    }
    tree->depth++;
    return step->value;
}

void ptk_choice_tree_init(ptk_choice_tree_t *tree, size_t depth_limit) {
    ptk_assert(depth_limit <= PTK_CHOICE_TREE_DEPTH_MAX);
    *tree = (ptk_choice_tree_t) {.oracle.choose = choice_tree_choose, .depth_limit = depth_limit};
}

/* A run that took fewer decisions than its prefix is not deterministic, either. Trailing steps without
   another value are cut. */
bool ptk_choice_tree_next(ptk_choice_tree_t *tree) {
    if (tree->depth < tree->prefix) {
        choice_tree_not_deterministic(tree, 0, 0);
    }
    size_t length = tree->depth;
    while (length > 0 && tree->steps[length - 1].value + 1 == tree->steps[length - 1].count) {
        length--;
    }
    tree->runs++;
    tree->depth = 0;
    tree->prefix = length;
    if (length == 0) {
        return false;
    }
    tree->steps[length - 1].value++;
    return true;
}

void ptk_choice_tree_describe(const ptk_choice_tree_t *tree, char *text_out, size_t text_bytes) {
    size_t length = 0;
    if (text_bytes > 0) {
        text_out[0] = '\0';
    }
    for (size_t i = 0; i < tree->depth && length < text_bytes; i++) {
        const ptk_choice_step_t *step = &tree->steps[i];
        length += ptk_sys_format(text_out + length, text_bytes - length, "%s%u:%u/%u", i ? " " : "",
                                 (unsigned) step->site, (unsigned) step->value, (unsigned) step->count);
    }
}
