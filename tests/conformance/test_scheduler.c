/* SPDX-License-Identifier: MIT */
/* A loop's life: create, run, daemons, stop, destroy, counters. */
#include "conformance.h"

#include "base/ptk_thread.h"
#include "ptk_test_intercept.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static ptk_err answer_ok(void *arg) {
    (void) arg;
    return PTK_OK;
}

static ptk_err sleep_for_ever(void *arg) {
    (void) arg;
    return ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
}

/* --- create --------------------------------------------------------------------------------------------- */

TEST(loop_is_current_until_destroyed) {
    CHECK(ptk_event_loop_platform_current() == NULL);
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK(ptk_event_loop_platform_current() == loop);
    const char *chosen = getenv("PTK_PLATFORM");
    if (chosen) {
        CHECK_STR(ptk_event_loop_platform_name(loop), chosen);
        CHECK_STR(ptk_event_loop_platform_name(NULL), chosen);
    }
    test_loop_end(loop);
    CHECK(ptk_event_loop_platform_current() == NULL);
    CHECK_OK(ptk_event_loop_platform_destroy(NULL));
}

TEST(loop_can_be_created_again_and_again) {
    for (int i = 0; i < 100; i++) {
        ptk_event_loop_platform_t *loop = test_loop();
        test_go(answer_ok, NULL);
        test_run();
        test_loop_end(loop);
    }
}

TEST(loop_second_on_a_thread_is_busy) {
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK(ptk_event_loop_platform_create() == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_BUSY);
    CHECK(ptk_event_loop_platform_create_with(NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_BUSY);
    CHECK(ptk_event_loop_platform_current() == loop);
    test_loop_end(loop);
}

static void *run_a_loop_of_its_own(void *arg) {
    (void) arg;
    ptk_event_loop_platform_t *loop = test_loop();
    for (int i = 0; i < 100; i++) {
        test_go(answer_ok, NULL);
    }
    test_run();
    test_loop_end(loop);
    return NULL;
}

TEST(loop_per_thread_side_by_side, REAL_THREADS) {
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, run_a_loop_of_its_own, NULL), 0);
    }
    run_a_loop_of_its_own(NULL);
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
}

TEST(loop_without_one_is_no_loop) {
    CHECK_ERR(ptk_scheduler_run(NULL), PTK_ERR_NO_LOOP);
    CHECK_ERR(ptk_scheduler_poll(NULL, 0, NULL), PTK_ERR_NO_LOOP);
    CHECK_ERR(ptk_scheduler_stop(NULL), PTK_ERR_NO_LOOP);
    CHECK_ERR(ptk_scheduler_dump(NULL), PTK_ERR_NO_LOOP);
    CHECK_ERR(ptk_scheduler_dump_on_signal(NULL, 10), PTK_ERR_NO_LOOP);
    ptk_scheduler_counters_t counters = PTK_SCHEDULER_COUNTERS_INIT;
    uint32_t next_ms = 0;
    size_t entries = 0;
    CHECK_ERR(ptk_scheduler_counters(NULL, &counters), PTK_ERR_NO_LOOP);
    CHECK_ERR(ptk_scheduler_next_ms(NULL, &next_ms), PTK_ERR_NO_LOOP);
    CHECK_ERR(ptk_event_loop_platform_poll_set(NULL, NULL, 0, &entries), PTK_ERR_NO_LOOP);
    CHECK_ERR(ptk_go(NULL, answer_ok, NULL), PTK_ERR_NO_LOOP);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_LOOP);
    CHECK(ptk_green_spawn(NULL, NULL, answer_ok, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_LOOP);
    CHECK(ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_LOOP);
    CHECK(ptk_event_loop_platform_fd(NULL) == PTK_OS_HANDLE_NONE);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_LOOP);
}

static void check_create_fails(const void *options, ptk_err expected) {
    CHECK(ptk_event_loop_platform_create_with(options) == NULL);
    CHECK_ERR(ptk_get_err(), expected);
    CHECK(ptk_event_loop_platform_current() == NULL);
}

TEST(loop_platform_by_option_and_by_environment, REAL_PROCESS | EVERY_PLATFORM) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    static const char *const names[] = {"epoll", "poll"};
    CHECK_EQ(setenv("PTK_PLATFORM", "nonsense", 1), 0);
    check_create_fails(NULL, PTK_ERR_INVALID_PARAM);
    for (size_t i = 0; i < 2; i++) {
        options.platform = names[i];
        ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
        CHECK(loop != NULL);
        CHECK_STR(ptk_event_loop_platform_name(loop), names[i]);
        test_loop_end(loop);
    }
    CHECK_EQ(setenv("PTK_PLATFORM", "poll", 1), 0);
    options.platform = "kpoll";
    check_create_fails(&options, PTK_ERR_INVALID_PARAM);
}

typedef struct longer_options {
    ptk_event_loop_platform_options_t known;
    uint64_t unknown;
} longer_options_t;

TEST(loop_options_of_other_versions) {
    longer_options_t longer = {.known = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT, .unknown = 1};
    longer.known.struct_size = sizeof longer;
    check_create_fails(&longer, PTK_ERR_INVALID_PARAM);
    longer.unknown = 0;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&longer.known);
    CHECK(loop != NULL);
    test_loop_end(loop);
    longer.known.struct_size = (uint32_t) offsetof(ptk_event_loop_platform_options_t, platform);
    longer.known.platform = "beyond struct_size: not looked at";
    loop = ptk_event_loop_platform_create_with(&longer.known);
    CHECK(loop != NULL);
    test_loop_end(loop);
    longer.known.struct_size = 0;
    CHECK((ptk_event_loop_platform_create_with) (&longer.known) == NULL);
    CHECK_EQ(ptk_get_err(), PTK_ERR_INVALID_PARAM);
}

/* --- run inside run ------------------------------------------------------------------------------------- */

static ptk_err nest_run(void *arg) {
    (void) arg;
    CHECK_ERR(ptk_scheduler_run(NULL), PTK_ERR_BUSY);
    CHECK_ERR(ptk_scheduler_poll(NULL, 0, NULL), PTK_ERR_BUSY);
    CHECK_ERR(ptk_event_loop_platform_destroy(ptk_event_loop_platform_current()), PTK_ERR_BUSY);
    CHECK(ptk_event_loop_platform_create() == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_BUSY);
    return ptk_yield();
}

TEST(run_poll_and_destroy_inside_a_green_thread_are_busy) {
    test_in_green(nest_run);
}

/* --- daemons -------------------------------------------------------------------------------------------- */

static void go_daemon(ptk_green_fn fn, void *arg) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.flags = PTK_GREEN_DAEMON;
    CHECK_OK(ptk_green_detach(test_check_spawned(ptk_green_spawn(NULL, &options, fn, arg))));
}

static ptk_err be_a_daemon(void *letter) {
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_STOP);
    test_note(*(const char *) letter);
    return PTK_ERR_CANCELED;
}

static ptk_err work_a_little(void *arg) {
    (void) arg;
    test_yield();
    test_note('w');
    return ptk_sleep_ms(1);
}

TEST(daemons_are_canceled_when_only_they_are_left, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    go_daemon(be_a_daemon, "a");
    test_go(work_a_little, NULL);
    go_daemon(be_a_daemon, "b");
    test_run();
    CHECK_STR(test_notes(), "wab");
    CHECK_EQ(test_counters().green_threads, 0);
    test_loop_end(loop);
}

TEST(daemons_alone_are_canceled_at_once_and_run_can_be_called_again, RUNS_LOOP) {
    ptk_event_loop_platform_t *loop = test_loop();
    for (int i = 0; i < 3; i++) {
        go_daemon(be_a_daemon, "d");
        test_run();
    }
    CHECK_STR(test_notes(), "ddd");
    test_go(work_a_little, NULL);
    test_run();
    CHECK_STR(test_notes(), "dddw");
    test_loop_end(loop);
}

/* In its clean-up a daemon waits, and starts one more of each kind; run returns when all of them have ended.
 */
static ptk_err clean_up_with_company(void *arg) {
    ptk_shield_t shield;
    CHECK_ERR(sleep_for_ever(arg), PTK_ERR_CANCELED);
    go_daemon(be_a_daemon, "d");
    test_go(be_a_daemon, "g");
    CHECK_OK(ptk_shield_begin(&shield, 1000));
    CHECK_OK(ptk_sleep_ms(2));
    CHECK_OK(ptk_shield_end(&shield));
    test_note('x');
    return PTK_OK;
}

TEST(daemons_may_clean_up_and_spawn_while_run_drains) {
    ptk_event_loop_platform_t *loop = test_loop();
    go_daemon(clean_up_with_company, NULL);
    test_run();
    CHECK(strcmp(test_notes(), "dgx") == 0 || strcmp(test_notes(), "gdx") == 0);
    CHECK_EQ(test_counters().green_threads, 0);
    test_loop_end(loop);
}

/* --- stop ----------------------------------------------------------------------------------------------- */

static ptk_err note_stop(void *letter) {
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_STOP);
    test_note(*(const char *) letter);
    return PTK_ERR_CANCELED;
}

static ptk_err stop_and_spawn(void *arg) {
    (void) arg;
    test_yield();
    CHECK_OK(ptk_scheduler_stop(NULL));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_STOP);
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    test_go(note_stop, "c");
    CHECK_OK(ptk_scheduler_stop(NULL));
    return PTK_OK;
}

TEST(stop_cancels_all_and_those_spawned_later, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(note_stop, "a");
    test_go(stop_and_spawn, NULL);
    test_go(note_stop, "b");
    test_run();
    CHECK_STR(test_notes(), "abc");
    CHECK_EQ(test_counters().green_threads, 0);
    test_loop_end(loop);
}

TEST(stop_leaves_a_loop_that_runs_again, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(note_stop, "a");
    test_go(stop_and_spawn, NULL);
    test_run();
    test_go(work_a_little, NULL);
    test_run();
    CHECK_STR(test_notes(), "acw");
    test_loop_end(loop);
}

TEST(stop_before_run_takes_effect_in_the_next_run_only, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK_OK(ptk_scheduler_stop(loop));
    test_go(note_stop, "a");
    test_go(note_stop, "b");
    test_run();
    CHECK_STR(test_notes(), "ab");
    test_go(work_a_little, NULL);
    test_run();
    CHECK_STR(test_notes(), "abw");
    test_loop_end(loop);
}

static ptk_err stop_when_signaled(void *user) {
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    return ptk_scheduler_stop(NULL);
}

static void *signal_from_thread(void *signaler) {
    CHECK_OK(ptk_signaler_signal(signaler));
    ptk_signaler_unref(signaler);
    return NULL;
}

TEST(stop_from_another_thread_through_a_signaler, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    pthread_t thread;
    CHECK(signaler != NULL);
    test_go(note_stop, "a");
    test_go(stop_when_signaled, user);
    CHECK_EQ(pthread_create(&thread, NULL, signal_from_thread, signaler), 0);
    test_run();
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_STR(test_notes(), "a");
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* --- destroy -------------------------------------------------------------------------------------------- */

static ptk_err clean_up_in_destroy(void *user) {
    ptk_shield_t shield;
    CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_STOP);
    CHECK_OK(ptk_shield_begin(&shield, 1000));
    CHECK_OK(ptk_sleep_ms(1));
    CHECK_OK(ptk_shield_end(&shield));
    test_note('x');
    return PTK_OK;
}

TEST(p45_destroy_cancels_and_drains_parked_green_threads) {
    TEST_NEEDS_OWN_STACKS("foreign coroutines that are parked make destroy BUSY");
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(clean_up_in_destroy, user);
    test_spawn(clean_up_in_destroy, user);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_STR(test_notes(), "");
    test_loop_end(loop);
    CHECK_STR(test_notes(), "xx");
}

TEST(p45_destroy_starts_and_drains_green_threads_that_never_ran) {
    TEST_NEEDS_OWN_STACKS("foreign coroutines are the foreign library's");
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(clean_up_in_destroy, user);
    go_daemon(clean_up_in_destroy, user);
    test_loop_end(loop);
    CHECK_STR(test_notes(), "xx");
}

static ptk_err start_another_in_destroy(void *generations) {
    int *left = generations;
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    test_note('s');
    if (--*left > 0) {
        test_go(start_another_in_destroy, left);
    }
    return PTK_OK;
}

TEST(p45_destroy_drains_what_is_spawned_meanwhile) {
    TEST_NEEDS_OWN_STACKS("foreign coroutines are the foreign library's");
    ptk_event_loop_platform_t *loop = test_loop();
    int generations = 4;
    test_go(start_another_in_destroy, &generations);
    test_loop_end(loop);
    CHECK_STR(test_notes(), "ssss");
}

static ptk_err busy_destroy_in_clean_up(void *arg) {
    (void) arg;
    CHECK_ERR(ptk_sleep_ms(1000), PTK_ERR_CANCELED);
    CHECK_ERR(ptk_event_loop_platform_destroy(ptk_event_loop_platform_current()), PTK_ERR_BUSY);
    test_note('x');
    return PTK_OK;
}

TEST(p45_destroy_inside_destroy_is_busy) {
    TEST_NEEDS_OWN_STACKS("foreign coroutines are the foreign library's");
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(busy_destroy_in_clean_up, NULL);
    test_loop_end(loop);
    CHECK_STR(test_notes(), "x");
}

/* A green thread that never ends: destroy gives up after its timeout, prints the dump and aborts. */
static ptk_err refuse_to_end(void *arg) {
    (void) arg;
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sleep_ms(3600 * 1000));
    return ptk_shield_end(&shield);
}

static void destroy_with_one_that_refuses(void *arg) {
    (void) arg;
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.destroy_timeout_ms = 20;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    test_go(refuse_to_end, NULL);
    CHECK_OK(ptk_event_loop_platform_destroy(loop)); /* it aborts first */
}

TEST(p45_destroy_that_cannot_drain_dumps_and_aborts) {
    TEST_NEEDS_OWN_STACKS("foreign coroutines are the foreign library's");
    static char output[16384];
    int status = ptk_test_in_child(destroy_with_one_that_refuses, NULL, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    CHECK(strstr(output, "refuse_to_end") != NULL);
}

static void *create_and_leave_a_green_thread(void *arg) {
    (void) arg;
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(sleep_for_ever, NULL);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    test_loop_end(loop);
    return NULL;
}

TEST(p45_thread_that_ends_after_destroying_its_loop_leaves_nothing, REAL_THREADS) {
    TEST_NEEDS_OWN_STACKS("foreign coroutines that are parked make destroy BUSY");
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, create_and_leave_a_green_thread, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}

TEST(destroy_takes_waitables_with_it) {
    ptk_event_loop_platform_t *loop = test_loop();
    int pair[2];
    test_pipe(pair);
    test_user();
    test_timer_waitable(1000, 1000);
    test_fd_waitable(pair[0]);
    CHECK(ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1)) != NULL);
    test_loop_end(loop);
    test_close_pair(pair);
}

/* --- counters ------------------------------------------------------------------------------------------- */

static ptk_err yield_twice(void *arg) {
    (void) arg;
    test_yield();
    test_yield();
    return PTK_OK;
}

TEST(counters_count_what_happened, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_scheduler_counters_t before = test_counters();
    test_go(yield_twice, NULL);
    test_go(yield_twice, NULL);
    ptk_scheduler_counters_t spawned = test_counters();
    CHECK_EQ(spawned.green_threads, before.green_threads + 2);
    CHECK_EQ(spawned.spawned, before.spawned + 2);
    CHECK_EQ(spawned.switches, before.switches);
    test_run();
    ptk_scheduler_counters_t after = test_counters();
    CHECK_EQ(after.green_threads, before.green_threads);
    CHECK_EQ(after.spawned, before.spawned + 2);
    CHECK_EQ(after.switches, before.switches + 6);
    test_loop_end(loop);
}

TEST(counters_timers_and_messages) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    CHECK_OK(ptk_signaler_signal(signaler));
    test_go(work_a_little, NULL);
    test_run();
    ptk_scheduler_counters_t after = test_counters();
    CHECK(after.timers_armed >= 1);
    CHECK(after.timers_fired >= 1);
    CHECK(after.polls >= 1);
    CHECK_EQ(after.inbox_messages, 1);
    CHECK_OK(test_wait(user, 0));
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(counters_of_other_versions) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(answer_ok, NULL);
    ptk_scheduler_counters_t counters = PTK_SCHEDULER_COUNTERS_INIT;
    counters.struct_size = (uint32_t) offsetof(ptk_scheduler_counters_t, spawned);
    counters.spawned = 4711;
    CHECK_OK((ptk_scheduler_counters) (loop, &counters));
    CHECK_EQ(counters.green_threads, 1);
    CHECK_EQ(counters.spawned, 4711);
    CHECK_ERR(ptk_scheduler_counters(loop, NULL), PTK_ERR_INVALID_PARAM);
    counters.struct_size = 0;
    CHECK_ERR((ptk_scheduler_counters) (loop, &counters), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_scheduler_counters(loop, &counters)); /* the macro fills the size in */
    CHECK_EQ(counters.struct_size, sizeof counters);
    CHECK_EQ(counters.spawned, 1);
    test_run();
    test_loop_end(loop);
}

/* --- a poller that fails -------------------------------------------------------------------------------- */

static int failing_polls;
static int failure;

static int64_t fail_epoll(ptk_sys_call_t *call) {
    bool fails = failing_polls > 0;
    failing_polls -= fails ? 1 : 0;
    return fails ? -failure : ptk_sys_call_below(call);
}

static int64_t fail_poll(ptk_sys_call_t *call) {
    return call->poll.timeout_ns != 0 ? fail_epoll(call) : ptk_sys_call_below(call);
}

static void fail_polls(int count, int error) {
    static ptk_interceptor_t failing = {
        .hooks = {[PTK_SYS_epoll_wait] = fail_epoll, [PTK_SYS_poll] = fail_poll}};
    ptk_intercept(&failing);
    failing_polls = count;
    failure = error;
}

static ptk_err sleep_five_ms(void *arg) {
    (void) arg;
    return ptk_sleep_ms(5);
}

TEST(run_reports_a_poller_that_fails_and_goes_on_afterwards, HOOKS_POLLER) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *green = test_spawn(sleep_five_ms, NULL);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    fail_polls(1, ENOMEM);
    CHECK_ERR(ptk_scheduler_run(loop), PTK_ERR_NO_RESOURCES);
    CHECK_EQ(ptk_get_os_err(), ENOMEM);
    CHECK_EQ(test_counters().green_threads, 1);
    test_run();
    CHECK_OK(ptk_green_join(green, NULL, 0));
    test_loop_end(loop);
}

TEST(p11_poller_that_is_interrupted_is_called_again, HOOKS_POLLER) {
    ptk_event_loop_platform_t *loop = test_loop();
    uint64_t start = ptk_now_ns();
    test_go(sleep_five_ms, NULL);
    fail_polls(20, EINTR);
    test_run();
    CHECK_EQ(failing_polls, 0);
    CHECK(ptk_now_ns() - start >= 5 * PTK_NS_PER_MS);
    test_loop_end(loop);
}

/* --- stop, polled --------------------------------------------------------------------------------------- */

TEST(stop_works_with_poll_too, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(note_stop, "a");
    go_daemon(note_stop, "b");
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_scheduler_stop(loop));
    while (test_counters().green_threads > 0) {
        CHECK(ptk_scheduler_poll(loop, 1, NULL) != PTK_ERR_BUSY);
    }
    CHECK_STR(test_notes(), "ab");
    test_go(work_a_little, NULL);
    test_run();
    CHECK_STR(test_notes(), "abw");
    test_loop_end(loop);
}
