/* SPDX-License-Identifier: MIT */
/*
 * P87: what one step of a loop costs does not grow with the number of objects that it is not about. Costs are
 * counted in instructions, for few and for many objects.
 */
#include "conformance.h"
#include "ptk_test_steps.h"

#include <netinet/in.h>
#include <stdlib.h>

#define FEW  20
#define MANY 400

/* A cost that does not grow may vary with the path through a branch or a table that is doubled. */
#define CONSTANT 1.5

static ptk_waitable_t *user;
static size_t count;
static int fds[2];

static ptk_err wait_for(void *waitable) {
    (void) test_wait(waitable, PTK_TIMEOUT_INFINITE); /* the destroy ends it */
    return PTK_OK;
}

/* Runs fn in a green thread while `many` others wait for an event of the program. */
static void run_beside(size_t many, ptk_green_fn fn) {
    test_clock_begin(1);
    ptk_event_loop_platform_t *loop = test_loop();
    count = many;
    user = test_user();
    for (size_t i = 0; i < many; i++) {
        test_go(wait_for, user);
    }
    test_go(fn, NULL);
    test_run();
    test_loop_end(loop);
    test_clock_end();
}

/* --- looking for a deadlock --- */

static ptk_waitable_t *turns[2];
static ptk_waitable_t *turns_are_over;
static bool turns_end;

/* Waits for its turn, sleeps, and gives the turn to the other: the only one that can be woken from outside is
 * another one each time. */
static ptk_err take_turns(void *arg) {
    size_t me = (size_t) (uintptr_t) arg;
    for (int turn = 0; !turns_end; turn++) {
        CHECK_OK(test_wait(turns[me], PTK_TIMEOUT_INFINITE));
        CHECK_OK(ptk_sleep_ms(1));
        CHECK_OK(ptk_waitable_signal(turns[1 - me]));
        if (turn % 10 == 9) {
            CHECK_OK(ptk_waitable_signal(turns_are_over));
        }
    }
    return PTK_OK;
}

static ptk_err count_turns(void *arg) {
    (void) arg;
    for (size_t i = 0; i < 2; i++) {
        turns[i] = test_user();
        test_go(take_turns, (void *) (uintptr_t) i);
    }
    turns_are_over = test_user();
    CHECK_OK(ptk_waitable_signal(turns[0]));
    CHECK_OK(test_wait(turns_are_over, PTK_TIMEOUT_INFINITE));
    ptk_test_steps_begin();
    CHECK_OK(test_wait(turns_are_over, PTK_TIMEOUT_INFINITE));
    ptk_test_steps_end();
    turns_end = true;
    CHECK_OK(ptk_sleep_ms(10));
    for (size_t i = 0; i < 2; i++) {
        ptk_waitable_destroy(turns[i]);
    }
    ptk_waitable_destroy(turns_are_over);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

static void take_turns_beside(size_t many) {
    run_beside(many, count_turns);
}

TEST(p87_a_poll_costs_the_same_whatever_the_number_of_waiters, REAL_PROCESS | HOOKS_POLLER) {
    ptk_test_check_growth(take_turns_beside, FEW, MANY, CONSTANT);
}

/* --- waitables of one descriptor --- */

static ptk_waitable_t **watch_one_descriptor(void) {
    ptk_waitable_t **waitables = calloc(count, sizeof *waitables);
    CHECK(waitables != NULL);
    test_pipe(fds);
    for (size_t i = 0; i < count; i++) {
        waitables[i] = test_fd_waitable(fds[0]);
        test_go(wait_for, waitables[i]);
    }
    test_let_poll();
    return waitables;
}

static void forget_one_descriptor(ptk_waitable_t **waitables) {
    for (size_t i = 0; i < count; i++) {
        ptk_waitable_destroy(waitables[i]); /* twice for the one that the test has destroyed */
    }
    free(waitables);
    test_close_pair(fds);
    ptk_waitable_destroy(user);
}

static ptk_err count_destroy(void *arg) {
    (void) arg;
    ptk_waitable_t **waitables = watch_one_descriptor();
    ptk_test_steps_begin();
    ptk_waitable_destroy(waitables[0]);
    ptk_waitable_destroy(waitables[count / 2]);
    ptk_waitable_destroy(waitables[count - 1]);
    ptk_test_steps_end();
    forget_one_descriptor(waitables);
    return PTK_OK;
}

static void destroy_beside(size_t many) {
    run_beside(many, count_destroy);
}

TEST(p87_a_destroy_costs_the_same_however_many_waitables_share_the_descriptor, REAL_PROCESS | HOOKS_POLLER) {
    ptk_test_check_growth(destroy_beside, FEW, MANY, CONSTANT);
}

static ptk_err count_one_more_wait(void *arg) {
    (void) arg;
    ptk_waitable_t **waitables = watch_one_descriptor();
    ptk_waitable_t *more = test_fd_waitable(fds[0]);
    ptk_test_steps_begin();
    CHECK_ERR(test_wait(more, 1), PTK_ERR_TIMEOUT);
    ptk_test_steps_end();
    ptk_waitable_destroy(more);
    forget_one_descriptor(waitables);
    return PTK_OK;
}

static void wait_beside(size_t many) {
    run_beside(many, count_one_more_wait);
}

TEST(p87_a_wait_costs_the_same_however_many_waitables_share_the_descriptor, REAL_PROCESS | HOOKS_POLLER) {
    ptk_test_check_growth(wait_beside, FEW, MANY, CONSTANT);
}

/* The descriptor has waitables that nothing waits for. */
static ptk_err count_report(void *arg) {
    (void) arg;
    ptk_waitable_t **waitables = calloc(count, sizeof *waitables);
    CHECK(waitables != NULL);
    test_pipe(fds);
    for (size_t i = 0; i < count; i++) {
        waitables[i] = test_fd_waitable(fds[0]);
    }
    test_go(wait_for, waitables[0]);
    test_let_poll();
    ptk_test_steps_begin();
    test_write(fds[1], 1);
    test_let_poll();
    test_yield();
    ptk_test_steps_end();
    forget_one_descriptor(waitables);
    return PTK_OK;
}

static void report_beside(size_t many) {
    run_beside(many, count_report);
}

TEST(p87_a_report_costs_the_same_however_many_waitables_share_the_descriptor, REAL_PROCESS | HOOKS_POLLER) {
    ptk_test_check_growth(report_beside, FEW, MANY, CONSTANT);
}

/* --- after a peak --- */

static ptk_err count_polls_after_peak(void *arg) {
    (void) arg;
    ptk_waitable_t **waitables = calloc(count, sizeof *waitables);
    int(*pairs)[2] = calloc(count, sizeof *pairs);
    CHECK(waitables && pairs);
    for (size_t i = 0; i < count; i++) {
        test_pipe(pairs[i]);
        waitables[i] = test_fd_waitable(pairs[i][0]);
        test_go(wait_for, waitables[i]);
    }
    test_let_poll();
    for (size_t i = 0; i < count; i++) {
        ptk_waitable_destroy(waitables[i]);
        test_close_pair(pairs[i]);
    }
    test_let_poll();
    ptk_test_steps_begin();
    test_let_poll();
    ptk_test_steps_end();
    free(waitables);
    free(pairs);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

static void poll_after_peak(size_t many) {
    run_beside(many, count_polls_after_peak);
}

TEST(p87_a_poll_costs_nothing_for_descriptors_of_the_past, REAL_PROCESS | HOOKS_POLLER | MANY_DESCRIPTORS) {
    ptk_test_check_growth(poll_after_peak, FEW, MANY, CONSTANT);
}

/* --- green threads --- */

static ptk_err sleep_for_ever(void *arg) {
    (void) arg;
    PTK_IGNORE(ptk_sleep_ms(PTK_TIMEOUT_INFINITE)); /* the cancel ends it */
    return PTK_OK;
}

static ptk_err sleep_for_hours(void *arg) {
    (void) arg;
    PTK_IGNORE(ptk_sleep_ms(3600000)); /* the cancel ends it */
    return PTK_OK;
}

static ptk_green_t **spawn_all(ptk_green_fn fn, size_t stack_bytes) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    ptk_green_t **greens = calloc(count, sizeof *greens);
    options.stack_bytes = stack_bytes;
    CHECK(greens != NULL);
    for (size_t i = 0; i < count; i++) {
        greens[i] = test_check_spawned(ptk_green_spawn(NULL, &options, fn, NULL));
    }
    test_let_poll();
    return greens;
}

static void end_one(ptk_green_t *green) {
    CHECK_OK(ptk_green_cancel(green));
    CHECK_OK(ptk_green_join(green, NULL, PTK_TIMEOUT_INFINITE));
    test_let_poll();
}

/* Counts the end of three of them, and then ends all. */
static ptk_err count_ends(ptk_green_fn fn, size_t stack_bytes) {
    ptk_green_t **greens = spawn_all(fn, stack_bytes);
    ptk_test_steps_begin();
    end_one(greens[0]);
    end_one(greens[count / 2]);
    end_one(greens[count - 1]);
    ptk_test_steps_end();
    for (size_t i = 0; i < count; i++) {
        if (i != 0 && i != count / 2 && i != count - 1) {
            end_one(greens[i]);
        }
    }
    free(greens);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

static ptk_err count_ends_of_big(void *arg) {
    (void) arg;
    return count_ends(sleep_for_ever, (size_t) 2 * 1024 * 1024);
}

static ptk_err count_ends_of_sleepers(void *arg) {
    (void) arg;
    return count_ends(sleep_for_hours, 0);
}

static void end_big(size_t many) {
    run_beside(many, count_ends_of_big);
}

static void end_sleepers(size_t many) {
    run_beside(many, count_ends_of_sleepers);
}

TEST(p87_the_end_of_a_big_stack_costs_the_same_beside_many, REAL_PROCESS | HOOKS_POLLER | MUCH_MEMORY) {
    TEST_NEEDS_OWN_STACKS("the stacks are the foreign library's");
    ptk_test_check_growth(end_big, FEW, MANY, CONSTANT);
}

TEST(p87_the_end_of_a_sleeper_costs_nearly_the_same_however_many_there_are, REAL_PROCESS | HOOKS_POLLER) {
    ptk_test_check_growth(end_sleepers, FEW, MANY, CONSTANT); /* the heap of timers is logarithmic */
}

/* --- many waiters of one gate --- */

static ptk_sock_t *sock;

static ptk_err send_much(void *arg) {
    static char bytes[1 << 20];
    (void) arg;
    while (ptk_sock_send(sock, bytes, sizeof bytes, PTK_TIMEOUT_INFINITE) == PTK_OK) {
    }
    return PTK_OK;
}

static ptk_sock_t *connect_to_silence(ptk_sock_t **listener_out) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof addr;
    *listener_out = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK(*listener_out != NULL);
    CHECK_OK(ptk_sock_bind(*listener_out, (struct sockaddr *) &addr, sizeof addr));
    CHECK_OK(ptk_sock_listen(*listener_out, 1));
    CHECK_OK(ptk_sock_local_addr(*listener_out, (struct sockaddr *) &addr, &bytes));
    ptk_sock_t *connected = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK(connected != NULL);
    CHECK_OK(ptk_sock_connect(connected, (struct sockaddr *) &addr, sizeof addr, PTK_TIMEOUT_INFINITE));
    return connected;
}

static ptk_err wait_to_send(void *arg) {
    PTK_IGNORE(ptk_waitable_wait(arg, PTK_EVENT_WRITE, PTK_TIMEOUT_INFINITE)); /* the abort ends it */
    return PTK_OK;
}

/* Half of the waiters send, the others wait for the right to: the abort is for these alone, which come last.
 */
static ptk_err count_abort(void *arg) {
    (void) arg;
    ptk_sock_t *listener;
    sock = connect_to_silence(&listener);
    ptk_waitable_t *writable = ptk_sock_waitable(sock, PTK_EVENT_WRITE);
    CHECK(writable != NULL);
    for (size_t i = 0; i < count; i++) {
        test_go(send_much, NULL);
    }
    test_let_poll();
    for (size_t i = 0; i < count; i++) {
        test_go(wait_to_send, writable);
    }
    test_let_poll();
    ptk_test_steps_begin();
    CHECK_OK(ptk_waitable_abort(writable));
    ptk_test_steps_end();
    ptk_sock_reset(sock);
    ptk_sock_close(listener);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

static void abort_beside(size_t many) {
    run_beside(many, count_abort);
}

TEST(p87_an_abort_looks_at_each_waiter_once, REAL_PROCESS | HOOKS_POLLER) {
    ptk_test_check_growth(abort_beside, 10, 100, 15.0); /* proportional, and not to the square */
}
