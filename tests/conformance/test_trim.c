/* SPDX-License-Identifier: MIT */
/* P79: the memory of a peak of green threads is returned to the system, by itself and by a call. */
#include "conformance.h"

#include "context/ptk_sanitizer.h"
#include "sys/ptk_sys.h"
#include <string.h>

#define PEAK 500
#define KEPT 64 /* stacks that a loop keeps by itself */

#define SECOND_MS 1000

static char *deepest[PEAK]; /* a byte deep in the stack of each */
static size_t peak_count;

static void need_own_pages(void) {
    TEST_NEEDS_OWN_STACKS("the stacks are the foreign library's");
    if (ptk_sanitizer_watches_stacks()) {
        SKIP("sanitizers and Valgrind touch the pages of stacks themselves");
    }
}

/* Returns how many of the bytes are in a page that is mapped and resident. */
static size_t count_resident(void) {
    size_t page_bytes = ptk_sys_real.page_bytes();
    size_t count = 0;
    for (size_t i = 0; i < PEAK; i++) {
        unsigned char resident = 0;
        void *page = (void *) ((uintptr_t) deepest[i] & ~(uintptr_t) (page_bytes - 1));
        count += ptk_sys_real.resident(page, page_bytes, &resident) == 0 && (resident & 1);
    }
    return count;
}

static ptk_err go_deep(void *arg) {
    volatile char bytes[16 * 1024];
    (void) arg;
    memset((char *) bytes, 1, sizeof bytes);
    deepest[peak_count++] = (char *) bytes;
    return ptk_sleep_ms(10);
}

static void make_peak(size_t stack_bytes) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.stack_bytes = stack_bytes;
    peak_count = 0;
    for (size_t i = 0; i < PEAK; i++) {
        CHECK_OK(ptk_green_detach(test_check_spawned(ptk_green_spawn(NULL, &options, go_deep, NULL))));
    }
    CHECK_OK(ptk_sleep_ms(100));
    CHECK_EQ(peak_count, PEAK);
}

/* The clock moves only while the loop's poller sleeps, so no test takes the time that it names. */
static void run_timed(ptk_green_fn fn) {
    need_own_pages();
    test_clock_begin(1);
    test_in_green(fn);
    test_clock_end();
}

static ptk_err wait_after_peak(void *arg) {
    (void) arg;
    make_peak(0);
    CHECK_EQ(count_resident(), PEAK);
    CHECK_OK(ptk_sleep_ms(3 * SECOND_MS));
    CHECK(count_resident() <= KEPT);
    return PTK_OK;
}

TEST(p79_memory_of_a_peak_returns_while_the_loop_sleeps, HOOKS_POLLER) {
    run_timed(wait_after_peak);
}

static ptk_err wait_after_peak_of_larger(void *arg) {
    (void) arg;
    make_peak(2 * (size_t) 256 * 1024);
    CHECK_EQ(count_resident(), PEAK);
    CHECK_OK(ptk_sleep_ms(3 * SECOND_MS));
    CHECK(count_resident() <= KEPT);
    return PTK_OK;
}

TEST(p79_memory_of_larger_stacks_returns_too, HOOKS_POLLER) {
    run_timed(wait_after_peak_of_larger);
}

static ptk_err repeat_peaks(void *arg) {
    (void) arg;
    for (int i = 0; i < 10; i++) {
        make_peak(0);
        CHECK_OK(ptk_sleep_ms(SECOND_MS / 2));
        CHECK_EQ(count_resident(), PEAK);
    }
    return PTK_OK;
}

TEST(p79_load_that_comes_back_within_a_second_keeps_its_stacks, HOOKS_POLLER) {
    run_timed(repeat_peaks);
}

static ptk_err sleep_long_after_peak(void *arg) {
    (void) arg;
    make_peak(0);
    CHECK_OK(ptk_sleep_ms(3 * SECOND_MS));
    uint64_t before = test_counters().polls;
    CHECK_OK(ptk_sleep_ms(1000 * SECOND_MS));
    CHECK(test_counters().polls - before <= 4);
    return PTK_OK;
}

TEST(p79_loop_without_surplus_does_not_wake, HOOKS_POLLER | COUNTS_CALLS) {
    run_timed(sleep_long_after_peak);
}

static ptk_err trim_after_peak(void *arg) {
    (void) arg;
    make_peak(0);
    CHECK_OK(ptk_scheduler_trim(NULL));
    CHECK_EQ(count_resident(), 0);
    make_peak(0); /* the stacks work again, and their guards are there */
    CHECK_EQ(count_resident(), PEAK);
    CHECK_OK(ptk_scheduler_trim(ptk_event_loop_platform_current()));
    CHECK_EQ(count_resident(), 0);
    return PTK_OK;
}

TEST(p79_trim_returns_everything_at_once, HOOKS_POLLER) {
    run_timed(trim_after_peak);
}

TEST(p79_trim_needs_a_loop_and_may_be_called_outside_green_threads) {
    CHECK_ERR(ptk_scheduler_trim(NULL), PTK_ERR_NO_LOOP);
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK_OK(ptk_scheduler_trim(loop));
    CHECK_OK(ptk_scheduler_trim(NULL));
    test_loop_end(loop);
    CHECK_ERR(ptk_scheduler_trim(loop), PTK_ERR_WRONG_THREAD);
}
