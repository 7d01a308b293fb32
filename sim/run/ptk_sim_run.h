/* SPDX-License-Identifier: MIT */
/*
 * Running scenarios from a command line (internal): one world, many worlds, and what to do about one that
 * fails.
 *
 * This folder is a program's part, not the library's: it forks, writes files and reads clocks, and knows the
 * simulator only from above.
 */
#pragma once

#include "sim/world/ptk_sim_impl.h"
#include <stdio.h>

typedef struct ptk_sim_command {
    const ptk_sim_scenario_t *scenarios;
    size_t count; /* of those that were chosen, in `chosen` */
    const ptk_sim_scenario_t **chosen;
    const char *program;
    const char *platform; /* NULL: the seed chooses */
    const char *commit;   /* for reports; NULL */
    const char *out;      /* folder for what a failure leaves */
    const char *tape;     /* a file to replay */
    const char *input;    /* a fuzzer's file to decide */
    char *input_text;     /* what is in it */
    size_t input_bytes;
    uint64_t seed;
    uint64_t seeds;
    uint64_t seconds;  /* 0: until all are done */
    uint64_t until_ms; /* of the machine's clock: when those seconds are over; 0: never */
    unsigned jobs;
    uint32_t flags; /* PTK_SIM_* */
    uint32_t pct_changes;
    uint64_t steps;     /* the most of a world; 0: the usual */
    uint32_t decisions; /* more than 0: every window of so many, instead of seeds */
    uint32_t faults;    /* the most in a window */
    bool prints_hashes;
    bool runs_twice;
    bool shrinks;
    bool timeline; /* of a run that does not fail, too */
} ptk_sim_command_t;

/* What one world came to, apart from the world. */
typedef struct ptk_sim_outcome {
    ptk_sim_report_t report;             /* its `failure` went with the world */
    char failure[PTK_SIM_FAILURE_BYTES]; /* empty: none */
} ptk_sim_outcome_t;

/* One world to be run. */
typedef struct ptk_sim_run_spec {
    const ptk_sim_scenario_t *scenario;
    ptk_sim_options_t options;
    ptk_sim_window_t *window; /* that decides; NULL: what the options say */
    /* Each may be NULL, and gets the context: */
    void (*on_create)(void *context, ptk_sim_t *sim);
    void (*on_decision)(void *context, const ptk_sim_tape_entry_t *entry); /* other than what is benign */
    void (*on_finish)(void *context, ptk_sim_t *sim);                       /* before it is gone */
    void *context;
} ptk_sim_run_spec_t;

/* Make the world, let the scenario run in it, look at it, end it. */
void ptk_sim_run_once(const ptk_sim_run_spec_t *spec, ptk_sim_outcome_t *outcome_out);

/* The options of one seed of a command. */
ptk_sim_options_t ptk_sim_command_options(const ptk_sim_command_t *command, uint64_t seed);

/* All seeds, or windows, of all chosen scenarios on several processes; 0, or 1 if one failed. */
int ptk_sim_campaign(const ptk_sim_command_t *command);

/* A run of a seed, or of its window, has failed: replay it, shrink it, write what there is to write. False:
   it does not fail now. */
bool ptk_sim_report_failure(const ptk_sim_command_t *command, const ptk_sim_scenario_t *scenario,
                            uint64_t seed, const ptk_sim_window_t *window);

/* Run one seed and write its timeline, whatever it comes to; 0, or 1 if it fails. */
int ptk_sim_show_seed(const ptk_sim_command_t *command);

/* The one run that a fuzzer's file decides, and what there is to write of it; 0, or 1 if it fails, 2 if there
   is no such file. */
int ptk_sim_run_input(ptk_sim_command_t *command);

/* Replay a tape's file and show what it does; 0, or 1 if it fails, 2 if it is no tape. */
int ptk_sim_replay_file(const ptk_sim_command_t *command);

/* What the machine's clock says. */
static inline uint64_t ptk_sim_real_ms(void) {
    return ptk_sys_real.now_ns() / 1000000;
}

/* --- children --- */

/* The exit status of a run that failed; one that crashed ends by its signal. */
#define PTK_SIM_EXIT_FAILURE 42

/* Run `body` in a child, without a core file and not for ever (SIGALRM); its wait status. */
int ptk_sim_in_child(void (*body)(void *context), void *context);

/* What a run in a child came to. */
typedef struct ptk_sim_recording {
    int status;                          /* as of wait; 0: it did not fail */
    char failure[PTK_SIM_FAILURE_BYTES]; /* empty: none, or it crashed */
    ptk_sim_tape_t tape;                 /* sorted; the caller's to init and fini */
} ptk_sim_recording_t;

/* Run it in a child and record its decisions, up to a crash if there is one. `begin`, `look` and `context`
   are not used. False: there is no record. */
bool ptk_sim_record(const ptk_sim_run_spec_t *spec, ptk_sim_recording_t *recording_out);

/* Run it in a child and write its timelines. The tape is a text, or NULL: the seed decides. Its wait status.
 */
int ptk_sim_show(const ptk_sim_command_t *command, const ptk_sim_scenario_t *scenario, uint64_t seed,
                 const char *tape, const char *base);

/* --- files --- */

/* A file of the command's folder; NULL: told why. */
FILE *ptk_sim_open_file(const ptk_sim_command_t *command, const char *base, const char *ending, char *path,
                        size_t path_bytes);

/* A writer's: the context is the FILE. */
void ptk_sim_write_to_file(void *context, const char *text, size_t bytes);
