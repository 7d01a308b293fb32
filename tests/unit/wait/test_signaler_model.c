/* SPDX-License-Identifier: MIT */
/*
 * A signal at each point of a delivery (P50). The signaler's own source is compiled into this file with a
 * hook before every exchange, in which another thread's signal is imitated. So every order of the exchanges
 * of a delivery and of a signal as a whole is run, and no run depends on the machine.
 */
#include <ptk_test.h>

#include <stdatomic.h>

#define ptk_signaler_create   model_signaler_create
#define ptk_signaler_hand_out model_signaler_hand_out
#define ptk_signaler_close    model_signaler_close
#define ptk_signaler_signal   model_signaler_signal
#define ptk_signaler_ref      model_signaler_ref
#define ptk_signaler_unref    model_signaler_unref

static void step(void);

#undef atomic_exchange
#define atomic_exchange(object, value) (step(), atomic_exchange_explicit(object, value, memory_order_seq_cst))

#include "wait/ptk_signaler.c" /* NOLINT: with the exchange above */

static ptk_signaler_t *signaler;
static int steps_before_signal; /* at 0 the next step signals; below 0 none does */

static void step(void) {
    if (steps_before_signal-- == 0) {
        CHECK_OK(ptk_signaler_signal(signaler));
    }
}

static void deliver_all(ptk_inbox_t *inbox) {
    ptk_inbox_node_t *next;
    for (ptk_inbox_node_t *node = ptk_inbox_drain(inbox); node; node = next) {
        next = node->next;
        node->deliver(node);
    }
}

/* Delivers one signal with another one before its exchange `point`, and checks that both are counted once the
 * inbox is empty. Returns false if the delivery has fewer exchanges. */
static bool signal_at(int point) {
    ptk_event_counter_t counter;
    int os_err = 0;
    ptk_scheduler_t scheduler = {.inbox = ptk_inbox_create(&os_err)};
    CHECK(scheduler.inbox != NULL);
    ptk_event_counter_init(&counter);
    signaler = ptk_signaler_create(&scheduler, &counter);
    ptk_signaler_hand_out(signaler);
    steps_before_signal = -1;
    CHECK_OK(ptk_signaler_signal(signaler));
    steps_before_signal = point;
    deliver_all(scheduler.inbox);
    bool has_come = steps_before_signal < 0;
    deliver_all(scheduler.inbox);
    deliver_all(scheduler.inbox);
    if (has_come) {
        CHECK_EQ(ptk_event_counter_take(&counter), 2);
    }
    ptk_signaler_close(signaler);
    ptk_signaler_unref(signaler);
    ptk_inbox_unref(scheduler.inbox);
    return has_come;
}

TEST(p50_signal_at_each_point_of_a_delivery_is_counted) {
    int points = 0;
    while (signal_at(points)) {
        points++;
    }
    CHECK(points >= 2);
}
