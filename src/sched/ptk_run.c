/* SPDX-License-Identifier: MIT */
/*
 * Running a loop (layer 3): run, poll and stop.
 *
 * Run alternates two things on the caller's context, the main context: the tick, and running what is
 * runnable. Where the loop is driven from outside (ptk_scheduler_poll), one tick and one round are taken per
 * call, and between calls the platform's descriptor shows deadlines (its alarm) and runnable work (a kick).
 *
 * When only daemons live, run cancels them, as a stop cancels all green threads; each that is spawned until
 * run returns is cancelled too. Poll cancels no daemons: its caller decides when the program is over.
 *
 *     idle  --run, poll-->  active  --return-->  idle
 *     not stopping  --stop, only daemons left-->  stopping  --no green thread left, DEADLOCK, STUCK-->  not
 * stopping
 *
 * While it is stopping, run *drains*, for the time that destroy takes: green threads that go on after their
 * cancel do not keep it from returning. Clean-up behind a shield is waited for, and the time begins anew with
 * its end.
 */
#include "sched/ptk_drain.h"
#include "sched/ptk_dump.h"
#include "sched/ptk_main_context.h"
#include "sched/ptk_park.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_tick.h"
#include "sched/ptk_timer.h"

/* --- deadlock --- */

/* Returns true if something other than a green thread can wake a parked one: an event from outside, or the
 * timer of a call, a lifetime or a shield. */
static bool any_externally_wakeable(const ptk_scheduler_t *scheduler) {
    return scheduler->externally_wakeable_count > 0 ||
           ptk_timer_more_armed(scheduler, scheduler->idle_timer_count);
}

/* Returns true if no green thread is runnable and nothing can make one so. Always false with hooks: the
 * library may resume coroutines by itself. */
static bool is_deadlocked(const ptk_scheduler_t *scheduler) {
    bool others_may_act = ptk_tick_has_work(scheduler) || ptk_inbox_has_some(scheduler->inbox) ||
                          scheduler->find_current || ptk_inbox_has_waker(scheduler->inbox);
    return !others_may_act && !any_externally_wakeable(scheduler);
}

/* --- run --- */

/* Returns true if a shield hides the cancel of the drain from a green thread. */
static bool is_drain_shielded(const ptk_scheduler_t *scheduler) {
    ptk_assert(scheduler->canceled_count <= scheduler->task_count);
    return scheduler->canceled_count < scheduler->task_count;
}

/* Returns true if the drain, if this is one, has taken too long. `limit_ns` is its limit, UINT64_MAX before
   it begins. A shield that is seen here has not ended before this tick. */
static bool is_drain_over(const ptk_scheduler_t *scheduler, uint64_t *limit_ns) {
    if (!scheduler->stopping) {
        return false;
    }
    if (*limit_ns == UINT64_MAX || is_drain_shielded(scheduler)) {
        *limit_ns = ptk_drain_limit(scheduler);
    }
    return scheduler->now_ns >= *limit_ns;
}

static ptk_err give_up_drain(ptk_scheduler_t *scheduler) {
    ptk_dump_all(scheduler, "run: these green threads were cancelled and have not ended");
    scheduler->stopping = false;
    return ptk_fail(PTK_ERR_STUCK);
}

/* Returns true if the library has only made a coroutine runnable that it was to continue. */
static bool waits_for_library(const ptk_scheduler_t *scheduler) {
    return ptk_unlikely(scheduler->resumed_count > 0);
}

/* Runs until no green thread is left, the drain has taken too long, or the poller fails. */
static ptk_err run_all(ptk_scheduler_t *scheduler) {
    uint64_t limit_ns = UINT64_MAX;
    while (scheduler->task_count > 0) {
        if (!scheduler->stopping && scheduler->task_count == scheduler->daemon_count) {
            ptk_main_context_stop(scheduler);
        }
        if (is_deadlocked(scheduler)) {
            ptk_dump_all(scheduler, "deadlock: nothing can wake any of these");
            scheduler->stopping = false;
            return PTK_ERR_DEADLOCK;
        }
        ptk_err err = ptk_tick_run(scheduler, is_drain_shielded(scheduler) ? UINT64_MAX : limit_ns);
        if (err != PTK_OK) {
            return err;
        }
        if (is_drain_over(scheduler, &limit_ns)) {
            return give_up_drain(scheduler);
        }
        ptk_run_ready(scheduler, UINT64_MAX);
        if (waits_for_library(scheduler)) {
            return ptk_fail(PTK_ERR_NOT_SUPPORTED);
        }
    }
    scheduler->stopping = false;
    return PTK_OK;
}

/* Returns whether the caller is inside run or poll, or a green thread of ptk that its library runs between
 * polls. */
static bool is_inside_run(ptk_scheduler_t *scheduler) {
    return scheduler->active || (scheduler->in_spawned && scheduler->in_spawned(scheduler));
}

/* Finds the scheduler of `loop` and makes the caller its main context; records the reason of a failure. */
static ptk_err begin_run(ptk_event_loop_platform_t *loop, ptk_scheduler_t **scheduler_out) {
    ptk_err err = ptk_scheduler_attach(loop, scheduler_out);
    if (err != PTK_OK) {
        return err;
    }
    if (is_inside_run(*scheduler_out)) {
        return ptk_fail(PTK_ERR_BUSY);
    }
    ptk_main_context_enter(*scheduler_out);
    return PTK_OK;
}

ptk_err ptk_scheduler_run(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = begin_run(loop, &scheduler);
    if (err != PTK_OK) {
        return err;
    }
    err = run_all(scheduler);
    int os_err = err == PTK_ERR_DEADLOCK ? 0 : ptk_get_os_err(); /* that of the failed poll */
    ptk_main_context_leave(scheduler);
    return err == PTK_OK ? PTK_OK : ptk_fail_os(err, os_err);
}

/* --- poll --- */

/* Returns the milliseconds until there is something to do, rounded up. */
static uint32_t next_ms(const ptk_scheduler_t *scheduler) {
    uint64_t first_ns = ptk_heap_first_deadline(&scheduler->heap);
    if (ptk_tick_has_work(scheduler) || ptk_inbox_has_some(scheduler->inbox)) {
        return 0;
    }
    if (first_ns == UINT64_MAX) {
        return PTK_TIMEOUT_INFINITE;
    }
    uint64_t left_ns = first_ns > scheduler->now_ns ? first_ns - scheduler->now_ns : 0;
    uint64_t left_ms = left_ns / PTK_NS_PER_MS + (left_ns % PTK_NS_PER_MS != 0);
    return left_ms < PTK_TIMEOUT_INFINITE ? (uint32_t) left_ms : PTK_TIMEOUT_INFINITE - 1;
}

/* Returns the time until which a tick may wait. */
static uint64_t limit_after(const ptk_scheduler_t *scheduler, uint32_t timeout_ms) {
    ptk_deadline_t deadline = ptk_deadline_after_ms(timeout_ms);
    if (deadline.kind == PTK_DEADLINE_NOW) {
        return scheduler->now_ns;
    }
    ptk_deadline_fix(&deadline);
    return deadline.kind == PTK_DEADLINE_NEVER ? UINT64_MAX : deadline.ns;
}

ptk_err ptk_scheduler_poll(ptk_event_loop_platform_t *loop, uint32_t timeout_ms, uint32_t *next_ms_out) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = begin_run(loop, &scheduler);
    if (err != PTK_OK) {
        return err;
    }
    bool over = scheduler->task_count == scheduler->daemon_count; /* then there is nothing to wait for */
    err = ptk_tick_run(scheduler, limit_after(scheduler, over ? 0 : timeout_ms));
    int os_err = ptk_get_os_err();
    size_t runnable = ptk_queue_count(&scheduler->run_queue);
    if (runnable > 0) {
        ptk_run_ready(scheduler, runnable);
    }
    ptk_timer_read_clock(scheduler);
    ptk_main_context_leave(scheduler);
    if (next_ms_out) {
        *next_ms_out = next_ms(scheduler);
    }
    if (err != PTK_OK) {
        return ptk_fail_os(err, os_err);
    }
    if (scheduler->task_count == 0) {
        scheduler->stopping = false;
    }
    return scheduler->task_count > scheduler->daemon_count ? PTK_OK : ptk_fail(PTK_ERR_DONE);
}

ptk_err ptk_scheduler_next_ms(ptk_event_loop_platform_t *loop, uint32_t *next_ms_out) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = next_ms_out ? ptk_scheduler_attach(loop, &scheduler) : ptk_fail(PTK_ERR_INVALID_PARAM);
    if (err == PTK_OK && is_inside_run(scheduler)) {
        err = ptk_fail(PTK_ERR_BUSY);
    }
    if (err == PTK_OK) {
        ptk_timer_read_clock(scheduler);
        *next_ms_out = next_ms(scheduler);
    }
    return err;
}

ptk_err ptk_scheduler_stop(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = ptk_scheduler_attach(loop, &scheduler);
    if (err == PTK_OK) {
        ptk_main_context_stop(scheduler);
    }
    return err;
}
