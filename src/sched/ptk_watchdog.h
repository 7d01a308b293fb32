/* SPDX-License-Identifier: MIT */
/*
 * The watchdog of a loop (layer 3, internal): a thread that looks at the loop from outside. The model stands
 * at the top of ptk_watchdog.c.
 *
 * The record lies in the scheduler. Between start and end its thread reads the scheduler; nothing else that
 * belongs to a loop is touched by another thread, but the inbox.
 */
#pragma once

#include "base/ptk_signal_table.h"
#include <stdatomic.h>

struct ptk_scheduler;

#define PTK_WATCHDOG_FRAMES     32
#define PTK_WATCHDOG_NAME_BYTES 64

/* The states of a capture; their model stands at the top of ptk_watchdog_capture.c. */
enum { PTK_CAPTURE_IDLE, PTK_CAPTURE_REQUESTED, PTK_CAPTURE_WRITING, PTK_CAPTURE_TAKEN };

/* What a handler on the loop's thread has found there. The handler writes it while it is WRITING, the
 * watchdog's thread reads it when it is TAKEN. */
typedef struct ptk_watchdog_capture {
    atomic_uint state;                  /* PTK_CAPTURE_IDLE, ... */
    bool hold;                          /* of the request: the handler stays until it is released */
    unsigned mark;                      /* the scheduler's */
    bool has_task;                      /* false: no green thread is running */
    char name[PTK_WATCHDOG_NAME_BYTES]; /* a copy, since the name may be freed when the loop goes on */
    const char *file;
    int line;
    size_t count; /* of `frames` */
    const void *frames[PTK_WATCHDOG_FRAMES];
} ptk_watchdog_capture_t;

typedef struct ptk_watchdog {
    struct ptk_scheduler *scheduler;
    uintptr_t loop_thread;
    uintptr_t thread;
    bool runs;        /* the thread was started */
    unsigned forks;   /* of the process that started it; see ptk_watchdog.c */
    atomic_uint bell; /* counts what the thread is to look at; it waits on this word */
    atomic_bool ends;
    atomic_uint stall_ms;      /* a loop without a tick for so long is reported; 0: not */
    atomic_uint drain_ms;      /* destroy drains for so long; 0: it does not drain */
    unsigned mark_seen;        /* by ptk_watchdog_look_here */
    atomic_uint dump_signals;  /* arrivals */
    atomic_uint dumps_printed; /* the arrivals that the loop itself has handled */
    ptk_watchdog_capture_t capture;
} ptk_watchdog_t;

/* A subscription to a dump signal. Its owner frees it after ptk_watchdog_dump_end. */
typedef struct ptk_watchdog_dump {
    ptk_signal_subscription_t subscription;
    ptk_watchdog_t *watchdog; /* NULL: there is no thread, and no subscription */
} ptk_watchdog_dump_t;

/* Has stalls of `stall_ms` and more reported. Without a thread for that it logs a warning. */
void ptk_watchdog_watch(struct ptk_scheduler *scheduler, uint32_t stall_ms);

/* Bounds the drain of destroy, which begins: after `limit_ms` (PTK_TIMEOUT_INFINITE: no limit) a loop that
 * takes no tick is reported and the process aborted. Without a thread it does nothing. */
void ptk_watchdog_drain_begin(struct ptk_scheduler *scheduler, uint32_t limit_ms);

/* Has the running green thread reported at each arrival of a signal that finds the loop blocked. Returns OK,
 * also without a thread for that, which is logged; or records why the signal cannot be subscribed to. */
ptk_err ptk_watchdog_dump_begin(struct ptk_scheduler *scheduler, ptk_watchdog_dump_t *dump, int signo);
void ptk_watchdog_dump_end(ptk_watchdog_dump_t *dump);

/* Marks all arrivals until now as handled by the loop itself. */
void ptk_watchdog_dump_printed(ptk_watchdog_dump_t *dump);

/* Reports the running green thread, which calls, if its loop has been stuck for too long. For simulated
 * loops, which no other thread watches: ptk_sim_compute calls it. */
void ptk_watchdog_look_here(void);

/* Ends the thread, if it runs in this process. */
void ptk_watchdog_end(struct ptk_scheduler *scheduler);
