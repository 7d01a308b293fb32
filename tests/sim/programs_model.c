/* SPDX-License-Identifier: MIT */
/*
 * The reference model of random programs: which results each call may return, and when.
 *
 * Time: a call returns TIMEOUT exactly when its time is over, later only by what was computed meanwhile, and
 * never returns anything else after that. With timeout 0 no other green thread runs before it returns.
 *
 * Errors: ptk_get_err() is the last failure's and is not changed by success.
 *
 * Cancel: CANCELED is returned at entry once the caller is cancelled, never before, and never with timeout 0.
 * The cause is that of the first visible scope.
 *
 * Waking: what ends a call ends it at once, before `idle` advances. This is checked when the call returns,
 * and by the audit while it is open. For sockets the simulated kernel states what is ready.
 *
 * Counting: each event of a waitable is taken exactly once, by the waiter that came first. A look at a
 * waitable for which nothing else waits finds the exact count.
 *
 * Streams: received bytes are those of the peer's sends: whole, in order, each once, and sends of queued
 * callers in the order of the queue.
 *
 * A call that has begun may not have queued yet, because it may yield first. It is certain to be queued when
 * `idle` has advanced since it began. The rules about the order of waiters hold for such calls.
 */
#include "programs.h"

#include "sim/kernel/ptk_sim_kernel.h"
#include <errno.h>
#include <poll.h>
#include <string.h>

programs_world_t programs;

uint64_t programs_idle_ns(void) {
    return ptk_now_ns() - programs.computed_ns;
}

bool programs_has_failed(void) {
    return ptk_sim_kernel_here()->crashed;
}

uint32_t programs_living(void) {
    uint32_t count = 1;
    for (size_t i = 0; i < programs.worker_count; i++) {
        count += !programs.workers[i].is_ended;
    }
    return count;
}

static uint64_t timeout_ns(const programs_call_t *call) {
    return call->timeout_ms * PTK_NS_PER_MS;
}

/* Returns what was computed since the call began: by so much it may be late. */
static uint64_t late_ns(const programs_call_t *call) {
    return programs.computed_ns - call->start_computed_ns;
}

/* --- cancel --- */

static bool deadline_may_be_over(uint64_t deadline_ns) {
    return deadline_ns != PTK_TIME_NEVER && ptk_now_ns() >= deadline_ns;
}

/* A deadline begins with the first clock reading after it was set, and is seen at a tick. */
static bool deadline_must_be_over(uint64_t deadline_ns, uint64_t computed_ns) {
    return deadline_ns != PTK_TIME_NEVER && ptk_now_ns() > deadline_ns + (programs.computed_ns - computed_ns);
}

bool programs_must_be_cancelled(const programs_worker_t *worker) {
    if (worker->shield_count > 0) {
        const programs_shield_t *shield = &worker->shields[worker->shield_count - 1];
        return shield->was_seen || deadline_must_be_over(shield->deadline_ns, shield->computed_ns);
    }
    return worker->was_seen || worker->is_requested || programs.is_stopped ||
           deadline_must_be_over(worker->life_ns, worker->life_computed_ns);
}

bool programs_may_be_cancelled(const programs_worker_t *worker) {
    if (worker->shield_count > 0) {
        return deadline_may_be_over(worker->shields[worker->shield_count - 1].deadline_ns);
    }
    return worker->is_requested || programs.is_stopped || deadline_may_be_over(worker->life_ns) ||
           (worker->is_daemon && programs.over);
}

void programs_check_cause(programs_worker_t *me) {
    ptk_cancel_cause_t cause = ptk_cancel_cause();
    bool *was_seen = me->shield_count > 0 ? &me->shields[me->shield_count - 1].was_seen : &me->was_seen;
    PTK_SIM_CHECK(cause != PTK_CANCEL_NONE || !programs_must_be_cancelled(me));
    PTK_SIM_CHECK(cause == PTK_CANCEL_NONE || programs_may_be_cancelled(me));
    *was_seen = cause != PTK_CANCEL_NONE; /* it stays */
    if (me->shield_count > 0) {
        PTK_SIM_CHECK(cause == PTK_CANCEL_NONE || cause == PTK_CANCEL_DEADLINE);
        return;
    }
    PTK_SIM_CHECK(cause != PTK_CANCEL_REQUEST || me->is_requested);
    PTK_SIM_CHECK(cause != PTK_CANCEL_DEADLINE || deadline_may_be_over(me->life_ns));
    PTK_SIM_CHECK(cause != PTK_CANCEL_STOP || programs.is_stopped || (me->is_daemon && programs.over));
}

/* --- calls --- */

programs_call_t *programs_begin(programs_worker_t *me, const char *name, uint32_t timeout_ms,
                                bool takes_cancel) {
    programs_call_t *call = &me->call;
    PTK_SIM_CHECK(ptk_get_err() == me->last_error);
    programs_check_cause(me);
    for (size_t i = 0; i < programs.worker_count; i++) {
        programs.workers[i].call.ran_other = true;
    }
    errno = (int) (10000 + me->number); /* a park keeps it */
    *call = (programs_call_t) {.is_open = true,
                               .name = name,
                               .order = ++programs.orders,
                               .start_ns = ptk_now_ns(),
                               .start_idle_ns = programs_idle_ns(),
                               .start_computed_ns = programs.computed_ns,
                               .timeout_ms = timeout_ms,
                               .takes_cancel = takes_cancel && timeout_ms != 0,
                               .must_cancel = programs_must_be_cancelled(me)};
    return call;
}

static void check_time(const programs_call_t *call, ptk_err err) {
    uint64_t passed_ns = ptk_now_ns() - call->start_ns;
    bool is_limited = call->timeout_ms != PTK_TIMEOUT_INFINITE;
    PTK_SIM_CHECK(call->timeout_ms != 0 || !call->ran_other);
    PTK_SIM_CHECK(!is_limited || passed_ns <= timeout_ns(call) + late_ns(call));
    PTK_SIM_CHECK(err != PTK_ERR_TIMEOUT || (is_limited && passed_ns >= timeout_ns(call)));
    PTK_SIM_CHECK(!call->is_due || programs_idle_ns() == call->due_idle_ns);
}

static void check_cancel(const programs_worker_t *me, ptk_err err) {
    const programs_call_t *call = &me->call;
    if (err == PTK_ERR_CANCELED) {
        PTK_SIM_CHECK(call->takes_cancel && programs_may_be_cancelled(me));
        PTK_SIM_CHECK(ptk_cancel_cause() != PTK_CANCEL_NONE);
    } else if (call->must_cancel && call->takes_cancel) {
        bool is_short = programs.is_short && err == PTK_ERR_NO_RESOURCES;
        PTK_SIM_CHECK(err == PTK_ERR_CLOSED || err == PTK_ERR_INVALID_PARAM || is_short);
    }
}

/* Only failures of the system have a number of it. */
static void check_os_error(ptk_err err) {
    switch (err) {
    case PTK_ERR_RESET:
        PTK_SIM_CHECK(ptk_get_os_err() == ECONNRESET || ptk_get_os_err() == EPIPE ||
                      ptk_get_os_err() == ECONNABORTED);
        break;
    case PTK_ERR_REFUSED:
        PTK_SIM_CHECK(ptk_get_os_err() == ECONNREFUSED);
        break;
    case PTK_ERR_TIMEOUT:
    case PTK_ERR_CANCELED:
    case PTK_ERR_CLOSED:
    case PTK_ERR_BUSY:
    case PTK_ERR_ABORTED:
    case PTK_ERR_EOF:
        PTK_SIM_CHECK(ptk_get_os_err() == 0);
        break;
    default:
        break;
    }
}

/* CLOSED replaces a failure of a wait that has not returned yet. */
static bool has_destroyed_item(const programs_call_t *call) {
    for (size_t i = 0; i < call->item_count; i++) {
        if (call->items[i] && call->items[i]->is_destroyed) {
            return true;
        }
    }
    return false;
}

void programs_end(programs_worker_t *me, ptk_err err) {
    programs_call_t *call = &me->call;
    call->is_open = false;
    PTK_SIM_CHECK(errno == (int) (10000 + me->number));
    check_time(call, err);
    check_cancel(me, err);
    PTK_SIM_CHECK(err != PTK_ERR_NO_RESOURCES || programs.is_short || call->spawns);
    if (call->is_exact && err != call->result) {
        bool may_be_refused = !call->is_decided && err == PTK_ERR_CANCELED;
        bool was_closed_too = call->result != PTK_OK && err == PTK_ERR_CLOSED && has_destroyed_item(call);
        PTK_SIM_CHECK(may_be_refused || was_closed_too);
    }
    if (err != PTK_OK) {
        me->last_error = err;
        check_os_error(err);
    }
    PTK_SIM_CHECK(ptk_get_err() == me->last_error);
    programs_check_cause(me);
    for (size_t i = 0; i < programs.worker_count; i++) {
        programs.workers[i].call.ran_other = true;
    }
    programs_audit();
}

static void make_due(programs_call_t *call) {
    if (!call->is_due) {
        call->is_due = true;
        call->due_idle_ns = programs_idle_ns();
    }
}

static uint64_t expiries(const programs_counter_t *counter, uint64_t now_ns) {
    uint64_t passed_ns = now_ns - counter->created_ns;
    if (passed_ns < counter->first_ns) {
        return 0;
    }
    return counter->period_ns == 0 ? 1 : 1 + (passed_ns - counter->first_ns) / counter->period_ns;
}

uint64_t programs_left(const programs_counter_t *counter) {
    uint64_t all = counter->type == PTK_WAITABLE_TIMER ? expiries(counter, ptk_now_ns()) : counter->signaled;
    PTK_SIM_CHECK(all >= counter->taken);
    return all - counter->taken;
}

/* Returns how many of them a look must find. A tick sees a timer's expiry, and it may be late by what was
 * computed. */
uint64_t programs_least_left(const programs_counter_t *counter) {
    uint64_t seen_ns = ptk_now_ns() - (programs.computed_ns - counter->created_computed_ns) - 1;
    if (counter->type != PTK_WAITABLE_TIMER) {
        return programs_left(counter);
    }
    uint64_t all = seen_ns >= counter->created_ns ? expiries(counter, seen_ns) : 0;
    return all > counter->taken ? all - counter->taken : 0;
}

/* Returns whether no event has come that may have ended the call. */
static bool has_no_event(const programs_call_t *call) {
    for (size_t i = 0; i < call->item_count; i++) {
        if (!call->items[i] || programs_left(call->items[i]) > 0) {
            return false;
        }
    }
    return call->item_count > 0;
}

/* Returns whether an open call waits in the queues of counters alone, with nothing that may have ended it. */
static bool is_certain(const programs_worker_t *worker) {
    const programs_call_t *call = &worker->call;
    bool is_over =
        call->timeout_ms != PTK_TIMEOUT_INFINITE && ptk_now_ns() >= call->start_ns + timeout_ns(call);
    return call->is_open && !call->is_due && !call->may_have_ended && !is_over &&
           call->start_idle_ns < programs_idle_ns() && !programs_may_be_cancelled(worker) &&
           has_no_event(call);
}

static size_t item_of(const programs_call_t *call, const programs_counter_t *counter) {
    size_t i = 0;
    while (i < call->item_count && call->items[i] != counter) {
        i++;
    }
    return i;
}

static bool waits_for(const programs_worker_t *worker, const programs_counter_t *counter) {
    const programs_call_t *call = &worker->call;
    return call->is_open && item_of(call, counter) < call->item_count;
}

/* Returns the worker whose open, undecided call on the counter came first, NULL if there is none. Of calls
   that began at one time any may have queued first, because a call may yield: NULL, too. */
static programs_worker_t *first_waiter(const programs_counter_t *counter) {
    programs_worker_t *first = NULL;
    bool is_alone = true;
    for (size_t i = 0; i < programs.worker_count; i++) {
        programs_worker_t *worker = &programs.workers[i];
        if (!waits_for(worker, counter) || worker->call.is_due) {
            continue;
        }
        if (!first || worker->call.start_idle_ns < first->call.start_idle_ns) {
            first = worker;
            is_alone = true;
        } else if (worker->call.start_idle_ns == first->call.start_idle_ns) {
            is_alone = false;
        }
    }
    return is_alone ? first : NULL;
}

void programs_signaled(programs_counter_t *counter, bool at_once) {
    programs_worker_t *first = first_waiter(counter);
    bool takes_it = at_once && first && is_certain(first);
    counter->signaled++;
    counter->added_idle_ns = programs_idle_ns();
    if (!takes_it) {
        return;
    }
    make_due(&first->call);
    first->call.is_exact = true;
    first->call.is_decided = true;
    first->call.result = PTK_OK;
    first->call.result_index = item_of(&first->call, counter);
}

void programs_ended_waits(programs_counter_t *counter, ptk_err err) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        programs_worker_t *worker = &programs.workers[i];
        if (!waits_for(worker, counter)) {
            continue;
        }
        if (!is_certain(worker)) {
            worker->call.may_have_ended = true;
            continue;
        }
        make_due(&worker->call);
        worker->call.is_exact = true;
        worker->call.is_decided = true;
        worker->call.result = err;
        worker->call.result_index = item_of(&worker->call, counter);
    }
}

/* The result of a socket's call that is complete already beats the cancel. */
void programs_cancelled(programs_worker_t *worker) {
    bool was_certain = is_certain(worker);
    worker->is_requested = true;
    if (!worker->call.is_open || !worker->call.takes_cancel || worker->shield_count > 0) {
        return;
    }
    if (was_certain) {
        worker->call.is_exact = true;
        worker->call.is_decided = true;
        worker->call.result = PTK_ERR_CANCELED;
        worker->call.result_index = ITEMS;
    }
    make_due(&worker->call);
}

void programs_closed(programs_sock_t *sock) {
    sock->is_closed = true;
    for (size_t i = 0; i < programs.worker_count; i++) {
        if (programs.workers[i].call.is_open && programs.workers[i].call.sock == sock) {
            make_due(&programs.workers[i].call);
        }
    }
}

void programs_stopped(void) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        programs_call_t *call = &programs.workers[i].call;
        if (call->is_open && call->takes_cancel && programs.workers[i].shield_count == 0) {
            make_due(call);
        }
    }
    programs.is_stopped = true;
}

void programs_ended(programs_worker_t *worker) {
    worker->is_ended = true;
    for (size_t i = 0; i < programs.worker_count; i++) {
        if (programs.workers[i].call.is_open && programs.workers[i].call.joined == worker) {
            make_due(&programs.workers[i].call);
        }
    }
}

/* --- counters --- */

bool programs_has_other_waiter(const programs_worker_t *me, const programs_counter_t *counter) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        if (&programs.workers[i] != me && waits_for(&programs.workers[i], counter)) {
            return true;
        }
    }
    return false;
}

/* Checks a count that was taken, and takes it in the model. */
static void take_count(programs_worker_t *me, programs_counter_t *counter, uint64_t count) {
    uint64_t left = programs_left(counter);
    PTK_SIM_CHECK(count > 0 && count <= left);
    if (me->call.timeout_ms == 0 && !programs_has_other_waiter(me, counter)) {
        PTK_SIM_CHECK(count >= programs_least_left(counter));
    }
    if (me->call.is_exact) {
        PTK_SIM_CHECK(count == 1);
    }
    counter->taken += count;
}

/* The item is the first in the array that is ready. */
static void check_order_of_items(const programs_worker_t *me, size_t index) {
    for (size_t i = 0; i < index && me->call.timeout_ms == 0; i++) {
        const programs_counter_t *counter = me->call.items[i];
        if (counter && !programs_has_other_waiter(me, counter)) {
            PTK_SIM_CHECK(programs_least_left(counter) == 0);
        }
    }
}

static void check_ready(programs_worker_t *me, size_t index, uint32_t ready, uint64_t count) {
    programs_call_t *call = &me->call;
    PTK_SIM_CHECK(index < call->item_count);
    PTK_SIM_CHECK(!call->is_exact || index == call->result_index);
    PTK_SIM_CHECK(ptk_waitable_ready() == ready && ptk_waitable_count() == count);
    check_order_of_items(me, index);
    if (call->items[index]) {
        PTK_SIM_CHECK(ready == PTK_EVENT_READ);
        take_count(me, call->items[index], count);
    } else {
        PTK_SIM_CHECK(ready != 0 && (ready & ~(call->events | PTK_EVENT_ERROR)) == 0 && count == 0);
    }
}

/* Nothing was ready that had become so before the loop slept last. */
static void check_not_ready(const programs_worker_t *me) {
    const programs_call_t *call = &me->call;
    for (size_t i = 0; i < call->item_count; i++) {
        const programs_counter_t *counter = call->items[i];
        if (!counter) {
            PTK_SIM_CHECK(call->is_shared || programs_kernel_ready(call->sock, call->events) == 0);
        } else if (!programs_has_other_waiter(me, counter) && call->timeout_ms == 0) {
            PTK_SIM_CHECK(programs_least_left(counter) == 0);
        }
    }
}

static void check_ended_wait(const programs_call_t *call, ptk_err err, size_t index) {
    PTK_SIM_CHECK(index < call->item_count);
    const programs_counter_t *counter = index < call->item_count ? call->items[index] : NULL;
    PTK_SIM_CHECK(err == PTK_ERR_CLOSED || !call->is_exact || index == call->result_index);
    if (counter) {
        PTK_SIM_CHECK(err != PTK_ERR_ABORTED || counter->aborts > call->aborts[index]);
        PTK_SIM_CHECK(err != PTK_ERR_CLOSED || counter->is_destroyed);
    } else {
        PTK_SIM_CHECK(err != PTK_ERR_ABORTED || call->sock->aborts > call->sock_aborts);
        PTK_SIM_CHECK(err != PTK_ERR_CLOSED || call->sock->is_closed || call->sock->state == SOCK_UNLISTENED);
    }
}

void programs_check_wait(programs_worker_t *me, ptk_err err, size_t index, uint32_t ready, uint64_t count) {
    switch (err) {
    case PTK_OK:
        check_ready(me, index, ready, count);
        return;
    case PTK_ERR_TIMEOUT:
        check_not_ready(me);
        break;
    case PTK_ERR_ABORTED:
    case PTK_ERR_CLOSED:
        check_ended_wait(&me->call, err, index);
        break;
    case PTK_ERR_BUSY:
        PTK_SIM_CHECK(index < me->call.item_count && !me->call.items[index]);
        break;
    default:
        PTK_SIM_CHECK(err == PTK_ERR_CANCELED || err == PTK_ERR_NO_RESOURCES);
        break;
    }
    PTK_SIM_CHECK(ready == 0 && count == 0);
}

/* --- sockets --- */

uint32_t programs_kernel_ready(const programs_sock_t *sock, uint32_t events) {
    const ptk_sim_file_t *file = sock->is_closed ? NULL : ptk_sim_file_find(ptk_sim_kernel_here(), sock->fd);
    uint32_t ready = file ? ptk_sim_file_ready(file) : 0;
    return (ready & (POLLIN | POLLHUP | POLLERR) ? events & PTK_EVENT_READ : 0) |
           (ready & (POLLOUT | POLLERR) ? events & PTK_EVENT_WRITE : 0);
}

/* Returns whether the kernel resets the connection when further bytes arrive: RFC 1122, 4.2.2.13. */
static bool is_shut(const programs_sock_t *sock) {
    return sock->is_closed || (sock->is_read_shut && sock->is_write_shut);
}

bool programs_may_be_reset(const programs_sock_t *sock) {
    return !sock->peer || is_shut(sock->peer) || is_shut(sock);
}

bool programs_is_shared(const programs_worker_t *me, const programs_sock_t *sock, uint32_t events) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        const programs_call_t *call = &programs.workers[i].call;
        uint32_t used = call->lingers ? PTK_EVENT_READ | PTK_EVENT_WRITE : call->events;
        if (&programs.workers[i] != me && call->is_open && call->sock == sock && (used & events)) {
            return true;
        }
    }
    return false;
}

static void check_stream_end(const programs_sock_t *sock, ptk_err err) {
    const programs_sock_t *peer = sock->peer;
    PTK_SIM_CHECK(!peer || peer->is_closed || peer->is_write_shut || sock->is_read_shut || sock->is_closed);
    PTK_SIM_CHECK(err != PTK_ERR_EOF || !peer || peer->is_reset || peer->is_closed || sock->is_read_shut ||
                  programs_is_drained(sock));
}

void programs_uses(programs_worker_t *me, programs_sock_t *sock, uint32_t events) {
    programs_call_t *call = &me->call;
    call->sock = sock;
    call->events = events;
    call->sock_aborts = sock->aborts;
    call->cuts = sock->cuts;
    for (size_t i = 0; i < programs.worker_count; i++) {
        programs_call_t *other = &programs.workers[i].call;
        bool uses_it = other != call && other->is_open && other->sock == sock;
        if (uses_it && (other->lingers || call->lingers || (other->events & events))) {
            other->is_shared = true;
            call->is_shared = true;
        }
    }
}

/* What is ready beats the call's timeout. A receive that has some of its bytes ends when time is over. */
static void check_no_data(const programs_worker_t *me, const programs_sock_t *sock) {
    const programs_call_t *call = &me->call;
    bool reads = (call->events & PTK_EVENT_READ) != 0;
    bool has_part =
        reads && !sock->is_closed && sock != &programs.pair_sock && ptk_sock_pending(sock->token) > 0;
    bool has_turn = !call->is_shared;
    bool may_refuse = (call->timeout_ms == 0 && !reads) || (call->accepts && programs.is_short);
    PTK_SIM_CHECK(may_refuse || has_part || !has_turn || programs_kernel_ready(sock, call->events) == 0);
}

void programs_check_sock_error(programs_worker_t *me, programs_sock_t *sock, ptk_err err) {
    const programs_call_t *call = &me->call;
    bool is_sending = (call->events & PTK_EVENT_WRITE) != 0;
    switch (err) {
    case PTK_ERR_CLOSED:
        PTK_SIM_CHECK(sock->is_closed || sock->state == SOCK_UNLISTENED);
        break;
    case PTK_ERR_RESET:
        PTK_SIM_CHECK(programs_may_be_reset(sock));
        break;
    case PTK_ERR_EOF:
    case PTK_ERR_UNEXPECTED_EOF:
        PTK_SIM_CHECK(!is_sending);
        check_stream_end(sock, err);
        break;
    case PTK_ERR_WRITE_SHUT:
        PTK_SIM_CHECK(is_sending && sock->is_write_shut);
        break;
    case PTK_ERR_BROKEN:
        PTK_SIM_CHECK(is_sending && (sock->missing > 0 || sock->cuts > call->cuts));
        break;
    case PTK_ERR_BUSY:
        PTK_SIM_CHECK(programs_is_shared(me, sock, call->events));
        break;
    case PTK_ERR_NOT_CONNECTED:
        PTK_SIM_CHECK(sock->state != SOCK_CONNECTED);
        break;
    case PTK_ERR_TIMEOUT:
        check_no_data(me, sock);
        break;
    default:
        PTK_SIM_CHECK(err == PTK_ERR_CANCELED || err == PTK_ERR_NO_RESOURCES);
        break;
    }
}

/* --- streams --- */

static char byte_of(const programs_sock_t *sender, const programs_frame_t *frame, size_t place) {
    size_t number = (size_t) (frame - sender->frames);
    return (char) (unsigned char) (number * 37 + place * 11 + place / 256 * 7);
}

programs_frame_t *programs_frame(programs_sock_t *sock, uint64_t order, char *bytes, size_t count) {
    if (sock->frame_count == FRAMES) {
        return NULL;
    }
    programs_frame_t *frame = &sock->frames[sock->frame_count++];
    *frame = (programs_frame_t) {.order = order, .start_idle_ns = programs_idle_ns(), .bytes = count};
    for (size_t i = 0; i < count; i++) {
        bytes[i] = byte_of(sock, frame, i);
    }
    return frame;
}

void programs_sent(programs_sock_t *sock, programs_frame_t *frame, size_t count) {
    (void) sock;
    PTK_SIM_CHECK(count <= frame->bytes && count >= frame->received);
    frame->bytes = count;
    frame->is_done = true;
}

/* Returns the frame that begins with this byte: one that is complete or under way. */
static programs_frame_t *frame_that_begins(programs_sock_t *sender, char byte) {
    for (size_t i = 0; i < sender->frame_count; i++) {
        programs_frame_t *frame = &sender->frames[i];
        if (frame->received == 0 && frame->bytes > 0 && byte_of(sender, frame, 0) == byte) {
            return frame;
        }
    }
    return NULL;
}

/* Sends of one socket go out in the order in which they queued. */
static void check_order_of_sends(const programs_sock_t *sender, const programs_frame_t *frame) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        const programs_worker_t *worker = &programs.workers[i];
        const programs_call_t *call = &worker->call;
        bool is_older = call->is_open && call->sock == sender && call->frame && call->order < frame->order &&
                        call->start_idle_ns < frame->start_idle_ns;
        bool may_have_ended =
            call->is_due || call->timeout_ms != PTK_TIMEOUT_INFINITE || programs_may_be_cancelled(worker);
        PTK_SIM_CHECK(!is_older || may_have_ended || call->frame->received > 0);
    }
}

static bool take_byte(programs_sock_t *sock, char byte) {
    programs_frame_t *frame = sock->receiving;
    if (!frame || frame->received == frame->bytes) {
        frame = frame_that_begins(sock->peer, byte);
        if (frame) {
            check_order_of_sends(sock->peer, frame);
        }
    }
    if (!PTK_SIM_CHECK(frame != NULL && byte == byte_of(sock->peer, frame, frame->received))) {
        return false;
    }
    frame->received++;
    sock->receiving = frame;
    return true;
}

void programs_received(programs_sock_t *sock, const char *bytes, size_t count) {
    bool is_good = PTK_SIM_CHECK(sock->peer != NULL);
    for (size_t i = 0; is_good && i < count; i++) {
        is_good = take_byte(sock, bytes[i]);
    }
}

bool programs_is_drained(const programs_sock_t *sock) {
    for (size_t i = 0; sock->peer && i < sock->peer->frame_count; i++) {
        const programs_frame_t *frame = &sock->peer->frames[i];
        if (frame->is_done && frame->received < frame->bytes) {
            return false;
        }
    }
    return true;
}

/* --- the audit --- */

/* Returns whether an older open call uses the same direction of the socket: it is served first. */
static bool is_queued(const programs_call_t *call) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        const programs_call_t *other = &programs.workers[i].call;
        bool shares = other->lingers || (other->events & call->events) != 0;
        if (other != call && other->is_open && other->sock == call->sock && shares &&
            other->order < call->order) {
            return true;
        }
    }
    return false;
}

/* What the kernel has ready ends the call, unless it queues behind another. */
static void audit_sock(programs_call_t *call) {
    bool is_ready = programs_kernel_ready(call->sock, call->events) != 0 && !is_queued(call);
    if (is_ready && call->is_ready) {
        PTK_SIM_CHECK(call->ready_idle_ns == programs_idle_ns());
    } else {
        call->is_ready = is_ready;
        call->ready_idle_ns = programs_idle_ns();
    }
}

static void audit_counter(const programs_call_t *call, const programs_counter_t *counter) {
    if (counter->is_destroyed || programs_left(counter) == 0) {
        return;
    }
    if (counter->type != PTK_WAITABLE_TIMER) {
        PTK_SIM_CHECK(counter->added_idle_ns == programs_idle_ns());
        return;
    }
    uint64_t expiry_ns = counter->created_ns + counter->first_ns + counter->taken * counter->period_ns;
    uint64_t since_ns = expiry_ns > call->start_ns ? expiry_ns : call->start_ns;
    PTK_SIM_CHECK(ptk_now_ns() <= since_ns + late_ns(call));
}

static void audit_call(programs_worker_t *worker) {
    programs_call_t *call = &worker->call;
    bool has_slept = call->start_idle_ns < programs_idle_ns();
    PTK_SIM_CHECK(!call->is_due || call->due_idle_ns == programs_idle_ns());
    PTK_SIM_CHECK(call->timeout_ms == PTK_TIMEOUT_INFINITE ||
                  ptk_now_ns() <= call->start_ns + timeout_ns(call) + late_ns(call));
    PTK_SIM_CHECK(!has_slept || !call->takes_cancel || call->is_due || !programs_must_be_cancelled(worker));
    for (size_t i = 0; has_slept && i < call->item_count; i++) {
        if (call->items[i]) {
            audit_counter(call, call->items[i]);
        }
    }
    bool may_lack_descriptors = call->accepts && programs.is_short;
    if (call->sock && has_slept && !may_lack_descriptors) {
        audit_sock(call);
    }
    PTK_SIM_CHECK(!call->joined || !call->joined->is_ended || call->is_due);
}

void programs_audit(void) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        if (programs.workers[i].call.is_open) {
            audit_call(&programs.workers[i]);
        }
    }
}
