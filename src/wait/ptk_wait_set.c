/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the first of several waitables (layer 4).
 *
 * A wait looks, arms, parks, and looks again. *Looking* examines the items in order and takes the first event
 * that is there. *Arming* queues the wait records: in an event counter, on a READY operation, or in the queue
 * of a gate that another green thread holds. A wake of one record removes all others first (ptk_wake), so
 * exactly one event is ever taken.
 *
 *     look  --event-->  OK
 *     look  --none-->  armed  --parked; counter woke-->  OK
 *                             --parked; operation or gate woke-->  look
 *                             --parked; TIMEOUT, CANCELED-->  look once more at the sockets  -->  OK, or the
 * code
 *                             --parked; object closed-->  CLOSED
 *
 * A socket item watches the directions whose gates are free and queues for the others. Gates that were taken
 * on the way are kept until the end of the call, then left. If two items of one call name the same direction,
 * the earlier item watches it for both.
 *
 * The records lie in the task (one item) or on the call's stack (several). Every way out removes each record
 * from what it was queued in and each operation's pointer to it.
 */
#include "wait/ptk_wait_set.h"

#include "sched/ptk_op.h"
#include "sched/ptk_park.h"
#include "sched/ptk_tick.h"
#include "wait/ptk_waitable_impl.h"
#include "wait/ptk_waitable_timer.h"

/* Returns the waitable of item `i`, also after its token has ended: the pin keeps it. */
static ptk_waitable_t *waitable_at(const ptk_wait_set_t *set, size_t i) {
    return (ptk_waitable_t *) (uintptr_t) set->records[i].object;
}

/* ERROR needs no gate: it is reported with every other event. */
static uint32_t wanted_events(const ptk_wait_set_t *set, size_t i) {
    return set->items[i].events & ~PTK_EVENT_ERROR;
}

static bool is_socket(const ptk_waitable_t *waitable) {
    return waitable->type == PTK_WAITABLE_SOCKET;
}

/* Returns the pin of the object that owns what item `i` waits on. */
static ptk_pin_t *pin_at(const ptk_wait_set_t *set, size_t i) {
    ptk_waitable_t *waitable = waitable_at(set, i);
    return is_socket(waitable) ? waitable->subject.pin : &waitable->pin;
}

/* Returns the operation that watches `events`, which are not none. Two calls on one waitable never share it:
 * each holds the gates of the directions that its operation watches. */
static ptk_event_op_t *ready_op(ptk_waitable_t *waitable, uint32_t events) {
    size_t direction = 0;
    while (!(events & ptk_direction_events[direction])) {
        direction++;
    }
    return &waitable->ops[direction];
}

static const char *wait_kind(const ptk_wait_set_t *set, size_t i) {
    static const char *const kinds[] = {"socket", "timer", "signal", "user event"};
    return set->count > 1 ? "any of several" : kinds[waitable_at(set, i)->type];
}

/* --- gates --- */

/* Returns true if an earlier item of this call holds the gate that item `i` lacks: that item watches for
 * both. */
static bool held_by_earlier_item(const ptk_wait_set_t *set, size_t i, size_t direction) {
    const ptk_gate_t *gate = waitable_at(set, i)->subject.gates[direction];
    for (size_t earlier = 0; earlier < i; earlier++) {
        const ptk_waitable_t *other = waitable_at(set, earlier);
        if ((set->held[earlier] & ptk_direction_events[direction]) &&
            other->subject.gates[direction] == gate) {
            return true;
        }
    }
    return false;
}

/* Takes the free gates of item `i`. BUSY: a gate that has no queue is taken. */
static ptk_err take_free_gates(ptk_wait_set_t *set, size_t i) {
    const ptk_waitable_t *waitable = waitable_at(set, i);
    uint32_t lacking = wanted_events(set, i) & ~(uint32_t) set->held[i];
    for (size_t direction = 0; lacking != 0 && direction < PTK_DIRECTIONS; direction++) {
        ptk_gate_t *gate = waitable->subject.gates[direction];
        if (!(lacking & ptk_direction_events[direction]) || held_by_earlier_item(set, i, direction)) {
            continue;
        }
        if (ptk_gate_try(gate)) {
            set->held[i] |= (uint8_t) ptk_direction_events[direction];
        } else if (gate->refuses) {
            return PTK_ERR_BUSY;
        }
    }
    return PTK_OK;
}

/* A closed object's gates are not handed over: its close has ended their waits. */
static void leave_gates(ptk_wait_set_t *set) {
    for (size_t i = 0; i < set->count; i++) {
        for (size_t direction = 0; set->held[i] != 0 && direction < PTK_DIRECTIONS; direction++) {
            if ((set->held[i] & ptk_direction_events[direction]) && !pin_at(set, i)->closed) {
                ptk_gate_leave(waitable_at(set, i)->subject.gates[direction]);
            }
        }
    }
}

/* --- look --- */

/* Takes an event counter's count. OK, or TIMEOUT: it is 0. */
static ptk_err look_at_counter(ptk_wait_set_t *set, size_t i) {
    ptk_waitable_t *waitable = waitable_at(set, i);
    if (waitable->type == PTK_WAITABLE_TIMER) {
        ptk_waitable_timer_resume(waitable);
    }
    uint64_t count = ptk_event_counter_take(&waitable->counter);
    if (count == 0) {
        return PTK_ERR_TIMEOUT;
    }
    set->items[i].ready_out = PTK_EVENT_READ;
    set->items[i].count_out = count;
    return PTK_OK;
}

/* Returns READ if it is watched and the service holds bytes that were not received, else 0. */
static uint32_t unread_event(const ptk_waitable_t *waitable, uint32_t watched) {
    const size_t *unread = waitable->subject.unread;
    return unread && *unread > 0 ? watched & PTK_EVENT_READ : 0;
}

/* Takes the free gates of item `i`, and returns OK if one of their directions is ready, TIMEOUT if none is,
 * or why it cannot be found out. */
static ptk_err look_at_socket(ptk_wait_set_t *set, size_t i) {
    ptk_waitable_t *waitable = waitable_at(set, i);
    ptk_err err = take_free_gates(set, i);
    uint32_t watched = set->held[i];
    if (err != PTK_OK || watched == 0) {
        return err != PTK_OK ? err : PTK_ERR_TIMEOUT;
    }
    const uint32_t known = unread_event(waitable, watched);
    if (known != 0 && known == watched) {
        set->items[i].ready_out = known;
        return PTK_OK;
    }
    ptk_event_op_t *op = ready_op(waitable, watched);
    ptk_assert((watched & ~wanted_events(set, i)) == 0 && op->state == PTK_OP_IDLE);
    op->events = watched;
    err = ptk_op_try(&set->call, op);
    if (err == PTK_OK && op->result < 0) {
        return ptk_call_errno(&set->call, op->result);
    }
    set->items[i].ready_out = (err == PTK_OK ? (uint32_t) op->result : 0) | known;
    return known != 0 ? PTK_OK : err;
}

/* Looks at the items in order. OK: an event was taken. TIMEOUT: there is none. Otherwise the error of the
   item at set->index. */
static ptk_err look_at_items(ptk_wait_set_t *set) {
    for (size_t i = 0; i < set->count; i++) {
        set->index = i;
        ptk_err err = is_socket(waitable_at(set, i)) ? look_at_socket(set, i) : look_at_counter(set, i);
        if (err != PTK_ERR_TIMEOUT) {
            return err;
        }
    }
    return PTK_ERR_TIMEOUT;
}

/* --- arm --- */

/* Fills in a record that is in no queue. */
static ptk_wait_t *fill_record(ptk_wait_set_t *set, ptk_wait_t *record, size_t i, const char *kind) {
    const void *waitable = set->records[i].object;
    *record = (ptk_wait_t) {.task = set->call.self, .kind = kind, .object = waitable};
    return record;
}

/* Queues for the gates that item `i` lacks. The record's count is the event whose gate it waits for. Both
 * gates have queues on a listener alone. An item that watches a third event there has no record left for the
 * second of them, and needs none: a listener is never writable. */
static void queue_for_gates(ptk_wait_set_t *set, size_t i) {
    uint32_t lacking = wanted_events(set, i) & ~(uint32_t) set->held[i];
    ptk_wait_t *second = set->gate_records ? &set->gate_records[i] : NULL;
    ptk_wait_t *record = set->held[i] != 0 ? second : &set->records[i];
    for (size_t direction = 0; lacking != 0 && direction < PTK_WAITABLE_QUEUED; direction++) {
        if (!(lacking & ptk_direction_events[direction]) || held_by_earlier_item(set, i, direction)) {
            continue;
        }
        ptk_assert(record || direction > 0);
        if (record) {
            ptk_assert(!record->op && !ptk_list_is_linked(&record->link));
            record->count = ptk_direction_events[direction];
            ptk_gate_queue(waitable_at(set, i)->subject.gates[direction], record);
            record = record == second ? NULL : second;
        }
    }
}

/* Arms the operation of item `i` for the directions whose gates it holds. RETRY: it became ready in between.
 */
static ptk_err arm_op(ptk_wait_set_t *set, size_t i) {
    ptk_event_op_t *op = ready_op(waitable_at(set, i), set->held[i]);
    ptk_event_loop_platform_t *loop = set->call.scheduler->loop;
    ptk_assert(!op->waiter && op->state == PTK_OP_IDLE);
    op->nowait = false;
    if (loop->ops->submit(loop, op) == PTK_OP_DONE) {
        op->state = PTK_OP_IDLE;
        return op->result < 0 ? ptk_call_errno(&set->call, op->result) : PTK_WAKE_RETRY;
    }
    ptk_assert(op->state == PTK_OP_PENDING && set->records[i].task == set->call.self);
    op->waiter = &set->records[i];
    set->records[i].op = op;
    return PTK_OK;
}

/* Arms item `i`. RETRY: look again. Otherwise why it cannot be armed. */
static ptk_err arm_item(ptk_wait_set_t *set, size_t i) {
    ptk_wait_t *record = fill_record(set, &set->records[i], i, wait_kind(set, i));
    if (set->gate_records) {
        fill_record(set, &set->gate_records[i], i, "gate");
    }
    if (!is_socket(waitable_at(set, i))) {
        ptk_list_append(&waitable_at(set, i)->counter.waiters, &record->link);
        return PTK_OK;
    }
    record->kind = set->held[i] != 0 ? record->kind : "gate";
    ptk_err err = set->held[i] != 0 ? arm_op(set, i) : PTK_OK;
    if (err == PTK_OK) {
        queue_for_gates(set, i);
    }
    return err;
}

/* Removes every pointer of an operation to a record of this call. */
static void clear_waiters(ptk_wait_set_t *set, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ptk_assert(!ptk_list_is_linked(&set->records[i].link));
        if (set->records[i].op) {
            ptk_assert(set->records[i].op->state == PTK_OP_IDLE);
            set->records[i].op->waiter = NULL;
            set->records[i].op = NULL;
        }
    }
}

/* Undoes the arming of the first `count` items. */
static void disarm_items(ptk_wait_set_t *set, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ptk_withdraw(set->call.scheduler, &set->records[i]);
        if (set->gate_records) {
            ptk_withdraw(set->call.scheduler, &set->gate_records[i]);
        }
    }
    clear_waiters(set, count);
}

/* Arms all items, or none: then the result is that of the item at set->index. */
static ptk_err arm_items(ptk_wait_set_t *set) {
    for (size_t i = 0; i < set->count; i++) {
        ptk_err err = arm_item(set, i);
        if (err != PTK_OK) {
            set->index = i;
            disarm_items(set, i + 1);
            return err;
        }
    }
    return PTK_OK;
}

/* --- park --- */

/* Returns true if an event of the world outside can end the wait for item `i`. A timer that is armed no more
 * never fires again: the look has armed one that has a period. */
static bool is_item_externally_wakeable(const ptk_wait_set_t *set, size_t i) {
    const ptk_waitable_t *waitable = waitable_at(set, i);
    switch ((ptk_waitable_type_t) waitable->type) {
    case PTK_WAITABLE_SOCKET:
        return set->records[i].op != NULL;
    case PTK_WAITABLE_TIMER:
        return waitable->u.timer.timer.state != PTK_TIMER_IDLE;
    case PTK_WAITABLE_SIGNAL:
        return true;
    case PTK_WAITABLE_USER:
        break;
    }
    return false;
}

/* Returns true if events of the world outside can end the wait, so that it is no deadlock. */
static bool is_set_externally_wakeable(const ptk_wait_set_t *set) {
    for (size_t i = 0; i < set->count; i++) {
        if (is_item_externally_wakeable(set, i)) {
            return true;
        }
    }
    return false;
}

/* Returns true if the object of an item was closed while the green thread was parked: that is the outcome
 * then. */
static bool finds_closed(ptk_wait_set_t *set) {
    for (size_t i = 0; i < set->count; i++) {
        if (pin_at(set, i)->closed || waitable_at(set, i)->head.token == 0) {
            set->index = i;
            return true;
        }
    }
    return false;
}

/* Returns true if an item was aborted while the green thread was woken to look again and did not run yet: no
   record of the call was queued at that time. */
static bool finds_aborted(ptk_wait_set_t *set) {
    for (size_t i = 0; i < set->count; i++) {
        if (waitable_at(set, i)->last_abort > set->aborts_before) {
            set->index = i;
            return true;
        }
    }
    return false;
}

/* Returns the index of the item that `record`, its first or its second one, belongs to. */
static size_t item_of_record(const ptk_wait_set_t *set, const ptk_wait_t *record) {
    ptk_assert(record != NULL);
    bool is_main_record = record >= set->records && record < set->records + set->count;
    return (size_t) (record - (is_main_record ? set->records : set->gate_records));
}

/* A record was woken with OK: an event counter handed its count over, an operation is done, or a gate is this
   call's now. The latter two look again. */
static ptk_err take_outcome(ptk_wait_set_t *set, const ptk_wait_t *record, bool had_op) {
    size_t i = item_of_record(set, record);
    set->index = i;
    if (!is_socket(waitable_at(set, i))) {
        set->items[i].ready_out = PTK_EVENT_READ;
        set->items[i].count_out = record->count;
        return PTK_OK;
    }
    if (!had_op) {
        ptk_assert((set->held[i] & record->count) == 0 && (wanted_events(set, i) & record->count) != 0);
        set->held[i] |= (uint8_t) record->count;
    }
    return PTK_WAKE_RETRY;
}

/* Hands the records to the task. A single record is the task's own already. */
static void publish_records(ptk_wait_set_t *set) {
    ptk_task_t *self = set->call.self;
    bool wakeable = is_set_externally_wakeable(set);
    self->flags = (uint8_t) ((self->flags & ~PTK_TASK_EXTERNALLY_WAKEABLE) |
                             (wakeable ? PTK_TASK_EXTERNALLY_WAKEABLE : 0));
    if (set->records != &self->wait || set->gate_records) {
        self->waits = set->records;
        self->gate_waits = set->gate_records;
        self->u.run.waits_count = set->count;
    }
}

/* Parks on all armed records. RETRY: look again. */
static ptk_err park_on_set(ptk_wait_set_t *set) {
    ptk_task_t *self = set->call.self;
    ptk_assert(self && !self->waits && !self->gate_waits);
    publish_records(set);
    self->woken_by = NULL;
    ptk_err code = ptk_park(self, &set->call.deadline);
    self->waits = NULL;
    self->gate_waits = NULL;
    const ptk_wait_t *record = self->woken_by;
    bool had_op = record && record->op;
    clear_waiters(set, set->count);
    if (code == PTK_OK) {
        code = take_outcome(set, record, had_op);
    } else if (code == PTK_ERR_ABORTED || code == PTK_ERR_CLOSED) {
        set->index = item_of_record(set, record);
    }
    if (code != PTK_OK && finds_closed(set)) {
        return PTK_ERR_CLOSED;
    }
    return code == PTK_WAKE_RETRY && finds_aborted(set) ? PTK_ERR_ABORTED : code;
}

/* Looks at the sockets once more after TIMEOUT or CANCELED: what is ready beats both. The events of an event
   counter come as wakes, so one that comes later belongs to the next wait. */
static ptk_err look_last(ptk_wait_set_t *set, ptk_err code) {
    size_t index = set->index;
    int os_err = set->call.os_err;
    for (size_t i = 0; i < set->count; i++) {
        set->index = i;
        if (is_socket(waitable_at(set, i)) && look_at_socket(set, i) == PTK_OK) {
            return PTK_OK;
        }
    }
    set->index = index;
    set->call.os_err = os_err;
    return code;
}

/* Looks, arms and parks until there is an outcome. */
static ptk_err wait_for_any(ptk_wait_set_t *set) {
    ptk_err code = PTK_WAKE_RETRY;
    while (code == PTK_WAKE_RETRY) {
        code = look_at_items(set);
        if (code != PTK_ERR_TIMEOUT || set->call.deadline.kind == PTK_DEADLINE_NOW) {
            return code;
        }
        code = arm_items(set);
        code = code == PTK_OK ? park_on_set(set) : code;
    }
    return code == PTK_ERR_TIMEOUT || code == PTK_ERR_CANCELED ? look_last(set, code) : code;
}

/* --- the call --- */

/* Returns the events that a wait for this waitable may name. */
static uint32_t allowed_events(const ptk_waitable_t *waitable) {
    return is_socket(waitable) ? waitable->subject.allowed : PTK_EVENT_READ;
}

/* Looks the items' tokens up and checks their events. On failure set->index is the item's. */
static ptk_err resolve_items(ptk_wait_set_t *set) {
    for (size_t i = 0; i < set->count; i++) {
        ptk_waitable_t *waitable = ptk_waitable_find(set->items[i].waitable);
        set->index = i;
        if (!waitable) {
            return ptk_token_refusal(set->items[i].waitable);
        }
        uint32_t events = set->items[i].events & ~PTK_EVENT_ERROR;
        if (events == 0 || (events & ~allowed_events(waitable)) != 0) {
            return PTK_ERR_INVALID_PARAM;
        }
        set->records[i].object = waitable;
    }
    return PTK_OK;
}

ptk_err ptk_wait_set_enter(ptk_wait_set_t *set, uint32_t timeout_ms) {
    set->call.os_err = 0;
    ptk_err err = resolve_items(set);
    if (err == PTK_OK) {
        err = ptk_call_enter(&set->call, ptk_scheduler_here(), timeout_ms);
    }
    if (err == PTK_OK) {
        err = resolve_items(set); /* the call may have yielded */
    }
    return err == PTK_OK ? PTK_OK : ptk_fail(err);
}

/* Sets what ptk_waitable_ready() and ptk_waitable_count() return. */
static void remember_outcome(const ptk_wait_set_t *set) {
    ptk_task_t *self = set->call.self;
    if (self) {
        self->u.run.ready = set->items[set->index].ready_out;
        self->last_count = set->items[set->index].count_out;
    }
}

/* Pins the objects of all items and clears what the call fills in. */
static void pin_items(ptk_wait_set_t *set) {
    for (size_t i = 0; i < set->count; i++) {
        set->items[i].ready_out = 0;
        set->items[i].count_out = 0;
        set->held[i] = 0;
        set->records[i].op = NULL;
        ptk_pin_take(pin_at(set, i));
    }
}

static void unpin_items(ptk_wait_set_t *set) {
    for (size_t i = 0; i < set->count; i++) {
        (void) ptk_pin_drop(pin_at(set, i));
    }
}

ptk_err ptk_wait_set_wait(ptk_wait_set_t *set) {
    pin_items(set);
    set->aborts_before = set->call.scheduler->aborts;
    if (set->call.deadline.kind == PTK_DEADLINE_NOW) {
        ptk_tick_catch_up(set->call.scheduler);
    }
    ptk_err err = wait_for_any(set);
    leave_gates(set);
    unpin_items(set);
    if (err != PTK_OK) {
        return ptk_call_fail(&set->call, err);
    }
    remember_outcome(set);
    return PTK_OK;
}
