/* SPDX-License-Identifier: MIT */
/* Join and detach: which caller gets the result, and what becomes of the handle. */
#include "conformance.h"

static ptk_err answer_short(void *arg) {
    (void) arg;
    return PTK_ERR_SHORT;
}

static ptk_err yield_then_answer(void *arg) {
    test_yield();
    test_yield();
    return *(ptk_err *) arg;
}

static ptk_err wait_for(void *user) {
    return test_wait(user, PTK_TIMEOUT_INFINITE);
}

static ptk_err join_one_that_runs(void *arg) {
    (void) arg;
    ptk_err answer = 77;
    CHECK_EQ(test_join(test_spawn(yield_then_answer, &answer)), 77);
    return PTK_OK;
}

TEST(join_takes_the_result) {
    test_in_green(join_one_that_runs);
}

static ptk_err join_one_that_has_ended(void *arg) {
    (void) arg;
    ptk_green_t *green = test_spawn(answer_short, NULL);
    test_let_poll();
    CHECK_EQ(test_counters().green_threads, 1);
    CHECK_ERR(test_join(green), PTK_ERR_SHORT);
    green = test_spawn(answer_short, NULL);
    CHECK_OK(ptk_green_join(green, NULL, PTK_TIMEOUT_INFINITE));
    return PTK_OK;
}

TEST(join_of_an_ended_green_thread) {
    test_in_green(join_one_that_has_ended);
}

TEST(join_outside_with_timeout_zero) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *green = test_spawn(answer_short, NULL);
    ptk_err result = PTK_OK;
    CHECK_ERR(ptk_green_join(green, &result, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_green_join(green, &result, 1), PTK_ERR_NOT_GREEN);
    test_run();
    CHECK_ERR(ptk_green_join(green, &result, 1), PTK_ERR_NOT_GREEN);
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_ERR(result, PTK_ERR_SHORT);
    test_loop_end(loop);
}

static ptk_err join_with_timeouts(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_for, user);
    ptk_err result = 99;
    CHECK_ERR(ptk_green_join(green, &result, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_green_join(green, &result, 2), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_green_join(green, &result, 1), PTK_ERR_TIMEOUT);
    CHECK_EQ(result, 99);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_join(green));
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(join_that_times_out_keeps_the_handle) {
    test_in_green(join_with_timeouts);
}

static ptk_err use_a_handle_that_is_gone(void *arg) {
    (void) arg;
    ptk_green_t *joined = test_spawn(answer_short, NULL);
    ptk_green_t *detached = test_spawn(answer_short, NULL);
    CHECK_ERR(test_join(joined), PTK_ERR_SHORT);
    CHECK_OK(ptk_green_detach(detached));
    ptk_green_t *gone[] = {joined, detached};
    for (size_t i = 0; i < 2; i++) {
        CHECK_ERR(ptk_green_join(gone[i], NULL, 0), PTK_ERR_CLOSED);
        CHECK_ERR(ptk_green_join(gone[i], NULL, PTK_TIMEOUT_INFINITE), PTK_ERR_CLOSED);
        CHECK_ERR(ptk_green_detach(gone[i]), PTK_ERR_CLOSED);
        CHECK_ERR(ptk_green_cancel(gone[i]), PTK_ERR_CLOSED);
        CHECK_STR(ptk_green_name(gone[i]), "");
    }
    return PTK_OK;
}

TEST(join_detach_and_cancel_of_a_handle_that_is_gone_are_closed) {
    test_in_green(use_a_handle_that_is_gone);
}

static ptk_err spend_handles(void *arg) {
    (void) arg;
    ptk_green_t *gone = test_spawn(answer_short, NULL);
    CHECK_ERR(test_join(gone), PTK_ERR_SHORT);
    for (int i = 0; i < 1000; i++) {
        CHECK_ERR(test_join(test_spawn(answer_short, NULL)), PTK_ERR_SHORT);
        CHECK_ERR(ptk_green_cancel(gone), PTK_ERR_CLOSED);
    }
    CHECK_ERR(ptk_green_join(gone, NULL, 0), PTK_ERR_CLOSED);
    return PTK_OK;
}

TEST(join_of_a_stale_handle_is_closed_for_a_thousand_others) {
    test_in_green(spend_handles);
}

static ptk_err join_oneself(void *arg) {
    (void) arg;
    CHECK_ERR(ptk_green_join(ptk_green_self(), NULL, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_green_join(ptk_green_self(), NULL, PTK_TIMEOUT_INFINITE), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_green_join(NULL, NULL, PTK_TIMEOUT_INFINITE), PTK_ERR_INVALID_PARAM);
    return PTK_OK;
}

TEST(join_oneself_is_invalid) {
    test_in_green(join_oneself);
}

static ptk_err join_it(void *green) {
    return ptk_green_join(green, NULL, PTK_TIMEOUT_INFINITE);
}

static ptk_err join_twice_at_once(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_for, user);
    ptk_green_t *first = test_spawn(join_it, green);
    test_let_poll();
    ptk_green_t *second = test_spawn(join_it, green);
    CHECK_ERR(test_join(second), PTK_ERR_BUSY);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_join(first));
    CHECK_ERR(ptk_green_join(green, NULL, 0), PTK_ERR_CLOSED);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(join_by_a_second_green_thread_is_busy) {
    test_in_green(join_twice_at_once);
}

static ptk_err cancel_the_joiner(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_for, user);
    ptk_green_t *joiner = test_spawn(join_it, green);
    test_let_poll();
    CHECK_OK(ptk_green_cancel(joiner));
    CHECK_ERR(test_join(joiner), PTK_ERR_CANCELED);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_join(green));
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(join_that_is_canceled_keeps_the_handle) {
    test_in_green(cancel_the_joiner);
}

static ptk_err end_and_cancel_the_joiner_at_once(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_for, user);
    ptk_green_t *joiner = test_spawn(join_it, green);
    test_let_poll();
    CHECK_OK(ptk_waitable_signal(user));
    test_yield(); /* the joined green thread has ended, so the joiner's result is complete; it runs after this
                   */
    CHECK_OK(ptk_green_cancel(joiner));
    CHECK_OK(test_join(joiner));
    CHECK_ERR(ptk_green_join(green, NULL, 0), PTK_ERR_CLOSED);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(p46_join_that_is_complete_beats_the_cancel, NEEDS_ORDER) {
    test_in_green(end_and_cancel_the_joiner_at_once);
}

static ptk_err wait_and_note(void *user) {
    CHECK_OK(wait_for(user));
    test_note('x');
    ptk_waitable_destroy(user);
    return PTK_OK;
}

static ptk_err detach_one_that_runs(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_and_note, user);
    test_let_poll();
    CHECK_OK(ptk_green_detach(green));
    CHECK_STR(test_notes(), "");
    CHECK_OK(ptk_waitable_signal(user));
    return PTK_OK;
}

TEST(detach_lets_it_run_to_its_end) {
    test_in_green(detach_one_that_runs);
    CHECK_STR(test_notes(), "x");
}

static ptk_err detach_one_that_is_joined(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    ptk_green_t *green = test_spawn(wait_for, user);
    ptk_green_t *joiner = test_spawn(join_it, green);
    test_let_poll();
    CHECK_ERR(ptk_green_detach(green), PTK_ERR_BUSY);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_join(joiner));
    CHECK_ERR(ptk_green_detach(green), PTK_ERR_CLOSED);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(p06_detach_of_one_that_is_joined_is_busy) {
    test_in_green(detach_one_that_is_joined);
}

static ptk_err detach_oneself(void *arg) {
    (void) arg;
    CHECK_OK(ptk_green_detach(ptk_green_self()));
    CHECK_ERR(ptk_green_detach(ptk_green_self()), PTK_ERR_CLOSED);
    test_let_poll();
    test_note('x');
    return PTK_OK;
}

TEST(detach_oneself_and_go_on) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *green = test_spawn(detach_oneself, NULL);
    test_run();
    CHECK_STR(test_notes(), "x");
    CHECK_ERR(ptk_green_join(green, NULL, 0), PTK_ERR_CLOSED);
    test_loop_end(loop);
}

TEST(join_handles_that_were_not_joined_end_with_the_loop) {
    ptk_event_loop_platform_t *loop = test_loop();
    for (int i = 0; i < 10; i++) {
        test_spawn(answer_short, NULL);
    }
    test_run();
    CHECK_EQ(test_counters().green_threads, 0);
    test_loop_end(loop);
}
