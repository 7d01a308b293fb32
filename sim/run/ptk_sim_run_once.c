/* SPDX-License-Identifier: MIT */
/*
 * One world from its creation to its end.
 */
#include "sim/run/ptk_sim_run.h"

#include <string.h>
#include <unistd.h>

#define UNWIND_SECONDS 5 /* of real time, for what follows the first failure */

ptk_sim_options_t ptk_sim_command_options(const ptk_sim_command_t *command, uint64_t seed) {
    return (ptk_sim_options_t) {.struct_size = sizeof(ptk_sim_options_t),
                                .flags = command->flags,
                                .seed = seed,
                                .platform = command->platform,
                                .input = (const uint8_t *) command->input_text,
                                .input_bytes = command->input_bytes,
                                .pct_changes = command->pct_changes,
                                .step_limit = command->steps};
}

/* A run that is under way. */
typedef struct run {
    const ptk_sim_run_spec_t *spec;
    unsigned seconds_left; /* until the alarm that was set before; 0: there was none */
} run_t;

/* The world's `on_failure`: hands the failure on and limits what follows. */
static void run_on_failure(void *context, const char *failure) {
    run_t *run = context;
    if (run->spec->on_failure) {
        run->spec->on_failure(run->spec->context, failure);
    }
    run->seconds_left = alarm(UNWIND_SECONDS);
}

/* Runs the scenario. Hosts that it leaves running are stopped here and not by the end of the world, since
   they may fail. */
static void run_scenario(run_t *run, ptk_sim_t *sim) {
    sim->on_failure = run_on_failure;
    sim->on_failure_context = run;
    run->spec->scenario->run(sim);
    ptk_sim_stop_hosts(sim);
    if (sim->failure[0] != '\0') {
        (void) alarm(run->seconds_left);
    }
}

/* The failure is copied out, since the text is the world's. */
void ptk_sim_run_once(const ptk_sim_run_spec_t *spec, ptk_sim_outcome_t *outcome_out) {
    *outcome_out =
        (ptk_sim_outcome_t) {.failure = "the world cannot be made: an option or the tape is wrong"};
    ptk_sim_t *sim = ptk_sim_create(&spec->options);
    if (!sim) {
        return;
    }
    if (spec->window) {
        ptk_sim_oracle_use_window(&sim->oracle, spec->window);
    }
    if (spec->on_decision) {
        ptk_sim_oracle_set_observer(&sim->oracle, spec->on_decision, spec->context);
    }
    if (spec->on_create) {
        spec->on_create(spec->context, sim);
    }
    run_scenario(&(run_t) {.spec = spec}, sim);
    outcome_out->report = ptk_sim_report(sim);
    memcpy(outcome_out->failure, sim->failure, sizeof outcome_out->failure);
    if (spec->on_finish) {
        spec->on_finish(spec->context, sim);
    }
    ptk_sim_destroy(sim);
}
