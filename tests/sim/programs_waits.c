/* SPDX-License-Identifier: MIT */
/* Steps of random programs: time, and waits for timers, signals, events and sockets. */
#include "programs.h"

#include "base/ptk_thread.h"
#include <signal.h>

#define SIGNAL SIGUSR1

/* --- time --- */

void programs_compute(programs_worker_t *me, const programs_step_t *step) {
    static const uint64_t times_ns[] = {20000, 60000, 120000, 1000000, 1000, 2000000, 700000, 5000000};
    uint64_t before_ns = ptk_now_ns();
    programs_describe(me, "compute %llu us", (unsigned long long) times_ns[step->extra % 8] / 1000);
    ptk_sim_compute(times_ns[step->extra % 8]);
    programs.computed_ns += ptk_now_ns() - before_ns;
    programs_audit();
}

void programs_yield(programs_worker_t *me, const programs_step_t *step) {
    (void) step;
    PROGRAMS_BEGIN(me, PTK_TIMEOUT_INFINITE, true, "yield");
    me->call.due_idle_ns = programs_idle_ns();
    me->call.is_due = true;
    ptk_err err = step->extra % 2 ? ptk_yield() : ptk_sleep_ms(0);
    PTK_SIM_CHECK(err == PTK_OK || err == PTK_ERR_CANCELED);
    programs_finish(me, err);
}

/* A sleep is a call whose TIMEOUT is its success. */
void programs_sleep(programs_worker_t *me, const programs_step_t *step) {
    uint32_t ms = programs_short_time(step);
    programs_call_t *call = PROGRAMS_BEGIN(me, ms, true, "sleep %u ms", ms);
    ptk_err err = step->extra % 2 ? ptk_sleep_ms(ms) : ptk_sleep_until(ptk_now_ns() + ms * PTK_NS_PER_MS);
    PTK_SIM_CHECK(err == PTK_OK || err == PTK_ERR_CANCELED);
    PTK_SIM_CHECK(err != PTK_OK || ptk_now_ns() - call->start_ns >= ms * PTK_NS_PER_MS);
    programs_finish(me, err);
}

/* --- counters --- */

void programs_make_counter(size_t slot) {
    static const ptk_timer_spec_t specs[] = {
        {3000000, 2000000}, {1000000, 0}, {5000000, 500000}, {0, 7000000}};
    static const ptk_waitable_type_t types[COUNTERS] = {
        PTK_WAITABLE_USER,   PTK_WAITABLE_USER,   PTK_WAITABLE_TIMER, PTK_WAITABLE_TIMER,
        PTK_WAITABLE_SIGNAL, PTK_WAITABLE_SIGNAL, PTK_WAITABLE_USER,  PTK_WAITABLE_USER};
    if (programs.counter_count == COUNTERS_EVER) {
        return;
    }
    ptk_waitable_type_t type = types[slot];
    const ptk_timer_spec_t *spec = &specs[(slot + programs.counter_count) % 4];
    void *const handles[] = {[PTK_WAITABLE_TIMER] = (void *) (uintptr_t) spec,
                             [PTK_WAITABLE_SIGNAL] = PTK_HANDLE_SIGNAL(SIGNAL),
                             [PTK_WAITABLE_USER] = NULL};
    ptk_waitable_t *waitable = ptk_waitable_create(NULL, type, handles[type]);
    if (!waitable) {
        PTK_SIM_CHECK(programs.is_short && ptk_get_err() == PTK_ERR_NO_RESOURCES);
        return;
    }
    programs_counter_t *counter = &programs.counters[programs.counter_count++];
    *counter = (programs_counter_t) {.waitable = waitable,
                                     .type = type,
                                     .created_ns = ptk_now_ns(),
                                     .created_computed_ns = programs.computed_ns,
                                     .first_ns = spec->first_ns,
                                     .period_ns = spec->period_ns};
    programs.slots[slot] = counter;
}

static programs_counter_t *counter_of(const programs_step_t *step, size_t offset) {
    return programs.slots[(step->object + offset) % COUNTERS];
}

static void add_item(programs_call_t *call, programs_counter_t *counter) {
    call->aborts[call->item_count] = counter ? counter->aborts : 0;
    call->items[call->item_count++] = counter;
}

void programs_wait_one(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = counter_of(step, 0);
    uint32_t timeout_ms = programs_timeout(step);
    uint32_t ready = 99;
    uint64_t count = 99;
    programs_call_t *call = PROGRAMS_BEGIN(me, timeout_ms, true, "wait for %zu, %d ms",
                                           counter - programs.counters, (int) timeout_ms);
    add_item(call, counter);
    if (counter->is_destroyed) {
        call->is_exact = true;
        call->result = PTK_ERR_CLOSED;
    }
    ptk_err err = ptk_waitable_wait_for(counter->waitable, PTK_EVENT_READ, timeout_ms, &ready, &count);
    programs_check_wait(me, err, 0, ready, count);
    programs_finish(me, err);
}

static ptk_waitable_t *waitable_of(programs_sock_t *sock, uint32_t events) {
    if (sock == &programs.pair_sock) {
        return programs.pair_waitable;
    }
    ptk_waitable_t *waitable = sock->is_closed ? NULL : ptk_sock_waitable(sock->token, events);
    PTK_SIM_CHECK(waitable || sock->is_closed || programs.is_short);
    return waitable;
}

/* The socket of a wait for several, NULL: none. */
static programs_sock_t *sock_of_wait(const programs_step_t *step, ptk_waitable_t **waitable_out,
                                     uint32_t *events_out) {
    programs_sock_t *sock = step->extra % 8 == 7 ? &programs.pair_sock : programs_sock_of(step);
    uint32_t events = step->extra / 4 % 3 + 1;
    if (step->extra % 4 != 3 || sock->is_closed) {
        return NULL;
    }
    *waitable_out = waitable_of(sock, events);
    *events_out = events;
    return *waitable_out ? sock : NULL;
}

void programs_wait_any(programs_worker_t *me, const programs_step_t *step) {
    uint32_t timeout_ms = programs_timeout(step);
    ptk_waitable_wait_item_t items[ITEMS];
    ptk_waitable_t *sock_waitable = NULL;
    uint32_t events = PTK_EVENT_READ;
    programs_sock_t *sock = sock_of_wait(step, &sock_waitable, &events);
    size_t index = 99;
    if (sock_waitable == NULL) {
        me->last_error = ptk_get_err();
    }
    programs_call_t *call = PROGRAMS_BEGIN(
        me, timeout_ms, true, "wait for any of %zu to %zu and %s, %d ms", (size_t) step->object % COUNTERS,
        (size_t) (step->object + step->extra % 3) % COUNTERS, sock ? "a socket" : "none", (int) timeout_ms);
    for (size_t i = 0; i <= step->extra % 3u; i++) {
        add_item(call, counter_of(step, i * (1 + step->extra / 64)));
        items[i] =
            (ptk_waitable_wait_item_t) {.waitable = call->items[i]->waitable, .events = PTK_EVENT_READ};
        if (call->items[i]->is_destroyed) {
            call->is_exact = true;
            call->result = PTK_ERR_CLOSED;
            call->result_index = i;
            break;
        }
    }
    if (sock) {
        items[call->item_count] = (ptk_waitable_wait_item_t) {.waitable = sock_waitable, .events = events};
        add_item(call, NULL);
        programs_uses(me, sock, events);
    }
    ptk_err err = ptk_waitable_wait_any(items, call->item_count, &index, timeout_ms);
    bool has_index = index < call->item_count;
    bool is_ok = err == PTK_OK && has_index;
    programs_check_wait(me, err, index, is_ok ? items[index].ready_out : 0,
                        is_ok ? items[index].count_out : 0);
    for (size_t i = 0; i < call->item_count && err == PTK_OK; i++) {
        PTK_SIM_CHECK((items[i].ready_out != 0) == (i == index));
    }
    programs_finish(me, err);
}

void programs_wait_sock(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = step->extra % 4 == 3 ? &programs.pair_sock : programs_sock_of(step);
    uint32_t events = step->extra / 4 % 3 + 1;
    uint32_t timeout_ms = programs_timeout(step);
    ptk_waitable_t *waitable = waitable_of(sock, events);
    uint32_t ready = 99;
    uint64_t count = 99;
    if (!waitable) {
        return;
    }
    programs_call_t *call = PROGRAMS_BEGIN(me, timeout_ms, true, "wait for socket %d, events %u, %d ms",
                                           (int) sock->fd, events, (int) timeout_ms);
    add_item(call, NULL);
    programs_uses(me, sock, events);
    ptk_err err = ptk_waitable_wait_for(waitable, events, timeout_ms, &ready, &count);
    programs_check_wait(me, err, 0, ready, count);
    bool holds_bytes = sock != &programs.pair_sock && !sock->is_closed && ptk_sock_pending(sock->token) > 0;
    if (err == PTK_OK && !(ready & PTK_EVENT_ERROR) && !holds_bytes && !sock->is_closed) {
        PTK_SIM_CHECK((programs_kernel_ready(sock, events) & ready) == ready);
    }
    programs_finish(me, err);
}

void programs_signal(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = counter_of(step, 0);
    PROGRAMS_BEGIN(me, 0, false, "signal %zu", counter - programs.counters);
    ptk_err err = ptk_waitable_signal(counter->waitable);
    ptk_err expected = counter->is_destroyed                ? PTK_ERR_CLOSED
                       : counter->type == PTK_WAITABLE_USER ? PTK_OK
                                                            : PTK_ERR_INVALID_PARAM;
    PTK_SIM_CHECK(err == expected);
    if (err == PTK_OK) {
        programs_signaled(counter, true);
    }
    programs_finish(me, err);
}

void programs_signal_through_inbox(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = programs.signaled;
    PROGRAMS_BEGIN(me, 0, false, "signal %zu by its signaler", counter ? counter - programs.counters : 99);
    if (!programs.signaler || step->extra % 8 == 0) {
        counter = programs.slots[step->object % 2];
        ptk_signaler_t *signaler = ptk_waitable_signaler(counter->waitable);
        if (!signaler) {
            PTK_SIM_CHECK(counter->is_destroyed ? ptk_get_err() == PTK_ERR_CLOSED : programs.is_short);
            programs_finish(me, ptk_get_err());
            return;
        }
        ptk_signaler_unref(programs.signaler);
        programs.signaler = signaler;
        programs.signaled = counter;
    }
    ptk_err err = ptk_signaler_signal(programs.signaler);
    PTK_SIM_CHECK(err == (counter->is_destroyed ? PTK_ERR_CLOSED : PTK_OK));
    if (err == PTK_OK) {
        programs_signaled(counter, false);
    }
    programs_finish(me, err);
}

void programs_raise(programs_worker_t *me, const programs_step_t *step) {
    (void) step;
    programs_describe(me, "raise the signal");
    for (size_t i = 0; i < programs.counter_count; i++) {
        programs_counter_t *counter = &programs.counters[i];
        if (counter->type == PTK_WAITABLE_SIGNAL && !counter->is_destroyed) {
            programs_signaled(counter, false);
        }
    }
    ptk_sim_signal(programs.host, SIGNAL);
}

void programs_abort(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = counter_of(step, 0);
    PROGRAMS_BEGIN(me, 0, false, "abort %zu", counter - programs.counters);
    ptk_err err = ptk_waitable_abort(counter->waitable);
    PTK_SIM_CHECK(err == (counter->is_destroyed ? PTK_ERR_CLOSED : PTK_OK));
    if (err == PTK_OK) {
        counter->aborts++;
        programs_ended_waits(counter, PTK_ERR_ABORTED);
    }
    programs_finish(me, err);
}

void programs_destroy(programs_worker_t *me, const programs_step_t *step) {
    programs_counter_t *counter = counter_of(step, 0);
    PROGRAMS_BEGIN(me, 0, false, "destroy %zu", counter - programs.counters);
    ptk_waitable_destroy(counter->waitable);
    if (counter->is_destroyed) {
        programs_finish(me, PTK_ERR_CLOSED);
        return;
    }
    programs_ended_waits(counter, PTK_ERR_CLOSED);
    counter->is_destroyed = true;
    programs_finish(me, PTK_OK);
    if (step->extra % 4) {
        programs_make_counter(step->object % COUNTERS);
        me->last_error = ptk_get_err();
    }
}

void programs_abort_sock(programs_worker_t *me, const programs_step_t *step) {
    programs_sock_t *sock = step->extra % 2 ? &programs.pair_sock : programs_sock_of(step);
    ptk_waitable_t *waitable = waitable_of(sock, step->extra / 2 % 3 + 1);
    me->last_error = ptk_get_err();
    if (waitable) {
        PROGRAMS_BEGIN(me, 0, false, "abort the waits for socket %d", (int) sock->fd);
        PTK_SIM_CHECK(ptk_waitable_abort(waitable) == PTK_OK);
        if (sock != &programs.pair_sock) {
            ptk_waitable_destroy(waitable); /* does nothing */
            PTK_SIM_CHECK(waitable == ptk_sock_waitable(sock->token, step->extra / 2 % 3 + 1));
        }
        sock->aborts++;
        programs_finish(me, PTK_OK);
    }
}
