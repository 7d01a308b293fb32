/* SPDX-License-Identifier: MIT */
/* Steps of random programs: green threads, shields and local values. */
#include "programs.h"

#include <string.h>

/* --- green threads --- */

static programs_worker_t *worker_of(const programs_step_t *step) {
    return &programs.workers[step->object % programs.worker_count];
}

static bool is_joining(const programs_worker_t *me, const programs_worker_t *target) {
    for (size_t i = 0; i < programs.worker_count; i++) {
        const programs_call_t *call = &programs.workers[i].call;
        if (&programs.workers[i] != me && call->is_open && call->joined == target) {
            return true;
        }
    }
    return false;
}

/* A name is cut at 31 bytes. */
#define LONG_NAME "a worker with a name that is too long"
#define CUT_NAME  "a worker with a name that is to"

static _Alignas(64) char stacks[WORKERS][65536]; /* of workers that get their own */

/* Starts the next worker: the step decides how. */
void programs_start(const programs_step_t *step) {
    if (programs.worker_count == WORKERS) {
        return;
    }
    programs_worker_t *worker = &programs.workers[programs.worker_count];
    ptk_green_options_t options = PTK_GREEN_OPTIONS_INIT;
    options.name = step->extra % 2 ? LONG_NAME : NULL;
    options.stack = step->extra % 16 == 2 ? stacks[programs.worker_count] : NULL;
    options.stack_bytes = options.stack ? sizeof stacks[0] : step->extra % 16 == 4 ? 100000 : 0;
    options.lifetime_ms = step->extra / 2 % 4 == 0 ? 1 + step->timeout : 0;
    options.flags =
        (step->extra / 8 % 4 == 0 ? PTK_GREEN_FP : 0) | (step->extra / 32 % 8 == 0 ? PTK_GREEN_DAEMON : 0);
    worker->number = programs.worker_count;
    worker->life_ns =
        options.lifetime_ms ? ptk_now_ns() + options.lifetime_ms * PTK_NS_PER_MS : PTK_TIME_NEVER;
    worker->life_computed_ns = programs.computed_ns;
    worker->is_daemon = (options.flags & PTK_GREEN_DAEMON) != 0;
    worker->handle = ptk_green_spawn(NULL, step->extra == 0 ? NULL : &options, programs.work, worker);
    if (step->extra == 0) {
        worker->life_ns = PTK_TIME_NEVER;
        worker->is_daemon = false;
    }
    bool is_full = programs.green_limit != 0 && programs_living() >= programs.green_limit;
    PTK_SIM_CHECK(worker->handle ? !is_full
                                 : (programs.is_short || is_full) && ptk_get_err() == PTK_ERR_NO_RESOURCES);
    if (worker->handle) {
        PTK_SIM_CHECK(strcmp(ptk_green_name(worker->handle),
                             options.name && step->extra ? CUT_NAME : "programs.work") == 0);
        programs.worker_count++;
    }
}

void programs_spawn(programs_worker_t *me, const programs_step_t *step) {
    PROGRAMS_BEGIN(me, 0, false, "spawn")->spawns = true;
    size_t before = programs.worker_count;
    programs_start(step);
    bool tried = before < WORKERS;
    programs_finish(me, tried && programs.worker_count == before ? PTK_ERR_NO_RESOURCES : PTK_OK);
}

static void check_join(programs_worker_t *me, programs_worker_t *target, ptk_err err, ptk_err result) {
    switch (err) {
    case PTK_OK:
        PTK_SIM_CHECK(target->is_ended && !target->is_joined);
        PTK_SIM_CHECK(result == PTK_OK || result == 1000 + (ptk_err) target->number);
        target->is_joined = true;
        break;
    case PTK_ERR_BUSY:
        PTK_SIM_CHECK(is_joining(me, target));
        break;
    case PTK_ERR_CLOSED:
        PTK_SIM_CHECK(target->is_joined);
        break;
    case PTK_ERR_INVALID_PARAM:
        PTK_SIM_CHECK(target == me);
        break;
    case PTK_ERR_TIMEOUT:
        PTK_SIM_CHECK(!target->is_ended || is_joining(me, target));
        break;
    default:
        PTK_SIM_CHECK(err == PTK_ERR_CANCELED);
        break;
    }
}

/* An end takes no cancel, so two workers that end each other need a limit. */
static uint32_t end_timeout(const programs_step_t *step) {
    return programs_timeout(step) == PTK_TIMEOUT_INFINITE ? 20 : programs_timeout(step);
}

static programs_call_t *begin_join(programs_worker_t *me, programs_worker_t *target,
                                   const programs_step_t *step, bool takes_cancel, const char *verb) {
    uint32_t timeout_ms = takes_cancel ? programs_timeout(step) : end_timeout(step);
    programs_call_t *call = PROGRAMS_BEGIN(me, timeout_ms, takes_cancel, "%s worker %zu, %d ms", verb,
                                           target->number, (int) timeout_ms);
    call->joined = target->is_joined ? NULL : target;
    if (target->is_ended) {
        call->is_due = true;
        call->due_idle_ns = programs_idle_ns();
    }
    call->is_exact = target->is_joined || (target == me && (!takes_cancel || call->timeout_ms == 0));
    call->result =
        target == me && !(takes_cancel && target->is_joined) ? PTK_ERR_INVALID_PARAM : PTK_ERR_CLOSED;
    return call;
}

void programs_join(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    ptk_err result = PTK_OK;
    begin_join(me, target, step, true, "join");
    ptk_err err = ptk_green_join(target->handle, &result, programs_timeout(step));
    PTK_SIM_CHECK(err != PTK_OK || result != PTK_OK);
    check_join(me, target, err, result);
    programs_finish(me, err);
}

void programs_end_green(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    begin_join(me, target, step, false, "end");
    if (!target->is_joined && target != me) {
        programs_cancelled(target);
    }
    ptk_err err = ptk_green_end(target->handle, end_timeout(step));
    check_join(me, target, err, PTK_OK);
    programs_finish(me, err);
}

void programs_cancel(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    PROGRAMS_BEGIN(me, 0, false, "cancel worker %zu", target->number);
    ptk_err err = ptk_green_cancel(target->handle);
    PTK_SIM_CHECK(err == (target->is_joined && target != me ? PTK_ERR_CLOSED : PTK_OK));
    if (err == PTK_OK && !target->is_ended) {
        programs_cancelled(target);
    }
    programs_finish(me, err);
}

void programs_detach(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    bool is_busy = is_joining(me, target);
    PROGRAMS_BEGIN(me, 0, false, "detach worker %zu", target->number);
    ptk_err err = ptk_green_detach(target->handle);
    if (err == PTK_ERR_BUSY) {
        PTK_SIM_CHECK(is_busy);
    } else {
        PTK_SIM_CHECK(err == (target->is_joined ? PTK_ERR_CLOSED : PTK_OK));
    }
    target->is_joined = target->is_joined || err == PTK_OK;
    programs_finish(me, err);
}

void programs_look_at_green(programs_worker_t *me, const programs_step_t *step) {
    programs_worker_t *target = worker_of(step);
    PROGRAMS_BEGIN(me, 0, false, "look at worker %zu", target->number);
    ptk_err expected = target->is_joined && target != me ? PTK_ERR_CLOSED : PTK_OK;
    PTK_SIM_CHECK(ptk_green_set_user(target->handle, target) == expected);
    PTK_SIM_CHECK(ptk_green_user(target->handle) == (expected == PTK_OK ? target : NULL));
    PTK_SIM_CHECK(ptk_green_self() == me->handle);
    programs_finish(me, expected);
}

/* --- shields, local values, stop --- */

void programs_begin_shield(programs_worker_t *me, const programs_step_t *step) {
    uint32_t limit_ms =
        step->timeout % 8 < 7 ? programs_timeout(step) : 20; /* a limit, so that the worker can be ended */
    if (me->shield_count == SHIELDS) {
        return;
    }
    programs_shield_t *shield = &me->shields[me->shield_count];
    PROGRAMS_BEGIN(me, 0, false, "begin a shield of %d ms", (int) limit_ms);
    ptk_err err = ptk_shield_begin(&shield->shield, limit_ms);
    PTK_SIM_CHECK(limit_ms == 0 ? err == PTK_ERR_INVALID_PARAM : err == PTK_OK || programs.is_short);
    if (err == PTK_OK) {
        bool is_limited = limit_ms != PTK_TIMEOUT_INFINITE;
        shield->deadline_ns = is_limited ? ptk_now_ns() + limit_ms * PTK_NS_PER_MS : PTK_TIME_NEVER;
        shield->computed_ns = programs.computed_ns;
        shield->was_seen = false;
        me->shield_count++;
    }
    programs_finish(me, err);
}

void programs_end_shield(programs_worker_t *me, const programs_step_t *step) {
    (void) step;
    if (me->shield_count == 0) {
        return;
    }
    PROGRAMS_BEGIN(me, 0, false, "end a shield");
    if (me->shield_count > 1 && step->extra % 4 == 0) {
        PTK_SIM_CHECK(ptk_shield_end(&me->shields[0].shield) == PTK_ERR_INVALID_PARAM);
        programs_finish(me, PTK_ERR_INVALID_PARAM);
        return;
    }
    ptk_err err = ptk_shield_end(&me->shields[me->shield_count - 1].shield);
    PTK_SIM_CHECK(err == PTK_OK);
    me->shield_count--;
    programs_finish(me, err);
}

static void local_ends(void *value) {
    programs_worker_t **place = value;
    PTK_SIM_CHECK(*place && (*place)->handle == ptk_green_self());
    *place = NULL;
}

void programs_set_local(programs_worker_t *me, const programs_step_t *step) {
    static const ptk_green_key_t keys[2] = {{local_ends}, {local_ends}};
    size_t i = step->extra % 2;
    bool has_value = me->locals[i] != NULL;
    PROGRAMS_BEGIN(me, 0, false, "set local %zu", i);
    PTK_SIM_CHECK(ptk_green_get_local(&keys[i]) == (has_value ? &me->locals[i] : NULL));
    bool sets = !has_value || step->extra % 4 < 2;
    ptk_err err = ptk_green_set_local(&keys[i], sets ? &me->locals[i] : NULL);
    PTK_SIM_CHECK(err == PTK_OK || (programs.is_short && !has_value));
    if (err == PTK_OK) {
        me->locals[i] = sets ? me : NULL;
    }
    programs_finish(me, err);
}

void programs_stop(programs_worker_t *me, const programs_step_t *step) {
    if (step->extra % 16 != 0) {
        return;
    }
    PROGRAMS_BEGIN(me, 0, false, "stop the loop");
    ptk_err err = ptk_scheduler_stop(NULL);
    PTK_SIM_CHECK(err == PTK_OK);
    programs_stopped();
    programs_finish(me, err);
}
