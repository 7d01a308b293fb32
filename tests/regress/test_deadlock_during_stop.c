/* SPDX-License-Identifier: MIT */
/* run ended with DEADLOCK in the middle of a stop and left the stop on: every green thread that was
   started afterwards was cancelled from the beginning. */
#include "conformance.h"

static ptk_err wait_shielded(void *user) {
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_shield_end(&shield));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_STOP);
    return PTK_OK;
}

static ptk_err sleep_undisturbed(void *arg) {
    (void) arg;
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    CHECK_OK(ptk_sleep_ms(1));
    test_note('s');
    return PTK_OK;
}

TEST(stop_is_over_when_run_ends_with_deadlock) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(wait_shielded, user);
    CHECK_OK(ptk_scheduler_stop(loop));
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    test_capture_end();
    test_go(sleep_undisturbed, NULL);
    CHECK_OK(ptk_waitable_signal(user));
    test_run();
    CHECK_STR(test_notes(), "s");
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}
