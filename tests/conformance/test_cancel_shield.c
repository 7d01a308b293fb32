/* SPDX-License-Identifier: MIT */
/* Shields: what they hide, their own limit, nesting, and clean-up that waits while a loop stops. */
#include "conformance.h"

static ptk_err wait_inside_and_outside(void *user) {
    ptk_shield_t shield;
    CHECK_OK(ptk_green_cancel(ptk_green_self()));
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    CHECK_OK(ptk_yield());
    CHECK_OK(ptk_sleep_ms(1));
    CHECK_ERR(test_wait(user, 1), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_shield_end(&shield));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_REQUEST);
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    return PTK_OK;
}

TEST(shield_hides_a_cancel_until_it_ends) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_inside_and_outside, user);
    test_run();
    CHECK_OK(ptk_green_join(green, NULL, 0));
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err wait_inside(void *user) {
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, 1000 * 1000));
    test_note('a');
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    test_note('c');
    CHECK_OK(ptk_shield_end(&shield));
    CHECK_ERR(test_wait(user, 1), PTK_ERR_CANCELED);
    return PTK_ERR_CANCELED;
}

static ptk_err cancel_one_inside(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_inside, user);
    test_yield();
    CHECK_OK(ptk_green_cancel(green));
    test_let_poll();
    test_note('b');
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR(test_join(green), PTK_ERR_CANCELED);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(shield_keeps_a_cancel_from_one_that_is_parked) {
    test_in_green(cancel_one_inside);
    CHECK_STR(test_notes(), "abc");
}

static ptk_err exceed_the_limit(void *arg) {
    (void) arg;
    ptk_shield_t shield;
    uint64_t start = ptk_now_ns();
    CHECK_OK(ptk_shield_begin(&shield, 5));
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK(ptk_now_ns() - start >= 5 * PTK_NS_PER_MS);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_DEADLINE);
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    CHECK_OK(ptk_shield_end(&shield));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    CHECK_OK(ptk_yield());
    return PTK_OK;
}

TEST(shield_limit_cancels_inside_and_only_there) {
    test_in_green(exceed_the_limit);
}

static ptk_err keep_to_the_limit(void *arg) {
    (void) arg;
    ptk_shield_t shield;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(ptk_shield_begin(&shield, 5));
        CHECK_OK(ptk_sleep_ms(4));
        CHECK_OK(ptk_shield_end(&shield));
    }
    CHECK_OK(ptk_sleep_ms(20));
    return PTK_OK;
}

TEST(shield_limit_is_over_with_its_shield) {
    test_clock_begin(1000);
    test_in_green(keep_to_the_limit);
    test_clock_end();
}

static ptk_err nest(void *arg) {
    (void) arg;
    ptk_shield_t outer;
    ptk_shield_t inner;
    CHECK_OK(ptk_shield_begin(&outer, 2));
    CHECK_OK(ptk_shield_begin(&inner, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sleep_ms(10)); /* the outer limit passes; the inner shield hides it */
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    CHECK_OK(ptk_green_cancel(ptk_green_self()));
    CHECK_OK(ptk_yield());
    CHECK_OK(ptk_shield_end(&inner));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_DEADLINE);
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    CHECK_OK(ptk_shield_end(&outer));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_REQUEST);
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    return PTK_OK;
}

TEST(shield_in_a_shield_hides_the_outer_limit) {
    test_clock_begin(1000);
    test_in_green(nest);
    test_clock_end();
}

static ptk_err nest_with_a_shorter_inner_limit(void *arg) {
    (void) arg;
    ptk_shield_t outer;
    ptk_shield_t inner;
    CHECK_OK(ptk_shield_begin(&outer, 50));
    CHECK_OK(ptk_shield_begin(&inner, 2));
    CHECK_ERR(ptk_sleep_ms(10), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_DEADLINE);
    CHECK_OK(ptk_shield_end(&inner));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    CHECK_OK(ptk_sleep_ms(10));
    CHECK_ERR(ptk_sleep_ms(100), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_DEADLINE);
    CHECK_OK(ptk_shield_end(&outer));
    CHECK_OK(ptk_yield());
    return PTK_OK;
}

TEST(shield_in_a_shield_with_a_shorter_limit) {
    test_clock_begin(1000);
    test_in_green(nest_with_a_shorter_inner_limit);
    test_clock_end();
}

static ptk_err misuse(void *arg) {
    (void) arg;
    ptk_shield_t outer = {{0}};
    ptk_shield_t inner = {{0}};
    CHECK_ERR(ptk_shield_end(&outer), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_shield_begin(&outer, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_shield_begin(NULL, 1), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_shield_begin(&outer, 1000));
    CHECK_OK(ptk_shield_begin(&inner, 1000));
    CHECK_ERR(ptk_shield_end(&outer), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_shield_end(NULL), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_shield_end(&inner));
    CHECK_ERR(ptk_shield_end(&inner), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_shield_end(&outer));
    CHECK_ERR(ptk_shield_end(&outer), PTK_ERR_INVALID_PARAM);
    return PTK_OK;
}

TEST(shield_misuse_is_invalid) {
    test_in_green(misuse);
}

static ptk_shield_t foreign_shield;

static ptk_err hold_a_shield(void *user) {
    CHECK_OK(ptk_shield_begin(&foreign_shield, 1000));
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_shield_end(&foreign_shield));
    return PTK_OK;
}

static ptk_err end_the_shield_of_another(void *user) {
    ptk_shield_t own;
    CHECK_ERR(ptk_shield_end(&foreign_shield), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_shield_begin(&own, 1000));
    CHECK_ERR(ptk_shield_end(&foreign_shield), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_shield_end(&own));
    CHECK_OK(ptk_waitable_signal(user));
    return PTK_OK;
}

TEST(shield_of_another_green_thread_is_invalid) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(hold_a_shield, user);
    test_go(end_the_shield_of_another, user);
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

TEST(shield_outside_a_green_thread_is_not_green) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_shield_t shield = {{0}};
    CHECK_ERR(ptk_shield_begin(&shield, 1000), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_shield_end(&shield), PTK_ERR_NOT_GREEN);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    test_loop_end(loop);
}

static ptk_err live_longer_in_a_shield(void *arg) {
    (void) arg;
    ptk_shield_t shield;
    CHECK_OK(ptk_shield_begin(&shield, 100));
    CHECK_OK(ptk_sleep_ms(20));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    CHECK_OK(ptk_shield_end(&shield));
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_DEADLINE);
    CHECK_ERR(ptk_sleep_ms(1), PTK_ERR_CANCELED);
    return PTK_OK;
}

TEST(shield_hides_the_end_of_a_lifetime) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.lifetime_ms = 5;
    CHECK_OK(ptk_green_detach(ptk_green_spawn(loop, &options, live_longer_in_a_shield, NULL)));
    test_run();
    test_loop_end(loop);
    test_clock_end();
}

/* The function returns although two shields are open: their timers must be removed together with its
   stack. */
static ptk_err return_from_inside(void *arg) {
    (void) arg;
    ptk_shield_t outer;
    ptk_shield_t inner;
    CHECK_OK(ptk_shield_begin(&outer, 5));
    CHECK_OK(ptk_shield_begin(&inner, 3));
    return PTK_OK;
}

static ptk_err outlive_shields(void *arg) {
    (void) arg;
    for (int i = 0; i < 10; i++) {
        CHECK_OK(test_join(test_spawn(return_from_inside, NULL)));
    }
    CHECK_OK(ptk_sleep_ms(20));
    return PTK_OK;
}

TEST(shield_left_open_at_the_end_does_no_harm) {
    test_clock_begin(1000);
    test_in_green(outlive_shields);
    test_clock_end();
}

static ptk_err clean_up_slowly(void *user) {
    ptk_shield_t shield;
    CHECK_ERR(test_wait(user, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_STOP);
    CHECK_OK(ptk_shield_begin(&shield, 1000));
    CHECK_OK(ptk_sleep_ms(3));
    CHECK_ERR(test_wait(user, 2), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_shield_end(&shield));
    test_note('x');
    return PTK_OK;
}

static ptk_err stop_the_loop(void *arg) {
    (void) arg;
    CHECK_OK(ptk_scheduler_stop(NULL));
    return PTK_OK;
}

TEST(shield_lets_clean_up_wait_while_the_loop_stops) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    for (int i = 0; i < 5; i++) {
        test_go(clean_up_slowly, user);
    }
    test_go(stop_the_loop, NULL);
    test_run();
    CHECK_STR(test_notes(), "xxxxx");
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}
