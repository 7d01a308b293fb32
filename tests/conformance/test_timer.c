/* SPDX-License-Identifier: MIT */
/* Sleeps and timeouts: never early, in order, of any length, and no busy loop meanwhile. */
#include "conformance.h"

/* --- in real time: a lower bound ------------------------------------------------------------------------ */

static ptk_err sleep_and_measure(void *arg) {
    (void) arg;
    for (uint32_t ms = 0; ms < 6; ms++) {
        uint64_t start = ptk_now_ns();
        CHECK_OK(ptk_sleep_ms(ms));
        CHECK(ptk_now_ns() - start >= ms * PTK_NS_PER_MS);
    }
    return PTK_OK;
}

TEST(timer_sleep_is_never_early) {
    test_in_green(sleep_and_measure);
}

static ptk_err sleep_until_and_measure(void *arg) {
    (void) arg;
    for (uint64_t ns = 1; ns < 10 * PTK_NS_PER_MS; ns *= 7) {
        uint64_t deadline_ns = ptk_now_ns() + ns;
        CHECK_OK(ptk_sleep_until(deadline_ns));
        CHECK(ptk_now_ns() >= deadline_ns);
    }
    return PTK_OK;
}

TEST(timer_sleep_until_is_never_early) {
    test_in_green(sleep_until_and_measure);
}

static ptk_err time_out_and_measure(void *user) {
    for (uint32_t ms = 1; ms < 6; ms++) {
        uint64_t start = ptk_now_ns();
        CHECK_ERR(test_wait(user, ms), PTK_ERR_TIMEOUT);
        CHECK(ptk_now_ns() - start >= ms * PTK_NS_PER_MS);
    }
    return PTK_OK;
}

TEST(timer_timeout_is_never_early) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    for (int i = 0; i < 10; i++) {
        test_go(time_out_and_measure, user);
    }
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err note_once(void *letter) {
    test_note(*(const char *) letter);
    return PTK_OK;
}

static ptk_err yield_in_three_ways(void *arg) {
    (void) arg;
    test_go(note_once, "a");
    CHECK_OK(ptk_sleep_ms(0));
    test_note('1');
    test_go(note_once, "b");
    CHECK_OK(ptk_sleep_until(0));
    test_note('2');
    test_go(note_once, "c");
    CHECK_OK(ptk_sleep_until(ptk_now_ns()));
    test_note('3');
    return PTK_OK;
}

TEST(timer_sleep_zero_and_sleep_until_the_past_are_yields, NEEDS_ORDER) {
    test_in_green(yield_in_three_ways);
    CHECK_STR(test_notes(), "a1b2c3");
}

static ptk_err sleep_some_ms(void *ms) {
    return ptk_sleep_ms(*(uint32_t *) ms);
}

TEST(p20_no_busy_loop_while_one_sleeps, NEEDS_TICKS) {
    uint32_t ms = 25;
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(sleep_some_ms, &ms);
    uint64_t before = test_counters().polls;
    test_run();
    CHECK(test_counters().polls - before <= 6);
    test_loop_end(loop);
}

/* --- in the test's own time: exact ---------------------------------------------------------------------- */

#define START_NS UINT64_C(123456789)

typedef struct sleeper {
    uint64_t asked_ns;
    uint64_t woken_ns;
    char letter;
} sleeper_t;

static ptk_err sleep_and_note_when(void *arg) {
    sleeper_t *sleeper = arg;
    CHECK_OK(ptk_sleep_until(sleeper->asked_ns));
    sleeper->woken_ns = ptk_now_ns();
    test_note(sleeper->letter);
    return PTK_OK;
}

TEST(timer_ties_expire_in_the_order_of_arming, NEEDS_ORDER) {
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    sleeper_t sleepers[26];
    for (size_t i = 0; i < 26; i++) {
        sleepers[i] = (sleeper_t) {.asked_ns = START_NS + 5000, .letter = (char) ('a' + i)};
        test_go(sleep_and_note_when, &sleepers[i]);
    }
    test_run();
    CHECK_STR(test_notes(), "abcdefghijklmnopqrstuvwxyz");
    CHECK_EQ(ptk_now_ns(), START_NS + 5000);
    test_loop_end(loop);
    test_clock_end();
}

static ptk_err sleep_ms_and_note(void *arg) {
    const sleeper_t *sleeper = arg;
    CHECK_OK(ptk_sleep_ms((uint32_t) sleeper->asked_ns));
    test_note(sleeper->letter);
    return PTK_OK;
}

TEST(timer_relative_sleeps_expire_by_length_and_ties_by_arming, NEEDS_ORDER) {
    static const uint32_t ms[] = {3, 1, 2, 3, 1, 2, 1};
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    sleeper_t sleepers[7];
    for (size_t i = 0; i < 7; i++) {
        sleepers[i] = (sleeper_t) {.asked_ns = ms[i], .letter = (char) ('a' + i)};
        test_go(sleep_ms_and_note, &sleepers[i]);
    }
    test_run();
    CHECK_STR(test_notes(), "begcfad");
    CHECK_EQ(ptk_now_ns(), START_NS + 3 * PTK_NS_PER_MS);
    test_loop_end(loop);
    test_clock_end();
}

static ptk_err sleep_thrice(void *arg) {
    (void) arg;
    uint64_t start = ptk_now_ns();
    for (uint64_t i = 1; i <= 3; i++) {
        CHECK_OK(ptk_sleep_ms(7));
        CHECK_EQ(ptk_now_ns() - start, i * 7 * PTK_NS_PER_MS);
    }
    CHECK_OK(ptk_sleep_until(start + 21 * PTK_NS_PER_MS + 1));
    CHECK_EQ(ptk_now_ns() - start, 21 * PTK_NS_PER_MS + 1);
    return PTK_OK;
}

TEST(timer_wakes_exactly_when_the_clock_allows) {
    test_clock_begin(START_NS);
    test_in_green(sleep_thrice);
    test_clock_end();
}

TEST(p20_a_poller_that_returns_early_ends_no_wait_early) {
    test_clock_begin(START_NS);
    test_clock_wake_early(true);
    test_in_green(sleep_thrice);
    test_clock_end();
}

TEST(p20_a_poller_that_returns_early_is_called_again_without_a_spin, NEEDS_TICKS) {
    uint32_t ms = 1000;
    test_clock_begin(START_NS);
    test_clock_wake_early(true);
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(sleep_some_ms, &ms);
    test_run();
    CHECK_EQ(ptk_now_ns(), START_NS + 1000 * PTK_NS_PER_MS);
    CHECK(test_counters().polls <= 40); /* 1 s halved down to 1 ns takes 30 steps */
    test_loop_end(loop);
    test_clock_end();
}

/* --- long timeouts and a clock near its end ------------------------------------------------------------- */

static const uint32_t long_ms[] = {
    INT32_MAX - UINT32_C(1), INT32_MAX,      INT32_MAX + UINT32_C(1),
    INT32_MAX + UINT32_C(2), UINT32_MAX - 2, UINT32_MAX - 1,
};

#define LONG_COUNT (sizeof long_ms / sizeof long_ms[0])

typedef struct long_wait {
    ptk_waitable_t *user;
    uint32_t ms;
    ptk_err expected;
} long_wait_t;

static ptk_err wait_long(void *arg) {
    const long_wait_t *wait = arg;
    CHECK_ERR(test_wait(wait->user, wait->ms), wait->expected);
    return PTK_OK;
}

static ptk_err sleep_long(void *arg) {
    const long_wait_t *wait = arg;
    CHECK_ERR(ptk_sleep_ms(wait->ms), wait->expected == PTK_ERR_TIMEOUT ? PTK_OK : wait->expected);
    return PTK_OK;
}

static ptk_err stop_after_ten_ms(void *arg) {
    (void) arg;
    CHECK_OK(ptk_sleep_ms(10));
    return ptk_scheduler_stop(NULL);
}

TEST(p18_long_timeouts_do_not_fire_early) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    long_wait_t waits[LONG_COUNT];
    for (size_t i = 0; i < LONG_COUNT; i++) {
        waits[i] = (long_wait_t) {user, long_ms[i], PTK_ERR_CANCELED};
        test_go(wait_long, &waits[i]);
        test_go(sleep_long, &waits[i]);
    }
    test_go(stop_after_ten_ms, NULL);
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* One long wait alone, in virtual time: the poller really sleeps that long in one or more steps. */
TEST(p18_long_timeouts_fire_at_their_time) {
    for (size_t i = 0; i < LONG_COUNT; i++) {
        test_clock_begin(START_NS);
        ptk_event_loop_platform_t *loop = test_loop();
        long_wait_t wait = {test_user(), long_ms[i], PTK_ERR_TIMEOUT};
        test_go(wait_long, &wait);
        test_go(sleep_long, &wait);
        test_run();
        CHECK_EQ(ptk_now_ns(), START_NS + long_ms[i] * PTK_NS_PER_MS);
        CHECK(test_counters().polls <= 20);
        ptk_waitable_destroy(wait.user);
        test_loop_end(loop);
        test_clock_end();
    }
}

static void stop_loop(void *signaler) {
    CHECK_OK(ptk_signaler_signal(signaler));
}

static ptk_err stop_when_signaled(void *user) {
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    return ptk_scheduler_stop(NULL);
}

/* Half a second before the clock's last nanosecond a deadline saturates: it never comes, instead of at once.
 */
TEST(p18_deadlines_beyond_the_end_of_the_clock_never_come) {
    const uint64_t near_end = PTK_TIME_NEVER - 500 * PTK_NS_PER_MS;
    test_clock_begin(near_end);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_waitable_t *stopper = test_user();
    ptk_signaler_t *signaler = ptk_waitable_signaler(stopper);
    long_wait_t waits[] = {{user, 501, PTK_ERR_CANCELED}, {user, UINT32_MAX - 1, PTK_ERR_CANCELED}};
    long_wait_t before_the_end = {user, 400, PTK_ERR_TIMEOUT};
    test_go(wait_long, &waits[0]);
    test_go(sleep_long, &waits[1]);
    test_go(wait_long, &before_the_end);
    test_go(stop_when_signaled, stopper);
    test_clock_at(near_end + 450 * PTK_NS_PER_MS, stop_loop, signaler);
    test_run();
    CHECK_EQ(ptk_now_ns(), near_end + 450 * PTK_NS_PER_MS);
    ptk_signaler_unref(signaler);
    ptk_waitable_destroy(user);
    ptk_waitable_destroy(stopper);
    test_loop_end(loop);
    test_clock_end();
}

/* --- many timers against a sorted list ------------------------------------------------------------------ */

#define MANY 1500

typedef struct many {
    sleeper_t sleepers[MANY];
    ptk_green_t *greens[MANY];
    size_t woken[MANY]; /* in the order of waking */
    size_t woken_count;
    size_t canceled_count;
} many_t;

static many_t many;

static ptk_err be_one_of_many(void *arg) {
    sleeper_t *sleeper = arg;
    ptk_err err = ptk_sleep_until(sleeper->asked_ns);
    sleeper->woken_ns = ptk_now_ns();
    if (err == PTK_OK) {
        many.woken[many.woken_count++] = (size_t) (sleeper - many.sleepers);
    } else {
        many.canceled_count++;
    }
    return err;
}

static ptk_err cancel_some(void *arg) {
    (void) arg;
    ptk_test_random_t random = {17};
    for (int i = 0; i < MANY / 10; i++) {
        CHECK_OK(ptk_sleep_ms(1));
        CHECK_OK(ptk_green_cancel(many.greens[ptk_test_random_below(&random, MANY)]));
    }
    return PTK_OK;
}

static void check_many(void) {
    CHECK_EQ(many.woken_count + many.canceled_count, MANY);
    CHECK(many.canceled_count > 0);
    for (size_t i = 0; i < many.woken_count; i++) {
        const sleeper_t *sleeper = &many.sleepers[many.woken[i]];
        const sleeper_t *earlier = &many.sleepers[many.woken[i > 0 ? i - 1 : 0]];
        CHECK_EQ(sleeper->woken_ns, sleeper->asked_ns);
        CHECK(earlier->asked_ns <= sleeper->asked_ns);
        CHECK(earlier->asked_ns < sleeper->asked_ns || earlier <= sleeper);
    }
}

TEST(p19_many_timers_wake_in_order_of_deadline, NEEDS_ORDER) {
    ptk_test_random_t random = {4711};
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    for (size_t i = 0; i < MANY; i++) {
        uint64_t range = i % 3 == 0 ? 50 : i % 3 == 1 ? 1000 * PTK_NS_PER_MS : UINT64_C(1) << 40;
        many.sleepers[i].asked_ns = START_NS + 1 + ptk_test_random_below(&random, range);
        many.greens[i] = test_spawn(be_one_of_many, &many.sleepers[i]);
    }
    test_go(cancel_some, NULL);
    test_run();
    check_many();
    test_loop_end(loop);
    test_clock_end();
}

/* --- a deadline against readiness ----------------------------------------------------------------------- */

typedef struct meeting {
    ptk_waitable_t *waitable;
    ptk_signaler_t *signaler; /* of a USER waitable, else NULL */
    int write_fd;
    uint64_t ready_ns;
    ptk_err result;
} meeting_t;

static void make_ready(void *arg) {
    meeting_t *meeting = arg;
    if (meeting->signaler) {
        CHECK_OK(ptk_signaler_signal(meeting->signaler));
    } else {
        test_write(meeting->write_fd, 1);
    }
}

static ptk_err meet(void *arg) {
    meeting_t *meeting = arg;
    meeting->result = test_wait(meeting->waitable, 10);
    CHECK(ptk_now_ns() == meeting->ready_ns || ptk_now_ns() == START_NS + 10 * PTK_NS_PER_MS);
    if (meeting->result == PTK_ERR_TIMEOUT) {
        CHECK_OK(test_wait(meeting->waitable, 1000)); /* it was not lost */
    }
    if (meeting->signaler) {
        CHECK_EQ(ptk_waitable_count(), 1);
        CHECK_ERR(test_wait(meeting->waitable, 1), PTK_ERR_TIMEOUT); /* and it came once (P07) */
    }
    return PTK_OK;
}

static void meeting_init(meeting_t *meeting, int fds[2], bool with_fd) {
    test_pipe(fds);
    *meeting = (meeting_t) {.write_fd = fds[1], .result = PTK_ERR_OS};
    meeting->waitable = with_fd ? test_fd_waitable(fds[0]) : test_user();
    meeting->signaler = with_fd ? NULL : ptk_waitable_signaler(meeting->waitable);
}

static void meeting_fini(meeting_t *meeting, int fds[2]) {
    ptk_signaler_unref(meeting->signaler);
    ptk_waitable_destroy(meeting->waitable);
    test_close_pair(fds);
}

/* The event comes `offset` ns from the deadline. At the deadline itself, the event wins. */
static void meet_at(int64_t offset, bool with_fd) {
    int fds[2];
    meeting_t meeting;
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    meeting_init(&meeting, fds, with_fd);
    meeting.ready_ns = START_NS + 10 * PTK_NS_PER_MS + (uint64_t) offset;
    test_go(meet, &meeting);
    test_clock_at(meeting.ready_ns, make_ready, &meeting);
    test_run();
    CHECK_ERR(meeting.result, offset <= 0 ? PTK_OK : PTK_ERR_TIMEOUT);
    meeting_fini(&meeting, fds);
    test_loop_end(loop);
    test_clock_end();
}

TEST(p23_deadline_against_readiness_of_a_descriptor, TRUSTS_READINESS) {
    static const int64_t offsets[] = {-1000, -1, 0, 1, 1000};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        meet_at(offsets[i], true);
    }
}

TEST(p23_deadline_against_a_signal_of_a_user_waitable) {
    static const int64_t offsets[] = {-1000, -1, 0, 1, 1000};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        meet_at(offsets[i], false);
    }
}

/* The loop is late: when it looks, the deadline has passed and the event has come too. The event wins,
   bytes are kept. */
static ptk_err be_late(void *arg) {
    meeting_t *meeting = arg;
    test_yield();
    make_ready(meeting);
    test_clock_advance(50 * PTK_NS_PER_MS);
    return PTK_OK;
}

static ptk_err wait_ten_ms(void *arg) {
    meeting_t *meeting = arg;
    meeting->result = test_wait(meeting->waitable, 10);
    return PTK_OK;
}

static void meet_late(bool with_fd) {
    int fds[2];
    meeting_t meeting;
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    meeting_init(&meeting, fds, with_fd);
    test_go(wait_ten_ms, &meeting);
    test_go(be_late, &meeting);
    test_run();
    CHECK_OK(meeting.result);
    meeting_fini(&meeting, fds);
    test_loop_end(loop);
    test_clock_end();
}

TEST(p23_readiness_seen_together_with_the_deadline_wins) {
    meet_late(true);
    meet_late(false);
}

/* Nothing has come when the deadline passes; a byte comes before the waiter runs again. Its last look
   finds the byte. */
static ptk_err write_at_the_deadline(void *arg) {
    meeting_t *meeting = arg;
    CHECK_OK(ptk_sleep_until(START_NS + 10 * PTK_NS_PER_MS));
    make_ready(meeting);
    return PTK_OK;
}

TEST(p23_readiness_between_the_deadline_and_the_wake_wins, NEEDS_ORDER) {
    int fds[2];
    meeting_t meeting;
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    meeting_init(&meeting, fds, true);
    test_go(write_at_the_deadline, &meeting); /* armed first, so it runs first */
    test_go(wait_ten_ms, &meeting);
    test_run();
    CHECK_EQ(ptk_now_ns(), START_NS + 10 * PTK_NS_PER_MS);
    CHECK_OK(meeting.result);
    meeting_fini(&meeting, fds);
    test_loop_end(loop);
    test_clock_end();
}

/* The same wait among several descriptors, of which the last one becomes ready. */
typedef struct meeting_of_several {
    meeting_t quiet;
    meeting_t ready;
    size_t index;
    ptk_green_t *waiter;
} meeting_of_several_t;

static ptk_err wait_for_either(void *arg) {
    meeting_of_several_t *several = arg;
    ptk_waitable_wait_item_t items[] = {{.waitable = several->quiet.waitable, .events = PTK_EVENT_READ},
                                        {.waitable = several->ready.waitable, .events = PTK_EVENT_READ}};
    several->ready.result = ptk_waitable_wait_any(items, 2, &several->index, 10);
    CHECK_EQ(items[1].ready_out, several->ready.result == PTK_OK ? PTK_EVENT_READ : 0);
    return PTK_OK;
}

static ptk_err write_to_one_at_the_deadline(void *arg) {
    meeting_of_several_t *several = arg;
    return write_at_the_deadline(&several->ready);
}

/* The waiter is woken by its cancel, and a byte comes before it runs again. */
static ptk_err cancel_and_write(void *arg) {
    meeting_of_several_t *several = arg;
    CHECK_OK(ptk_sleep_ms(5));
    CHECK_OK(ptk_green_cancel(several->waiter));
    make_ready(&several->ready);
    return PTK_OK;
}

static void meet_several(ptk_green_fn end_wait) {
    int fds[2][2];
    meeting_of_several_t several = {.index = 9};
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    meeting_init(&several.quiet, fds[0], true);
    meeting_init(&several.ready, fds[1], true);
    test_go(end_wait, &several); /* armed first, so it runs first */
    several.waiter = test_spawn(wait_for_either, &several);
    test_run();
    CHECK_OK(several.ready.result);
    CHECK_EQ(several.index, 1);
    CHECK_OK(ptk_green_detach(several.waiter));
    meeting_fini(&several.quiet, fds[0]);
    meeting_fini(&several.ready, fds[1]);
    test_loop_end(loop);
    test_clock_end();
}

TEST(p23_readiness_of_one_of_several_between_the_deadline_and_the_wake_wins, NEEDS_ORDER | TRUSTS_READINESS) {
    meet_several(write_to_one_at_the_deadline);
}

TEST(p46_readiness_of_one_of_several_between_the_cancel_and_the_wake_wins, TRUSTS_READINESS) {
    meet_several(cancel_and_write);
}

/* Many exchanges with a timeout that often expires: every byte that was written is read, and none twice. */
typedef struct stream {
    int fds[2];
    ptk_waitable_t *readable;
    size_t bytes_read;
    size_t timeouts;
    bool written;
} stream_t;

#define STREAM_BYTES 400

static ptk_err write_now_and_then(void *arg) {
    stream_t *stream = arg;
    ptk_test_random_t random = {99};
    for (size_t i = 0; i < STREAM_BYTES; i++) {
        CHECK_OK(ptk_sleep_until(ptk_now_ns() + ptk_test_random_below(&random, 2 * PTK_NS_PER_MS)));
        test_write(stream->fds[1], 1);
    }
    stream->written = true;
    return PTK_OK;
}

static ptk_err read_with_timeouts(void *arg) {
    stream_t *stream = arg;
    while (!stream->written || stream->bytes_read < STREAM_BYTES) {
        ptk_err err = test_wait(stream->readable, 1);
        if (err == PTK_OK) {
            CHECK_EQ(test_read(stream->fds[0], 1), 1);
            stream->bytes_read++;
        } else {
            CHECK_ERR(err, PTK_ERR_TIMEOUT);
            stream->timeouts++;
        }
    }
    return PTK_OK;
}

TEST(p23_bytes_out_are_bytes_in_whatever_times_out, TRUSTS_READINESS) {
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    stream_t stream = {.bytes_read = 0};
    test_pipe(stream.fds);
    stream.readable = test_fd_waitable(stream.fds[0]);
    test_go(read_with_timeouts, &stream);
    test_go(write_now_and_then, &stream);
    test_run();
    CHECK_EQ(stream.bytes_read, STREAM_BYTES);
    CHECK(stream.timeouts > 0);
    ptk_waitable_destroy(stream.readable);
    test_close_pair(stream.fds);
    test_loop_end(loop);
    test_clock_end();
}

/* --- one wake per wait ---------------------------------------------------------------------------------- */

#define WAKE_ROUNDS 300

static void ring(void *fd) {
    CHECK_EQ(fd_event_add(*(int *) fd), 0);
}

/* Descriptor and timer come in the same tick, repeatedly: each wait ends once, and the next one starts
   clean. */
static ptk_err count_wakes(void *arg) {
    int fd = *(int *) arg;
    ptk_waitable_t *readable = test_fd_waitable(fd);
    for (int i = 0; i < WAKE_ROUNDS; i++) {
        uint64_t value = 0;
        test_clock_at(ptk_now_ns() + PTK_NS_PER_MS, ring, arg);
        CHECK_OK(test_wait(readable, 1));
        CHECK_EQ(fd_event_take(fd, &value), 0);
        CHECK_EQ(value, 1);
        uint64_t start = ptk_now_ns();
        CHECK_ERR(test_wait(readable, 1), PTK_ERR_TIMEOUT);
        CHECK_EQ(ptk_now_ns() - start, PTK_NS_PER_MS);
        CHECK_OK(ptk_sleep_ms(2));
        CHECK_EQ(ptk_now_ns() - start, 3 * PTK_NS_PER_MS);
    }
    ptk_waitable_destroy(readable);
    return PTK_OK;
}

TEST(p07_descriptor_and_timer_at_once_wake_once, TRUSTS_READINESS) {
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    int fd = fd_event();
    test_go(count_wakes, &fd);
    uint64_t switches = test_counters().switches;
    test_run();
    CHECK(test_counters().switches - switches <=
          2 * (3 * WAKE_ROUNDS + 1)); /* a switch to it and one away, per park */
    CHECK_EQ(fd_close(fd), 0);
    test_loop_end(loop);
    test_clock_end();
}

/* --- the base of a timeout ------------------------------------------------------------------------------ */

/* Time passes while a green thread computes; a timeout that it then starts counts from its call, not from
   the last tick. */
static ptk_err ask_after_computing(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    for (uint64_t i = 1; i < 5; i++) {
        ptk_shield_t shield;
        test_clock_advance(50 * PTK_NS_PER_MS + i);
        uint64_t start = ptk_now_ns();
        CHECK_OK(ptk_sleep_ms(10));
        CHECK_EQ(ptk_now_ns() - start, 10 * PTK_NS_PER_MS);
        test_clock_advance(i);
        start = ptk_now_ns();
        CHECK_ERR(test_wait(user, 10), PTK_ERR_TIMEOUT);
        CHECK_EQ(ptk_now_ns() - start, 10 * PTK_NS_PER_MS);
        test_clock_advance(50 * PTK_NS_PER_MS);
        start = ptk_now_ns();
        CHECK_OK(ptk_shield_begin(&shield, 10));
        CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
        CHECK_EQ(ptk_now_ns() - start, 10 * PTK_NS_PER_MS);
        CHECK_OK(ptk_shield_end(&shield));
    }
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(timer_counts_from_the_call_and_not_from_the_last_tick) {
    test_clock_begin(START_NS);
    test_in_green(ask_after_computing);
    test_clock_end();
}

/* Woken without an event twice, a wait parks again, and still ends at its first deadline. */
typedef struct tease {
    int fds[2];
    int times;
} tease_t;

static void write_one(void *arg) {
    const tease_t *tease = arg;
    test_write(tease->fds[1], 1);
}

static ptk_err be_teased(void *arg) {
    tease_t *tease = arg;
    ptk_waitable_t *readable = test_fd_waitable(tease->fds[0]);
    uint64_t start = ptk_now_ns();
    CHECK_ERR(test_wait(readable, 10), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_now_ns() - start, 10 * PTK_NS_PER_MS);
    CHECK_EQ(tease->times, 2);
    ptk_waitable_destroy(readable);
    return PTK_OK;
}

/* Ready in the same batch, by a duplicate. There is a thief on either side of the victim, so one of them is
 * first. */
static ptk_err take_it_away(void *arg) {
    tease_t *tease = arg;
    int duplicate = fd_duplicate(tease->fds[0]);
    CHECK(duplicate >= 0);
    ptk_waitable_t *readable = test_fd_waitable(duplicate);
    while (tease->times < 2 && test_wait(readable, 100) == PTK_OK) {
        if (fd_read(duplicate, (char[1]) {0}, 1) == 1 && ++tease->times < 2) {
            test_clock_at(ptk_now_ns() + 3 * PTK_NS_PER_MS, write_one, tease);
        }
    }
    ptk_waitable_destroy(readable);
    CHECK_EQ(fd_close(duplicate), 0);
    return PTK_OK;
}

TEST(timer_of_a_wait_that_parks_again_keeps_its_deadline, NEEDS_ORDER | NEEDS_TICKS | TRUSTS_READINESS) {
    test_clock_begin(START_NS);
    ptk_event_loop_platform_t *loop = test_loop();
    tease_t tease = {.times = 0};
    test_pipe(tease.fds);
    test_go(take_it_away, &tease);
    test_go(be_teased, &tease);
    test_go(take_it_away, &tease);
    test_clock_at(START_NS + 3 * PTK_NS_PER_MS, write_one, &tease);
    test_run();
    test_close_pair(tease.fds);
    test_loop_end(loop);
    test_clock_end();
}
