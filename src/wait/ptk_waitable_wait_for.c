/* SPDX-License-Identifier: MIT */
/*
 * A wait with out-parameters (layer 4).
 *
 * A green thread keeps what its last wait reported; outside one there is no place for that, and a wait for
 * one of one item returns it in the item.
 */
#include <ptk_waitable.h>

#include "sched/ptk_sched.h"

static ptk_err wait_and_read(ptk_waitable_wait_item_t *item, uint32_t timeout_ms) {
    if (!ptk_task_current()) {
        return ptk_waitable_wait_any(item, 1, NULL, timeout_ms);
    }
    ptk_err err = ptk_waitable_wait(item->waitable, item->events, timeout_ms);
    if (err == PTK_OK) {
        item->ready_out = ptk_waitable_ready();
        item->count_out = ptk_waitable_count();
    }
    return err;
}

ptk_err ptk_waitable_wait_for(ptk_waitable_t *waitable, uint32_t events, uint32_t timeout_ms,
                              uint32_t *ready_out, uint64_t *count_out) {
    ptk_waitable_wait_item_t item = {.waitable = waitable, .events = events};
    ptk_err err = wait_and_read(&item, timeout_ms);
    if (ready_out) {
        *ready_out = err == PTK_OK ? item.ready_out : 0;
    }
    if (count_out) {
        *count_out = err == PTK_OK ? item.count_out : 0;
    }
    return err;
}
