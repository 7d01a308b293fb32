/* SPDX-License-Identifier: MIT */
/*
 * A coroutine library in the manner of libtask and libdill, which uses nothing of ptk but the stack switch.
 * It has a run queue of its own; making a coroutine runnable only appends it there; a new one is appended
 * too, or is switched to at once; and a coroutine can be cancelled, after which none of its suspensions
 * lasts.
 *
 * The thread's own stack runs coroutines with coro_run(). All functions are for one OS thread.
 */
#pragma once

#include <stdbool.h>

typedef struct coro coro_t;

/* When a new coroutine starts. */
typedef enum coro_start {
    CORO_QUEUED, /* when the run queue comes to it, as in libtask */
    CORO_AT_ONCE /* now; the caller is appended to the run queue, as in libdill */
} coro_start_t;

/* Creates a coroutine that runs fn(arg). It is freed at its end if it is `freed_at_end`, else by coro_free.
 * NULL: out of memory. */
coro_t *coro_go(coro_start_t start, void (*fn)(void *arg), void *arg, bool freed_at_end);

/* Returns the running coroutine, NULL on the thread's own stack. */
coro_t *coro_self(void);

/* Suspends the running coroutine until coro_ready. Returns false if it is cancelled: at once, or as soon as
 * it is. */
bool coro_suspend(void);

/* Makes a suspended coroutine runnable; does nothing to one that is runnable. */
void coro_ready(coro_t *coro);

/* Lets all other runnable coroutines run. */
void coro_yield(void);

/* Cancels a coroutine, and returns when it has ended. */
void coro_cancel(coro_t *coro);

bool coro_has_ended(const coro_t *coro);
void coro_free(coro_t *coro);

/* Returns four words of the user's, zero at first. */
void *coro_data(coro_t *coro);

/* Called on the thread's own stack: runs coroutines until none is runnable. Returns whether any was. */
bool coro_run(void);
