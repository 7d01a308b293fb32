/* SPDX-License-Identifier: MIT */
/*
 * The simulated kernel compared with the real one: random scripts of system calls, one call at a time, must
 * have the same results on both. The real kernel is right.
 *
 * A real network may be late under load, and its ports are shared with other programs and with the TIME_WAITs
 * of earlier scripts. So the real kernel gets time while its result is not the expected one, and a script
 * that differs is run again, with other ports and a pause after every call, before it counts. What still
 * differs is made shorter, step by step, and printed.
 *
 * Not compared, because the simulation deviates on purpose: the size of buffers, and the numbers of the ports
 * that the kernel chooses.
 */
#include "calls.h"

#include "base/ptk_thread.h"
#include "scripts.h"
#include <netinet/in.h>
#include <ptk_sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPTS 10000
#define TRIES   16

typedef struct trial {
    calls_script_t script;
    calls_record_t simulated;
    calls_record_t real;
} trial_t;

static ptk_err run_on_host(void *arg) {
    trial_t *trial = arg;
    calls_run(&trial->script, CALLS_REST_SIMULATED, NULL, &trial->simulated);
    return PTK_OK;
}

static void simulate(trial_t *trial) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .flags = PTK_SIM_BENIGN, .platform = "poll"};
    ptk_sim_t *sim = ptk_sim_create(&options);
    CHECK(sim != NULL);
    CHECK(ptk_sim_host(sim, NULL, run_on_host, trial) != NULL);
    ptk_sim_end_t end = ptk_sim_run_for(sim, 60000);
    if (end != PTK_SIM_END_QUIESCENT) {
        ptk_test_failed(__FILE__, __LINE__, "the simulation ended with %d: %s", (int) end,
                        ptk_sim_report(sim).failure ? ptk_sim_report(sim).failure : "-");
    }
    ptk_sim_destroy(sim);
}

/* Returns the first step that differs; the number of steps if none does. */
static size_t difference(const trial_t *trial) {
    size_t i = 0;
    while (i < trial->script.count && strcmp(trial->simulated.lines[i], trial->real.lines[i]) == 0) {
        i++;
    }
    return i;
}

/* Returns whether the two differ; the script is cut behind the difference then. */
static bool differs(trial_t *trial) {
    simulate(trial);
    for (unsigned i = 0; i < TRIES; i++) {
        calls_run(&trial->script, i == 0 ? CALLS_REST_EXPECTED : CALLS_REST_QUIET, &trial->simulated,
                  &trial->real);
        if (difference(trial) == trial->script.count) {
            return false;
        }
    }
    trial->script.count = difference(trial) + 1;
    return true;
}

static size_t count_steps(const void *trial) {
    return ((const trial_t *) trial)->script.count;
}

static void drop_step(void *trial, size_t index) {
    calls_script_t *script = &((trial_t *) trial)->script;
    script->count--;
    memmove(&script->steps[index], &script->steps[index + 1],
            (script->count - index) * sizeof script->steps[0]);
}

static bool differs_still(void *trial) {
    return differs(trial);
}

static void minimise(trial_t *trial) {
    scripts_minimise(&(scripts_trial_t) {trial, sizeof *trial, count_steps, drop_step, differs_still});
}

static void print(const trial_t *trial) {
    char text[128];
    for (size_t i = 0; i < trial->script.count; i++) {
        calls_print(&trial->script.steps[i], text, sizeof text);
        fprintf(stderr, "%2zu %-42s\n     simulated:%s\n", i, text, trial->simulated.lines[i]);
        if (strcmp(trial->simulated.lines[i], trial->real.lines[i]) != 0) {
            fprintf(stderr, "     real:     %s\n", trial->real.lines[i]);
        }
    }
}

/* Some machines have none. */
static bool has_ipv6_loopback(void) {
    const struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    ptk_os_handle_t handle = -1;
    if (ptk_sys()->socket(AF_INET6, SOCK_STREAM, 0, &handle) != 0) {
        return false;
    }
    int result = ptk_sys()->bind(handle, (const struct sockaddr *) &loopback, sizeof loopback);
    CHECK_EQ(ptk_sys()->close(handle), 0);
    return result == 0;
}

TEST(system_calls_have_the_same_results_as_on_the_real_kernel, REAL_LOOPBACK) {
    trial_t *trial = malloc(sizeof *trial);
    CHECK(trial != NULL);
    scripts_range_t range = scripts_range(SCRIPTS);
    bool has_ipv6 = has_ipv6_loopback();
    unsigned found = 0;
    for (unsigned seed = range.first; seed < range.first + range.count && found < range.enough; seed++) {
        ptk_test_random_t random = {seed};
        calls_generate(&trial->script, &random);
        trial->script.family = has_ipv6 ? trial->script.family : AF_INET;
        if (differs(trial)) {
            found++;
            minimise(trial);
            fprintf(stderr, "seed %u, IPv%d:\n", seed, trial->script.family == AF_INET ? 4 : 6);
            print(trial);
        }
    }
    free(trial);
    CHECK_EQ(found, 0);
}
