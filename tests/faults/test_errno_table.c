/* SPDX-License-Identifier: MIT */
/*
 * Every call of the system table against every error that it can answer: the table is complete, and what it
 * says is so. Each pair is fired at every workload, at its first, second, ... call until the workload makes
 * no more such calls, in a child process that has never seen a loop: some calls are made once per process.
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

#define CALLS_MAX 60 /* of one workload, unless the tests may take long or are quick */

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
            ptk_test_failed(__FILE__, __LINE__, "nothing about %s",
                            fault_member_name((ptk_sys_member_t) member));
        }
    }
    printf("%zu pairs: %zu handled, %zu retried, %zu asserts, %zu unreachable\n", table->count,
           classes[FAULT_HANDLED], classes[FAULT_RETRIED], classes[FAULT_ASSERTS],
           classes[FAULT_UNREACHABLE]);
}

/* What came of one pair, told by the child through shared memory. */
typedef struct shot {
    const fault_pair_t *pair;
    size_t runs;
    size_t strikes;
    bool was_ok;
    bool had_outcome[FAULT_OUTCOMES];
    char at[64];
} shot_t;

/* Calls that are made once per process want a process each. */
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

#define TRIES 3 /* a shot that fails has so many: see workload_succeeds */

/* Did the n-th call exist, so that there may be another? */
static bool fire(shot_t *shot, const workload_t *workload, uint32_t nth, int tries) {
    const fault_pair_t *pair = shot->pair;
    snprintf(shot->at, sizeof shot->at, "%s, call %u", workload->name, (unsigned) nth);
    wide_reset();
    if (pair->member == PTK_SYS_protect_none) { /* pages are only protected where advice is not taken */
        ptk_test_fault(PTK_SYS_guard_install, 1, EINVAL, PTK_TEST_FOR_GOOD);
    }
    ptk_test_fault(pair->member, nth, pair->os_err, PTK_TEST_ONCE);
    uint32_t failures = wide_failures();
    size_t notes = workload_run(workload);
    bool is_heap = pair->member == PTK_SYS_heap_reallocate;
    bool struck = is_heap ? ptk_test_fault_failures(pair->member) > 0 : wide_failures() > failures;
    if (ptk_test_fault_failures(pair->member) > 0 && struck) {
        shot->strikes++;
        shot->was_ok = shot->was_ok || notes == 0;
        for (size_t i = 0; i < pair->outcome_count; i++) {
            shot->had_outcome[i] = shot->had_outcome[i] || workload_saw(pair->outcomes[i]);
        }
        bool is_wrong = notes > 0 && (pair->class == FAULT_RETRIED || pair->outcome_count == 0);
        if (is_wrong && tries > 1) {
            return fire(shot, workload, nth, tries - 1);
        }
        if (is_wrong) {
            ptk_test_failed(__FILE__, __LINE__, "%s: a call answered %s", shot->at, workload_first_failure());
        }
    }
    shot->runs++;
    return ptk_test_fault_calls(pair->member) >= nth;
}

static void fire_at_all(void *argument) {
    shot_t *shot = argument;
    uint32_t most = ptk_test_is_long() || below_is_quick() ? UINT32_MAX : CALLS_MAX;
    uint32_t first = is_once_per_process(shot->pair->member) ? (uint32_t) shot->runs % 4 + 1 : 1;
    most = is_once_per_process(shot->pair->member) ? first : most;
    alarm(100);
    test_capture_begin();
    for (size_t i = 0; i < workload_count; i++) {
        for (uint32_t nth = first; nth <= most && fire(shot, &workloads[i], nth, TRIES); nth++) {
        }
    }
}

static void check_shot(const shot_t *shot) {
    const fault_pair_t *pair = shot->pair;
    const char *member = fault_member_name(pair->member);
    if (shot->strikes == 0) {
        ptk_test_failed(__FILE__, __LINE__, "%s %s: never struck", member, pair->error_name);
    }
    if (pair->may_be_ok && !shot->was_ok) {
        ptk_test_failed(__FILE__, __LINE__, "%s %s: never ok", member, pair->error_name);
    }
    for (size_t i = 0; i < pair->outcome_count; i++) {
        if (!shot->had_outcome[i]) {
            ptk_test_failed(__FILE__, __LINE__, "%s %s: never %s", member, pair->error_name,
                            ptk_err_name(pair->outcomes[i]));
        }
    }
}

static void fire_pair(shot_t *shot) {
    char output[4096] = "";
    int children = is_once_per_process(shot->pair->member) ? 4 : 1;
    for (int child = 0; child < children; child++) {
        shot->runs = (size_t) child;
        int status = ptk_test_in_child(fire_at_all, shot, output, sizeof output);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            ptk_test_failed(__FILE__, __LINE__, "%s %s at %s: status %#x\n%s",
                            fault_member_name(shot->pair->member), shot->pair->error_name, shot->at,
                            (unsigned) status, output);
        }
    }
    check_shot(shot);
}

/* PTK_TEST_PAIR="member errno" fires that one only. */
static bool is_chosen(const fault_pair_t *pair) {
    const char *chosen = getenv("PTK_TEST_PAIR");
    char text[64];
    snprintf(text, sizeof text, "%s %s", fault_member_name(pair->member), pair->error_name);
    return !chosen || strcmp(chosen, text) == 0;
}

TEST(every_pair_that_can_happen_is_injected_and_ends_as_the_table_says) {
    const fault_table_t *table = fault_table();
    shot_t *shot = mmap(NULL, sizeof *shot, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    size_t fired = 0;
    size_t strikes = 0;
    CHECK(shot != MAP_FAILED);
    for (size_t i = 0; i < table->count; i++) {
        const fault_pair_t *pair = &table->pairs[i];
        bool can_happen = pair->class == FAULT_HANDLED || pair->class == FAULT_RETRIED;
        if (can_happen && fault_member_is_here(pair->member) && is_chosen(pair)) {
            *shot = (shot_t) {.pair = pair};
            fire_pair(shot);
            fired++;
            strikes += shot->strikes;
        }
    }
    CHECK_EQ(munmap(shot, sizeof *shot), 0);
    printf("%zu pairs fired, %zu strikes\n", fired, strikes);
}
