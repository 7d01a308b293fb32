/* SPDX-License-Identifier: MIT */
/*
 * What to do about a run that fails.
 *
 * It is run again with a record of its decisions, in a child, because it may crash; the record is a tape. The
 * tape is shrunk, one child per attempt, and the short one is run once more for its timeline. What is left
 * are three files and one line that says how to see it again. Of a run that crashes there is no tape, and the
 * line with its seed is all.
 */
#include "sim/run/ptk_sim_run.h"
#include "sim/net/ptk_sim_memory.h"
#include "sim/ptk_sim_shrink.h"
#include "sim/ptk_sim_timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPTS_MAX    50000
#define SHRINK_MS       UINT64_C(60000)
#define ATTEMPT_SECONDS 60

/* --- files --- */

static void write_to_file(void *context, const char *text, size_t bytes) {
    (void) fwrite(text, 1, bytes, context);
}

static FILE *open_file(const ptk_sim_command_t *command, const char *base, const char *ending, char *path,
                       size_t path_bytes) {
    snprintf(path, path_bytes, "%s/%s%s", command->out, base, ending);
    FILE *file = fopen(path, "w");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    return file;
}

static void write_tape(const ptk_sim_command_t *command, const ptk_sim_tape_t *tape, const char *base) {
    char path[1024];
    FILE *file = open_file(command, base, ".tape", path, sizeof path);
    if (file) {
        ptk_sim_writer_t writer = {write_to_file, file};
        ptk_sim_tape_write(tape, &writer);
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
    fclose(file);
    if (text) {
        text[bytes] = '\0';
        *bytes_out = bytes;
    }
    return text;
}

/* A tape as text, to be freed. */
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

static char *text_of(const ptk_sim_tape_t *tape) {
    text_t text = {NULL, 0};
    ptk_sim_writer_t writer = {append, &text};
    ptk_sim_tape_write(tape, &writer);
    return text.bytes;
}

/* --- children --- */

typedef struct case_of {
    const ptk_sim_command_t *command;
    const ptk_sim_scenario_t *scenario;
    uint64_t seed;
    const ptk_sim_window_t *window;      /* whose last run failed; NULL: the seed's did */
    char base[128];                      /* of the names of files */
    char failure[PTK_SIM_FAILURE_BYTES]; /* the one that is meant */
    uint64_t shrink_until_ms;
} case_t;

/* Run `body` in a child; its wait status. */
static int in_child(void (*body)(void *context), void *context) {
    int status = -1;
    fflush(stdout);
    fflush(stderr);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(ATTEMPT_SECONDS);
        body(context);
        fflush(stdout);
        _exit(0);
    }
    if (pid > 0) {
        waitpid(pid, &status, 0);
    }
    return status;
}

typedef struct attempt {
    const case_t *of;
    const ptk_sim_tape_t *tape;
} attempt_t;

static void try_tape(void *context) {
    const attempt_t *attempt = context;
    ptk_sim_outcome_t outcome;
    ptk_sim_play_t play = {.scenario = attempt->of->scenario,
                           .options = ptk_sim_command_options(attempt->of->command, attempt->of->seed)};
    play.options.tape = text_of(attempt->tape);
    if (!freopen("/dev/null", "w", stderr)) {
        _exit(3);
    }
    ptk_sim_run_once(&play, &outcome);
    _exit(strcmp(outcome.failure, attempt->of->failure) == 0);
}

static uint64_t real_ms(void) {
    return ptk_sys_real.now_ns() / 1000000;
}

/* In the same way: another failure is another story. */
static bool still_fails(void *context, const ptk_sim_tape_t *candidate) {
    const case_t *of = context;
    attempt_t attempt = {of, candidate};
    if (real_ms() >= of->shrink_until_ms) {
        return false;
    }
    int status = in_child(try_tape, &attempt);
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* --- the tape of a seed --- */

static void keep_tape(void *context, ptk_sim_t *sim) {
    ptk_sim_tape_copy(context, &sim->oracle.recorded);
}

typedef struct recording {
    const case_t *of;
    FILE *file; /* gets the failure, and a tape */
} recording_t;

static void record(void *context) {
    const recording_t *recording = context;
    ptk_sim_tape_t tape;
    ptk_sim_outcome_t outcome;
    ptk_sim_window_t window;
    ptk_sim_play_t play = {.scenario = recording->of->scenario,
                           .options = ptk_sim_command_options(recording->of->command, recording->of->seed),
                           .look = keep_tape,
                           .context = &tape};
    if (recording->of->window) {
        window = *recording->of->window;
        ptk_sim_window_repeat(&window);
        play.window = &window;
    }
    ptk_sim_tape_init(&tape);
    ptk_sim_run_once(&play, &outcome);
    if (outcome.failure[0] == '\0') {
        fprintf(stdout, "it does not fail this time\n");
        return;
    }
    fprintf(stdout, "%s\n", outcome.failure);
    ptk_sim_tape_sort(&tape);
    ptk_sim_writer_t writer = {write_to_file, recording->file};
    (void) fwrite(outcome.failure, 1, sizeof outcome.failure, recording->file);
    ptk_sim_tape_write(&tape, &writer);
    fflush(recording->file);
}

static bool parse_stream(FILE *file, char *failure_out, ptk_sim_tape_t *tape) {
    ptk_sim_tape_error_t error;
    text_t text = {NULL, 0};
    char piece[2048];
    size_t count;
    rewind(file);
    if (fread(failure_out, 1, PTK_SIM_FAILURE_BYTES, file) != PTK_SIM_FAILURE_BYTES) {
        return false;
    }
    while ((count = fread(piece, 1, sizeof piece, file)) > 0) {
        append(&text, piece, count);
    }
    bool parsed = text.bytes && ptk_sim_tape_parse(tape, text.bytes, text.count, &error);
    ptk_sim_release(text.bytes);
    return parsed;
}

/* The tape of the failing run, through a file, because the run is in a child. False: it crashed, or did not
 * fail. */
static bool record_in_child(case_t *of, ptk_sim_tape_t *tape) {
    FILE *file = tmpfile();
    if (!file) {
        perror("tmpfile");
        return false;
    }
    recording_t recording = {of, file};
    int status = in_child(record, &recording);
    if (WIFSIGNALED(status)) {
        fprintf(stdout, "%s\n", WTERMSIG(status) == SIGALRM ? "it hangs" : strsignal(WTERMSIG(status)));
    }
    bool parsed = parse_stream(file, of->failure, tape);
    fclose(file);
    return parsed;
}

/* --- timelines --- */

void ptk_sim_write_timelines(const ptk_sim_command_t *command, ptk_sim_t *sim, const char *base) {
    const char *names[256];
    char path[1024];
    uint32_t count = sim->host_count < 256 ? sim->host_count : 256;
    for (uint32_t i = 0; i < count; i++) {
        names[i] = sim->hosts[i]->name;
    }
    ptk_sim_timeline_t timeline = {.trace = &sim->net.trace,
                                   .hosts = names,
                                   .host_count = count,
                                   .labels = sim->labels,
                                   .label_count = sim->label_count,
                                   .title = base,
                                   .failure = sim->failure[0] != '\0' ? sim->failure : NULL};
    FILE *file = open_file(command, base, ".txt", path, sizeof path);
    if (file) {
        ptk_sim_timeline_text(&timeline, &(ptk_sim_writer_t) {write_to_file, file});
        fclose(file);
        fprintf(stdout, "timeline: %s\n", path);
    }
    file = open_file(command, base, ".html", path, sizeof path);
    if (file) {
        ptk_sim_timeline_html(&timeline, &(ptk_sim_writer_t) {write_to_file, file});
        fclose(file);
        fprintf(stdout, "timeline: %s\n", path);
    }
}

typedef struct showing {
    const ptk_sim_command_t *command;
    ptk_sim_play_t play;
    const char *base;
} showing_t;

static void look(void *context, ptk_sim_t *sim) {
    const showing_t *showing = context;
    ptk_sim_write_timelines(showing->command, sim, showing->base);
}

static void show(void *context) {
    showing_t *showing = context;
    ptk_sim_outcome_t outcome;
    showing->play.options.flags |= PTK_SIM_KEEP_TRACE;
    showing->play.look = look;
    showing->play.context = showing;
    ptk_sim_run_once(&showing->play, &outcome);
    fprintf(stdout, "%s after %" PRIu64 " events, %" PRIu64 " ms of virtual time\n",
            outcome.failure[0] != '\0' ? outcome.failure : "no failure", outcome.report.events,
            outcome.report.elapsed_ns / 1000000);
    if (outcome.failure[0] != '\0') {
        fflush(stdout);
        _exit(1);
    }
}

/* --- what the user sees --- */

static void print_replay(const case_t *of) {
    const ptk_sim_command_t *command = of->command;
    fprintf(stdout, "replay:   %s %s", command->program, of->scenario->name);
    if (of->window) {
        fprintf(stdout, " --tape %s/%s.tape", command->out, of->base);
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

static void shrink(case_t *of, ptk_sim_tape_t *tape) {
    size_t before = tape->count;
    of->shrink_until_ms = real_ms() + SHRINK_MS;
    ptk_sim_shrink_t shrink = {.still_fails = still_fails, .context = of, .run_limit = ATTEMPTS_MAX};
    ptk_sim_shrink(&shrink, tape);
    fprintf(stdout, "shrunk:   from %zu decisions to %zu in %" PRIu64 " runs\n", before, tape->count,
            shrink.runs);
}

static void name_case(case_t *of) {
    if (of->window) {
        snprintf(of->base, sizeof of->base, "%s-%" PRIu64 "-%" PRIu64, of->scenario->name, of->seed,
                 of->window->number);
        fprintf(stdout, "FAILURE in %s, seed %" PRIu64 ", window %" PRIu64 ": ", of->scenario->name, of->seed,
                of->window->number);
    } else {
        snprintf(of->base, sizeof of->base, "%s-%" PRIu64, of->scenario->name, of->seed);
        fprintf(stdout, "FAILURE in %s, seed %" PRIu64 ": ", of->scenario->name, of->seed);
    }
}

static void show_tape(const case_t *of, const ptk_sim_tape_t *tape) {
    showing_t showing = {
        .command = of->command,
        .play = {.scenario = of->scenario, .options = ptk_sim_command_options(of->command, of->seed)},
        .base = of->base};
    char *text = text_of(tape);
    showing.play.options.tape = text;
    (void) in_child(show, &showing);
    ptk_sim_release(text);
}

void ptk_sim_report_failure(const ptk_sim_command_t *command, const ptk_sim_scenario_t *scenario,
                            uint64_t seed, const ptk_sim_window_t *window) {
    case_t of = {.command = command, .scenario = scenario, .seed = seed, .window = window};
    ptk_sim_tape_t tape;
    ptk_sim_tape_init(&tape);
    name_case(&of);
    bool recorded = record_in_child(&of, &tape);
    print_replay(&of);
    if (recorded) {
        if (command->shrinks) {
            shrink(&of, &tape);
        }
        write_tape(command, &tape, of.base);
        show_tape(&of, &tape);
    }
    ptk_sim_tape_fini(&tape);
}

int ptk_sim_show_seed(const ptk_sim_command_t *command) {
    char base[128];
    snprintf(base, sizeof base, "%s-%" PRIu64, command->chosen[0]->name, command->seed);
    showing_t showing = {
        .command = command,
        .play = {.scenario = command->chosen[0], .options = ptk_sim_command_options(command, command->seed)},
        .base = base};
    return in_child(show, &showing) == 0 ? 0 : 1;
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
    showing_t showing = {
        .command = command,
        .play = {.scenario = command->chosen[0], .options = ptk_sim_command_options(command, command->seed)},
        .base = "replay"};
    showing.play.options.tape = text;
    int status = in_child(show, &showing);
    free(text);
    return status == 0 ? 0 : 1;
}
