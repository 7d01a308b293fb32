/* SPDX-License-Identifier: MIT */
/*
 * Waitables (layer 4): creating, destroying, and waiting for one.
 *
 * Two shapes. TIMER, SIGNAL and USER are an *event counter*: events are counted there until a wait takes
 * them, and a wait touches nothing else. SOCKET is a *subject*: a source, a gate for each event that can be
 * waited for, and a READY operation that calls poll(2) and pends until the platform has news.
 *
 * A foreign descriptor's subject is the waitable's own: each event admits one waiter. The waitable of a
 * socket uses the socket's subject, so it passes the same gates as the socket's calls.
 *
 * A waitable ends when it is destroyed: its token is refused from then on, its waits end with CLOSED, its
 * source is stopped, in this order. Its memory is freed when the last wait has left. A socket's waitable ends
 * with the socket, which owns it.
 *
 * The waiting path is the same for one waitable and for several: wait/ptk_wait_set.c.
 */
#include <ptk_waitable.h>

#include "sched/ptk_op.h"
#include "sched/ptk_park.h"
#include "sched/ptk_pick.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_wait_queue.h"
#include "wait/ptk_signaler.h"
#include "wait/ptk_wait_set.h"
#include "wait/ptk_waitable_impl.h"
#include "wait/ptk_waitable_timer.h"
#include <errno.h>
#include <signal.h>

/* --- the table --- */

static void end_waitable(ptk_waitable_t *waitable);

static void end_living_waitable(void *context, void *object) {
    (void) context;
    end_waitable(object);
}

/* The sockets have ended before, and with them the waitables that were lent. */
static void fini_waitables(ptk_scheduler_t *scheduler) {
    ptk_token_visit(&scheduler->services[PTK_SERVICE_WAITABLES].table, end_living_waitable, NULL);
}

static ptk_token_table_t *waitable_table(ptk_scheduler_t *scheduler) {
    return ptk_scheduler_service(scheduler, PTK_SERVICE_WAITABLES, PTK_TOKEN_STRIDE(ptk_waitable_t),
                                 fini_waitables);
}

/* Frees an ended waitable that no wait pins any more. */
static void free_waitable(ptk_pin_t *pin) {
    ptk_waitable_t *waitable = ptk_container_of(pin, ptk_waitable_t, pin);
    ptk_assert(ptk_list_is_empty(&waitable->counter.waiters));
    ptk_token_free(waitable_table(waitable->scheduler), &waitable->head);
}

/* Returns a living waitable without a source; NULL with the reason recorded. */
static ptk_waitable_t *take_waitable(ptk_scheduler_t *scheduler, ptk_waitable_type_t type) {
    ptk_waitable_t *waitable = ptk_token_alloc(waitable_table(scheduler));
    if (!waitable) {
        ptk_fail(PTK_ERR_NO_RESOURCES);
        return NULL;
    }
    *waitable = (ptk_waitable_t) {.head = waitable->head,
                                  .scheduler = scheduler,
                                  .type = (uint8_t) type,
                                  .pin = {.free = free_waitable}};
    ptk_event_counter_init(&waitable->counter);
    return waitable;
}

/* --- the source of its events --- */

/* Gives a SOCKET waitable its subject, and its operations their source. */
static void set_subject(ptk_waitable_t *waitable, const ptk_waitable_subject_t *subject) {
    waitable->subject = *subject;
    for (size_t i = 0; i < PTK_DIRECTIONS; i++) {
        waitable->ops[i] = (ptk_event_op_t) {.kind = PTK_OP_READY, .source = subject->source};
    }
}

/* Returns true if the system has the descriptor. */
static bool is_descriptor(ptk_waitable_t *waitable) {
    ptk_call_t call = {.scheduler = waitable->scheduler};
    ptk_event_op_t *op = &waitable->ops[0];
    op->events = PTK_EVENT_READ;
    return ptk_op_try(&call, op) != PTK_OK || op->result >= 0;
}

/* The descriptor is tried once before it is attached: attach takes any number. */
static ptk_err start_descriptor(ptk_waitable_t *waitable, void *platform_handle) {
    ptk_waitable_foreign_t *foreign = &waitable->u.foreign;
    ptk_event_loop_platform_t *loop = waitable->scheduler->loop;
    foreign->source =
        (ptk_event_source_t) {.handle = (ptk_os_handle_t) platform_handle, .mode = PTK_SOURCE_FOREIGN};
    ptk_waitable_subject_t subject = {
        .pin = &waitable->pin,
        .source = &foreign->source,
        .allowed = PTK_EVENT_READ | PTK_EVENT_WRITE | PTK_EVENT_HANGUP | PTK_EVENT_PRIORITY,
    };
    for (size_t i = 0; i < PTK_DIRECTIONS; i++) {
        ptk_gate_init(&foreign->gates[i], true);
        subject.gates[i] = &foreign->gates[i];
    }
    set_subject(waitable, &subject);
    if (!is_descriptor(waitable)) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    int result = loop->ops->attach(loop, &foreign->source);
    return result == 0 ? PTK_OK : ptk_fail_errno(-result);
}

static void signal_arrived(ptk_inbox_node_t *node) {
    ptk_signal_subscription_t *subscription = ptk_container_of(node, ptk_signal_subscription_t, node);
    ptk_waitable_t *waitable = ptk_container_of(subscription, ptk_waitable_t, u.subscription);
    ptk_assert(waitable->type == PTK_WAITABLE_SIGNAL);
    ptk_inbox_node_dequeued(node);
    ptk_event_counter_add(&waitable->counter, atomic_exchange(&subscription->count, 0));
}

/* `deliver` is set before the subscription can be found by the handler. */
static ptk_err start_signal(ptk_waitable_t *waitable, void *platform_handle) {
    intptr_t number = (intptr_t) platform_handle;
    waitable->u.subscription.node.deliver = signal_arrived;
    if (number <= 0 || number > INT32_MAX) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    return ptk_signal_subscribe(&waitable->u.subscription, waitable->scheduler->inbox, (int) number);
}

/* Starts what brings events, or records why it cannot be started: then nothing is left of it. */
static ptk_err start_source(ptk_waitable_t *waitable, void *platform_handle) {
    switch ((ptk_waitable_type_t) waitable->type) {
    case PTK_WAITABLE_SOCKET:
        return start_descriptor(waitable, platform_handle);
    case PTK_WAITABLE_TIMER:
        return ptk_waitable_timer_start(waitable, platform_handle);
    case PTK_WAITABLE_SIGNAL:
        return start_signal(waitable, platform_handle);
    case PTK_WAITABLE_USER:
        break;
    }
    return platform_handle ? ptk_fail(PTK_ERR_INVALID_PARAM) : PTK_OK;
}

/* Stops what start_source started. No event of this waitable's is under way afterwards. */
static void stop_source(ptk_waitable_t *waitable) {
    ptk_scheduler_t *scheduler = waitable->scheduler;
    switch ((ptk_waitable_type_t) waitable->type) {
    case PTK_WAITABLE_SOCKET:
        scheduler->loop->ops->detach(scheduler->loop, waitable->subject.source);
        break;
    case PTK_WAITABLE_TIMER:
        ptk_waitable_timer_stop(waitable);
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
    ptk_waitable_t *waitable = take_waitable(scheduler, type);
    if (waitable && start_source(waitable, platform_handle) != PTK_OK) {
        ptk_token_end(&waitable->head);
        ptk_pin_close(&waitable->pin);
        return NULL;
    }
    return waitable ? ptk_token_of(&waitable->head) : NULL;
}

ptk_waitable_t *ptk_waitable_lend(ptk_scheduler_t *scheduler, const ptk_waitable_subject_t *subject) {
    ptk_waitable_t *waitable = take_waitable(scheduler, PTK_WAITABLE_SOCKET);
    if (waitable) {
        waitable->is_lent = true;
        set_subject(waitable, subject);
    }
    return waitable;
}

/* Ends every current wait on the waitable with `code`: in its counter, for its operations, in its gates.
 * Gates are shared with the other waitables of a socket and with its calls, whose waits stay. */
static void end_waits(ptk_waitable_t *waitable, ptk_err code) {
    ptk_wait_queue_wake_all(&waitable->counter.waiters, code);
    for (size_t i = 0; waitable->type == PTK_WAITABLE_SOCKET && i < PTK_DIRECTIONS; i++) {
        ptk_op_end(&waitable->ops[i], code);
        ptk_wait_queue_wake_object(&waitable->subject.gates[i]->waiters, waitable, code);
    }
}

void ptk_waitable_stop(ptk_waitable_t *waitable) {
    ptk_assert(waitable->is_lent && waitable->head.token != 0);
    ptk_token_end(&waitable->head);
    end_waits(waitable, PTK_ERR_CLOSED);
}

void ptk_waitable_free(ptk_waitable_t *waitable) {
    ptk_assert(waitable->is_lent && waitable->head.token == 0);
    ptk_pin_close(&waitable->pin);
}

/* Ends a waitable of the user's. One that is lent ends with its socket. */
static void end_waitable(ptk_waitable_t *waitable) {
    if (waitable->is_lent) {
        return;
    }
    ptk_token_end(&waitable->head);
    end_waits(waitable, PTK_ERR_CLOSED);
    ptk_assert(ptk_list_is_empty(&waitable->counter.waiters));
    stop_source(waitable);
    ptk_pin_close(&waitable->pin);
}

void ptk_waitable_destroy(ptk_waitable_t *token) {
    ptk_waitable_t *waitable = ptk_waitable_find(token);
    if (waitable) {
        end_waitable(waitable);
    } else if (token) {
        ptk_fail(ptk_token_refusal(token));
    }
}

/* --- waiting for one --- */

/* Waits for several events, which needs a second record: in a frame of its own, because few waits do. */
static __attribute__((noinline)) ptk_err wait_for_several(ptk_wait_set_t *set, uint32_t timeout_ms) {
    ptk_wait_t gate_record;
    set->gate_records = &gate_record;
    ptk_err err = ptk_wait_set_enter(set, timeout_ms);
    return err == PTK_OK ? ptk_wait_set_wait(set) : err;
}

/* The record of a wait for one waitable is the task's, so that nothing in user space touches the parked
 * stack. */
static ptk_err wait_for_one(ptk_waitable_wait_item_t *item, uint32_t timeout_ms) {
    ptk_wait_t outside; /* with timeout 0 outside a green thread */
    uint8_t held;
    ptk_task_t *self = ptk_task_current();
    ptk_wait_set_t set = {.items = item, .count = 1, .records = self ? &self->wait : &outside, .held = &held};
    if (ptk_wait_set_needs_gate_record(item)) {
        return wait_for_several(&set, timeout_ms);
    }
    ptk_err err = ptk_wait_set_enter(&set, timeout_ms);
    return err == PTK_OK ? ptk_wait_set_wait(&set) : err;
}

ptk_err ptk_waitable_wait(ptk_waitable_t *token, uint32_t events, uint32_t timeout_ms) {
    ptk_waitable_wait_item_t item = {.waitable = token, .events = events};
    return wait_for_one(&item, timeout_ms);
}

ptk_err ptk_waitable_wait_for(ptk_waitable_t *token, uint32_t events, uint32_t timeout_ms,
                              uint32_t *ready_out, uint64_t *count_out) {
    ptk_waitable_wait_item_t item = {.waitable = token, .events = events};
    ptk_err err = wait_for_one(&item, timeout_ms);
    if (ready_out) {
        *ready_out = err == PTK_OK ? item.ready_out : 0;
    }
    if (count_out) {
        *count_out = err == PTK_OK ? item.count_out : 0;
    }
    return err;
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

/* Returns a living USER waitable, NULL with the reason recorded. */
static ptk_waitable_t *find_user_waitable(const ptk_waitable_t *token) {
    ptk_waitable_t *waitable = ptk_waitable_find(token);
    if (waitable && waitable->type == PTK_WAITABLE_USER) {
        return waitable;
    }
    ptk_fail(waitable ? PTK_ERR_INVALID_PARAM : ptk_token_refusal(token));
    return NULL;
}

ptk_err ptk_waitable_signal(ptk_waitable_t *token) {
    ptk_waitable_t *waitable = find_user_waitable(token);
    if (!waitable) {
        return ptk_get_err();
    }
    ptk_event_counter_add(&waitable->counter, 1);
    return PTK_OK;
}

ptk_err ptk_waitable_abort(ptk_waitable_t *token) {
    ptk_waitable_t *waitable = ptk_waitable_find(token);
    if (!waitable) {
        return ptk_fail(ptk_token_refusal(token));
    }
    waitable->last_abort = ++waitable->scheduler->aborts;
    end_waits(waitable, PTK_ERR_ABORTED);
    return PTK_OK;
}

ptk_signaler_t *ptk_waitable_signaler(ptk_waitable_t *token) {
    ptk_waitable_t *waitable = find_user_waitable(token);
    if (!waitable) {
        return NULL;
    }
    if (!waitable->u.signaler) {
        waitable->u.signaler = ptk_signaler_create(waitable->scheduler, &waitable->counter);
    }
    if (!waitable->u.signaler) {
        ptk_fail(PTK_ERR_NO_RESOURCES);
        return NULL;
    }
    ptk_signaler_hand_out(waitable->u.signaler);
    return waitable->u.signaler;
}
