/* SPDX-License-Identifier: MIT */
/*
 * poll(2) takes no more entries than the process may have descriptors. The poll platform passed one per
 * registration, idle or not: once the limit was below that, run failed with INVALID_PARAM and destroy
 * aborted.
 */
#include "regress_sock.h"

#include <sys/resource.h>

#define SOCKETS    40
#define FEWER_THAN 32

static ptk_err receive_and_sleep(void *unused) {
    (void) unused;
    int fds[2];
    test_socketpair(fds);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    CHECK_ERR(test_wait(readable, 1), PTK_ERR_TIMEOUT);
    test_write(fds[1], 1);
    CHECK_OK(test_wait(readable, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sleep_ms(1));
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    return PTK_OK;
}

static ptk_err sleep_until_canceled(void *unused) {
    (void) unused;
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    test_note('c');
    return PTK_OK;
}

TEST(poll_with_more_registrations_than_descriptors_are_allowed) {
    ptk_event_loop_platform_t *loop = regress_loop("poll");
    ptk_sock_t *socks[SOCKETS];
    struct rlimit limit;
    ptk_err result = PTK_ERR_OS;
    for (int i = 0; i < SOCKETS; i++) {
        socks[i] = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
        CHECK(socks[i] != NULL);
    }
    for (int i = 0; i < 5; i++) {
        ptk_sock_close(socks[i]); /* low numbers for the test below */
    }
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit fewer = {.rlim_cur = FEWER_THAN, .rlim_max = limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &fewer), 0);
    ptk_green_t *green = test_spawn(receive_and_sleep, NULL);
    test_run();
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_OK(result);
    test_go(sleep_until_canceled, NULL);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    test_loop_end(loop);
    CHECK_STR(test_notes(), "c");
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}
