/* SPDX-License-Identifier: MIT */
/*
 * A host whose program never ends by itself crashes before it has begun.
 */
#include "ptk_test.h"

#include <ptk.h>
#include <ptk_sim.h>

static ptk_err work(void *arg) {
    ptk_err err = PTK_OK;
    while (err == PTK_OK) {
        ++*(unsigned *) arg;
        err = ptk_sleep_ms(10);
    }
    return err;
}

static ptk_err live_for_ever(void *arg) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_err err = ptk_go(loop, work, arg);
    if (err == PTK_OK) {
        err = ptk_scheduler_run(loop);
    }
    ptk_err destroyed = ptk_event_loop_platform_destroy(loop);
    return err ? err : destroyed;
}

/* Unwinding must not let the program create a loop and run: a single stop of the host would not end it then.
 */
TEST(a_host_that_crashes_before_its_first_step_ends) {
    unsigned rounds = 0;
    ptk_sim_options_t options = {.struct_size = sizeof options, .flags = PTK_SIM_NO_FAULTS, .seed = 1};
    ptk_sim_t *sim = ptk_sim_create(&options);
    CHECK(sim != NULL);
    ptk_sim_host_options_t how = {.struct_size = sizeof how, .name = "host"};
    ptk_sim_host_t *host = ptk_sim_host(sim, &how, live_for_ever, &rounds);
    CHECK(host != NULL);
    ptk_sim_crash(host);
    CHECK(rounds <= 1);
    ptk_sim_restart(host);
    CHECK_EQ(ptk_sim_run_for(sim, 1000), PTK_SIM_END_TIME_LIMIT);
    CHECK(rounds >= 100);
    CHECK(ptk_sim_report(sim).failure == NULL);
    ptk_sim_destroy(sim);
}
