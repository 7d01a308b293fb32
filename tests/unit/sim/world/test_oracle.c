/* SPDX-License-Identifier: MIT */
#include "ptk_test.h"

#include "sim/kernel/ptk_sim_site.h"
#include "sim/world/ptk_sim_oracle.h"
#include <stdlib.h>
#include <string.h>

#define DECISIONS 20000

static const uint32_t sites[] = {PTK_CHOICE_RUN_NEXT, PTK_SIM_SITE_HOST,  PTK_SIM_SITE_LATENCY,
                                 PTK_SIM_SITE_LOSS,   PTK_SIM_SITE_EINTR, PTK_SIM_SITE_SHORT_RECV,
                                 PTK_CHOICE_TEST,     PTK_CHOICE_TEST + 1};
#define SITES (sizeof sites / sizeof *sites)

static uint32_t decide(ptk_sim_oracle_t *oracle, uint32_t site, uint32_t count) {
    uint32_t decision = oracle->oracle.choose(&oracle->oracle, site, count);
    CHECK(decision < count);
    return decision;
}

static void init_random(ptk_sim_oracle_t *oracle, uint64_t seed) {
    ptk_sim_oracle_init_random(oracle, &(ptk_sim_oracle_options_t) {.seed = seed});
}

/* Takes decisions at all sites in a mixture and stores them in `values`. */
static void decide_mixture(ptk_sim_oracle_t *oracle, uint32_t *values) {
    ptk_test_random_t random = {3};
    for (size_t i = 0; i < DECISIONS; i++) {
        uint32_t site = sites[ptk_test_random_below(&random, SITES)];
        values[i] = decide(oracle, site, 2 + (uint32_t) ptk_test_random_below(&random, 10));
    }
}

static uint32_t decisions_of[2][DECISIONS];

TEST(the_same_seed_decides_the_same_and_another_one_differently) {
    ptk_sim_oracle_t one, same, other;
    init_random(&one, 5);
    init_random(&same, 5);
    init_random(&other, 6);
    decide_mixture(&one, decisions_of[0]);
    decide_mixture(&same, decisions_of[1]);
    CHECK(memcmp(decisions_of[0], decisions_of[1], sizeof decisions_of[0]) == 0);
    CHECK(ptk_sim_tape_equal(&one.recorded, &same.recorded));
    decide_mixture(&other, decisions_of[1]);
    CHECK(memcmp(decisions_of[0], decisions_of[1], sizeof decisions_of[0]) != 0);
    CHECK_EQ(one.decisions, DECISIONS);
    ptk_sim_oracle_fini(&one);
    ptk_sim_oracle_fini(&same);
    ptk_sim_oracle_fini(&other);
}

/* Reports without a tape ("seed 42 fails") depend on what a seed decides, so it is pinned here. */
TEST(the_decisions_of_a_seed_never_change) {
    static const uint32_t expected[] = {846669, 241517, 665547, 43604, 37642};
    ptk_sim_oracle_t oracle;
    init_random(&oracle, 42);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        CHECK_EQ(decide(&oracle, PTK_CHOICE_TEST, 1000000), expected[i]);
    }
    ptk_sim_oracle_fini(&oracle);
}

TEST(sites_do_not_disturb_each_other) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        ptk_sim_oracle_t alone, mixed;
        uint32_t site = sites[seed % SITES];
        init_random(&alone, seed);
        init_random(&mixed, seed);
        for (uint32_t i = 0; i < 300; i++) {
            uint32_t decision = decide(&alone, site, 7);
            for (uint32_t noise = 0; noise < i % 4; noise++) {
                decide(&mixed, 2000 + noise * 17 + i, 3 + noise);
                decide(&mixed, site == sites[noise] ? sites[noise + 1] : sites[noise], 5);
            }
            CHECK_EQ(decide(&mixed, site, 7), decision);
        }
        ptk_sim_oracle_fini(&alone);
        ptk_sim_oracle_fini(&mixed);
    }
}

/* Two streams agree as often as chance predicts: about 1 in 16. */
TEST(streams_of_neighbouring_seeds_and_sites_are_independent) {
    for (uint32_t seed = 0; seed < 20; seed++) {
        ptk_sim_oracle_t one, other;
        int same_site = 0;
        int same_seed = 0;
        int next = 0;
        uint32_t last = 0;
        init_random(&one, seed);
        init_random(&other, seed + 1);
        for (int i = 0; i < 16000; i++) {
            uint32_t decision = decide(&one, 1000 + seed, 16);
            same_site += decision == decide(&other, 1000 + seed, 16);
            same_seed += decision == decide(&one, 1001 + seed, 16);
            next += decision == last;
            last = decision;
        }
        CHECK(same_site > 850 && same_site < 1150);
        CHECK(same_seed > 850 && same_seed < 1150);
        CHECK(next > 850 && next < 1150);
        ptk_sim_oracle_fini(&one);
        ptk_sim_oracle_fini(&other);
    }
}

TEST(schedules_are_uniform_and_faults_keep_to_their_rate) {
    ptk_sim_oracle_t oracle;
    uint32_t seen[7] = {0};
    uint32_t lost[5] = {0};
    ptk_sim_oracle_init_random(&oracle, &(ptk_sim_oracle_options_t) {.seed = 9, .has_medium_rates = true});
    CHECK_EQ(ptk_sim_oracle_rate(&oracle, PTK_CHOICE_RUN_NEXT), PTK_SIM_RATE_UNIFORM);
    ptk_sim_oracle_set_rate(&oracle, PTK_SIM_SITE_LOSS, 100000);
    CHECK_EQ(ptk_sim_oracle_rate(&oracle, PTK_SIM_SITE_LOSS), 100000);
    for (int i = 0; i < 70000; i++) {
        seen[decide(&oracle, PTK_CHOICE_RUN_NEXT, 7)]++;
        lost[decide(&oracle, PTK_SIM_SITE_LOSS, 5)]++;
    }
    for (int i = 0; i < 7; i++) {
        CHECK(seen[i] > 9600 && seen[i] < 10400);
    }
    CHECK(lost[0] > 62600 && lost[0] < 63400); /* 63,000: 9 in 10 */
    for (int i = 1; i < 5; i++) {
        CHECK(lost[i] > 1550 && lost[i] < 1950); /* 1,750 each */
    }
    ptk_sim_oracle_fini(&oracle);
}

TEST(faults_of_rate_never_and_always_occur_never_and_always) {
    ptk_sim_oracle_t oracle;
    init_random(&oracle, 1);
    ptk_sim_oracle_set_rate(&oracle, PTK_SIM_SITE_LOSS, 0);
    ptk_sim_oracle_set_rate(&oracle, PTK_SIM_SITE_CRASH, PTK_SIM_RATE_ALWAYS);
    for (int i = 0; i < 10000; i++) {
        CHECK_EQ(decide(&oracle, PTK_SIM_SITE_LOSS, 2), 0);
        CHECK_EQ(decide(&oracle, PTK_SIM_SITE_CRASH, 2), 1);
        CHECK_EQ(decide(&oracle, PTK_SIM_SITE_CRASH, 1), 0);
    }
    ptk_sim_oracle_fini(&oracle);
}

/* Up to the largest count both halves are equally likely; and 3 * 2^30 values share 2^32 numbers
   evenly: without a second draw, every third value would be twice as likely as the others. */
TEST(decisions_among_large_counts_are_uniform) {
    ptk_sim_oracle_t oracle;
    int high = 0;
    int thirds = 0;
    init_random(&oracle, 2);
    for (int i = 0; i < 10000; i++) {
        high += decide(&oracle, PTK_SIM_SITE_INITIAL_SEQUENCE, UINT32_MAX) > UINT32_MAX / 2;
        thirds += decide(&oracle, PTK_SIM_SITE_INITIAL_SEQUENCE, UINT32_C(3) << 30) % 3 == 0;
    }
    CHECK(thirds > 3100 && thirds < 3550);
    CHECK(high > 4700 && high < 5300);
    ptk_sim_oracle_fini(&oracle);
}

TEST(a_swarm_switches_half_of_the_faults_off_and_makes_some_schedules_quiet) {
    uint32_t off = 0;
    uint32_t high = 0;
    uint32_t low = 0;
    uint32_t first_in_first_out = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        ptk_sim_oracle_t oracle;
        init_random(&oracle, seed);
        uint32_t loss = ptk_sim_oracle_rate(&oracle, PTK_SIM_SITE_LOSS);
        uint32_t run_next = ptk_sim_oracle_rate(&oracle, PTK_CHOICE_RUN_NEXT);
        CHECK(loss == 0 || (loss >= 1000 && loss <= 200000));
        CHECK(run_next == 0 || run_next == PTK_SIM_RATE_UNIFORM);
        CHECK_EQ(ptk_sim_oracle_rate(&oracle, PTK_CHOICE_TEST), PTK_SIM_RATE_UNIFORM);
        CHECK_EQ(ptk_sim_oracle_rate(&oracle, PTK_SIM_SITE_PAUSE_TIME), PTK_SIM_RATE_UNIFORM);
        off += loss == 0;
        high += loss == 200000;
        low += loss > 0 && loss < 3200;
        first_in_first_out += run_next == 0;
        ptk_sim_oracle_fini(&oracle);
    }
    CHECK(off > 440 && off < 560);
    CHECK(high > 30 && high < 100); /* 1 in 16 */
    CHECK(low > 95 && low < 160);   /* 2 in 16 */
    CHECK(first_in_first_out > 200 && first_in_first_out < 300);
}

TEST(a_replay_decides_what_was_recorded) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        ptk_sim_oracle_t live, replay;
        init_random(&live, seed);
        decide_mixture(&live, decisions_of[0]);
        ptk_sim_tape_sort(&live.recorded);
        ptk_sim_oracle_init_replay(&replay, &live.recorded);
        decide_mixture(&replay, decisions_of[1]);
        CHECK(memcmp(decisions_of[0], decisions_of[1], sizeof decisions_of[0]) == 0);
        ptk_sim_tape_sort(&replay.recorded);
        CHECK(ptk_sim_tape_equal(&live.recorded, &replay.recorded));
        ptk_sim_oracle_fini(&replay);
        ptk_sim_oracle_fini(&live);
    }
}

TEST(a_replay_is_benign_without_an_entry_and_clamps_high_values) {
    ptk_sim_tape_t tape;
    ptk_sim_oracle_t oracle;
    ptk_sim_tape_init(&tape);
    ptk_sim_tape_append(&tape, &(ptk_sim_tape_entry_t) {.site = 7, .occurrence = 2, .value = 4, .count = 5});
    ptk_sim_tape_append(&tape, &(ptk_sim_tape_entry_t) {.site = 7, .occurrence = 3, .value = 4, .count = 5});
    ptk_sim_tape_append(&tape, &(ptk_sim_tape_entry_t) {.site = 8, .occurrence = 0, .value = 1, .count = 2});
    ptk_sim_oracle_init_replay(&oracle, &tape);
    static const uint32_t expected[] = {0, 0, 4, 2, 0, 0};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        CHECK_EQ(decide(&oracle, 6, 5), 0);
        CHECK_EQ(decide(&oracle, 7, i == 3 ? 3 : 5), expected[i]);
        CHECK_EQ(decide(&oracle, 9, 5), 0);
    }
    CHECK_EQ(decide(&oracle, 8, 2), 1);
    CHECK_EQ(oracle.recorded.count, 3);
    CHECK_EQ(oracle.recorded.entries[1].value, 2);
    CHECK_EQ(oracle.recorded.entries[1].count, 3);
    ptk_sim_oracle_fini(&oracle);
    ptk_sim_tape_fini(&tape);
}

TEST(with_faults_off_schedules_still_vary) {
    ptk_sim_oracle_t live, replay;
    init_random(&live, 1);
    ptk_sim_oracle_set_rate(&live, PTK_SIM_SITE_LOSS, 500000);
    uint32_t before = 0;
    uint32_t turns = 0;
    for (int i = 0; i < 1000; i++) {
        before += decide(&live, PTK_SIM_SITE_LOSS, 2);
    }
    CHECK(before > 400);
    ptk_sim_tape_sort(&live.recorded);
    ptk_sim_oracle_init_replay(&replay, &live.recorded);
    ptk_sim_oracle_faults_off(&replay);
    CHECK_EQ(decide(&replay, PTK_SIM_SITE_PAUSE_TIME, 9), 0);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(decide(&replay, PTK_SIM_SITE_LOSS, 2), 0);
    }
    ptk_sim_oracle_fini(&replay);
    ptk_sim_oracle_faults_off(&live);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(decide(&live, PTK_SIM_SITE_LOSS, 2), 0);
        turns += decide(&live, PTK_CHOICE_TEST, 2);
    }
    CHECK(turns > 400 && turns < 600);
    ptk_sim_oracle_fini(&live);
}

TEST(priorities_keep_to_one_end_between_their_changes) {
    uint32_t runs_with_all_changes = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        ptk_sim_oracle_t oracle;
        ptk_sim_oracle_init_random(&oracle,
                                   &(ptk_sim_oracle_options_t) {.seed = seed, .changes = 3, .length = 500});
        uint32_t changes = 0;
        uint32_t last = 0;
        for (uint32_t i = 0; i < 500; i++) {
            uint32_t count = 2 + i % 5;
            uint32_t decision = decide(&oracle, PTK_CHOICE_RUN_NEXT, count);
            CHECK(decision == 0 || decision == count - 1);
            changes += i > 0 && (decision > 0) != (last > 0);
            last = decision;
        }
        CHECK(changes <= 3);
        runs_with_all_changes += changes == 3;
        for (int i = 0; i < 100; i++) {
            CHECK_EQ(decide(&oracle, PTK_CHOICE_RUN_NEXT, 5), 0);
        }
        ptk_sim_oracle_faults_off(&oracle);
        CHECK_EQ(decide(&oracle, PTK_SIM_SITE_HOST, 5), 0);
        ptk_sim_oracle_fini(&oracle);
    }
    CHECK(runs_with_all_changes > 80);
}

TEST(an_input_decides_until_its_end_and_zeros_follow) {
    static const uint8_t input[] = {0, 7, 0x34, 0x12, 200, 255, 250, 6, 9};
    ptk_sim_oracle_t oracle;
    ptk_sim_oracle_init_bytes(&oracle, input, sizeof input);
    CHECK_EQ(decide(&oracle, PTK_CHOICE_TEST, 5), 0);
    CHECK_EQ(decide(&oracle, PTK_CHOICE_TEST, 5), 2);
    CHECK_EQ(decide(&oracle, PTK_CHOICE_TEST, 65536), 0x1234);
    CHECK_EQ(decide(&oracle, PTK_SIM_SITE_LOSS, 2), 0);
    CHECK_EQ(decide(&oracle, PTK_SIM_SITE_LOSS, 2), 1);
    CHECK_EQ(decide(&oracle, PTK_SIM_SITE_SHORT_RECV, 11), 7);
    CHECK_EQ(decide(&oracle, PTK_CHOICE_TEST, 1000), 9); /* its second byte is missing */
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(decide(&oracle, PTK_CHOICE_TEST, 5), 0);
        CHECK_EQ(decide(&oracle, PTK_SIM_SITE_LOSS, 5), 0);
    }
    CHECK_EQ(oracle.recorded.count, 5);
    ptk_sim_oracle_fini(&oracle);
}

TEST(decisions_of_many_sites_do_not_mix) {
    ptk_sim_oracle_t oracle;
    ptk_sim_tape_t tape;
    ptk_sim_tape_init(&tape);
    for (uint32_t site = 1000; site < 6000; site++) {
        ptk_sim_tape_append(&tape, &(ptk_sim_tape_entry_t) {
                                       .site = site, .occurrence = 1, .value = 1 + site % 9, .count = 10});
    }
    ptk_sim_oracle_init_replay(&oracle, &tape);
    for (uint32_t turn = 0; turn < 3; turn++) {
        for (uint32_t site = 1000; site < 6000; site++) {
            CHECK_EQ(decide(&oracle, site, 10), turn == 1 ? 1 + site % 9 : 0);
        }
    }
    ptk_sim_oracle_fini(&oracle);
    ptk_sim_tape_fini(&tape);
}

TEST(sites_have_names) {
    CHECK_STR(ptk_sim_site_name(PTK_CHOICE_RUN_NEXT), "RUN_NEXT");
    CHECK_STR(ptk_sim_site_name(PTK_SIM_SITE_ACCEPT_ERROR), "ACCEPT_ERROR");
    CHECK_STR(ptk_sim_site_name(PTK_SIM_SITE_USER), NULL);
    CHECK_STR(ptk_sim_site_name(99), NULL);
    for (uint32_t site = PTK_SIM_SITE_HOST; site <= PTK_SIM_SITE_ACCEPT_ERROR; site++) {
        CHECK(ptk_sim_site_name(site) != NULL);
    }
    CHECK(ptk_sim_site_is_fault(PTK_SIM_SITE_LOSS));
    CHECK(ptk_sim_site_is_fault(PTK_SIM_SITE_RESTART_TIME));
    CHECK(!ptk_sim_site_is_fault(PTK_SIM_SITE_LATENCY));
    CHECK(!ptk_sim_site_is_fault(PTK_SIM_SITE_USER + 5));
}

TEST(a_window_varies_the_target_of_a_fault_and_not_its_duration) {
    ptk_sim_oracle_t oracle;
    ptk_sim_window_t window;
    uint32_t crashes = 0; /* runs in which the last host was chosen */
    ptk_sim_window_init(&window, 1, 3, 1);
    do {
        ptk_sim_oracle_init_random(&oracle, &(ptk_sim_oracle_options_t) {.seed = 1});
        ptk_sim_oracle_use_window(&oracle, &window);
        CHECK_EQ(oracle.oracle.choose(&oracle.oracle, PTK_SIM_SITE_PARTITION, 2), 1);
        CHECK_EQ(oracle.oracle.choose(&oracle.oracle, PTK_SIM_SITE_PARTITION_TIME, 9), 0);
        crashes += oracle.oracle.choose(&oracle.oracle, PTK_SIM_SITE_FAULT_HOST, 5) == 4;
        CHECK_EQ(oracle.oracle.choose(&oracle.oracle, PTK_SIM_SITE_CRASH, 2),
                 0); /* it would be the second fault */
        ptk_sim_oracle_fini(&oracle);
    } while (ptk_sim_window_next(&window));
    CHECK_EQ(crashes, 1);
}
