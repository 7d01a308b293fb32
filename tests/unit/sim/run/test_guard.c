/* SPDX-License-Identifier: MIT */
/*
 * A call that a simulated host must not make ends the process with a report of its name and place.
 */
#include "ptk_test.h"

#include <ptk_sim.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *idle(void *arg) {
    return arg;
}

static void read_clock(void) {
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
}

static void read_wall_clock(void) {
    (void) time(NULL);
}

static void open_socket(void) {
    (void) socket(AF_INET, SOCK_STREAM, 0);
}

static void start_thread(void) {
    pthread_t thread;
    (void) pthread_create(&thread, NULL, idle, NULL);
}

static void start_process(void) {
    (void) fork();
}

static void draw(void) {
    (void) rand();
}

static void wait_for_nothing(void) {
    (void) select(0, NULL, NULL, NULL, NULL);
}

static void measure_processor(void) {
    (void) clock();
}

static void read_time_of_day(void) {
    struct timeval now;
    (void) gettimeofday(&now, NULL);
}

static const struct {
    const char *name;
    void (*escape)(void);
} escapes[] = {
    {"select", wait_for_nothing},     {"clock", measure_processor}, {"gettimeofday", read_time_of_day},
    {"clock_gettime", read_clock},    {"time", read_wall_clock},    {"socket", open_socket},
    {"pthread_create", start_thread}, {"fork", start_process},      {"rand", draw},
};

static ptk_err run_host(void *arg) {
    void (*const *escape)(void) = arg;
    (*escape)();
    return PTK_OK;
}

static void escape_from_host(void *arg) {
    const ptk_sim_host_options_t host = {.struct_size = sizeof host, .name = "fugitive"};
    ptk_sim_t *sim = ptk_sim_create(NULL);
    CHECK(sim != NULL);
    CHECK(ptk_sim_host(sim, &host, run_host, arg) != NULL);
    (void) ptk_sim_run_for(sim, 1000);
    ptk_sim_destroy(sim);
}

TEST(calls_that_a_host_must_not_make_abort_with_a_report) {
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        char output[8192];
        void (*escape)(void) = escapes[i].escape;
        int status = ptk_test_in_child(escape_from_host, &escape, output, sizeof output);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        CHECK(strstr(output, escapes[i].name) != NULL);
        CHECK(strstr(output, "the simulated host \"fugitive\"") != NULL);
        CHECK(strstr(output, "#0") != NULL);
    }
}

TEST(every_function_of_the_list_is_intercepted) {
    CHECK(ptk_sim_is_guarded());
}

TEST(outside_a_host_every_call_is_allowed) {
    ptk_sim_t *sim = ptk_sim_create(NULL);
    read_clock();
    read_wall_clock();
    draw();
    ptk_sim_destroy(sim);
}
