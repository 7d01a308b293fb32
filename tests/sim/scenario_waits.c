/* SPDX-License-Identifier: MIT */
/*
 * Waits of every kind, at random times and in random order, by green threads that interfere with each other.
 *
 * Actors wait for events and a ticker, alone and with wait_any; signal, abort and destroy what others wait
 * for; start children and join them; sleep, run behind shields; and cancel each other. Their supervisor
 * starts them again until each has done its part. Two hosts do this independently; they are paused and crash.
 *
 * What is checked is what the headers promise: no timeout, timer or deadline is early on the host's own
 * clock; each event is taken exactly once, also around timeouts, cancels and destroy; a join returns the
 * result once; every error has its reason, and a cancelled green thread stays cancelled.
 */
#include "scenarios.h"

#include <string.h>

#define HOSTS    2
#define ACTORS   5
#define ACTIONS  40
#define SLOTS    3 /* events at a time; that of slot 0 is never destroyed */
#define EVENTS   (ACTORS * ACTIONS + SLOTS)
#define FIRST_NS (7 * PTK_NS_PER_MS) /* of the ticker */
#define TICK_NS  (11 * PTK_NS_PER_MS)
#define CHILD    77 /* what a child returns, and more */
#define ITEMS    (SLOTS + 1)

#define RESPITE_MS 10

/* An event that waiters take: each USER waitable gets another one. */
typedef struct event {
    ptk_waitable_t *waitable;
    uint64_t signaled;
    uint64_t taken;
    unsigned aborted;
    bool is_destroyed;
} event_t;

typedef struct actor {
    struct host_state *host_state;
    ptk_green_t *green;
    unsigned actions;
    bool is_cancelled; /* by another, or by itself */
} actor_t;

/* The actors and objects of one host. */
typedef struct host_state {
    actor_t actors[ACTORS];
    event_t events[EVENTS];
    event_t *slots[SLOTS];
    size_t event_count;
    ptk_waitable_t *ticker;
    uint64_t ticker_ns; /* when it was created */
    uint64_t ticks;     /* taken */
} host_state_t;

static host_state_t host_states[HOSTS];

static uint32_t draw_ms(void) {
    static const uint32_t times_ms[] = {1, 2, 5, 30, 200};
    return times_ms[ptk_sim_choose(sizeof times_ms / sizeof times_ms[0])];
}

static void check_passed(uint64_t began_ns, uint32_t least_ms) {
    PTK_SIM_CHECK(ptk_now_ns() - began_ns >= least_ms * PTK_NS_PER_MS);
}

/* CANCELED has a reason, and it stays. Returns whether this is it. */
static bool is_cancelled(const actor_t *actor, ptk_err err) {
    if (err != PTK_ERR_CANCELED) {
        return false;
    }
    ptk_cancel_cause_t cause = ptk_cancel_cause();
    PTK_SIM_CHECK(cause == PTK_CANCEL_STOP || (cause == PTK_CANCEL_REQUEST && actor->is_cancelled));
    PTK_SIM_CHECK(ptk_yield() == PTK_ERR_CANCELED && ptk_sleep_ms(1) == PTK_ERR_CANCELED);
    return true;
}

/* --- events --- */

/* A new event replaces the one of the slot. NO_RESOURCES: that one stays. */
static ptk_err make_event(host_state_t *host_state, size_t slot) {
    ptk_waitable_t *waitable = ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL);
    if (!waitable) {
        return ptk_get_err();
    }
    event_t *event = &host_state->events[host_state->event_count++];
    event->waitable = waitable;
    host_state->slots[slot] = event;
    return PTK_OK;
}

static event_t *draw_event(host_state_t *host_state) {
    return host_state->slots[ptk_sim_choose(SLOTS)];
}

/* Checks what a wait for it that started then may return. */
static void check_error(const event_t *event, unsigned aborted_before, ptk_err err) {
    PTK_SIM_CHECK(err == PTK_ERR_CLOSED || err == PTK_ERR_ABORTED);
    PTK_SIM_CHECK(err != PTK_ERR_CLOSED || event->is_destroyed);
    PTK_SIM_CHECK(err != PTK_ERR_ABORTED || event->aborted > aborted_before);
}

static void take_event(event_t *event, uint64_t count) {
    event->taken += count;
    PTK_SIM_CHECK(count > 0 && event->taken <= event->signaled);
}

static ptk_err wait_for_event(actor_t *actor) {
    event_t *event = draw_event(actor->host_state);
    unsigned aborted = event->aborted;
    uint32_t timeout_ms = ptk_sim_choose(4) ? draw_ms() : 0;
    uint64_t began_ns = ptk_now_ns();
    ptk_err err = ptk_waitable_wait(event->waitable, PTK_EVENT_READ, timeout_ms);
    if (err == PTK_OK) {
        take_event(event, ptk_waitable_count());
    } else if (err == PTK_ERR_TIMEOUT) {
        check_passed(began_ns, timeout_ms);
    } else if (!is_cancelled(actor, err)) {
        check_error(event, aborted, err);
    }
    return err;
}

static ptk_err signal_event(actor_t *actor) {
    event_t *event = draw_event(actor->host_state);
    for (uint32_t i = ptk_sim_choose(3); i < 3; i++) {
        event->signaled++;
        PTK_SIM_CHECK(ptk_waitable_signal(event->waitable) == PTK_OK);
    }
    return PTK_OK;
}

/* Signals as another thread would: through the inbox. */
static ptk_err signal_through_inbox(actor_t *actor) {
    event_t *event = actor->host_state->slots[0];
    ptk_signaler_t *signaler = ptk_waitable_signaler(event->waitable);
    PTK_SIM_CHECK(signaler || scenario_is_short(ptk_get_err()));
    if (signaler) {
        ptk_signaler_unref(ptk_signaler_ref(signaler));
        event->signaled++;
        PTK_SIM_CHECK(ptk_signaler_signal(signaler) == PTK_OK);
        ptk_signaler_unref(signaler);
    }
    return PTK_OK;
}

static ptk_err abort_waits(actor_t *actor) {
    event_t *event = draw_event(actor->host_state);
    event->aborted++;
    PTK_SIM_CHECK(ptk_waitable_abort(event->waitable) == PTK_OK);
    return PTK_OK;
}

static void drain(event_t *event) {
    ptk_err err = ptk_waitable_wait(event->waitable, PTK_EVENT_READ, 0);
    PTK_SIM_CHECK(err == PTK_OK || err == PTK_ERR_TIMEOUT);
    if (err == PTK_OK) {
        take_event(event, ptk_waitable_count());
    }
}

static ptk_err destroy_event(actor_t *actor) {
    size_t slot = 1 + ptk_sim_choose(SLOTS - 1);
    event_t *event = actor->host_state->slots[slot];
    ptk_signaler_t *signaler = ptk_waitable_signaler(event->waitable);
    PTK_SIM_CHECK(signaler || scenario_is_short(ptk_get_err()));
    ptk_err err = make_event(actor->host_state, slot);
    if (err != PTK_OK) {
        PTK_SIM_CHECK(scenario_is_short(err));
        ptk_signaler_unref(signaler);
        return PTK_OK; /* there is no other one */
    }
    drain(event);
    event->is_destroyed = true;
    ptk_waitable_destroy(event->waitable);
    PTK_SIM_CHECK(!signaler || ptk_signaler_signal(signaler) == PTK_ERR_CLOSED);
    ptk_signaler_unref(signaler);
    return PTK_OK;
}

/* --- the ticker --- */

static uint64_t ticks_until(const host_state_t *host_state, uint64_t now_ns) {
    uint64_t passed_ns = now_ns - host_state->ticker_ns;
    return passed_ns < FIRST_NS ? 0 : 1 + (passed_ns - FIRST_NS) / TICK_NS;
}

static void take_ticks(host_state_t *host_state, uint64_t count) {
    host_state->ticks += count;
    PTK_SIM_CHECK(count > 0 && host_state->ticks <= ticks_until(host_state, ptk_now_ns()));
}

static ptk_err wait_for_tick(actor_t *actor) {
    uint32_t timeout_ms = draw_ms();
    uint64_t began_ns = ptk_now_ns();
    ptk_err err = ptk_waitable_wait(actor->host_state->ticker, PTK_EVENT_READ, timeout_ms);
    if (err == PTK_OK) {
        take_ticks(actor->host_state, ptk_waitable_count());
    } else if (err == PTK_ERR_TIMEOUT) {
        check_passed(began_ns, timeout_ms);
    } else {
        bool cancelled = is_cancelled(actor, err);
        PTK_SIM_CHECK(cancelled);
    }
    return err;
}

/* --- wait_any --- */

typedef struct choice {
    ptk_waitable_wait_item_t items[ITEMS];
    event_t *events[ITEMS]; /* NULL: the ticker */
    unsigned aborted[ITEMS];
    size_t count;
} choice_t;

static choice_t draw_choice(host_state_t *host_state) {
    choice_t choice = {.count = 1 + ptk_sim_choose(ITEMS)};
    for (size_t i = 0; i < choice.count; i++) {
        event_t *event = ptk_sim_choose(ITEMS) ? draw_event(host_state) : NULL;
        choice.events[i] = event;
        choice.aborted[i] = event ? event->aborted : 0;
        choice.items[i] = (ptk_waitable_wait_item_t) {
            .waitable = event ? event->waitable : host_state->ticker, .events = PTK_EVENT_READ};
    }
    return choice;
}

/* Exactly one event is taken. */
static void take_choice(host_state_t *host_state, const choice_t *choice, size_t index) {
    PTK_SIM_CHECK(index < choice->count);
    for (size_t i = 0; i < choice->count; i++) {
        const ptk_waitable_wait_item_t *item = &choice->items[i];
        PTK_SIM_CHECK((item->ready_out == PTK_EVENT_READ) == (i == index));
        PTK_SIM_CHECK((item->count_out > 0) == (i == index));
    }
    if (choice->events[index]) {
        take_event(choice->events[index], choice->items[index].count_out);
    } else {
        take_ticks(host_state, choice->items[index].count_out);
    }
}

static ptk_err wait_for_any(actor_t *actor) {
    size_t index = ITEMS;
    choice_t choice = draw_choice(actor->host_state);
    uint32_t timeout_ms = ptk_sim_choose(4) ? draw_ms() : 0;
    uint64_t began_ns = ptk_now_ns();
    ptk_err err = ptk_waitable_wait_any(choice.items, choice.count, &index, timeout_ms);
    if (err == PTK_OK) {
        take_choice(actor->host_state, &choice, index);
    } else if (err == PTK_ERR_TIMEOUT) {
        check_passed(began_ns, timeout_ms);
    } else if (!is_cancelled(actor, err)) {
        PTK_SIM_CHECK(index < choice.count && choice.events[index]);
        check_error(choice.events[index], choice.aborted[index], err);
    }
    return err;
}

/* --- children, sleeps, shields, cancels --- */

typedef struct child {
    uint32_t sleeps_ms;
    uint32_t lifetime_ms; /* 0: no limit */
    bool is_cancelled;
    uint64_t began_ns;
} child_t;

static ptk_err live_as_child(void *arg) {
    const child_t *child = arg;
    ptk_err err = ptk_sleep_ms(child->sleeps_ms);
    if (err == PTK_OK) {
        check_passed(child->began_ns, child->sleeps_ms);
        return CHILD;
    }
    ptk_cancel_cause_t cause = ptk_cancel_cause();
    PTK_SIM_CHECK(err == PTK_ERR_CANCELED && cause != PTK_CANCEL_NONE);
    PTK_SIM_CHECK(cause != PTK_CANCEL_REQUEST || child->is_cancelled);
    if (cause == PTK_CANCEL_DEADLINE) {
        PTK_SIM_CHECK(child->lifetime_ms > 0);
        check_passed(child->began_ns, child->lifetime_ms);
    }
    return CHILD + (ptk_err) cause;
}

static void join_at_last(ptk_green_t *green) {
    ptk_err result = PTK_OK;
    ptk_err again = PTK_OK;
    ptk_shield_t shield;
    scenario_shield(&shield);
    PTK_SIM_CHECK(ptk_green_join(green, &result, PTK_TIMEOUT_INFINITE) == PTK_OK);
    PTK_SIM_CHECK(result >= CHILD && result <= CHILD + PTK_CANCEL_STOP);
    PTK_SIM_CHECK(ptk_green_join(green, &again, 0) == PTK_ERR_CLOSED && again == PTK_OK);
    PTK_SIM_CHECK(ptk_shield_end(&shield) == PTK_OK);
}

static ptk_err have_child(actor_t *actor) {
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    child_t child = {.sleeps_ms = draw_ms(), .began_ns = ptk_now_ns()};
    child.lifetime_ms = options.lifetime_ms = ptk_sim_choose(2) ? draw_ms() : 0;
    ptk_green_t *green = ptk_green_spawn(NULL, &options, live_as_child, &child);
    if (!green) {
        PTK_SIM_CHECK(scenario_is_short(ptk_get_err()));
        return PTK_OK;
    }
    ptk_err result = PTK_OK;
    uint32_t timeout_ms = draw_ms();
    ptk_err err = ptk_green_join(green, &result, timeout_ms);
    if (err == PTK_OK) {
        PTK_SIM_CHECK(result >= CHILD && result != CHILD + PTK_CANCEL_REQUEST);
        return PTK_OK;
    }
    if (err == PTK_ERR_TIMEOUT) {
        check_passed(child.began_ns, timeout_ms);
    } else {
        bool cancelled = is_cancelled(actor, err);
        PTK_SIM_CHECK(cancelled);
    }
    child.is_cancelled = ptk_sim_choose(2) == 1;
    PTK_SIM_CHECK(!child.is_cancelled || ptk_green_cancel(green) == PTK_OK);
    join_at_last(green);
    return err;
}

static ptk_err sleep_a_while(actor_t *actor) {
    uint32_t ms = draw_ms();
    uint64_t began_ns = ptk_now_ns();
    ptk_err err = ptk_sim_choose(2) ? ptk_sleep_ms(ms) : ptk_sleep_until(began_ns + ms * PTK_NS_PER_MS);
    if (err == PTK_OK) {
        check_passed(began_ns, ms);
    } else {
        bool cancelled = is_cancelled(actor, err);
        PTK_SIM_CHECK(cancelled);
    }
    return err;
}

/* Behind a shield nothing ends a sleep but the shield's own limit; it may contain another shield. */
static void sleep_behind_shield(unsigned depth) {
    ptk_shield_t shield;
    uint32_t limit_ms = draw_ms();
    uint32_t ms = draw_ms();
    uint64_t began_ns = ptk_now_ns();
    ptk_err err = ptk_shield_begin(&shield, limit_ms);
    PTK_SIM_CHECK(err == PTK_OK || scenario_is_short(err));
    if (err != PTK_OK) {
        return;
    }
    if (depth > 0) {
        sleep_behind_shield(depth - 1);
    }
    uint64_t slept_ns = ptk_now_ns();
    err = ptk_sleep_ms(ms);
    PTK_SIM_CHECK(err == PTK_OK || err == PTK_ERR_CANCELED);
    PTK_SIM_CHECK(err == PTK_OK || ptk_cancel_cause() == PTK_CANCEL_DEADLINE);
    if (err == PTK_OK) {
        check_passed(slept_ns, ms);
    } else {
        check_passed(began_ns, limit_ms);
    }
    PTK_SIM_CHECK(ptk_shield_end(&shield) == PTK_OK);
}

static ptk_err sleep_shielded(actor_t *actor) {
    sleep_behind_shield(ptk_sim_choose(3));
    ptk_err err = ptk_yield();
    (void) is_cancelled(actor, err);
    return err;
}

static ptk_err cancel_an_actor(actor_t *actor) {
    actor_t *other = &actor->host_state->actors[ptk_sim_choose(ACTORS)];
    if (other->green) {
        other->is_cancelled = true;
        PTK_SIM_CHECK(ptk_green_cancel(other->green) == PTK_OK);
    }
    return PTK_OK;
}

/* --- actors and their supervisor --- */

static ptk_err act(void *arg) {
    static ptk_err (*const actions[])(actor_t *) = {
        wait_for_event, wait_for_event, wait_for_event, wait_for_any,         wait_for_any, wait_for_tick,
        signal_event,   signal_event,   signal_event,   signal_through_inbox, abort_waits,  destroy_event,
        have_child,     sleep_a_while,  sleep_shielded, cancel_an_actor};
    actor_t *actor = arg;
    ptk_err err = PTK_OK;
    while (actor->actions < ACTIONS && err != PTK_ERR_CANCELED) {
        actor->actions++;
        err = actions[ptk_sim_choose(sizeof actions / sizeof actions[0])](actor);
    }
    return PTK_OK;
}

static ptk_err start_actor(actor_t *actor) {
    actor->is_cancelled = false;
    actor->green = ptk_green_spawn(NULL, NULL, act, actor);
    ptk_err err = actor->green ? PTK_OK : ptk_get_err();
    return scenario_is_short(err) ? ptk_sleep_ms(RESPITE_MS) : err;
}

static ptk_err look_after(actor_t *actor) {
    if (!actor->green) {
        return actor->actions < ACTIONS ? start_actor(actor) : PTK_OK;
    }
    ptk_err result = PTK_ERR_OS;
    ptk_err err = ptk_green_join(actor->green, &result, 1 + ptk_sim_choose(10));
    if (err == PTK_OK) {
        PTK_SIM_CHECK(result == PTK_OK);
        actor->green = NULL;
    }
    return err == PTK_ERR_TIMEOUT ? PTK_OK : err;
}

static bool all_done(const host_state_t *host_state) {
    for (size_t i = 0; i < ACTORS; i++) {
        if (host_state->actors[i].green || host_state->actors[i].actions < ACTIONS) {
            return false;
        }
    }
    return true;
}

/* Every event that was signalled has been taken, and every tick. */
static ptk_err check_accounts(host_state_t *host_state) {
    uint64_t before = ticks_until(host_state, ptk_now_ns());
    ptk_err err = ptk_sleep_ms(1); /* for what is in the inbox */
    for (size_t i = 0; i < host_state->event_count && err == PTK_OK; i++) {
        event_t *event = &host_state->events[i];
        if (!event->is_destroyed) {
            drain(event);
        }
        PTK_SIM_CHECK(event->taken == event->signaled);
    }
    if (err == PTK_OK && ptk_waitable_wait(host_state->ticker, PTK_EVENT_READ, 0) == PTK_OK) {
        take_ticks(host_state, ptk_waitable_count());
    }
    PTK_SIM_CHECK(err != PTK_OK || host_state->ticks >= before);
    return err;
}

static ptk_err make_host_state(host_state_t *host_state) {
    ptk_timer_spec_t spec = {FIRST_NS, TICK_NS};
    ptk_err err = PTK_OK;
    memset(host_state, 0, sizeof *host_state);
    for (size_t i = 0; i < ACTORS; i++) {
        host_state->actors[i].host_state = host_state;
    }
    for (size_t i = 0; i < SLOTS && err == PTK_OK; i++) {
        err = make_event(host_state, i);
    }
    host_state->ticker_ns = ptk_now_ns();
    host_state->ticker = ptk_waitable_create(NULL, PTK_WAITABLE_TIMER, &spec);
    return host_state->ticker ? err : ptk_get_err();
}

static ptk_err supervisor(void *arg) {
    host_state_t *host_state = arg;
    ptk_err err = make_host_state(host_state);
    while (err == PTK_OK && !all_done(host_state)) {
        for (size_t i = 0; i < ACTORS && err == PTK_OK; i++) {
            err = look_after(&host_state->actors[i]);
        }
    }
    return err == PTK_OK ? check_accounts(host_state) : err;
}

static ptk_err run_host(void *arg) {
    return scenario_run(supervisor, arg);
}

void scenario_waits(ptk_sim_t *sim) {
    static const char *const names[HOSTS] = {"anna", "bert"};
    for (size_t i = 0; i < HOSTS; i++) {
        scenario_host(sim, names[i], PTK_SIM_HOST_MAY_CRASH, run_host, &host_states[i]);
    }
    ptk_sim_run_for(sim, 3000);
    ptk_sim_settle(sim, 600000);
}
