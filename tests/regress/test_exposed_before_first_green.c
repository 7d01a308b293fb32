/* SPDX-License-Identifier: MIT */
/* The loop's descriptor was requested before the first spawn, and then never showed work or deadlines. */
#include "conformance.h"

#include <poll.h>

static ptk_err sleep_three_ms(void *arg) {
    (void) arg;
    return ptk_sleep_ms(3);
}

TEST(descriptor_requested_before_the_first_green_thread) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.platform = "epoll";
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    struct pollfd entry = {.fd = (int) ptk_event_loop_platform_fd(loop), .events = POLLIN};
    CHECK(entry.fd >= 0);
    CHECK_EQ(poll(&entry, 1, 0), 0);
    test_go(sleep_three_ms, NULL);
    do {
        CHECK_EQ(poll(&entry, 1, -1), 1);
    } while (ptk_scheduler_poll(loop, 0, NULL) == PTK_OK);
    test_loop_end(loop);
}
