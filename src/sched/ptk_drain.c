/* SPDX-License-Identifier: MIT */
/*
 * The drain of a loop that is destroyed (layer 3).
 *
 * Every green thread is cancelled and runs until it ends: with shields, so its clean-up may wait. The loop
 * ticks meanwhile, also while its poller fails: a cancelled green thread is runnable without a poller, timers
 * and the inbox work without it, and it may recover before time is up. A failing poller does not wait, so a
 * pause takes the place of its wait.
 *
 * A drain ends with no green thread, or with an abort of the process: the stack of one that has not ended
 * cannot be freed. The time is looked at after each tick; where a green thread does not let the loop tick,
 * the watchdog ends the process.
 */
#include "sched/ptk_drain.h"

#include "base/ptk_log_impl.h"
#include "sched/ptk_dump.h"
#include "sched/ptk_park.h"
#include "sched/ptk_main_context.h"
#include "sched/ptk_tick.h"
#include "sched/ptk_timer.h"

#define DRAIN_PAUSE_NS     (10 * (int64_t) PTK_NS_PER_MS)
#define DRAIN_FAILURES_MAX 500

/* Returns true if an event that does not come from the poller can wake this green thread. */
static bool is_wakeable_without_poller(const ptk_task_t *task) {
    bool needs_poller = task->wait.op != NULL;
    if (task->waits) {
        needs_poller = true;
        for (size_t i = 0; i < task->u.run.waits_count; i++) {
            needs_poller = needs_poller && task->waits[i].op;
        }
    }
    return (task->flags & PTK_TASK_EXTERNALLY_WAKEABLE) && !needs_poller;
}

/* Returns true if time, another thread or a signal, which need no poller, can still wake a green thread. */
static bool can_do_without_poller(const ptk_scheduler_t *scheduler) {
    if (ptk_heap_first_deadline(&scheduler->heap) != UINT64_MAX || ptk_inbox_has_waker(scheduler->inbox)) {
        return true;
    }
    ptk_list_node_t *node = ptk_list_first(&scheduler->living);
    for (; node; node = ptk_list_next(&scheduler->living, node)) {
        if (is_wakeable_without_poller(ptk_container_of(node, ptk_task_t, living))) {
            return true;
        }
    }
    return false;
}

/* Pauses in place of a poller that has failed, while no green thread is runnable. */
static void pause_without_poller(const ptk_scheduler_t *scheduler, uint64_t limit_ns) {
    uint64_t first_ns = ptk_heap_first_deadline(&scheduler->heap);
    uint64_t until_ns = first_ns < limit_ns ? first_ns : limit_ns;
    uint64_t left_ns = until_ns > scheduler->now_ns ? until_ns - scheduler->now_ns : 0;
    int64_t pause_ns = left_ns < DRAIN_PAUSE_NS ? (int64_t) left_ns : DRAIN_PAUSE_NS;
    if (ptk_sys()->poll(NULL, 0, pause_ns) != 0) {
        ptk_sys()->thread_yield();
    }
}

/* Runs until no green thread is left, or `limit_ns` has passed (TIMEOUT). The poller's failure is returned
 * only if there is no limit, and if the poller alone could wake the green threads that are left: the drain
 * would never end then. */
static ptk_err drain_until(ptk_scheduler_t *scheduler, uint64_t limit_ns) {
    uint32_t failures = 0; /* since a green thread was runnable */
    while (scheduler->task_count > 0) {
        ptk_err err = ptk_tick_run(scheduler, limit_ns);
        if (scheduler->now_ns >= limit_ns) {
            return PTK_ERR_TIMEOUT;
        }
        failures = err == PTK_OK || ptk_tick_has_work(scheduler) ? 0 : failures + 1;
        if (failures > DRAIN_FAILURES_MAX && limit_ns == UINT64_MAX && !can_do_without_poller(scheduler)) {
            return err;
        }
        if (failures > 0) {
            pause_without_poller(scheduler, limit_ns);
        }
        ptk_run_ready(scheduler, UINT64_MAX);
    }
    scheduler->stopping = false;
    return PTK_OK;
}

uint64_t ptk_drain_limit(const ptk_scheduler_t *scheduler) {
    ptk_deadline_t limit = ptk_deadline_after_ms(scheduler->loop->options.destroy_timeout_ms);
    ptk_deadline_fix(&limit);
    return limit.kind == PTK_DEADLINE_NEVER ? UINT64_MAX : limit.ns;
}

void ptk_drain(ptk_scheduler_t *scheduler) {
    uint64_t limit_ns = ptk_drain_limit(scheduler);
    ptk_watchdog_drain_begin(scheduler, scheduler->loop->options.destroy_timeout_ms);
    ptk_main_context_enter(scheduler);
    ptk_main_context_stop(scheduler);
    ptk_err err = drain_until(scheduler, limit_ns);
    int os_err = ptk_get_os_err();
    ptk_main_context_leave(scheduler);
    if (err == PTK_ERR_TIMEOUT) {
        ptk_report("destroy: out of time");
    } else if (err != PTK_OK) {
        ptk_report("destroy: the poller fails for good, %s (errno %d)", ptk_err_name(err), os_err);
    }
    if (err != PTK_OK) {
        ptk_dump_all(scheduler, "destroy: these green threads were cancelled and have not ended");
        ptk_sys_real.abort();
    }
}
