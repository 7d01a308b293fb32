/* SPDX-License-Identifier: MIT */
/*
 * What to do about a run that fails, or crashes.
 *
 * It is run again with a record of its decisions, in a child; the record is a tape. The tape is shrunk, one
 * child per attempt, and the short one is run once more for its timeline. What is left are three files and
 * one line that says how to see it again. Of a run that hangs there is no tape, and the line is all.
 */
#include "sim/run/ptk_sim_run.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/world/ptk_sim_shrink.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPTS_MAX 50000
#define SHRINK_MS    UINT64_C(60000)

/* A failing run. */
typedef struct case_of {
    const ptk_sim_command_t *command;
    const ptk_sim_scenario_t *scenario;
    uint64_t seed;
    const ptk_sim_window_t *window; /* whose last run failed; NULL: the seed's did */
    char base[128];                 /* of the names of files */
    ptk_sim_recording_t recording;
    uint64_t shrink_until_ms;
} case_t;

/* --- tapes as text and files --- */

static void write_tape(const case_t *of) {
    char path[1024];
    FILE *file = ptk_sim_open_file(of->command, of->base, ".tape", path, sizeof path);
    if (file) {
        ptk_sim_writer_t writer = {ptk_sim_write_to_file, file};
        ptk_sim_tape_write(&of->recording.tape, &writer);
        fclose(file);
        fprintf(stdout, "tape:     %s\n", path);
    }
}

static char *read_file(const char *path, size_t *bytes_out) {
    FILE *file = fopen(path, "r");
    if (!file) {
        return NULL;
    }
    size_t capacity = 1 << 16;
    size_t bytes = 0;
    char *text = malloc(capacity);
    while (text) {
        bytes += fread(text + bytes, 1, capacity - 1 - bytes, file);
        if (bytes < capacity - 1) {
            break;
        }
        capacity *= 2;
        char *grown = realloc(text, capacity);
        if (!grown) {
            free(text);
        }
        text = grown;
    }
    if (text && ferror(file)) {
        free(text);
        text = NULL;
    }
    fclose(file);
    if (text) {
        text[bytes] = '\0';
        *bytes_out = bytes;
    }
    return text;
}

typedef struct text {
    char *bytes;
    size_t count;
} text_t;

static void append(void *context, const char *bytes, size_t count) {
    text_t *text = context;
    text->bytes = ptk_sim_reallocate(text->bytes, text->count + count + 1);
    memcpy(text->bytes + text->count, bytes, count);
    text->count += count;
    text->bytes[text->count] = '\0';
}

/* To be freed. */
static char *text_of(const ptk_sim_tape_t *tape) {
    text_t text = {NULL, 0};
    ptk_sim_writer_t writer = {append, &text};
    ptk_sim_tape_write(tape, &writer);
    return text.bytes;
}

/* --- shrinking --- */

typedef struct attempt {
    const case_t *of;
    const ptk_sim_tape_t *tape;
} attempt_t;

static void try_tape(void *context) {
    const attempt_t *attempt = context;
    const case_t *of = attempt->of;
    ptk_sim_outcome_t outcome;
    ptk_sim_play_t play = {.scenario = of->scenario,
                           .options = ptk_sim_command_options(of->command, of->seed)};
    play.options.tape = text_of(attempt->tape);
    if (!freopen("/dev/null", "w", stderr)) {
        _exit(0);
    }
    ptk_sim_run_once(&play, &outcome);
    bool is_same = outcome.failure[0] != '\0' && strcmp(outcome.failure, of->recording.failure) == 0;
    _exit(is_same ? PTK_SIM_EXIT_FAILURE : 0);
}

/* In the same way: another failure is another story. Of crashes the signal tells. */
static bool still_fails(void *context, const ptk_sim_tape_t *candidate) {
    const case_t *of = context;
    attempt_t attempt = {of, candidate};
    return ptk_sim_in_child(try_tape, &attempt) == of->recording.status;
}

static bool is_time_up(void *context) {
    const case_t *of = context;
    return ptk_sim_real_ms() >= of->shrink_until_ms;
}

static void shrink(case_t *of) {
    ptk_sim_tape_t *tape = &of->recording.tape;
    size_t before = tape->count;
    of->shrink_until_ms = ptk_sim_real_ms() + SHRINK_MS;
    ptk_sim_shrink_t shrink = {
        .still_fails = still_fails, .is_time_up = is_time_up, .context = of, .run_limit = ATTEMPTS_MAX};
    ptk_sim_shrink(&shrink, tape);
    fprintf(stdout, "shrunk:   from %zu decisions to %zu in %" PRIu64 " runs\n", before, tape->count,
            shrink.runs);
}

/* --- what the user sees --- */

static void name_case(case_t *of) {
    if (of->window) {
        snprintf(of->base, sizeof of->base, "%s-%" PRIu64 "-%" PRIu64, of->scenario->name, of->seed,
                 of->window->number);
        fprintf(stdout, "FAILURE in %s, seed %" PRIu64 ", window %" PRIu64 ": ", of->scenario->name, of->seed,
                of->window->number);
    } else if (of->command->input) {
        snprintf(of->base, sizeof of->base, "%s-input", of->scenario->name);
        fprintf(stdout, "%s, decided by %s: ", of->scenario->name, of->command->input);
    } else {
        snprintf(of->base, sizeof of->base, "%s-%" PRIu64, of->scenario->name, of->seed);
        fprintf(stdout, "FAILURE in %s, seed %" PRIu64 ": ", of->scenario->name, of->seed);
    }
}

/* False: it does not fail this time, or hangs. */
static bool record(case_t *of) {
    ptk_sim_window_t window;
    ptk_sim_play_t play = {.scenario = of->scenario,
                           .options = ptk_sim_command_options(of->command, of->seed)};
    if (of->window) {
        window = *of->window;
        ptk_sim_window_repeat(&window);
        play.window = &window;
    }
    bool is_whole = ptk_sim_record(&play, &of->recording);
    int status = of->recording.status;
    bool hangs = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    if (hangs || status == 0) {
        fprintf(stdout, "%s\n", hangs ? "it hangs" : "it does not fail this time");
    } else if (of->recording.failure[0] != '\0') {
        fprintf(stdout, "%s\n", of->recording.failure);
    } else if (WIFSIGNALED(status)) {
        fprintf(stdout, "it crashed: %s\n", strsignal(WTERMSIG(status)));
    } else {
        fprintf(stdout, "it ended the process with %d\n", WEXITSTATUS(status));
    }
    return is_whole && !hangs && status != 0;
}

static void print_replay(const case_t *of, bool has_tape) {
    const ptk_sim_command_t *command = of->command;
    fprintf(stdout, "replay:   %s %s", command->program, of->scenario->name);
    if (of->window && has_tape) {
        fprintf(stdout, " --tape %s/%s.tape", command->out, of->base);
    } else if (of->window) {
        fprintf(stdout, " --exhaustive %u --faults %u --seed %" PRIu64, command->decisions, command->faults,
                of->seed);
    } else if (command->input) {
        fprintf(stdout, " --input %s", command->input);
    } else {
        fprintf(stdout, " --seed %" PRIu64, of->seed);
    }
    fprintf(stdout, "%s%s", command->platform ? " --platform " : "",
            command->platform ? command->platform : "");
    fprintf(stdout, "%s", command->flags & PTK_SIM_NO_FAULTS ? " --no-faults" : "");
    fprintf(stdout, "%s", command->flags & PTK_SIM_EXHAUSTION ? " --exhaustion" : "");
    fprintf(stdout, "%s", command->flags & PTK_SIM_BENIGN ? " --benign" : "");
    if (command->steps) {
        fprintf(stdout, " --steps %" PRIu64, command->steps);
    }
    if (command->pct_changes) {
        fprintf(stdout, " --pct %u", command->pct_changes);
    }
    fprintf(stdout, "  (commit %s)\n", command->commit ? command->commit : "unknown");
}

bool ptk_sim_report_failure(const ptk_sim_command_t *command, const ptk_sim_scenario_t *scenario,
                            uint64_t seed, const ptk_sim_window_t *window) {
    case_t of = {.command = command, .scenario = scenario, .seed = seed, .window = window};
    ptk_sim_tape_init(&of.recording.tape);
    name_case(&of);
    bool recorded = record(&of);
    print_replay(&of, recorded);
    if (recorded) {
        if (command->shrinks) {
            shrink(&of);
        }
        write_tape(&of);
        char *text = text_of(&of.recording.tape);
        (void) ptk_sim_show(command, scenario, seed, text, of.base);
        ptk_sim_free(text);
    }
    ptk_sim_tape_fini(&of.recording.tape);
    return of.recording.status != 0;
}

int ptk_sim_show_seed(const ptk_sim_command_t *command) {
    char base[128];
    snprintf(base, sizeof base, "%s-%" PRIu64, command->chosen[0]->name, command->seed);
    return ptk_sim_show(command, command->chosen[0], command->seed, NULL, base) == 0 ? 0 : 1;
}

int ptk_sim_run_input(ptk_sim_command_t *command) {
    command->input_text = read_file(command->input, &command->input_bytes);
    if (!command->input_text) {
        fprintf(stderr, "%s: %s\n", command->input, strerror(errno));
        return 2;
    }
    bool fails = ptk_sim_report_failure(command, command->chosen[0], command->seed, NULL);
    free(command->input_text);
    return fails;
}

int ptk_sim_replay_file(const ptk_sim_command_t *command) {
    size_t bytes = 0;
    char *text = read_file(command->tape, &bytes);
    ptk_sim_tape_t tape;
    ptk_sim_tape_error_t error = {0, strerror(errno)};
    ptk_sim_tape_init(&tape);
    if (!text || !ptk_sim_tape_parse(&tape, text, bytes, &error)) {
        fprintf(stderr, "%s:%zu: %s\n", command->tape, error.line, error.reason);
        free(text);
        return 2;
    }
    ptk_sim_tape_fini(&tape);
    int status = ptk_sim_show(command, command->chosen[0], command->seed, text, "replay");
    free(text);
    return status == 0 ? 0 : 1;
}
