/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>

#include "base/ptk_inbox.h"
#include "base/ptk_thread.h"
#include "ptk_test_faults.h"
#include <errno.h>
#include <poll.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* A consumer that sleeps longer than this has lost its wake. */
#define LOST_AFTER_NS INT64_C(20000000000)

typedef struct message {
    ptk_inbox_node_t node;
    int sender;
    int number; /* plain memory: a write before the push must be visible to the consumer */
    atomic_uint count;
} message_t;

static ptk_inbox_t *create_inbox(void) {
    int os_err = 0;
    ptk_inbox_t *inbox = ptk_inbox_create(&os_err);
    CHECK(inbox != NULL);
    return inbox;
}

static bool is_awake_readable(const ptk_inbox_t *inbox, int64_t timeout_ns) {
    struct pollfd entry = {.fd = (int) inbox->wake, .events = POLLIN};
    return ptk_sys_real.poll(&entry, 1, timeout_ns) == 1;
}

/* Sleeps like a loop without a runnable green thread. */
static void sleep_unless_queued(ptk_inbox_t *inbox) {
    if (!ptk_inbox_prepare_sleep(inbox)) {
        return;
    }
    if (!is_awake_readable(inbox, LOST_AFTER_NS)) {
        ptk_test_failed(__FILE__, __LINE__, "a wake was lost");
    }
    CHECK_EQ(ptk_sys_real.wake_drain(inbox->wake), 0);
    ptk_inbox_end_sleep(inbox);
}

TEST(inbox_gives_nodes_in_the_order_of_pushing) {
    ptk_inbox_t *inbox = create_inbox();
    ptk_inbox_node_t nodes[3] = {{.next = NULL}};
    CHECK(!ptk_inbox_has_some(inbox));
    CHECK(ptk_inbox_drain(inbox) == NULL);
    for (int i = 0; i < 3; i++) {
        CHECK(ptk_inbox_push(inbox, &nodes[i]));
        CHECK(ptk_inbox_has_some(inbox));
    }
    ptk_inbox_node_t *node = ptk_inbox_drain(inbox);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(node, &nodes[i]);
        node = node->next;
    }
    CHECK(node == NULL && !ptk_inbox_has_some(inbox));
    ptk_inbox_unref(inbox);
}

TEST(inbox_queues_a_node_once) {
    ptk_inbox_t *inbox = create_inbox();
    ptk_inbox_node_t node = {.next = NULL};
    CHECK(ptk_inbox_push(inbox, &node) && ptk_inbox_push(inbox, &node));
    CHECK_EQ(ptk_inbox_drain(inbox), &node);
    CHECK(node.next == NULL);
    CHECK(ptk_inbox_push(inbox, &node)); /* drained, but still marked queued */
    CHECK(ptk_inbox_drain(inbox) == NULL);
    ptk_inbox_node_dequeued(&node);
    CHECK(ptk_inbox_push(inbox, &node));
    CHECK_EQ(ptk_inbox_drain(inbox), &node);
    ptk_inbox_unref(inbox);
}

TEST(inbox_kicks_only_a_sleeper_and_only_once) {
    ptk_inbox_node_t nodes[3] = {{.next = NULL}};
    ptk_test_faults_install();
    ptk_inbox_t *inbox = create_inbox();
    ptk_inbox_push(inbox, &nodes[0]);
    CHECK_EQ(ptk_test_fault_calls(PTK_SYS_wake_kick), 0);
    CHECK(!ptk_inbox_prepare_sleep(inbox));
    ptk_inbox_drain(inbox);
    CHECK(ptk_inbox_prepare_sleep(inbox));
    ptk_inbox_push(inbox, &nodes[1]);
    ptk_inbox_push(inbox, &nodes[2]);
    CHECK_EQ(ptk_test_fault_calls(PTK_SYS_wake_kick), 1);
    CHECK(is_awake_readable(inbox, 0));
    ptk_inbox_end_sleep(inbox);
    ptk_inbox_unref(inbox);
    ptk_test_faults_remove();
}

TEST(inbox_bare_kick_ends_or_prevents_one_sleep) {
    ptk_inbox_t *inbox = create_inbox();
    CHECK(ptk_inbox_prepare_sleep(inbox));
    ptk_inbox_kick(inbox);
    CHECK(is_awake_readable(inbox, 0));
    ptk_sys_real.wake_drain(inbox->wake);
    ptk_inbox_end_sleep(inbox);
    CHECK(!ptk_inbox_has_some(inbox));
    CHECK(ptk_inbox_prepare_sleep(inbox));
    ptk_inbox_end_sleep(inbox);
    ptk_inbox_kick(inbox); /* while awake */
    CHECK(!ptk_inbox_prepare_sleep(inbox));
    CHECK(ptk_inbox_prepare_sleep(inbox));
    ptk_inbox_end_sleep(inbox);
    ptk_inbox_unref(inbox);
}

TEST(inbox_closed_refuses_nodes_and_returns_the_queued_ones) {
    ptk_inbox_t *inbox = create_inbox();
    ptk_inbox_node_t nodes[3] = {{.next = NULL}};
    ptk_inbox_push(inbox, &nodes[0]);
    ptk_inbox_push(inbox, &nodes[1]);
    ptk_inbox_close(inbox);
    ptk_inbox_close(inbox);
    CHECK(!ptk_inbox_push(inbox, &nodes[2]));
    CHECK(!atomic_load(&nodes[2].queued));
    CHECK(!ptk_inbox_push(inbox, &nodes[0])); /* queued, and the close is reported nevertheless */
    CHECK(!ptk_inbox_has_some(inbox));
    CHECK_EQ(ptk_inbox_drain(inbox), &nodes[0]);
    CHECK_EQ(nodes[0].next, &nodes[1]);
    CHECK(nodes[1].next == NULL);
    CHECK(ptk_inbox_drain(inbox) == NULL);
    ptk_inbox_unref(inbox);
}

TEST(inbox_lives_as_long_as_its_references) {
    ptk_inbox_t *inbox = create_inbox();
    ptk_inbox_node_t node = {.next = NULL};
    ptk_inbox_ref(inbox);
    ptk_inbox_close(inbox);
    ptk_inbox_unref(inbox);
    CHECK(!ptk_inbox_push(inbox, &node));
    ptk_inbox_kick(inbox);
    ptk_inbox_unref(inbox);
}

TEST(inbox_begins_at_a_cache_line) {
    ptk_inbox_t *inbox = create_inbox();
    CHECK_EQ((uintptr_t) inbox % 64, 0);
    ptk_inbox_unref(inbox);
}

TEST(inbox_create_reports_what_ran_out_p55) {
    int os_err = 0;
    ptk_test_faults_install();
    ptk_test_fault(PTK_SYS_heap_reallocate, 1, 0, PTK_TEST_ONCE);
    CHECK(ptk_inbox_create(&os_err) == NULL);
    CHECK_EQ(os_err, ENOMEM);
    ptk_test_fault(PTK_SYS_wake_open, 1, EMFILE, PTK_TEST_ONCE);
    CHECK(ptk_inbox_create(&os_err) == NULL);
    CHECK_EQ(os_err, EMFILE);
    ptk_test_faults_remove();
}

/* --- several threads ------------------------------------------------------------------------------------ */

#define SENDERS 3

typedef struct sender {
    pthread_t thread;
    ptk_inbox_t *inbox;
    int number;
    int messages;
    message_t *own;    /* messages that are pushed once each */
    message_t *shared; /* a message that all threads push repeatedly */
} sender_t;

static void *send_messages(void *argument) {
    sender_t *sender = argument;
    ptk_test_rounds_t yields = {.most = UINT_MAX};
    for (int i = 0; i < sender->messages; i++) {
        message_t *message = &sender->own[i];
        message->sender = sender->number;
        message->number = i;
        CHECK(ptk_inbox_push(sender->inbox, &message->node));
        atomic_fetch_add_explicit(&sender->shared->count, 1, memory_order_relaxed);
        CHECK(ptk_inbox_push(sender->inbox, &sender->shared->node));
        if (i % 7 == 0 && ptk_test_round(&yields, (unsigned) i)) {
            sched_yield();
        }
    }
    ptk_inbox_unref(sender->inbox);
    return NULL;
}

/* Every message of a sender arrives once and in the order of sending; no count of the shared one is lost. */
TEST(p50_no_message_and_no_wake_is_lost) {
    sender_t senders[SENDERS];
    message_t shared = {.sender = SENDERS};
    int expected[SENDERS] = {0};
    const int messages = ptk_test_is_long() ? 1000000 : 20000;
    int left = SENDERS * messages;
    unsigned counted = 0;
    ptk_inbox_t *inbox = create_inbox();
    for (int i = 0; i < SENDERS; i++) {
        message_t *own = calloc((size_t) messages, sizeof *own);
        CHECK(own != NULL);
        senders[i] =
            (sender_t) {.inbox = inbox, .number = i, .messages = messages, .own = own, .shared = &shared};
        ptk_inbox_ref(inbox);
        CHECK_EQ(pthread_create(&senders[i].thread, NULL, send_messages, &senders[i]), 0);
    }
    while (left > 0 || counted < (unsigned) (SENDERS * messages)) {
        ptk_inbox_node_t *next;
        for (ptk_inbox_node_t *node = ptk_inbox_drain(inbox); node; node = next) {
            message_t *message = (message_t *) (void *) node;
            next = node->next;
            ptk_inbox_node_dequeued(node);
            if (message == &shared) {
                counted += atomic_exchange_explicit(&shared.count, 0, memory_order_relaxed);
                continue;
            }
            CHECK_EQ(message->number, expected[message->sender]++);
            left--;
        }
        if (left > 0 || counted < (unsigned) (SENDERS * messages)) {
            sleep_unless_queued(inbox);
        }
    }
    for (int i = 0; i < SENDERS; i++) {
        CHECK_EQ(pthread_join(senders[i].thread, NULL), 0);
        free(senders[i].own);
    }
    CHECK_EQ(counted, SENDERS * messages);
    ptk_inbox_unref(inbox);
}

typedef struct echo {
    ptk_inbox_t *inboxes[2];
    message_t ball;
    int rounds;
} echo_t;

/* Waits for the ball in the inbox of this side and pushes it to the other side's. */
static void play(echo_t *echo, int side) {
    for (int i = 0; i < echo->rounds; i++) {
        ptk_inbox_node_t *node;
        while ((node = ptk_inbox_drain(echo->inboxes[side])) == NULL) {
            sleep_unless_queued(echo->inboxes[side]);
        }
        ptk_inbox_node_dequeued(node);
        CHECK_EQ(echo->ball.number++ % 2, side);
        CHECK(ptk_inbox_push(echo->inboxes[1 - side], node));
    }
}

static void *play_second(void *argument) {
    play(argument, 1);
    return NULL;
}

/* Each side goes to sleep at the time at which the other one pushes. */
TEST(p50_ping_pong_across_the_sleep) {
    echo_t echo = {.inboxes = {create_inbox(), create_inbox()}, .rounds = 10000};
    pthread_t thread;
    CHECK(ptk_inbox_push(echo.inboxes[0], &echo.ball.node));
    CHECK_EQ(pthread_create(&thread, NULL, play_second, &echo), 0);
    play(&echo, 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(echo.ball.number, 20000);
    ptk_inbox_unref(echo.inboxes[0]);
    ptk_inbox_unref(echo.inboxes[1]);
}

typedef struct stopper {
    ptk_inbox_t *inbox;
    atomic_bool flag;
    atomic_bool is_over;
} stopper_t;

static void *raise_flag(void *argument) {
    stopper_t *stopper = argument;
    ptk_test_rounds_t rounds = {.least = 20, .most = 5000};
    for (unsigned i = 0; ptk_test_round(&rounds, i); i++) {
        atomic_store(&stopper->flag, true);
        ptk_inbox_kick(stopper->inbox);
        while (atomic_load(&stopper->flag)) {
            sched_yield();
        }
    }
    atomic_store(&stopper->is_over, true);
    ptk_inbox_kick(stopper->inbox);
    return NULL;
}

TEST(p50_no_bare_kick_is_lost) {
    stopper_t stopper = {.inbox = create_inbox()};
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, raise_flag, &stopper), 0);
    while (!atomic_load(&stopper.is_over)) {
        if (atomic_load(&stopper.flag)) {
            atomic_store(&stopper.flag, false);
        } else {
            sleep_unless_queued(stopper.inbox);
        }
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ptk_inbox_unref(stopper.inbox);
}

static void *push_until_closed(void *argument) {
    sender_t *sender = argument;
    while (sender->messages < 1000000 &&
           ptk_inbox_push(sender->inbox, &sender->own[sender->messages % 64].node)) {
        sender->messages++;
    }
    ptk_inbox_unref(sender->inbox);
    return NULL;
}

/* The inbox is closed while others push: holders of a reference find it closed, and nothing is queued later.
 */
TEST(p63_close_against_push) {
    ptk_test_rounds_t rounds = {.least = 16, .most = 300};
    for (unsigned round = 0; ptk_test_round(&rounds, round); round++) {
        message_t own[64] = {{.sender = 0}};
        sender_t sender = {.inbox = create_inbox(), .own = own};
        ptk_inbox_t *inbox = sender.inbox;
        ptk_inbox_ref(inbox);
        CHECK_EQ(pthread_create(&sender.thread, NULL, push_until_closed, &sender), 0);
        for (unsigned i = 0; i < round % 8; i++) {
            sched_yield();
        }
        ptk_inbox_close(inbox);
        for (ptk_inbox_node_t *node = ptk_inbox_drain(inbox); node; node = node->next) {
            CHECK(atomic_load(&node->queued));
        }
        CHECK(ptk_inbox_drain(inbox) == NULL);
        ptk_inbox_unref(inbox);
        CHECK_EQ(pthread_join(sender.thread, NULL), 0);
    }
}
