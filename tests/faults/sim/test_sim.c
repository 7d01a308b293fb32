/* SPDX-License-Identifier: MIT */
/*
 * Tests of the simulated hosts. They make every call whose failures test_errno_table.c injects, except for
 * those that are listed here with the reason. A host that leaves something behind or does not end is
 * detected: without that, the sweeps would prove nothing.
 */
#include "faults/faults.h"

#include "conformance.h"
#include "sim/kernel/ptk_sim_kernel.h"
#include <errno.h>
#include <ptk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

/* Pairs that are handled or retried: all of them, which occur on epoll, and those of the other platforms. */
#define PAIRS          139
#define PAIRS_ON_OTHER 122

static const struct {
    ptk_sys_member_t member;
    const char *reason;
} not_made[] = {
    {PTK_SYS_epoll_create, "only the platform epoll makes it"},
    {PTK_SYS_epoll_ctl, "only the platform epoll makes it"},
    {PTK_SYS_epoll_wait, "only the platform epoll makes it"},
    {PTK_SYS_timer_open, "only the platform epoll shows its deadlines on a descriptor"},
};

static bool is_on_epoll(void) {
    const char *platform = getenv("PTK_PLATFORM");
    return !platform || strcmp(platform, "epoll") == 0;
}

static const char *reason_not_made(ptk_sys_member_t member) {
    for (size_t i = 0; i < sizeof not_made / sizeof not_made[0]; i++) {
        if (not_made[i].member == member && !fault_member_is_here(member)) {
            return not_made[i].reason;
        }
    }
    return NULL;
}

static size_t pairs_of(ptk_sys_member_t member) {
    const fault_table_t *table = fault_table();
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) {
        const fault_pair_t *pair = &table->pairs[i];
        count += pair->member == member && (pair->class == FAULT_HANDLED || pair->class == FAULT_RETRIED);
    }
    return count;
}

TEST(a_host_makes_every_call_that_can_fail_except_the_listed_ones) {
    size_t made = 0;
    size_t all = 0;
    wide_reset();
    test_capture_begin();
    for (size_t i = 0; i < workload_count; i++) {
        CHECK_EQ(workload_run(&workloads[i]), 0);
    }
    /* Pages are protected only where guard advice fails. */
    ptk_test_fault(PTK_SYS_guard_install, 1, EINVAL, PTK_TEST_FOR_GOOD);
    CHECK_EQ(workload_run(&workloads[0]), 0);
    test_capture_end();
    for (int member = 0; member < PTK_SYS_FALLIBLE_MEMBERS; member++) {
        const char *name = fault_member_name((ptk_sys_member_t) member);
        const char *reason = reason_not_made((ptk_sys_member_t) member);
        size_t pairs = pairs_of((ptk_sys_member_t) member);
        bool is_made = ptk_test_fault_calls((ptk_sys_member_t) member) > 0;
        all += pairs;
        made += is_made ? pairs : 0;
        if (pairs > 0 && is_made == (reason != NULL)) {
            ptk_test_failed(__FILE__, __LINE__, "%s is %s", name,
                            is_made ? "made although it is listed" : "neither made nor listed with a reason");
        }
        if (pairs > 0 && reason) {
            printf("%s: %zu pairs are not injected: %s\n", name, pairs, reason);
        }
    }
    CHECK_EQ(all, PAIRS);
    CHECK_EQ(made, is_on_epoll() ? PAIRS : PAIRS_ON_OTHER);
    printf("%zu of %zu pairs are injected\n", made, all);
}

TEST(two_runs_make_the_same_number_of_calls) {
    test_capture_begin();
    for (size_t i = 0; i < workload_count; i++) {
        CHECK_EQ(workload_run(&workloads[i]), 0); /* makes the calls that are made once per process */
        wide_reset();
        CHECK_EQ(workload_run(&workloads[i]), 0);
        uint32_t calls = wide_calls();
        wide_reset();
        CHECK_EQ(workload_run(&workloads[i]), 0);
        CHECK_EQ(wide_calls(), calls);
    }
    test_capture_end();
}

/* --- hosts that must be detected --- */

static void leave_a_descriptor(const void *argument) {
    ptk_os_handle_t handle = 0;
    (void) argument;
    CHECK_EQ(below_sys->socket(AF_INET, SOCK_STREAM, 0, &handle), 0);
}

static void leave_an_allocation(const void *argument) {
    (void) argument;
    CHECK(below_sys->heap_reallocate(NULL, 16) != NULL);
}

static void wait_for_ever(const void *argument) {
    (void) argument;
    (void) below_sys->poll(NULL, 0, -1);
}

static void go_round_for_ever(const void *argument) {
    (void) argument;
    for (;;) {
        (void) below_sys->poll(NULL, 0, 0);
    }
}

typedef struct bad_host {
    void (*body)(const void *argument);
    const char *verdict;
} bad_host_t;

static void run_bad(void *argument) {
    const bad_host_t *host = argument;
    wide_reset();
    below_run(host->body, NULL);
}

TEST(a_host_that_leaves_something_or_does_not_end_is_detected) {
    bad_host_t hosts[] = {
        {leave_a_descriptor, "descriptors open"},
        {leave_an_allocation, "allocations live"},
        {wait_for_ever, "deadlock"},
        {go_round_for_ever, "steps and no end"},
    };
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char output[4096] = "";
        int status = ptk_test_in_child(run_bad, &hosts[i], output, sizeof output);
        CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
        if (!strstr(output, hosts[i].verdict)) {
            ptk_test_failed(__FILE__, __LINE__, "not \"%s\" but: %s", hosts[i].verdict, output);
        }
    }
}

/* --- a wake that is lost --- */

/* Removes the descriptor from every epoll of the kernel, without a call of ptk. */
static void lose_registrations(ptk_os_handle_t handle) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    for (uint32_t i = 0; i < kernel->descriptor_capacity; i++) {
        const ptk_sim_file_t *file = kernel->descriptors[i];
        if (file && file->kind == PTK_SIM_FILE_EPOLL) {
            CHECK_EQ(ptk_sim_sys.epoll_ctl((ptk_os_handle_t) i, EPOLL_CTL_DEL, handle, NULL), 0);
        }
    }
}

static ptk_os_handle_t pair[2];
static bool is_lost;

static ptk_err wait_for_it(void *unused) {
    (void) unused;
    return test_wait(test_fd_waitable((int) pair[0]), PTK_TIMEOUT_INFINITE);
}

static ptk_err wait_for_what_comes(void *unused) {
    (void) unused;
    test_go(wait_for_it, NULL);
    test_let_poll();
    if (is_lost) {
        lose_registrations(pair[0]);
        below_write(pair[1], 1);
    }
    return PTK_OK;
}

static void wait_in_vain(const void *unused) {
    (void) unused;
    below_pair(pair);
    test_in_green(wait_for_what_comes);
}

static void try_in_vain(void *unused) {
    const char *words = NULL;
    (void) unused;
    wide_reset();
    CHECK_EQ(below_try(wait_in_vain, NULL, &words), is_lost ? BELOW_MISSED : BELOW_WAITS);
}

TEST(a_wake_that_is_lost_is_distinguished_from_one_that_never_comes) {
    for (int i = 0; i < 1 + is_on_epoll();
         i++) { /* the other platforms have no registrations in the kernel */
        char output[1024] = "";
        is_lost = i == 1;
        int status = ptk_test_in_child(try_in_vain, NULL, output, sizeof output);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            ptk_test_failed(__FILE__, __LINE__, "%d: %s", i, output);
        }
    }
}
