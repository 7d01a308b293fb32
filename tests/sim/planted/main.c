/* SPDX-License-Identifier: MIT */
/* A program that must fail, for the guide and for tests of the runner. */
#include "../scenarios.h"

#include <stdlib.h>

/* --- programs that crash when two things coincide --- */

typedef struct luck {
    unsigned unlucky;
    void (*crash)(void);
} luck_t;

static ptk_err wait_and_see(void *arg) {
    luck_t *luck = arg;
    for (int i = 0; i < 20; i++) {
        ptk_err err = ptk_sleep_ms(1 + ptk_sim_choose(100));
        if (err) {
            return err;
        }
        luck->unlucky += ptk_sim_choose(10) == 7;
        if (luck->unlucky == 2) {
            luck->crash();
        }
    }
    return PTK_OK;
}

static ptk_err run_wait_and_see(void *arg) {
    return scenario_run(wait_and_see, arg);
}

static void run_crash(ptk_sim_t *sim, void (*crash)(void)) {
    luck_t luck = {0, crash};
    scenario_host(sim, "one", 0, run_wait_and_see, &luck);
    scenario_host(sim, "other", 0, run_wait_and_see, &luck);
    ptk_sim_settle(sim, 60000);
}

static void scenario_abort(ptk_sim_t *sim) {
    run_crash(sim, abort);
}

static void follow_a_bad_pointer(void) {
    volatile uintptr_t nowhere = 8;
    *(volatile int *) nowhere = 1;
}

static void scenario_fault(ptk_sim_t *sim) {
    run_crash(sim, follow_a_bad_pointer);
}

/* --- the program --- */

static const ptk_sim_scenario_t scenarios[] = {
    {"log-planted", "the replicated log, whose disks are synced too seldom", scenario_log_planted},
    {"abort-planted", "two hosts, and the process aborts at the second unlucky draw", scenario_abort},
    {"fault-planted", "the same, and it follows a bad pointer", scenario_fault},
};

int main(int argc, char **argv) {
    return ptk_sim_main(argc, argv, scenarios, sizeof scenarios / sizeof scenarios[0]);
}
