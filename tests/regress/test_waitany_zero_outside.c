/* SPDX-License-Identifier: MIT */
/* wait_any with timeout 0 outside of run looked at the event counters only: not at what signalers had
   sent, nor at timers that were due. */
#include "conformance.h"

TEST(waitany_with_timeout_zero_sees_signals_and_timers_outside_run) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_waitable_t *timer = test_timer_waitable(2, 1);
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    ptk_waitable_wait_item_t items[] = {
        {.waitable = user, .events = PTK_EVENT_READ},
        {.waitable = timer, .events = PTK_EVENT_READ},
    };
    size_t index = 9;
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_signaler_signal(signaler));
    CHECK_OK(ptk_signaler_signal(signaler));
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, 0));
    CHECK_EQ(index, 0);
    CHECK_EQ(items[0].count_out, 2);
    test_clock_advance(4 * PTK_NS_PER_MS);
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, 0));
    CHECK_EQ(index, 1);
    CHECK_EQ(items[1].count_out, 3);
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 0), PTK_ERR_TIMEOUT);
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    ptk_waitable_destroy(timer);
    test_loop_end(loop);
    test_clock_end();
}
