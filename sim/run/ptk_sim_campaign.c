/* SPDX-License-Identifier: MIT */
/*
 * Many seeds, or windows, on several processes.
 *
 * Worker w of n runs every n-th seed, or every run of every n-th window up to the first window that no run
 * reaches. It stores in shared memory which one it is at, so that the watcher can report what a worker was at
 * that crashed or hangs, and it adds up its worlds' reports there. It stores the first failure of its last
 * world at the time when it happens. The first worker that fails ends all workers.
 *
 * Ownership: the watcher (the parent) maps the shared memory, forks the workers and reaps them.
 */
#include "sim/run/ptk_sim_run.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A world that takes longer than this of real time hangs. */
#define HANG_MS UINT64_C(120000)

/* One worker, in shared memory. The worker writes the atomic members, `window` and `verdict.failure`, the
   watcher the others. */
typedef struct worker {
    pid_t pid;                  /* 0: reaped */
    atomic_uint_fast64_t world; /* the present one: seed or window * scenarios + scenario; UINT64_MAX: done */
    ptk_sim_window_t window;    /* the present one */
    atomic_uint_fast64_t worlds;
    atomic_uint_fast64_t events;
    atomic_uint_fast64_t calls;
    atomic_uint_fast64_t decisions;
    atomic_uint_fast64_t elapsed_us; /* of virtual time */
    atomic_uint_fast64_t faults;
    ptk_sim_verdict_t verdict; /* of its last world: the worker writes the failure, the watcher the signal */
    atomic_bool was_cut_short; /* there are windows that it has not finished */
    uint64_t seen_worlds;      /* the watcher's last value of `worlds`, and when it changed */
    uint64_t seen_at_ms;
} worker_t;

/* --- a worker --- */

/* Adds a world's report to the worker's sums. */
static void worker_add_report(worker_t *worker, const ptk_sim_report_t *report) {
    atomic_fetch_add(&worker->worlds, 1);
    atomic_fetch_add(&worker->events, report->events);
    atomic_fetch_add(&worker->calls, report->calls);
    atomic_fetch_add(&worker->decisions, report->decisions);
    atomic_fetch_add(&worker->elapsed_us, report->elapsed_ns / 1000);
    atomic_fetch_add(&worker->faults, report->faults);
}

/* Runs the same world again and compares the hashes. */
static bool worker_is_repeatable(const ptk_sim_run_spec_t *spec, const ptk_sim_outcome_t *first) {
    ptk_sim_outcome_t second;
    if (spec->window) {
        ptk_sim_window_repeat(spec->window);
    }
    ptk_sim_run_once(spec, &second);
    return memcmp(first->report.hash, second.report.hash, sizeof first->report.hash) == 0;
}

/* Stores the first failure of a world. */
static void worker_keep_failure(void *context, const char *failure) {
    worker_t *worker = context;
    snprintf(worker->verdict.failure, sizeof worker->verdict.failure, "%s", failure);
}

/* Runs one world. Returns false if it failed. */
static bool worker_run_world(const ptk_sim_command_t *command, worker_t *worker,
                             const ptk_sim_run_spec_t *spec) {
    ptk_sim_outcome_t outcome;
    ptk_sim_run_spec_t watched = *spec;
    watched.on_failure = worker_keep_failure;
    watched.context = worker;
    ptk_sim_run_once(&watched, &outcome);
    worker_add_report(worker, &outcome.report);
    if (command->prints_hashes) {
        fprintf(stdout, "%s %" PRIu64 " %016" PRIx64 "%016" PRIx64 "\n", spec->scenario->name,
                spec->options.seed, outcome.report.hash[0], outcome.report.hash[1]);
    }
    if (outcome.failure[0] != '\0') {
        worker_keep_failure(worker, outcome.failure); /* that of a world that was not made was not kept yet */
        return false;
    }
    if (command->runs_twice && !worker_is_repeatable(spec, &outcome)) {
        worker_keep_failure(worker, "two runs have two hashes");
        return false;
    }
    return true;
}

/* Returns whether the command's seconds are over. */
static bool campaign_is_time_up(const ptk_sim_command_t *command) {
    return command->until_ms != 0 && ptk_sim_real_ms() >= command->until_ms;
}

/* Runs all runs of one window, as long as there is time. Returns false if one failed. */
static bool worker_run_window(const ptk_sim_command_t *command, worker_t *worker,
                              const ptk_sim_run_spec_t *spec) {
    bool is_good = true;
    bool is_over = false;
    while (is_good && !is_over && !campaign_is_time_up(command)) {
        is_good = worker_run_world(command, worker, spec);
        is_over = is_good && !ptk_sim_window_next(&worker->window);
    }
    if (is_good && !is_over) {
        atomic_store(&worker->was_cut_short, true);
    }
    return is_good;
}

/* Runs one seed or window of one scenario. Consecutive numbers are consecutive scenarios. */
static bool worker_run_number(const ptk_sim_command_t *command, worker_t *worker, uint64_t number) {
    const ptk_sim_scenario_t *scenario = command->chosen[number % command->count];
    uint64_t step = number / command->count;
    if (command->decisions == 0) {
        return worker_run_world(
            command, worker,
            &(ptk_sim_run_spec_t) {.scenario = scenario,
                                   .options = ptk_sim_command_options(command, command->seed + step)});
    }
    ptk_sim_window_init(&worker->window, step, command->decisions, command->faults);
    return worker_run_window(
        command, worker,
        &(ptk_sim_run_spec_t) {.scenario = scenario,
                               .options = ptk_sim_command_options(command, command->seed),
                               .window = &worker->window});
}

/* Returns whether no run reached the last window: it and all later ones are behind the end of every run. */
static bool worker_is_past_last_window(const ptk_sim_command_t *command, const worker_t *worker) {
    return command->decisions > 0 && atomic_load(&worker->worlds) > 0 && !worker->window.is_reached;
}

/* The body of a worker process. */
static _Noreturn void worker_run(const ptk_sim_command_t *command, worker_t *worker, uint64_t first) {
    setvbuf(stdout, NULL, _IOLBF, 0); /* whole lines, although several processes write */
    uint64_t worlds = command->count * command->seeds;
    for (uint64_t number = first;
         number < worlds && !campaign_is_time_up(command) && !worker_is_past_last_window(command, worker);
         number += command->jobs) {
        atomic_store(&worker->world, number);
        if (!worker_run_number(command, worker, number)) {
            fflush(stdout);
            _exit(1);
        }
    }
    if (command->decisions > 0 && !worker_is_past_last_window(command, worker)) {
        atomic_store(&worker->was_cut_short, true);
    }
    atomic_store(&worker->world, UINT64_MAX);
    fflush(stdout);
    _exit(0);
}

/* --- the watcher --- */

/* Sums over all workers. */
typedef struct totals {
    uint64_t worlds, events, calls, decisions, elapsed_us, faults;
} totals_t;

/* The sums are read while workers still add to them: they are for display only. */
static totals_t campaign_totals(const worker_t *workers, unsigned count) {
    totals_t totals = {0};
    for (unsigned i = 0; i < count; i++) {
        totals.worlds += atomic_load(&workers[i].worlds);
        totals.events += atomic_load(&workers[i].events);
        totals.calls += atomic_load(&workers[i].calls);
        totals.decisions += atomic_load(&workers[i].decisions);
        totals.elapsed_us += atomic_load(&workers[i].elapsed_us);
        totals.faults += atomic_load(&workers[i].faults);
    }
    return totals;
}

static uint64_t per_second(uint64_t number, uint64_t ms) {
    return number * 1000 / (ms ? ms : 1);
}

/* Overwrites the line of progress on the terminal. */
static void campaign_show_progress(const ptk_sim_command_t *command, const worker_t *workers,
                                   uint64_t began_ms) {
    totals_t now = campaign_totals(workers, command->jobs);
    uint64_t ms = ptk_sim_real_ms() - began_ms;
    fprintf(stderr, "\r%" PRIu64, now.worlds);
    if (command->decisions == 0) {
        fprintf(stderr, "/%" PRIu64, command->count * command->seeds);
    }
    fprintf(stderr, " worlds, %" PRIu64 "/s, %" PRIu64 " k events/s ", per_second(now.worlds, ms),
            per_second(now.events, ms) / 1000);
    fflush(stderr);
}

static void campaign_print_totals(const ptk_sim_command_t *command, const worker_t *workers,
                                  uint64_t began_ms) {
    totals_t all = campaign_totals(workers, command->jobs);
    uint64_t ms = ptk_sim_real_ms() - began_ms;
    fprintf(stdout,
            "%" PRIu64 " worlds in %" PRIu64 ".%" PRIu64 " s: %" PRIu64 " worlds/s, %" PRIu64
            " k events/s, %" PRIu64 " k calls/s, %" PRIu64 " s of virtual time per second; %" PRIu64
            " decisions, %" PRIu64 " faults\n",
            all.worlds, ms / 1000, ms % 1000 / 100, per_second(all.worlds, ms),
            per_second(all.events, ms) / 1000, per_second(all.calls, ms) / 1000,
            per_second(all.elapsed_us, ms) / 1000000, all.decisions, all.faults);
}

/* Returns whether the time was too short for all windows. */
static bool campaign_was_cut_short(const ptk_sim_command_t *command, const worker_t *workers) {
    bool was_cut_short = false;
    for (unsigned i = 0; i < command->jobs; i++) {
        was_cut_short = was_cut_short || atomic_load(&workers[i].was_cut_short);
    }
    return was_cut_short;
}

/* Prints a command line that goes on from here, and for what. */
static void campaign_print_command(const ptk_sim_command_t *command, const char *why, const char *options) {
    fprintf(stdout, "  %-52s %s %s %s%s%s%s\n", why, command->program, command->chosen[0]->name, options,
            command->platform ? " --platform " : "", command->platform ? command->platform : "",
            command->flags & PTK_SIM_EXHAUSTION ? " --exhaustion" : "");
}

/* Prints what an enumeration that found nothing has not tried, with the commands that do. A window that is
   longer by one decision has about twice as many runs. */
static void campaign_print_next(const ptk_sim_command_t *command, uint64_t worlds) {
    char why[64];
    char options[64];
    fprintf(stdout, "nothing failed. What these windows do not contain, and what tries it:\n");
    if (command->flags & PTK_SIM_NO_FAULTS) {
        snprintf(options, sizeof options, "--exhaustive %u", command->decisions);
        campaign_print_command(command, "faults", options);
    } else if (command->faults < command->decisions) {
        snprintf(options, sizeof options, "--exhaustive %u --faults %u", command->decisions,
                 command->faults + 1);
        campaign_print_command(command, "more faults at a time", options);
    }
    if (command->decisions < PTK_CHOICE_TREE_DEPTH_MAX) {
        snprintf(why, sizeof why, "decisions farther apart (about %" PRIu64 " worlds)", 2 * worlds);
        snprintf(options, sizeof options, "--exhaustive %u --faults %u", command->decisions + 1,
                 command->faults);
        campaign_print_command(command, why, options);
    }
    campaign_print_command(command, "values between the benign and the last one", "--seeds 10000");
    if (!(command->flags & PTK_SIM_EXHAUSTION)) {
        campaign_print_command(command, "shortages of memory and descriptors", "--seeds 10000 --exhaustion");
    }
}

/* Prints what remains to be tried after an enumeration that found nothing. */
static void campaign_print_untried(const ptk_sim_command_t *command, const worker_t *workers) {
    if (campaign_was_cut_short(command, workers)) {
        fprintf(stdout, "time is up: not every window has been tried\n"
                        "give it more --seconds, or fewer decisions\n");
    } else if (command->decisions > 0) {
        campaign_print_next(command, campaign_totals(workers, command->jobs).worlds);
    }
}

/* Kills and reaps the workers that still run. */
static void campaign_kill_workers(worker_t *workers, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if (workers[i].pid > 0) {
            kill(workers[i].pid, SIGKILL);
            waitpid(workers[i].pid, NULL, 0);
            workers[i].pid = 0;
        }
    }
}

/* Returns whether a worker has finished no world for too long. */
static bool worker_hangs(worker_t *worker, uint64_t now_ms) {
    uint64_t worlds = atomic_load(&worker->worlds);
    if (worlds != worker->seen_worlds) {
        worker->seen_worlds = worlds;
        worker->seen_at_ms = now_ms;
    }
    return worker->pid > 0 && now_ms - worker->seen_at_ms > HANG_MS;
}

/* The state of a worker as its watcher sees it. */
typedef enum worker_status { WORKER_RUNS, WORKER_SUCCEEDED, WORKER_FAILED } worker_status_t;

/* Reaps the worker if it has ended, and looks whether it hangs. */
static worker_status_t worker_poll(worker_t *worker) {
    int status = 0;
    if (worker->pid == 0) {
        return WORKER_RUNS; /* counted before */
    }
    if (waitpid(worker->pid, &status, WNOHANG) == worker->pid) {
        worker->pid = 0;
        worker->verdict.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        return status == 0 ? WORKER_SUCCEEDED : WORKER_FAILED;
    }
    if (worker_hangs(worker, ptk_sim_real_ms())) {
        fprintf(stderr, "\nno end in %d s of real time\n", (int) (HANG_MS / 1000));
        worker->verdict.signal = SIGALRM;
        return WORKER_FAILED;
    }
    return WORKER_RUNS;
}

/* Waits for all workers, polling them every 20 ms so that a hang is noticed as well as an exit. Returns the
   first that failed, crashed or hangs; NULL if all have succeeded. */
static worker_t *campaign_watch(const ptk_sim_command_t *command, worker_t *workers, uint64_t began_ms) {
    unsigned running = command->jobs;
    bool shows = isatty(STDERR_FILENO);
    while (running > 0) {
        struct timespec pause = {0, 20000000};
        nanosleep(&pause, NULL);
        for (unsigned i = 0; i < command->jobs; i++) {
            worker_status_t worker_status = worker_poll(&workers[i]);
            running -= worker_status == WORKER_SUCCEEDED;
            if (worker_status == WORKER_FAILED) {
                return &workers[i];
            }
        }
        if (shows) {
            campaign_show_progress(command, workers, began_ms);
        }
    }
    if (shows) {
        fputc('\n', stderr);
    }
    return NULL;
}

/* Forks the workers. */
static bool campaign_start(const ptk_sim_command_t *command, worker_t *workers) {
    fflush(stdout);
    for (unsigned i = 0; i < command->jobs; i++) {
        workers[i].seen_at_ms = ptk_sim_real_ms();
        pid_t pid = fork();
        if (pid == 0) {
            worker_run(command, &workers[i], i);
        }
        workers[i].pid = pid; /* in the parent only: the memory is shared, and fork returns 0 in the child */
        if (pid < 0) {
            perror("fork");
            return false;
        }
    }
    return true;
}

/* Prints what is going to be run. */
static void campaign_print_start(const ptk_sim_command_t *command) {
    if (command->decisions > 0) {
        fprintf(stdout, "every window of %u decisions, %u of them faults, with seed %" PRIu64 ", of",
                command->decisions, command->faults, command->seed);
    } else {
        fprintf(stdout, "seeds %" PRIu64 " to %" PRIu64 " of", command->seed,
                command->seed + command->seeds - 1);
    }
    for (size_t i = 0; i < command->count; i++) {
        fprintf(stdout, " %s", command->chosen[i]->name);
    }
    fprintf(stdout, "\n");
}

/* The failing world is run again by this process: the worker that found it may have crashed. */
int ptk_sim_campaign(const ptk_sim_command_t *command) {
    size_t bytes = command->jobs * sizeof(worker_t);
    worker_t *workers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED || command->seeds == 0) {
        fprintf(stderr, "%s\n", command->seeds == 0 ? "no seeds" : "no memory for the workers");
        return 2;
    }
    campaign_print_start(command);
    uint64_t began_ms = ptk_sim_real_ms();
    worker_t *failed =
        campaign_start(command, workers) ? campaign_watch(command, workers, began_ms) : &workers[0];
    campaign_kill_workers(workers, command->jobs);
    if (failed) {
        uint64_t world = atomic_load(&failed->world);
        uint64_t step = command->decisions > 0 ? 0 : world / command->count;
        fputc('\n', stderr);
        ptk_sim_report_failure(command, command->chosen[world % command->count], command->seed + step,
                               command->decisions > 0 ? &failed->window : NULL, &failed->verdict);
    } else {
        campaign_print_totals(command, workers, began_ms);
        campaign_print_untried(command, workers);
    }
    munmap(workers, bytes);
    return failed ? 1 : 0;
}
