/* SPDX-License-Identifier: MIT */
/*
 * A run in a child, which may crash. Each decision is stored in memory that parent and child share, at the
 * time when it is taken, and so is the first failure: the record of a run that crashed is as complete as any
 * other, and what it failed for is not hidden by a crash of its clean-up.
 */
#include "sim/run/ptk_sim_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORDING_ENTRIES_MAX ((size_t) 2000000) /* a run with more has no record */
#define ATTEMPT_SECONDS       60                 /* then SIGALRM ends the child */

/* The output is flushed before the fork, or both processes would write it. */
int ptk_sim_in_child(void (*body)(void *context), void *context) {
    const struct rlimit no_core = {0, 0};
    int status = -1;
    fflush(stdout);
    fflush(stderr);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
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

/* The memory that parent and child share. */
typedef struct recording_memory {
    char failure[PTK_SIM_FAILURE_BYTES];
    size_t count; /* decisions, also those beyond the room */
    ptk_sim_tape_entry_t entries[RECORDING_ENTRIES_MAX];
} recording_memory_t;

/* Stores a decision; one beyond the room is only counted. */
static void recording_add(void *context, const ptk_sim_tape_entry_t *entry) {
    recording_memory_t *recording_memory = context;
    if (recording_memory->count < RECORDING_ENTRIES_MAX) {
        recording_memory->entries[recording_memory->count] = *entry;
    }
    recording_memory->count++;
}

/* Stores the first failure. */
static void recording_keep_failure(void *context, const char *failure) {
    recording_memory_t *recording_memory = context;
    snprintf(recording_memory->failure, sizeof recording_memory->failure, "%s", failure);
}

/* The body of the child. A failure of the outcome that was not stored is that of a world that was not made.
 */
static void recording_run(void *context) {
    const ptk_sim_run_spec_t *spec = context;
    ptk_sim_outcome_t outcome;
    ptk_sim_run_once(spec, &outcome);
    recording_keep_failure(spec->context, outcome.failure);
    if (outcome.failure[0] != '\0') {
        fflush(stdout);
        _exit(PTK_SIM_EXIT_FAILURE);
    }
}

/* Copies the decisions into a sorted tape. Returns false if there were too many. */
static bool recording_copy_tape(const recording_memory_t *recording_memory, ptk_sim_tape_t *tape) {
    if (recording_memory->count > RECORDING_ENTRIES_MAX) {
        return false;
    }
    ptk_sim_tape_clear(tape);
    for (size_t i = 0; i < recording_memory->count; i++) {
        ptk_sim_tape_append(tape, &recording_memory->entries[i]);
    }
    ptk_sim_tape_sort(tape);
    return true;
}

/* The memory is mapped for the most entries; pages that are not used cost nothing. */
bool ptk_sim_record(const ptk_sim_run_spec_t *spec, ptk_sim_recording_t *recording_out) {
    ptk_sim_run_spec_t recorded = *spec;
    recording_memory_t *recording_memory =
        mmap(NULL, sizeof *recording_memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (recording_memory == MAP_FAILED) {
        perror("mmap");
        return false;
    }
    recorded.on_create = NULL;
    recorded.on_finish = NULL;
    recorded.on_decision = recording_add;
    recorded.on_failure = recording_keep_failure;
    recorded.context = recording_memory;
    recording_out->status = ptk_sim_in_child(recording_run, &recorded);
    memcpy(recording_out->failure, recording_memory->failure, sizeof recording_memory->failure);
    bool is_whole = recording_copy_tape(recording_memory, &recording_out->tape);
    munmap(recording_memory, sizeof *recording_memory);
    return is_whole;
}
