/* SPDX-License-Identifier: MIT */
/* The deadlock report: when there is one, and everything that must prevent it. */
#include "conformance.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define FOREIGN_REASON "with foreign coroutines there is no deadlock report"

static ptk_err wait_for(void *waitable) {
    return test_wait(waitable, PTK_TIMEOUT_INFINITE);
}

static ptk_err wait_patiently(void *waitable) {
    return test_wait(waitable, PTK_TIMEOUT_INFINITE);
}

TEST(deadlock_report_names_each_waiter_and_its_object) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(wait_for, user);
    test_go(wait_patiently, user);
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    CHECK(test_report_has("wait_for"));
    CHECK(test_report_has("wait_patiently"));
    CHECK(test_report_has("test_scheduler_deadlock.c"));
    test_capture_end();
    CHECK_EQ(test_counters().green_threads, 2);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_signal(user));
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(deadlock_can_be_resolved_and_come_back) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_capture_begin();
    test_go(wait_for, user);
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    CHECK_OK(ptk_waitable_signal(user));
    test_run();
    test_go(wait_for, user);
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    CHECK_OK(ptk_scheduler_stop(loop));
    test_run();
    CHECK_EQ(test_counters().green_threads, 0);
    test_capture_end();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_green_t *joined[2];

static ptk_err join_the_other(void *index) {
    ptk_err err = ptk_green_join(joined[*(size_t *) index], NULL, PTK_TIMEOUT_INFINITE);
    CHECK(err == PTK_ERR_CANCELED || err == PTK_OK); /* OK: the other one has ended by now */
    return PTK_ERR_CANCELED;
}

TEST(deadlock_of_two_that_join_each_other) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    size_t zero = 0;
    size_t one = 1;
    ptk_event_loop_platform_t *loop = test_loop();
    joined[0] = test_spawn(join_the_other, &one);
    joined[1] = test_spawn(join_the_other, &zero);
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    CHECK(test_report_has("join_the_other"));
    test_loop_end(loop);
    test_capture_end();
}

static ptk_err sleep_for_ever(void *arg) {
    (void) arg;
    return ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
}

TEST(deadlock_of_one_that_sleeps_for_ever) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(sleep_for_ever, NULL);
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    test_loop_end(loop);
    test_capture_end();
}

/* --- what prevents it (P51) ----------------------------------------------------------------------------- */

/* Runs until the end of all green threads, without any report. */
static void run_without_report(void) {
    test_capture_begin();
    test_run();
    CHECK_STR(test_captured_report(), "");
    test_capture_end();
}

static void *signal_and_release(void *signaler) {
    CHECK_OK(ptk_signaler_signal(signaler));
    ptk_signaler_unref(signaler);
    return NULL;
}

TEST(p51_no_deadlock_while_a_signaler_lives, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    for (int i = 0; i < 20; i++) {
        ptk_waitable_t *user = test_user();
        pthread_t thread;
        test_go(wait_for, user);
        ptk_signaler_t *signaler = ptk_waitable_signaler(user);
        CHECK_EQ(pthread_create(&thread, NULL, signal_and_release, signaler), 0);
        run_without_report();
        CHECK_EQ(pthread_join(thread, NULL), 0);
        ptk_waitable_destroy(user);
    }
    test_loop_end(loop);
}

TEST(p51_no_deadlock_with_a_signal_in_transit) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    test_go(wait_for, user);
    CHECK_OK(ptk_signaler_signal(signaler));
    ptk_signaler_unref(signaler);
    run_without_report();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static void *only_release(void *signaler) {
    ptk_signaler_unref(signaler);
    return NULL;
}

/* The last signaler goes while the loop sleeps because of it: now the deadlock is one. */
TEST(p51_deadlock_once_the_last_signaler_is_released, REAL_THREADS) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    pthread_t thread;
    test_go(wait_for, user);
    test_capture_begin();
    CHECK_EQ(pthread_create(&thread, NULL, only_release, signaler), 0);
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    test_capture_end();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(p51_no_deadlock_while_a_timer_waitable_is_waited_for) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *timer = test_timer_waitable(5, 0);
    test_go(wait_for, timer);
    run_without_report();
    ptk_waitable_destroy(timer);
    test_loop_end(loop);
}

static ptk_err wait_for_any(void *waitables) {
    ptk_waitable_t **pair = waitables;
    size_t index = 9;
    ptk_waitable_wait_item_t items[] = {
        {.waitable = pair[0], .events = PTK_EVENT_READ},
        {.waitable = pair[1], .events = PTK_EVENT_READ},
    };
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 1);
    return PTK_OK;
}

TEST(p51_no_deadlock_while_a_timer_is_one_of_several) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *pair[] = {test_user(), test_timer_waitable(5, 0)};
    test_go(wait_for_any, pair);
    run_without_report();
    ptk_waitable_destroy(pair[0]);
    ptk_waitable_destroy(pair[1]);
    test_loop_end(loop);
}

TEST(deadlock_of_wait_any_over_user_waitables) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *pair[] = {test_user(), test_user()};
    test_go(wait_for_any, pair);
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    test_capture_end();
    CHECK_OK(ptk_waitable_signal(pair[1]));
    test_run();
    ptk_waitable_destroy(pair[0]);
    ptk_waitable_destroy(pair[1]);
    test_loop_end(loop);
}

static void *send_the_signal(void *arg) {
    (void) arg;
    CHECK_EQ(test_kill(SIGUSR1), 0);
    return NULL;
}

TEST(p51_no_deadlock_while_a_signal_waitable_is_waited_for, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *signal = ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1));
    pthread_t thread;
    CHECK(signal != NULL);
    test_go(wait_for, signal);
    CHECK_EQ(pthread_create(&thread, NULL, send_the_signal, NULL), 0);
    run_without_report();
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ptk_waitable_destroy(signal);
    test_loop_end(loop);
}

static void *write_one(void *fd) {
    test_write(*(int *) fd, 1);
    return NULL;
}

TEST(p51_no_deadlock_while_a_descriptor_is_waited_for, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fds[2];
    pthread_t thread;
    test_pipe(fds);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    test_go(wait_for, readable);
    CHECK_EQ(pthread_create(&thread, NULL, write_one, &fds[1]), 0);
    run_without_report();
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    test_loop_end(loop);
}

static ptk_err wait_five_ms(void *user) {
    CHECK_ERR(test_wait(user, 5), PTK_ERR_TIMEOUT);
    return PTK_OK;
}

TEST(p51_no_deadlock_while_a_wait_has_a_timeout) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(wait_five_ms, user);
    run_without_report();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err wait_until_the_deadline(void *user) {
    CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_DEADLINE);
    return PTK_OK;
}

TEST(p51_no_deadlock_while_a_lifetime_runs) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.lifetime_ms = 5;
    CHECK_OK(ptk_green_detach(ptk_green_spawn(loop, &options, wait_until_the_deadline, user)));
    run_without_report();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err wait_inside_a_limit(void *user) {
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, 5));
    CHECK_OK(wait_until_the_deadline(user));
    CHECK_OK(ptk_shield_end(&shield));
    return PTK_OK;
}

TEST(p51_no_deadlock_while_a_shield_has_a_limit) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(wait_inside_a_limit, user);
    run_without_report();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* An armed TIMER waitable without waiters wakes no green thread, so it does not prevent a deadlock. */
TEST(deadlock_although_a_timer_without_waiters_is_armed) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_waitable_t *timer = test_timer_waitable(1000 * 1000, 0);
    test_go(wait_for, user);
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    test_capture_end();
    ptk_waitable_destroy(timer);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err wait_twice(void *timer) {
    CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
    CHECK_ERR(test_wait(timer, 3), PTK_ERR_TIMEOUT);
    return PTK_OK;
}

TEST(p51_no_deadlock_for_a_timer_that_has_fired_and_a_timeout) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *timer = test_timer_waitable(1, 0);
    test_go(wait_twice, timer);
    run_without_report();
    ptk_waitable_destroy(timer);
    test_loop_end(loop);
}

static ptk_err wait_for_two_expiries(void *timer) {
    CHECK_OK(test_wait(timer, PTK_TIMEOUT_INFINITE));
    return test_wait(timer, PTK_TIMEOUT_INFINITE);
}

/* Without the report the second wait would never end. */
TEST(p51_deadlock_of_a_wait_for_a_timer_that_never_fires_again) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *timer = test_timer_waitable(1, 0);
    test_capture_begin();
    test_go(wait_for_two_expiries, timer);
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    CHECK(test_report_has("wait_for_two_expiries"));
    CHECK_OK(ptk_scheduler_stop(loop));
    test_run();
    test_capture_end();
    ptk_waitable_destroy(timer);
    test_loop_end(loop);
}

static ptk_err wait_for_an_expiry(void *timer) {
    return test_wait(timer, PTK_TIMEOUT_INFINITE);
}

/* One expiry wakes one of two waiters. */
TEST(p51_deadlock_of_the_second_waiter_of_a_timer_that_fires_once) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *timer = test_timer_waitable(1, 0);
    test_capture_begin();
    test_go(wait_for_an_expiry, timer);
    test_go(wait_for_an_expiry, timer);
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    CHECK_EQ(test_counters().green_threads, 1);
    CHECK_OK(ptk_scheduler_stop(loop));
    test_run();
    test_capture_end();
    ptk_waitable_destroy(timer);
    test_loop_end(loop);
}

/* A daemon that waits for something real neither prevents the report of a deadlock of the others nor hides
   it. */
TEST(deadlock_with_a_daemon_parked_beside) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.flags = PTK_GREEN_DAEMON;
    CHECK_OK(ptk_green_detach(ptk_green_spawn(loop, &options, wait_for, user)));
    test_go(wait_for, user);
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    test_capture_end();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* --- one that was externally wakeable and has ended --- */

typedef struct ending {
    ptk_waitable_t *readable;
    ptk_waitable_t *user;
    int write_fd;
} ending_t;

static ptk_err end_after_an_event(void *arg) {
    const ending_t *ending = arg;
    return test_wait(ending->readable, PTK_TIMEOUT_INFINITE);
}

/* The check for a deadlock finds the other green thread, which waits for the outside, each time but the last.
 */
static ptk_err end_the_other_and_wait(void *arg) {
    const ending_t *ending = arg;
    CHECK_OK(ptk_sleep_ms(2));
    test_write(ending->write_fd, 1);
    return test_wait(ending->user, PTK_TIMEOUT_INFINITE);
}

TEST(p51_deadlock_after_the_only_externally_wakeable_one_has_ended) {
    TEST_NEEDS_OWN_STACKS(FOREIGN_REASON);
    ptk_event_loop_platform_t *loop = test_loop();
    int fds[2];
    test_pipe(fds);
    ending_t ending = {.readable = test_fd_waitable(fds[0]), .user = test_user(), .write_fd = fds[1]};
    test_go(end_after_an_event, &ending);
    test_go(end_the_other_and_wait, &ending);
    test_capture_begin();
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_DEADLOCK);
    CHECK(test_report_has("end_the_other_and_wait"));
    test_capture_end();
    CHECK_OK(ptk_waitable_signal(ending.user));
    test_run();
    ptk_waitable_destroy(ending.readable);
    ptk_waitable_destroy(ending.user);
    test_close_pair(fds);
    test_loop_end(loop);
}
