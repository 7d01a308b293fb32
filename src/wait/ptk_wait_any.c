/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the first of several (layer 4).
 *
 * Look, arm, park, and look again. *Looking* goes through the items in order and takes the first event that
 * is there. *Arming* queues one wait record per item, all on this call's stack: in a latch, in the queue of a
 * turn that somebody else has, or on a READY operation. Whoever wakes one record takes all others off first
 * (ptk_wake), so exactly one event is ever taken.
 *
 * Turns that were won on the way are kept until the end of the call, then handed on.
 */
#include "wait/ptk_waitable_impl.h"

#include "sched/ptk_call.h"
#include "sched/ptk_op.h"
#include "sched/ptk_park.h"
#include "sched/ptk_scheduler_impl.h"

#include <string.h>

typedef struct any {
    ptk_waitable_wait_item_t *items;
    size_t count;
    size_t index; /* whose outcome it is */
    ptk_call_t call;
    ptk_wait_t waits[PTK_WAIT_ANY_MAX];
    uint8_t gates[PTK_WAIT_ANY_MAX]; /* which directions' turns this call has, by item */
} any_t;

static uint32_t event_of(size_t direction) {
    return direction == 0 ? PTK_EVENT_READ : PTK_EVENT_WRITE;
}

static uint32_t wanted(const ptk_waitable_wait_item_t *item) {
    return item->events & ~PTK_EVENT_ERROR;
}

static bool is_socket(const ptk_waitable_wait_item_t *item) {
    return item->waitable->type == PTK_WAITABLE_SOCKET;
}

static ptk_event_op_t *op_of(const ptk_waitable_wait_item_t *item) {
    return &item->waitable->ops[wanted(item) & PTK_EVENT_READ ? 0 : 1];
}

/* --- turns --- */

/* The first turn that item `i` still lacks, NULL if it has all. */
static ptk_gate_t *missing_gate(const any_t *any, size_t i, size_t *direction_out) {
    const ptk_waitable_wait_item_t *item = &any->items[i];
    for (size_t direction = 0; direction < 2; direction++) {
        uint32_t event = event_of(direction);
        if ((wanted(item) & event) && !(any->gates[i] & event)) {
            *direction_out = direction;
            return item->waitable->subject.gates[direction];
        }
    }
    return NULL;
}

/* Take what turns are free. BUSY if one is taken that nobody may wait for; TIMEOUT: there is one to wait for.
 */
static ptk_err enter_gates(any_t *any, size_t i) {
    size_t direction = 0;
    ptk_gate_t *gate;
    while ((gate = missing_gate(any, i, &direction)) != NULL) {
        if (gate->taken) {
            return gate->refuses ? PTK_ERR_BUSY : PTK_ERR_TIMEOUT;
        }
        gate->taken = true;
        any->gates[i] |= (uint8_t) event_of(direction);
    }
    return PTK_OK;
}

static void leave_gates(any_t *any) {
    for (size_t i = 0; i < any->count; i++) {
        for (size_t direction = 0; direction < 2; direction++) {
            const ptk_waitable_t *waitable = any->items[i].waitable;
            if ((any->gates[i] & event_of(direction)) && !waitable->subject.pin->closed) {
                ptk_gate_leave(waitable->subject.gates[direction]);
            }
        }
    }
}

/* --- look --- */

static ptk_err look_at_counter(ptk_waitable_wait_item_t *item) {
    uint64_t count = ptk_event_counter_take(&item->waitable->counter);
    if (count == 0) {
        return PTK_ERR_TIMEOUT;
    }
    item->ready_out = PTK_EVENT_READ;
    item->count_out = count;
    return PTK_OK;
}

static ptk_err look_at_socket(any_t *any, size_t i) {
    ptk_waitable_wait_item_t *item = &any->items[i];
    const ptk_waitable_subject_t *subject = &item->waitable->subject;
    ptk_err err = enter_gates(any, i);
    if (err != PTK_OK) {
        return err;
    }
    if ((wanted(item) & PTK_EVENT_READ) && subject->held && *subject->held > 0) {
        item->ready_out = PTK_EVENT_READ;
        return PTK_OK;
    }
    ptk_event_op_t *op = op_of(item);
    op->events = wanted(item);
    err = ptk_op_try(&any->call, op);
    if (err == PTK_OK && op->result < 0) {
        return ptk_call_errno(&any->call, op->result);
    }
    item->ready_out = err == PTK_OK ? (uint32_t) op->result : 0;
    return err;
}

/* OK: an event was taken. TIMEOUT: nothing is there. Else the error of the item at any->index. */
static ptk_err look(any_t *any) {
    for (size_t i = 0; i < any->count; i++) {
        ptk_waitable_wait_item_t *item = &any->items[i];
        any->index = i;
        ptk_err err = is_socket(item) ? look_at_socket(any, i) : look_at_counter(item);
        if (err != PTK_ERR_TIMEOUT) {
            return err;
        }
    }
    return PTK_ERR_TIMEOUT;
}

/* --- arm --- */

/* OK: armed. RETRY: it became ready in between, look again. Else it cannot be armed. */
static ptk_err arm_socket(any_t *any, size_t i) {
    ptk_wait_t *wait = &any->waits[i];
    size_t direction = 0;
    ptk_gate_t *gate = missing_gate(any, i, &direction);
    if (gate) {
        ptk_list_append(&gate->waiters, &wait->link);
        return PTK_OK;
    }
    ptk_event_op_t *op = op_of(&any->items[i]);
    ptk_event_loop_platform_t *loop = any->call.scheduler->loop;
    op->nowait = false;
    op->waiter = wait;
    if (loop->ops->submit(loop, op) == PTK_OP_DONE) {
        op->state = PTK_OP_IDLE;
        return op->result < 0 ? ptk_call_errno(&any->call, op->result) : PTK_WAKE_RETRY;
    }
    wait->op = op;
    return PTK_OK;
}

static ptk_err arm_item(any_t *any, size_t i) {
    const ptk_waitable_wait_item_t *item = &any->items[i];
    any->waits[i] = (ptk_wait_t) {.task = any->call.self, .kind = "any of several", .object = item->waitable};
    if (is_socket(item)) {
        return arm_socket(any, i);
    }
    ptk_list_append(&item->waitable->counter.waiters, &any->waits[i].link);
    return PTK_OK;
}

/* Arm all, or none: then the answer is that of the item at any->index. */
static ptk_err arm(any_t *any) {
    bool externally_wakeable = false;
    for (size_t i = 0; i < any->count; i++) {
        externally_wakeable = externally_wakeable || any->items[i].waitable->type != PTK_WAITABLE_USER;
        ptk_err err = arm_item(any, i);
        if (err != PTK_OK) {
            any->index = i;
            while (i-- > 0) {
                ptk_withdraw(any->call.scheduler, &any->waits[i]);
            }
            return err;
        }
    }
    (void) ptk_wait_plain(any->call.self, "any of several", NULL, externally_wakeable);
    return PTK_OK;
}

/* --- park --- */

/* Was anything closed while we were away? Then that is the outcome. */
static bool finds_closed(any_t *any) {
    for (size_t i = 0; i < any->count; i++) {
        if (any->items[i].waitable->is_dead) {
            any->index = i;
            return true;
        }
    }
    return false;
}

/* A record was woken with OK: a latch handed its count over, or a turn was won. */
static ptk_err take_from(any_t *any, size_t i) {
    ptk_waitable_wait_item_t *item = &any->items[i];
    any->index = i;
    if (!is_socket(item)) {
        item->ready_out = PTK_EVENT_READ;
        item->count_out = any->waits[i].count;
        return PTK_OK;
    }
    size_t direction = 0;
    if (missing_gate(any, i, &direction)) {
        any->gates[i] |= (uint8_t) event_of(direction);
    }
    return PTK_WAKE_RETRY;
}

static void forget_waiters(any_t *any) {
    for (size_t i = 0; i < any->count; i++) {
        if (any->waits[i].op) {
            any->waits[i].op->waiter = NULL;
        }
    }
}

/* Park on all. RETRY: look again. */
static ptk_err park(any_t *any) {
    ptk_task_t *self = any->call.self;
    self->waits = any->waits;
    self->u.run.waits_count = any->count;
    ptk_err code = ptk_park(self, &any->call.deadline);
    self->waits = NULL;
    forget_waiters(any);
    if (code == PTK_OK) {
        code = take_from(any, (size_t) (self->woken_by - any->waits));
    } else if (code == PTK_ERR_ABORTED) {
        any->index = (size_t) (self->woken_by - any->waits);
    }
    return code != PTK_OK && finds_closed(any) ? PTK_ERR_CLOSED : code;
}

static ptk_err wait_for_any(any_t *any) {
    ptk_err code = PTK_WAKE_RETRY;
    while (code == PTK_WAKE_RETRY) {
        code = look(any);
        if (code != PTK_ERR_TIMEOUT || any->call.deadline.kind == PTK_DEADLINE_NOW) {
            return code;
        }
        code = arm(any);
        code = code == PTK_OK ? park(any) : code;
    }
    if (code == PTK_ERR_TIMEOUT || code == PTK_ERR_CANCELED) {
        ptk_err last = look(any);
        return last == PTK_OK ? PTK_OK : code;
    }
    return code;
}

/* --- the call --- */

static ptk_pin_t *pin_of(const ptk_waitable_wait_item_t *item) {
    return is_socket(item) ? item->waitable->subject.pin : &item->waitable->pin;
}

static ptk_err check_items(any_t *any) {
    for (size_t i = 0; i < any->count; i++) {
        const ptk_waitable_wait_item_t *item = &any->items[i];
        any->index = i;
        ptk_err err = ptk_waitable_check(item->waitable);
        if (err != PTK_OK) {
            return err;
        }
        if (wanted(item) == 0 || (wanted(item) & ~ptk_waitable_allowed(item->waitable)) != 0) {
            return PTK_ERR_INVALID_PARAM;
        }
    }
    return PTK_OK;
}

static ptk_err begin(any_t *any, uint32_t timeout_ms) {
    ptk_err err = check_items(any);
    if (err == PTK_OK) {
        err = ptk_call_begin(&any->call, any->items[0].waitable->loop, timeout_ms);
    }
    return err == PTK_OK ? check_items(any) : err; /* the call may have yielded */
}

static ptk_err run(any_t *any) {
    for (size_t i = 0; i < any->count; i++) {
        any->items[i].ready_out = 0;
        any->items[i].count_out = 0;
        ptk_pin_take(pin_of(&any->items[i]));
    }
    if (any->call.deadline.kind == PTK_DEADLINE_NOW) {
        ptk_scheduler_catch_up(any->call.scheduler);
    }
    ptk_err err = wait_for_any(any);
    leave_gates(any);
    for (size_t i = 0; i < any->count; i++) {
        (void) ptk_pin_drop(pin_of(&any->items[i]));
    }
    const ptk_waitable_wait_item_t *item = &any->items[any->index];
    return err == PTK_OK ? ptk_waitable_took(&any->call, item->ready_out, item->count_out) : err;
}

ptk_err ptk_waitable_wait_any(ptk_waitable_wait_item_t *items, size_t item_count, size_t *index_out,
                              uint32_t timeout_ms) {
    if (!items || item_count == 0 || item_count > PTK_WAIT_ANY_MAX) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    any_t any;
    any.items = items;
    any.count = item_count;
    any.call = (ptk_call_t) {0};
    memset(any.gates, 0, item_count);
    ptk_err err = begin(&any, timeout_ms);
    if (err == PTK_OK) {
        err = run(&any);
    }
    if (index_out) {
        *index_out = any.index;
    }
    return err == PTK_OK ? PTK_OK : ptk_call_fail(&any.call, err);
}
