/* SPDX-License-Identifier: MIT */
/* A program that must fail, for the guide and for tests of the runner. */
#include "../scenarios.h"

#include <stdlib.h>

/* --- a program that crashes when two things coincide --- */

static ptk_err wait_and_see(void *arg) {
    unsigned *unlucky = arg;
    for (int i = 0; i < 20; i++) {
        ptk_err err = ptk_sleep_ms(1 + ptk_sim_choose(100));
        if (err) {
            return err;
        }
        *unlucky += ptk_sim_choose(10) == 7;
        if (*unlucky == 2) {
            abort();
        }
    }
    return PTK_OK;
}

static ptk_err run_wait_and_see(void *arg) {
    return scenario_run(wait_and_see, arg);
}

static void scenario_crash(ptk_sim_t *sim) {
    unsigned unlucky = 0;
    scenario_host(sim, "one", 0, run_wait_and_see, &unlucky);
    scenario_host(sim, "other", 0, run_wait_and_see, &unlucky);
    ptk_sim_settle(sim, 60000);
}

/* --- the program --- */

static const ptk_sim_scenario_t scenarios[] = {
    {"log-planted", "the replicated log, whose disks are synced too seldom", scenario_log_planted},
    {"crash-planted", "two hosts, and the process aborts when luck has left them twice", scenario_crash},
};

int main(int argc, char **argv) {
    return ptk_sim_main(argc, argv, scenarios, sizeof scenarios / sizeof scenarios[0]);
}
