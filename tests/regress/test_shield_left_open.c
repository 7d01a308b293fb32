/* SPDX-License-Identifier: MIT */
/*
 * The function of a green thread returned inside a shield. The shield lies in a frame that is gone then, and
 * its scope and timer were taken off through that dead frame. Now it is reported, and the process aborts.
 */
#include "conformance.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static ptk_err leave_a_shield_open(void *limit_ms) {
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, *(const uint32_t *) limit_ms));
    return PTK_OK;
}

static ptk_err leave_the_outer_open(void *limit_ms) {
    ptk_shield_t outer;
    ptk_shield_t inner;
    CHECK_OK(ptk_shield_begin(&outer, *(const uint32_t *) limit_ms));
    CHECK_OK(ptk_shield_begin(&inner, *(const uint32_t *) limit_ms));
    CHECK_OK(ptk_shield_end(&inner));
    return PTK_OK;
}

typedef struct misuse {
    ptk_green_fn fn;
    uint32_t limit_ms;
} misuse_t;

static void run_it(void *arg) {
    misuse_t *misuse = arg;
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.name = "forgetful";
    (void) test_loop();
    CHECK(ptk_green_spawn(NULL, &options, misuse->fn, &misuse->limit_ms) != NULL);
    (void) ptk_scheduler_run(NULL);
}

static void check_aborts(misuse_t misuse) {
    char output[8192];
    int status = ptk_test_in_child(run_it, &misuse, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    CHECK(strstr(output, "forgetful") != NULL);
    CHECK(strstr(output, "shield") != NULL);
}

TEST(shield_left_open_is_reported_and_aborts) {
    check_aborts((misuse_t) {leave_a_shield_open, 5});
    check_aborts((misuse_t) {leave_a_shield_open, PTK_TIMEOUT_INFINITE});
    check_aborts((misuse_t) {leave_the_outer_open, 5});
}
