/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>

#include "sim/world/ptk_choice_tree.h"
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define LEAVES_MAX 1000

static char leaves[LEAVES_MAX][64];
static size_t leaf_count;

/* Records a leaf by the text of its path; a leaf that is recorded already is a failure. */
static void visit_leaf(const char *path) {
    for (size_t i = 0; i < leaf_count; i++) {
        CHECK(strcmp(leaves[i], path) != 0);
    }
    CHECK(leaf_count < LEAVES_MAX);
    strcpy(leaves[leaf_count++], path);
}

static void append(char *path, uint32_t decision) {
    size_t length = strlen(path);
    path[length] = (char) ('0' + decision);
    path[length + 1] = '\0';
}

/* A tree of uneven shape: a value determines how many children the next decision has. */
static void uneven(void) {
    char path[64] = "";
    uint32_t width = 3;
    for (int depth = 0; depth < 4; depth++) {
        uint32_t decision = ptk_choice(PTK_CHOICE_TEST, width);
        CHECK(decision < width);
        append(path, decision);
        width = decision + 1;
    }
    visit_leaf(path);
}

/* Counts the leaves of `uneven` without the driver. */
static size_t count_uneven(uint32_t width, int depth) {
    size_t count = 0;
    if (depth == 4) {
        return 1;
    }
    for (uint32_t decision = 0; decision < width; decision++) {
        count += count_uneven(decision + 1, depth + 1);
    }
    return count;
}

static uint64_t run_all(void (*program)(void), size_t depth_limit) {
    ptk_choice_tree_t tree;
    leaf_count = 0;
    ptk_choice_tree_init(&tree, depth_limit);
    ptk_thread()->oracle = &tree.oracle;
    do {
        program();
    } while (ptk_choice_tree_next(&tree));
    ptk_thread()->oracle = NULL;
    return tree.runs;
}

TEST(choice_without_an_oracle_is_zero) {
    CHECK_EQ(ptk_choice(PTK_CHOICE_TEST, 10), 0);
}

TEST(tree_visits_each_leaf_once) {
    CHECK_EQ(run_all(uneven, 6), count_uneven(3, 0));
    CHECK_EQ(leaf_count, count_uneven(3, 0));
}

static void full(void) {
    char path[64] = "";
    append(path, ptk_choice(PTK_CHOICE_TEST, 2));
    append(path, ptk_choice(PTK_CHOICE_TEST + 1, 1)); /* not a decision */
    append(path, ptk_choice(PTK_CHOICE_TEST + 2, 3));
    append(path, ptk_choice(PTK_CHOICE_TEST + 3, 4));
    visit_leaf(path);
}

TEST(tree_visits_the_product_in_order) {
    CHECK_EQ(run_all(full, 64), 2 * 3 * 4);
    CHECK_STR(leaves[0], "0000");
    CHECK_STR(leaves[1], "0001");
    CHECK_STR(leaves[4], "0010");
    CHECK_STR(leaves[23], "1023");
}

TEST(tree_decides_zero_beyond_its_depth) {
    CHECK_EQ(run_all(full, 2), 2 * 3);
    CHECK_STR(leaves[5], "1020");
}

static void undecided(void) {
    visit_leaf("");
}

TEST(tree_of_no_decision_runs_once) {
    CHECK_EQ(run_all(undecided, 6), 1);
    CHECK_EQ(leaf_count, 1);
    CHECK_EQ(run_all(undecided, 0), 1);
}

TEST(tree_describes_the_path_of_the_run) {
    ptk_choice_tree_t tree;
    char text[100];
    char small[8];
    ptk_choice_tree_init(&tree, 6);
    ptk_choice_tree_describe(&tree, text, sizeof text);
    CHECK_STR(text, "");
    ptk_thread()->oracle = &tree.oracle;
    for (int run = 0; run < 2; run++) {
        ptk_choice(PTK_CHOICE_TEST, 3);
        ptk_choice(PTK_CHOICE_RUN_NEXT, 2);
        ptk_choice_tree_describe(&tree, text, sizeof text);
        CHECK_STR(text, run == 0 ? "1000:0/3 1:0/2" : "1000:0/3 1:1/2");
        ptk_choice_tree_describe(&tree, small, sizeof small);
        CHECK_STR(small, "1000:0/");
        ptk_choice_tree_next(&tree);
    }
    ptk_thread()->oracle = NULL;
}

static int runs_so_far;

static void changes_its_mind(void) {
    ptk_choice(PTK_CHOICE_TEST, 2);
    ptk_choice(runs_so_far++ < 2 ? PTK_CHOICE_TEST : PTK_CHOICE_TEST + 7, 3);
}

static void loses_a_decision(void) {
    if (runs_so_far++ == 0) {
        ptk_choice(PTK_CHOICE_TEST, 2);
    }
}

static void run_tree_of(void *program) {
    runs_so_far = 0;
    run_all(*(void (**)(void)) program, 6);
}

TEST(tree_notices_a_program_that_is_not_deterministic) {
    void (*programs[])(void) = {changes_its_mind, loses_a_decision};
    for (size_t i = 0; i < 2; i++) {
        char output[1000];
        int status = ptk_test_in_child(run_tree_of, &programs[i], output, sizeof output);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        CHECK(strstr(output, "deterministic") != NULL);
    }
}
