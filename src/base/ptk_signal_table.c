/* SPDX-License-Identifier: MIT */
/*
 * Signals: one table of slots for the whole process, each empty or pointing at a subscription.
 *
 * The one handler walks the slots; for every subscription of its signal it counts up and pushes the node. It
 * takes no lock, so it may interrupt anything, also subscribe and unsubscribe. Those two exclude each other
 * by a spin lock that is held for some system calls at most.
 *
 * A handler on another thread may have read a slot just before it was emptied. Handlers count themselves in
 * `handlers_running`, before they read a slot; whoever empties one waits until that count has been 0 once.
 * From then on nobody looks at the subscription. A handler is a few hundred instructions, so the wait is
 * short.
 *
 * A forked child has nobody who waits for signals: it puts the earlier dispositions back and forgets all
 * subscriptions, or it would swallow a SIGTERM that was meant to end it.
 */
#include "base/ptk_signal_table.h"

#include "base/ptk_thread.h"
#include <errno.h>
#include <signal.h>

#define SLOTS   1024
#define SIGNALS 128

typedef _Atomic(ptk_signal_subscription_t *) slot_t;

static slot_t slots[SLOTS];
static atomic_uint slots_used; /* slots beyond were never taken */
static atomic_int handlers_running;
static atomic_flag lock = ATOMIC_FLAG_INIT;

/* Under the lock: how many subscribed to each signal, and what was there before the first. Simulated hosts do
 * not count: no real signal is for them. */
static struct {
    uint32_t subscriptions;
    struct sigaction earlier;
} signals[SIGNALS];

static void take_lock(void) {
    while (atomic_flag_test_and_set(&lock)) {
        ptk_sys_real.thread_yield();
    }
}

static void give_lock(void) {
    atomic_flag_clear(&lock);
}

static void count_up(ptk_signal_subscription_t *subscription) {
    uint_least32_t count = atomic_load(&subscription->count);
    while (count < UINT32_MAX && !atomic_compare_exchange_weak(&subscription->count, &count, count + 1)) {
    }
}

void ptk_signal_arrives(int signal_number, const struct ptk_sim_kernel *kernel) {
    atomic_fetch_add(&handlers_running, 1);
    unsigned used = atomic_load(&slots_used);
    for (unsigned i = 0; i < used; i++) {
        ptk_signal_subscription_t *subscription = atomic_load(&slots[i]);
        if (subscription && subscription->signal_number == signal_number && subscription->kernel == kernel) {
            count_up(subscription);
            ptk_inbox_push(subscription->inbox, &subscription->node);
        }
    }
    atomic_fetch_sub(&handlers_running, 1);
}

/* Real signals are for real threads, also where one of them plays a simulated host just now. */
static void on_signal(int signal_number) {
    int saved_errno = errno;
    ptk_signal_arrives(signal_number, NULL);
    errno = saved_errno;
}

static void await_handlers(void) {
    while (atomic_load(&handlers_running) != 0) {
        ptk_sys_real.thread_yield();
    }
}

static void forget_all(void) {
    for (int number = 1; number < SIGNALS; number++) {
        if (signals[number].subscriptions) {
            ptk_sys_real.signal_action(number, &signals[number].earlier, NULL);
            signals[number].subscriptions = 0;
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        atomic_store(&slots[i], NULL);
    }
    atomic_store(&handlers_running, 0);
    give_lock();
}

/* Under the lock. */
static void watch_forks(void) {
    static bool watching;
    if (!watching) {
        watching = ptk_sys_real.at_fork_child(forget_all) == 0;
    }
}

/* A handler that returns from one of these comes back to the same fault; the others cannot be caught at all,
   which the system knows better. */
static bool can_be_heard(int signal_number) {
    switch (signal_number) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
        return false;
    default:
        return signal_number > 0 && signal_number < SIGNALS;
    }
}

/* Under the lock: an empty slot's number, SLOTS if there is none. */
static uint32_t find_empty_slot(void) {
    uint32_t slot = 0;
    while (slot < SLOTS && atomic_load(&slots[slot])) {
        slot++;
    }
    return slot;
}

static int install(int signal_number) {
    /* On the alternate stack if there is one: a green thread's stack may be too small for a signal frame. */
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    return ptk_sys()->signal_action(signal_number, &action, &signals[signal_number].earlier);
}

/* Under the lock. The slot is filled first, so that no arrival falls between the handler and the slot. */
static int enter(ptk_signal_subscription_t *subscription) {
    uint32_t slot = find_empty_slot();
    if (slot == SLOTS) {
        return -ENOSPC;
    }
    subscription->slot = slot;
    atomic_store(&slots[slot], subscription);
    if (atomic_load(&slots_used) <= slot) {
        atomic_store(&slots_used, slot + 1);
    }
    bool is_first = signals[subscription->signal_number].subscriptions == 0;
    int result = is_first || subscription->kernel ? install(subscription->signal_number) : 0;
    if (result < 0) {
        atomic_store(&slots[slot], NULL);
        return result;
    }
    signals[subscription->signal_number].subscriptions += subscription->kernel ? 0 : 1;
    return 0;
}

ptk_err ptk_signal_subscribe(ptk_signal_subscription_t *subscription, ptk_inbox_t *inbox, int signal_number) {
    if (!can_be_heard(signal_number)) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    subscription->signal_number = signal_number;
    subscription->inbox = inbox;
    subscription->kernel = ptk_thread()->kernel;
    subscription->node.next = NULL;
    atomic_init(&subscription->node.queued, false);
    atomic_init(&subscription->count, 0);
    ptk_inbox_ref(inbox);
    take_lock();
    watch_forks();
    int result = enter(subscription);
    give_lock();
    if (result < 0) {
        await_handlers();
        ptk_inbox_unref(inbox);
        return ptk_fail_errno(result);
    }
    return PTK_OK;
}

/* Under the lock. A child that was forked meanwhile has forgotten the subscription already. */
static void leave(const ptk_signal_subscription_t *subscription) {
    int number = subscription->signal_number;
    if (atomic_load(&slots[subscription->slot]) != subscription) {
        return;
    }
    if (!subscription->kernel && --signals[number].subscriptions == 0) {
        ptk_sys()->signal_action(number, &signals[number].earlier, NULL);
    }
    atomic_store(&slots[subscription->slot], NULL);
}

void ptk_signal_unsubscribe(ptk_signal_subscription_t *subscription) {
    take_lock();
    leave(subscription);
    give_lock();
    await_handlers();
    ptk_inbox_unref(subscription->inbox);
}
