/* SPDX-License-Identifier: MIT */
/*
 * Waitables (layer 4): creating, destroying, and waiting for one.
 *
 * Two shapes. TIMER, SIGNAL and USER are a *latch*: events are counted there until somebody takes them, and a
 * wait for one touches nothing but the latch. SOCKET is a *subject*: a source, the turns of its two
 * directions, and a READY operation that asks poll(2) and pends until the platform has news.
 *
 * A foreign descriptor's subject is the waitable's own: each direction admits one waiter. A socket's waitable
 * uses the socket's subject, so it takes the same turns as the socket's calls.
 *
 * ptk_wait_any.c waits for several.
 */
#include "wait/ptk_waitable_impl.h"

#include "sched/ptk_call.h"
#include "sched/ptk_op.h"
#include "sched/ptk_park.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_timer.h"
#include "sched/ptk_wait_queue.h"

#include <errno.h>
#include <signal.h>

typedef struct waitables {
    ptk_slab_t slab;
} waitables_t;

/* --- the slab --- */

static void end_if_living(void *context, void *object) {
    ptk_waitable_t *waitable = object;
    (void) context;
    if (waitable->loop && !waitable->is_dead) {
        ptk_waitable_end(waitable);
    }
}

static void init_waitables(ptk_scheduler_t *scheduler, void *state) {
    (void) scheduler;
    ptk_slab_init(&((waitables_t *) state)->slab, sizeof(ptk_waitable_t), true);
}

static void fini_waitables(ptk_scheduler_t *scheduler, void *state) {
    waitables_t *waitables = state;
    (void) scheduler;
    ptk_slab_visit(&waitables->slab, end_if_living, NULL);
    ptk_slab_fini(&waitables->slab);
}

static waitables_t *waitables_of(ptk_scheduler_t *scheduler) {
    return ptk_scheduler_service(scheduler, PTK_SERVICE_WAITABLES, sizeof(waitables_t), init_waitables,
                                 fini_waitables);
}

static void give_back(ptk_pin_t *pin) {
    ptk_waitable_t *waitable = ptk_container_of(pin, ptk_waitable_t, pin);
    ptk_scheduler_t *scheduler = ptk_thread()->scheduler;
    ptk_slab_free(&waitables_of(scheduler)->slab, waitable);
}

static ptk_waitable_t *take(ptk_scheduler_t *scheduler, ptk_waitable_type_t type) {
    waitables_t *waitables = waitables_of(scheduler);
    ptk_waitable_t *waitable = waitables ? ptk_slab_alloc(&waitables->slab) : NULL;
    if (!waitable) {
        ptk_fail(PTK_ERR_NO_RESOURCES);
        return NULL;
    }
    *waitable =
        (ptk_waitable_t) {.loop = scheduler->loop, .type = (uint8_t) type, .pin = {.release = give_back}};
    ptk_event_counter_init(&waitable->counter);
    return waitable;
}

/* --- what feeds it --- */

static ptk_scheduler_t *scheduler_of(const ptk_waitable_t *waitable) {
    return waitable->loop->attachment.data;
}

static void set_subject(ptk_waitable_t *waitable, const ptk_waitable_subject_t *subject) {
    waitable->subject = *subject;
    waitable->ops[0] = (ptk_event_op_t) {.kind = PTK_OP_READY, .source = subject->source};
    waitable->ops[1] = (ptk_event_op_t) {.kind = PTK_OP_READY, .source = subject->source};
}

static ptk_err start_descriptor(ptk_waitable_t *waitable, void *platform_handle) {
    ptk_waitable_foreign_t *foreign = &waitable->u.foreign;
    foreign->source =
        (ptk_event_source_t) {.handle = (ptk_os_handle_t) platform_handle, .mode = PTK_SOURCE_FOREIGN};
    ptk_gate_init(&foreign->gates[0], true);
    ptk_gate_init(&foreign->gates[1], true);
    const ptk_waitable_subject_t subject = {
        .pin = &waitable->pin,
        .source = &foreign->source,
        .gates = {&foreign->gates[0], &foreign->gates[1]},
        .allowed = PTK_EVENT_READ | PTK_EVENT_WRITE,
    };
    set_subject(waitable, &subject);
    ptk_call_t call = {.scheduler = scheduler_of(waitable)};
    waitable->ops[0].events = PTK_EVENT_READ;
    if (ptk_op_try(&call, &waitable->ops[0]) == PTK_OK && waitable->ops[0].result < 0) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    int result = waitable->loop->ops->attach(waitable->loop, &foreign->source);
    return result == 0 ? PTK_OK : ptk_fail_errno(-result);
}

static void timer_fired(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    ptk_waitable_timer_t *feed = ptk_container_of(timer, ptk_waitable_timer_t, timer);
    ptk_waitable_t *waitable = ptk_container_of(feed, ptk_waitable_t, u.timer);
    uint64_t count = 1;
    if (feed->period_ns > 0) {
        uint64_t late_ns = scheduler->now_ns - timer->value_ns;
        count += late_ns / feed->period_ns;
        uint64_t room_ns = PTK_TIME_NEVER - timer->value_ns;
        bool ends = room_ns / feed->period_ns < count;
        uint64_t next_ns = ends ? PTK_TIME_NEVER : timer->value_ns + count * feed->period_ns;
        const ptk_deadline_t next = {.kind = PTK_DEADLINE_ABSOLUTE, .ns = next_ns};
        ptk_timer_arm(scheduler, timer, &next);
    }
    ptk_event_counter_add(&waitable->counter, count);
}

static ptk_err start_timer(ptk_waitable_t *waitable, const ptk_timer_spec_t *spec) {
    ptk_scheduler_t *scheduler = scheduler_of(waitable);
    if (!spec) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    if (!ptk_heap_reserve(&scheduler->heap)) {
        return ptk_fail(PTK_ERR_NO_RESOURCES);
    }
    ptk_waitable_timer_t *feed = &waitable->u.timer;
    feed->period_ns = spec->period_ns;
    feed->timer = (ptk_timer_t) {.heap = {PTK_HEAP_NONE}, .expire = timer_fired};
    ptk_deadline_t first = {.kind = PTK_DEADLINE_RELATIVE, .ns = spec->first_ns};
    ptk_deadline_fix(&first);
    ptk_timer_arm(scheduler, &feed->timer, &first);
    ptk_scheduler_show(scheduler);
    return PTK_OK;
}

static void signal_arrived(ptk_inbox_node_t *node) {
    ptk_signal_subscription_t *subscription = ptk_container_of(node, ptk_signal_subscription_t, node);
    ptk_waitable_t *waitable = ptk_container_of(subscription, ptk_waitable_t, u.subscription);
    ptk_inbox_node_dequeued(node);
    ptk_event_counter_add(&waitable->counter, atomic_exchange(&subscription->count, 0));
}

static ptk_err start_signal(ptk_waitable_t *waitable, void *platform_handle) {
    intptr_t number = (intptr_t) platform_handle;
    ptk_scheduler_t *scheduler = scheduler_of(waitable);
    waitable->u.subscription.node.deliver = signal_arrived;
    if (number <= 0 || number > INT32_MAX) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    return ptk_signal_subscribe(&waitable->u.subscription, scheduler->inbox, (int) number);
}

static ptk_err feed(ptk_waitable_t *waitable, void *platform_handle) {
    switch ((ptk_waitable_type_t) waitable->type) {
    case PTK_WAITABLE_SOCKET:
        return start_descriptor(waitable, platform_handle);
    case PTK_WAITABLE_TIMER:
        return start_timer(waitable, platform_handle);
    case PTK_WAITABLE_SIGNAL:
        return start_signal(waitable, platform_handle);
    case PTK_WAITABLE_USER:
        break;
    }
    return platform_handle ? ptk_fail(PTK_ERR_INVALID_PARAM) : PTK_OK;
}

static void stop_source(ptk_waitable_t *waitable) {
    ptk_scheduler_t *scheduler = scheduler_of(waitable);
    switch ((ptk_waitable_type_t) waitable->type) {
    case PTK_WAITABLE_SOCKET:
        if (!waitable->is_lent) {
            waitable->loop->ops->detach(waitable->loop, waitable->subject.source);
        }
        break;
    case PTK_WAITABLE_TIMER:
        ptk_timer_disarm(scheduler, &waitable->u.timer.timer);
        ptk_heap_unreserve(&scheduler->heap);
        break;
    case PTK_WAITABLE_SIGNAL:
        ptk_signal_unsubscribe(&waitable->u.subscription);
        ptk_drain_inbox(scheduler); /* its node may be queued */
        break;
    case PTK_WAITABLE_USER:
        if (waitable->u.signaler) {
            ptk_signaler_close(waitable->u.signaler);
        }
        break;
    }
}

/* --- create and destroy --- */

ptk_waitable_t *ptk_waitable_create(ptk_event_loop_platform_t *loop, ptk_waitable_type_t type,
                                    void *platform_handle) {
    ptk_scheduler_t *scheduler = NULL;
    if (ptk_scheduler_attach(loop, &scheduler) != PTK_OK) {
        return NULL;
    }
    if ((unsigned) type > PTK_WAITABLE_USER) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    ptk_waitable_t *waitable = take(scheduler, type);
    if (waitable && feed(waitable, platform_handle) != PTK_OK) {
        waitable->is_dead = true;
        ptk_pin_close(&waitable->pin);
        return NULL;
    }
    return waitable;
}

ptk_waitable_t *ptk_waitable_lend(ptk_scheduler_t *scheduler, const ptk_waitable_subject_t *subject) {
    ptk_waitable_t *waitable = take(scheduler, PTK_WAITABLE_SOCKET);
    if (waitable) {
        waitable->is_lent = true;
        set_subject(waitable, subject);
    }
    return waitable;
}

static void end_waits(ptk_waitable_t *waitable, ptk_err code) {
    ptk_wait_queue_wake_all(&waitable->counter.waiters, code);
    if (waitable->type == PTK_WAITABLE_SOCKET) {
        for (size_t i = 0; i < 2; i++) {
            ptk_op_end(&waitable->ops[i], code);
            if (waitable->subject.gates[i]) {
                ptk_wait_queue_wake_object(&waitable->subject.gates[i]->waiters, waitable, code);
            }
        }
    }
}

void ptk_waitable_stop(ptk_waitable_t *waitable) {
    waitable->is_dead = true;
    end_waits(waitable, PTK_ERR_CLOSED);
}

void ptk_waitable_end(ptk_waitable_t *waitable) {
    ptk_waitable_stop(waitable);
    stop_source(waitable);
    ptk_pin_close(&waitable->pin);
}

ptk_err ptk_waitable_check(const ptk_waitable_t *waitable) {
    if (!waitable) {
        return PTK_ERR_INVALID_PARAM;
    }
    if (!ptk_loop_is_mine(waitable->loop)) {
        return ptk_loop_refusal();
    }
    return waitable->is_dead ? PTK_ERR_CLOSED : PTK_OK;
}

void ptk_waitable_destroy(ptk_waitable_t *waitable) {
    if (waitable && ptk_waitable_check(waitable) == PTK_OK && !waitable->is_lent) {
        ptk_waitable_end(waitable);
    }
}

ptk_err ptk_waitable_took(const ptk_call_t *call, uint32_t ready, uint64_t count) {
    if (call->self) {
        call->self->u.run.ready = ready;
        call->self->last_count = count;
    }
    return PTK_OK;
}

uint32_t ptk_waitable_allowed(const ptk_waitable_t *waitable) {
    return waitable->type == PTK_WAITABLE_SOCKET ? waitable->subject.allowed : PTK_EVENT_READ;
}

/* --- waiting for one --- */

static ptk_err wait_for_counter(ptk_waitable_t *waitable, ptk_call_t *call) {
    static const char *const kinds[] = {"socket", "timer", "signal", "user event"};
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        ptk_scheduler_catch_up(call->scheduler);
    }
    uint64_t count = ptk_event_counter_take(&waitable->counter);
    if (count > 0) {
        return ptk_waitable_took(call, PTK_EVENT_READ, count);
    }
    if (call->deadline.kind == PTK_DEADLINE_NOW) {
        return PTK_ERR_TIMEOUT;
    }
    bool externally_wakeable = waitable->type != PTK_WAITABLE_USER;
    ptk_wait_t *wait = ptk_wait_plain(call->self, kinds[waitable->type], waitable, externally_wakeable);
    ptk_list_append(&waitable->counter.waiters, &wait->link);
    ptk_err code = ptk_park(call->self, &call->deadline);
    return code == PTK_OK ? ptk_waitable_took(call, PTK_EVENT_READ, wait->count)
                          : code; /* the waitable may be gone */
}

/* Inside the lease, with the turns of all directions in `events`. */
static ptk_err wait_inside_gates(ptk_waitable_t *waitable, uint32_t events, ptk_call_t *call) {
    const ptk_waitable_subject_t *subject = &waitable->subject;
    if ((events & PTK_EVENT_READ) && subject->held && *subject->held > 0) {
        return ptk_waitable_took(call, PTK_EVENT_READ, 0);
    }
    ptk_event_op_t *op = &waitable->ops[events & PTK_EVENT_READ ? 0 : 1];
    op->events = events;
    ptk_err err = ptk_op_wait(call, op, "socket", waitable);
    if (err == PTK_OK && op->result < 0) {
        return ptk_call_errno(call, op->result);
    }
    return err == PTK_OK ? ptk_waitable_took(call, (uint32_t) op->result, 0) : err;
}

/* Take the turns of `events` one after the other, wait, hand them on. A closed subject is not touched any
 * more. */
static ptk_err wait_with_gates(ptk_waitable_t *waitable, uint32_t events, ptk_call_t *call,
                               size_t direction) {
    const ptk_waitable_subject_t subject = waitable->subject;
    if (direction == 2) {
        return wait_inside_gates(waitable, events, call);
    }
    uint32_t event = direction == 0 ? PTK_EVENT_READ : PTK_EVENT_WRITE;
    if (!(events & event)) {
        return wait_with_gates(waitable, events, call, direction + 1);
    }
    ptk_err err = ptk_gate_enter(subject.gates[direction], call, "turn", waitable);
    if (subject.pin->closed) {
        return PTK_ERR_CLOSED;
    }
    if (err != PTK_OK) {
        return err;
    }
    err = wait_with_gates(waitable, events, call, direction + 1);
    if (subject.pin->closed) {
        return err == PTK_OK ? err : PTK_ERR_CLOSED;
    }
    ptk_gate_leave(subject.gates[direction]);
    return err;
}

static ptk_err wait_for_subject(ptk_waitable_t *waitable, uint32_t events, ptk_call_t *call) {
    ptk_pin_t *pin = waitable->subject.pin;
    ptk_pin_take(pin);
    ptk_err err = wait_with_gates(waitable, events, call, 0);
    (void) ptk_pin_drop(pin);
    return err;
}

ptk_err ptk_waitable_wait(ptk_waitable_t *waitable, uint32_t events, uint32_t timeout_ms) {
    ptk_call_t call = {0};
    ptk_err err = ptk_waitable_check(waitable);
    events &= ~PTK_EVENT_ERROR;
    if (err == PTK_OK && (events == 0 || (events & ~ptk_waitable_allowed(waitable)) != 0)) {
        err = PTK_ERR_INVALID_PARAM;
    }
    if (err == PTK_OK) {
        err = ptk_call_begin(&call, waitable->loop, timeout_ms);
    }
    if (err == PTK_OK) {
        err = ptk_waitable_check(waitable); /* the call may have yielded */
    }
    if (err == PTK_OK) {
        bool socket = waitable->type == PTK_WAITABLE_SOCKET;
        err = socket ? wait_for_subject(waitable, events, &call) : wait_for_counter(waitable, &call);
    }
    return err == PTK_OK ? PTK_OK : ptk_call_fail(&call, err);
}

uint32_t ptk_waitable_ready(void) {
    const ptk_task_t *self = ptk_task_current();
    return self ? self->u.run.ready : 0;
}

uint64_t ptk_waitable_count(void) {
    const ptk_task_t *self = ptk_task_current();
    return self ? self->last_count : 0;
}

/* --- signal and abort --- */

static ptk_err check_user(const ptk_waitable_t *waitable) {
    ptk_err err = ptk_waitable_check(waitable);
    return err == PTK_OK && waitable->type != PTK_WAITABLE_USER ? PTK_ERR_INVALID_PARAM : err;
}

ptk_err ptk_waitable_signal(ptk_waitable_t *waitable) {
    ptk_err err = check_user(waitable);
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    ptk_event_counter_add(&waitable->counter, 1);
    return PTK_OK;
}

ptk_err ptk_waitable_abort(ptk_waitable_t *waitable) {
    ptk_err err = ptk_waitable_check(waitable);
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    end_waits(waitable, PTK_ERR_ABORTED);
    return PTK_OK;
}

ptk_signaler_t *ptk_waitable_signaler(ptk_waitable_t *waitable) {
    ptk_err err = check_user(waitable);
    if (err != PTK_OK) {
        ptk_fail(err);
        return NULL;
    }
    if (!waitable->u.signaler) {
        waitable->u.signaler = ptk_signaler_create(scheduler_of(waitable), &waitable->counter);
    }
    if (!waitable->u.signaler) {
        ptk_fail(PTK_ERR_NO_RESOURCES);
        return NULL;
    }
    ptk_signaler_hand_out(waitable->u.signaler);
    return waitable->u.signaler;
}
