/* SPDX-License-Identifier: MIT */
/* SOCKET waitables: readiness of any descriptor, level-triggered, per direction. */
#include "conformance.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static ptk_err wait_readable(void *waitable) {
    return test_wait(waitable, PTK_TIMEOUT_INFINITE);
}

static ptk_err wait_writable(void *waitable) {
    return ptk_waitable_wait(waitable, PTK_EVENT_WRITE, PTK_TIMEOUT_INFINITE);
}

/* --- readiness ------------------------------------------------------------------------------------------ */

static ptk_err see_both_directions(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    const uint32_t both = PTK_EVENT_READ | PTK_EVENT_WRITE;
    CHECK_ERR(test_wait(waitable, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 0));
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_WRITE);
    CHECK_OK(ptk_waitable_wait(waitable, both, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_WRITE);
    test_write(pair[1], 10);
    CHECK_OK(ptk_waitable_wait(waitable, both, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_ready(), both);
    CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
    test_fill(pair[0]);
    CHECK_ERR(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 1), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_waitable_wait(waitable, both, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

/* A loop, one green thread that runs fn(pair) with a connected pair, and the end of all of it. */
static void with_pair(ptk_green_fn fn) {
    ptk_event_loop_platform_t *loop = test_loop();
    int pair[2];
    test_socketpair(pair);
    test_go(fn, pair);
    test_run();
    test_close_pair(pair);
    test_loop_end(loop);
}

TEST(fd_directions_are_distinguished, TRUSTS_READINESS) {
    with_pair(see_both_directions);
}

TEST(fd_timeout_zero_works_outside, TRUSTS_READINESS) {
    ptk_event_loop_platform_t *loop = test_loop();
    int pair[2];
    test_socketpair(pair);
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    CHECK_ERR(test_wait(waitable, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 0));
    CHECK_ERR(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 1), PTK_ERR_NOT_GREEN);
    test_write(pair[1], 1);
    CHECK_OK(test_wait(waitable, 0));
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_NOT_GREEN);
    ptk_waitable_destroy(waitable);
    test_close_pair(pair);
    test_loop_end(loop);
}

static ptk_err wake_when_it_comes(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    size_t filled = test_fill(pair[0]);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    ptk_green_t *writer = test_spawn(wait_writable, waitable);
    test_let_poll();
    CHECK_ERR(ptk_green_join(reader, NULL, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_green_join(writer, NULL, 0), PTK_ERR_TIMEOUT);
    test_write(pair[1], 1);
    CHECK_OK(test_join(reader));
    CHECK_ERR(ptk_green_join(writer, NULL, 0), PTK_ERR_TIMEOUT);
    while (filled > 0) {
        filled -= test_read(pair[1], 65536);
    }
    CHECK_OK(test_join(writer));
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(fd_reader_and_writer_wait_at_once, TRUSTS_READINESS) {
    with_pair(wake_when_it_comes);
}

static ptk_err wait_twice_in_a_direction(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    CHECK_ERR(test_wait(waitable, PTK_TIMEOUT_INFINITE), PTK_ERR_BUSY);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_BUSY);
    CHECK_ERR(ptk_waitable_wait(waitable, PTK_EVENT_READ | PTK_EVENT_WRITE, 1), PTK_ERR_BUSY);
    CHECK_OK(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 1));
    test_write(pair[1], 1);
    CHECK_OK(test_join(reader));
    CHECK_OK(test_wait(waitable, 1));
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p06_fd_second_waiter_of_a_direction_is_busy, TRUSTS_READINESS) {
    with_pair(wait_twice_in_a_direction);
}

static ptk_err see_eventfd(void *arg) {
    (void) arg;
    int fd = fd_event();
    uint64_t value = 0;
    ptk_waitable_t *waitable = test_fd_waitable(fd);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    CHECK_EQ(fd_event_add(fd), 0);
    CHECK_OK(test_join(reader));
    CHECK_OK(test_wait(waitable, 1)); /* level-triggered: the bytes are still unread */
    CHECK_EQ(fd_event_take(fd, &value), 0);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(waitable);
    CHECK_EQ(fd_close(fd), 0);
    return PTK_OK;
}

TEST(fd_eventfd, TRUSTS_READINESS) {
    test_in_green(see_eventfd);
}

static ptk_err see_regular_file(void *arg) {
    (void) arg;
    char path[] = "/tmp/ptk-conformance-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0 && errno == EROFS) {
        SKIP("no folder can be written");
    }
    CHECK(fd >= 0);
    CHECK_EQ(unlink(path), 0);
    ptk_waitable_t *waitable = test_fd_waitable(fd);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
        CHECK_OK(ptk_waitable_wait(waitable, PTK_EVENT_READ | PTK_EVENT_WRITE, 0));
        CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ | PTK_EVENT_WRITE);
    }
    ptk_waitable_destroy(waitable);
    CHECK_EQ(fd_close(fd), 0);
    return PTK_OK;
}

TEST(fd_regular_file_is_always_ready, REAL_PROCESS) {
    test_in_green(see_regular_file);
}

static ptk_err wait_on_descriptor_zero(void *arg) {
    const int *fds = arg;
    ptk_waitable_t *waitable = test_fd_waitable(0);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    test_write(fds[1], 1);
    CHECK_OK(test_join(reader));
    CHECK_EQ(test_read(0, 5), 1);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(fd_zero_is_a_descriptor_like_any_other, REAL_PROCESS) {
    int saved = fcntl(0, F_DUPFD_CLOEXEC, 10);
    int fds[2];
    test_pipe(fds);
    CHECK_EQ(dup2(fds[0], 0), 0);
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(wait_on_descriptor_zero, fds);
    test_run();
    test_loop_end(loop);
    test_close_pair(fds);
    CHECK_EQ(saved >= 0 ? dup2(saved, 0) : fd_close(0), 0);
    if (saved >= 0) {
        CHECK_EQ(fd_close(saved), 0);
    }
}

static void check_no_such_descriptor(intptr_t fd) {
    CHECK(ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(fd)) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
}

TEST(fd_that_does_not_exist_is_invalid) {
    ptk_event_loop_platform_t *loop = test_loop();
    int pair[2];
    test_pipe(pair);
    test_close_pair(pair);
    check_no_such_descriptor(-1);
    check_no_such_descriptor(-100);
    check_no_such_descriptor(pair[0]);
    check_no_such_descriptor(1000000);
    check_no_such_descriptor(INT32_MAX);
    check_no_such_descriptor((intptr_t) 1 << 32); /* not descriptor 0 */
    test_loop_end(loop);
}

static ptk_err misuse(void *arg) {
    const int *pair = arg;
    static const uint32_t bad_events[] = {0, 32, PTK_EVENT_READ | 32, UINT32_MAX};
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    for (size_t i = 0; i < sizeof bad_events / sizeof bad_events[0]; i++) {
        CHECK_ERR(ptk_waitable_wait(waitable, bad_events[i], 0), PTK_ERR_INVALID_PARAM);
        CHECK_ERR(ptk_waitable_wait(waitable, bad_events[i], 1), PTK_ERR_INVALID_PARAM);
    }
    CHECK_ERR(ptk_waitable_signal(waitable), PTK_ERR_INVALID_PARAM);
    CHECK(ptk_waitable_signaler(waitable) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    ptk_waitable_destroy(waitable);
    CHECK_ERR(test_wait(waitable, 0), PTK_ERR_CLOSED);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_CLOSED);
    return PTK_OK;
}

TEST(fd_misuse_is_invalid) {
    with_pair(misuse);
}

/* --- hang-ups and errors -------------------------------------------------------------------------------- */

static ptk_err see_the_end_of_a_stream(void *arg) {
    int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    test_write(pair[1], 3);
    CHECK_EQ(fd_close(pair[1]), 0);
    CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
    CHECK((ptk_waitable_ready() & PTK_EVENT_READ) != 0);
    CHECK_EQ(test_read(pair[0], 10), 3);
    CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
    CHECK((ptk_waitable_ready() & PTK_EVENT_READ) != 0);
    CHECK_EQ(test_read(pair[0], 10), 0);
    CHECK_OK(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, PTK_TIMEOUT_INFINITE));
    CHECK((ptk_waitable_ready() & (PTK_EVENT_WRITE | PTK_EVENT_ERROR)) != 0);
    ptk_waitable_destroy(waitable);
    pair[1] = fd_duplicate(pair[0]); /* for with_pair to close */
    CHECK(pair[1] >= 0);
    return PTK_OK;
}

TEST(fd_end_of_stream_is_readable) {
    with_pair(see_the_end_of_a_stream);
}

static ptk_err see_a_broken_pipe(void *arg) {
    (void) arg;
    int fds[2];
    test_pipe(fds);
    ptk_waitable_t *waitable = test_fd_waitable(fds[1]);
    test_fill(fds[1]);
    ptk_green_t *writer = test_spawn(wait_writable, waitable);
    test_let_poll();
    CHECK_EQ(fd_close(fds[0]), 0);
    CHECK_OK(test_join(writer));
    CHECK_OK(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 0));
    CHECK((ptk_waitable_ready() & PTK_EVENT_ERROR) != 0);
    CHECK_OK(test_wait(waitable, 1)); /* reported whether requested or not */
    CHECK((ptk_waitable_ready() & PTK_EVENT_ERROR) != 0);
    ptk_waitable_destroy(waitable);
    CHECK_EQ(fd_close(fds[1]), 0);
    return PTK_OK;
}

TEST(p08_error_is_reported_whether_requested_or_not) {
    test_in_green(see_a_broken_pipe);
}

static ptk_err hang_up_while_nobody_waits(void *arg) {
    int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT); /* it has been registered once */
    CHECK_EQ(fd_shutdown(pair[1], SHUT_RDWR), 0);
    ptk_scheduler_counters_t before = test_counters();
    CHECK_OK(ptk_sleep_ms(20));
    ptk_scheduler_counters_t after = test_counters();
    CHECK(after.events - before.events <= 2);
    CHECK(after.polls - before.polls <= 6);
    CHECK_OK(test_wait(waitable, 0));
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p08_hang_up_without_waiters_does_not_make_the_loop_spin, NEEDS_TICKS | TRUSTS_READINESS) {
    with_pair(hang_up_while_nobody_waits);
}

static ptk_err write_while_nobody_waits(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    ptk_scheduler_counters_t before = test_counters();
    for (int i = 0; i < 20; i++) {
        test_write(pair[1], 1);
        test_let_poll();
    }
    CHECK(test_counters().events - before.events <= 2);
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p08_data_without_waiters_is_not_reported_again_and_again, TRUSTS_READINESS) {
    with_pair(write_while_nobody_waits);
}

/* One direction is waited for and not ready, the other one hangs up or is ready all the time. */
static ptk_err wait_beside_readable_data(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    test_fill(pair[0]);
    test_write(pair[1], 100);
    ptk_scheduler_counters_t before = test_counters();
    CHECK_ERR(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 20), PTK_ERR_TIMEOUT);
    ptk_scheduler_counters_t after = test_counters();
    CHECK(after.events - before.events <= 2);
    CHECK(after.polls - before.polls <= 6);
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p08_readiness_of_the_other_direction_does_not_make_the_loop_spin, TRUSTS_READINESS | NEEDS_TICKS) {
    with_pair(wait_beside_readable_data);
}

static ptk_err end_of_stream_beside_a_writer(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    test_fill(pair[0]);
    CHECK_EQ(fd_shutdown(pair[1], SHUT_WR), 0); /* RDHUP here, and no HUP: it can still be written to */
    ptk_scheduler_counters_t before = test_counters();
    CHECK_ERR(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 20), PTK_ERR_TIMEOUT);
    CHECK(test_counters().polls - before.polls <= 6);
    CHECK_OK(test_wait(waitable, 1));
    CHECK_EQ(test_read(pair[0], 1), 0);
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p09_end_of_stream_does_not_disturb_a_writer, TRUSTS_READINESS | NEEDS_TICKS) {
    with_pair(end_of_stream_beside_a_writer);
}

/* --- level-triggered ------------------------------------------------------------------------------------ */

static ptk_err read_in_parts(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    test_write(pair[1], 10 * 1024);
    CHECK_OK(test_join(reader));
    CHECK_EQ(test_read(pair[0], 4 * 1024),
             4 * 1024); /* the owner leaves six behind, and no EAGAIN was seen */
    CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(test_read(pair[0], 6 * 1024), 6 * 1024);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p60_owner_reads_four_of_ten_kilobytes, TRUSTS_READINESS) {
    with_pair(read_in_parts);
}

static ptk_err see_what_is_there_by_now(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    for (int i = 0; i < 3; i++) {
        CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
        test_write(pair[1], 1); /* there was no poll since */
        ptk_scheduler_counters_t before = test_counters();
        CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(test_counters().switches, before.switches);
        CHECK_EQ(test_counters().polls, before.polls);
        CHECK_EQ(test_read(pair[0], 5), 1);
    }
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p60_descriptor_is_polled_before_any_park, TRUSTS_READINESS) {
    with_pair(see_what_is_there_by_now);
}

#define PART_TOTAL 300

static ptk_err write_total(void *arg) {
    const int *pair = arg;
    test_write(pair[1], PART_TOTAL);
    return PTK_OK;
}

static ptk_err read_at_every_size(void *arg) {
    int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    for (size_t part = 1; part <= PART_TOTAL; part++) {
        test_go(write_total, pair); /* runs when this one has parked */
        for (size_t left = PART_TOTAL; left > 0;) {
            CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
            left -= test_read(pair[0], part);
        }
    }
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p01_partial_reads_at_every_size, TRUSTS_READINESS) {
    with_pair(read_at_every_size);
}

/* Readiness comes between the last look and the park: here, while the green thread is on its way into the
 * wait. */
static ptk_err write_when_scheduled(void *arg) {
    const int *pair = arg;
    for (int i = 0; i < 200; i++) {
        test_write(pair[1], 1);
        for (int j = 0; j < i % 3; j++) {
            test_yield();
        }
    }
    return PTK_OK;
}

static ptk_err read_two_hundred(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    ptk_green_t *writer = test_spawn(write_when_scheduled, arg);
    for (size_t left = 200; left > 0;) {
        CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
        left -= test_read(pair[0], 1 + left % 2);
    }
    CHECK_OK(test_join(writer));
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p02_readiness_at_every_step_around_the_park, TRUSTS_READINESS) {
    with_pair(read_two_hundred);
}

static ptk_err wake_without_data(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    test_let_poll();
    test_write(pair[1], 1);
    CHECK_EQ(test_read(pair[0], 1), 1); /* its owner was faster than the poller */
    test_let_poll();
    CHECK_ERR(ptk_green_join(reader, NULL, 0), PTK_ERR_TIMEOUT);
    test_write(pair[1], 1);
    CHECK_OK(test_join(reader));
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(p10_readiness_that_is_gone_before_the_poll_wakes_no_waiter, TRUSTS_READINESS) {
    with_pair(wake_without_data);
}

/* Data that is taken between the poller's report and the wake. */
typedef struct thief {
    ptk_waitable_t *mine;
    int mine_fd;
    int other_fd;
} thief_t;

static ptk_err steal(void *arg) {
    const thief_t *thief = arg;
    CHECK_OK(test_wait(thief->mine, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(test_read(thief->mine_fd, 1), 1);
    ssize_t got = fd_read(thief->other_fd, (char[1]) {0}, 1);
    CHECK(got == 1 || got == -1); /* the victim may have been woken first */
    return PTK_OK;
}

static ptk_err wait_and_read(void *arg) {
    const thief_t *victim = arg;
    CHECK_OK(test_wait(victim->mine, PTK_TIMEOUT_INFINITE));
    ssize_t got = fd_read(victim->mine_fd, (char[1]) {0}, 1);
    CHECK(got == 1 || got == -1); /* a hint: the owner may have been faster */
    while (got != 1) {
        CHECK_OK(test_wait(victim->mine, PTK_TIMEOUT_INFINITE));
        got = fd_read(victim->mine_fd, (char[1]) {0}, 1);
    }
    return PTK_OK;
}

static ptk_err rob(void *arg) {
    int *first = arg;
    int second[2];
    test_socketpair(second);
    thief_t thief = {test_fd_waitable(first[0]), first[0], second[0]};
    thief_t victim = {test_fd_waitable(second[0]), second[0], -1};
    ptk_green_t *robber = test_spawn(steal, &thief);
    ptk_green_t *robbed = test_spawn(wait_and_read, &victim);
    test_let_poll();
    test_write(first[1], 1);
    test_write(second[1], 1);
    CHECK_OK(test_join(robber));
    test_let_poll();
    test_write(second[1], 1);
    CHECK_OK(test_join(robbed));
    ptk_waitable_destroy(thief.mine);
    ptk_waitable_destroy(victim.mine);
    test_close_pair(second);
    return PTK_OK;
}

TEST(p10_readiness_that_is_gone_before_the_wake_is_only_a_hint, TRUSTS_READINESS) {
    with_pair(rob);
}

/* --- destroy, abort ------------------------------------------------------------------------------------- */

static ptk_err end_waits(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    test_fill(pair[0]);
    ptk_green_t *reader = test_spawn(wait_readable, waitable);
    ptk_green_t *writer = test_spawn(wait_writable, waitable);
    test_let_poll();
    CHECK_OK(ptk_waitable_abort(waitable));
    CHECK_ERR(test_join(reader), PTK_ERR_ABORTED);
    CHECK_ERR(test_join(writer), PTK_ERR_ABORTED);
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_TIMEOUT);
    reader = test_spawn(wait_readable, waitable);
    writer = test_spawn(wait_writable, waitable);
    test_let_poll();
    ptk_waitable_destroy(waitable);
    CHECK_ERR(test_join(reader), PTK_ERR_CLOSED);
    CHECK_ERR(test_join(writer), PTK_ERR_CLOSED);
    return PTK_OK;
}

TEST(p05_fd_abort_and_destroy_wake_both_directions, TRUSTS_READINESS) {
    with_pair(end_waits);
}

/* Abort and destroy between the poller's report and the wake: the wait is complete or ended, and ends once.
 */
static ptk_err wait_then_end_the_other(void *arg) {
    ptk_waitable_t **both = arg;
    CHECK_OK(test_wait(both[0], PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_waitable_abort(both[1]));
    ptk_waitable_destroy(both[1]);
    return PTK_OK;
}

static ptk_err end_the_other_in_a_batch(void *arg) {
    const int *pair = arg;
    int second[2];
    test_socketpair(second);
    ptk_waitable_t *both[] = {test_fd_waitable(pair[0]), test_fd_waitable(second[0])};
    ptk_green_t *ender = test_spawn(wait_then_end_the_other, both);
    ptk_green_t *other = test_spawn(wait_readable, both[1]);
    test_let_poll();
    test_write(pair[1], 1);
    test_write(second[1], 1);
    CHECK_OK(test_join(ender));
    ptk_err result = test_join(other);
    CHECK(result == PTK_OK || result == PTK_ERR_ABORTED || result == PTK_ERR_CLOSED);
    ptk_waitable_destroy(both[0]);
    test_close_pair(second);
    return PTK_OK;
}

TEST(p03_wait_ended_in_the_batch_that_made_it_ready) {
    with_pair(end_the_other_in_a_batch);
}

/* --- two waitables on one descriptor -------------------------------------------------------------------- */

static ptk_err share_a_descriptor(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *in = test_fd_waitable(pair[0]);
    ptk_waitable_t *out = test_fd_waitable(pair[0]);
    size_t filled = test_fill(pair[0]);
    ptk_green_t *reader = test_spawn(wait_readable, in);
    ptk_green_t *writer = test_spawn(wait_writable, out);
    test_let_poll();
    test_write(pair[1], 1);
    CHECK_OK(test_join(reader));
    test_let_poll();
    CHECK_ERR(ptk_green_join(writer, NULL, 0), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(in); /* the other one stays registered */
    while (filled > 0) {
        filled -= test_read(pair[1], 65536);
    }
    CHECK_OK(test_join(writer));
    ptk_waitable_destroy(out);
    return PTK_OK;
}

TEST(fd_two_waitables_on_one_descriptor_are_merged, TRUSTS_READINESS) {
    with_pair(share_a_descriptor);
}

static ptk_err share_a_direction(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *first = test_fd_waitable(pair[0]);
    ptk_waitable_t *second = test_fd_waitable(pair[0]);
    ptk_green_t *reader = test_spawn(wait_readable, first);
    test_let_poll();
    ptk_err err = test_wait(second, 2);
    CHECK(err == PTK_ERR_BUSY || err == PTK_ERR_TIMEOUT);
    test_write(pair[1], 1);
    CHECK_OK(test_join(reader));
    CHECK_OK(test_wait(second, PTK_TIMEOUT_INFINITE));
    ptk_waitable_destroy(first);
    CHECK_OK(test_wait(second, 1));
    ptk_waitable_destroy(second);
    return PTK_OK;
}

TEST(fd_two_waitables_in_one_direction, TRUSTS_READINESS) {
    with_pair(share_a_direction);
}

/* --- many ----------------------------------------------------------------------------------------------- */

#define ECHO_PAIRS  100
#define ECHO_ROUNDS 50

static ptk_err echo(void *arg) {
    int fd = *(int *) arg;
    ptk_waitable_t *waitable = test_fd_waitable(fd);
    for (int i = 0; i < ECHO_ROUNDS; i++) {
        CHECK_OK(test_wait(waitable, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(test_read(fd, 8), 1);
        test_write(fd, 1);
    }
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

static ptk_err ask(void *arg) {
    int fd = *(int *) arg;
    ptk_waitable_t *waitable = test_fd_waitable(fd);
    for (int i = 0; i < ECHO_ROUNDS; i++) {
        test_write(fd, 1);
        CHECK_OK(test_wait(waitable, 60 * 1000));
        CHECK_EQ(test_read(fd, 8), 1);
    }
    ptk_waitable_destroy(waitable);
    return PTK_OK;
}

TEST(fd_many_conversations_at_once, MANY_DESCRIPTORS | TRUSTS_READINESS) {
    static int pairs[ECHO_PAIRS][2];
    ptk_event_loop_platform_t *loop = test_loop();
    for (size_t i = 0; i < ECHO_PAIRS; i++) {
        test_socketpair(pairs[i]);
        test_go(echo, &pairs[i][0]);
        test_go(ask, &pairs[i][1]);
    }
    test_run();
    for (size_t i = 0; i < ECHO_PAIRS; i++) {
        test_close_pair(pairs[i]);
    }
    test_loop_end(loop);
}

/* --- both directions in one wait ------------------------------------------------------------------------ */

static ptk_err wait_for_both(void *waitable) {
    return ptk_waitable_wait(waitable, PTK_EVENT_READ | PTK_EVENT_WRITE, PTK_TIMEOUT_INFINITE);
}

static ptk_err end_a_wait_for_both(void *arg) {
    const int *pair = arg;
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    test_fill(pair[0]);
    ptk_green_t *both = test_spawn(wait_for_both, waitable);
    test_let_poll();
    CHECK_ERR(test_wait(waitable, 1), PTK_ERR_BUSY);
    CHECK_ERR(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 1), PTK_ERR_BUSY);
    CHECK_OK(ptk_waitable_abort(waitable));
    CHECK_ERR(test_join(both), PTK_ERR_ABORTED);
    both = test_spawn(wait_for_both, waitable);
    test_yield();
    CHECK_OK(ptk_green_cancel(both));
    CHECK_ERR(test_join(both), PTK_ERR_CANCELED);
    CHECK_ERR(ptk_waitable_wait(waitable, PTK_EVENT_READ | PTK_EVENT_WRITE, 2), PTK_ERR_TIMEOUT);
    both = test_spawn(wait_for_both, waitable);
    test_let_poll();
    test_write(pair[1], 1);
    CHECK_OK(test_join(both));
    CHECK_EQ(test_read(pair[0], 5), 1);
    both = test_spawn(wait_for_both, waitable);
    test_let_poll();
    ptk_waitable_destroy(waitable);
    CHECK_ERR(test_join(both), PTK_ERR_CLOSED);
    return PTK_OK;
}

TEST(fd_wait_for_both_directions_ends_in_every_way, TRUSTS_READINESS) {
    with_pair(end_a_wait_for_both);
}
