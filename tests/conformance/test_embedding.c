/* SPDX-License-Identifier: MIT */
/* A loop inside another one: what its descriptor shows, and that no event and no deadline is lost however the
   other loop watches it. */
#include "conformance.h"
#include "ptk_test_intercept.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

/* --- the descriptor ------------------------------------------------------------------------------------- */

/* Returns the loop's descriptor; skips the test where there is none. */
static int exposed(ptk_event_loop_platform_t *loop) {
    ptk_os_handle_t fd = ptk_event_loop_platform_fd(loop);
    if (strcmp(ptk_event_loop_platform_name(loop), "epoll") != 0) {
        CHECK(fd == PTK_OS_HANDLE_NONE);
        CHECK_ERR(ptk_get_err(), PTK_ERR_NOT_SUPPORTED);
        SKIP("only epoll has a descriptor of its own");
    }
    CHECK(fd != PTK_OS_HANDLE_NONE);
    CHECK(fd == ptk_event_loop_platform_fd(NULL));
    return (int) fd;
}

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    int got = fd_poll(&entry, 1, timeout_ms);
    CHECK(got >= 0);
    return got == 1;
}

/* Drives the loop by its descriptor alone until no green thread is left; returns how many rounds that
   took. */
static size_t drive_by_descriptor(ptk_event_loop_platform_t *loop, int fd) {
    size_t turns = 0;
    do {
        CHECK(is_readable(fd, -1));
        turns++;
    } while (ptk_scheduler_poll(loop, 0, NULL) == PTK_OK);
    return turns;
}

TEST(fd_is_quiet_while_there_is_nothing_to_do) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fd = exposed(loop);
    ptk_waitable_t *user = test_user();
    test_go(test_body_wait, user);
    CHECK(is_readable(fd, 0));
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK(!is_readable(fd, 0));
    CHECK_OK(ptk_waitable_signal(user));
    CHECK(is_readable(fd, 0));
    CHECK_ERR(ptk_scheduler_poll(loop, 0, NULL), PTK_ERR_DONE);
    CHECK_STR(test_notes(), "w");
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(fd_shows_runnable_green_threads, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fd = exposed(loop);
    test_go(test_body_yield_thrice, "a");
    test_go(test_body_yield_thrice, "b");
    CHECK(drive_by_descriptor(loop, fd) >= 4);
    CHECK_STR(test_notes(), "ababab");
    test_loop_end(loop);
}

TEST(fd_shows_deadlines) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fd = exposed(loop);
    uint32_t ms[] = {8, 3};
    uint64_t start = ptk_now_ns();
    test_go(test_body_sleep_ms, &ms[0]);
    test_go(test_body_sleep_ms, &ms[1]);
    size_t turns = drive_by_descriptor(loop, fd);
    CHECK(ptk_now_ns() - start >= 8 * PTK_NS_PER_MS);
    CHECK_STR(test_notes(), "ss");
    CHECK(turns <= 20);
    test_loop_end(loop);
}

TEST(fd_shows_deadlines_armed_before_it_was_requested) {
    ptk_event_loop_platform_t *loop = test_loop();
    uint32_t ms = 3;
    test_go(test_body_sleep_ms, &ms);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    drive_by_descriptor(loop, exposed(loop));
    CHECK_STR(test_notes(), "s");
    test_loop_end(loop);
}

TEST(fd_shows_timer_waitables_and_descriptors) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fd = exposed(loop);
    int fds[2];
    test_pipe(fds);
    ptk_waitable_t *timer = test_timer_waitable(3, 0);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    test_write(fds[1], 1);
    test_go(test_body_wait, timer);
    test_go(test_body_wait, readable);
    drive_by_descriptor(loop, fd);
    CHECK_STR(test_notes(), "ww");
    ptk_waitable_destroy(timer);
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    test_loop_end(loop);
}

static void *signal_once(void *signaler) {
    CHECK_OK(ptk_signaler_signal(signaler));
    return NULL;
}

TEST(fd_shows_signals_of_other_threads, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fd = exposed(loop);
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    pthread_t thread;
    test_go(test_body_wait, user);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK(!is_readable(fd, 0));
    CHECK_EQ(pthread_create(&thread, NULL, signal_once, signaler), 0);
    drive_by_descriptor(loop, fd);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_STR(test_notes(), "w");
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(fd_that_was_requested_does_not_disturb_run) {
    ptk_event_loop_platform_t *loop = test_loop();
    exposed(loop);
    uint32_t ms[] = {2, 1};
    test_go(test_body_sleep_ms, &ms[0]);
    test_go(test_body_sleep_ms, &ms[1]);
    test_go(test_body_yield_thrice, "a");
    test_run();
    CHECK_STR(test_notes(), "aaass");
    test_loop_end(loop);
}

/* --- nothing is lost ------------------------------------------------------------------------------------ */

/* Polls for as long as there is work. */
static void poll_while_work(ptk_event_loop_platform_t *loop) {
    uint32_t next_ms = 0;
    while (next_ms == 0) {
        ptk_err err = ptk_scheduler_poll(loop, 0, &next_ms);
        CHECK(err == PTK_OK || err == PTK_ERR_DONE);
    }
}

/* Polls for as long as there is work, and no deadline is near. Afterwards the descriptor, if there is one, is
   silent: an edge-triggered embedder waits for its next edge now. */
static void poll_until_idle(ptk_event_loop_platform_t *loop) {
    poll_while_work(loop);
    ptk_os_handle_t fd = ptk_event_loop_platform_fd(loop);
    CHECK(fd == PTK_OS_HANDLE_NONE || !is_readable((int) fd, 0));
}

#define EVENTS_AT_ONCE 300 /* more than one batch of epoll */

TEST(p92_events_beyond_a_batch_are_work, MANY_DESCRIPTORS | NEEDS_TICKS | TRUSTS_READINESS | NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    static int fds[EVENTS_AT_ONCE][2];
    static ptk_waitable_t *readable[EVENTS_AT_ONCE];
    for (int i = 0; i < EVENTS_AT_ONCE; i++) {
        test_pipe(fds[i]);
        readable[i] = test_fd_waitable(fds[i][0]);
        test_go(test_body_wait, readable[i]);
    }
    poll_until_idle(loop);
    CHECK_STR(test_notes(), "");
    for (int i = 0; i < EVENTS_AT_ONCE; i++) {
        test_write(fds[i][1], 1);
    }
    poll_until_idle(loop);
    CHECK_EQ(strlen(test_notes()), EVENTS_AT_ONCE);
    for (int i = 0; i < EVENTS_AT_ONCE; i++) {
        ptk_waitable_destroy(readable[i]);
        test_close_pair(fds[i]);
    }
    test_loop_end(loop);
}

/* --- the poll set --------------------------------------------------------------------------------------- */

#define SET_ROOM 32

/* Waits as an embedder does: for the entries of the set, and for as long as next_ms allows. */
static void wait_for_set(ptk_event_loop_platform_t *loop) {
    ptk_poll_entry_t entries[SET_ROOM] = {0};
    struct pollfd polled[SET_ROOM];
    size_t count = 0;
    uint32_t next_ms = 7;
    CHECK_OK(ptk_scheduler_next_ms(loop, &next_ms));
    CHECK_OK(ptk_event_loop_platform_poll_set(loop, entries, SET_ROOM, &count));
    CHECK(count >= 1);
    for (size_t i = 0; i < count; i++) {
        bool reads = entries[i].events & PTK_EVENT_READ;
        bool writes = entries[i].events & PTK_EVENT_WRITE;
        CHECK(reads || writes);
        polled[i] = (struct pollfd) {.fd = (int) entries[i].handle};
        polled[i].events = (short) ((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
    }
    CHECK(fd_poll(polled, count, next_ms == PTK_TIMEOUT_INFINITE ? -1 : (int) next_ms) >= 0);
}

/* Drives the loop by its set until no green thread is left. */
static void drive_by_set(ptk_event_loop_platform_t *loop) {
    do {
        wait_for_set(loop);
    } while (ptk_scheduler_poll(loop, 0, NULL) == PTK_OK);
}

static size_t set_size(ptk_event_loop_platform_t *loop) {
    ptk_poll_entry_t entries[SET_ROOM];
    size_t count = 0;
    CHECK_OK(ptk_event_loop_platform_poll_set(loop, entries, SET_ROOM, &count));
    return count;
}

TEST(set_drives_yields_deadlines_timers_and_descriptors) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fds[2];
    test_pipe(fds);
    uint32_t ms[] = {5, 2};
    ptk_waitable_t *timer = test_timer_waitable(3, 0);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    test_go(test_body_yield_thrice, "a");
    test_go(test_body_sleep_ms, &ms[0]);
    test_go(test_body_sleep_ms, &ms[1]);
    test_go(test_body_wait, timer);
    test_go(test_body_wait, readable);
    poll_while_work(loop);
    test_write(fds[1], 1);
    drive_by_set(loop);
    CHECK_EQ(strlen(test_notes()), 3 + 2 + 2);
    ptk_waitable_destroy(timer);
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    test_loop_end(loop);
}

static ptk_err write_to_a_full_one(void *fd) {
    ptk_waitable_t *writable = test_fd_waitable(*(int *) fd);
    CHECK_OK(ptk_waitable_wait(writable, PTK_EVENT_WRITE, PTK_TIMEOUT_INFINITE));
    test_note('w');
    ptk_waitable_destroy(writable);
    return PTK_OK;
}

TEST(set_has_what_is_waited_for_now, NEEDS_TICKS | TRUSTS_READINESS) {
    ptk_event_loop_platform_t *loop = test_loop();
    bool is_one = ptk_event_loop_platform_fd(loop) != PTK_OS_HANDLE_NONE;
    int fds[2];
    test_socketpair(fds);
    test_fill(fds[0]);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    CHECK_EQ(set_size(loop), 1);
    test_go(test_body_wait, readable);
    poll_until_idle(loop);
    CHECK_EQ(set_size(loop), is_one ? 1 : 2);
    test_go(write_to_a_full_one, &fds[0]); /* the same descriptor: one entry */
    poll_until_idle(loop);
    CHECK_EQ(set_size(loop), is_one ? 1 : 2);
    test_write(fds[1], 1);
    while (strlen(test_notes()) == 0) {
        wait_for_set(loop);
        CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    }
    CHECK_EQ(set_size(loop), is_one ? 1 : 2);
    char buffer[4096];
    while (fd_read(fds[1], buffer, sizeof buffer) > 0) {
    }
    drive_by_set(loop);
    CHECK_STR(test_notes(), "ww");
    CHECK_EQ(set_size(loop), 1);
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    test_loop_end(loop);
}

TEST(set_that_does_not_fit_is_not_written) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_poll_entry_t entry = {.handle = -7, .events = 77};
    size_t count = 9;
    CHECK_ERR(ptk_event_loop_platform_poll_set(loop, NULL, 0, &count), PTK_ERR_NO_RESOURCES);
    CHECK_EQ(count, 1);
    CHECK_ERR(ptk_event_loop_platform_poll_set(loop, NULL, 1, &count), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_event_loop_platform_poll_set(loop, &entry, 1, NULL), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(entry.handle, -7);
    CHECK_EQ(entry.events, 77);
    CHECK_OK(ptk_event_loop_platform_poll_set(NULL, &entry, 1, &count));
    CHECK_EQ(count, 1);
    CHECK_EQ(entry.events, PTK_EVENT_READ);
    test_loop_end(loop);
}

TEST(set_is_quiet_while_there_is_nothing_to_do) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_poll_entry_t entry;
    size_t count = 0;
    uint32_t next_ms = 7;
    test_go(test_body_wait, user);
    CHECK_OK(ptk_event_loop_platform_poll_set(loop, &entry, 1, &count));
    CHECK(is_readable((int) entry.handle, 0));
    poll_while_work(loop);
    CHECK(!is_readable((int) entry.handle, 0));
    CHECK_OK(ptk_scheduler_next_ms(loop, &next_ms));
    CHECK_EQ(next_ms, PTK_TIMEOUT_INFINITE);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK(is_readable((int) entry.handle, 0));
    CHECK_OK(ptk_scheduler_next_ms(loop, &next_ms));
    CHECK_EQ(next_ms, 0);
    drive_by_set(loop);
    CHECK_STR(test_notes(), "w");
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(set_shows_signals_of_other_threads, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(user);
    pthread_t thread;
    test_go(test_body_wait, user);
    CHECK_EQ(set_size(loop), 1);
    poll_until_idle(loop);
    CHECK_EQ(pthread_create(&thread, NULL, signal_once, signaler), 0);
    drive_by_set(loop);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_STR(test_notes(), "w");
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err request_next_ms_inside(void *arg) {
    uint32_t next_ms = 7;
    CHECK_ERR(ptk_scheduler_next_ms(arg, &next_ms), PTK_ERR_BUSY);
    CHECK_EQ(next_ms, 7);
    return PTK_OK;
}

TEST(next_ms_is_of_the_time_of_the_call) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    uint32_t ms = 20;
    uint32_t next_ms = 7;
    test_go(test_body_sleep_ms, &ms);
    poll_while_work(loop);
    CHECK_OK(ptk_scheduler_next_ms(loop, &next_ms));
    CHECK_EQ(next_ms, 20);
    test_clock_advance(15 * PTK_NS_PER_MS - 1);
    CHECK_OK(ptk_scheduler_next_ms(loop, &next_ms));
    CHECK_EQ(next_ms, 6);
    test_clock_advance(10 * PTK_NS_PER_MS);
    CHECK_OK(ptk_scheduler_next_ms(loop, &next_ms));
    CHECK_EQ(next_ms, 0);
    CHECK_ERR(ptk_scheduler_poll(loop, 0, &next_ms), PTK_ERR_DONE);
    CHECK_STR(test_notes(), "s");
    test_loop_end(loop);
    test_clock_end();
}

TEST(next_ms_inside_run_is_busy) {
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK_ERR(ptk_scheduler_next_ms(loop, NULL), PTK_ERR_INVALID_PARAM);
    test_go(request_next_ms_inside, loop);
    test_run();
    test_loop_end(loop);
}

/* --- the alarm ------------------------------------------------------------------------------------------ */

static size_t alarms_set;

static int64_t count_alarm(ptk_sys_call_t *call) {
    alarms_set++;
    return ptk_sys_call_below(call);
}

static ptk_interceptor_t alarms = {.hooks = {[PTK_SYS_timer_set] = count_alarm}};

static ptk_err wait_many_times(void *waitable) {
    for (int i = 0; i < 100; i++) {
        CHECK_OK(test_wait(waitable, 3600 * 1000));
    }
    return PTK_OK;
}

static ptk_err wait_a_minute(void *waitable) {
    CHECK_OK(test_wait(waitable, 60 * 1000));
    return PTK_OK;
}

TEST(p91_alarm_is_set_only_to_an_earlier_deadline, COUNTS_CALLS) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    exposed(loop);
    ptk_intercept(&alarms);
    test_go(wait_many_times, user);
    poll_until_idle(loop);
    for (int i = 0; i < 100; i++) {
        CHECK_OK(ptk_waitable_signal(user));
        poll_until_idle(loop);
    }
    CHECK_EQ(alarms_set, 1);
    CHECK_EQ(test_counters().green_threads, 0);
    test_go(wait_a_minute, user);
    poll_until_idle(loop);
    CHECK_EQ(alarms_set, 2);
    ptk_intercept_end();
    CHECK_OK(ptk_waitable_signal(user));
    poll_until_idle(loop);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static int64_t fail_alarm(ptk_sys_call_t *call) {
    (void) call;
    return -EINVAL;
}

static ptk_interceptor_t failing_alarms = {.hooks = {[PTK_SYS_timer_set] = fail_alarm}};

TEST(alarm_that_could_not_be_set_is_set_later) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fd = exposed(loop);
    uint32_t ms = 3;
    ptk_intercept(&failing_alarms);
    test_go(test_body_sleep_ms, &ms);
    poll_while_work(loop);
    ptk_intercept_end();
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    drive_by_descriptor(loop, fd);
    CHECK_STR(test_notes(), "s");
    test_loop_end(loop);
}

static ptk_err wait_with_a_timeout(void *waitable) {
    CHECK_OK(test_wait(waitable, 4));
    test_note('w');
    return PTK_OK;
}

TEST(alarm_that_goes_off_for_a_deadline_that_is_no_more_sets_the_next) {
    ptk_event_loop_platform_t *loop = test_loop();
    int fd = exposed(loop);
    ptk_waitable_t *user = test_user();
    uint32_t ms = 6;
    test_go(wait_with_a_timeout, user);
    test_go(test_body_sleep_ms, &ms);
    poll_while_work(loop);
    CHECK_OK(ptk_waitable_signal(user));
    drive_by_descriptor(loop, fd);
    CHECK_STR(test_notes(), "ws");
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}
