/* SPDX-License-Identifier: MIT */
/*
 * Running scenarios from a command line (internal): one world, many worlds, and the treatment of one that
 * fails.
 *
 * This folder is part of a program, not of the library: it forks, writes files and reads clocks, and uses the
 * simulator only from outside.
 */
#pragma once

#include "sim/world/ptk_sim_impl.h"
#include <stdio.h>

/* The command line. */
typedef struct ptk_sim_command {
    const ptk_sim_scenario_t *scenarios;
    size_t count;                      /* of those in `chosen` */
    const ptk_sim_scenario_t **chosen; /* the scenarios that were named */
    const char *program;
    const char *platform; /* NULL: the seed chooses */
    const char *commit;   /* for reports; NULL */
    const char *out;      /* folder for the files of a failure */
    const char *tape;     /* a file that is replayed */
    const char *input;    /* a fuzzer's file that decides */
    char *input_text;     /* its content */
    size_t input_bytes;
    uint64_t seed;     /* the first seed */
    uint64_t seeds;    /* how many */
    uint64_t seconds;  /* no world starts later than this; 0: until all are done */
    uint64_t until_ms; /* when those seconds are over, by the machine's clock; 0: never */
    unsigned jobs;
    uint32_t flags; /* PTK_SIM_* */
    uint32_t pct_changes;
    uint64_t steps;     /* the most steps of a world; 0: the default */
    uint32_t decisions; /* more than 0: every window of this many decisions, instead of seeds */
    uint32_t faults;    /* the most faults in a window */
    bool prints_hashes;
    bool runs_twice; /* each world, to compare the hashes */
    bool shrinks;    /* failing runs */
    bool timeline;   /* of a run that does not fail, too */
} ptk_sim_command_t;

/* The result of one world, which outlives the world. */
typedef struct ptk_sim_outcome {
    ptk_sim_report_t report;             /* its `failure` is invalid: that was the world's */
    char failure[PTK_SIM_FAILURE_BYTES]; /* empty: none */
} ptk_sim_outcome_t;

/* What is run: one world. */
typedef struct ptk_sim_run_spec {
    const ptk_sim_scenario_t *scenario;
    ptk_sim_options_t options;
    ptk_sim_window_t *window; /* decides; NULL: the options do */
    /* Callbacks with `context`; each may be NULL. */
    void (*on_create)(void *context, ptk_sim_t *sim);
    /* of each decision that is not benign */
    void (*on_decision)(void *context, const ptk_sim_tape_entry_t *entry);
    void (*on_failure)(void *context, const char *failure); /* the first one, at the time when it happens */
    void (*on_finish)(void *context, ptk_sim_t *sim);       /* before the world is destroyed */
    void *context;
} ptk_sim_run_spec_t;

/* Creates the world, runs the scenario in it, and destroys it. What follows the first failure is bounded in
   real time by SIGALRM: the clean-up of a broken program may not end. */
void ptk_sim_run_once(const ptk_sim_run_spec_t *spec, ptk_sim_outcome_t *outcome_out);

/* Returns the options of one seed of a command. */
ptk_sim_options_t ptk_sim_command_options(const ptk_sim_command_t *command, uint64_t seed);

/* Runs all seeds, or windows, of all chosen scenarios on several processes. Returns 0, or 1 if one failed. */
int ptk_sim_campaign(const ptk_sim_command_t *command);

/* How a run failed when it was run first. */
typedef struct ptk_sim_verdict {
    char failure[PTK_SIM_FAILURE_BYTES]; /* the first failure; empty: none */
    int signal;                          /* that ended the process, after that failure or instead of it; 0 */
} ptk_sim_verdict_t;

/* Handles the failed run of a seed, or of its window: replays it, shrinks it, and writes its files. Returns
   false if it does not fail again. `first` is how it failed before; NULL: it is run for the first time. */
bool ptk_sim_report_failure(const ptk_sim_command_t *command, const ptk_sim_scenario_t *scenario,
                            uint64_t seed, const ptk_sim_window_t *window, const ptk_sim_verdict_t *first);

/* Writes "CHECK", "it crashed: SIGNAL", or "CHECK; then it crashed: SIGNAL". */
void ptk_sim_describe_verdict(const ptk_sim_verdict_t *verdict, char *text_out, size_t bytes);

/* Runs one seed and writes its timeline, also if it does not fail. Returns 0, or 1 if it fails. */
int ptk_sim_show_seed(const ptk_sim_command_t *command);

/* Runs what a fuzzer's file decides, and writes its files. Returns 0, 1 if it fails, 2 if there is no such
   file. */
int ptk_sim_run_input(ptk_sim_command_t *command);

/* Replays a tape's file and writes its timeline. Returns 0, 1 if it fails, 2 if it is not a tape. */
int ptk_sim_replay_file(const ptk_sim_command_t *command);

/* Prints a warning with the names of the functions that the guard does not intercept in this program. */
void ptk_sim_warn_if_unguarded(const char *program);

/* Returns the machine's clock. */
static inline uint64_t ptk_sim_real_ms(void) {
    return ptk_sys_real.now_ns() / 1000000;
}

/* --- children --- */

/* The exit status of a child whose run failed; one that crashed ends by its signal. */
#define PTK_SIM_EXIT_FAILURE 42

/* Runs `body` in a child process, without a core file, and ends it by SIGALRM if it hangs. Returns the wait
   status. */
int ptk_sim_in_child(void (*body)(void *context), void *context);

/* The result of a run in a child. */
typedef struct ptk_sim_recording {
    int status;                          /* as of wait(2); 0: it did not fail */
    char failure[PTK_SIM_FAILURE_BYTES]; /* the first failure, also if it crashed afterwards; empty: none */
    ptk_sim_tape_t tape;                 /* sorted; the caller initialises and frees it */
} ptk_sim_recording_t;

/* Runs a world in a child and records its decisions, up to a crash if there is one. The functions of `spec`
   and `context` are not used. Returns false if there is no record. */
bool ptk_sim_record(const ptk_sim_run_spec_t *spec, ptk_sim_recording_t *recording_out);

/* Runs a world in a child and writes its timelines. `tape` is a text, or NULL: the seed decides. Returns
   the wait status. */
int ptk_sim_show(const ptk_sim_command_t *command, const ptk_sim_scenario_t *scenario, uint64_t seed,
                 const char *tape, const char *base);

/* --- crashes --- */

/* Writes what was executing: 'in green thread "NAME" of host "NAME"'. */
void ptk_sim_describe_place(char *text_out, size_t bytes);

/* Prints the backtrace of the code that a signal has interrupted to standard output. From its handler. */
void ptk_sim_print_backtrace(void);

/* --- files --- */

/* Opens a file in the command's folder. NULL: the reason has been printed. */
FILE *ptk_sim_open_file(const ptk_sim_command_t *command, const char *base, const char *ending, char *path,
                        size_t path_bytes);

/* The function of a writer whose context is a FILE. */
void ptk_sim_write_to_file(void *context, const char *text, size_t bytes);
