/* SPDX-License-Identifier: MIT */
/* ptk_waitable_wait_any(): the first that is ready, exactly one event, and nothing left behind on the others.
 */
#include "conformance.h"

#include <signal.h>
#include <string.h>

#define ITEM(w) {.waitable = (w), .events = PTK_EVENT_READ}

typedef ptk_waitable_wait_item_t item_t;

/* Overwrites what the call must set. */
static void spoil(item_t *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        items[i].ready_out = 99;
        items[i].count_out = 99;
    }
}

static void check_only(const item_t *items, size_t count, size_t index, uint64_t events) {
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(items[i].ready_out, i == index ? PTK_EVENT_READ : 0);
        CHECK_EQ(items[i].count_out, i == index ? events : 0);
    }
}

/* --- several that are ready ----------------------------------------------------------------------------- */

static ptk_err take_in_order(void *arg) {
    (void) arg;
    ptk_waitable_t *users[] = {test_user(), test_user(), test_user()};
    item_t items[] = {ITEM(users[0]), ITEM(users[1]), ITEM(users[2])};
    size_t index = 9;
    CHECK_OK(ptk_waitable_signal(users[2]));
    CHECK_OK(ptk_waitable_signal(users[1]));
    CHECK_OK(ptk_waitable_signal(users[1]));
    for (size_t expected = 1; expected <= 2; expected++) {
        spoil(items, 3);
        CHECK_OK(ptk_waitable_wait_any(items, 3, &index, PTK_TIMEOUT_INFINITE));
        CHECK_EQ(index, expected);
        check_only(items, 3, expected, expected == 1 ? 2 : 1);
        CHECK_EQ(ptk_waitable_count(), expected == 1 ? 2 : 1);
        CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
    }
    CHECK_ERR(ptk_waitable_wait_any(items, 3, &index, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_waitable_wait_any(items, 3, &index, 2), PTK_ERR_TIMEOUT);
    for (size_t i = 0; i < 3; i++) {
        CHECK_ERR(test_wait(users[i], 0), PTK_ERR_TIMEOUT);
        ptk_waitable_destroy(users[i]);
    }
    return PTK_OK;
}

TEST(waitany_first_in_the_array_wins_and_one_event_is_taken) {
    test_in_green(take_in_order);
}

typedef struct any_waiter {
    item_t items[3];
    size_t index;
    ptk_err result;
} any_waiter_t;

static ptk_err wait_for_any(void *arg) {
    any_waiter_t *waiter = arg;
    spoil(waiter->items, 3);
    waiter->index = 9;
    waiter->result = ptk_waitable_wait_any(waiter->items, 3, &waiter->index, PTK_TIMEOUT_INFINITE);
    return waiter->result;
}

static ptk_err wake_by_each(void *arg) {
    (void) arg;
    ptk_waitable_t *users[] = {test_user(), test_user(), test_user()};
    for (size_t i = 0; i < 3; i++) {
        any_waiter_t waiter = {.items = {ITEM(users[0]), ITEM(users[1]), ITEM(users[2])}};
        ptk_green_t *green = test_spawn(wait_for_any, &waiter);
        test_let_poll(); /* after one yield it may be in a yield of its own: its call's, for the budget */
        CHECK_OK(ptk_waitable_signal(users[i]));
        CHECK_OK(ptk_waitable_signal(users[i]));
        CHECK_OK(ptk_waitable_signal(users[(i + 1) % 3]));
        CHECK_OK(test_join(green));
        CHECK_EQ(waiter.index, i);
        check_only(waiter.items, 3, i, 1);
        CHECK_OK(test_wait(users[i], 0));
        CHECK_EQ(ptk_waitable_count(), 1);
        CHECK_OK(test_wait(users[(i + 1) % 3], 0));
    }
    for (size_t i = 0; i < 3; i++) {
        ptk_waitable_destroy(users[i]);
    }
    return PTK_OK;
}

TEST(waitany_parked_takes_only_what_woke_it) {
    test_in_green(wake_by_each);
}

/* --- all types at once ---------------------------------------------------------------------------------- */

static ptk_err mix_types(void *arg) {
    (void) arg;
    int fds[2];
    size_t index = 9;
    test_pipe(fds);
    item_t items[] = {
        ITEM(test_fd_waitable(fds[0])),
        ITEM(test_timer_waitable(5, 0)),
        ITEM(ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1))),
        ITEM(test_user()),
    };
    CHECK_OK(ptk_waitable_wait_any(items, 4, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 1);
    check_only(items, 4, 1, 1);
    CHECK_EQ(test_raise(SIGUSR1), 0);
    CHECK_OK(ptk_waitable_wait_any(items, 4, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 2);
    test_write(fds[1], 1);
    CHECK_OK(ptk_waitable_wait_any(items, 4, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 0);
    CHECK_EQ(items[0].ready_out, PTK_EVENT_READ);
    CHECK_EQ(test_read(fds[0], 1), 1);
    CHECK_OK(ptk_waitable_signal(items[3].waitable));
    CHECK_OK(ptk_waitable_wait_any(items, 4, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 3);
    CHECK_ERR(ptk_waitable_wait_any(items, 4, &index, 1), PTK_ERR_TIMEOUT);
    for (size_t i = 0; i < 4; i++) {
        ptk_waitable_destroy(items[i].waitable);
    }
    test_close_pair(fds);
    return PTK_OK;
}

TEST(waitany_over_all_types, TRUSTS_READINESS) {
    test_in_green(mix_types);
}

static ptk_err wait_for_directions(void *arg) {
    (void) arg;
    int pair[2];
    size_t index = 9;
    test_socketpair(pair);
    ptk_waitable_t *waitable = test_fd_waitable(pair[0]);
    item_t items[] = {
        {.waitable = waitable, .events = PTK_EVENT_READ},
        {.waitable = waitable, .events = PTK_EVENT_WRITE},
    };
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 1);
    CHECK_EQ(items[1].ready_out, PTK_EVENT_WRITE);
    test_fill(pair[0]);
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 2), PTK_ERR_TIMEOUT);
    test_write(pair[1], 1);
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 0);
    ptk_waitable_destroy(waitable);
    test_close_pair(pair);
    return PTK_OK;
}

TEST(waitany_over_both_directions_of_one_waitable, TRUSTS_READINESS) {
    test_in_green(wait_for_directions);
}

/* The descriptor and the timer come in one batch: one is reported, the other can still be taken. */
static ptk_err take_both_of_a_batch(void *arg) {
    (void) arg;
    int fds[2];
    size_t index = 9;
    test_pipe(fds);
    item_t items[] = {ITEM(test_timer_waitable(5, 0)), ITEM(test_fd_waitable(fds[0]))};
    test_write(fds[1], 1);
    test_clock_advance(10 * PTK_NS_PER_MS);
    test_let_poll();
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 0);
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 1);
    CHECK_EQ(test_read(fds[0], 1), 1);
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 100), PTK_ERR_TIMEOUT);
    ptk_waitable_destroy(items[0].waitable);
    ptk_waitable_destroy(items[1].waitable);
    test_close_pair(fds);
    return PTK_OK;
}

TEST(p07_waitany_descriptor_and_timer_at_once, TRUSTS_READINESS) {
    test_clock_begin(1000);
    test_in_green(take_both_of_a_batch);
    test_clock_end();
}

/* The same, but both come while the green thread is parked: one tick of the loop finds them together. */
typedef struct both {
    int fds[2];
    item_t items[3];
} both_t;

static void write_at_the_deadline(void *arg) {
    const both_t *both = arg;
    test_write(both->fds[1], 1);
}

static ptk_err wait_for_both(void *arg) {
    both_t *both = arg;
    size_t seen[3] = {0, 0, 0};
    test_clock_at(ptk_now_ns() + 5 * PTK_NS_PER_MS, write_at_the_deadline, both);
    for (int i = 0; i < 2; i++) {
        size_t index = 9;
        CHECK_OK(ptk_waitable_wait_any(both->items, 3, &index, 5));
        CHECK(index < 2);
        seen[index]++;
        if (index == 1) {
            CHECK_EQ(test_read(both->fds[0], 1), 1);
        }
    }
    CHECK_EQ(seen[0], 1);
    CHECK_EQ(seen[1], 1);
    return PTK_OK;
}

TEST(p07_waitany_takes_descriptor_and_timer_once_each_when_both_meet_the_timeout, TRUSTS_READINESS) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    both_t both;
    test_pipe(both.fds);
    memcpy(
        both.items,
        (item_t[]) {ITEM(test_timer_waitable(5, 0)), ITEM(test_fd_waitable(both.fds[0])), ITEM(test_user())},
        sizeof both.items);
    test_go(wait_for_both, &both);
    test_run();
    for (size_t i = 0; i < 3; i++) {
        ptk_waitable_destroy(both.items[i].waitable);
    }
    test_close_pair(both.fds);
    test_loop_end(loop);
    test_clock_end();
}

/* --- errors --------------------------------------------------------------------------------------------- */

static ptk_err end_the_wait(void *arg) {
    (void) arg;
    ptk_waitable_t *users[] = {test_user(), test_user(), test_user()};
    any_waiter_t waiter = {.items = {ITEM(users[0]), ITEM(users[1]), ITEM(users[2])}};
    ptk_green_t *green = test_spawn(wait_for_any, &waiter);
    test_let_poll();
    CHECK_OK(ptk_waitable_abort(users[2]));
    CHECK_ERR(test_join(green), PTK_ERR_ABORTED);
    CHECK_EQ(waiter.index, 2);
    green = test_spawn(wait_for_any, &waiter);
    test_let_poll();
    ptk_waitable_destroy(users[1]);
    CHECK_ERR(test_join(green), PTK_ERR_CLOSED);
    CHECK_EQ(waiter.index, 1);
    green = test_spawn(wait_for_any, &waiter);
    CHECK_ERR(test_join(green), PTK_ERR_CLOSED);
    CHECK_EQ(waiter.index, 1);
    CHECK_OK(ptk_waitable_signal(users[0]));
    CHECK_OK(test_wait(users[0], 0)); /* no waiter is queued any more */
    ptk_waitable_destroy(users[0]);
    ptk_waitable_destroy(users[2]);
    return PTK_OK;
}

TEST(waitany_aborted_and_closed_return_the_index) {
    test_in_green(end_the_wait);
}

static ptk_err wait_for(void *waitable) {
    return test_wait(waitable, PTK_TIMEOUT_INFINITE);
}

static ptk_err meet_a_busy_item(void *arg) {
    (void) arg;
    int fds[2];
    size_t index = 9;
    test_pipe(fds);
    ptk_waitable_t *user = test_user();
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    ptk_green_t *reader = test_spawn(wait_for, readable);
    item_t items[] = {ITEM(user), ITEM(readable)};
    test_let_poll();
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE), PTK_ERR_BUSY);
    CHECK_EQ(index, 1);
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_wait(user, 0));
    test_write(fds[1], 1);
    CHECK_OK(test_join(reader));
    ptk_waitable_destroy(user);
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    return PTK_OK;
}

TEST(waitany_busy_returns_the_index, TRUSTS_READINESS) {
    test_in_green(meet_a_busy_item);
}

static ptk_err keep_a_direction_busy(void *arg) {
    (void) arg;
    int fds[2];
    test_pipe(fds);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    ptk_waitable_t *users[] = {test_user(), test_user()};
    any_waiter_t waiter = {.items = {ITEM(users[0]), ITEM(readable), ITEM(users[1])}};
    ptk_green_t *green = test_spawn(wait_for_any, &waiter);
    test_let_poll();
    CHECK_ERR(test_wait(readable, PTK_TIMEOUT_INFINITE), PTK_ERR_BUSY);
    CHECK_OK(ptk_waitable_signal(users[0]));
    CHECK_OK(test_join(green));
    CHECK_ERR(test_wait(readable, 1), PTK_ERR_TIMEOUT); /* free again */
    test_write(fds[1], 1);
    CHECK_OK(test_wait(readable, PTK_TIMEOUT_INFINITE));
    ptk_waitable_destroy(readable);
    ptk_waitable_destroy(users[0]);
    ptk_waitable_destroy(users[1]);
    test_close_pair(fds);
    return PTK_OK;
}

TEST(waitany_takes_a_direction_while_it_waits, TRUSTS_READINESS) {
    test_in_green(keep_a_direction_busy);
}

static ptk_err cancel_the_wait(void *arg) {
    (void) arg;
    ptk_waitable_t *users[] = {test_user(), test_user(), test_user()};
    any_waiter_t waiter = {.items = {ITEM(users[0]), ITEM(users[1]), ITEM(users[2])}};
    ptk_green_t *green = test_spawn(wait_for_any, &waiter);
    test_let_poll();
    CHECK_OK(ptk_green_cancel(green));
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(ptk_waitable_signal(users[i]));
    }
    ptk_err result = test_join(green); /* it may find one in its last look */
    CHECK(result == PTK_ERR_CANCELED || (result == PTK_OK && waiter.index == 0));
    for (size_t i = 0; i < 3; i++) {
        CHECK_ERR(test_wait(users[i], 0), result == PTK_OK && i == 0 ? PTK_ERR_TIMEOUT : PTK_OK);
        ptk_waitable_destroy(users[i]);
    }
    return PTK_OK;
}

TEST(p46_waitany_canceled_loses_no_event) {
    test_in_green(cancel_the_wait);
}

static ptk_err signal_and_cancel(void *arg) {
    (void) arg;
    ptk_waitable_t *users[] = {test_user(), test_user(), test_user()};
    any_waiter_t waiter = {.items = {ITEM(users[0]), ITEM(users[1]), ITEM(users[2])}};
    ptk_green_t *green = test_spawn(wait_for_any, &waiter);
    test_let_poll();
    CHECK_OK(ptk_waitable_signal(users[1]));
    CHECK_OK(ptk_waitable_signal(users[0]));
    CHECK_OK(ptk_green_cancel(green));
    CHECK_OK(ptk_waitable_abort(users[2]));
    ptk_waitable_destroy(users[1]);
    CHECK_OK(test_join(green));
    CHECK_EQ(waiter.index, 1);
    check_only(waiter.items, 3, 1, 1);
    CHECK_OK(test_wait(users[0], 0));
    ptk_waitable_destroy(users[0]);
    ptk_waitable_destroy(users[2]);
    return PTK_OK;
}

TEST(p46_waitany_that_is_complete_stays_so) {
    test_in_green(signal_and_cancel);
}

static ptk_err time_out(void *arg) {
    (void) arg;
    ptk_waitable_t *users[] = {test_user(), test_user()};
    item_t items[] = {ITEM(users[0]), ITEM(users[1])};
    size_t index = 9;
    uint64_t start = ptk_now_ns();
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 7), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_now_ns() - start, 7 * PTK_NS_PER_MS);
    CHECK_OK(ptk_waitable_signal(users[0]));
    CHECK_OK(ptk_waitable_signal(users[1]));
    CHECK_OK(test_wait(users[1], 0)); /* no waiter is queued any more */
    CHECK_OK(test_wait(users[0], 0));
    ptk_waitable_destroy(users[0]);
    ptk_waitable_destroy(users[1]);
    return PTK_OK;
}

TEST(waitany_timeout_leaves_no_waiter_queued) {
    test_clock_begin(1000);
    test_in_green(time_out);
    test_clock_end();
}

/* --- queues --------------------------------------------------------------------------------------------- */

static ptk_err wait_and_note(void *user) {
    CHECK_OK(test_wait(user, PTK_TIMEOUT_INFINITE));
    test_note('w');
    return PTK_OK;
}

static ptk_err any_and_note(void *arg) {
    CHECK_OK(wait_for_any(arg));
    test_note('a');
    return PTK_OK;
}

static ptk_err queue_with_plain_waits(void *arg) {
    (void) arg;
    ptk_waitable_t *users[] = {test_user(), test_user(), test_user()};
    any_waiter_t waiter = {.items = {ITEM(users[0]), ITEM(users[1]), ITEM(users[2])}};
    test_go(wait_and_note, users[1]);
    test_let_poll();
    test_go(any_and_note, &waiter);
    test_let_poll();
    test_go(wait_and_note, users[1]);
    test_let_poll();
    CHECK_OK(ptk_waitable_signal(users[1]));
    test_let_poll();
    CHECK_STR(test_notes(), "w");
    CHECK_OK(ptk_waitable_signal(users[1]));
    test_let_poll();
    CHECK_STR(test_notes(), "wa");
    CHECK_OK(ptk_waitable_signal(users[1]));
    test_let_poll();
    CHECK_STR(test_notes(), "waw");
    for (size_t i = 0; i < 3; i++) {
        ptk_waitable_destroy(users[i]);
    }
    return PTK_OK;
}

TEST(waitany_stands_in_line_with_plain_waits) {
    test_in_green(queue_with_plain_waits);
}

static ptk_err repeat_an_item(void *arg) {
    (void) arg;
    ptk_waitable_t *user = test_user();
    any_waiter_t waiter = {.items = {ITEM(user), ITEM(user), ITEM(user)}};
    ptk_green_t *green = test_spawn(wait_for_any, &waiter);
    test_let_poll();
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(ptk_waitable_signal(user));
    CHECK_OK(test_join(green));
    CHECK_EQ(waiter.index, 0);
    check_only(waiter.items, 3, 0, 1);
    CHECK_OK(test_wait(user, 0));
    CHECK_EQ(ptk_waitable_count(), 1);
    ptk_waitable_destroy(user);
    return PTK_OK;
}

TEST(waitany_with_the_same_waitable_three_times) {
    test_in_green(repeat_an_item);
}

static ptk_err repeat_a_descriptor(void *arg) {
    (void) arg;
    int fds[2];
    size_t index = 9;
    test_pipe(fds);
    ptk_waitable_t *readable = test_fd_waitable(fds[0]);
    item_t items[] = {ITEM(readable), ITEM(readable)};
    ptk_err err = ptk_waitable_wait_any(items, 2, &index, 2);
    CHECK(err == PTK_ERR_BUSY || err == PTK_ERR_TIMEOUT || err == PTK_ERR_INVALID_PARAM);
    CHECK_ERR(test_wait(readable, 1), PTK_ERR_TIMEOUT); /* in any case the direction is free */
    test_write(fds[1], 1);
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, 0));
    CHECK_EQ(index, 0);
    ptk_waitable_destroy(readable);
    test_close_pair(fds);
    return PTK_OK;
}

TEST(waitany_with_the_same_descriptor_twice, TRUSTS_READINESS) {
    test_in_green(repeat_a_descriptor);
}

/* --- limits --------------------------------------------------------------------------------------------- */

static ptk_err go_to_the_limits(void *arg) {
    (void) arg;
    static item_t items[PTK_WAIT_ANY_MAX + 1];
    size_t index = 9;
    for (size_t i = 0; i <= PTK_WAIT_ANY_MAX; i++) {
        items[i] = (item_t) ITEM(test_user());
    }
    CHECK_OK(ptk_waitable_signal(items[PTK_WAIT_ANY_MAX - 1].waitable));
    CHECK_OK(ptk_waitable_wait_any(items, PTK_WAIT_ANY_MAX, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, PTK_WAIT_ANY_MAX - 1);
    CHECK_ERR(ptk_waitable_wait_any(items, PTK_WAIT_ANY_MAX, &index, 1), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_waitable_wait_any(items, PTK_WAIT_ANY_MAX + 1, &index, 1), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_waitable_wait_any(items, 0, &index, 1), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_waitable_wait_any(NULL, 1, &index, 1), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_waitable_wait_any(items, SIZE_MAX, &index, 0), PTK_ERR_INVALID_PARAM);
    CHECK_OK(ptk_waitable_signal(items[0].waitable));
    CHECK_OK(ptk_waitable_wait_any(items, 1, &index, 1));
    CHECK_EQ(index, 0);
    items[1].events = PTK_EVENT_WRITE;
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 1), PTK_ERR_INVALID_PARAM);
    items[1].events = 0;
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 0), PTK_ERR_INVALID_PARAM);
    for (size_t i = 0; i <= PTK_WAIT_ANY_MAX; i++) {
        ptk_waitable_destroy(items[i].waitable);
    }
    return PTK_OK;
}

TEST(waitany_limits) {
    test_in_green(go_to_the_limits);
}

TEST(waitany_outside_green_threads) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_waitable_t *users[] = {test_user(), test_user()};
    item_t items[] = {ITEM(users[0]), ITEM(users[1])};
    size_t index = 9;
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 1), PTK_ERR_NOT_GREEN);
    CHECK_OK(ptk_waitable_signal(users[1]));
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, 0));
    CHECK_EQ(index, 1);
    check_only(items, 2, 1, 1);
    ptk_waitable_destroy(users[0]);
    ptk_waitable_destroy(users[1]);
    test_loop_end(loop);
}

/* --- against a simple model ----------------------------------------------------------------------------- */

#define MODEL_USERS   4
#define MODEL_WAITERS 5
#define MODEL_EVENTS  3000

typedef struct model {
    ptk_waitable_t *users[MODEL_USERS];
    uint64_t taken[MODEL_USERS];
    uint64_t sent[MODEL_USERS];
    bool over;
} model_t;

static model_t model;

static ptk_err take_any(void *arg) {
    (void) arg;
    ptk_test_random_t random = {(uint64_t) (uintptr_t) ptk_green_self()};
    while (!model.over) {
        item_t items[3];
        size_t which[3];
        size_t index = 9;
        for (size_t i = 0; i < 3; i++) {
            which[i] = (size_t) ptk_test_random_below(&random, MODEL_USERS);
            items[i] = (item_t) ITEM(model.users[which[i]]);
        }
        ptk_err err = ptk_waitable_wait_any(items, 3, &index, (uint32_t) ptk_test_random_below(&random, 3));
        if (err == PTK_OK) {
            CHECK(items[index].count_out > 0);
            model.taken[which[index]] += items[index].count_out;
        } else {
            CHECK_ERR(err, PTK_ERR_TIMEOUT);
            test_yield();
        }
    }
    return PTK_OK;
}

static ptk_err send_any(void *arg) {
    (void) arg;
    ptk_test_random_t random = {33};
    for (int i = 0; i < MODEL_EVENTS; i++) {
        size_t which = (size_t) ptk_test_random_below(&random, MODEL_USERS);
        CHECK_OK(ptk_waitable_signal(model.users[which]));
        model.sent[which]++;
        if (ptk_test_random_below(&random, 4) == 0) {
            CHECK_OK(ptk_sleep_ms((uint32_t) ptk_test_random_below(&random, 3)));
        }
    }
    model.over = true;
    return PTK_OK;
}

TEST(waitany_no_event_is_lost_or_taken_twice) {
    test_clock_begin(1000);
    ptk_event_loop_platform_t *loop = test_loop();
    for (size_t i = 0; i < MODEL_USERS; i++) {
        model.users[i] = test_user();
    }
    for (size_t i = 0; i < MODEL_WAITERS; i++) {
        test_go(take_any, NULL);
    }
    test_go(send_any, NULL);
    test_run();
    for (size_t i = 0; i < MODEL_USERS; i++) {
        item_t item = ITEM(model.users[i]);
        size_t index = 9;
        if (ptk_waitable_wait_any(&item, 1, &index, 0) == PTK_OK) {
            model.taken[i] += item.count_out;
        }
        CHECK_EQ(model.taken[i], model.sent[i]);
        ptk_waitable_destroy(model.users[i]);
    }
    test_loop_end(loop);
    test_clock_end();
}

/* --- a descriptor in both directions, among others ------------------------------------------------------ */

static ptk_err wait_for_both_or_user(void *arg) {
    (void) arg;
    int pair[2];
    size_t index = 9;
    test_socketpair(pair);
    item_t items[] = {
        ITEM(test_user()),
        {.waitable = test_fd_waitable(pair[0]), .events = PTK_EVENT_READ | PTK_EVENT_WRITE},
    };
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 1);
    CHECK_EQ(items[1].ready_out, PTK_EVENT_WRITE);
    test_fill(pair[0]);
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 2), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_waitable_signal(items[0].waitable));
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 0);
    test_write(pair[1], 1);
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE));
    CHECK_EQ(index, 1);
    CHECK_EQ(items[1].ready_out, PTK_EVENT_READ);
    ptk_waitable_destroy(items[0].waitable);
    ptk_waitable_destroy(items[1].waitable);
    test_close_pair(pair);
    return PTK_OK;
}

TEST(waitany_with_both_directions_in_one_item, TRUSTS_READINESS) {
    test_in_green(wait_for_both_or_user);
}
