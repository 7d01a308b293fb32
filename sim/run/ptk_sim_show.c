/* SPDX-License-Identifier: MIT */
/*
 * A run whose timelines are written: in a child, with a trace. If the run crashes or hangs, the handler of
 * the signal reports the place and writes them, as far as the broken process still can.
 */
#include "sim/run/ptk_sim_run.h"
#include "sim/world/ptk_sim_timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_HOSTS_MAX   256 /* further hosts are not drawn */
#define CRASH_STACK_BYTES ((size_t) 1024 * 1024)

void ptk_sim_write_to_file(void *context, const char *text, size_t bytes) {
    (void) fwrite(text, 1, bytes, context);
}

FILE *ptk_sim_open_file(const ptk_sim_command_t *command, const char *base, const char *ending, char *path,
                        size_t path_bytes) {
    snprintf(path, path_bytes, "%s/%s%s", command->out, base, ending);
    FILE *file = fopen(path, "w");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    return file;
}

/* --- timelines --- */

/* The text or the page of a timeline. */
typedef void (*draw_fn)(const ptk_sim_timeline_t *timeline, const ptk_sim_writer_t *writer);

/* Writes one file. */
static void write_timeline(const ptk_sim_command_t *command, const ptk_sim_timeline_t *timeline,
                           const char *ending, draw_fn draw) {
    char path[1024];
    FILE *file = ptk_sim_open_file(command, timeline->title, ending, path, sizeof path);
    if (file) {
        draw(timeline, &(ptk_sim_writer_t) {ptk_sim_write_to_file, file});
        fclose(file);
        fprintf(stdout, "timeline: %s\n", path);
    }
}

/* Writes the text and the page of a run that kept its trace. */
static void write_timelines(const ptk_sim_command_t *command, ptk_sim_t *sim, const char *base) {
    const char *names[SHOWN_HOSTS_MAX];
    uint32_t count = sim->host_count < SHOWN_HOSTS_MAX ? sim->host_count : SHOWN_HOSTS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        names[i] = sim->hosts[i]->name;
    }
    ptk_sim_timeline_t timeline = {.trace = &sim->net.trace,
                                   .hosts = names,
                                   .host_count = count,
                                   .labels = sim->labels,
                                   .label_count = sim->label_count,
                                   .green_strings = sim->green_strings.strings,
                                   .green_string_count = sim->green_strings.count,
                                   .title = base,
                                   .failure = sim->failure[0] != '\0' ? sim->failure : NULL};
    write_timeline(command, &timeline, ".txt", ptk_sim_timeline_text);
    write_timeline(command, &timeline, ".html", ptk_sim_timeline_html);
}

/* --- a run --- */

/* The steps of the report of a crash. */
typedef enum showing_step { SHOWING_RUN, SHOWING_BACKTRACE, SHOWING_TIMELINES } showing_step_t;

/* The run that is shown. */
typedef struct showing {
    const ptk_sim_command_t *command;
    ptk_sim_run_spec_t spec;
    const char *base; /* of the names of files */
    ptk_sim_t *sim;   /* while it runs; else NULL */
    volatile showing_step_t step;
} showing_t;

/* What the handler of a crash writes. */
static showing_t *shown;

static void showing_print_end(const char *failure, uint64_t events, uint64_t elapsed_ns) {
    fprintf(stdout, "%s after %" PRIu64 " events, %" PRIu64 " ms of virtual time\n",
            failure[0] != '\0' ? failure : "no failure", events, elapsed_ns / 1000000);
}

/* Prints the crash, and adds it to the failure of the world, behind an earlier one. */
static void showing_add_crash(ptk_sim_t *sim, int signal_number) {
    char place[PTK_SIM_FAILURE_BYTES];
    char text[2 * PTK_SIM_FAILURE_BYTES + 64];
    ptk_sim_verdict_t verdict = {.signal = signal_number};
    memcpy(verdict.failure, sim->failure, sizeof verdict.failure);
    if (sim->failure[0] == '\0') {
        ptk_sim_trace_failure(sim, PTK_SIM_END_NONE);
    }
    ptk_sim_describe_place(place, sizeof place);
    fprintf(stdout, "place:    %s, %s\n", strsignal(signal_number), place);
    ptk_sim_describe_verdict(&verdict, text, sizeof text);
    size_t length = strlen(text);
    snprintf(text + length, sizeof text - length, " %s", place);
    snprintf(sim->failure, sizeof sim->failure, "%.*s", (int) sizeof sim->failure - 1, text);
}

/* Signal handler. It is not async-signal-safe: the process is lost anyway, and the place of the crash and the
   timeline of what led to it are worth the attempt. A crash of one step leads on to the next one. */
static void showing_on_crash(int signal_number) {
    ptk_sim_t *sim = shown->sim;
    if (sim && shown->step == SHOWING_RUN) {
        shown->step = SHOWING_BACKTRACE;
        showing_add_crash(sim, signal_number);
        ptk_sim_print_backtrace();
        fflush(stdout);
    }
    if (sim && shown->step == SHOWING_BACKTRACE) {
        shown->step = SHOWING_TIMELINES;
        write_timelines(shown->command, sim, shown->base);
        ptk_sim_report_t report = ptk_sim_report(sim);
        showing_print_end(sim->failure, report.events, report.elapsed_ns);
        fflush(stdout);
    }
    signal(signal_number, SIG_DFL); /* another handler may call this one */
    raise(signal_number);
}

/* Installs the handler, on a stack large enough to draw on; ptk keeps an alternate stack that exists. The
   signals are not blocked in it, so that a crash in it is handled, too. */
static void showing_catch_crashes(void) {
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    struct sigaction action = {.sa_handler = showing_on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};
    stack_t stack = {.ss_sp = malloc(CRASH_STACK_BYTES), .ss_size = CRASH_STACK_BYTES};
    if (!stack.ss_sp || sigaltstack(&stack, NULL) != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        sigaction(signals[i], &action, NULL);
    }
}

/* From here on a crash has a world to show. */
static void showing_begin(void *context, ptk_sim_t *sim) {
    showing_t *showing = context;
    showing->sim = sim;
}

/* The run is over: writes its timelines. */
static void showing_write(void *context, ptk_sim_t *sim) {
    showing_t *showing = context;
    showing->sim = NULL;
    write_timelines(showing->command, sim, showing->base);
}

/* The body of the child. */
static void showing_run(void *context) {
    showing_t *showing = context;
    ptk_sim_outcome_t outcome;
    shown = showing;
    showing_catch_crashes();
    ptk_sim_run_once(&showing->spec, &outcome);
    showing_print_end(outcome.failure, outcome.report.events, outcome.report.elapsed_ns);
    if (outcome.failure[0] != '\0') {
        fflush(stdout);
        _Exit(PTK_SIM_EXIT_FAILURE);
    }
}

/* Shown runs keep their trace, which costs memory and no decision: the hash is the same. */
int ptk_sim_show(const ptk_sim_command_t *command, const ptk_sim_scenario_t *scenario, uint64_t seed,
                 const char *tape, const char *base) {
    showing_t showing = {.command = command,
                         .spec = {.scenario = scenario,
                                  .options = ptk_sim_command_options(command, seed),
                                  .on_create = showing_begin,
                                  .on_finish = showing_write,
                                  .context = &showing},
                         .base = base};
    showing.spec.options.flags |= PTK_SIM_KEEP_TRACE;
    showing.spec.options.tape = tape;
    return ptk_sim_in_child(showing_run, &showing);
}
