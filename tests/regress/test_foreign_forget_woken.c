/* SPDX-License-Identifier: MIT */
/* A foreign coroutine that was woken, but not yet continued, could be forgotten: it was still in the run
 * queue. */
#include "conformance.h"

#ifdef PTK_TEST_HAVE_PCL

static void wait_once(void *user) {
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
}

static void forget_too_early(void) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_scheduler_hooks_t hooks = foreign_pcl.hooks();
    CHECK_OK(ptk_scheduler_set_hooks(loop, &hooks));
    ptk_waitable_t *user = test_user();
    void *waiter = foreign_pcl.start(wait_once, user);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR(ptk_foreign_forget(waiter), PTK_ERR_BUSY);
    while (!foreign_pcl.has_ended(waiter)) {
        CHECK_OK(ptk_scheduler_poll(loop, PTK_TIMEOUT_INFINITE, NULL));
    }
    CHECK_OK(ptk_foreign_forget(waiter));
    foreign_pcl.free(waiter);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

#else

static void forget_too_early(void) {
    SKIP("built without libpcl");
}

#endif

TEST(forget_of_a_foreign_coroutine_that_was_woken_is_busy) {
    forget_too_early();
}
