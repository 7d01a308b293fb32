/* SPDX-License-Identifier: MIT */
/*
 * ptk's place among the handlers of a signal (layer 0): dispositions of the process that other libraries,
 * other copies of this one and the program change too.
 *
 * An earlier handler still runs, after ptk's. A later one is never removed: what is restored is only what ptk
 * itself has replaced. Calls for one signal must not overlap; the signal table's lock sees to it.
 */
#pragma once

#define PTK_SIGNAL_CHAIN_NUMBERS 128

/* Has `deliver` called with the number at each arrival of a signal, from a signal handler. Returns 0 or a
 * negative errno value. Does nothing if ptk's handler is in place. */
int ptk_signal_chain_install(int signal_number, void (*deliver)(int signal_number));

/* Ends that, and restores the earlier disposition if ptk's handler is the current one. Otherwise a later
 * handler stays, and may go on calling ptk's. */
void ptk_signal_chain_remove(int signal_number);
