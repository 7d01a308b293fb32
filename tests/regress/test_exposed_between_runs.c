/* SPDX-License-Identifier: MIT */
/*
 * The loop's descriptor showed only what the last ptk_scheduler_poll() had left behind: not a TIMER waitable
 * that was created outside the loop, and, after run had returned, neither a new green thread nor a signal.
 */
#include "regress_sock.h"

#include <poll.h>
#include <pthread.h>

static ptk_err answer_ok(void *arg) {
    (void) arg;
    return PTK_OK;
}

static bool shows(int fd, int timeout_ms) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return poll(&entry, 1, timeout_ms) == 1;
}

/* A loop that is watched from outside; it has been run, and nothing is due. */
static ptk_event_loop_platform_t *watched_loop(int *fd_out) {
    ptk_event_loop_platform_t *loop = regress_loop("epoll");
    *fd_out = (int) ptk_event_loop_platform_fd(loop);
    CHECK(*fd_out >= 0);
    test_go(answer_ok, NULL);
    test_run();
    while (shows(*fd_out, 0)) {
        CHECK_ERR(ptk_scheduler_poll(loop, 0, NULL), PTK_ERR_DONE);
    }
    test_run(); /* run was the last call */
    CHECK(!shows(*fd_out, 0));
    return loop;
}

TEST(descriptor_shows_a_timer_that_was_made_outside) {
    int fd = -1;
    ptk_event_loop_platform_t *loop = watched_loop(&fd);
    ptk_waitable_t *timer = test_timer_waitable(3, 0);
    CHECK(shows(fd, -1));
    CHECK_OK(test_wait(timer, 0));
    ptk_waitable_destroy(timer);
    test_loop_end(loop);
}

TEST(descriptor_shows_a_green_thread_after_run_has_returned) {
    int fd = -1;
    ptk_event_loop_platform_t *loop = watched_loop(&fd);
    test_go(answer_ok, NULL);
    CHECK(shows(fd, -1));
    test_run();
    test_loop_end(loop);
}

static void *signal_it(void *signaler) {
    CHECK_OK(ptk_signaler_signal(signaler));
    return NULL;
}

TEST(descriptor_shows_a_signal_after_run_has_returned) {
    int fd = -1;
    pthread_t thread;
    ptk_event_loop_platform_t *loop = watched_loop(&fd);
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    CHECK_EQ(pthread_create(&thread, NULL, signal_it, signaler), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(shows(fd, -1));
    CHECK_OK(test_wait(user, 0));
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}
