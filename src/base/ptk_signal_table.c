/* SPDX-License-Identifier: MIT */
/*
 * Signals: one table of slots for the whole process, each empty or pointing at a subscription.
 *
 * The one handler walks the slots; for every subscription of its signal it counts up and pushes the node. It
 * takes no lock, so it may interrupt any code, subscribe and unsubscribe included. Those two exclude each
 * other by a spin lock that is held for a few system calls at most.
 *
 * A handler on another thread may have read a slot just before the slot was emptied. Handlers add themselves
 * to `signal_handlers_running` before they read a slot; a thread that empties one waits until that count has
 * been 0 once. From then on no handler uses the subscription. All of these accesses are sequentially
 * consistent: the count must be visible before the slot is read. A handler is a few hundred instructions, so
 * the wait is short.
 *
 * A forked child has no subscriber. It restores the earlier dispositions and empties the table, or it would
 * discard a SIGTERM that was meant to end it.
 *
 * `signal_subscriptions` and the choice of a slot are guarded by the lock. Subscriptions of a host other than
 * the machine are not counted there, because no real signal is for them. The handlers of others are the
 * matter of ptk_signal_chain.c.
 */
#include "base/ptk_signal_table.h"

#include "base/ptk_assert.h"
#include "base/ptk_log_impl.h"
#include "base/ptk_signal_chain.h"
#include "base/ptk_thread.h"
#include <errno.h>
#include <signal.h>

#define SIGNAL_SLOTS 1024

typedef _Atomic(ptk_signal_subscription_t *) signal_slot_t;

static signal_slot_t signal_slots[SIGNAL_SLOTS];
static atomic_uint signal_slots_used; /* slots from this index on have never been used */
static atomic_int signal_handlers_running;
static atomic_flag signal_lock = ATOMIC_FLAG_INIT;

static uint32_t signal_subscriptions[PTK_SIGNAL_CHAIN_NUMBERS];

static void signal_take_lock(void) {
    while (atomic_flag_test_and_set(&signal_lock)) {
        ptk_sys_real.thread_yield();
    }
}

static void signal_release_lock(void) {
    atomic_flag_clear(&signal_lock);
}

/* Counts one arrival up to UINT32_MAX: a counter that wrapped to 0 would lose all of them. */
static void signal_count_up(ptk_signal_subscription_t *subscription) {
    uint_least32_t count = atomic_load(&subscription->count);
    while (count < UINT32_MAX && !atomic_compare_exchange_weak(&subscription->count, &count, count + 1)) {
    }
}

void ptk_signal_arrives(int signal_number, const void *host) {
    atomic_fetch_add(&signal_handlers_running, 1);
    unsigned used = atomic_load(&signal_slots_used);
    for (unsigned i = 0; i < used; i++) {
        ptk_signal_subscription_t *subscription = atomic_load(&signal_slots[i]);
        if (subscription && subscription->signal_number == signal_number && subscription->host == host) {
            signal_count_up(subscription);
            if (subscription->inbox) {
                ptk_inbox_push(subscription->inbox, &subscription->node);
            } else {
                subscription->notify(subscription);
            }
        }
    }
    atomic_fetch_sub(&signal_handlers_running, 1);
}

/* The host is NULL whatever the interrupted thread's block holds: a real signal is for the machine. */
static void signal_deliver(int signal_number, void *context) {
    (void) context;
    ptk_signal_arrives(signal_number, NULL);
}

static void signal_await_handlers(void) {
    while (atomic_load(&signal_handlers_running) != 0) {
        ptk_sys_real.thread_yield();
    }
}

/* Runs in the child of a fork, which has none of the threads that held the lock or ran a handler. */
static void signal_reset_after_fork(void) {
    ptk_signal_chain_reset_after_fork();
    for (int number = 1; number < PTK_SIGNAL_CHAIN_NUMBERS; number++) {
        if (signal_subscriptions[number]) {
            ptk_signal_chain_remove(number, PTK_SIGNAL_CHAIN_TABLE);
            signal_subscriptions[number] = 0;
        }
    }
    for (unsigned i = 0; i < SIGNAL_SLOTS; i++) {
        atomic_store(&signal_slots[i], NULL);
    }
    atomic_store(&signal_handlers_running, 0);
    signal_release_lock();
}

/* Registers the fork handler once. A failure is tried again at the next subscription. The caller holds the
 * lock.
 */
static void signal_watch_forks(void) {
    static bool watching;
    if (!watching) {
        watching = ptk_sys_real.at_fork_child(signal_reset_after_fork) == 0;
    }
}

/* Returns whether a handler for the signal makes sense. One that returns from a fault repeats the faulting
 * instruction. Signals that cannot be caught at all, SIGKILL for one, are refused by the system call itself.
 */
static bool signal_is_allowed(int signal_number) {
    switch (signal_number) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
        return false;
    default:
        return signal_number > 0 && signal_number < PTK_SIGNAL_CHAIN_NUMBERS;
    }
}

/* Returns the index of an empty slot, SIGNAL_SLOTS if there is none. The caller holds the lock. */
static uint32_t signal_find_slot(void) {
    uint32_t slot = 0;
    while (slot < SIGNAL_SLOTS && atomic_load(&signal_slots[slot])) {
        slot++;
    }
    return slot;
}

/* Has arrivals delivered. A host other than the machine only says whether it has such a signal. */
static int signal_install(const ptk_signal_subscription_t *subscription) {
    int number = subscription->signal_number;
    if (subscription->host) {
        const struct sigaction action = {.sa_handler = SIG_IGN};
        return ptk_sys()->signal_action(number, &action, NULL);
    }
    return signal_subscriptions[number] == 0
               ? ptk_signal_chain_install(number, PTK_SIGNAL_CHAIN_TABLE, signal_deliver)
               : 0;
}

/* Adds a subscription to the table; 0 or a negative errno value. The slot is filled before the handler is
 * installed, so that no arrival is lost between the two. The caller holds the lock. */
static int signal_insert(ptk_signal_subscription_t *subscription) {
    uint32_t slot = signal_find_slot();
    if (slot == SIGNAL_SLOTS) {
        return -ENOSPC;
    }
    subscription->slot = slot;
    atomic_store(&signal_slots[slot], subscription);
    if (atomic_load(&signal_slots_used) <= slot) {
        atomic_store(&signal_slots_used, slot + 1);
    }
    int result = signal_install(subscription);
    if (result < 0) {
        atomic_store(&signal_slots[slot], NULL);
        return result;
    }
    signal_subscriptions[subscription->signal_number] += subscription->host ? 0 : 1;
    return 0;
}

/* Subscribes with a subscription whose `inbox` or `notify` is set. */
static ptk_err signal_subscribe(ptk_signal_subscription_t *subscription, int signal_number) {
    if (!signal_is_allowed(signal_number)) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    subscription->signal_number = signal_number;
    subscription->host = ptk_thread()->host;
    subscription->node.next = NULL;
    atomic_init(&subscription->node.queued, false);
    atomic_init(&subscription->count, 0);
    signal_take_lock();
    signal_watch_forks();
    int result = signal_insert(subscription);
    signal_release_lock();
    if (result < 0) {
        signal_await_handlers(); /* one may have read the slot before it was emptied again */
        return ptk_fail_errno(result);
    }
    if (ptk_sys()->signal_is_blocked(signal_number)) {
        ptk_log(PTK_LOG_WARNING,
                "signal %d is blocked in this thread: a waitable for it gets only what other threads receive",
                signal_number);
    }
    return PTK_OK;
}

ptk_err ptk_signal_subscribe(ptk_signal_subscription_t *subscription, ptk_inbox_t *inbox, int signal_number) {
    subscription->inbox = inbox;
    subscription->notify = NULL;
    ptk_inbox_ref(inbox);
    ptk_err err = signal_subscribe(subscription, signal_number);
    if (err != PTK_OK) {
        ptk_inbox_unref(inbox);
    }
    return err;
}

ptk_err ptk_signal_subscribe_notify(ptk_signal_subscription_t *subscription,
                                    void (*notify)(ptk_signal_subscription_t *subscription),
                                    int signal_number) {
    subscription->inbox = NULL;
    subscription->notify = notify;
    return signal_subscribe(subscription, signal_number);
}

/* Removes a subscription from the table, unless a fork has emptied the table since: then the slot may already
 * belong to another one. The caller holds the lock. */
static void signal_remove(const ptk_signal_subscription_t *subscription) {
    int number = subscription->signal_number;
    ptk_assert(subscription->slot < SIGNAL_SLOTS);
    if (atomic_load(&signal_slots[subscription->slot]) != subscription) {
        return;
    }
    ptk_assert(subscription->host || signal_subscriptions[number] > 0);
    if (!subscription->host && --signal_subscriptions[number] == 0) {
        ptk_signal_chain_remove(number, PTK_SIGNAL_CHAIN_TABLE);
    }
    atomic_store(&signal_slots[subscription->slot], NULL);
}

void ptk_signal_unsubscribe(ptk_signal_subscription_t *subscription) {
    signal_take_lock();
    signal_remove(subscription);
    signal_release_lock();
    signal_await_handlers();
    if (subscription->inbox) {
        ptk_inbox_unref(subscription->inbox);
    }
}
