/* SPDX-License-Identifier: MIT */
#include <ptk_test.h>

#include "base/ptk_signal_table.h"
#include "base/ptk_thread.h"
#include "ptk_test_faults.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static ptk_inbox_t *create_inbox(void) {
    int os_err = 0;
    ptk_inbox_t *inbox = ptk_inbox_create(&os_err);
    CHECK(inbox != NULL);
    return inbox;
}

static struct sigaction disposition(int signal_number) {
    struct sigaction action;
    CHECK_EQ(sigaction(signal_number, NULL, &action), 0);
    return action;
}

/* Drains the inbox; returns the count of `subscription`; `nodes_out` receives the number of nodes. */
static uint32_t drain(ptk_inbox_t *inbox, const ptk_signal_subscription_t *subscription, size_t *nodes_out) {
    uint32_t arrivals = 0;
    *nodes_out = 0;
    ptk_inbox_node_t *next;
    for (ptk_inbox_node_t *node = ptk_inbox_drain(inbox); node; node = next) {
        next = node->next;
        ptk_inbox_node_dequeued(node);
        ptk_signal_subscription_t *owner = (ptk_signal_subscription_t *) (void *) node;
        uint32_t count = (uint32_t) atomic_exchange(&owner->count, 0);
        arrivals += owner == subscription ? count : 0;
        (*nodes_out)++;
    }
    return arrivals;
}

static void check_arrivals(ptk_inbox_t *inbox, const ptk_signal_subscription_t *subscription,
                           uint32_t expected) {
    size_t nodes;
    CHECK_EQ(drain(inbox, subscription, &nodes), expected);
    CHECK_EQ(nodes, expected ? 1 : 0);
}

TEST(p53_a_burst_reaches_every_inbox_and_none_is_lost) {
    ptk_inbox_t *inboxes[2] = {create_inbox(), create_inbox()};
    ptk_signal_subscription_t first;
    ptk_signal_subscription_t second;
    ptk_signal_subscription_t other;
    CHECK_OK(ptk_signal_subscribe(&first, inboxes[0], SIGUSR1));
    CHECK_OK(ptk_signal_subscribe(&second, inboxes[1], SIGUSR1));
    CHECK_OK(ptk_signal_subscribe(&other, inboxes[1], SIGUSR2));
    for (int i = 0; i < 1000; i++) {
        raise(SIGUSR1);
    }
    check_arrivals(inboxes[0], &first, 1000);
    check_arrivals(inboxes[1], &second, 1000);
    raise(SIGUSR2);
    check_arrivals(inboxes[0], &first, 0);
    check_arrivals(inboxes[1], &other, 1);
    ptk_signal_unsubscribe(&first);
    raise(SIGUSR1);
    check_arrivals(inboxes[0], &first, 0);
    check_arrivals(inboxes[1], &second, 1);
    ptk_signal_unsubscribe(&second);
    ptk_signal_unsubscribe(&other);
    ptk_inbox_unref(inboxes[0]);
    ptk_inbox_unref(inboxes[1]);
}

static void earlier_handler(int signal_number) {
    (void) signal_number;
}

TEST(signal_disposition_is_restored_by_the_last_unsubscribe) {
    ptk_inbox_t *inbox = create_inbox();
    ptk_signal_subscription_t first;
    ptk_signal_subscription_t second;
    struct sigaction before = {.sa_handler = earlier_handler, .sa_flags = SA_NODEFER};
    CHECK_EQ(sigaction(SIGUSR1, &before, NULL), 0);
    CHECK_OK(ptk_signal_subscribe(&first, inbox, SIGUSR1));
    CHECK(disposition(SIGUSR1).sa_handler != earlier_handler);
    CHECK(disposition(SIGUSR1).sa_flags & SA_RESTART);
    CHECK_OK(ptk_signal_subscribe(&second, inbox, SIGUSR1));
    ptk_signal_unsubscribe(&first);
    CHECK(disposition(SIGUSR1).sa_handler != earlier_handler);
    ptk_signal_unsubscribe(&second);
    CHECK(disposition(SIGUSR1).sa_handler == earlier_handler);
    CHECK(disposition(SIGUSR1).sa_flags & SA_NODEFER);
    ptk_inbox_unref(inbox);
}

TEST(signal_that_cannot_be_caught_is_refused) {
    static const int numbers[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                  0,       -1,      65,      127,    128,    1 << 30};
    ptk_inbox_t *inbox = create_inbox();
    ptk_signal_subscription_t subscription;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        CHECK_ERR(ptk_signal_subscribe(&subscription, inbox, numbers[i]), PTK_ERR_INVALID_PARAM);
    }
    CHECK_EQ(inbox->references, 1);
    ptk_inbox_unref(inbox);
}

TEST(signal_table_that_is_full_refuses_and_recovers) {
    enum { SLOTS = 1024 };
    static ptk_signal_subscription_t subscriptions[SLOTS];
    ptk_inbox_t *inbox = create_inbox();
    ptk_signal_subscription_t one_more;
    size_t nodes;
    for (int i = 0; i < SLOTS; i++) {
        CHECK_OK(ptk_signal_subscribe(&subscriptions[i], inbox, SIGUSR1));
    }
    CHECK_ERR(ptk_signal_subscribe(&one_more, inbox, SIGUSR1), PTK_ERR_NO_RESOURCES);
    raise(SIGUSR1);
    drain(inbox, NULL, &nodes);
    CHECK_EQ(nodes, SLOTS);
    ptk_signal_unsubscribe(&subscriptions[500]);
    CHECK_OK(ptk_signal_subscribe(&one_more, inbox, SIGUSR2));
    CHECK_EQ(one_more.slot, 500);
    ptk_signal_unsubscribe(&one_more);
    for (int i = 0; i < SLOTS; i++) {
        if (i != 500) {
            ptk_signal_unsubscribe(&subscriptions[i]);
        }
    }
    CHECK_EQ(inbox->references, 1);
    ptk_inbox_unref(inbox);
}

TEST(signal_count_saturates) {
    ptk_inbox_t *inbox = create_inbox();
    ptk_signal_subscription_t subscription;
    CHECK_OK(ptk_signal_subscribe(&subscription, inbox, SIGUSR1));
    subscription.count = UINT32_MAX - 1;
    for (int i = 0; i < 3; i++) {
        raise(SIGUSR1);
    }
    check_arrivals(inbox, &subscription, UINT32_MAX);
    ptk_signal_unsubscribe(&subscription);
    ptk_inbox_unref(inbox);
}

static int64_t spoiling_kick(ptk_sys_call_t *call) {
    errno = EXDEV;
    return ptk_sys_call_below(call);
}

TEST(signal_handler_leaves_errno) {
    ptk_interceptor_t interceptor = {.hooks = {[PTK_SYS_wake_kick] = spoiling_kick}};
    ptk_signal_subscription_t subscription;
    ptk_intercept(&interceptor);
    ptk_inbox_t *inbox = create_inbox();
    CHECK_OK(ptk_signal_subscribe(&subscription, inbox, SIGUSR1));
    CHECK(ptk_inbox_prepare_sleep(inbox));
    errno = 4711;
    raise(SIGUSR1);
    CHECK_EQ(errno, 4711);
    ptk_intercept_end();
    check_arrivals(inbox, &subscription, 1);
    ptk_signal_unsubscribe(&subscription);
    ptk_inbox_unref(inbox);
}

TEST(signal_that_the_system_refuses_leaves_nothing_p55) {
    ptk_inbox_t *inbox = create_inbox();
    ptk_signal_subscription_t subscription;
    struct sigaction before = disposition(SIGUSR1);
    ptk_test_faults_install();
    ptk_test_fault(PTK_SYS_signal_action, 1, EINVAL, PTK_TEST_ONCE);
    CHECK_ERR(ptk_signal_subscribe(&subscription, inbox, SIGUSR1), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(ptk_get_os_err(), EINVAL);
    CHECK_EQ(inbox->references, 1);
    CHECK_OK(ptk_signal_subscribe(&subscription, inbox, SIGUSR1));
    CHECK_EQ(subscription.slot, 0);
    ptk_signal_unsubscribe(&subscription);
    ptk_test_faults_remove();
    CHECK(disposition(SIGUSR1).sa_handler == before.sa_handler);
    ptk_inbox_unref(inbox);
}

static atomic_bool hit_stop;

/* Receives signals all the time, in a thread of its own. */
static void *receive_signals(void *argument) {
    (void) argument;
    while (!atomic_load(&hit_stop)) {
        raise(SIGUSR1);
    }
    return NULL;
}

/* Frees the subscription right after unsubscribe. A handler that still uses it is found by the sanitizers, or
   by the check of the count, to which the handler would have written. */
TEST(p63_unsubscribe_waits_for_handlers_on_other_threads) {
    ptk_inbox_t *inbox = create_inbox();
    ptk_signal_subscription_t always;
    pthread_t thread;
    size_t nodes;
    CHECK_OK(ptk_signal_subscribe(&always, inbox, SIGUSR1));
    CHECK_EQ(pthread_create(&thread, NULL, receive_signals, NULL), 0);
    ptk_test_rounds_t rounds = {.least = 20, .most = 3000};
    for (unsigned i = 0; ptk_test_round(&rounds, i); i++) {
        ptk_signal_subscription_t *brief = malloc(sizeof *brief);
        CHECK(brief != NULL);
        CHECK_OK(ptk_signal_subscribe(brief, inbox, SIGUSR1));
        sched_yield();
        ptk_signal_unsubscribe(brief);
        drain(inbox, brief, &nodes);
        memset(brief, 0, sizeof *brief);
        sched_yield();
        CHECK_EQ(atomic_load(&brief->count), 0);
        free(brief);
    }
    atomic_store(&hit_stop, true);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ptk_signal_unsubscribe(&always);
    ptk_inbox_unref(inbox);
}

/* --- a handler that is held up in the kick of an inbox that sleeps --- */

static atomic_bool handler_is_inside;
static atomic_bool handler_has_left;
static atomic_bool call_has_returned;

/* Stays in the handler until the call that must wait for it has returned without waiting, or after many
 * turns. */
static int64_t stay_in_kick(ptk_sys_call_t *call) {
    (void) call;
    atomic_store(&handler_is_inside, true);
    for (int turns = 0; turns < 100 && !atomic_load(&call_has_returned); turns++) {
        sched_yield();
    }
    atomic_store(&handler_has_left, true);
    return 0;
}

static void *run_handler(void *argument) {
    ptk_interceptor_t interceptor = {.hooks = {[PTK_SYS_wake_kick] = stay_in_kick}};
    (void) argument;
    ptk_intercept(&interceptor);
    ptk_signal_arrives(SIGUSR1, NULL);
    ptk_intercept_end();
    return NULL;
}

static void start_handler(pthread_t *thread) {
    CHECK_EQ(pthread_create(thread, NULL, run_handler, NULL), 0);
    while (!atomic_load(&handler_is_inside)) {
        sched_yield();
    }
}

static void check_handler_has_left(pthread_t thread) {
    bool has_left = atomic_load(&handler_has_left);
    atomic_store(&call_has_returned, true);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(has_left);
}

TEST(p63_unsubscribe_returns_after_the_handler_that_uses_the_subscription) {
    ptk_interceptor_t interceptor = {0};
    ptk_signal_subscription_t subscription;
    pthread_t thread;
    size_t nodes;
    ptk_intercept(&interceptor); /* the inbox uses the table of the thread that created it */
    ptk_inbox_t *inbox = create_inbox();
    CHECK_OK(ptk_signal_subscribe(&subscription, inbox, SIGUSR1));
    CHECK(ptk_inbox_prepare_sleep(inbox));
    start_handler(&thread);
    ptk_signal_unsubscribe(&subscription);
    check_handler_has_left(thread);
    CHECK_EQ(drain(inbox, &subscription, &nodes), 1);
    ptk_inbox_unref(inbox);
    ptk_intercept_end();
}

static pthread_t thread_of_refusal;

static int64_t refuse_beside_a_handler(ptk_sys_call_t *call) {
    (void) call;
    start_handler(&thread_of_refusal);
    return -EINVAL;
}

TEST(p63_refused_subscribe_returns_after_the_handler_that_uses_the_subscription) {
    ptk_interceptor_t interceptor = {.hooks = {[PTK_SYS_signal_action] = refuse_beside_a_handler}};
    ptk_signal_subscription_t subscription;
    size_t nodes;
    ptk_intercept(&interceptor);
    ptk_inbox_t *inbox = create_inbox();
    CHECK(ptk_inbox_prepare_sleep(inbox));
    CHECK_ERR(ptk_signal_subscribe(&subscription, inbox, SIGUSR1), PTK_ERR_INVALID_PARAM);
    check_handler_has_left(thread_of_refusal);
    CHECK_EQ(drain(inbox, &subscription, &nodes), 1);
    ptk_inbox_unref(inbox);
    ptk_intercept_end();
}

static void *subscribe_often(void *argument) {
    ptk_inbox_t *inbox = argument;
    for (int i = 0; i < 1000; i++) {
        ptk_signal_subscription_t subscription;
        size_t nodes;
        CHECK_OK(ptk_signal_subscribe(&subscription, inbox, SIGUSR1 + i % 2 * (SIGUSR2 - SIGUSR1)));
        ptk_signal_unsubscribe(&subscription);
        drain(inbox, &subscription, &nodes);
    }
    return NULL;
}

TEST(signal_table_from_several_threads) {
    pthread_t threads[3];
    ptk_inbox_t *inboxes[3];
    struct sigaction before = disposition(SIGUSR1);
    for (int i = 0; i < 3; i++) {
        inboxes[i] = create_inbox();
        CHECK_EQ(pthread_create(&threads[i], NULL, subscribe_often, inboxes[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(inboxes[i]->references, 1);
        ptk_inbox_unref(inboxes[i]);
    }
    CHECK(disposition(SIGUSR1).sa_handler == before.sa_handler);
}

static void die_of_the_signal(void *argument) {
    ptk_signal_subscription_t *subscription = argument;
    CHECK(disposition(SIGTERM).sa_handler == SIG_DFL);
    ptk_signal_unsubscribe(subscription);
    ptk_signal_subscription_t own;
    ptk_inbox_t *inbox = create_inbox();
    CHECK_OK(ptk_signal_subscribe(&own, inbox, SIGTERM));
    raise(SIGTERM);
    check_arrivals(inbox, &own, 1);
    ptk_signal_unsubscribe(&own);
    raise(SIGTERM);
}

TEST(p52_a_forked_child_has_the_earlier_dispositions) {
    ptk_inbox_t *inbox = create_inbox();
    ptk_signal_subscription_t subscription;
    char output[1000];
    signal(SIGTERM, SIG_DFL);
    CHECK_OK(ptk_signal_subscribe(&subscription, inbox, SIGTERM));
    int status = ptk_test_in_child(die_of_the_signal, &subscription, output, sizeof output);
    CHECK_STR(output, "");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    raise(SIGTERM);
    check_arrivals(inbox, &subscription, 1);
    ptk_signal_unsubscribe(&subscription);
    ptk_inbox_unref(inbox);
}
