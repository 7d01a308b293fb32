/* SPDX-License-Identifier: MIT */
/* Latches and turns (floor 3): see ptk_latch_impl.h for the model. */
#include "ptk_latch_impl.h"

#include "base/ptk_mutant.h"

static ptk_wait_t *first_waiter(const ptk_list_t *waiters) {
    ptk_list_node_t *node = ptk_list_first(waiters);
    return node ? ptk_container_of(node, ptk_wait_t, link) : NULL;
}

void ptk_wake_all(ptk_list_t *waiters, ptk_err code) {
    ptk_wait_t *wait;
    while ((wait = first_waiter(waiters)) != NULL) {
        ptk_wake(wait, code);
    }
}

void ptk_wake_those(ptk_list_t *waiters, const void *object, ptk_err code) {
    ptk_list_node_t *node = ptk_list_first(waiters);
    while (node) {
        ptk_wait_t *wait = ptk_container_of(node, ptk_wait_t, link);
        node = ptk_list_next(waiters, node);
        if (wait->object == object) {
            ptk_wake(wait, code);
        }
    }
}

void ptk_latch_init(ptk_latch_t *latch) {
    latch->count = 0;
    ptk_list_init(&latch->waiters);
}

uint64_t ptk_latch_take(ptk_latch_t *latch) {
    uint64_t count = latch->count;
    latch->count = 0;
    return count;
}

void ptk_latch_add(ptk_latch_t *latch, uint64_t count) {
    latch->count = count > UINT64_MAX - latch->count ? UINT64_MAX : latch->count + count;
    if (PTK_MUTANT(53)) {
        latch->count = 1; /* what comes while nobody waits is merged */
    }
    ptk_wait_t *wait = first_waiter(&latch->waiters);
    if (wait && latch->count > 0) {
        wait->count = ptk_latch_take(latch);
        ptk_wake(wait, PTK_OK);
    }
}

void ptk_turn_init(ptk_turn_t *turn, bool refuses) {
    ptk_list_init(&turn->waiters);
    turn->taken = false;
    turn->refuses = refuses;
}

ptk_err ptk_turn_take(ptk_turn_t *turn, ptk_call_t *call, const char *kind, const void *object) {
    if (!turn->taken) {
        turn->taken = true;
        return PTK_OK;
    }
    if (turn->refuses) {
        return PTK_ERR_BUSY;
    }
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return PTK_ERR_TIMEOUT;
    }
    ptk_list_append(&turn->waiters, &ptk_wait_plain(call->self, kind, object, false)->link);
    return ptk_park(call->self, &call->deadline);
}

void ptk_turn_give(ptk_turn_t *turn) {
    ptk_assert(turn->taken);
    ptk_wait_t *next = first_waiter(&turn->waiters);
    turn->taken = next != NULL;
    if (next) {
        ptk_wake(next, PTK_OK);
    }
}
