/* SPDX-License-Identifier: MIT */
/*
 * ptk_waitable_wait_any (layer 4): the memory of its wait records. What it does is the wait set's
 * (ptk_wait_set.c).
 *
 * The second records are in a stack frame of their own, because few calls need them and one frame is smaller
 * than a page.
 */
#include "wait/ptk_wait_set.h"

static ptk_err wait_in_set(ptk_wait_set_t *set, size_t *index_out, uint32_t timeout_ms) {
    ptk_err err = ptk_wait_set_enter(set, timeout_ms);
    if (err == PTK_OK) {
        err = ptk_wait_set_wait(set);
    }
    if (index_out) {
        *index_out = set->index;
    }
    return err;
}

static __attribute__((noinline)) ptk_err wait_with_gate_records(ptk_wait_set_t *set, size_t *index_out,
                                                                uint32_t timeout_ms) {
    ptk_wait_t gate_records[PTK_WAIT_ANY_MAX];
    set->gate_records = gate_records;
    return wait_in_set(set, index_out, timeout_ms);
}

static bool any_needs_gate_record(const ptk_waitable_wait_item_t *items, size_t item_count) {
    for (size_t i = 0; i < item_count; i++) {
        if (ptk_wait_set_needs_gate_record(&items[i])) {
            return true;
        }
    }
    return false;
}

ptk_err ptk_waitable_wait_any(ptk_waitable_wait_item_t *items, size_t item_count, size_t *index_out,
                              uint32_t timeout_ms) {
    if (!items || item_count == 0 || item_count > PTK_WAIT_ANY_MAX) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    ptk_wait_t records[PTK_WAIT_ANY_MAX];
    uint8_t held[PTK_WAIT_ANY_MAX];
    ptk_wait_set_t set = {.items = items, .count = item_count, .records = records, .held = held};
    return any_needs_gate_record(items, item_count) ? wait_with_gate_records(&set, index_out, timeout_ms)
                                                    : wait_in_set(&set, index_out, timeout_ms);
}
