/* SPDX-License-Identifier: MIT */
/*
 * The sweep over the conformance suite. Each test's body runs on a simulated host. In one run the first call
 * of the system fails, in another the second, and so on: either that call alone or all calls from it on. The
 * same is done with allocations.
 *
 * A test expects that nothing fails, so it may end by a check that does not hold. It must not end in another
 * way (by a signal, a broken invariant, a sanitizer's report), spin, wait for a descriptor that is ready, or
 * pass and leave something behind. It may wait for ever for something that another part of the test did not
 * do because a call failed there. Each run is a child process of its own; the first one is without failures
 * and counts the calls.
 *
 * If a test makes many calls, failures are injected into a sample of them: evenly spaced, from a first call
 * that differs from test to test. With PTK_TEST_LONG they are injected into all calls, up to a number that
 * only a few tests exceed. PTK_TEST_POINTS=N sets how many points of each kind there are.
 * PTK_TEST_POINT="call 17 once" makes that one run in this process, for a debugger.
 */
#include "conformance.h"
#include "base/ptk_memory.h"
#include "faults/faults.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define POINTS      (PTK_TEST_ASAN ? 2 : 4) /* injection points of each kind */
#define POINTS_LONG 3000
#define SECONDS     60

/* The exit codes of a child. */
#define EXIT_WELL    0
#define EXIT_CHECK   1
#define EXIT_SKIPPED 77
#define EXIT_REMAINS 90
#define EXIT_ENDLESS 91
#define EXIT_WAITS   92

typedef struct point {
    uint32_t nth; /* 0: no call fails */
    bool is_allocation;
    ptk_test_fault_span_t span;
} point_t;

typedef struct run {
    void (*body)(void);
    point_t point;
    uint32_t calls; /* made in this run; run_t is in memory that parent and child share */
    uint32_t allocations;
    uint32_t well; /* runs that passed; runs that waited for ever */
    uint32_t waiting;
} run_t;

static const char *words_of(const point_t *point) {
    static char words[64];
    snprintf(words, sizeof words, "%s %u %s", point->is_allocation ? "allocation" : "call",
             (unsigned) point->nth, point->span == PTK_TEST_ONCE ? "once" : "for good");
    return words;
}

/* --- one run --- */

static void plan(const point_t *point) {
    wide_reset();
    if (point->is_allocation) {
        ptk_test_fault(PTK_SYS_heap_reallocate, point->nth, 0, point->span);
    } else {
        wide_plan(point->nth, point->nth, point->span);
    }
}

static void call_body(const void *argument) {
    ((const run_t *) argument)->body();
}

static void run_once(void *argument) {
    run_t *run = argument;
    const char *words = NULL;
    size_t allocations = ptk_allocations_live();
    alarm(SECONDS);
    plan(&run->point);
    below_end_t end = below_try(call_body, run, &words);
    run->calls = wide_calls();
    run->allocations = ptk_test_fault_calls(PTK_SYS_heap_reallocate);
    if (end == BELOW_SPINS || end == BELOW_MISSED) {
        fprintf(stderr, "%s%s\n", words, end == BELOW_MISSED ? "; what it waits for is ready" : "");
        _exit(EXIT_ENDLESS);
    }
    if (end == BELOW_WAITS) {
        _exit(EXIT_WAITS);
    }
    if (end == BELOW_REMAINS || ptk_allocations_live() != allocations || wide_mappings() != 0) {
        fprintf(stderr, "%s; %d mappings\n", words, wide_mappings());
        _exit(EXIT_REMAINS);
    }
}

/* --- the verdict on a run --- */

static bool has_report(const char *output) {
    return strstr(output, "Sanitizer") || strstr(output, "runtime error:") ||
           strstr(output, "broken invariant");
}

static void judge(const run_t *run, int status, const char *output) {
    bool ended = WIFEXITED(status) && !has_report(output);
    int code = ended ? WEXITSTATUS(status) : -1;
    if (code != EXIT_WELL && code != EXIT_CHECK && code != EXIT_SKIPPED && code != EXIT_WAITS) {
        ptk_test_failed(__FILE__, __LINE__, "%s: status %#x\n%s", words_of(&run->point), (unsigned) status,
                        output);
    }
}

static int run_in_child(run_t *run) {
    char output[4096];
    int status = ptk_test_in_child(run_once, run, output, sizeof output);
    judge(run, status, output);
    run->well += WEXITSTATUS(status) == EXIT_WELL;
    run->waiting += WEXITSTATUS(status) == EXIT_WAITS;
    return WEXITSTATUS(status);
}

/* --- all runs of a test --- */

/* Returns the first point of a sample. It depends on the number of calls, so it differs from test to test. */
static uint32_t beginning(const run_t *run, uint32_t stride) {
    return 1 + (run->calls * UINT32_C(2654435761) >> 8) % stride;
}

static uint32_t sweep(run_t *run, uint32_t count, bool is_allocation, ptk_test_fault_span_t span) {
    const char *wanted = getenv("PTK_TEST_POINTS");
    uint32_t usual = ptk_test_is_long() ? POINTS_LONG : POINTS;
    uint32_t most = wanted && atoi(wanted) > 0 ? (uint32_t) atoi(wanted) : usual;
    uint32_t stride = (count + most - 1) / most;
    uint32_t points = 0;
    for (uint32_t nth = stride > 0 ? beginning(run, stride) : 1; nth <= count; nth += stride) {
        run->point = (point_t) {.nth = nth, .is_allocation = is_allocation, .span = span};
        (void) run_in_child(run);
        points++;
    }
    return points;
}

static void sweep_all(run_t *run) {
    uint32_t points = 0;
    if (run_in_child(run) != EXIT_WELL) {
        SKIP("the test does not pass without failures either");
    }
    const uint32_t calls = run->calls;
    const uint32_t allocations = run->allocations;
    for (int span = 0; span < 2; span++) {
        ptk_test_fault_span_t for_good = span ? PTK_TEST_FOR_GOOD : PTK_TEST_ONCE;
        points += sweep(run, calls, false, for_good);
        points += sweep(run, allocations, true, for_good);
    }
    printf(
        "%u injection points in %u calls and %u allocations: %u runs pass nevertheless, %u wait for ever\n",
        (unsigned) points, (unsigned) calls, (unsigned) allocations, (unsigned) run->well - 1,
        (unsigned) run->waiting);
}

static bool read_point(point_t *point_out) {
    char what[16] = "";
    char span[16] = "";
    unsigned nth = 0;
    const char *text = getenv("PTK_TEST_POINT");
    if (!text || sscanf(text, "%15s %u %15s", what, &nth, span) != 3) {
        return false;
    }
    *point_out = (point_t) {.nth = nth,
                            .is_allocation = strcmp(what, "allocation") == 0,
                            .span = strcmp(span, "once") == 0 ? PTK_TEST_ONCE : PTK_TEST_FOR_GOOD};
    return true;
}

static void sweep_test(void (*body)(void)) {
    run_t *run = mmap(NULL, sizeof *run, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(run != MAP_FAILED);
    *run = (run_t) {.body = body};
    if (read_point(&run->point)) {
        run_once(run);
    } else {
        sweep_all(run);
    }
    CHECK_EQ(munmap(run, sizeof *run), 0);
}

__attribute__((constructor)) static void sweep_each(void) {
    ptk_test_run_by(sweep_test);
}
