/* SPDX-License-Identifier: MIT */
/* Cancellation: level-triggered, checked at entry, overruled by a result that is complete, and never
   losing one. */
#include "conformance.h"

#include <signal.h>
#include <string.h>

/* --- at every place where a green thread can park ------------------------------------------------------- */

/* All waits of a green thread that never end by themselves. */
typedef struct places {
    ptk_waitable_t *user;
    ptk_waitable_t *other_user;
    ptk_waitable_t *timer;
    ptk_waitable_t *signal;
    ptk_waitable_t *readable;
    ptk_waitable_t *writable;
    ptk_green_t *sleeper;
    int pair[2];
} places_t;

static ptk_err sleep_for_ever(void *arg) {
    (void) arg;
    return ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
}

static void places_init(places_t *places) {
    test_socketpair(places->pair);
    test_fill(places->pair[0]);
    places->user = test_user();
    places->other_user = test_user();
    places->timer = test_timer_waitable(3600 * 1000, 0);
    places->signal = ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR2));
    CHECK(places->signal != NULL);
    places->readable = test_fd_waitable(places->pair[0]);
    places->writable = test_fd_waitable(places->pair[0]);
    places->sleeper = test_spawn(sleep_for_ever, NULL);
}

static void places_fini(places_t *places) {
    CHECK_OK(ptk_green_cancel(places->sleeper));
    CHECK_ERR(test_join(places->sleeper), PTK_ERR_CANCELED);
    ptk_waitable_destroy(places->user);
    ptk_waitable_destroy(places->other_user);
    ptk_waitable_destroy(places->timer);
    ptk_waitable_destroy(places->signal);
    ptk_waitable_destroy(places->readable);
    ptk_waitable_destroy(places->writable);
    test_close_pair(places->pair);
}

static ptk_err park_in_user(places_t *places) {
    return test_wait(places->user, PTK_TIMEOUT_INFINITE);
}

static ptk_err park_in_user_for_a_while(places_t *places) {
    return test_wait(places->user, 3600 * 1000);
}

static ptk_err park_in_timer(places_t *places) {
    return test_wait(places->timer, PTK_TIMEOUT_INFINITE);
}

static ptk_err park_in_signal(places_t *places) {
    return test_wait(places->signal, PTK_TIMEOUT_INFINITE);
}

static ptk_err park_in_readable(places_t *places) {
    return test_wait(places->readable, PTK_TIMEOUT_INFINITE);
}

static ptk_err park_in_writable(places_t *places) {
    return ptk_waitable_wait(places->writable, PTK_EVENT_WRITE, PTK_TIMEOUT_INFINITE);
}

static ptk_err park_in_both_directions(places_t *places) {
    return ptk_waitable_wait(places->readable, PTK_EVENT_READ | PTK_EVENT_WRITE, 3600 * 1000);
}

static ptk_err park_in_wait_any(places_t *places) {
    size_t index = 99;
    ptk_waitable_wait_item_t items[] = {
        {.waitable = places->user, .events = PTK_EVENT_READ},
        {.waitable = places->readable, .events = PTK_EVENT_READ},
        {.waitable = places->timer, .events = PTK_EVENT_READ},
        {.waitable = places->signal, .events = PTK_EVENT_READ},
    };
    return ptk_waitable_wait_any(items, 4, &index, PTK_TIMEOUT_INFINITE);
}

static ptk_err park_in_sleep(places_t *places) {
    (void) places;
    return ptk_sleep_ms(3600 * 1000);
}

static ptk_err park_in_sleep_until(places_t *places) {
    (void) places;
    return ptk_sleep_until(PTK_TIME_NEVER);
}

static ptk_err park_in_yields(places_t *places) {
    (void) places;
    ptk_err err = PTK_OK;
    while (err == PTK_OK) {
        err = ptk_yield();
    }
    return err;
}

static ptk_err park_in_sleep_zero(places_t *places) {
    (void) places;
    ptk_err err = PTK_OK;
    while (err == PTK_OK) {
        err = ptk_sleep_ms(0);
    }
    return err;
}

static ptk_err park_in_join(places_t *places) {
    return ptk_green_join(places->sleeper, NULL, PTK_TIMEOUT_INFINITE);
}

static ptk_err (*const parks[])(places_t *places) = {
    park_in_user,     park_in_user_for_a_while, park_in_timer,    park_in_signal, park_in_readable,
    park_in_writable, park_in_both_directions,  park_in_wait_any, park_in_sleep,  park_in_sleep_until,
    park_in_yields,   park_in_sleep_zero,       park_in_join,
};

#define PARK_COUNT (sizeof parks / sizeof parks[0])

typedef struct parker {
    places_t *places;
    size_t park;
} parker_t;

/* Parks; after the cancel it tries all the others too: each must return CANCELED at entry. */
static ptk_err park_and_try_again(void *arg) {
    parker_t *parker = arg;
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    CHECK_ERR(parks[parker->park](parker->places), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_REQUEST);
    for (size_t i = 0; i < PARK_COUNT; i++) {
        CHECK_ERR(parks[i](parker->places), PTK_ERR_CANCELED);
        CHECK_ERR(ptk_get_err(), PTK_ERR_CANCELED);
    }
    return PTK_ERR_CANCELED;
}

static ptk_err cancel_at_each_place(void *arg) {
    bool *let_it_park = arg;
    places_t places;
    places_init(&places);
    for (size_t i = 0; i < PARK_COUNT; i++) {
        parker_t parker = {&places, i};
        ptk_green_t *green = test_spawn(park_and_try_again, &parker);
        test_yield();
        if (*let_it_park) {
            test_let_poll();
        }
        CHECK_OK(ptk_green_cancel(green));
        CHECK_OK(ptk_green_cancel(green));
        CHECK_ERR(test_join(green), PTK_ERR_CANCELED);
    }
    places_fini(&places);
    return PTK_OK;
}

static void cancel_everywhere(bool let_it_park) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *green = test_spawn(cancel_at_each_place, &let_it_park);
    test_run();
    CHECK_OK(ptk_green_join(green, NULL, 0));
    test_loop_end(loop);
}

TEST(p61_cancel_at_every_wait_is_level_triggered, NEEDS_ORDER | TRUSTS_READINESS) {
    cancel_everywhere(false);
}

TEST(p61_cancel_at_every_wait_after_a_poll_is_level_triggered, TRUSTS_READINESS) {
    cancel_everywhere(true);
}

static ptk_err park_once(void *arg) {
    parker_t *parker = arg;
    return parks[parker->park](parker->places);
}

static ptk_err cancel_before_the_first_step(void *arg) {
    (void) arg;
    places_t places;
    places_init(&places);
    for (size_t i = 0; i < PARK_COUNT; i++) {
        parker_t parker = {&places, i};
        ptk_green_t *green = test_spawn(park_once, &parker);
        CHECK_OK(ptk_green_cancel(green));
        CHECK_ERR(test_join(green), PTK_ERR_CANCELED);
    }
    places_fini(&places);
    return PTK_OK;
}

/* Ends at once and records what it saw. */
static ptk_err tell_the_cause(void *arg) {
    *(ptk_cancel_cause_t *) arg = ptk_cancel_cause();
    return ptk_yield();
}

static ptk_err cancel_one_that_never_ran(void *arg) {
    (void) arg;
    ptk_cancel_cause_t cause = PTK_CANCEL_NONE;
    ptk_green_t *green = test_spawn(tell_the_cause, &cause);
    CHECK_OK(ptk_green_cancel(green));
    CHECK_ERR(test_join(green), PTK_ERR_CANCELED);
    CHECK_EQ(cause, PTK_CANCEL_REQUEST);
    return PTK_OK;
}

TEST(cancel_before_the_first_step_lets_it_start) {
    test_in_green(cancel_one_that_never_ran);
}

static ptk_err cancel_oneself_after_go(void *arg) {
    (void) arg;
    CHECK_OK(ptk_green_cancel(ptk_green_self()));
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    CHECK_STR(ptk_green_name(ptk_green_self()), "cancel_oneself_after_go");
    test_note('x');
    return PTK_OK;
}

/* The value that ptk_green_self() returns is valid while the green thread runs, also when no handle of it
   is held. */
TEST(cancel_oneself_after_go) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(cancel_oneself_after_go, NULL);
    test_run();
    CHECK_STR(test_notes(), "x");
    test_loop_end(loop);
}

static ptk_err cancel_oneself(void *arg) {
    (void) arg;
    CHECK_OK(ptk_yield());
    CHECK_OK(ptk_green_cancel(ptk_green_self()));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_REQUEST);
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    CHECK_ERR(ptk_sleep_ms(0), PTK_ERR_CANCELED);
    return PTK_OK;
}

TEST(cancel_oneself) {
    test_in_green(cancel_oneself);
}

static ptk_err answer_ok(void *arg) {
    (void) arg;
    return PTK_OK;
}

TEST(cancel_after_the_end_is_fine_and_changes_nothing) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *green = test_spawn(answer_ok, NULL);
    ptk_err result = PTK_ERR_OS;
    test_run();
    CHECK_OK(ptk_green_cancel(green));
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_OK(result);
    CHECK_ERR(ptk_green_cancel(green), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_green_cancel(NULL), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    test_loop_end(loop);
}

/* --- what has happened already -------------------------------------------------------------------------- */

static ptk_err look_with_and_without_timeout(void *user) {
    CHECK_OK(ptk_green_cancel(ptk_green_self()));
    CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_ERR(test_wait(user, 1), PTK_ERR_CANCELED);
    CHECK_OK(test_wait(user, 0));
    CHECK_EQ(ptk_waitable_count(), 2);
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    return PTK_OK;
}

TEST(cancel_is_checked_at_entry_and_timeout_zero_is_exempt) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_signal(user));
    ptk_green_t *green = test_spawn(look_with_and_without_timeout, user);
    test_run();
    CHECK_OK(ptk_green_join(green, NULL, 0));
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err wait_for(void *waitable) {
    ptk_err err = test_wait(waitable, PTK_TIMEOUT_INFINITE);
    if (err == PTK_OK) {
        CHECK_EQ(ptk_waitable_count(), 1);
    }
    return err;
}

static ptk_err signal_then_cancel(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_for, user);
    test_let_poll();
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_green_cancel(green));
    CHECK_OK(test_join(green));
    CHECK_ERR(test_wait(user, 0), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(p46_a_result_that_is_complete_beats_the_cancel) {
    test_in_green(signal_then_cancel);
}

static ptk_err cancel_then_signal(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_for, user);
    test_yield();
    CHECK_OK(ptk_green_cancel(green));
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR(test_join(green), PTK_ERR_CANCELED);
    CHECK_OK(test_wait(user, 0));
    CHECK_EQ(ptk_waitable_count(), 1);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(p46_an_event_after_the_cancel_is_not_lost) {
    test_in_green(cancel_then_signal);
}

static ptk_err cancel_the_first_of_two(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *first = test_spawn(wait_for, user);
    ptk_green_t *second = test_spawn(wait_for, user);
    test_yield();
    CHECK_OK(ptk_green_cancel(first));
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_join(second));
    CHECK_ERR(test_join(first), PTK_ERR_CANCELED);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(p46_an_event_after_the_cancel_goes_to_the_next_waiter) {
    test_in_green(cancel_the_first_of_two);
}

static void make_readable(places_t *places) {
    test_write(places->pair[1], 1);
}

static void make_writable(places_t *places) {
    while (fd_read(places->pair[1], (char[4096]) {0}, 4096) > 0) {
    }
}

static void make_user_ready(places_t *places) {
    CHECK_OK(ptk_waitable_signal(places->user));
}

static void make_signal_ready(places_t *places) {
    (void) places;
    CHECK_EQ(test_raise(SIGUSR2), 0);
}

/* A wait, what ends it with success, and a check that nothing was lost. */
typedef struct race {
    ptk_err (*park)(places_t *places);
    void (*make_ready)(places_t *places);
    ptk_err (*look)(places_t *places);
    bool is_level; /* readiness stays, also after a wait has seen it */
} race_t;

static ptk_err look_at_user(places_t *places) {
    return test_wait(places->user, 0);
}

static ptk_err look_at_signal(places_t *places) {
    return test_wait(places->signal, 0);
}

static ptk_err look_at_readable(places_t *places) {
    return test_wait(places->readable, 0);
}

static ptk_err look_at_writable(places_t *places) {
    return ptk_waitable_wait(places->writable, PTK_EVENT_WRITE, 0);
}

static const race_t races[] = {
    {park_in_user, make_user_ready, look_at_user, false},
    {park_in_signal, make_signal_ready, look_at_signal, false},
    {park_in_readable, make_readable, look_at_readable, true},
    {park_in_wait_any, make_readable, look_at_readable, true},
    {park_in_writable, make_writable, look_at_writable, true},
};

typedef struct racer {
    const race_t *race;
    places_t *places;
} racer_t;

static ptk_err run_race(void *arg) {
    racer_t *racer = arg;
    return racer->race->park(racer->places);
}

/* The order of event and cancel, and whether the loop polls in between. */
static void race_event_and_cancel(const race_t *race, bool event_first, bool poll_between) {
    places_t places;
    places_init(&places);
    racer_t racer = {race, &places};
    ptk_green_t *green = test_spawn(run_race, &racer);
    test_yield();
    if (event_first) {
        race->make_ready(&places);
    }
    if (event_first && poll_between) {
        test_let_poll();
    }
    CHECK_OK(ptk_green_cancel(green));
    if (!event_first) {
        race->make_ready(&places);
    }
    test_let_poll();
    ptk_err result = test_join(green);
    CHECK(result == PTK_OK || result == PTK_ERR_CANCELED);
    CHECK(!event_first || !poll_between || result == PTK_OK);
    CHECK(event_first || race->is_level || result == PTK_ERR_CANCELED);
    bool still_there = race->is_level || result == PTK_ERR_CANCELED;
    CHECK_ERR(race->look(&places), still_there ? PTK_OK : PTK_ERR_TIMEOUT);
    places_fini(&places);
}

/* A wait_any that was cancelled may still find an event in its last look: the event is taken once or kept,
   never lost. */
static void race_any_and_cancel(void (*make_ready)(places_t *), ptk_err (*look)(places_t *),
                                bool event_first) {
    places_t places;
    places_init(&places);
    const race_t race = {park_in_wait_any, make_ready, look, false};
    racer_t racer = {&race, &places};
    ptk_green_t *green = test_spawn(run_race, &racer);
    test_yield();
    if (event_first) {
        make_ready(&places);
        CHECK_OK(ptk_green_cancel(green));
    } else {
        CHECK_OK(ptk_green_cancel(green));
        make_ready(&places);
    }
    ptk_err result = test_join(green);
    test_let_poll();
    CHECK(result == PTK_OK || result == PTK_ERR_CANCELED);
    CHECK_ERR(look(&places), result == PTK_OK ? PTK_ERR_TIMEOUT : PTK_OK);
    places_fini(&places);
}

static ptk_err race_all(void *arg) {
    (void) arg;
    for (size_t i = 0; i < sizeof races / sizeof races[0]; i++) {
        race_event_and_cancel(&races[i], true, true);
        race_event_and_cancel(&races[i], true, false);
        race_event_and_cancel(&races[i], false, false);
    }
    for (int event_first = 0; event_first < 2; event_first++) {
        race_any_and_cancel(make_user_ready, look_at_user, event_first == 1);
        race_any_and_cancel(make_signal_ready, look_at_signal, event_first == 1);
    }
    return PTK_OK;
}

TEST(p46_cancel_at_every_wait_loses_nothing, TRUSTS_READINESS) {
    test_in_green(race_all);
}

TEST(cancel_before_the_first_step_at_every_wait) {
    test_in_green(cancel_before_the_first_step);
}

/* --- what is inherited, and deadlines of scopes --------------------------------------------------------- */

static ptk_err yield_once(void *arg) {
    (void) arg;
    return ptk_yield();
}

static ptk_err spawn_while_canceled(void *child) {
    CHECK_OK(ptk_green_cancel(ptk_green_self()));
    *(ptk_green_t **) child = test_spawn(yield_once, NULL);
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    return PTK_OK;
}

TEST(cancel_is_not_inherited) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *child = NULL;
    ptk_err result = PTK_ERR_OS;
    ptk_green_t *parent = test_spawn(spawn_while_canceled, &child);
    test_run();
    CHECK_OK(ptk_green_join(parent, NULL, 0));
    CHECK_OK(ptk_green_join(child, &result, 0));
    CHECK_OK(result);
    test_loop_end(loop);
}

static ptk_green_t *spawn_with_lifetime(uint32_t lifetime_ms, ptk_green_fn fn, void *arg) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.lifetime_ms = lifetime_ms;
    return test_check_spawned(ptk_green_spawn(NULL, &options, fn, arg));
}

/* A retry loop: if the end of a lifetime were a TIMEOUT, this loop would never end. */
static ptk_err retry_on_timeout(void *user) {
    ptk_err err = PTK_ERR_TIMEOUT;
    uint64_t rounds = 0;
    while (err == PTK_ERR_TIMEOUT) {
        err = test_wait(user, 3);
        rounds++;
    }
    CHECK_ERR(err, PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_DEADLINE);
    CHECK_ERR(test_wait(user, 1), PTK_ERR_CANCELED);
    CHECK(rounds >= 1);
    return PTK_ERR_CANCELED;
}

TEST(p62_the_end_of_a_lifetime_is_a_cancel_and_not_a_timeout) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = spawn_with_lifetime(20, retry_on_timeout, user);
    ptk_err result = PTK_OK;
    test_run();
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_ERR(result, PTK_ERR_CANCELED);
    CHECK(ptk_now_ns() >= 1000 + 20 * PTK_NS_PER_MS);
    CHECK(ptk_now_ns() <= 1000 + 21 * PTK_NS_PER_MS);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
    test_clock_end();
}

TEST(p62_the_end_of_a_lifetime_in_real_time) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    uint64_t start = ptk_now_ns();
    ptk_green_t *green = spawn_with_lifetime(10, retry_on_timeout, user);
    test_run();
    CHECK_OK(ptk_green_join(green, NULL, 0));
    CHECK(ptk_now_ns() - start >= 10 * PTK_NS_PER_MS);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err end_early(void *arg) {
    (void) arg;
    return ptk_sleep_ms(5);
}

static ptk_err outlive_a_child(void *arg) {
    (void) arg;
    CHECK_OK(test_join(spawn_with_lifetime(10, end_early, NULL)));
    CHECK_OK(test_join(spawn_with_lifetime(0, end_early, NULL)));
    CHECK_OK(test_join(spawn_with_lifetime(PTK_TIMEOUT_INFINITE, end_early, NULL)));
    CHECK_OK(test_join(spawn_with_lifetime(UINT32_MAX - 1, end_early, NULL)));
    CHECK_ERR(test_join(spawn_with_lifetime(1, sleep_for_ever, NULL)), PTK_ERR_CANCELED);
    CHECK_OK(ptk_sleep_ms(30));
    return PTK_OK;
}

TEST(cancel_by_lifetime_only_when_it_is_over) {
    test_clock_begin(1000);
    test_in_green(outlive_a_child);
    test_clock_end();
}

static ptk_err spawn_and_outlive(void *child) {
    *(ptk_green_t **) child = test_spawn(end_early, NULL);
    CHECK_ERR(ptk_sleep_ms(3), PTK_ERR_CANCELED);
    return PTK_OK;
}

TEST(cancel_by_lifetime_is_not_inherited) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *child = NULL;
    ptk_err result = PTK_ERR_OS;
    CHECK_OK(ptk_green_detach(spawn_with_lifetime(1, spawn_and_outlive, &child)));
    test_run();
    CHECK_OK(ptk_green_join(child, &result, 0));
    CHECK_OK(result);
    test_loop_end(loop);
    test_clock_end();
}

/* A lifetime that ends while its green thread computes: the next call that may park returns CANCELED. */
static ptk_err compute_past_the_end(void *user) {
    test_yield();
    test_clock_advance(50 * PTK_NS_PER_MS);
    ptk_err err = PTK_OK;
    for (int i = 0; i < 1000 && err == PTK_OK; i++) {
        err = ptk_yield();
    }
    CHECK_ERR(err, PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_DEADLINE);
    CHECK_ERR(test_wait(user, 1), PTK_ERR_CANCELED);
    return PTK_OK;
}

TEST(cancel_by_lifetime_is_seen_by_one_that_never_sleeps) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    CHECK_OK(ptk_green_detach(spawn_with_lifetime(10, compute_past_the_end, user)));
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
    test_clock_end();
}

/* --- causes --------------------------------------------------------------------------------------------- */

static ptk_err keep_the_first_cause(void *arg) {
    (void) arg;
    CHECK_OK(ptk_green_cancel(ptk_green_self()));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_REQUEST);
    CHECK_OK(ptk_scheduler_stop(NULL));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_REQUEST);
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sleep_ms(20)); /* its lifetime ends meanwhile */
    CHECK_OK(ptk_shield_end(&shield));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_REQUEST);
    return PTK_OK;
}

TEST(cancel_keeps_its_first_cause) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *green = spawn_with_lifetime(10, keep_the_first_cause, NULL);
    test_run();
    CHECK_OK(ptk_green_join(green, NULL, 0));
    test_loop_end(loop);
    test_clock_end();
}

/* --- at the yield for the budget --- */

/* A green thread whose calls never park, and what another one does when a call of it yields for the budget.
 */
typedef struct spender {
    ptk_waitable_t *users[2];
    ptk_green_t *green;
    void (*disturb)(struct spender *spender);
    ptk_err expected;
    bool waits_for_any;
    bool disturbed; /* the call under way is the one that has yielded */
    uint64_t calls;
} spender_t;

static ptk_err spend_one_call(spender_t *spender) {
    ptk_waitable_wait_item_t items[] = {{.waitable = spender->users[0], .events = PTK_EVENT_READ},
                                        {.waitable = spender->users[1], .events = PTK_EVENT_READ}};
    size_t index = 9;
    spender->calls++;
    if (!spender->waits_for_any) {
        return test_wait(spender->users[1], PTK_TIMEOUT_INFINITE);
    }
    ptk_err err = ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE);
    CHECK_EQ(index, err == PTK_ERR_CANCELED ? index : 1);
    return err;
}

static ptk_err spend_budget(void *arg) {
    spender_t *spender = arg;
    while (!spender->disturbed) {
        CHECK_OK(ptk_waitable_signal(spender->users[1]));
        ptk_err err = spend_one_call(spender);
        CHECK_ERR(err, spender->disturbed ? spender->expected : PTK_OK);
    }
    return PTK_OK;
}

static ptk_err disturb_at_the_yield(void *arg) {
    spender_t *spender = arg;
    while (spender->calls == 0) {
        test_yield(); /* until the spender begins */
    }
    spender->disturbed = true;
    spender->disturb(spender);
    return PTK_OK;
}

static void disturb_spender(void (*disturb)(spender_t *spender), ptk_err expected) {
    for (int waits_for_any = 0; waits_for_any < 2; waits_for_any++) {
        ptk_event_loop_platform_t *loop = test_loop();
        spender_t spender = {.users = {test_user(), test_user()}, .disturb = disturb, .expected = expected};
        spender.waits_for_any = waits_for_any == 1;
        spender.green = test_spawn(spend_budget, &spender);
        test_go(disturb_at_the_yield, &spender);
        test_run();
        CHECK(spender.disturbed);
        CHECK_OK(ptk_green_detach(spender.green));
        ptk_waitable_destroy(spender.users[0]);
        ptk_waitable_destroy(spender.users[1]);
        test_loop_end(loop);
    }
}

static void cancel_spender(spender_t *spender) {
    CHECK_OK(ptk_green_cancel(spender->green));
}

static void destroy_what_is_waited_for(spender_t *spender) {
    ptk_waitable_destroy(spender->users[1]);
    spender->users[1] = NULL;
}

/* The event is there, and the call is refused all the same, as at its entry. */
TEST(p89_cancel_during_the_yield_for_the_budget_is_returned) {
    disturb_spender(cancel_spender, PTK_ERR_CANCELED);
}

TEST(p89_destroy_during_the_yield_for_the_budget_is_returned) {
    disturb_spender(destroy_what_is_waited_for, PTK_ERR_CLOSED);
}
