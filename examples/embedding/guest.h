/* SPDX-License-Identifier: MIT */
/**
 * @file guest.h
 * What the event loops of this folder run beside their own work: a ptk echo server on a free port of
 * 127.0.0.1, and clients of it, which sleep between their messages. The server ends after the last client.
 */
#pragma once

#include <ptk.h>

/** How often the timer of an embedding loop ticks, and how many milliseconds apart. */
#define HOST_TICKS   10
#define HOST_TICK_MS 5

/** What ptk waits for. */
typedef struct guest_wait {
    ptk_poll_entry_t *entries; /**< The descriptors; valid until the next call of guest_wait(). */
    size_t count;              /**< How many there are. */
    int timeout_ms;            /**< The longest time to wait, -1: no limit. */
} guest_wait_t;

/** Creates this thread's loop with the server and its clients on it. `hooks` may be NULL. Exits if that
 * fails. */
ptk_event_loop_platform_t *guest_begin(const ptk_scheduler_hooks_t *hooks);

/** Returns what ptk waits for now, on any platform. */
guest_wait_t guest_wait(ptk_event_loop_platform_t *loop);

/** Returns events of ptk in the bits of poll(2). */
short guest_poll_bits(uint32_t events);

/** Lets ptk do what there is to do, without waiting. Returns whether it has green threads left. */
bool guest_poll(ptk_event_loop_platform_t *loop);

/** Destroys the loop, prints what the guest and its host have done, and returns the program's exit status:
 * failure if an echo is missing, or if ptk was polled far more often than there were events. */
int guest_end(ptk_event_loop_platform_t *loop, unsigned count, const char *what);

/** Ends the program with a message unless `err` is PTK_OK. */
void guest_check(ptk_err err, const char *what);
