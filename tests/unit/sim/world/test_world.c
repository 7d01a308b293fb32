/* SPDX-License-Identifier: MIT */
/*
 * Simulated worlds in unusual orders of calls: which calls are refused, how runs end, and what is checked
 * then.
 */
#include "ptk_test.h"

#include "base/ptk_memory.h"
#include "base/ptk_thread.h"
#include <errno.h>
#include <poll.h>
#include <ptk.h>
#include <ptk_sim.h>
#include <string.h>

static ptk_sim_t *world(uint32_t flags) {
    const ptk_sim_options_t options = {.struct_size = sizeof options, .flags = flags, .seed = 3};
    ptk_sim_t *sim = ptk_sim_create(&options);
    CHECK(sim != NULL);
    return sim;
}

static ptk_sim_host_t *host(ptk_sim_t *sim, uint32_t flags, ptk_err (*body)(void *arg), void *arg) {
    const ptk_sim_host_options_t options = {.struct_size = sizeof options, .flags = flags, .name = "host"};
    ptk_sim_host_t *made = ptk_sim_host(sim, &options, body, arg);
    CHECK(made != NULL);
    return made;
}

/* --- mains --- */

static ptk_err run_green(ptk_green_fn fn, void *arg) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK(loop != NULL);
    CHECK_OK(ptk_go(loop, fn, arg));
    CHECK_OK(ptk_scheduler_run(loop));
    return ptk_event_loop_platform_destroy(loop);
}

static ptk_err nap(void *arg) {
    (void) arg;
    return ptk_sleep_ms(1000);
}

static ptk_err run_nap(void *arg) {
    return run_green(nap, arg);
}

static ptk_err measure_nap(void *arg) {
    uint64_t began_ns = ptk_now_ns();
    ptk_err err = ptk_sleep_ms(1000);
    *(uint64_t *) arg = ptk_now_ns() - began_ns;
    return err;
}

static ptk_err run_measured_nap(void *arg) {
    return run_green(measure_nap, arg);
}

static ptk_err fail(void *arg) {
    (void) arg;
    return PTK_ERR_BROKEN;
}

static ptk_err wait_for_the_end(void *arg) {
    ptk_err err = ptk_sleep_ms(1000000000);
    PTK_SIM_CHECK(arg != NULL);
    return err;
}

static ptk_err run_and_check_at_the_end(void *arg) {
    return run_green(wait_for_the_end, arg);
}

static ptk_err count_boot(void *arg) {
    ++*(int *) arg;
    return PTK_OK;
}

/* --- options --- */

TEST(wrong_options_are_refused) {
    const ptk_sim_options_t wrong[] = {
        {.struct_size = sizeof(ptk_sim_options_t), .platform = "kqueue"},
        {.struct_size = sizeof(ptk_sim_options_t), .reserved = 1},
        {.struct_size = sizeof(ptk_sim_options_t), .flags = 0x80000000u},
        {.struct_size = sizeof(ptk_sim_options_t), .pct_changes = 1000},
        {.struct_size = sizeof(ptk_sim_options_t), .tape = "ptk-tape 1\n108 1 1 2\nnonsense\n"},
        {.struct_size = 0},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK(ptk_sim_create(&wrong[i]) == NULL);
        CHECK_EQ(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    }
}

static ptk_err use_all_descriptors(void *arg) {
    uint32_t *sockets = arg;
    while (ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0)) { /* the end of the loop closes them */
        (*sockets)++;
    }
    CHECK_EQ(ptk_get_os_err(), EMFILE);
    return PTK_OK;
}

static ptk_err run_out_of_descriptors(void *arg) {
    return run_green(use_all_descriptors, arg);
}

/* The loop itself and the three standard descriptors are among them. */
TEST(a_host_has_1024_descriptors_unless_it_has_another_limit) {
    uint32_t sockets[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        ptk_sim_t *sim = world(PTK_SIM_BENIGN);
        const ptk_sim_host_options_t options = {
            .struct_size = sizeof options, .name = "host", .descriptor_limit = i == 0 ? 0 : 1000};
        CHECK(ptk_sim_host(sim, &options, run_out_of_descriptors, &sockets[i]) != NULL);
        CHECK_EQ(ptk_sim_run_for(sim, 1000), PTK_SIM_END_QUIESCENT);
        ptk_sim_destroy(sim);
    }
    CHECK_EQ(sockets[0] - sockets[1], 24);
    CHECK(sockets[1] <= 1000 && sockets[1] > 990);
}

TEST(one_world_at_a_time) {
    ptk_sim_t *sim = world(0);
    CHECK(ptk_sim_create(NULL) == NULL);
    CHECK_EQ(ptk_get_err(), PTK_ERR_BUSY);
    ptk_sim_destroy(sim);
    ptk_sim_destroy(world(0));
}

TEST(a_refused_host_leaves_nothing) {
    ptk_sim_t *sim = world(PTK_SIM_BENIGN);
    ptk_sim_host_options_t options = {.struct_size = sizeof options, .address = "10.0.0.1"};
    CHECK(ptk_sim_host(sim, &options, run_nap, NULL) != NULL);
    options.address = "10.0.0.77,10.0.0.1";
    CHECK(ptk_sim_host(sim, &options, run_nap, NULL) == NULL);
    options.address = "10.0.0.77";
    CHECK(ptk_sim_host(sim, &options, run_nap, NULL) != NULL);
    static const char *const unfit[] = {"no address", "", "0.0.0.0", "127.0.0.1", "::1", "10.0.0.5,"};
    for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
        options.address = unfit[i];
        CHECK(ptk_sim_host(sim, &options, run_nap, NULL) == NULL);
    }
    CHECK(ptk_sim_host(sim, NULL, run_nap, NULL) != NULL);
    CHECK_EQ(ptk_sim_settle(sim, 5000), PTK_SIM_END_QUIESCENT);
    ptk_sim_destroy(sim);
}

/* --- ends --- */

TEST(a_world_that_never_ran_is_destroyed) {
    int boots = 0;
    ptk_sim_t *sim = world(0);
    (void) host(sim, 0, count_boot, &boots);
    ptk_sim_destroy(sim);
    CHECK_EQ(boots, 0);
}

TEST(a_host_that_crashes_before_its_first_step_never_ran) {
    int boots = 0;
    ptk_sim_t *sim = world(PTK_SIM_BENIGN);
    ptk_sim_host_t *crashed = host(sim, 0, count_boot, &boots);
    ptk_sim_crash(crashed);
    CHECK_EQ(boots, 0);
    ptk_sim_restart(crashed);
    CHECK_EQ(ptk_sim_run_for(sim, 10), PTK_SIM_END_QUIESCENT);
    CHECK_EQ(boots, 1);
    ptk_sim_destroy(sim);
}

TEST(partitions_hold_until_the_end_of_a_world) {
    for (uint64_t seed = 1; seed <= 30; seed++) {
        const ptk_sim_options_t options = {.struct_size = sizeof options, .seed = seed};
        ptk_sim_t *sim = ptk_sim_create(&options);
        ptk_sim_host_t *one = host(sim, 0, run_nap, NULL);
        ptk_sim_host_t *other = host(sim, 0, run_nap, NULL);
        ptk_sim_partition(one, other);
        ptk_sim_partition(one, other);
        ptk_sim_heal(one, other);
        (void) ptk_sim_run_for(sim, 500);
        ptk_sim_destroy(sim); /* with the partitions that hold */
    }
}

TEST(a_daemon_is_checked_at_the_end) {
    ptk_sim_t *sim = world(PTK_SIM_BENIGN);
    (void) host(sim, PTK_SIM_HOST_DAEMON, run_and_check_at_the_end, NULL);
    (void) host(sim, 0, run_nap, NULL);
    CHECK_EQ(ptk_sim_settle(sim, 5000), PTK_SIM_END_CHECK);
    CHECK(strstr(ptk_sim_report(sim).failure, "arg != NULL") != NULL);
    ptk_sim_destroy(sim);
}

TEST(a_main_that_fails_is_a_failure_unless_it_may) {
    ptk_sim_t *sim = world(PTK_SIM_BENIGN);
    (void) host(sim, PTK_SIM_HOST_MAY_FAIL, fail, NULL);
    CHECK_EQ(ptk_sim_run_for(sim, 10), PTK_SIM_END_QUIESCENT);
    (void) host(sim, 0, fail, NULL);
    CHECK_EQ(ptk_sim_run_for(sim, 10), PTK_SIM_END_HOST);
    CHECK(strstr(ptk_sim_report(sim).failure, "ended with PTK_ERR_BROKEN") != NULL);
    ptk_sim_destroy(sim);
}

/* --- by hand --- */

TEST(a_host_crashed_by_hand_is_no_deadlock) {
    ptk_err result = PTK_ERR_OS;
    ptk_sim_t *sim = world(PTK_SIM_BENIGN);
    ptk_sim_host_t *napper = host(sim, 0, run_nap, NULL);
    CHECK_EQ(ptk_sim_run_for(sim, 100), PTK_SIM_END_TIME_LIMIT);
    ptk_sim_crash(napper);
    CHECK_EQ(ptk_sim_run_for(sim, 5000), PTK_SIM_END_TIME_LIMIT);
    ptk_sim_restart(napper);
    CHECK_EQ(ptk_sim_run_for(sim, 5000), PTK_SIM_END_QUIESCENT);
    CHECK(ptk_sim_host_ended(napper, &result));
    CHECK_OK(result);
    ptk_sim_destroy(sim);
}

/* Disturbs a host that sleeps for one second. Returns how long the sleep takes by the host's clock in
   milliseconds; `world_ms_out` receives how long it takes in the world. */
static uint64_t nap_while(void (*disturb)(ptk_sim_host_t *napper), uint64_t *world_ms_out) {
    uint64_t seemed_ns = 0;
    ptk_sim_t *sim = world(PTK_SIM_BENIGN);
    ptk_sim_host_t *napper = host(sim, 0, run_measured_nap, &seemed_ns);
    CHECK_EQ(ptk_sim_run_for(sim, 100), PTK_SIM_END_TIME_LIMIT);
    disturb(napper);
    (void) ptk_sim_run_for(sim, 10000);
    ptk_sim_resume(napper);
    CHECK_EQ(ptk_sim_settle(sim, 100000), PTK_SIM_END_QUIESCENT);
    *world_ms_out = ptk_sim_report(sim).elapsed_ns / 1000000;
    ptk_sim_destroy(sim);
    return seemed_ns / 1000000;
}

static void make_slow(ptk_sim_host_t *napper) {
    ptk_sim_clock(napper, 0, -500000);
}

static void move_forward(ptk_sim_host_t *napper) {
    ptk_sim_clock(napper, 700000000, 0);
}

TEST(clocks_of_hosts_stop_drift_and_jump) {
    uint64_t world_ms = 0;
    uint64_t seemed_ms = nap_while(ptk_sim_pause, &world_ms);
    CHECK(seemed_ms >= 10090 && seemed_ms < 10200); /* the clock went on */
    seemed_ms = nap_while(ptk_sim_suspend, &world_ms);
    CHECK(seemed_ms >= 1000 && seemed_ms < 1100 && world_ms >= 11000); /* it did not */
    seemed_ms = nap_while(make_slow, &world_ms);
    CHECK(seemed_ms >= 1000 && seemed_ms < 1100 && world_ms >= 1900 && world_ms < 2100);
    seemed_ms = nap_while(move_forward, &world_ms);
    CHECK(seemed_ms >= 1000 && seemed_ms < 1100 && world_ms < 500);
}

static bool is_late(void *arg) {
    return ptk_sim_now_ns() >= *(uint64_t *) arg;
}

TEST(a_run_ends_when_its_predicate_holds) {
    ptk_sim_t *sim = world(PTK_SIM_BENIGN);
    uint64_t when_ns = ptk_sim_now_ns() + 1000000;
    (void) host(sim, 0, run_nap, NULL);
    (void) host(sim, 0, run_nap, NULL);
    CHECK_EQ(ptk_sim_run_until(sim, is_late, &when_ns, 5000), PTK_SIM_END_PREDICATE);
    CHECK(ptk_sim_now_ns() >= when_ns);
    ptk_sim_destroy(sim);
}

/* --- memory --- */

static ptk_err take_to_the_limit(void *arg) {
    (void) arg;
    void *first = ptk_allocate(40000); /* counts as 40960 */
    void *second = ptk_allocate(24576);
    CHECK(first && second);
    CHECK(ptk_allocate(1) == NULL);
    CHECK(ptk_reallocate(first, 40961) == NULL);
    first = ptk_reallocate(first, 40960);
    second = ptk_reallocate(second, 24000);
    CHECK(first && second);
    void *third = ptk_allocate(1);
    CHECK(third == NULL);
    ptk_free(second);
    third = ptk_allocate(24576);
    CHECK(third != NULL);
    ptk_free(first);
    ptk_free(third);
    return PTK_OK;
}

static ptk_sim_host_t *host_with_memory(ptk_sim_t *sim, uint64_t bytes, ptk_err (*body)(void *arg)) {
    const ptk_sim_host_options_t options = {.struct_size = sizeof options,
                                            .flags = PTK_SIM_HOST_MAY_FAIL,
                                            .name = "host",
                                            .memory_limit_bytes = bytes};
    ptk_sim_host_t *made = ptk_sim_host(sim, &options, body, NULL);
    CHECK(made != NULL);
    return made;
}

TEST(each_host_has_its_own_limit_of_bytes) {
    ptk_sim_t *sim = world(PTK_SIM_BENIGN);
    (void) host_with_memory(sim, 65536, take_to_the_limit);
    (void) host_with_memory(sim, 65536, take_to_the_limit);
    (void) host_with_memory(sim, 0, run_nap);
    CHECK_EQ(ptk_sim_settle(sim, 5000), PTK_SIM_END_QUIESCENT);
    ptk_sim_destroy(sim);
}

/* Creates green threads, a waitable and a socket. Returns the first failure. */
static ptk_err live_in_full(void *arg) {
    (void) arg;
    ptk_waitable_t *waitable = ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL);
    ptk_sock_t *sock = waitable ? ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0) : NULL;
    ptk_err err = sock ? PTK_OK : ptk_get_err();
    for (int i = 0; i < 100 && err == PTK_OK; i++) {
        err = ptk_go(NULL, nap, NULL);
    }
    ptk_sock_close(sock);
    ptk_waitable_destroy(waitable);
    return err;
}

static ptk_err lived;

static ptk_err record_how_it_lives(void *arg) {
    lived = live_in_full(arg);
    return PTK_OK;
}

static ptk_err try_to_live(void *arg) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    lived = loop ? ptk_go(loop, record_how_it_lives, arg) : ptk_get_err();
    if (loop && lived == PTK_OK) {
        CHECK_OK(ptk_scheduler_run(loop));
    }
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    return lived;
}

static bool can_live_with(uint64_t bytes) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .flags = PTK_SIM_BENIGN, .platform = "sim"};
    ptk_sim_t *sim = ptk_sim_create(&options);
    ptk_sim_host_t *made = host_with_memory(sim, bytes, try_to_live);
    ptk_err result = PTK_ERR_OS;
    CHECK_EQ(ptk_sim_settle(sim, 100000), PTK_SIM_END_QUIESCENT);
    CHECK(ptk_sim_host_ended(made, &result));
    CHECK(result == PTK_OK || result == PTK_ERR_NO_RESOURCES);
    ptk_sim_destroy(sim);
    return result == PTK_OK;
}

/* A program needs the same in every 64-bit build: with larger stacks, sanitizers, on another processor. When
 * ptk's structures change, so does the figure. */
TEST(a_program_needs_as_much_memory_in_every_build) {
    uint64_t too_few = 0;
    uint64_t enough = 16u << 20;
    if (sizeof(void *) != 8) {
        SKIP("this is about 64-bit builds");
    }
    while (enough - too_few > 1) {
        uint64_t middle = (too_few + enough) / 2;
        *(can_live_with(middle) ? &enough : &too_few) = middle;
    }
    CHECK_EQ(enough, 186880);
}

/* --- hosts that never wait --- */

static bool may_stop;

/* Never drains the descriptor that is ready, so each poll returns at once. */
static ptk_err go_round(void *arg) {
    ptk_os_handle_t wake = 0;
    (void) arg;
    CHECK_EQ(ptk_sys()->wake_open(&wake, &wake), 0);
    CHECK_EQ(ptk_sys()->wake_kick(wake), 0);
    while (!may_stop) {
        struct pollfd entry = {.fd = (int) wake, .events = POLLIN};
        CHECK_EQ(ptk_sys()->poll(&entry, 1, -1), 1);
    }
    CHECK_EQ(ptk_sys()->close(wake), 0);
    return PTK_OK;
}

TEST(a_livelocked_host_is_detected) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .flags = PTK_SIM_BENIGN, .step_limit = 1000};
    ptk_sim_t *sim = ptk_sim_create(&options);
    may_stop = false;
    (void) host(sim, 0, go_round, NULL);
    CHECK_EQ(ptk_sim_run_for(sim, 1000), PTK_SIM_END_STEP_LIMIT);
    CHECK_EQ(ptk_sim_report(sim).elapsed_ns, 0);
    may_stop = true;
    ptk_sim_destroy(sim);
}

/* --- oracles --- */

static uint64_t hash_of(const ptk_sim_options_t *options) {
    ptk_sim_t *sim = ptk_sim_create(options);
    CHECK(sim != NULL);
    for (int i = 0; i < 4; i++) {
        (void) host(sim, PTK_SIM_HOST_MAY_FAIL, run_nap, NULL);
    }
    CHECK_EQ(ptk_sim_settle(sim, 100000), PTK_SIM_END_QUIESCENT);
    uint64_t hash = ptk_sim_report(sim).hash[0];
    ptk_sim_destroy(sim);
    return hash;
}

TEST(schedules_vary_without_faults_and_memory_lasts_without_exhaustion) {
    uint8_t input[512];
    uint64_t hashes[8];
    int different = 0;
    for (uint64_t seed = 0; seed < 8; seed++) {
        ptk_sim_options_t options = {
            .struct_size = sizeof options, .flags = PTK_SIM_NO_FAULTS, .platform = "epoll"};
        options.pct_changes = 3;
        options.seed = seed;
        hashes[seed] = hash_of(&options);
        different += seed > 0 && hashes[seed] != hashes[0];
        CHECK_EQ(hash_of(&options), hashes[seed]);
    }
    CHECK(different >= 3);
    memset(input, 0xFF, sizeof input); /* every decision is a fault */
    ptk_sim_options_t options = {.struct_size = sizeof options, .input = input, .input_bytes = sizeof input};
    ptk_sim_t *sim = ptk_sim_create(&options);
    (void) host(sim, 0, run_nap, NULL); /* must not fail */
    CHECK_EQ(ptk_sim_settle(sim, 100000), PTK_SIM_END_QUIESCENT);
    ptk_sim_destroy(sim);
}
