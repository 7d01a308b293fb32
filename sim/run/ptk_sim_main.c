/* SPDX-License-Identifier: MIT */
/*
 * The command line of a program of scenarios.
 */
#include "sim/run/ptk_sim_run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void print_usage(FILE *file, const char *program) {
    fprintf(
        file,
        "usage: %s [options] --all | NAME...\n"
        "\n"
        "  --list           print the scenarios\n"
        "  --seeds N        N seeds of each scenario (default 1000, with --seed 1)\n"
        "  --seed S         start with this seed; without it the first one is drawn and printed\n"
        "  --seconds N      start no world after N seconds of real time\n"
        "  --steps N        at most N steps per world (default 10 million)\n"
        "  --jobs N         processes (default 2)\n"
        "  --platform NAME  sim, epoll or poll; without it each seed chooses\n"
        "  --no-faults      only latencies, schedules and the like vary\n"
        "  --benign         nothing varies\n"
        "  --exhaustion     allocations and descriptors may be refused\n"
        "  --pct N          schedules by priorities with N changes\n"
        "  --exhaustive N   instead of seeds, every run whose decisions that are not benign lie within N\n"
        "                   consecutive ones\n"
        "  --faults N       with --exhaustive: at most N faults among them (default 2)\n"
        "  --tape FILE      replay a tape instead of a seed\n"
        "  --input FILE     let a fuzzer's file decide\n"
        "  --timeline       run one seed and write its timeline, also if it does not fail\n"
        "  --hash           print each seed's hash\n"
        "  --twice          run each seed twice and compare\n"
        "  --no-shrink      do not shrink a failing run\n"
        "  --out FOLDER     where tapes and timelines go (default .)\n"
        "  --commit TEXT    what was built, for the report\n",
        program);
}

/* Reads a number without a sign, decimal or with 0x. Returns false if the text is anything else. */
static bool read_number(const char *text, uint64_t *number_out) {
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-') {
        return false;
    }
    *number_out = number;
    return true;
}

/* Returns a scenario by its name, or NULL. */
static const ptk_sim_scenario_t *find_scenario(const ptk_sim_command_t *command, size_t all,
                                               const char *name) {
    for (size_t i = 0; i < all; i++) {
        if (strcmp(command->scenarios[i].name, name) == 0) {
            return &command->scenarios[i];
        }
    }
    return NULL;
}

static void choose_all(ptk_sim_command_t *command, size_t all) {
    for (size_t i = 0; i < all; i++) {
        command->chosen[i] = &command->scenarios[i];
    }
    command->count = all;
}

/* Handles options without a value. Returns false if it is not one of them. */
static bool take_flag(ptk_sim_command_t *command, const char *argument) {
    static const struct {
        const char *argument;
        uint32_t flag;
    } flags[] = {{"--no-faults", PTK_SIM_NO_FAULTS},
                 {"--benign", PTK_SIM_BENIGN},
                 {"--exhaustion", PTK_SIM_EXHAUSTION}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (strcmp(argument, flags[i].argument) == 0) {
            command->flags |= flags[i].flag;
            return true;
        }
    }
    bool *switches[] = {&command->prints_hashes, &command->runs_twice, &command->timeline};
    const char *const names[] = {"--hash", "--twice", "--timeline"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(argument, names[i]) == 0) {
            *switches[i] = true;
            return true;
        }
    }
    if (strcmp(argument, "--no-shrink") == 0) {
        command->shrinks = false;
        return true;
    }
    return false;
}

/* Options whose absence has a meaning. */
typedef struct given_options {
    bool seed;  /* --seed */
    bool seeds; /* --seeds */
} given_options_t;

/* Handles options with a value. Returns 1, 0 if it is not one of them, or -1 if the value is wrong. */
static int take_value(ptk_sim_command_t *command, given_options_t *given_options, const char *argument,
                      const char *value) {
    uint64_t number = 0;
    const char **texts[] = {&command->platform, &command->tape, &command->input, &command->out,
                            &command->commit};
    const char *const names[] = {"--platform", "--tape", "--input", "--out", "--commit"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(argument, names[i]) == 0) {
            *texts[i] = value;
            return value ? 1 : -1;
        }
    }
    bool is_number = value && read_number(value, &number);
    if (strcmp(argument, "--seed") == 0) {
        command->seed = number;
        given_options->seed = true;
    } else if (strcmp(argument, "--seeds") == 0) {
        command->seeds = number;
        given_options->seeds = true;
    } else if (strcmp(argument, "--steps") == 0) {
        command->steps = number;
    } else if (strcmp(argument, "--seconds") == 0) {
        command->seconds = number;
    } else if (strcmp(argument, "--jobs") == 0) {
        is_number = is_number && number > 0 && number <= 64;
        command->jobs = (unsigned) number;
    } else if (strcmp(argument, "--exhaustive") == 0) {
        is_number = is_number && number > 0 && number <= PTK_CHOICE_TREE_DEPTH_MAX;
        command->decisions = (uint32_t) number;
    } else if (strcmp(argument, "--faults") == 0) {
        is_number = is_number && number <= UINT32_MAX;
        command->faults = (uint32_t) number;
    } else if (strcmp(argument, "--pct") == 0) {
        is_number = is_number && number <= PTK_SIM_CHANGES_MAX;
        command->pct_changes = (uint32_t) number;
    } else {
        return 0;
    }
    return is_number ? 1 : -1;
}

/* Draws the first seed if none was given: one that has not been tried, small enough to be typed. */
static void draw_seeds(ptk_sim_command_t *command, const given_options_t *given_options) {
    if (!given_options->seed) {
        uint64_t random = 0;
        (void) ptk_sys_real.random_bytes(&random, sizeof random);
        command->seed = random % UINT64_C(1000000000000);
    }
    if (!given_options->seeds) {
        command->seeds = given_options->seed ? 1 : 1000;
    }
}

/* Reads all arguments. Returns 0 to continue, or the exit status. */
static int read_arguments(ptk_sim_command_t *command, int argc, char **argv, size_t all) {
    given_options_t given_options = {false, false};
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        const ptk_sim_scenario_t *scenario = find_scenario(command, all, argument);
        if (strcmp(argument, "--all") == 0) {
            choose_all(command, all);
        } else if (scenario && command->count < all) {
            command->chosen[command->count++] = scenario;
        } else if (!take_flag(command, argument)) {
            int taken = take_value(command, &given_options, argument, i + 1 < argc ? argv[i + 1] : NULL);
            if (taken <= 0) {
                fprintf(stderr, "%s: %s: %s\n", command->program, argument,
                        taken < 0 ? "its value is missing or wrong" : "no such option or scenario");
                return 2;
            }
            i++;
        }
    }
    draw_seeds(command, &given_options);
    return 0;
}

static int list_scenarios(const ptk_sim_scenario_t *scenarios, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fprintf(stdout, "%-16s %s\n", scenarios[i].name, scenarios[i].what);
    }
    return 0;
}

/* Runs one scenario after the other: each has as many windows as its runs are long. */
static int run_windows(const ptk_sim_command_t *command) {
    int status = 0;
    for (size_t i = 0; i < command->count && status == 0; i++) {
        ptk_sim_command_t one = *command;
        one.chosen = &command->chosen[i];
        one.count = 1;
        one.seeds = UINT64_MAX;
        status = ptk_sim_campaign(&one);
    }
    return status;
}

/* Checks that the options name one source of decisions, and one scenario where only one is possible. */
static bool fits_together(const ptk_sim_command_t *command) {
    int deciders = (command->tape != NULL) + (command->input != NULL) + (command->decisions > 0);
    bool is_one_run = command->tape || command->input || command->timeline;
    if (deciders > 1 || (deciders == 1 && command->flags & PTK_SIM_BENIGN)) {
        fprintf(stderr, "%s: one of --tape, --input, --exhaustive and --benign decides\n", command->program);
        return false;
    }
    if (is_one_run &&
        (command->count > 1 || command->decisions > 0 || (command->input && command->timeline))) {
        fprintf(stderr, "%s: --tape, --input and --timeline are one run of one scenario\n", command->program);
        return false;
    }
    return true;
}

static int run_command(ptk_sim_command_t *command) {
    if (command->count == 0) {
        print_usage(stderr, command->program);
        return 2;
    }
    if (!fits_together(command)) {
        return 2;
    }
    ptk_sim_warn_if_unguarded(command->program);
    if (command->seconds) {
        command->until_ms = ptk_sim_real_ms() + command->seconds * 1000;
    }
    if (command->tape) {
        return ptk_sim_replay_file(command);
    }
    if (command->input) {
        return ptk_sim_run_input(command);
    }
    if (command->timeline) {
        return ptk_sim_show_seed(command);
    }
    return command->decisions > 0 ? run_windows(command) : ptk_sim_campaign(command);
}

int ptk_sim_main(int argc, char **argv, const ptk_sim_scenario_t *scenarios, size_t count) {
    ptk_sim_command_t command = {
        .scenarios = scenarios, .program = argv[0], .out = ".", .jobs = 2, .faults = 2, .shrinks = true};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_usage(stdout, argv[0]);
            return 0;
        }
        if (strcmp(argv[i], "--list") == 0) {
            return list_scenarios(scenarios, count);
        }
    }
    command.chosen = calloc(count, sizeof(*command.chosen));
    if (!command.chosen) {
        return 2;
    }
    int status = read_arguments(&command, argc, argv, count);
    if (status == 0) {
        status = run_command(&command);
    }
    free(command.chosen);
    return status;
}
