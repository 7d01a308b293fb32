/* SPDX-License-Identifier: MIT */
/*
 * ptk compared with itself: random scripts of socket calls must have the same results on the simulated
 * platform, on epoll and poll over the simulated kernel, and on epoll and poll over the real one. See
 * test_calls.c for how a real network is treated and what is not compared.
 */
#include "socks.h"

#include "scripts.h"
#include <ptk_sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPTS 3000
#define TRIES   6

enum { SIMULATED, SIMULATED_EPOLL, SIMULATED_POLL, REAL_EPOLL, REAL_POLL, CONFIGURATIONS };

static const char *const titles[CONFIGURATIONS] = {"simulated", "simulated epoll", "simulated poll",
                                                   "real epoll", "real poll"};
static const char *const platforms[CONFIGURATIONS] = {"sim", "epoll", "poll", "epoll", "poll"};

typedef struct trial {
    socks_script_t script;
    unsigned configuration; /* the one that is run, or that differs */
    socks_record_t records[CONFIGURATIONS];
} trial_t;

static ptk_err run_on_host(void *arg) {
    trial_t *trial = arg;
    return socks_run(&trial->script, NULL, SOCKS_REST_SIMULATED, NULL, &trial->records[trial->configuration]);
}

static void simulate(trial_t *trial) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .flags = PTK_SIM_BENIGN, .platform = platforms[trial->configuration]};
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
static size_t difference(const trial_t *trial, unsigned configuration) {
    size_t i = 0;
    while (i < trial->script.count &&
           strcmp(trial->records[SIMULATED].lines[i], trial->records[configuration].lines[i]) == 0) {
        i++;
    }
    return i;
}

/* Runs the script in one configuration. Returns whether it differs from the first. */
static bool differs_in(trial_t *trial, unsigned configuration) {
    trial->configuration = configuration;
    if (configuration < REAL_EPOLL) {
        simulate(trial);
        return difference(trial, configuration) < trial->script.count;
    }
    for (unsigned i = 0; i < TRIES; i++) {
        CHECK_OK(socks_run(&trial->script, platforms[configuration],
                           i == 0 ? SOCKS_REST_EXPECTED : SOCKS_REST_QUIET, &trial->records[SIMULATED],
                           &trial->records[configuration]));
        if (difference(trial, configuration) == trial->script.count) {
            return false;
        }
    }
    return true;
}

/* Returns whether any configuration differs; the script is cut behind the difference then. */
static bool differs(trial_t *trial) {
    for (unsigned i = 0; i < CONFIGURATIONS; i++) {
        if (differs_in(trial, i)) {
            trial->script.count = difference(trial, i) + 1;
            return true;
        }
    }
    return false;
}

static size_t count_steps(const void *trial) {
    return ((const trial_t *) trial)->script.count;
}

static void drop_step(void *trial, size_t index) {
    socks_script_t *script = &((trial_t *) trial)->script;
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
        socks_print(&trial->script.steps[i], text, sizeof text);
        fprintf(stderr, "%2zu %s\n     simulated:%s\n", i, text, trial->records[SIMULATED].lines[i]);
        if (strcmp(trial->records[SIMULATED].lines[i], trial->records[trial->configuration].lines[i]) != 0) {
            fprintf(stderr, "     %s:%s\n", titles[trial->configuration],
                    trial->records[trial->configuration].lines[i]);
        }
    }
}

TEST(socket_calls_have_the_same_results_on_all_platforms, REAL_LOOPBACK) {
    trial_t *trial = malloc(sizeof *trial);
    CHECK(trial != NULL);
    scripts_range_t range = scripts_range(SCRIPTS);
    unsigned found = 0;
    for (unsigned seed = range.first; seed < range.first + range.count && found < range.enough; seed++) {
        ptk_test_random_t random = {seed};
        socks_generate(&trial->script, &random);
        if (differs(trial)) {
            found++;
            minimise(trial);
            fprintf(stderr, "seed %u:\n", seed);
            print(trial);
        }
    }
    free(trial);
    CHECK_EQ(found, 0);
}
