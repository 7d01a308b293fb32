/* SPDX-License-Identifier: MIT */
/*
 * A green thread that returned with a shield still open left the loop with a scope, and its timer, in a frame
 * that no longer existed: the next green thread on that stack overwrote them.
 */
#include "conformance.h"

#include <string.h>

static void scribble(void *value) {
    volatile char frame[2048];
    memset((char *) frame, 0x5a, sizeof frame);
    *(int *) value += frame[7] == 0x5a;
}

static const ptk_green_key_t key = {.destructor = scribble};

static ptk_err leave_shields_open(void *count) {
    ptk_shield_t limited;
    ptk_shield_t unlimited;
    CHECK_OK(ptk_green_set_local(&key, count));
    CHECK_OK(ptk_shield_begin(&limited, 5));
    CHECK_OK(ptk_shield_begin(&unlimited, PTK_TIMEOUT_INFINITE));
    return PTK_OK;
}

static ptk_err start_many(void *count) {
    for (int i = 0; i < 20; i++) {
        CHECK_OK(test_join(test_spawn(leave_shields_open, count)));
    }
    CHECK_OK(ptk_sleep_ms(20)); /* the shields' limits pass without a green thread */
    return PTK_OK;
}

TEST(shield_left_open_goes_with_its_green_thread) {
    int count = 0;
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(start_many, &count);
    test_run();
    CHECK_EQ(count, 20);
    test_loop_end(loop);
}
