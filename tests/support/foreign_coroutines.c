/* SPDX-License-Identifier: MIT */
/* An adapter for the library of coroutines.h, written after ptk_foreign.h alone; and what tests do with it.
 */
#include "conformance.h"
#include "coroutines.h"

/* --- the adapter ---------------------------------------------------------------------------------------- */

typedef struct record { /* in the library's words for its user */
    void *slot;         /* ptk's */
    bool asleep;
    bool woken;
} record_t;

static void *hook_current(void *context) {
    (void) context;
    return coro_self();
}

static void hook_suspend(void *context) {
    (void) context;
    record_t *record = coro_data(coro_self());
    record->asleep = !record->woken;
    while (record->asleep && coro_suspend()) {
    }
    record->woken = record->asleep = false;
}

static void hook_resume(void *context, void *coroutine) {
    (void) context;
    record_t *record = coro_data(coroutine);
    record->woken = true;
    if (record->asleep) {
        record->asleep = false;
        coro_ready(coroutine);
    }
}

static void **hook_slot(void *context, void *coroutine) {
    (void) context;
    return &((record_t *) coro_data(coroutine))->slot;
}

static void *hook_spawn(void *start, void (*fn)(void *arg), void *arg) {
    return coro_go(*(coro_start_t *) start, fn, arg, true);
}

static ptk_scheduler_hooks_t adapter(coro_start_t *start) {
    return PTK_SCHEDULER_HOOKS(.context = start, .current = hook_current, .suspend = hook_suspend,
                               .resume = hook_resume, .slot = hook_slot, .spawn = hook_spawn);
}

/* --- the rest ------------------------------------------------------------------------------------------- */

static coro_start_t queued_start = CORO_QUEUED;
static coro_start_t start_at_once = CORO_AT_ONCE;

static ptk_scheduler_hooks_t queued_hooks(void) {
    return adapter(&queued_start);
}

static ptk_scheduler_hooks_t at_once_hooks(void) {
    return adapter(&start_at_once);
}

/* Either kind starts the coroutines of tests at once. */
static void *start_coroutine(void (*fn)(void *arg), void *arg) {
    coro_t *coroutine = coro_go(CORO_AT_ONCE, fn, arg, false);
    CHECK(coroutine != NULL);
    return coroutine;
}

static bool has_ended(const void *coroutine) {
    return coro_has_ended(coroutine);
}

static void free_coroutine(void *coroutine) {
    coro_free(coroutine);
}

static void cancel_coroutine(void *coroutine) {
    coro_cancel(coroutine);
}

const test_foreign_t foreign_queued = {"queued",       queued_hooks, start_coroutine,  has_ended,
                                       free_coroutine, coro_run,     cancel_coroutine, coro_yield};
const test_foreign_t foreign_at_once = {"at-once",      at_once_hooks, start_coroutine,  has_ended,
                                        free_coroutine, coro_run,      cancel_coroutine, coro_yield};
