/* SPDX-License-Identifier: MIT */
/*
 * Destroy gave up, and ended the process, at the first failure of the poller: one poll(2) that failed for
 * lack of memory was enough, although the green threads that it had cancelled needed no poller to end.
 */
#include "regress_sock.h"

#include "ptk_test_faults.h"
#include <errno.h>

static ptk_err until_cancelled(void *arg) {
    (void) arg;
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE - 1), PTK_ERR_CANCELED);
    return PTK_OK;
}

static ptk_err until_the_shield_ends(void *arg) {
    ptk_shield_t shield;
    CHECK_OK(until_cancelled(arg));
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sleep_ms(1));
    CHECK_OK(ptk_shield_end(&shield));
    return PTK_OK;
}

static void destroy_in_trouble(const char *platform, ptk_green_fn fn, ptk_test_fault_span_t span) {
    ptk_test_faults_install();
    ptk_event_loop_platform_t *loop = regress_loop(platform);
    test_go(fn, NULL);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    ptk_test_fault(PTK_SYS_epoll_wait, 1, ENOMEM, span);
    ptk_test_fault(PTK_SYS_poll, 1, ENOMEM, span);
    test_loop_end(loop);
    CHECK(ptk_test_fault_failures(PTK_SYS_epoll_wait) + ptk_test_fault_failures(PTK_SYS_poll) > 0);
    ptk_test_faults_remove();
}

TEST(destroy_needs_no_poller_for_those_that_are_cancelled) {
    destroy_in_trouble("epoll", until_cancelled, PTK_TEST_FOR_GOOD);
    destroy_in_trouble("poll", until_cancelled, PTK_TEST_FOR_GOOD);
}

TEST(destroy_survives_a_poller_that_fails_for_a_while) {
    destroy_in_trouble("epoll", until_the_shield_ends, PTK_TEST_ONCE);
    destroy_in_trouble("poll", until_the_shield_ends, PTK_TEST_ONCE);
}
