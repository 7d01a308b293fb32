/* SPDX-License-Identifier: MIT */
#include "ptk_test.h"

#include "sim/world/ptk_sim_shrink.h"
#include <string.h>

#define ENTRIES 10000

/* A program that fails if the tape has all of these decisions, with at least these values. */
typedef struct program {
    ptk_sim_tape_entry_t causes[8];
    size_t cause_count;
    uint64_t runs;
    uint64_t candidate_hash; /* a hash of all candidates */
    ptk_sim_tape_t *smallest;
} program_t;

static bool fails(void *context, const ptk_sim_tape_t *candidate) {
    program_t *program = context;
    CHECK(candidate->is_sorted);
    program->runs++;
    for (size_t i = 0; i < candidate->count; i++) {
        const ptk_sim_tape_entry_t *entry = &candidate->entries[i];
        CHECK(entry->value > 0 && entry->value < entry->count);
        program->candidate_hash =
            (program->candidate_hash ^ entry->occurrence ^ entry->value) * 1099511628211;
    }
    for (size_t i = 0; i < program->cause_count; i++) {
        const ptk_sim_tape_entry_t *cause = &program->causes[i];
        if (ptk_sim_tape_value(candidate, cause->site, cause->occurrence) < cause->value) {
            return false;
        }
    }
    ptk_sim_tape_copy(program->smallest, candidate);
    return true;
}

/* Makes a tape of 10,000 entries at 20 sites, in a mixed order, and a program that fails by `cause_count`
   of them. */
static void make_failing_tape(ptk_sim_tape_t *tape, program_t *program, size_t cause_count, uint64_t seed) {
    ptk_test_random_t random = {seed};
    uint64_t occurrences[20] = {0};
    for (size_t i = 0; i < ENTRIES; i++) {
        uint32_t site = (uint32_t) ptk_test_random_below(&random, 20);
        occurrences[site] += 1 + ptk_test_random_below(&random, 3);
        ptk_sim_tape_entry_t entry = {.site = site + 100, .occurrence = occurrences[site], .count = 1001};
        entry.value = 1 + (uint32_t) ptk_test_random_below(&random, 1000);
        ptk_sim_tape_append(tape, &entry);
    }
    while (program->cause_count < cause_count) {
        ptk_sim_tape_entry_t *cause = &program->causes[program->cause_count++];
        *cause = tape->entries[ptk_test_random_below(&random, ENTRIES)];
        cause->value = 1 + (uint32_t) ptk_test_random_below(&random, cause->value);
    }
    program->smallest = tape;
}

static void check_is_cause(const ptk_sim_tape_t *tape, const program_t *program) {
    CHECK_EQ(tape->count, program->cause_count);
    for (size_t i = 0; i < program->cause_count; i++) {
        const ptk_sim_tape_entry_t *cause = &program->causes[i];
        CHECK_EQ(ptk_sim_tape_value(tape, cause->site, cause->occurrence), cause->value);
    }
}

TEST(shrinking_finds_three_decisions_among_ten_thousand_in_200_runs) {
    for (uint64_t seed = 0; seed < 30; seed++) {
        program_t program = {0};
        ptk_sim_tape_t tape, smallest;
        ptk_sim_tape_init(&tape);
        ptk_sim_tape_init(&smallest);
        make_failing_tape(&tape, &program, 3, seed);
        program.smallest = &smallest;
        ptk_sim_shrink_t shrink = {.still_fails = fails, .context = &program, .run_limit = 200};
        ptk_sim_shrink(&shrink, &tape);
        CHECK(shrink.is_minimal);
        CHECK_EQ(shrink.runs, program.runs);
        CHECK(shrink.failures > 0 && shrink.failures < shrink.runs);
        CHECK(ptk_sim_tape_equal(&tape, &smallest));
        check_is_cause(&tape, &program);
        ptk_sim_tape_fini(&tape);
        ptk_sim_tape_fini(&smallest);
    }
}

TEST(shrinking_keeps_its_limit_of_runs_and_its_result_still_fails) {
    uint64_t last_count = ENTRIES;
    for (uint64_t limit = 0; limit <= 120; limit += 20) {
        program_t program = {0};
        ptk_sim_tape_t tape, smallest;
        ptk_sim_tape_init(&tape);
        ptk_sim_tape_init(&smallest);
        make_failing_tape(&tape, &program, 6, 1);
        ptk_sim_tape_copy(&smallest, &tape);
        ptk_sim_tape_sort(&smallest);
        program.smallest = &smallest;
        ptk_sim_shrink_t shrink = {.still_fails = fails, .context = &program, .run_limit = limit};
        ptk_sim_shrink(&shrink, &tape);
        CHECK_EQ(program.runs, limit);
        CHECK_EQ(shrink.runs, limit);
        CHECK(!shrink.is_minimal);
        CHECK(ptk_sim_tape_equal(&tape, &smallest));
        CHECK(tape.count < last_count || limit < 40);
        last_count = tape.count;
        ptk_sim_tape_fini(&tape);
        ptk_sim_tape_fini(&smallest);
    }
}

TEST(shrinking_is_deterministic) {
    uint64_t candidate_hash[2];
    for (int i = 0; i < 2; i++) {
        program_t program = {0};
        ptk_sim_tape_t tape, smallest;
        ptk_sim_tape_init(&tape);
        ptk_sim_tape_init(&smallest);
        make_failing_tape(&tape, &program, 4, 7);
        program.smallest = &smallest;
        ptk_sim_shrink_t shrink = {.still_fails = fails, .context = &program, .run_limit = 1000};
        ptk_sim_shrink(&shrink, &tape);
        candidate_hash[i] = program.candidate_hash;
        ptk_sim_tape_fini(&tape);
        ptk_sim_tape_fini(&smallest);
    }
    CHECK_EQ(candidate_hash[0], candidate_hash[1]);
}

static bool always(void *context, const ptk_sim_tape_t *candidate) {
    (void) context;
    (void) candidate;
    return true;
}

TEST(a_program_that_always_fails_needs_no_decision) {
    program_t program = {0};
    ptk_sim_tape_t tape;
    ptk_sim_tape_init(&tape);
    make_failing_tape(&tape, &program, 0, 3);
    ptk_sim_shrink_t shrink = {.still_fails = always, .run_limit = 100};
    ptk_sim_shrink(&shrink, &tape);
    CHECK_EQ(tape.count, 0);
    CHECK(shrink.is_minimal);
    CHECK(shrink.runs <= 21);
    ptk_sim_shrink(&shrink, &tape);
    CHECK_EQ(shrink.runs, 0);
    CHECK(shrink.is_minimal);
    ptk_sim_tape_fini(&tape);
}

/* Entries can only be removed in pairs; every other pair is needed. */
static bool fails_in_pairs(void *context, const ptk_sim_tape_t *tape) {
    (void) context;
    for (uint64_t i = 0; i < 64; i += 2) {
        bool has_first = ptk_sim_tape_value(tape, 5, i) > 0;
        bool has_second = ptk_sim_tape_value(tape, 5, i + 1) > 0;
        if (has_first != has_second || (!has_first && i % 4 == 0)) {
            return false;
        }
    }
    return true;
}

TEST(entries_that_can_only_be_removed_in_pairs_are_removed) {
    ptk_sim_tape_t tape;
    ptk_sim_tape_init(&tape);
    for (uint64_t i = 0; i < 64; i++) {
        ptk_sim_tape_append(&tape,
                            &(ptk_sim_tape_entry_t) {.site = 5, .occurrence = i, .value = 1, .count = 2});
    }
    ptk_sim_shrink_t shrink = {.still_fails = fails_in_pairs, .run_limit = 1000};
    ptk_sim_shrink(&shrink, &tape);
    CHECK_EQ(tape.count, 32);
    CHECK(shrink.is_minimal);
    ptk_sim_tape_fini(&tape);
}

/* A high value needs another entry beside it; a lower one does not. */
static bool fails_by_level(void *context, const ptk_sim_tape_t *tape) {
    (void) context;
    uint32_t level = ptk_sim_tape_value(tape, 6, 0);
    return level >= 2 && (level < 3 || ptk_sim_tape_value(tape, 6, 1) > 0);
}

TEST(a_lower_value_makes_another_entry_superfluous) {
    ptk_sim_tape_t tape;
    ptk_sim_tape_init(&tape);
    ptk_sim_tape_append(&tape, &(ptk_sim_tape_entry_t) {.site = 6, .occurrence = 0, .value = 9, .count = 10});
    ptk_sim_tape_append(&tape, &(ptk_sim_tape_entry_t) {.site = 6, .occurrence = 1, .value = 1, .count = 2});
    ptk_sim_shrink_t shrink = {.still_fails = fails_by_level, .run_limit = 100};
    ptk_sim_shrink(&shrink, &tape);
    CHECK_EQ(tape.count, 1);
    CHECK_EQ(ptk_sim_tape_value(&tape, 6, 0), 2);
    CHECK(shrink.is_minimal);
    ptk_sim_tape_fini(&tape);
}

/* The decisions of the tape shift each other: whether an entry counts depends on how many are before it.
   The result is minimal all the same: no single entry can be removed. */
static bool fails_by_position(void *context, const ptk_sim_tape_t *tape) {
    (void) context;
    uint64_t sum = 0;
    for (size_t i = 0; i < tape->count; i++) {
        sum += (i % 3 + 1) * tape->entries[i].value;
    }
    return sum >= 50;
}

TEST(every_entry_of_a_minimal_tape_is_needed) {
    ptk_sim_tape_t tape, without;
    ptk_sim_tape_init(&tape);
    ptk_sim_tape_init(&without);
    for (uint64_t i = 0; i < 500; i++) {
        ptk_sim_tape_append(
            &tape,
            &(ptk_sim_tape_entry_t) {.site = 5, .occurrence = i, .value = 1 + (uint32_t) i % 9, .count = 10});
    }
    ptk_sim_shrink_t shrink = {.still_fails = fails_by_position, .run_limit = 10000};
    ptk_sim_shrink(&shrink, &tape);
    CHECK(shrink.is_minimal);
    CHECK(tape.count > 0 && fails_by_position(NULL, &tape));
    for (size_t i = 0; i < tape.count; i++) {
        ptk_sim_tape_clear(&without);
        for (size_t k = 0; k < tape.count; k++) {
            if (k != i) {
                ptk_sim_tape_append(&without, &tape.entries[k]);
            }
        }
        CHECK(!fails_by_position(NULL, &without));
        ptk_sim_tape_copy(&without, &tape);
        without.entries[i].value--;
        CHECK(without.entries[i].value == 0 || !fails_by_position(NULL, &without));
    }
    ptk_sim_tape_fini(&tape);
    ptk_sim_tape_fini(&without);
}
