/* SPDX-License-Identifier: MIT */
/*
 * Checks that errno_table.txt is complete and true. A pair is a call of the system table and an error that it
 * can return. Each pair is injected into every workload, at its first, second, ... call, until the workload
 * makes no more such calls. This happens in a child process without an earlier loop, because some calls are
 * made once per process.
 */
#include "faults.h"

#include "conformance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX 60 /* calls of one workload that fail, unless tests may take long or runs are quick */

TEST(every_pair_is_classified_once) {
    const fault_table_t *table = fault_table();
    size_t classes[4] = {0};
    bool known[PTK_SYS_FALLIBLE_MEMBERS] = {false};
    for (size_t i = 0; i < table->count; i++) {
        known[table->pairs[i].member] = true;
        classes[table->pairs[i].class]++;
    }
    for (int member = 0; member < PTK_SYS_FALLIBLE_MEMBERS; member++) {
        if (!known[member]) {
            ptk_test_failed(__FILE__, __LINE__, "no pair of %s",
                            fault_member_name((ptk_sys_member_t) member));
        }
    }
    printf("%zu pairs: %zu handled, %zu retried, %zu asserts, %zu unreachable\n", table->count,
           classes[FAULT_HANDLED], classes[FAULT_RETRIED], classes[FAULT_ASSERTS],
           classes[FAULT_UNREACHABLE]);
}

/* The results of one pair, in memory that the child process shares with its parent. */
typedef struct injection {
    const fault_pair_t *pair;
    size_t runs;
    size_t failures; /* runs in which the call failed */
    bool was_ok;
    bool had_outcome[FAULT_OUTCOMES];
    char at[64];
} injection_t;

/* Returns whether the call is made once per process, so that each injection needs a new process. */
static bool is_once_per_process(ptk_sys_member_t member) {
    switch (member) {
    case PTK_SYS_guard_install:
    case PTK_SYS_protect_none:
    case PTK_SYS_map_stacks:
    case PTK_SYS_signal_action:
    case PTK_SYS_signal_stack_install:
    case PTK_SYS_at_fork_child:
        return true;
    default:
        return false;
    }
}

#define TRIES    3 /* of one injection, as in workload_succeeds() */
#define CHILDREN 8 /* of a call that is made once per process: each fails another one of the first calls */

/* Injects the error into the n-th call. Returns whether there was such a call, so that there may be another.
 */
static bool inject(injection_t *injection, const workload_t *workload, uint32_t nth, int tries) {
    const fault_pair_t *pair = injection->pair;
    snprintf(injection->at, sizeof injection->at, "%s, call %u", workload->name, (unsigned) nth);
    wide_reset();
    if (pair->member == PTK_SYS_protect_none) { /* pages are protected only where guard advice fails */
        ptk_test_fault(PTK_SYS_guard_install, 1, EINVAL, PTK_TEST_FOR_GOOD);
    }
    ptk_test_fault(pair->member, nth, pair->os_err, PTK_TEST_ONCE);
    uint32_t failures = wide_failures();
    size_t notes = workload_run(workload);
    bool is_heap = pair->member == PTK_SYS_heap_reallocate;
    bool has_failed = is_heap ? ptk_test_fault_failures(pair->member) > 0 : wide_failures() > failures;
    if (ptk_test_fault_failures(pair->member) > 0 && has_failed) {
        injection->failures++;
        injection->was_ok = injection->was_ok || notes == 0;
        for (size_t i = 0; i < pair->outcome_count; i++) {
            injection->had_outcome[i] = injection->had_outcome[i] || workload_saw(pair->outcomes[i]);
        }
        bool is_wrong = notes > 0 && (pair->class == FAULT_RETRIED || pair->outcome_count == 0);
        if (is_wrong && tries > 1) {
            return inject(injection, workload, nth, tries - 1);
        }
        if (is_wrong) {
            ptk_test_failed(__FILE__, __LINE__, "%s: a call returned %s", injection->at,
                            workload_first_failure());
        }
    }
    injection->runs++;
    return ptk_test_fault_calls(pair->member) >= nth;
}

static void inject_into_all(void *argument) {
    injection_t *injection = argument;
    uint32_t most = ptk_test_is_long() || below_is_quick() ? UINT32_MAX : CALLS_MAX;
    uint32_t first =
        is_once_per_process(injection->pair->member) ? (uint32_t) injection->runs % CHILDREN + 1 : 1;
    most = is_once_per_process(injection->pair->member) ? first : most;
    alarm(100);
    test_capture_begin();
    for (size_t i = 0; i < workload_count; i++) {
        for (uint32_t nth = first; nth <= most && inject(injection, &workloads[i], nth, TRIES); nth++) {
        }
    }
}

static void check_injection(const injection_t *injection) {
    const fault_pair_t *pair = injection->pair;
    const char *member = fault_member_name(pair->member);
    if (injection->failures == 0) {
        ptk_test_failed(__FILE__, __LINE__, "%s %s: never injected", member, pair->error_name);
    }
    if (pair->may_be_ok && !injection->was_ok) {
        ptk_test_failed(__FILE__, __LINE__, "%s %s: never ok", member, pair->error_name);
    }
    for (size_t i = 0; i < pair->outcome_count; i++) {
        if (!injection->had_outcome[i]) {
            ptk_test_failed(__FILE__, __LINE__, "%s %s: never %s", member, pair->error_name,
                            ptk_err_name(pair->outcomes[i]));
        }
    }
}

static void inject_pair(injection_t *injection) {
    char output[4096] = "";
    int children = is_once_per_process(injection->pair->member) ? CHILDREN : 1;
    for (int child = 0; child < children; child++) {
        injection->runs = (size_t) child;
        int status = ptk_test_in_child(inject_into_all, injection, output, sizeof output);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            ptk_test_failed(__FILE__, __LINE__, "%s %s at %s: status %#x\n%s",
                            fault_member_name(injection->pair->member), injection->pair->error_name,
                            injection->at, (unsigned) status, output);
        }
    }
    check_injection(injection);
}

/* Returns whether the pair is to be injected: PTK_TEST_PAIR="member errno" selects a single one. */
static bool is_chosen(const fault_pair_t *pair) {
    const char *chosen = getenv("PTK_TEST_PAIR");
    char text[64];
    snprintf(text, sizeof text, "%s %s", fault_member_name(pair->member), pair->error_name);
    return !chosen || strcmp(chosen, text) == 0;
}

TEST(every_pair_that_can_occur_has_exactly_the_outcomes_of_the_table) {
    const fault_table_t *table = fault_table();
    injection_t *injection =
        mmap(NULL, sizeof *injection, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    size_t injected = 0;
    size_t failures = 0;
    CHECK(injection != MAP_FAILED);
    for (size_t i = 0; i < table->count; i++) {
        const fault_pair_t *pair = &table->pairs[i];
        bool can_happen = pair->class == FAULT_HANDLED || pair->class == FAULT_RETRIED;
        if (can_happen && fault_member_is_here(pair->member) && is_chosen(pair)) {
            *injection = (injection_t) {.pair = pair};
            inject_pair(injection);
            injected++;
            failures += injection->failures;
        }
    }
    CHECK_EQ(munmap(injection, sizeof *injection), 0);
    printf("%zu pairs injected, %zu failures\n", injected, failures);
}
