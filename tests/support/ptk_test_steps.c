/* SPDX-License-Identifier: MIT */
/*
 * Counting instructions: the model stands in ptk_test_steps.h. The child stops itself by a signal at each
 * mark; the parent lets it run to the first one and steps it to the second one.
 */
#include "ptk_test_steps.h"

#include "context/ptk_sanitizer.h"
#include "ptk_test.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK_BEGIN SIGUSR1
#define MARK_END   SIGUSR2

#define STATUS_DENIED 77

void ptk_test_steps_begin(void) {
    raise(MARK_BEGIN);
}

void ptk_test_steps_end(void) {
    raise(MARK_END);
}

static _Noreturn void run_traced(void (*body)(size_t count), size_t count) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(STATUS_DENIED);
    }
    raise(SIGSTOP);
    body(count);
    _exit(0);
}

/* Lets the child go on, by one instruction with PTRACE_SINGLESTEP, and returns the signal that stops it next;
 * 0: it has ended, with *status_out. */
static int next_stop(pid_t child, bool steps, int passed_signal, int *status_out) {
    long result = steps ? ptrace(PTRACE_SINGLESTEP, child, NULL, (void *) (intptr_t) passed_signal)
                        : ptrace(PTRACE_CONT, child, NULL, (void *) (intptr_t) passed_signal);
    if (result != 0) {
        kill(child, SIGKILL);
    }
    CHECK(waitpid(child, status_out, 0) == child);
    return WIFSTOPPED(*status_out) ? WSTOPSIG(*status_out) : 0;
}

/* Runs the child, which has stopped at its start, to its end, and counts. */
static uint64_t count_steps(pid_t child, int *status_out) {
    uint64_t steps = 0;
    bool counts = false;
    int passed = 0;
    for (int stop = next_stop(child, false, 0, status_out); stop != 0;
         stop = next_stop(child, counts, passed, status_out)) {
        bool is_mark = stop == MARK_BEGIN || stop == MARK_END;
        counts = is_mark ? stop == MARK_BEGIN : counts;
        steps += counts && stop == SIGTRAP;
        passed = is_mark || stop == SIGTRAP ? 0 : stop;
    }
    return steps;
}

uint64_t ptk_test_steps(void (*body)(size_t count), size_t count) {
    int status = 0;
    if (PTK_TEST_ASAN || PTK_TEST_TSAN || ptk_sanitizer_watches_stacks()) {
        SKIP("a sanitizer or Valgrind adds instructions of its own");
    }
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        run_traced(body, count);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status)) {
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_DENIED);
        SKIP("this system does not let a process trace its child");
    }
    uint64_t steps = count_steps(child, &status);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(steps > 0);
    return steps;
}

void ptk_test_check_growth(void (*body)(size_t count), size_t small, size_t large, double ratio) {
    uint64_t of_small = ptk_test_steps(body, small);
    uint64_t of_large = ptk_test_steps(body, large);
    if ((double) of_large > (double) of_small * ratio) {
        ptk_test_failed(__FILE__, __LINE__, "%llu steps with %zu objects, %llu with %zu: more than %g times",
                        (unsigned long long) of_small, small, (unsigned long long) of_large, large, ratio);
    }
}
