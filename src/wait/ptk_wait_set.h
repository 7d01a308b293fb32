/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the first of several waitables (layer 4, internal): the one waiting path of ptk_waitable_wait
 * and ptk_waitable_wait_any. The model stands at the top of ptk_wait_set.c.
 */
#pragma once

#include "sched/ptk_call.h"
#include <ptk_waitable.h>

typedef struct ptk_wait_set {
    ptk_call_t call;
    ptk_waitable_wait_item_t *items; /* the caller's: what to wait for, and what came */
    size_t count;
    size_t index;           /* whose outcome the call has */
    uint64_t aborts_before; /* the scheduler's `aborts` when the call began to wait */
    /* One record per item, for its event counter or operation; `object` is the item's waitable from the
     * start. */
    ptk_wait_t *records;
    /* One more record per item, for a gate that an item for several events lacks; NULL: no item needs one. */
    ptk_wait_t *gate_records;
    uint8_t *held; /* per item: the events whose gates this call holds */
} ptk_wait_set_t;

/* Checks the items of a call and enters it: tokens, events, budget, cancel. The records are the caller's
 * memory. */
ptk_err ptk_wait_set_enter(ptk_wait_set_t *set, uint32_t timeout_ms);

/* Waits for the first item, and leaves the call. On success set->index and the item's out-parameters hold
   what came; otherwise the reason is recorded. */
ptk_err ptk_wait_set_wait(ptk_wait_set_t *set);

/* Returns true if an item may need a second record: it waits for several events, one of which may have a
 * queue. */
static inline bool ptk_wait_set_needs_gate_record(const ptk_waitable_wait_item_t *item) {
    const uint32_t events = item->events & ~PTK_EVENT_ERROR;
    return (events & (PTK_EVENT_READ | PTK_EVENT_WRITE)) != 0 && (events & (events - 1)) != 0;
}
