/* SPDX-License-Identifier: MIT */
/* A signal reaches the simulated host that it is sent to, and no other. */
#include "ptk_test.h"

#include <ptk.h>
#include <ptk_sim.h>
#include <pthread.h>
#include <signal.h>

static uint64_t signals_seen[2];

static ptk_err listen_to_signals(void *arg) {
    uint64_t *mine = arg;
    ptk_waitable_t *signal = ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1));
    CHECK(signal != NULL);
    while (ptk_waitable_wait(signal, PTK_EVENT_READ, 1000) == PTK_OK) {
        *mine += ptk_waitable_count();
    }
    ptk_waitable_destroy(signal);
    return PTK_OK;
}

static ptk_err run_host(void *arg) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK_OK(ptk_go(loop, listen_to_signals, arg));
    CHECK_OK(ptk_scheduler_run(loop));
    return ptk_event_loop_platform_destroy(loop);
}

static void try_platform(const char *platform) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .flags = PTK_SIM_BENIGN, .platform = platform};
    ptk_sim_t *sim = ptk_sim_create(&options);
    ptk_sim_host_t *hosts[2];
    signals_seen[0] = signals_seen[1] = 0;
    for (int i = 0; i < 2; i++) {
        hosts[i] = ptk_sim_host(sim, NULL, run_host, &signals_seen[i]);
        CHECK(hosts[i] != NULL);
    }
    CHECK_EQ(ptk_sim_run_for(sim, 10), PTK_SIM_END_TIME_LIMIT);
    ptk_sim_signal(hosts[0], SIGUSR1);
    ptk_sim_signal(hosts[0], SIGUSR1);
    ptk_sim_signal(hosts[1], SIGUSR2);
    CHECK_EQ(ptk_sim_settle(sim, 5000), PTK_SIM_END_QUIESCENT);
    CHECK(ptk_sim_report(sim).failure == NULL);
    CHECK_EQ(signals_seen[0], 2);
    CHECK_EQ(signals_seen[1], 0);
    ptk_sim_destroy(sim);
}

/* A real loop beside the simulation, which registers for the signal after a host did. */
static void *wait_for_real_signal(void *arg) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    (void) arg;
    ptk_waitable_t *signal = ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1));
    CHECK(signal != NULL);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_OK(ptk_waitable_wait(signal, PTK_EVENT_READ, 0));
    ptk_waitable_destroy(signal);
    CHECK_OK(ptk_event_loop_platform_destroy(loop));
    return NULL;
}

TEST(a_real_signal_reaches_real_loops_although_a_host_registered_first) {
    const ptk_sim_options_t options = {.struct_size = sizeof options, .flags = PTK_SIM_BENIGN};
    pthread_t thread;
    ptk_sim_t *sim = ptk_sim_create(&options);
    signals_seen[0] = 0;
    CHECK(ptk_sim_host(sim, NULL, run_host, &signals_seen[0]) != NULL);
    CHECK_EQ(ptk_sim_run_for(sim, 10), PTK_SIM_END_TIME_LIMIT);
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_real_signal, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(ptk_sim_settle(sim, 5000), PTK_SIM_END_QUIESCENT);
    CHECK_EQ(signals_seen[0], 0);
    ptk_sim_destroy(sim);
}

TEST(a_signal_reaches_one_host) {
    try_platform("sim");
    try_platform("epoll");
    try_platform("poll");
}
