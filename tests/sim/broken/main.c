/* SPDX-License-Identifier: MIT */
/* A program that must fail, for the guide and for tests of the runner. */
#include "../scenarios.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* --- programs whose first failure something else could hide --- */

/* Crashes in any case; before that a check may fail. */
static ptk_err check_and_crash(void *arg) {
    (void) arg;
    PTK_SIM_CHECK(ptk_sim_choose(2) == 0);
    PTK_IGNORE(ptk_sleep_ms(10)); /* CANCELED: the host is stopped because of the check */
    abort();
}

static ptk_err check_and_hang(void *arg) {
    (void) arg;
    PTK_SIM_CHECK(ptk_sim_choose(1) == 1);
    while (pause() != 0) {
    }
    return PTK_OK;
}

/* Fails and leaves its loop behind. */
static ptk_err give_up(void *arg) {
    (void) arg;
    return ptk_event_loop_platform_create() ? PTK_ERR_REFUSED : PTK_OK;
}

static ptk_err check_at_the_end(void *arg) {
    (void) arg;
    PTK_SIM_CHECK(ptk_sleep_ms(60000) == PTK_OK);
    return PTK_OK;
}

static ptk_err run_check_and_crash(void *arg) {
    return scenario_run(check_and_crash, arg);
}

static ptk_err run_check_and_hang(void *arg) {
    return scenario_run(check_and_hang, arg);
}

static ptk_err run_check_at_the_end(void *arg) {
    return scenario_run(check_at_the_end, arg);
}

static void scenario_masked(ptk_sim_t *sim) {
    scenario_host(sim, "one", 0, run_check_and_crash, NULL);
    ptk_sim_settle(sim, 60000);
}

static void scenario_hang(ptk_sim_t *sim) {
    scenario_host(sim, "one", 0, run_check_and_hang, NULL);
    ptk_sim_settle(sim, 60000);
}

static void scenario_leaves(ptk_sim_t *sim) {
    scenario_host(sim, "one", 0, give_up, NULL);
    ptk_sim_settle(sim, 60000);
}

/* Nothing stops the hosts but the end of the world. */
static void scenario_unsettled(ptk_sim_t *sim) {
    static luck_t luck = {0, abort};
    scenario_host(sim, "one", PTK_SIM_HOST_DAEMON, run_check_at_the_end, NULL);
    scenario_host(sim, "other", 0, run_wait_and_see, &luck);
    ptk_sim_run_for(sim, 1);
}

/* The runs so far, in all processes: what no simulated program may read. */
static unsigned *runs;

static void scenario_once(ptk_sim_t *sim) {
    (void) sim;
    PTK_SIM_CHECK(++*runs > 1);
}

static void scenario_never_same(ptk_sim_t *sim) {
    (void) sim;
    ptk_sim_note("run", ++*runs, 0);
}

/* --- the program --- */

static const ptk_sim_scenario_t scenarios[] = {
    {"log-broken", "the replicated log, whose disks are synced too seldom", scenario_log_broken},
    {"abort-broken", "two hosts, and the process aborts at the second unlucky draw", scenario_abort},
    {"fault-broken", "the same, and it follows a bad pointer", scenario_fault},
    {"masked-broken", "a check fails, and the clean-up crashes", scenario_masked},
    {"hang-broken", "a check fails, and the clean-up does not end", scenario_hang},
    {"leaves-broken", "a main fails and leaves its loop behind", scenario_leaves},
    {"unsettled-broken", "a check fails at the end of the world", scenario_unsettled},
    {"once-broken", "the first run fails, and no other one", scenario_once},
    {"never-same-broken", "no two runs are the same", scenario_never_same},
};

int main(int argc, char **argv) {
    runs = mmap(NULL, sizeof *runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (runs == MAP_FAILED) {
        return 2;
    }
    return ptk_sim_main(argc, argv, scenarios, sizeof scenarios / sizeof scenarios[0]);
}
