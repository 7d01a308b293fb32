/* SPDX-License-Identifier: MIT */
/* The dump: every green thread with its name, state, what it waits for, deadline and spawn site. */
#include "conformance.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Returns what the report contains about the green thread `name`: from its line up to that of the next.
   Valid until the next call. */
static const char *paragraph_of(const char *name) {
    static char text[8192];
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    const char *start = strstr(test_captured_report(), quoted);
    CHECK(start != NULL);
    const char *end = strstr(start, "\ngreen thread");
    size_t length = end ? (size_t) (end - start) : strlen(start);
    length = length < sizeof text ? length : sizeof text - 1;
    memcpy(text, start, length);
    text[length] = '\0';
    return text;
}

static bool says(const char *name, const char *what) {
    return strstr(paragraph_of(name), what) != NULL;
}

static ptk_err wait_for(void *waitable) {
    return test_wait(waitable, PTK_TIMEOUT_INFINITE);
}

static ptk_err sleep_long(void *arg) {
    (void) arg;
    return ptk_sleep_ms(3600 * 1000);
}

static ptk_err yield_until_canceled(void *arg) {
    (void) arg;
    while (ptk_yield() == PTK_OK) {
    }
    return PTK_ERR_CANCELED;
}

static ptk_err dump_from_inside(void *arg) {
    (void) arg;
    test_let_poll();
    CHECK_OK(ptk_scheduler_dump(NULL));
    return ptk_scheduler_stop(NULL);
}

static void spawn_named(const char *name, ptk_green_fn fn, void *arg) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.name = name;
    CHECK_OK(ptk_green_detach(test_check_spawned(ptk_green_spawn(NULL, &options, fn, arg))));
}

TEST(dump_names_every_green_thread_and_where_it_was_spawned) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    spawn_named("alpha one", wait_for, user);
    spawn_named("beta two", sleep_long, NULL);
    spawn_named("gamma three", yield_until_canceled, NULL);
    test_go(dump_from_inside, NULL);
    test_run();
    CHECK(test_report_has("alpha one"));
    CHECK(test_report_has("beta two"));
    CHECK(test_report_has("gamma three"));
    CHECK(test_report_has("dump_from_inside"));
    CHECK(test_report_has("test_dump.c:"));
    ptk_waitable_destroy(user);
    test_loop_end(loop);
    test_capture_end();
}

TEST(dump_distinguishes_states) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    spawn_named("alpha", wait_for, user);
    spawn_named("gamma", yield_until_canceled, NULL);
    test_go(dump_from_inside, NULL);
    test_run();
    CHECK(says("alpha", "parked") && !says("alpha", "runnable"));
    CHECK(says("gamma", "runnable") && !says("gamma", "parked"));
    CHECK(says("dump_from_inside", "running"));
    CHECK(says("dump_from_inside", "test_dump.c:"));
    ptk_waitable_destroy(user);
    test_loop_end(loop);
    test_capture_end();
}

TEST(dump_from_outside_between_runs) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK_OK(ptk_scheduler_dump(loop));
    ptk_waitable_t *user = test_user();
    spawn_named("early bird", wait_for, user);
    CHECK_OK(ptk_scheduler_dump(NULL));
    CHECK(test_report_has("early bird"));
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_scheduler_dump(loop));
    CHECK_OK(ptk_waitable_signal(user));
    test_run();
    size_t length = strlen(test_captured_report());
    CHECK_OK(ptk_scheduler_dump(loop)); /* no green thread is left */
    CHECK(strstr(test_captured_report() + length, "early bird") == NULL);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
    test_capture_end();
}

static ptk_err raise_and_let_dump(void *arg) {
    (void) arg;
    for (int i = 0; i < 2; i++) {
        size_t length = strlen(test_captured_report());
        CHECK_EQ(test_raise(SIGUSR1), 0);
        for (int turns = 0; turns < 1000 && strlen(test_captured_report()) == length; turns++) {
            test_let_poll();
        }
        CHECK(strstr(test_captured_report() + length, "raise_and_let_dump") != NULL);
    }
    return PTK_OK;
}

TEST(dump_on_signal_each_time_and_run_ends_all_the_same) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK_OK(ptk_scheduler_dump_on_signal(loop, SIGUSR1));
    test_go(raise_and_let_dump, NULL);
    test_run();
    test_loop_end(loop);
    test_capture_end();
    struct sigaction found;
    CHECK_EQ(sigaction(SIGUSR1, NULL, &found), 0);
    CHECK(found.sa_handler == SIG_DFL);
}

TEST(dump_on_signal_without_any_run) {
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK_OK(ptk_scheduler_dump_on_signal(loop, SIGUSR1));
    test_run();
    test_loop_end(loop);
}

static ptk_err wait_for_either(void *waitables) {
    ptk_waitable_t **both = waitables;
    ptk_waitable_wait_item_t items[] = {{both[0], PTK_EVENT_READ, 0, 0}, {both[1], PTK_EVENT_READ, 0, 0}};
    return ptk_waitable_wait_any(items, 2, NULL, PTK_TIMEOUT_INFINITE);
}

static ptk_err wait_with_a_deadline(void *user) {
    return test_wait(user, 3600 * 1000);
}

TEST(dump_names_what_each_waits_for, TRUSTS_READINESS) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    int fds[2];
    test_pipe(fds);
    ptk_waitable_t *user = test_user();
    ptk_waitable_t *timer = test_timer_waitable(3600 * 1000, 0);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    spawn_named("at-user", wait_for, user);
    spawn_named("at-user-deadline", wait_with_a_deadline, user);
    spawn_named("at-timer", wait_for, timer);
    spawn_named("at-fd", wait_for, readable);
    spawn_named("at-sleep", sleep_long, NULL);
    ptk_waitable_t *both[] = {user, timer};
    spawn_named("at-any", wait_for_either, both);
    test_go(dump_from_inside, NULL);
    test_run();
    CHECK(says("at-user", "user event") && !says("at-user", "timeout in"));
    CHECK(says("at-user-deadline", "user event") && says("at-user-deadline", "timeout in"));
    CHECK(says("at-timer", "waits for timer"));
    CHECK(says("at-fd", "waits for socket"));
    CHECK(says("at-sleep", "waits for sleep"));
    CHECK(says("at-any", "waits for any of several"));
    ptk_waitable_destroy(user);
    ptk_waitable_destroy(timer);
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    test_loop_end(loop);
    test_capture_end();
}

static void spawn_with_lifetime(const char *name, uint32_t lifetime_ms) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.name = name;
    options.lifetime_ms = lifetime_ms;
    options.flags = PTK_GREEN_DAEMON;
    CHECK_OK(ptk_green_detach(test_check_spawned(ptk_green_spawn(NULL, &options, sleep_long, NULL))));
}

static ptk_err be_shielded(void *arg) {
    (void) arg;
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, 1000));
    ptk_err err = ptk_sleep_ms(5);
    CHECK_OK(ptk_shield_end(&shield));
    return err;
}

TEST(dump_shows_deadlines_cancels_and_daemons) {
    test_clock_begin(1000);
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    spawn_with_lifetime("mortal", 60 * 1000);
    spawn_named("shielded", be_shielded, NULL);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_scheduler_stop(loop));
    CHECK_OK(ptk_scheduler_dump(loop));
    CHECK(says("mortal", "daemon") && says("mortal", "lifetime ends in 60000 ms") &&
          says("mortal", "cancelled: stop"));
    CHECK(says("shielded", "shield ends in 1000 ms") && says("shielded", "cancelled: stop"));
    test_run();
    test_loop_end(loop);
    test_capture_end();
    test_clock_end();
}

static ptk_err join_one(void *green) {
    ptk_err result = PTK_OK;
    ptk_err err = ptk_green_join(green, &result, PTK_TIMEOUT_INFINITE);
    return err ? err : result;
}

TEST(dump_names_the_green_thread_that_is_joined) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.name = "child";
    ptk_green_t *child = test_check_spawned(ptk_green_spawn(NULL, &options, sleep_long, NULL));
    spawn_named("parent", join_one, child);
    test_go(dump_from_inside, NULL);
    test_run();
    CHECK(says("parent", "waits for join of \"child\", spawned at tests/conformance/test_dump.c:"));
    test_loop_end(loop);
    test_capture_end();
}

TEST(dump_walks_the_stacks) {
    TEST_NEEDS_OWN_STACKS("the stacks are the foreign library's");
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    spawn_named("sleeper", sleep_long, NULL);
    test_go(dump_from_inside, NULL);
    test_run();
    CHECK(says("sleeper", "#0") && says("sleeper", "high water"));
    CHECK(says("dump_from_inside", "#0") && says("dump_from_inside", "high water"));
    test_loop_end(loop);
    test_capture_end();
}
