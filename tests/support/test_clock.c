/* SPDX-License-Identifier: MIT */
/*
 * Time that the test controls.
 *
 * In a plain process the clock is a number, and an interceptor is between the poller and the system: it polls
 * without waiting, and advances the number where the poller would have slept.
 *
 * A simulated host has a virtual clock already, which stands still while anything runs. It is set to the
 * test's start, a poll that finds nothing takes no time, a callback is an event of the world's queue, and an
 * early wake is a shorter wait that the oracle confirms.
 */
#include "base/ptk_choice.h"
#include "base/ptk_thread.h"
#include "conformance.h"
#include "ptk_test_intercept.h"
#include "sim/kernel/ptk_sim_kernel.h"
#include "sim/kernel/ptk_sim_site.h"

/* --- a plain process ------------------------------------------------------------------------------------ */

typedef struct clock_state {
    uint64_t now_ns;
    uint64_t callback_ns; /* PTK_TIME_NEVER: none */
    void (*fn)(void *arg);
    void *arg;
    bool early;
} clock_state_t;

static _Thread_local clock_state_t clock_state;

static int64_t clock_now(ptk_sys_call_t *call) {
    (void) call;
    return (int64_t) clock_state.now_ns;
}

static void real_advance(uint64_t ns) {
    uint64_t left = PTK_TIME_NEVER - clock_state.now_ns;
    clock_state.now_ns += ns < left ? ns : left;
}

/* Lets time pass until the callback is due, which is then called, or until `timeout_ns` is over (negative:
   no limit). */
static void clock_pass(int64_t timeout_ns) {
    clock_state_t *state = &clock_state;
    uint64_t left = state->callback_ns - state->now_ns;
    if (state->callback_ns != PTK_TIME_NEVER && (timeout_ns < 0 || left <= (uint64_t) timeout_ns)) {
        state->now_ns = state->callback_ns;
        state->callback_ns = PTK_TIME_NEVER;
        state->fn(state->arg);
    } else {
        real_advance((uint64_t) timeout_ns);
    }
}

/* Makes the poller's call with `timeout_ns` for its timeout. */
static int64_t poll_for(ptk_sys_call_t *call, int64_t timeout_ns) {
    if (call->member == PTK_SYS_poll) {
        call->poll.timeout_ns = timeout_ns;
    } else {
        call->epoll_wait.timeout_ns = timeout_ns;
    }
    return ptk_sys_call_below(call);
}

/* Carries out one sleep of the poller. */
static int64_t clock_sleep(ptk_sys_call_t *call) {
    int64_t timeout_ns = call->member == PTK_SYS_poll ? call->poll.timeout_ns : call->epoll_wait.timeout_ns;
    int64_t got = poll_for(call, 0);
    if (got == 0 && timeout_ns > 1 && clock_state.early) {
        clock_pass(timeout_ns / 2);
        return 0;
    }
    while (got == 0 && timeout_ns != 0) {
        uint64_t before_ns = clock_state.now_ns;
        if (timeout_ns < 0 && clock_state.callback_ns == PTK_TIME_NEVER) {
            return poll_for(call, -1);
        }
        clock_pass(timeout_ns);
        timeout_ns -= timeout_ns < 0 ? 0 : (int64_t) (clock_state.now_ns - before_ns);
        got = poll_for(call, 0);
        if (clock_state.now_ns == PTK_TIME_NEVER) {
            break;
        }
    }
    return got;
}

static _Thread_local ptk_interceptor_t clock_hooks = {
    .hooks = {
        [PTK_SYS_now_ns] = clock_now, [PTK_SYS_epoll_wait] = clock_sleep, [PTK_SYS_poll] = clock_sleep}};

static void real_begin(uint64_t start_ns) {
    clock_state = (clock_state_t) {.now_ns = start_ns, .callback_ns = PTK_TIME_NEVER};
    ptk_intercept_end();
    ptk_intercept(&clock_hooks);
}

static void real_at(uint64_t when_ns, void (*fn)(void *arg), void *arg) {
    CHECK(when_ns >= clock_state.now_ns && clock_state.callback_ns == PTK_TIME_NEVER);
    clock_state.callback_ns = when_ns;
    clock_state.fn = fn;
    clock_state.arg = arg;
}

/* --- a simulated host ----------------------------------------------------------------------------------- */

static struct {
    ptk_sim_kernel_t before; /* the kernel as it was, to be restored */
    ptk_sim_event_t callback_event;
    uint64_t callback_ns; /* by the host's clock */
    void (*fn)(void *arg);
    void *arg;
    ptk_choice_oracle_t oracle; /* over the host's own, while sleeps end early */
    bool came_early;
} host_clock;

static void schedule_callback(void) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    uint64_t now_ns = ptk_sim_kernel_now_ns(kernel);
    uint64_t left_ns = host_clock.callback_ns > now_ns ? host_clock.callback_ns - now_ns : 0;
    ptk_sim_event_queue_t *events = &kernel->net->events;
    ptk_sim_event_queue_insert(events, &host_clock.callback_event, events->now_ns + left_ns);
}

/* Event handler, on the driver's side, while the host sleeps in its poller. */
static void run_callback(ptk_sim_event_t *event) {
    ptk_thread_block_t *before = ptk_thread_in_use;
    (void) event;
    ptk_thread_in_use = &((ptk_sim_kernel_t *) host_clock.before.block.host)->block;
    host_clock.fn(host_clock.arg);
    ptk_thread_in_use = before;
}

static void host_begin(uint64_t start_ns) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    host_clock.before = *kernel;
    host_clock.callback_event.fire = run_callback;
    kernel->clock_offset_ns += (int64_t) (start_ns - ptk_sim_kernel_now_ns(kernel));
    kernel->empty_poll_ns = 0;
}

static void host_end(void) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    ptk_sim_event_queue_cancel(&kernel->net->events, &host_clock.callback_event);
    kernel->empty_poll_ns = host_clock.before.empty_poll_ns;
    kernel->suspend = host_clock.before.suspend;
    kernel->block.oracle = host_clock.before.block.oracle;
}

/* Lets `ns` pass as if the test computed; meanwhile the world's events fire. */
static void host_advance(uint64_t ns) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    ptk_sim_event_queue_t *events = &kernel->net->events;
    uint64_t left_ns = PTK_TIME_NEVER - ptk_sim_kernel_now_ns(kernel);
    uint64_t until_ns = events->now_ns + (ns < left_ns ? ns : left_ns);
    bool has_callback = ptk_sim_event_is_scheduled(&host_clock.callback_event);
    ptk_sim_event_queue_cancel(events, &host_clock.callback_event);
    while (ptk_sim_event_queue_next_ns(events) <= until_ns) {
        (void) ptk_sim_event_queue_step(events);
    }
    events->now_ns = until_ns;
    if (has_callback) {
        schedule_callback();
    }
}

static void host_at(uint64_t when_ns, void (*fn)(void *arg), void *arg) {
    CHECK(when_ns >= ptk_sim_kernel_now_ns(ptk_sim_kernel_here()));
    CHECK(!ptk_sim_event_is_scheduled(&host_clock.callback_event));
    host_clock.callback_ns = when_ns;
    host_clock.fn = fn;
    host_clock.arg = arg;
    schedule_callback();
}

/* Waits for half of the time; then the kernel decides whether the wait ends early. */
static void suspend_for_half(ptk_sim_kernel_t *kernel, uint64_t until_ns) {
    uint64_t now_ns = kernel->net->events.now_ns;
    bool is_cut = until_ns != UINT64_MAX && until_ns > now_ns + 1;
    host_clock.came_early = is_cut;
    host_clock.before.suspend(kernel, is_cut ? now_ns + (until_ns - now_ns) / 2 : until_ns);
}

static uint32_t choose_early(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    ptk_choice_oracle_t *below = host_clock.before.block.oracle;
    (void) oracle;
    if (site == PTK_SIM_SITE_EARLY && host_clock.came_early) {
        host_clock.came_early = false;
        return 1;
    }
    return below ? below->choose(below, site, count) : 0;
}

static void host_wake_early(bool on) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    host_clock.oracle.choose = choose_early;
    kernel->block.oracle = on ? &host_clock.oracle : host_clock.before.block.oracle;
    kernel->suspend = on ? suspend_for_half : host_clock.before.suspend;
}

/* --- either --------------------------------------------------------------------------------------------- */

void test_clock_begin(uint64_t start_ns) {
    (test_is_simulated() ? host_begin : real_begin)(start_ns);
}

void test_clock_end(void) {
    ptk_intercept_end();
    if (test_is_simulated()) {
        host_end();
    }
}

void test_clock_advance(uint64_t ns) {
    (test_is_simulated() ? host_advance : real_advance)(ns);
}

void test_clock_at(uint64_t when_ns, void (*fn)(void *arg), void *arg) {
    (test_is_simulated() ? host_at : real_at)(when_ns, fn, arg);
}

void test_clock_wake_early(bool on) {
    if (test_is_simulated()) {
        host_wake_early(on);
    } else {
        clock_state.early = on;
    }
}
