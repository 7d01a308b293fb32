/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: a loop that a green thread blocks is named from outside. The tests block the loop until the
 * report has been seen, so they depend on no time.
 */
#include "conformance.h"

#include "base/ptk_log_impl.h"
#include "ptk_test_intercept.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define STALL_MS 40

/* --- what was written ---------------------------------------------------------------------------------- */

/* Lines of the log and of reports, from any thread. */
static struct {
    atomic_flag lock;
    char text[65536];
    size_t length;
} lines = {.lock = ATOMIC_FLAG_INIT};

static void take_lines(void) {
    while (atomic_flag_test_and_set(&lines.lock)) {
    }
}

static void give_lines(void) {
    atomic_flag_clear(&lines.lock);
}

static void add_line(void *context, const char *line) {
    (void) context;
    take_lines();
    size_t length = strlen(line);
    if (lines.length + length + 2 < sizeof lines.text) {
        memcpy(lines.text + lines.length, line, length);
        lines.length += length;
        lines.text[lines.length++] = '\n';
        lines.text[lines.length] = '\0';
    }
    give_lines();
}

static void add_log_line(void *context, ptk_log_level_t level, const char *line) {
    (void) level;
    add_line(context, line);
}

static bool have_seen(const char *what) {
    take_lines();
    bool found = strstr(lines.text, what) != NULL;
    give_lines();
    return found;
}

static void read_lines(void) {
    ptk_log_set_sink(add_log_line, NULL);
    ptk_log_set_report_sink(add_line, NULL);
}

static void stop_reading(void) {
    ptk_log_set_sink(NULL, NULL);
    ptk_log_set_report_sink(NULL, NULL);
}

/* Blocks the loop until a line has been written. */
static void block_until(const char *what) {
    while (!have_seen(what)) {
    }
}

/* Lets the loop tick until a line has been written. */
static void tick_until(const char *what) {
    while (!have_seen(what)) {
        CHECK_OK(ptk_sleep_ms(1));
    }
}

static ptk_event_loop_platform_t *watched_loop(uint32_t watchdog_ms) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.watchdog_ms = watchdog_ms;
    return test_loop_with(&options);
}

/* --- stalls -------------------------------------------------------------------------------------------- */

/* A loop that is not scheduled for long, on a busy machine, is named too: so what is expected of the report
 * is about its own green thread, and about the order of lines. */
static ptk_err block_once(void *arg) {
    (void) arg;
    block_until("watchdog: green thread \"block_once\", spawned at ");
    tick_until("watchdog: the loop goes on after about ");
    return PTK_OK;
}

/* Checks that each stall was reported once: after a line that names one comes a line that ends it. */
static void check_each_once(void) {
    const char *named = strstr(lines.text, " has blocked its loop for ");
    CHECK(named != NULL);
    while (named) {
        const char *next = strstr(named + 1, " has blocked its loop for ");
        const char *end = strstr(named, "the loop goes on after about ");
        CHECK(!next || (end && end < next));
        named = next;
    }
}

TEST(p66_a_blocked_loop_is_named_once, REAL_THREADS | REAL_SIGNALS | RUNS_LOOP) {
    read_lines();
    ptk_event_loop_platform_t *loop = watched_loop(STALL_MS);
    test_go(block_once, NULL);
    test_run();
    test_loop_end(loop);
    check_each_once();
    CHECK(have_seen("test_watchdog.c:"));
    stop_reading();
}

TEST(p66_a_blocked_loop_is_located, REAL_THREADS | REAL_SIGNALS | RUNS_LOOP) {
#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(__i386__)
    SKIP("the registers of this CPU are not known");
#endif
    read_lines();
    ptk_event_loop_platform_t *loop = watched_loop(STALL_MS);
    test_go(block_once, NULL);
    test_run();
    test_loop_end(loop);
    CHECK(have_seen("    #0 "));
    stop_reading();
}

/* Calls with timeout 0 never switch. */
static ptk_err try_for_ever(void *user) {
    while (!have_seen("green thread \"try_for_ever\"")) {
        CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    }
    return PTK_OK;
}

TEST(p66_a_loop_of_tries_is_named, REAL_THREADS | REAL_SIGNALS | RUNS_LOOP) {
    read_lines();
    ptk_event_loop_platform_t *loop = watched_loop(STALL_MS);
    ptk_waitable_t *user = test_user();
    test_go(try_for_ever, user);
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
    stop_reading();
}

static ptk_err block_on_its_own(void *arg) {
    char what[64];
    snprintf(what, sizeof what, "green thread \"%s\"", (const char *) arg);
    block_until(what);
    return PTK_OK;
}

static void run_named(const char *name) {
    ptk_event_loop_platform_t *loop = watched_loop(STALL_MS);
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.name = name;
    char copy[16];
    CHECK(strlen(name) < sizeof copy);
    strcpy(copy, name);
    CHECK_OK(ptk_green_detach(test_check_spawned(ptk_green_spawn(loop, &options, block_on_its_own, copy))));
    test_run();
    test_loop_end(loop);
}

static void *run_second(void *arg) {
    (void) arg;
    for (int i = 0; i < 3; i++) {
        run_named("second");
    }
    return NULL;
}

TEST(p66_two_loops_are_watched_and_end_apart, REAL_THREADS | REAL_SIGNALS) {
    TEST_NEEDS_OWN_STACKS("libpcl runs on one thread");
    pthread_t thread;
    read_lines();
    CHECK_EQ(pthread_create(&thread, NULL, run_second, NULL), 0);
    run_named("first");
    CHECK_EQ(pthread_join(thread, NULL), 0);
    stop_reading();
}

/* --- where it is requested ----------------------------------------------------------------------------- */

static int threads_started;

static int64_t count_thread(ptk_sys_call_t *call) {
    threads_started++;
    return ptk_sys_call_below(call);
}

static int64_t refuse_thread(ptk_sys_call_t *call) {
    (void) call;
    return -EAGAIN;
}

static int count_threads_of(uint32_t watchdog_ms) {
    threads_started = 0;
    ptk_interceptor_t counter = {.hooks = {[PTK_SYS_thread_start] = count_thread}};
    ptk_intercept(&counter);
    ptk_event_loop_platform_t *loop = watched_loop(watchdog_ms);
    CHECK(ptk_scheduler_poll(loop, 0, NULL) == PTK_ERR_DONE);
    test_loop_end(loop);
    ptk_intercept_remove(&counter);
    return threads_started;
}

TEST(p66_the_watchdog_is_off_unless_requested, REAL_PROCESS | REAL_THREADS | REAL_SIGNALS) {
    unsetenv("PTK_WATCHDOG_MS");
    CHECK_EQ(count_threads_of(0), 0);
    CHECK_EQ(count_threads_of(1000), 1);
    setenv("PTK_WATCHDOG_MS", "1000", 1);
    CHECK_EQ(count_threads_of(0), 1);
    setenv("PTK_WATCHDOG_MS", "0", 1);
    CHECK_EQ(count_threads_of(1000), 0);
    read_lines();
    setenv("PTK_WATCHDOG_MS", "1s", 1);
    CHECK_EQ(count_threads_of(0), 0);
    CHECK(have_seen("PTK_WATCHDOG_MS"));
    stop_reading();
    unsetenv("PTK_WATCHDOG_MS");
}

TEST(p66_a_loop_works_without_a_thread_for_its_watchdog, REAL_THREADS | REAL_SIGNALS) {
    read_lines();
    ptk_interceptor_t refusal = {.hooks = {[PTK_SYS_thread_start] = refuse_thread}};
    ptk_intercept(&refusal);
    ptk_event_loop_platform_t *loop = watched_loop(STALL_MS);
    CHECK_OK(ptk_scheduler_dump_on_signal(loop, SIGUSR1));
    CHECK(have_seen("the loop has no watchdog"));
    test_run();
    test_loop_end(loop);
    ptk_intercept_remove(&refusal);
    stop_reading();
}

/* --- a guest among handlers ---------------------------------------------------------------------------- */

static volatile sig_atomic_t urgent_signals;

static void count_urgent(int signal_number) {
    (void) signal_number;
    urgent_signals = urgent_signals + 1;
}

TEST(p77_the_watchdogs_signal_is_shared, REAL_THREADS | REAL_SIGNALS | RUNS_LOOP) {
    struct sigaction own = {.sa_handler = count_urgent}, found;
    CHECK_EQ(sigaction(SIGURG, &own, NULL), 0);
    read_lines();
    ptk_event_loop_platform_t *loop = watched_loop(STALL_MS);
    ptk_waitable_t *waitable = ptk_waitable_create(loop, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGURG));
    CHECK(waitable != NULL);
    ptk_waitable_destroy(waitable); /* the watchdog's use goes on */
    test_go(block_once, NULL);
    test_run();
    CHECK(urgent_signals > 0);
    test_loop_end(loop);
    CHECK_EQ(sigaction(SIGURG, NULL, &found), 0);
    CHECK(found.sa_handler == count_urgent);
    stop_reading();
}

/* --- the dump signal ----------------------------------------------------------------------------------- */

static ptk_err block_through_a_dump(void *arg) {
    (void) arg;
    CHECK_EQ(raise(SIGUSR1), 0);
    block_until("dump: green thread \"block_through_a_dump\", spawned at ");
    tick_until(" green threads on platform ");
    return PTK_OK;
}

TEST(p66_the_dump_signal_works_while_the_loop_is_blocked, REAL_THREADS | REAL_SIGNALS | RUNS_LOOP) {
    read_lines();
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK_OK(ptk_scheduler_dump_on_signal(loop, SIGUSR1));
    test_go(block_through_a_dump, NULL);
    test_run();
    test_loop_end(loop);
    stop_reading();
}

/* The dump is cancelled before it receives the signal. */
static ptk_err stop_and_raise(void *unused) {
    (void) unused;
    CHECK_OK(ptk_scheduler_stop(NULL));
    CHECK_EQ(raise(SIGUSR1), 0);
    return PTK_OK;
}

static ptk_err block_until_named(void *unused) {
    (void) unused;
    block_until(" has blocked its loop for ");
    return PTK_OK;
}

/* The watchdog would report a dump before it reports the stall. */
TEST(p66_a_dump_that_has_ended_is_owed_no_more, REAL_THREADS | REAL_SIGNALS | RUNS_LOOP) {
    read_lines();
    ptk_event_loop_platform_t *loop = watched_loop(10 * STALL_MS);
    CHECK_OK(ptk_scheduler_dump_on_signal(loop, SIGUSR1));
    test_go(stop_and_raise, NULL);
    test_run();
    test_go(block_until_named, NULL);
    test_run();
    CHECK(!have_seen("dump: "));
    test_loop_end(loop);
    stop_reading();
}

/* --- destroy ------------------------------------------------------------------------------------------- */

static atomic_bool over; /* never; ThreadSanitizer delivers signals at atomic accesses */

static ptk_err spin(void *arg) {
    (void) arg;
    (void) !ptk_sleep_ms(3600 * 1000);
    while (!atomic_load(&over)) {
    }
    return PTK_OK;
}

static ptk_err wait_shielded(void *arg) {
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    return test_wait(arg, PTK_TIMEOUT_INFINITE);
}

static void destroy_beside_one_that_spins(void *limit_ms) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.destroy_timeout_ms = *(uint32_t *) limit_ms;
    ptk_event_loop_platform_t *loop = test_loop_with(&options);
    test_go(spin, NULL);
    test_go(wait_shielded, test_user());
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_event_loop_platform_destroy(loop)); /* it aborts */
}

/* On a busy machine the limit may have passed before the first tick of the drain, which then ends by itself
 * without running the green thread that spins: with twice the time it does not. */
TEST(p66_destroy_dumps_and_aborts_although_a_green_thread_spins, REAL_PROCESS | REAL_THREADS | REAL_SIGNALS) {
    TEST_NEEDS_OWN_STACKS("foreign coroutines that are parked make destroy BUSY");
    static char output[16384];
    bool has_spun = false;
    for (uint32_t limit_ms = 50; !has_spun && limit_ms < 10000; limit_ms *= 2) {
        int status = ptk_test_in_child(destroy_beside_one_that_spins, &limit_ms, output, sizeof output);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        has_spun = strstr(output, "green thread \"spin\": running, spawned at ") != NULL;
    }
    CHECK(has_spun);
    CHECK(strstr(output, "destroy: out of time\ngreen thread \"spin\", spawned at ") != NULL);
    CHECK(strstr(output, "green thread \"wait_shielded\": parked, spawned at ") != NULL);
}

/* --- fork ---------------------------------------------------------------------------------------------- */

static void watch_in_child(void *inherited) {
    give_lines(); /* another thread of the parent may have had them */
    CHECK_OK(ptk_event_loop_platform_destroy(inherited));
    struct sigaction found;
    CHECK_EQ(sigaction(SIGURG, NULL, &found), 0);
    CHECK(found.sa_handler == SIG_DFL);
    ptk_event_loop_platform_t *loop = watched_loop(STALL_MS);
    test_go(block_once, NULL);
    test_run();
    test_loop_end(loop);
}

TEST(p52_a_forked_child_has_watchdogs_of_its_own, REAL_PROCESS | REAL_THREADS | REAL_SIGNALS | RUNS_LOOP) {
    char output[4096];
    if (PTK_TEST_TSAN) {
        SKIP("ThreadSanitizer starts no threads after a fork beside threads");
    }
    read_lines();
    ptk_event_loop_platform_t *loop = watched_loop(STALL_MS);
    CHECK_ERR(ptk_scheduler_poll(loop, 0, NULL), PTK_ERR_DONE);
    int status = ptk_test_in_child(watch_in_child, loop, output, sizeof output);
    if (!PTK_TEST_ASAN) { /* which warns of the switches of another library */
        CHECK_STR(output, "");
    }
    CHECK_EQ(status, 0);
    test_loop_end(loop);
    stop_reading();
}
