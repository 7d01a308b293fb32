/* SPDX-License-Identifier: MIT */
/*
 * What green threads do is in the trace of a world, and not in its hash.
 */
#include "ptk_test.h"
#include "sim/world/ptk_sim_impl.h"

#include <ptk.h>
#include <string.h>

static ptk_err nap(void *arg) {
    (void) arg;
    return ptk_sleep_ms(5);
}

static ptk_err wait_in_vain(void *arg) {
    (void) arg;
    ptk_waitable_t *user = ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL);
    CHECK(user != NULL);
    ptk_err err = ptk_waitable_wait(user, PTK_EVENT_READ, 2);
    ptk_waitable_destroy(user);
    if (err == PTK_ERR_CANCELED) {
        return PTK_OK; /* the host crashes */
    }
    CHECK_ERR(err, PTK_ERR_TIMEOUT);
    ptk_green_t *napper = ptk_green_spawn(NULL, NULL, nap, NULL);
    CHECK_OK(ptk_yield());
    CHECK_OK(ptk_green_join(napper, NULL, PTK_TIMEOUT_INFINITE));
    return PTK_OK;
}

static ptk_err live(void *arg) {
    (void) arg;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK_OK(ptk_go(loop, wait_in_vain, NULL));
    CHECK_OK(ptk_scheduler_run(loop));
    return ptk_event_loop_platform_destroy(loop);
}

static ptk_sim_t *world(uint32_t flags) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .flags = flags | PTK_SIM_BENIGN, .platform = "sim"};
    const ptk_sim_host_options_t host = {.struct_size = sizeof host, .name = "host"};
    ptk_sim_t *sim = ptk_sim_create(&options);
    CHECK(sim != NULL && ptk_sim_host(sim, &host, live, NULL) != NULL);
    return sim;
}

/* Writes all entries of green threads, each ended by a semicolon. */
static void describe_greens(const ptk_sim_t *sim, char *text, size_t bytes) {
    static const char *const names[] = {"starts", "resumes", "waits for", "yields", "ends"};
    size_t length = 0;
    text[0] = '\0';
    for (uint64_t i = 0; i < sim->net.trace.count; i++) {
        const ptk_sim_trace_entry_t *entry = &sim->net.trace.entries[i];
        uint32_t detail = (uint32_t) entry->c;
        if (entry->kind != PTK_SIM_TRACE_GREEN) {
            continue;
        }
        const char *what = entry->c >> 32 == PTK_SIM_GREEN_WAITS ? sim->green_strings.strings[detail - 1]
                           : detail                              ? ptk_err_name((ptk_err) detail)
                                                                 : "";
        length += ptk_sys_format(text + length, bytes - length, "%s#%u %s %s;",
                                 sim->green_strings.strings[entry->b - 1], (unsigned) entry->a,
                                 names[entry->c >> 32], what);
        CHECK(length < bytes);
    }
}

TEST(the_trace_has_what_each_green_thread_does) {
    char text[2048];
    ptk_sim_t *sim = world(PTK_SIM_KEEP_TRACE);
    CHECK_EQ(ptk_sim_run_for(sim, 1000), PTK_SIM_END_QUIESCENT);
    describe_greens(sim, text, sizeof text);
    CHECK_STR(text, "wait_in_vain#1 starts ;wait_in_vain#1 waits for user event;"
                    "wait_in_vain#1 resumes PTK_ERR_TIMEOUT;wait_in_vain#1 yields ;"
                    "nap#2 starts ;nap#2 waits for sleep;"
                    "wait_in_vain#1 resumes ;wait_in_vain#1 waits for join;"
                    "nap#2 resumes PTK_ERR_TIMEOUT;nap#2 ends ;"
                    "wait_in_vain#1 resumes ;wait_in_vain#1 ends ;");
    ptk_sim_destroy(sim);
}

TEST(entries_of_green_threads_are_not_in_the_hash) {
    ptk_sim_t *sim = world(PTK_SIM_KEEP_TRACE);
    CHECK_EQ(ptk_sim_run_for(sim, 1000), PTK_SIM_END_QUIESCENT);
    ptk_sim_report_t with = ptk_sim_report(sim);
    ptk_sim_destroy(sim);
    sim = world(0);
    CHECK_EQ(ptk_sim_run_for(sim, 1000), PTK_SIM_END_QUIESCENT);
    ptk_sim_report_t without = ptk_sim_report(sim);
    ptk_sim_destroy(sim);
    CHECK(memcmp(with.hash, without.hash, sizeof with.hash) == 0);
}

TEST(an_unwinding_host_records_nothing_and_its_next_process_starts_anew) {
    char text[2048];
    ptk_sim_t *sim = world(PTK_SIM_KEEP_TRACE);
    CHECK_EQ(ptk_sim_run_for(sim, 1), PTK_SIM_END_TIME_LIMIT);
    ptk_sim_crash(sim->hosts[0]);
    describe_greens(sim, text, sizeof text);
    CHECK_STR(text, "wait_in_vain#1 starts ;wait_in_vain#1 waits for user event;");
    ptk_sim_restart(sim->hosts[0]);
    CHECK_EQ(ptk_sim_run_for(sim, 1), PTK_SIM_END_TIME_LIMIT);
    describe_greens(sim, text, sizeof text);
    CHECK(strstr(text, ";wait_in_vain#2 starts ;") != NULL);
    ptk_sim_destroy(sim);
}
