/* SPDX-License-Identifier: MIT */
/*
 * Random programs against a reference model, on one host.
 *
 * The seed writes a program: a few steps for each worker, each step a public call with its object and timeout
 * (programs.h). All decisions of the program are made before it runs and each step takes the same number of
 * them, so a tape without some of them is the same program without these steps: shrinking ends with the few
 * calls that matter. A shown run (--tape, --timeline) prints its calls.
 *
 * While the program runs, and after it, programs_model.c says what each call may return and when.
 */
#include "programs.h"

#include "sim/world/ptk_sim_impl.h"
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS        60 /* of 1 ms, in which the workers do their steps */
#define ROUNDS_AT_END 20
#define DRAIN_MS      100 /* the loop's time to end what was cancelled, where that is too long */
#define CHOICES       8   /* values of a decision about objects */

static size_t log_lines; /* that ptk has written */

/* How the host's main runs its loop. */
enum { BY_RUN, BY_POLL, BY_DESCRIPTOR, LOOP_MODES };

/* What comes after the program. */
enum { END_PLAIN, END_DEADLOCK, END_DESTROY, END_STUCK, ENDS };

/* What the host lacks. */
enum { SHORT_NOTHING, SHORT_DESCRIPTORS, SHORT_MEMORY, SHORTAGES };

static struct {
    uint32_t first_workers;
    uint32_t loop_mode;
    uint32_t narrow_pairs; /* bit i: the buffers of pair i are small */
    uint32_t epilogue;     /* END_... */
    uint32_t shortage;     /* SHORT_... */
    uint32_t limit;        /* of what is short */
    programs_step_t spawns[WORKERS];
} plan;

/* --- the program --- */

static void draw_step(programs_step_t *step) {
    step->kind = (uint8_t) ptk_sim_choose((uint32_t) programs_kinds());
    step->object = (uint8_t) ptk_sim_choose(CHOICES);
    step->timeout = (uint8_t) ptk_sim_choose(CHOICES);
    step->extra = (uint8_t) ptk_sim_choose(256);
}

static void draw_program(void) {
    plan.first_workers = 2 + ptk_sim_choose(WORKERS - 2);
    plan.loop_mode = ptk_sim_choose(2 * LOOP_MODES);
    plan.narrow_pairs = ptk_sim_choose(4);
    plan.epilogue = ptk_sim_choose(2 * ENDS);
    plan.shortage = ptk_sim_choose(12);
    plan.limit = ptk_sim_choose(8);
    programs.green_limit = ptk_sim_choose(8) == 1 ? WORKERS - 2 : 0;
    for (size_t i = 0; i < WORKERS; i++) {
        draw_step(&plan.spawns[i]);
        for (size_t j = 0; j < STEPS; j++) {
            draw_step(&programs.workers[i].steps[j]);
        }
    }
}

/* --- workers --- */

static ptk_err work(void *arg) {
    programs_worker_t *me = arg;
    PTK_SIM_CHECK(ptk_green_self() == me->handle && ptk_get_err() == PTK_OK);
    for (size_t i = 0; i < STEPS && me->calls_after_cancel < 3 && !me->is_over && !programs_has_failed();
         i++) {
        programs_make_step(me, &me->steps[i]);
        me->calls_after_cancel += ptk_cancel_cause() != PTK_CANCEL_NONE && me->steps[i].kind != 0;
    }
    programs_ended(me);
    return 1000 + (ptk_err) me->number;
}

/* --- the objects --- */

static ptk_err make_objects(void) {
    for (size_t i = 0; i < COUNTERS; i++) {
        programs_make_counter(i);
        if (!programs.slots[i]) {
            return PTK_ERR_NO_RESOURCES;
        }
    }
    ptk_err err = programs_make_listener();
    for (size_t i = 0; i < 2 && err == PTK_OK; i++) {
        programs_make_pair((plan.narrow_pairs >> i & 1) != 0);
    }
    return err == PTK_OK ? programs_make_descriptors() : err;
}

static void end_objects(void) {
    for (size_t i = 0; i < programs.sock_count; i++) {
        programs_sock_t *sock = &programs.socks[i];
        if (!sock->is_closed) {
            ptk_sock_close(sock->token);
        }
    }
    ptk_signaler_unref(programs.signaler);
    programs_end_descriptors();
}

/* --- the supervisor --- */

static bool all_ended(void) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        if (!programs.workers[i].is_ended) {
            return false;
        }
    }
    return true;
}

static void watch(size_t rounds, uint32_t round_ms) {
    for (size_t i = 0; i < rounds && !all_ended() && !programs_has_failed(); i++) {
        uint64_t before_ns = ptk_now_ns();
        uint64_t computed_ns = programs.computed_ns;
        PTK_SIM_CHECK(ptk_sleep_ms(round_ms) == PTK_OK);
        PTK_SIM_CHECK(ptk_now_ns() - before_ns >= round_ms * PTK_NS_PER_MS);
        PTK_SIM_CHECK(ptk_now_ns() - before_ns <=
                      round_ms * PTK_NS_PER_MS + (programs.computed_ns - computed_ns));
        programs_audit();
    }
}

/* Ends the workers that still wait: by a cancel of each, or of all. */
static void end_workers(void) {
    programs.over = true;
    for (size_t i = 0; i < programs.worker_count; i++) {
        programs_worker_t *worker = &programs.workers[i];
        if (!worker->is_joined && !worker->is_ended) {
            programs_cancelled(worker);
            PTK_SIM_CHECK(ptk_green_cancel(worker->handle) == PTK_OK);
        }
    }
    watch(ROUNDS_AT_END, 1);
    if (!all_ended()) { /* detached ones, and shields without a limit */
        programs_stopped();
        PTK_SIM_CHECK(ptk_scheduler_stop(NULL) == PTK_OK);
        watch(1000, 50);
    }
    PTK_SIM_CHECK(all_ended());
    for (size_t i = 0; i < programs.worker_count; i++) {
        PTK_SIM_CHECK(!programs.workers[i].locals[0] && !programs.workers[i].locals[1]);
    }
}

/* Everything that was signalled was taken, or is still there. */
static void check_counters(void) {
    for (size_t i = 0; i < programs.counter_count; i++) {
        programs_counter_t *counter = &programs.counters[i];
        uint64_t count = 0;
        if (counter->is_destroyed) {
            PTK_SIM_CHECK(ptk_waitable_wait(counter->waitable, PTK_EVENT_READ, 0) == PTK_ERR_CLOSED);
            continue;
        }
        ptk_err err = ptk_waitable_wait_for(counter->waitable, PTK_EVENT_READ, 0, NULL, &count);
        PTK_SIM_CHECK(count <= programs_left(counter) && count >= programs_least_left(counter));
        PTK_SIM_CHECK(err == (count > 0 ? PTK_OK : PTK_ERR_TIMEOUT));
        ptk_waitable_destroy(counter->waitable);
    }
}

/* Receives what is left of a stream: all that the peer has sent, then nothing, or the end. */
static void check_stream(programs_sock_t *sock) {
    char bytes[1000];
    size_t count = 0;
    ptk_err err;
    if (sock->state != SOCK_CONNECTED || sock->is_closed || !sock->peer) {
        return;
    }
    while ((err = ptk_sock_recv_some(sock->token, bytes, sizeof bytes, &count, 1)) == PTK_OK) {
        programs_received(sock, bytes, count);
    }
    bool is_whole = !programs_may_be_reset(sock) && !sock->peer->may_keep_rest;
    PTK_SIM_CHECK(!is_whole || err == PTK_ERR_TIMEOUT || err == PTK_ERR_EOF);
    PTK_SIM_CHECK(!is_whole || sock->is_read_shut || programs_is_drained(sock));
    if (is_whole) {
        PTK_SIM_CHECK((err == PTK_ERR_EOF) == (sock->peer->is_write_shut || sock->is_read_shut));
    }
}

static ptk_err supervise(void *arg) {
    ptk_shield_t shield;
    (void) arg;
    scenario_shield(&shield);
    ptk_err err = make_objects();
    PTK_SIM_CHECK(err == PTK_OK || programs.is_short);
    if (err == PTK_OK) {
        for (size_t i = 0; i < plan.first_workers; i++) {
            programs_start(&plan.spawns[i]);
        }
        watch(ROUNDS, 1);
        end_workers();
        check_counters();
        for (size_t i = 0; i < programs.sock_count && !programs_has_failed(); i++) {
            check_stream(&programs.socks[i]);
        }
    }
    end_objects();
    PTK_SIM_CHECK(ptk_shield_end(&shield) == PTK_OK);
    return err;
}

/* --- the host --- */

static ptk_err wait_for_ever(void *arg) {
    ptk_waitable_t *never = arg;
    ptk_err err = ptk_waitable_wait(never, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE);
    PTK_SIM_CHECK(err == PTK_OK || ptk_cancel_cause() == PTK_CANCEL_STOP);
    return err;
}

/* A green thread that nothing can wake is a deadlock. It goes on when it is signalled; a destroy cancels it.
 */
static ptk_err check_deadlock(ptk_event_loop_platform_t *loop, bool is_destroyed) {
    ptk_waitable_t *never = ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL);
    ptk_green_t *green = never ? ptk_green_spawn(loop, NULL, wait_for_ever, never) : NULL;
    ptk_err result = PTK_OK;
    if (!green) {
        return ptk_get_err();
    }
    programs.report_lines = 0;
    PTK_SIM_CHECK(ptk_scheduler_run(loop) == PTK_ERR_DEADLOCK);
    PTK_SIM_CHECK(programs.report_lines > 1);
    PTK_SIM_CHECK(ptk_green_join(green, NULL, 1) == PTK_ERR_NOT_GREEN);
    PTK_SIM_CHECK(ptk_green_join(green, NULL, 0) == PTK_ERR_TIMEOUT);
    if (is_destroyed) {
        return PTK_OK;
    }
    PTK_SIM_CHECK(ptk_waitable_signal(never) == PTK_OK);
    PTK_SIM_CHECK(ptk_scheduler_run(loop) == PTK_OK);
    PTK_SIM_CHECK(ptk_green_join(green, &result, 0) == PTK_OK && result == PTK_OK);
    ptk_waitable_destroy(never);
    return PTK_OK;
}

/* Goes on after its cancel until it may end. */
static ptk_err resist(void *arg) {
    const bool *may_end = arg;
    while (!*may_end && !programs_has_failed()) {
        PTK_SIM_CHECK(ptk_sleep_ms(1) == PTK_ERR_CANCELED);
    }
    return PTK_OK;
}

/* A run that drains returns when the loop's time for that is over; the green thread lives on. */
static ptk_err check_stuck(ptk_event_loop_platform_t *loop) {
    bool may_end = false;
    ptk_green_t *green = ptk_green_spawn(loop, NULL, resist, &may_end);
    if (!green) {
        return ptk_get_err();
    }
    uint64_t before_ns = ptk_now_ns();
    PTK_SIM_CHECK(ptk_scheduler_stop(loop) == PTK_OK);
    PTK_SIM_CHECK(ptk_scheduler_run(loop) == PTK_ERR_STUCK);
    PTK_SIM_CHECK(ptk_now_ns() - before_ns >= DRAIN_MS * PTK_NS_PER_MS);
    PTK_SIM_CHECK(ptk_now_ns() - before_ns <= (DRAIN_MS + 2) * PTK_NS_PER_MS);
    may_end = true;
    PTK_SIM_CHECK(ptk_scheduler_run(loop) == PTK_OK);
    PTK_SIM_CHECK(ptk_green_join(green, NULL, 0) == PTK_OK);
    return PTK_OK;
}

static ptk_err return_it(void *arg) {
    return *(const ptk_err *) arg;
}

/* A failure that no join receives is logged once; ordinary ends are not. */
static ptk_err check_log(ptk_event_loop_platform_t *loop) {
    static ptk_err results[] = {PTK_OK, PTK_ERR_CANCELED, PTK_ERR_EOF, PTK_ERR_REFUSED};
    for (size_t i = 0; i < 4 && !programs.is_short; i++) {
        log_lines = 0;
        PTK_SIM_CHECK(ptk_go(loop, return_it, &results[i]) == PTK_OK && ptk_scheduler_run(loop) == PTK_OK);
        PTK_SIM_CHECK(log_lines == (i == 3));
    }
    return PTK_OK;
}

static uint64_t polls_of(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_counters_t counters = {0};
    PTK_SIM_CHECK(ptk_scheduler_counters(loop, &counters) == PTK_OK || programs.is_short);
    return counters.polls;
}

/* Waits for the loop's descriptor as a program does that has a poller of its own. `next_ms` is what poll
 * returned. */
static void wait_outside(ptk_os_handle_t handle, uint32_t next_ms) {
    struct pollfd entry = {.fd = (int) handle, .events = POLLIN};
    int64_t limit_ns = next_ms == PTK_TIMEOUT_INFINITE ? -1 : (int64_t) (next_ms * PTK_NS_PER_MS);
    uint64_t before_ns = ptk_now_ns();
    (void) ptk_sys()->poll(&entry, 1, -1);
    uint64_t passed_ns = ptk_now_ns() - before_ns;
    PTK_SIM_CHECK(limit_ns < 0 || passed_ns <= (uint64_t) limit_ns);
}

static ptk_err run_by_poll(ptk_event_loop_platform_t *loop) {
    bool waits_outside = plan.loop_mode == BY_DESCRIPTOR;
    ptk_os_handle_t handle = waits_outside ? ptk_event_loop_platform_fd(loop) : PTK_OS_HANDLE_NONE;
    uint32_t next_ms = 0;
    ptk_err err = PTK_OK;
    while (err == PTK_OK) {
        uint64_t polls = polls_of(loop);
        handle =
            programs_has_failed() ? PTK_OS_HANDLE_NONE : handle; /* only a wait of the loop's passes then */
        err = ptk_scheduler_poll(loop, handle == PTK_OS_HANDLE_NONE ? next_ms : 0, &next_ms);
        PTK_SIM_CHECK(err != PTK_OK || polls_of(loop) == polls + 1);
        if (err == PTK_OK && handle != PTK_OS_HANDLE_NONE && next_ms > 0) {
            wait_outside(handle, next_ms);
        }
    }
    return err == PTK_ERR_DONE ? PTK_OK : err;
}

static ptk_err run_loop(ptk_event_loop_platform_t *loop) {
    bool polls = plan.loop_mode == BY_POLL || plan.loop_mode == BY_DESCRIPTOR;
    ptk_err err = polls ? run_by_poll(loop) : PTK_OK;
    if (err == PTK_OK) {
        err = ptk_scheduler_run(loop); /* after poll: ends the daemons */
    }
    if (err != PTK_OK || programs_has_failed()) {
        return err;
    }
    switch (plan.epilogue) {
    case END_DEADLOCK:
    case END_DESTROY:
        return check_deadlock(loop, plan.epilogue == END_DESTROY);
    case END_STUCK:
        return check_stuck(loop);
    default:
        return check_log(loop);
    }
}

static ptk_err run_host(void *arg) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    (void) arg;
    ptk_sim_kernel_here()->empty_poll_ns = 0; /* time advances while the loop sleeps, and by computing */
    options.green_thread_limit = programs.green_limit;
    options.destroy_timeout_ms = plan.epilogue == END_STUCK ? DRAIN_MS : 0;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    if (!loop) {
        return programs.is_short ? PTK_OK : ptk_get_err();
    }
    ptk_err err = ptk_go(loop, supervise, NULL);
    if (err == PTK_OK) {
        err = run_loop(loop);
    }
    PTK_SIM_CHECK(ptk_event_loop_platform_destroy(loop) == PTK_OK);
    return programs.is_short && err == PTK_ERR_NO_RESOURCES ? PTK_OK : err;
}

static void count_log(void *context, ptk_log_level_t level, const char *text) {
    (void) context, (void) level, (void) text;
    log_lines++;
}

static void count_report(void *context, const char *text) {
    (void) context;
    programs.report_lines += text[0] != '\0';
    programs.report_greens += strncmp(text, "green thread \"", 14) == 0;
    programs.report_running += strstr(text, "\": running") != NULL;
}

void scenario_programs(ptk_sim_t *sim) {
    ptk_log_set_sink(count_log, NULL);
    ptk_log_set_report_sink(count_report, NULL);
    memset(&programs, 0, sizeof programs);
    programs.work = work;
    programs.is_shown = sim->net.trace.keeps;
    draw_program();
    ptk_sim_quiet_network(sim);
    ptk_sim_host_options_t options = {.struct_size = sizeof options, .name = "host"};
    options.descriptor_limit = plan.shortage == SHORT_DESCRIPTORS ? 13 + plan.limit : 0;
    options.memory_limit_bytes = plan.shortage == SHORT_MEMORY ? 30000 + plan.limit * 4000 : 0;
    programs.is_short =
        scenario_exhausts || plan.shortage == SHORT_DESCRIPTORS || plan.shortage == SHORT_MEMORY;
    programs.host = ptk_sim_host(sim, &options, run_host, NULL);
    ptk_sim_settle(sim, 600000);
    ptk_log_set_sink(NULL, NULL);
    ptk_log_set_report_sink(NULL, NULL);
}
