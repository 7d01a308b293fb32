/* SPDX-License-Identifier: MIT */
/*
 * What a program meets first: start and end of green threads, options, waits with out-parameters, user
 * pointers, and the error that each failing call leaves.
 */
#include "conformance.h"

#include <pthread.h>
#include <string.h>

static ptk_err return_ok(void *arg) {
    (void) arg;
    return PTK_OK;
}

static ptk_err sleep_for_ever(void *arg) {
    (void) arg;
    return ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
}

/* --- start --- */

static ptk_err count_up(void *count) {
    ++*(int *) count;
    return PTK_OK;
}

TEST(front_door_go_and_spawn_are_functions) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_err (*go)(ptk_event_loop_platform_t *, ptk_green_fn, void *) = ptk_go;
    int count = 0;
    CHECK_OK(go(loop, count_up, &count));
    CHECK_OK((ptk_go) (NULL, count_up, &count));
    ptk_green_t *green = (ptk_green_spawn) (loop, NULL, count_up, &count);
    CHECK(green != NULL);
    CHECK_OK(ptk_green_detach(green));
    CHECK_ERR((ptk_go) (loop, NULL, NULL), PTK_ERR_INVALID_PARAM);
    test_run();
    CHECK_EQ(count, 3);
    test_loop_end(loop);
}

TEST(front_door_macros_add_the_function_s_name) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *named = ptk_green_spawn(loop, NULL, return_ok, NULL);
    ptk_green_t *unnamed = (ptk_green_spawn) (loop, NULL, return_ok, NULL);
    CHECK_STR(ptk_green_name(named), "return_ok");
    CHECK_STR(ptk_green_name(unnamed), "(unnamed)");
    CHECK_OK(ptk_green_detach(named));
    CHECK_OK(ptk_green_detach(unnamed));
    test_run();
    test_loop_end(loop);
}

/* --- options --- */

static void check_named(const ptk_green_options_t *options) {
    ptk_green_t *green = ptk_green_spawn(NULL, options, return_ok, NULL);
    CHECK(green != NULL);
    CHECK_STR(ptk_green_name(green), "worker");
    CHECK_OK(ptk_green_detach(green));
}

TEST(front_door_one_option_by_name) {
    ptk_event_loop_platform_t *loop = test_loop();
    const ptk_green_options_t plain = {.name = "worker"};
    check_named(&plain);
    check_named(&(ptk_green_options_t) {.name = "worker"});
    check_named(&PTK_GREEN_OPTIONS(.name = "worker"));
    ptk_green_options_t initialised = PTK_GREEN_OPTIONS_INIT;
    initialised.name = "worker";
    check_named(&initialised);
    CHECK_EQ(PTK_GREEN_OPTIONS().struct_size, sizeof(ptk_green_options_t));
    CHECK_EQ(plain.struct_size, 0); /* the caller's options are not written to */
    test_run();
    test_loop_end(loop);
}

TEST(front_door_loop_option_by_name) {
    const char *platform = NULL;
    ptk_event_loop_platform_t *loop =
        ptk_event_loop_platform_create_with(&(ptk_event_loop_platform_options_t) {.green_thread_limit = 1});
    CHECK(loop != NULL);
    CHECK_OK(ptk_go(loop, return_ok, NULL));
    CHECK_ERR(ptk_go(loop, return_ok, NULL), PTK_ERR_NO_RESOURCES);
    test_run();
    test_loop_end(loop);
    loop = ptk_event_loop_platform_create_with(&PTK_EVENT_LOOP_PLATFORM_OPTIONS(.platform = platform));
    CHECK(loop != NULL);
    test_loop_end(loop);
}

TEST(front_door_counters_need_no_initialisation) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_scheduler_counters_t counters;
    memset(&counters, 0xa5, sizeof counters);
    CHECK_OK(ptk_scheduler_counters(loop, &counters));
    CHECK_EQ(counters.struct_size, sizeof counters);
    CHECK_EQ(counters.green_threads, 0);
    CHECK_EQ(counters.spawned, 0);
    CHECK_EQ(counters.inbox_messages, 0);
    test_loop_end(loop);
}

/* --- end --- */

static ptk_err end_of_a_sleeper(void *unused) {
    (void) unused;
    ptk_green_t *green = test_spawn(sleep_for_ever, NULL);
    CHECK_OK(ptk_green_end(green, PTK_TIMEOUT_INFINITE));
    CHECK_ERR(ptk_green_end(green, PTK_TIMEOUT_INFINITE), PTK_ERR_CLOSED);
    green = test_spawn(return_ok, NULL);
    test_let_poll();
    CHECK_OK(ptk_green_end(green, 0));
    return PTK_OK;
}

TEST(green_end_cancels_and_joins) {
    test_in_green(end_of_a_sleeper);
}

/* What a parent lends to its child. */
typedef struct loan {
    bool is_valid;
    bool was_valid_at_the_end;
} loan_t;

static ptk_err borrow(void *arg) {
    loan_t *loan = arg;
    ptk_err err = ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
    loan->was_valid_at_the_end = loan->is_valid;
    return err;
}

static ptk_err lend(void *arg) {
    loan_t *loan = arg;
    loan->is_valid = true;
    ptk_green_t *child = test_spawn(borrow, loan);
    ptk_err err = ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
    CHECK_ERR(ptk_green_join(child, NULL, PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_OK(ptk_green_end(child, PTK_TIMEOUT_INFINITE));
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED); /* the end has not taken the cancel away */
    loan->is_valid = false;
    return err;
}

static ptk_err stop_the_loop(void *unused) {
    (void) unused;
    test_let_poll();
    return ptk_scheduler_stop(NULL);
}

/* Clean-up in a cancelled green thread is one line, and the child does not outlive what it borrowed. */
TEST(p85_green_end_in_a_cancelled_green_thread_waits_for_the_child) {
    ptk_event_loop_platform_t *loop = test_loop();
    loan_t loan = {false, false};
    test_go(lend, &loan);
    test_go(stop_the_loop, NULL);
    test_run();
    CHECK(loan.was_valid_at_the_end);
    CHECK(!loan.is_valid);
    test_loop_end(loop);
}

/* Ends some yields after it was cancelled. */
static ptk_err end_slowly(void *arg) {
    ptk_shield_t shield;
    CHECK_ERR(ptk_sleep_ms(PTK_TIMEOUT_INFINITE), PTK_ERR_CANCELED);
    CHECK_OK(ptk_shield_begin(&shield, PTK_TIMEOUT_INFINITE));
    for (int i = 0; i < 20; i++) {
        CHECK_OK(ptk_yield());
    }
    CHECK_OK(ptk_shield_end(&shield));
    *(bool *) arg = true;
    return PTK_OK;
}

static ptk_err end_the_slow_one(void *arg) {
    bool *ended = arg;
    ptk_green_t *slow = test_spawn(end_slowly, ended);
    test_note('e');
    CHECK_OK(ptk_green_end(slow, PTK_TIMEOUT_INFINITE));
    CHECK(*ended);
    return ptk_yield();
}

static ptk_err cancel_during_end(void *unused) {
    (void) unused;
    bool ended = false;
    ptk_green_t *parent = test_spawn(end_the_slow_one, &ended);
    while (*test_notes() == '\0') { /* until the parent ends its child */
        test_yield();
    }
    CHECK(!ended);
    CHECK_OK(ptk_green_cancel(parent));
    CHECK_ERR(test_join(parent), PTK_ERR_CANCELED);
    CHECK(ended);
    return PTK_OK;
}

TEST(green_end_is_not_cancelled_while_it_waits) {
    test_in_green(cancel_during_end);
}

static ptk_err end_with_timeout(void *unused) {
    (void) unused;
    bool ended = false;
    ptk_green_t *slow = test_spawn(end_slowly, &ended);
    test_let_poll();
    CHECK_ERR(ptk_green_end(slow, 0), PTK_ERR_TIMEOUT);
    CHECK_STR(ptk_green_name(slow), "end_slowly"); /* the handle is valid */
    CHECK_OK(ptk_green_end(slow, PTK_TIMEOUT_INFINITE));
    CHECK(ended);
    return PTK_OK;
}

TEST(green_end_that_times_out_keeps_the_handle) {
    test_in_green(end_with_timeout);
}

static ptk_err join_it(void *green) {
    return ptk_green_join(green, NULL, PTK_TIMEOUT_INFINITE);
}

static ptk_err end_where_it_cannot(void *unused) {
    (void) unused;
    CHECK_ERR(ptk_green_end(NULL, 1), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_green_end(ptk_green_self(), 1), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(ptk_cancel_cause(), PTK_CANCEL_NONE);
    ptk_green_t *green = test_spawn(sleep_for_ever, NULL);
    ptk_green_t *joiner = test_spawn(join_it, green);
    test_let_poll();
    CHECK_ERR(ptk_green_end(green, 1), PTK_ERR_BUSY);
    CHECK_OK(test_join(joiner)); /* the cancel took effect */
    return PTK_OK;
}

TEST(green_end_where_it_cannot) {
    test_in_green(end_where_it_cannot);
}

TEST(green_end_outside_a_green_thread) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_green_t *green = test_spawn(sleep_for_ever, NULL);
    CHECK_OK(ptk_scheduler_poll(loop, 0, NULL));
    CHECK_ERR(ptk_green_end(green, 1), PTK_ERR_NOT_GREEN);
    CHECK_ERR(ptk_green_join(green, NULL, 0), PTK_ERR_TIMEOUT); /* it was not cancelled */
    CHECK_ERR(ptk_green_end(green, 0), PTK_ERR_TIMEOUT);
    test_run();
    CHECK_OK(ptk_green_end(green, 0));
    test_loop_end(loop);
}

/* --- waits --- */

static ptk_err wait_for_what_came(void *unused) {
    (void) unused;
    uint32_t ready = 99;
    uint64_t count = 99;
    ptk_waitable_t *user = test_user();
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_wait_for(user, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE, &ready, &count));
    CHECK_EQ(ready, PTK_EVENT_READ);
    CHECK_EQ(count, 2);
    CHECK_ERR(ptk_waitable_wait_for(user, PTK_EVENT_READ, 0, &ready, &count), PTK_ERR_TIMEOUT);
    CHECK_EQ(ready, 0);
    CHECK_EQ(count, 0);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_wait_for(user, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE, NULL, NULL));
    ptk_waitable_destroy(user);
    CHECK_ERR(ptk_waitable_wait_for(NULL, PTK_EVENT_READ, 0, &ready, NULL), PTK_ERR_INVALID_PARAM);
    return PTK_OK;
}

TEST(wait_for_returns_what_came) {
    test_in_green(wait_for_what_came);
}

static ptk_err wait_for_a_descriptor(void *unused) {
    (void) unused;
    int fds[2];
    uint32_t ready = 0;
    uint64_t count = 99;
    test_socketpair(fds);
    ptk_waitable_t *waitable = test_fd_waitable(fds[0]);
    uint32_t both = PTK_EVENT_READ | PTK_EVENT_WRITE;
    CHECK_OK(ptk_waitable_wait_for(waitable, both, PTK_TIMEOUT_INFINITE, &ready, &count));
    CHECK_EQ(ready, PTK_EVENT_WRITE);
    CHECK_EQ(count, 0);
    test_write(fds[1], 1);
    CHECK_OK(ptk_waitable_wait_for(waitable, both, PTK_TIMEOUT_INFINITE, &ready, &count));
    CHECK_EQ(ready, both);
    ptk_waitable_destroy(waitable);
    test_close_pair(fds);
    return PTK_OK;
}

TEST(wait_for_returns_the_events_of_a_descriptor) {
    test_in_green(wait_for_a_descriptor);
}

TEST(wait_for_outside_a_green_thread) {
    ptk_event_loop_platform_t *loop = test_loop();
    uint32_t ready = 0;
    uint64_t count = 0;
    ptk_waitable_t *user = test_user();
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_ERR(ptk_waitable_wait_for(user, PTK_EVENT_READ, 1, &ready, &count), PTK_ERR_NOT_GREEN);
    CHECK_OK(ptk_waitable_wait_for(user, PTK_EVENT_READ, 0, &ready, &count));
    CHECK_EQ(ready, PTK_EVENT_READ);
    CHECK_EQ(count, 1);
    ptk_waitable_destroy(user);
    test_loop_end(loop);
}

/* --- user pointers and descriptors --- */

static ptk_err own_user_pointer(void *user) {
    CHECK(ptk_green_user(ptk_green_self()) == user);
    CHECK_OK(ptk_green_set_user(ptk_green_self(), NULL));
    return PTK_OK;
}

static ptk_err user_pointers_of_green_threads(void *unused) {
    (void) unused;
    int value = 0;
    ptk_green_t *green = test_spawn(own_user_pointer, &value);
    CHECK(ptk_green_user(green) == NULL);
    CHECK_OK(ptk_green_set_user(green, &value));
    CHECK(ptk_green_user(green) == &value);
    CHECK_OK(test_join(green));
    CHECK(ptk_green_user(green) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_green_set_user(green, &value), PTK_ERR_CLOSED);
    CHECK_STR(ptk_green_name(green), "");
    green = test_spawn(return_ok, NULL);
    CHECK(ptk_green_user(green) == NULL); /* the next one starts without */
    CHECK_OK(test_join(green));
    CHECK_ERR(ptk_green_set_user(NULL, &value), PTK_ERR_INVALID_PARAM);
    return PTK_OK;
}

TEST(green_user_pointer) {
    test_in_green(user_pointers_of_green_threads);
}

TEST(sock_user_pointer_and_descriptor) {
    ptk_event_loop_platform_t *loop = test_loop();
    int value = 0;
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    CHECK(ptk_sock_user(sock) == NULL);
    CHECK_OK(ptk_sock_set_user(sock, &value));
    CHECK(ptk_sock_user(sock) == &value);
    CHECK(ptk_sock_fd(sock) >= 0);
    ptk_sock_close(sock);
    CHECK(ptk_sock_user(sock) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_set_user(sock, &value), PTK_ERR_CLOSED);
    CHECK_EQ(ptk_sock_fd(NULL), PTK_OS_HANDLE_NONE);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    test_loop_end(loop);
}

/* --- every failing call leaves its error --- */

static void reset_err(void) {
    ptk_addr_t addr;
    CHECK_ERR(ptk_addr_parse("nonsense:1", &addr), PTK_ERR_NOT_NUMERIC);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NOT_NUMERIC);
}

TEST(err_is_left_by_calls_that_return_nothing) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    ptk_waitable_t *user = test_user();
    reset_err();
    ptk_sock_close(NULL);
    ptk_sock_reset(NULL);
    ptk_waitable_destroy(NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NOT_NUMERIC); /* NULL is no failure */
    ptk_sock_close(sock);
    ptk_waitable_destroy(user);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NOT_NUMERIC);
    ptk_sock_close(sock);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    reset_err();
    ptk_sock_reset(sock);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    reset_err();
    ptk_waitable_destroy(user);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    test_loop_end(loop);
}

TEST(err_is_left_by_a_poll_that_is_done) {
    ptk_event_loop_platform_t *loop = test_loop();
    reset_err();
    CHECK_ERR(ptk_scheduler_poll(loop, 0, NULL), PTK_ERR_DONE);
    CHECK_ERR(ptk_get_err(), PTK_ERR_DONE);
    test_loop_end(loop);
}

typedef struct objects {
    ptk_sock_t *sock;
    ptk_waitable_t *user;
} objects_t;

static void *misuse(void *arg) {
    const objects_t *objects = arg;
    reset_err();
    ptk_sock_close(objects->sock);
    CHECK_ERR(ptk_get_err(), PTK_ERR_WRONG_THREAD);
    reset_err();
    ptk_sock_reset(objects->sock);
    CHECK_ERR(ptk_get_err(), PTK_ERR_WRONG_THREAD);
    reset_err();
    CHECK_EQ(ptk_sock_pending(objects->sock), 0);
    CHECK_ERR(ptk_get_err(), PTK_ERR_WRONG_THREAD);
    reset_err();
    ptk_waitable_destroy(objects->user);
    CHECK_ERR(ptk_get_err(), PTK_ERR_WRONG_THREAD);
    return NULL;
}

TEST(err_is_left_by_close_and_destroy_from_another_thread, REAL_THREADS) {
    ptk_event_loop_platform_t *loop = test_loop();
    pthread_t thread;
    objects_t objects = {ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0), test_user()};
    CHECK(objects.sock != NULL);
    CHECK_EQ(pthread_create(&thread, NULL, misuse, &objects), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(ptk_sock_pending(objects.sock), 0); /* nothing was done to them */
    CHECK_OK(ptk_waitable_signal(objects.user));
    ptk_sock_close(objects.sock);
    ptk_waitable_destroy(objects.user);
    test_loop_end(loop);
}
