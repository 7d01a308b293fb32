/* SPDX-License-Identifier: MIT */
/*
 * The suite on a simulated host: PTK_TEST_SIM=sim, epoll or poll runs each test's body as the main of one, on
 * that platform. Time is virtual, the network is the simulated one (127.0.0.1 is the host itself), and
 * nothing goes wrong by chance. What tests do with descriptors and clocks of their own they do on the host,
 * too (descriptors.h, test_clock.c). Tests that cannot run there have a flag that says why.
 * PTK_TEST_SIM_SEED=N lets schedules and latencies vary.
 */
#include "conformance.h"

#include <ptk_sim.h>
#include <stdlib.h>

#define LIMIT_MS         UINT64_C(1000000000000) /* some timeouts are long */
#define DESCRIPTOR_LIMIT 4096

static ptk_err run_body(void *arg) {
    void (**body)(void) = arg;
    (*body)();
    return PTK_OK;
}

static void run_on_a_host(void (*body)(void)) {
    const char *seed = getenv("PTK_TEST_SIM_SEED");
    const ptk_sim_options_t options = {.struct_size = sizeof options,
                                       .flags = seed ? PTK_SIM_NO_FAULTS : PTK_SIM_BENIGN,
                                       .seed = seed ? strtoull(seed, NULL, 10) : 0,
                                       .platform = getenv("PTK_TEST_SIM")};
    const ptk_sim_host_options_t host = {
        .struct_size = sizeof host, .name = "test", .descriptor_limit = DESCRIPTOR_LIMIT};
    ptk_sim_t *sim = ptk_sim_create(&options);
    CHECK(sim != NULL);
    CHECK(ptk_sim_host(sim, &host, run_body, &body) != NULL);
    CHECK_EQ(ptk_sim_run_for(sim, LIMIT_MS), PTK_SIM_END_QUIESCENT);
    CHECK(ptk_sim_report(sim).failure == NULL);
    ptk_sim_destroy(sim);
}

__attribute__((constructor)) static void choose_a_host(void) {
    if (getenv("PTK_TEST_SIM")) {
        ptk_test_run_by(run_on_a_host);
    }
}
