/* SPDX-License-Identifier: MIT */
/*
 * The suite on a simulated host: PTK_TEST_SIM=sim, epoll or poll runs each test's body as the main of one, on
 * that platform. Time is virtual, the network is the simulated one (127.0.0.1 is the host itself), and every
 * decision is the benign one. What tests do with descriptors and clocks of their own they do on the host,
 * too (descriptors.h, test_clock.c). Tests that cannot run there have a flag that says why.
 *
 * PTK_TEST_SIM_SEED=S lets a seed decide: the order in which green threads run and in which events are
 * delivered, when a tick is taken, how long packets travel and how they are cut; and what a healthy kernel
 * may do: short and interrupted calls, early and spurious wakes. No packet is lost and no call fails, so the
 * outcome of a test is the same with every seed. A test that needs some of this to stay benign states so by a
 * flag, and runs with the rest.
 *
 * PTK_TEST_SIM_SEEDS=N runs N seeds, each in a child process: from PTK_TEST_SIM_SEED on, or from one that is
 * drawn. A seed that fails is printed with the command that runs it alone.
 */
#include "conformance.h"

#include "sim/kernel/ptk_sim_site.h"
#include "sim/world/ptk_sim_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <ptk_sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_MS         UINT64_C(1000000000000) /* some timeouts are long */
#define DESCRIPTOR_LIMIT 4096
#define SECONDS_PER_SEED 120
#define EXIT_SKIPPED     77

static ptk_err run_body(void *arg) {
    void (**body)(void) = arg;
    (*body)();
    return PTK_OK;
}

/* What stays benign with every seed for the sake of a test, by its flags. */
static const struct {
    unsigned flags;
    uint32_t site;
} needs[] = {
    {NEEDS_ORDER, PTK_CHOICE_RUN_NEXT},
    {NEEDS_ORDER, PTK_CHOICE_BATCH_END},
    {NEEDS_ORDER, PTK_CHOICE_EVENT_ORDER},
    {NEEDS_ORDER, PTK_SIM_SITE_BATCH},
    {NEEDS_ORDER, PTK_SIM_SITE_READY_ORDER},
    {NEEDS_TICKS | COUNTS_CALLS, PTK_CHOICE_TICK},
    {NEEDS_TICKS | COUNTS_CALLS, PTK_SIM_SITE_EARLY},
    {NEEDS_TICKS | COUNTS_CALLS, PTK_SIM_SITE_EINTR},
    {TRUSTS_READINESS | NEEDS_TICKS | COUNTS_CALLS, PTK_SIM_SITE_SPURIOUS},
    {WHOLE_TRANSFERS | COUNTS_CALLS, PTK_SIM_SITE_SHORT_SEND},
    {WHOLE_TRANSFERS | COUNTS_CALLS, PTK_SIM_SITE_SHORT_RECV},
};

/* Excludes faults of the network, jumps of the clock, and the decisions that the test needs to be benign. */
static void limit_decisions(ptk_sim_t *sim) {
    ptk_sim_quiet_network(sim);
    ptk_sim_oracle_set_rate(&sim->oracle, PTK_SIM_SITE_CLOCK_STEP, 0);
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        if (ptk_test_flags() & needs[i].flags) {
            ptk_sim_oracle_set_rate(&sim->oracle, needs[i].site, 0);
        }
    }
}

/* Runs the body on a host; `seed` NULL: every decision is the benign one. */
static void run_on_a_host(void (*body)(void), const uint64_t *seed) {
    const ptk_sim_options_t options = {.struct_size = sizeof options,
                                       .flags = seed ? 0 : PTK_SIM_BENIGN,
                                       .seed = seed ? *seed : 0,
                                       .platform = getenv("PTK_TEST_SIM")};
    const ptk_sim_host_options_t host = {
        .struct_size = sizeof host, .name = "test", .descriptor_limit = DESCRIPTOR_LIMIT};
    ptk_sim_t *sim = ptk_sim_create(&options);
    CHECK(sim != NULL);
    CHECK(ptk_sim_host(sim, &host, run_body, &body) != NULL);
    limit_decisions(sim);
    CHECK_EQ(ptk_sim_run_for(sim, LIMIT_MS), PTK_SIM_END_QUIESCENT);
    CHECK(ptk_sim_report(sim).failure == NULL);
    ptk_sim_destroy(sim);
}

/* --- seeds --- */

/* Returns the number in a variable of the environment, or false if it has none. */
static bool read_number(const char *name, uint64_t *number_out) {
    const char *text = getenv(name);
    char *end = NULL;
    if (!text || !*text) {
        return false;
    }
    errno = 0;
    *number_out = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0') {
        ptk_test_failed(__FILE__, __LINE__, "%s=%s is not a number", name, text);
    }
    return true;
}

static uint64_t first_seed(void) {
    uint64_t seed = 0;
    uint32_t drawn = 0;
    if (!read_number("PTK_TEST_SIM_SEED", &seed)) {
        CHECK(getrandom(&drawn, sizeof drawn, 0) == (ssize_t) sizeof drawn);
        seed = drawn;
    }
    return seed;
}

/* Waits for the child that runs a seed. Ends this process if it has not passed. */
static void judge(pid_t child, uint64_t seed) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
        _exit(EXIT_SKIPPED);
    }
    ptk_test_failed(__FILE__, __LINE__,
                    "seed %" PRIu64 ": wait status %#x\n"
                    "replay: PTK_TEST_SIM=%s PTK_TEST_SIM_SEED=%" PRIu64 " %s %s",
                    seed, (unsigned) status, getenv("PTK_TEST_SIM"), seed, ptk_test_program(),
                    ptk_test_name());
}

/* Each child returns to the runner, which counts what the test has left behind. */
static void run_seeds(void (*body)(void), uint64_t count) {
    uint64_t first = first_seed();
    fprintf(stderr, "seeds %" PRIu64 " to %" PRIu64 "\n", first, first + count - 1);
    for (uint64_t seed = first; seed < first + count; seed++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(SECONDS_PER_SEED);
            run_on_a_host(body, &seed);
            return;
        }
        judge(child, seed);
    }
}

static void run_simulated(void (*body)(void)) {
    uint64_t number = 0;
    if (read_number("PTK_TEST_SIM_SEEDS", &number)) {
        run_seeds(body, number);
    } else {
        run_on_a_host(body, read_number("PTK_TEST_SIM_SEED", &number) ? &number : NULL);
    }
}

__attribute__((constructor)) static void choose_a_host(void) {
    if (getenv("PTK_TEST_SIM")) {
        ptk_test_run_by(run_simulated);
    }
}
