/* SPDX-License-Identifier: MIT */
/*
 * A run in a child, which may crash. Each decision goes into memory that parent and child share, at the
 * moment when it is taken; so the tape of a run that crashed is as good as any other.
 */
#include "sim/run/ptk_sim_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES_MOST    ((size_t) 2000000)
#define ATTEMPT_SECONDS 60

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

typedef struct shared {
    char failure[PTK_SIM_FAILURE_BYTES];
    size_t count;
    ptk_sim_tape_entry_t entries[ENTRIES_MOST];
} shared_t;

static void keep(void *context, const ptk_sim_tape_entry_t *entry) {
    shared_t *shared = context;
    if (shared->count < ENTRIES_MOST) {
        shared->entries[shared->count] = *entry;
    }
    shared->count++;
}

static void run(void *context) {
    const ptk_sim_play_t *play = context;
    shared_t *shared = play->context;
    ptk_sim_outcome_t outcome;
    ptk_sim_run_once(play, &outcome);
    memcpy(shared->failure, outcome.failure, sizeof outcome.failure);
    if (outcome.failure[0] != '\0') {
        fflush(stdout);
        _exit(PTK_SIM_EXIT_FAILURE);
    }
}

static bool copy_tape(const shared_t *shared, ptk_sim_tape_t *tape) {
    if (shared->count > ENTRIES_MOST) {
        return false;
    }
    ptk_sim_tape_clear(tape);
    for (size_t i = 0; i < shared->count; i++) {
        ptk_sim_tape_append(tape, &shared->entries[i]);
    }
    ptk_sim_tape_sort(tape);
    return true;
}

bool ptk_sim_record(const ptk_sim_play_t *play, ptk_sim_recording_t *recording_out) {
    ptk_sim_play_t recorded = *play;
    shared_t *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return false;
    }
    recorded.decided = keep;
    recorded.context = shared;
    recording_out->status = ptk_sim_in_child(run, &recorded);
    memcpy(recording_out->failure, shared->failure, sizeof shared->failure);
    bool is_whole = copy_tape(shared, &recording_out->tape);
    munmap(shared, sizeof *shared);
    return is_whole;
}
