/* SPDX-License-Identifier: MIT */
/*
 * The treatment of a run that fails or crashes.
 *
 * It is run again with a record of its decisions, in a child; the record is a tape. The tape is shrunk, one
 * child per attempt, and the short one is run once more for its timeline. The results are three files and one
 * line with the command that replays it. A run that hangs without a failure has no tape, and the line is all.
 *
 * The first failure wins: a run that fails a check and then crashes or hangs while it cleans up has failed
 * for that check. The crash is named beside it.
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

#define ATTEMPTS_MAX   50000 /* runs while shrinking */
#define SHRINK_TIME_MS UINT64_C(60000)

/* A failing run. */
typedef struct failure {
    const ptk_sim_command_t *command;
    const ptk_sim_scenario_t *scenario;
    uint64_t seed;
    const ptk_sim_window_t *window; /* its last run failed; NULL: the seed's did */
    char base[128];                 /* of the names of files */
    ptk_sim_recording_t recording;
    uint64_t shrink_until_ms; /* by the machine's clock */
} failure_t;

/* --- tapes as text and files --- */

/* Writes the tape's file. */
static void failure_write_tape(const failure_t *failure) {
    char path[1024];
    FILE *file = ptk_sim_open_file(failure->command, failure->base, ".tape", path, sizeof path);
    if (file) {
        ptk_sim_writer_t writer = {ptk_sim_write_to_file, file};
        ptk_sim_tape_write(&failure->recording.tape, &writer);
        fclose(file);
        fprintf(stdout, "tape:     %s\n", path);
    }
}

/* Returns the content of a file with a zero behind it, or NULL. The caller frees it. */
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

/* A text that grows. */
typedef struct text {
    char *bytes; /* with a zero behind them */
    size_t count;
} text_t;

/* The function of a writer whose context is a text_t. */
static void text_append(void *context, const char *bytes, size_t count) {
    text_t *text = context;
    text->bytes = ptk_sim_reallocate(text->bytes, text->count + count + 1);
    memcpy(text->bytes + text->count, bytes, count);
    text->count += count;
    text->bytes[text->count] = '\0';
}

/* Returns a tape as text, which the caller frees. */
static char *tape_to_text(const ptk_sim_tape_t *tape) {
    text_t text = {NULL, 0};
    ptk_sim_writer_t writer = {text_append, &text};
    ptk_sim_tape_write(tape, &writer);
    return text.bytes;
}

/* --- shrinking --- */

/* The arguments of a child that tries a tape. */
typedef struct attempt {
    const failure_t *failure;
    const ptk_sim_tape_t *tape;
} attempt_t;

/* Ends the child with its verdict at the first failure: what follows does not matter, and may crash. Another
   failure is not the same failure. */
static void attempt_end(void *context, const char *text) {
    const attempt_t *attempt = context;
    bool is_same = strcmp(text, attempt->failure->recording.failure) == 0;
    _exit(is_same ? PTK_SIM_EXIT_FAILURE : 0);
}

/* The body of the child: exits with PTK_SIM_EXIT_FAILURE if the tape fails in the same way. */
static void failure_try_tape(void *context) {
    const attempt_t *attempt = context;
    const failure_t *failure = attempt->failure;
    ptk_sim_outcome_t outcome;
    ptk_sim_run_spec_t spec = {.scenario = failure->scenario,
                               .options = ptk_sim_command_options(failure->command, failure->seed),
                               .on_failure = attempt_end,
                               .context = context};
    spec.options.tape = tape_to_text(attempt->tape);
    if (!freopen("/dev/null", "w", stderr)) {
        _exit(0);
    }
    ptk_sim_run_once(&spec, &outcome);
    _exit(0);
}

/* A run that failed before it crashed or hung must fail so again; of one that only crashed, the signal is
   compared. */
static bool failure_still_fails(void *context, const ptk_sim_tape_t *candidate) {
    const failure_t *failure = context;
    attempt_t attempt = {failure, candidate};
    int status = ptk_sim_in_child(failure_try_tape, &attempt);
    if (failure->recording.failure[0] != '\0') {
        return WIFEXITED(status) && WEXITSTATUS(status) == PTK_SIM_EXIT_FAILURE;
    }
    return status == failure->recording.status;
}

/* Returns whether the time for shrinking is over. */
static bool shrink_is_time_up(void *context) {
    const failure_t *failure = context;
    return ptk_sim_real_ms() >= failure->shrink_until_ms;
}

/* Shrinks the recorded tape, within a limit of runs and of time. Each attempt is a child process, since it
   may crash. */
static void failure_shrink(failure_t *failure) {
    ptk_sim_tape_t *tape = &failure->recording.tape;
    size_t before = tape->count;
    failure->shrink_until_ms = ptk_sim_real_ms() + SHRINK_TIME_MS;
    ptk_sim_shrink_t shrink = {.still_fails = failure_still_fails,
                               .is_time_up = shrink_is_time_up,
                               .context = failure,
                               .run_limit = ATTEMPTS_MAX};
    ptk_sim_shrink(&shrink, tape);
    fprintf(stdout, "shrunk:   from %zu decisions to %zu in %" PRIu64 " runs\n", before, tape->count,
            shrink.runs);
}

/* --- output --- */

/* Prints what failed, and derives the names of its files. */
static void failure_print_name(failure_t *failure) {
    if (failure->window) {
        snprintf(failure->base, sizeof failure->base, "%s-%" PRIu64 "-%" PRIu64, failure->scenario->name,
                 failure->seed, failure->window->number);
        fprintf(stdout, "FAILURE in %s, seed %" PRIu64 ", window %" PRIu64 ": ", failure->scenario->name,
                failure->seed, failure->window->number);
    } else if (failure->command->input) {
        snprintf(failure->base, sizeof failure->base, "%s-input", failure->scenario->name);
        fprintf(stdout, "%s, decided by %s: ", failure->scenario->name, failure->command->input);
    } else {
        snprintf(failure->base, sizeof failure->base, "%s-%" PRIu64, failure->scenario->name, failure->seed);
        fprintf(stdout, "FAILURE in %s, seed %" PRIu64 ": ", failure->scenario->name, failure->seed);
    }
}

/* Prints how a run failed that does not fail again: the first verdict is all that is left of it. NULL: it was
   not run before. */
static void failure_print_lost(const ptk_sim_verdict_t *first) {
    char text[PTK_SIM_FAILURE_BYTES + 64];
    if (!first) {
        fprintf(stdout, "it does not fail\n");
        return;
    }
    ptk_sim_describe_verdict(first, text, sizeof text);
    fprintf(stdout,
            "%s; it does not fail this time\n"
            "          the program reads something that is not simulated: --twice shows which seeds do\n",
            text[0] != '\0' ? text : "it ended the process");
}

/* Prints how the recorded run failed. */
static void failure_print_verdict(const failure_t *failure) {
    int status = failure->recording.status;
    char text[PTK_SIM_FAILURE_BYTES + 64];
    ptk_sim_verdict_t verdict = {.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
    memcpy(verdict.failure, failure->recording.failure, sizeof verdict.failure);
    ptk_sim_describe_verdict(&verdict, text, sizeof text);
    if (text[0] != '\0') {
        fprintf(stdout, "%s\n", text);
    } else {
        fprintf(stdout, "it ended the process with %d\n", WEXITSTATUS(status));
    }
}

/* Runs it again and records its decisions. Returns false if it does not fail this time, or hangs without a
   failure. */
static bool failure_record(failure_t *failure, const ptk_sim_verdict_t *first) {
    ptk_sim_window_t window;
    ptk_sim_run_spec_t spec = {.scenario = failure->scenario,
                               .options = ptk_sim_command_options(failure->command, failure->seed)};
    if (failure->window) {
        window = *failure->window;
        ptk_sim_window_repeat(&window);
        spec.window = &window;
    }
    bool is_whole = ptk_sim_record(&spec, &failure->recording);
    int status = failure->recording.status;
    bool hangs = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM && failure->recording.failure[0] == '\0';
    if (status == 0) {
        failure_print_lost(first);
    } else {
        failure_print_verdict(failure);
    }
    return is_whole && !hangs && status != 0;
}

/* Prints the command that replays the failure. */
static void failure_print_replay(const failure_t *failure, bool has_tape) {
    const ptk_sim_command_t *command = failure->command;
    fprintf(stdout, "replay:   %s %s", command->program, failure->scenario->name);
    if (failure->window && has_tape) {
        fprintf(stdout, " --tape %s/%s.tape", command->out, failure->base);
    } else if (failure->window) {
        fprintf(stdout, " --exhaustive %u --faults %u --seed %" PRIu64, command->decisions, command->faults,
                failure->seed);
    } else if (command->input) {
        fprintf(stdout, " --input %s", command->input);
    } else {
        fprintf(stdout, " --seed %" PRIu64, failure->seed);
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

/* The command to replay is printed before shrinking, which may take a minute. */
bool ptk_sim_report_failure(const ptk_sim_command_t *command, const ptk_sim_scenario_t *scenario,
                            uint64_t seed, const ptk_sim_window_t *window, const ptk_sim_verdict_t *first) {
    failure_t failure = {.command = command, .scenario = scenario, .seed = seed, .window = window};
    ptk_sim_tape_init(&failure.recording.tape);
    failure_print_name(&failure);
    bool recorded = failure_record(&failure, first);
    failure_print_replay(&failure, recorded);
    if (recorded) {
        if (command->shrinks) {
            failure_shrink(&failure);
        }
        failure_write_tape(&failure);
        char *text = tape_to_text(&failure.recording.tape);
        (void) ptk_sim_show(command, scenario, seed, text, failure.base);
        ptk_sim_free(text);
    }
    ptk_sim_tape_fini(&failure.recording.tape);
    return failure.recording.status != 0;
}

int ptk_sim_show_seed(const ptk_sim_command_t *command) {
    char base[128]; /* of the names of files */
    snprintf(base, sizeof base, "%s-%" PRIu64, command->chosen[0]->name, command->seed);
    return ptk_sim_show(command, command->chosen[0], command->seed, NULL, base) == 0 ? 0 : 1;
}

int ptk_sim_run_input(ptk_sim_command_t *command) {
    command->input_text = read_file(command->input, &command->input_bytes);
    if (!command->input_text) {
        fprintf(stderr, "%s: %s\n", command->input, strerror(errno));
        return 2;
    }
    bool fails = ptk_sim_report_failure(command, command->chosen[0], command->seed, NULL, NULL);
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
