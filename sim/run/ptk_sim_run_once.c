/* SPDX-License-Identifier: MIT */
/*
 * One world from its creation to its end.
 */
#include "sim/run/ptk_sim_run.h"

#include <string.h>

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
    spec->scenario->run(sim);
    outcome_out->report = ptk_sim_report(sim);
    memcpy(outcome_out->failure, sim->failure, sizeof outcome_out->failure);
    if (spec->on_finish) {
        spec->on_finish(spec->context, sim);
    }
    ptk_sim_destroy(sim);
}
