/* SPDX-License-Identifier: MIT */
/* Green threads: the order in which they run, and the arguments of spawn. */
#include "conformance.h"

#include <errno.h>
#include <string.h>

/* Records its letter once. */
static ptk_err note_once(void *letter) {
    test_note(*(const char *) letter);
    return PTK_OK;
}

/* Records its letter three times, with a yield after each. */
static ptk_err note_thrice(void *letter) {
    for (int i = 0; i < 3; i++) {
        test_note(*(const char *) letter);
        test_yield();
    }
    return PTK_OK;
}

static ptk_err park_until_canceled(void *arg) {
    (void) arg;
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    return PTK_ERR_CANCELED;
}

static ptk_err answer_ok(void *arg) {
    (void) arg;
    return PTK_OK;
}

/* --- order ---------------------------------------------------------------------------------------------- */

TEST(green_go_before_run_starts_in_order, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK_OK(ptk_go(loop, note_once, "a"));
    CHECK_OK(ptk_go(loop, note_once, "b"));
    CHECK_OK(ptk_go(NULL, note_once, "c"));
    CHECK_STR(test_notes(), "");
    test_run();
    CHECK_STR(test_notes(), "abc");
    test_loop_end(loop);
}

TEST(green_go_and_spawn_share_one_queue, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *first = test_spawn(note_once, "a");
    test_go(note_once, "b");
    ptk_green_t *third = test_spawn(note_once, "c");
    test_run();
    CHECK_STR(test_notes(), "abc");
    CHECK_OK(ptk_green_detach(first));
    CHECK_OK(ptk_green_detach(third));
    test_loop_end(loop);
}

TEST(green_yield_rotates, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(note_thrice, "a");
    test_go(note_thrice, "b");
    test_go(note_thrice, "c");
    test_run();
    CHECK_STR(test_notes(), "abcabcabc");
    test_loop_end(loop);
}

static ptk_err go_two_and_yield(void *arg) {
    (void) arg;
    test_go(note_once, "b");
    test_go(note_once, "c");
    test_note('a');
    test_yield();
    test_note('d');
    return PTK_OK;
}

TEST(green_go_from_inside_runs_after_the_caller, NEEDS_ORDER) {
    test_in_green(go_two_and_yield);
    CHECK_STR(test_notes(), "abcd");
}

static ptk_err yield_alone(void *arg) {
    (void) arg;
    for (int i = 0; i < 1000; i++) {
        test_yield();
    }
    return PTK_OK;
}

TEST(green_yield_alone_comes_back) {
    test_in_green(yield_alone);
}

TEST(green_run_of_nothing_and_run_twice) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_run();
    test_go(note_once, "a");
    test_run();
    test_run();
    test_go(note_once, "b");
    test_run();
    CHECK_STR(test_notes(), "ab");
    test_loop_end(loop);
}

#define MANY 2000

static int many_alive;

static ptk_err be_one_of_many(void *arg) {
    int *most = arg;
    many_alive++;
    *most = many_alive > *most ? many_alive : *most;
    test_yield();
    many_alive--;
    return PTK_OK;
}

TEST(green_many_alive_at_once, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    int most = 0;
    for (int i = 0; i < MANY; i++) {
        test_go(be_one_of_many, &most);
    }
    test_run();
    CHECK_EQ(most, MANY);
    CHECK_EQ(many_alive, 0);
    test_loop_end(loop);
}

/* --- go: failures are logged ---------------------------------------------------------------------------- */

static ptk_err fail_with_short(void *arg) {
    (void) arg;
    return PTK_ERR_SHORT;
}

static ptk_err answer_canceled(void *arg) {
    (void) arg;
    return PTK_ERR_CANCELED;
}

TEST(green_failing_go_is_logged_once) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    size_t before = test_log_lines();
    test_go(fail_with_short, NULL);
    test_run();
    CHECK_EQ(test_log_lines(), before + 1);
    CHECK(strstr(test_captured_log(), "fail_with_short") != NULL);
    test_loop_end(loop);
    CHECK_EQ(test_log_lines(), before + 1);
    test_capture_end();
}

TEST(green_go_that_ends_well_or_canceled_is_not_logged) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    size_t before = test_log_lines();
    test_go(answer_ok, NULL);
    test_go(answer_canceled, NULL);
    test_run();
    CHECK_EQ(test_log_lines(), before);
    test_loop_end(loop);
    test_capture_end();
}

TEST(green_failing_spawn_is_for_its_joiner_and_not_logged) {
    test_capture_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    size_t before = test_log_lines();
    ptk_green_t *green = test_spawn(fail_with_short, NULL);
    ptk_err result = PTK_OK;
    test_run();
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_ERR(result, PTK_ERR_SHORT);
    CHECK_EQ(test_log_lines(), before);
    test_loop_end(loop);
    test_capture_end();
}

/* --- limits, names, self -------------------------------------------------------------------------------- */

TEST(green_limit_per_loop) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.green_thread_limit = 3;
    ptk_event_loop_platform_t *loop = test_loop_with(&options);
    for (int round = 0; round < 2; round++) {
        test_go(answer_ok, NULL);
        test_go(answer_ok, NULL);
        test_go(answer_ok, NULL);
        CHECK_ERR(ptk_go(loop, answer_ok, NULL), PTK_ERR_NO_RESOURCES);
        CHECK(ptk_green_spawn(loop, NULL, answer_ok, NULL) == NULL);
        CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
        test_run();
    }
    test_loop_end(loop);
}

TEST(green_ended_but_unjoined_does_not_count_as_alive) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.green_thread_limit = 1;
    ptk_event_loop_platform_t *loop = test_loop_with(&options);
    ptk_green_t *first = test_spawn(answer_ok, NULL);
    test_run();
    CHECK_EQ(test_counters().green_threads, 0);
    ptk_green_t *second = test_spawn(answer_ok, NULL);
    test_run();
    CHECK_OK(ptk_green_join(first, NULL, 0));
    CHECK_OK(ptk_green_join(second, NULL, 0));
    test_loop_end(loop);
}

static ptk_green_t *seen_self;

static ptk_err note_self(void *arg) {
    (void) arg;
    seen_self = ptk_green_self();
    return PTK_OK;
}

TEST(green_self_is_the_handle_inside_and_null_outside) {
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK(ptk_green_self() == NULL);
    ptk_green_t *green = test_spawn(note_self, NULL);
    test_run();
    CHECK(ptk_green_self() == NULL);
    CHECK(seen_self == green);
    CHECK_OK(ptk_green_detach(green));
    test_loop_end(loop);
}

TEST(green_names) {
    ptk_event_loop_platform_t *loop = test_loop();
    char own_name[] = "pump 7";
    ptk_green_options_t named = PTK_GREEN_OPTIONS_INIT;
    named.name = own_name;
    ptk_green_t *first = ptk_green_spawn(loop, &named, answer_ok, NULL);
    memset(own_name, 'x', sizeof own_name - 1);
    ptk_green_t *second = test_spawn(answer_ok, NULL);
    named.name = "0123456789012345678901234567890123456789";
    ptk_green_t *third = ptk_green_spawn(loop, &named, answer_ok, NULL);
    CHECK_STR(ptk_green_name(first), "pump 7");
    CHECK_STR(ptk_green_name(second), "answer_ok");
    CHECK_STR(ptk_green_name(third), "0123456789012345678901234567890");
    test_run();
    CHECK_STR(ptk_green_name(first), "pump 7"); /* it has ended, but its handle is still valid */
    CHECK_OK(ptk_green_detach(first));
    CHECK_STR(ptk_green_name(first), "");
    CHECK_OK(ptk_green_detach(second));
    CHECK_OK(ptk_green_detach(third));
    test_loop_end(loop);
}

/* --- options -------------------------------------------------------------------------------------------- */

static void check_spawn_fails(const void *options, ptk_err expected) {
    CHECK(ptk_green_spawn(NULL, options, answer_ok, NULL) == NULL);
    CHECK_ERR(ptk_get_err(), expected);
}

/* A struct of a later version: it has one field more than this version of the library. */
typedef struct longer_options {
    ptk_green_options_t known;
    uint64_t unknown;
} longer_options_t;

TEST(green_options_tail_unknown_and_not_zero_is_refused) {
    ptk_event_loop_platform_t *loop = test_loop();
    longer_options_t longer = {.known = PTK_GREEN_OPTIONS_INIT, .unknown = 1};
    longer.known.struct_size = sizeof longer;
    check_spawn_fails(&longer, PTK_ERR_INVALID_PARAM);
    longer.unknown = 0;
    ptk_green_t *green = ptk_green_spawn(loop, &longer.known, answer_ok, NULL);
    CHECK(green != NULL);
    test_run();
    CHECK_OK(ptk_green_detach(green));
    test_loop_end(loop);
}

TEST(green_options_of_an_earlier_version_are_fine) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.struct_size = (uint32_t) offsetof(ptk_green_options_t, stack_bytes);
    options.name = "early";
    options.stack_bytes = SIZE_MAX; /* beyond struct_size: not read */
    options.reserved = 7;
    ptk_green_t *green = ptk_green_spawn(loop, &options, answer_ok, NULL);
    CHECK(green != NULL);
    CHECK_STR(ptk_green_name(green), "early");
    test_run();
    CHECK_OK(ptk_green_detach(green));
    test_loop_end(loop);
}

TEST(green_options_that_make_no_sense_are_refused) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.struct_size = 0;
    CHECK((ptk_green_spawn) (loop, &options, answer_ok, NULL) == NULL);
    CHECK_EQ(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    options = (ptk_green_options_t) PTK_GREEN_OPTIONS_INIT;
    options.flags = 1u << 30;
    check_spawn_fails(&options, PTK_ERR_INVALID_PARAM);
    options.flags = 0;
    options.reserved = 1;
    check_spawn_fails(&options, PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_go(loop, NULL, NULL), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(test_counters().green_threads, 0);
    test_loop_end(loop);
}

/* --- errors belong to the green thread whose call failed ------------------------------------------------ */

static ptk_err fail_and_look_after_a_yield(void *arg) {
    (void) arg;
    CHECK_ERR(ptk_waitable_wait(NULL, PTK_EVENT_READ, 0), PTK_ERR_INVALID_PARAM);
    test_yield();
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    return PTK_OK;
}

static ptk_err fail_otherwise_and_look(void *arg) {
    CHECK_OK(ptk_get_err());
    CHECK_ERR(test_wait(arg, 0), PTK_ERR_TIMEOUT);
    test_yield();
    CHECK_ERR(ptk_get_err(), PTK_ERR_TIMEOUT);
    return PTK_OK;
}

TEST(green_errors_are_per_green_thread, RUNS_LOOP) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    CHECK_ERR(ptk_green_join(NULL, NULL, 0), PTK_ERR_INVALID_PARAM);
    test_go(fail_and_look_after_a_yield, NULL);
    test_go(fail_otherwise_and_look, user);
    test_run();
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

static ptk_err keep_errno(void *number) {
    for (int i = 0; i < 3; i++) {
        errno = *(int *) number;
        test_yield();
        CHECK_EQ(errno, *(int *) number);
    }
    errno = *(int *) number;
    CHECK_OK(ptk_sleep_ms(1));
    CHECK_EQ(errno, *(int *) number);
    return PTK_OK;
}

static ptk_err keep_errno_in_a_wait(void *user) {
    errno = EXDEV;
    CHECK_ERR(test_wait(user, 2), PTK_ERR_TIMEOUT);
    CHECK_EQ(errno, EXDEV);
    return PTK_OK;
}

TEST(p36_errno_survives_a_park) {
    int numbers[] = {EDOM, ERANGE, EPERM};
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *user = test_user();
    test_go(keep_errno_in_a_wait, user);
    for (size_t i = 0; i < 3; i++) {
        test_go(keep_errno, &numbers[i]);
    }
    test_run();
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* --- local storage -------------------------------------------------------------------------------------- */

static void note_destroyed(void *value) {
    test_note(*(const char *) value);
}

static const ptk_green_key_t noted_key = {.destructor = note_destroyed};
static const ptk_green_key_t plain_key = {.destructor = NULL};
static int plain_value;

static ptk_err set_local_and_keep(void *letter) {
    CHECK(ptk_green_get_local(&noted_key) == NULL);
    CHECK_OK(ptk_green_set_local(&noted_key, letter));
    CHECK_OK(ptk_green_set_local(&plain_key, &plain_value));
    test_yield();
    CHECK(ptk_green_get_local(&noted_key) == letter);
    CHECK(ptk_green_get_local(&plain_key) == &plain_value);
    CHECK_OK(ptk_green_set_local(&plain_key, NULL));
    CHECK(ptk_green_get_local(&plain_key) == NULL);
    return PTK_OK;
}

static ptk_err set_local_and_clear(void *letter) {
    CHECK_OK(ptk_green_set_local(&noted_key, letter));
    CHECK_OK(ptk_green_set_local(&noted_key, NULL));
    return PTK_OK;
}

TEST(green_local_storage_is_per_green_thread, NEEDS_ORDER) {
    ptk_event_loop_platform_t *loop = test_loop();
    CHECK(ptk_green_get_local(&noted_key) == NULL);
    CHECK_ERR(ptk_green_set_local(&noted_key, "x"), PTK_ERR_NOT_GREEN);
    test_go(set_local_and_keep, "a");
    test_go(set_local_and_keep, "b");
    test_go(set_local_and_clear, "c");
    test_run();
    CHECK_STR(test_notes(), "ab");
    CHECK(ptk_green_get_local(&noted_key) == NULL);
    test_loop_end(loop);
}

static ptk_err set_local_and_park(void *letter) {
    CHECK_OK(ptk_green_set_local(&noted_key, letter));
    return park_until_canceled(NULL);
}

TEST(green_local_storage_is_destroyed_with_a_canceled_green_thread) {
    ptk_event_loop_platform_t *loop = test_loop();
    test_go(set_local_and_park, "a");
    CHECK_OK(ptk_scheduler_stop(loop));
    test_run();
    CHECK_STR(test_notes(), "a");
    test_loop_end(loop);
}

static ptk_green_t *destructor_ran_on;

static void note_where(void *value) {
    (void) value;
    destructor_ran_on = ptk_green_self();
}

static const ptk_green_key_t where_key = {.destructor = note_where};

static ptk_err set_where(void *arg) {
    (void) arg;
    return ptk_green_set_local(&where_key, &destructor_ran_on);
}

TEST(green_local_storage_is_destroyed_on_its_own_green_thread) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *green = test_spawn(set_where, NULL);
    test_run();
    CHECK(destructor_ran_on == green);
    CHECK_OK(ptk_green_detach(green));
    test_loop_end(loop);
}
