/* SPDX-License-Identifier: MIT */
/*
 * What a run in a child records: its first failure, whatever follows.
 */
#include "ptk_test.h"

#include "sim/run/ptk_sim_run.h"
#include <ptk.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static ptk_err check_and_crash(void *arg) {
    PTK_SIM_CHECK(arg != NULL);
    PTK_IGNORE(ptk_sleep_ms(1000));
    PTK_SIM_CHECK(arg == &arg);
    abort();
}

static ptk_err run_host(void *arg) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    if (!loop || ptk_go(loop, check_and_crash, arg) != PTK_OK) {
        return ptk_get_err();
    }
    ptk_err err = ptk_scheduler_run(loop);
    ptk_err ended = ptk_event_loop_platform_destroy(loop);
    return err ? err : ended;
}

static void run_world(ptk_sim_t *sim) {
    CHECK(ptk_sim_host(sim, NULL, run_host, NULL) != NULL);
    (void) ptk_sim_settle(sim, 10000);
}

static void run_nothing(ptk_sim_t *sim) {
    (void) sim;
}

static void record(ptk_sim_recording_t *recording_out, void (*run)(ptk_sim_t *sim)) {
    static ptk_sim_scenario_t scenario = {"one", "", NULL};
    scenario.run = run;
    const ptk_sim_run_spec_t spec = {.scenario = &scenario,
                                     .options = {.struct_size = sizeof(ptk_sim_options_t), .seed = 1}};
    ptk_sim_tape_init(&recording_out->tape);
    CHECK(ptk_sim_record(&spec, recording_out));
    ptk_sim_tape_fini(&recording_out->tape);
}

TEST(p88_a_crash_while_unwinding_does_not_hide_the_check_that_failed) {
    ptk_sim_recording_t recording;
    record(&recording, run_world);
    CHECK(WIFSIGNALED(recording.status) && WTERMSIG(recording.status) == SIGABRT);
    CHECK(strstr(recording.failure, "arg != NULL") != NULL);
}

TEST(a_run_that_does_not_fail_has_no_failure) {
    ptk_sim_recording_t recording;
    record(&recording, run_nothing);
    CHECK_EQ(recording.status, 0);
    CHECK_STR(recording.failure, "");
}

TEST(verdicts_name_the_failure_before_the_crash) {
    ptk_sim_verdict_t verdict = {.failure = "it is wrong"};
    char text[128];
    ptk_sim_describe_verdict(&verdict, text, sizeof text);
    CHECK_STR(text, "it is wrong");
    verdict.signal = SIGALRM;
    ptk_sim_describe_verdict(&verdict, text, sizeof text);
    CHECK_STR(text, "it is wrong; then it did not end");
    verdict.signal = SIGABRT;
    ptk_sim_describe_verdict(&verdict, text, sizeof text);
    CHECK_STR(text, "it is wrong; then it crashed: Aborted");
    verdict.failure[0] = '\0';
    ptk_sim_describe_verdict(&verdict, text, sizeof text);
    CHECK_STR(text, "it crashed: Aborted");
}

TEST(a_program_without_the_guard_is_noticed) {
    CHECK(!ptk_sim_is_guarded());
}
