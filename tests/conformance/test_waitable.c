/* SPDX-License-Identifier: MIT */
/* USER waitables, and what is the same for all types: counts, order of waiters, abort, destroy, stale
 * pointers. */
#include "conformance.h"

#include <stdint.h>

static ptk_err wait_for(void *user) {
    return test_wait(user, PTK_TIMEOUT_INFINITE);
}

/* --- signal and count ----------------------------------------------------------------------------------- */

static ptk_err count_events(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ptk_waitable_signal(user));
    }
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_waitable_count(), 3);
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
    CHECK_ERR(test_wait(user, 1), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_waitable_count(), 3); /* of the last successful wait */
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_wait(user, 0));
    CHECK_EQ(ptk_waitable_count(), 1);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(user_wait_takes_the_whole_count) {
    test_in_green(count_events);
}

TEST(user_signal_and_wait_outside_green_threads) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR(test_wait(user, 1), PTK_ERR_NOT_GREEN);
    CHECK_OK(test_wait(user, 0));
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_waitable_count(), 0);
    CHECK_EQ(ptk_waitable_ready(), 0);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err keep_own_count(void *arg) {
    uint64_t own = *(uint64_t *) arg;
    ptk_waitable_t *user = test_user();
    for (uint64_t i = 0; i < own; i++) {
        CHECK_OK(ptk_waitable_signal(user));
    }
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    test_yield();
    CHECK_EQ(ptk_waitable_count(), own);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(user_count_is_returned_per_green_thread) {
    ptk_event_loop_platform_t *loop = test_loop();
    uint64_t counts[] = {1, 2, 3};
    for (size_t i = 0; i < 3; i++) {
        test_go(keep_own_count, &counts[i]);
    }
    test_run();
    test_loop_end(loop);
}

/* --- many waiters --------------------------------------------------------------------------------------- */

typedef struct waiter {
    ptk_waitable_t *user;
    uint32_t timeout_ms;
    char letter;
} waiter_t;

/* Records its letter, in capitals if it was not woken by an event. */
static ptk_err wait_and_note(void *arg) {
    const waiter_t *waiter = arg;
    ptk_err err = test_wait(waiter->user, waiter->timeout_ms);
    test_note(err == PTK_OK ? waiter->letter : (char) (waiter->letter - 'a' + 'A'));
    return err;
}

static void go_waiters(waiter_t *waiters, size_t count) {
    for (size_t i = 0; i < count; i++) {
        CHECK_OK(ptk_green_detach(test_spawn(wait_and_note, &waiters[i])));
        test_let_poll();
    }
}

static ptk_err signal_three_waiters(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    waiter_t waiters[] = {{user, PTK_TIMEOUT_INFINITE, 'a'},
                          {user, PTK_TIMEOUT_INFINITE, 'b'},
                          {user, PTK_TIMEOUT_INFINITE, 'c'}};
    go_waiters(waiters, 3);
    CHECK_OK(ptk_waitable_signal(user));
    test_let_poll();
    CHECK_STR(test_notes(), "a");
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_signal(user));
    test_let_poll();
    CHECK_STR(test_notes(), "abc");
    CHECK_OK(test_wait(user, 0));
    CHECK_EQ(ptk_waitable_count(), 2);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(p06_user_three_waiters_are_woken_one_by_one_in_order, NEEDS_ORDER) {
    test_in_green(signal_three_waiters);
}

static ptk_err signal_around_a_timeout(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    waiter_t waiters[] = {
        {user, PTK_TIMEOUT_INFINITE, 'a'}, {user, 1, 'b'}, {user, PTK_TIMEOUT_INFINITE, 'c'}};
    go_waiters(waiters, 3);
    CHECK_OK(ptk_sleep_ms(5));
    CHECK_STR(test_notes(), "B");
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_signal(user));
    test_let_poll();
    CHECK_STR(test_notes(), "Bac");
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(user_waiter_that_timed_out_takes_no_event, NEEDS_ORDER) {
    test_in_green(signal_around_a_timeout);
}

/* A waiter that comes when another one has already been woken finds an empty queue and an empty count. */
static ptk_err come_between_wake_and_run(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    waiter_t waiters[] = {{user, PTK_TIMEOUT_INFINITE, 'a'}};
    go_waiters(waiters, 1);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT); /* the event is the waiter's already */
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_wait(user, 0));
    CHECK_EQ(ptk_waitable_count(), 1);
    test_let_poll();
    CHECK_STR(test_notes(), "a");
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(user_event_belongs_to_the_waiter_that_it_woke) {
    test_in_green(come_between_wake_and_run);
}

typedef struct relay {
    ptk_waitable_t *in;
    ptk_waitable_t *out;
} relay_t;

static ptk_err pass_on(void *arg) {
    const relay_t *relay = arg;
    for (int i = 0; i < 100; i++) {
        CHECK_OK(test_wait(relay->in, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(ptk_waitable_count(), 1);
        CHECK_OK(ptk_waitable_signal(relay->out));
    }
    return PTK_OK;
}

TEST(user_relay_of_fifty_green_threads) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *stations[50];
    relay_t relays[50];
    for (size_t i = 0; i < 50; i++) {
        stations[i] = test_user();
    }
    for (size_t i = 0; i < 50; i++) {
        relays[i] = (relay_t) {stations[i], stations[(i + 1) % 50]};
        test_go(pass_on, &relays[i]);
    }
    CHECK_OK(ptk_waitable_signal(stations[0]));
    test_run();
    CHECK_OK(test_wait(stations[0], 0)); /* the token that circulated a hundred times */
    for (size_t i = 0; i < 50; i++) {
        ptk_waitable_destroy(stations[i]);
    }
    test_loop_end(loop);
}

/* --- abort and destroy ---------------------------------------------------------------------------------- */

static ptk_err abort_waits(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    CHECK_OK(ptk_waitable_abort(user));
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    ptk_green_t *first = test_spawn(wait_for, user);
    ptk_green_t *second = test_spawn(wait_for, user);
    test_let_poll();
    CHECK_OK(ptk_waitable_abort(user));
    ptk_green_t *third = test_spawn(wait_for, user);
    CHECK_ERR(test_join(first), PTK_ERR_ABORTED);
    CHECK_ERR(test_join(second), PTK_ERR_ABORTED);
    CHECK_ERR(ptk_green_join(third, NULL, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_join(third));
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(abort_ends_current_waits_only) {
    test_in_green(abort_waits);
}

static ptk_err abort_after_signal(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *first = test_spawn(wait_for, user);
    test_let_poll();
    ptk_green_t *second = test_spawn(wait_for, user);
    test_let_poll();
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_abort(user));
    CHECK_OK(test_join(first));
    CHECK_ERR(test_join(second), PTK_ERR_ABORTED);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_abort(user)); /* keeps the counted events */
    CHECK_OK(test_wait(user, 0));
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(abort_leaves_completed_waits_and_pending_events) {
    test_in_green(abort_after_signal);
}

static ptk_err wait_and_expect_closed(void *user) {
    CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_CLOSED);
    CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_CLOSED);
    CHECK_ERR(test_wait(user, 0), PTK_ERR_CLOSED);
    return PTK_OK;
}

static ptk_err destroy_under_waiters(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *waiters[5];
    for (size_t i = 0; i < 5; i++) {
        waiters[i] = test_spawn(wait_and_expect_closed, user);
    }
    test_let_poll();
    ptk_waitable_destroy(user);
    ptk_waitable_destroy(user);
    CHECK_ERR(ptk_waitable_signal(user), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_waitable_abort(user), PTK_ERR_CLOSED);
    CHECK(ptk_waitable_signaler(user) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    for (size_t i = 0; i < 5; i++) {
        CHECK_OK(test_join(waiters[i]));
    }
    ptk_waitable_destroy(NULL);
    return PTK_OK;
}

TEST(p05_destroy_wakes_every_waiter_with_closed) {
    test_in_green(destroy_under_waiters);
}

static ptk_err destroy_after_signal(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *first = test_spawn(wait_for, user);
    test_let_poll();
    ptk_green_t *second = test_spawn(wait_for, user);
    test_let_poll();
    CHECK_OK(ptk_waitable_signal(user));
    ptk_waitable_destroy(user);
    CHECK_OK(test_join(first));
    CHECK_ERR(test_join(second), PTK_ERR_CLOSED);
    return PTK_OK;
}

TEST(p46_destroy_takes_nothing_from_a_wait_that_is_complete) {
    test_in_green(destroy_after_signal);
}

/* The waiter that is woken destroys what the other one still waits for, on its way out of the wait. */
static ptk_err wait_and_destroy(void *user) {
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    ptk_waitable_destroy(user);
    return PTK_OK;
}

static ptk_err destroy_by_a_waiter(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *destroyer = test_spawn(wait_and_destroy, user);
    test_let_poll();
    ptk_green_t *other = test_spawn(wait_and_expect_closed, user);
    test_let_poll();
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_join(destroyer));
    CHECK_OK(test_join(other));
    return PTK_OK;
}

TEST(p05_destroy_by_one_of_the_waiters) {
    test_in_green(destroy_by_a_waiter);
}

static ptk_err use_long_after(void *arg) {
    (void) arg;
    ptk_waitable_t *stale = test_user();
    ptk_waitable_destroy(stale);
    for (int i = 0; i < 1000; i++) {
        ptk_waitable_t *other = test_user();
        CHECK(other != stale);
        CHECK_ERR(ptk_waitable_signal(stale), PTK_ERR_CLOSED);
        CHECK_ERR(test_wait(stale, 1), PTK_ERR_CLOSED);
        ptk_waitable_destroy(stale);
        CHECK_OK(ptk_waitable_signal(other));
        CHECK_OK(test_wait(other, 0));
        ptk_waitable_destroy(other);
    }
    return PTK_OK;
}

TEST(p05_stale_waitable_is_closed_for_a_thousand_others) {
    test_in_green(use_long_after);
}

/* --- misuse --------------------------------------------------------------------------------------------- */

static ptk_err misuse(void *arg) {
    (void) arg;
    static const uint32_t bad_events[] = {
        0, PTK_EVENT_WRITE, PTK_EVENT_READ | PTK_EVENT_WRITE, PTK_EVENT_ERROR, 8, UINT32_MAX};
    ptk_waitable_t *user = test_user();
    CHECK_OK(ptk_waitable_signal(user));
    for (size_t i = 0; i < sizeof bad_events / sizeof bad_events[0]; i++) {
        CHECK_ERR(ptk_waitable_wait(user, bad_events[i], 0), PTK_ERR_INVALID_PARAM);
        CHECK_ERR(ptk_waitable_wait(user, bad_events[i], 1), PTK_ERR_INVALID_PARAM);
    }
    CHECK_OK(test_wait(user, 0));
    CHECK_ERR(test_wait(NULL, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_waitable_signal(NULL), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_waitable_abort(NULL), PTK_ERR_INVALID_PARAM);
    CHECK(ptk_waitable_signaler(NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    CHECK(ptk_waitable_create(NULL, (ptk_waitable_type_t) 17, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(waitable_misuse_is_invalid) {
    test_in_green(misuse);
}
