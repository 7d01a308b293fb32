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
 * `signal_states` and the choice of a slot are guarded by the lock. Subscriptions of a host other than the
 * machine are not counted there, because no real signal is for them.
 */
#include "base/ptk_signal_table.h"

#include "base/ptk_assert.h"
#include "base/ptk_thread.h"
#include <errno.h>
#include <signal.h>

#define SIGNAL_SLOTS   1024
#define SIGNAL_NUMBERS 128

typedef _Atomic(ptk_signal_subscription_t *) signal_slot_t;

static signal_slot_t signal_slots[SIGNAL_SLOTS];
static atomic_uint signal_slots_used; /* slots from this index on have never been used */
static atomic_int signal_handlers_running;
static atomic_flag signal_lock = ATOMIC_FLAG_INIT;

static struct {
    uint32_t subscriptions;
    struct sigaction earlier; /* the disposition before the first subscription */
} signal_states[SIGNAL_NUMBERS];

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
            ptk_inbox_push(subscription->inbox, &subscription->node);
        }
    }
    atomic_fetch_sub(&signal_handlers_running, 1);
}

/* The host is NULL whatever the interrupted thread's block holds: a real signal is for the machine. */
static void signal_handler(int signal_number) {
    int saved_errno = errno;
    ptk_signal_arrives(signal_number, NULL);
    errno = saved_errno;
}

static void signal_await_handlers(void) {
    while (atomic_load(&signal_handlers_running) != 0) {
        ptk_sys_real.thread_yield();
    }
}

/* Runs in the child of a fork, which has none of the threads that held the lock or ran a handler. */
static void signal_reset_after_fork(void) {
    for (int number = 1; number < SIGNAL_NUMBERS; number++) {
        if (signal_states[number].subscriptions) {
            ptk_sys_real.signal_action(number, &signal_states[number].earlier, NULL);
            signal_states[number].subscriptions = 0;
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
        return signal_number > 0 && signal_number < SIGNAL_NUMBERS;
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

/* The handler runs on the alternate stack if there is one: a green thread's stack may be too small for a
 * signal frame. */
static int signal_install(int signal_number) {
    const struct sigaction action = {.sa_handler = signal_handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    return ptk_sys()->signal_action(signal_number, &action, &signal_states[signal_number].earlier);
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
    bool is_first = signal_states[subscription->signal_number].subscriptions == 0;
    int result = is_first || subscription->host ? signal_install(subscription->signal_number) : 0;
    if (result < 0) {
        atomic_store(&signal_slots[slot], NULL);
        return result;
    }
    signal_states[subscription->signal_number].subscriptions += subscription->host ? 0 : 1;
    return 0;
}

ptk_err ptk_signal_subscribe(ptk_signal_subscription_t *subscription, ptk_inbox_t *inbox, int signal_number) {
    if (!signal_is_allowed(signal_number)) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    subscription->signal_number = signal_number;
    subscription->inbox = inbox;
    subscription->host = ptk_thread()->host;
    subscription->node.next = NULL;
    atomic_init(&subscription->node.queued, false);
    atomic_init(&subscription->count, 0);
    ptk_inbox_ref(inbox);
    signal_take_lock();
    signal_watch_forks();
    int result = signal_insert(subscription);
    signal_release_lock();
    if (result < 0) {
        signal_await_handlers(); /* one may have read the slot before it was emptied again */
        ptk_inbox_unref(inbox);
        return ptk_fail_errno(result);
    }
    return PTK_OK;
}

/* Removes a subscription from the table, unless a fork has emptied the table since: then the slot may already
 * belong to another one. The caller holds the lock. */
static void signal_remove(const ptk_signal_subscription_t *subscription) {
    int number = subscription->signal_number;
    ptk_assert(subscription->slot < SIGNAL_SLOTS);
    if (atomic_load(&signal_slots[subscription->slot]) != subscription) {
        return;
    }
    ptk_assert(subscription->host || signal_states[number].subscriptions > 0);
    if (!subscription->host && --signal_states[number].subscriptions == 0) {
        ptk_sys()->signal_action(number, &signal_states[number].earlier, NULL);
    }
    atomic_store(&signal_slots[subscription->slot], NULL);
}

void ptk_signal_unsubscribe(ptk_signal_subscription_t *subscription) {
    signal_take_lock();
    signal_remove(subscription);
    signal_release_lock();
    signal_await_handlers();
    ptk_inbox_unref(subscription->inbox);
}
