/* SPDX-License-Identifier: MIT */
/*
 * ptk's place among the handlers of a signal (layer 0): dispositions of the process that other libraries,
 * other copies of this one and the program change too.
 *
 * An earlier handler still runs, after ptk's. A later one is never removed: what is restored is only what ptk
 * itself has replaced. A signal may have several users, whose calls do not depend on each other.
 */
#pragma once

#define PTK_SIGNAL_CHAIN_NUMBERS 128

/* What uses signals. */
typedef enum ptk_signal_chain_user {
    PTK_SIGNAL_CHAIN_TABLE,    /* ptk_signal_table.c */
    PTK_SIGNAL_CHAIN_WATCHDOG, /* sched/ptk_watchdog.c */
    PTK_SIGNAL_CHAIN_USERS
} ptk_signal_chain_user_t;

/* `context` is the third argument of a handler (see sigaction(2)). */
typedef void (*ptk_signal_deliver_fn)(int signal_number, void *context);

/* Has `deliver` called with the number at each arrival of a signal, from a signal handler. Returns 0 or a
 * negative errno value. Does nothing if ptk's handler is in place. Any thread, not from a signal handler. */
int ptk_signal_chain_install(int signal_number, ptk_signal_chain_user_t user, ptk_signal_deliver_fn deliver);

/* Ends that, and, after the last user, restores the earlier disposition if ptk's handler is the current one.
 * Otherwise a later handler stays, and may go on calling ptk's. Any thread, not from a signal handler. */
void ptk_signal_chain_remove(int signal_number, ptk_signal_chain_user_t user);

/* Releases the lock in the child of a fork, where the thread that held it does not exist. */
void ptk_signal_chain_reset_after_fork(void);
