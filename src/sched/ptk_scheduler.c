/* SPDX-License-Identifier: MIT */
/*
 * The scheduler of a loop (layer 3): attach, run, poll, stop, and the end.
 *
 * Run alternates two things on the caller's context, the root: the *tick*, and running what is runnable.
 * A turn is: read the clock (which settles new timers), poll (without waiting if anything is runnable, else
 * until the earliest deadline), read again if it waited, deliver what came, drain the inbox, let timers
 * expire. Polling comes before expiring, so data beats the timeout that falls due in the same turn.
 *
 * Where the loop is driven from outside (ptk_scheduler_poll), one turn and one round are taken per call, and
 * between calls the platform's descriptor shows deadlines (its alarm) and runnable work (a kick).
 *
 * The loop is over when nobody but daemons lives: they are cancelled then, as everybody is after a stop, and
 * so is whoever is spawned until run returns.
 */
#include "sched/ptk_call.h"
#include "sched/ptk_cancel_impl.h"
#include "sched/ptk_dump.h"
#include "sched/ptk_op.h"
#include "sched/ptk_park.h"
#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_task.h"
#include "sched/ptk_timer.h"

#include "base/ptk_choice.h"
#include "base/ptk_memory.h"
#include "base/ptk_log_impl.h"
#include <errno.h>
#include <string.h>

#define DRAIN_PAUSE_NS     (10 * (int64_t) PTK_NS_PER_MS)
#define DRAIN_FAILURES_MAX 500

/* --- the turn --- */

static size_t count_finished(const ptk_scheduler_t *scheduler) {
    size_t count = 0;
    ptk_list_node_t *node = ptk_list_first(&scheduler->finished);
    for (; node; node = ptk_list_next(&scheduler->finished, node)) {
        count++;
    }
    return count;
}

static void deliver_at(ptk_scheduler_t *scheduler, size_t index) {
    ptk_list_node_t *node = ptk_list_first(&scheduler->finished);
    while (index-- > 0) {
        node = node->next;
    }
    ptk_list_remove(node);
    ptk_op_deliver(ptk_container_of(node, ptk_event_op_t, link));
}

/* The oracle says how many stay for the next turn, and in which order the others are delivered. */
static void deliver_as_chosen(ptk_scheduler_t *scheduler) {
    size_t left = count_finished(scheduler);
    size_t stay = left ? ptk_choice(PTK_CHOICE_BATCH_END, (uint32_t) left) : 0;
    for (; left > stay; left--) {
        deliver_at(scheduler, ptk_choice(PTK_CHOICE_EVENT_ORDER, (uint32_t) left));
    }
}

/* Hand finished operations to their waiters. */
static void deliver_finished(ptk_scheduler_t *scheduler) {
    if (ptk_unlikely(scheduler->block->oracle != NULL)) {
        deliver_as_chosen(scheduler);
        return;
    }
    while (!ptk_list_is_empty(&scheduler->finished)) {
        deliver_at(scheduler, 0);
    }
}

static bool has_work(const ptk_scheduler_t *scheduler) {
    return scheduler->run_queue.first || !ptk_list_is_empty(&scheduler->finished);
}

static ptk_err poll_platform(ptk_scheduler_t *scheduler, uint64_t deadline_ns) {
    ptk_event_loop_platform_t *loop = scheduler->loop;
    int result = loop->ops->poll(loop, scheduler->now_ns, deadline_ns, &scheduler->finished);
    return result == 0 ? PTK_OK : ptk_fail_errno(-result);
}

/* Poll, waiting until `deadline_ns` at most if there is nothing to do. */
static ptk_err poll_and_wait(ptk_scheduler_t *scheduler, uint64_t deadline_ns) {
    bool sleeps = !has_work(scheduler) && ptk_inbox_prepare_sleep(scheduler->inbox);
    if (!sleeps) {
        return poll_platform(scheduler, scheduler->now_ns);
    }
    ptk_err err = poll_platform(scheduler, deadline_ns);
    ptk_inbox_end_sleep(scheduler->inbox);
    ptk_timer_read_clock(scheduler);
    return err;
}

static ptk_err run_tick(ptk_scheduler_t *scheduler, uint64_t limit_ns) {
    ptk_timer_read_clock(scheduler);
    uint64_t first_ns = ptk_heap_first_deadline(&scheduler->heap);
    ptk_err err = poll_and_wait(scheduler, first_ns < limit_ns ? first_ns : limit_ns);
    deliver_finished(scheduler);
    ptk_drain_inbox(scheduler);
    ptk_timer_expire_due(scheduler);
    ptk_task_reap(scheduler);
    scheduler->budget = PTK_BUDGET;
    return err;
}

/* --- deadlock --- */

/* Can this one still be woken by something other than a green thread? */
static bool is_externally_wakeable(const ptk_task_t *task) {
    if (task->flags & PTK_TASK_EXTERNALLY_WAKEABLE || task->timer.state != PTK_TIMER_IDLE) {
        return true;
    }
    for (const ptk_scope_t *scope = task->scope; scope; scope = scope->outer) {
        if (scope->timer.state != PTK_TIMER_IDLE) {
            return true;
        }
    }
    return false;
}

/* Whoever was found externally_wakeable the last time is asked first, so this is cheap where it is asked
 * often. */
static bool any_externally_wakeable(ptk_scheduler_t *scheduler) {
    if (scheduler->externally_wakeable && is_externally_wakeable(scheduler->externally_wakeable)) {
        return true;
    }
    ptk_list_node_t *node = ptk_list_first(&scheduler->living);
    for (; node; node = ptk_list_next(&scheduler->living, node)) {
        ptk_task_t *task = ptk_container_of(node, ptk_task_t, living);
        if (is_externally_wakeable(task)) {
            scheduler->externally_wakeable = task;
            return true;
        }
    }
    return false;
}

static bool is_deadlocked(ptk_scheduler_t *scheduler) {
    bool others_may_act = has_work(scheduler) || ptk_inbox_has_some(scheduler->inbox) ||
                          scheduler->find_current || ptk_inbox_has_waker(scheduler->inbox);
    return !others_may_act && !any_externally_wakeable(scheduler);
}

/* What is due shows on the loop's descriptor while others watch it and nobody runs the loop. */
void ptk_scheduler_show(ptk_scheduler_t *scheduler) {
    ptk_event_loop_platform_t *loop = scheduler->loop;
    if (!loop->is_exposed || scheduler->active) {
        return;
    }
    scheduler->kicks = true;
    ptk_timer_read_clock(scheduler);
    loop->ops->set_alarm(loop, ptk_heap_first_deadline(&scheduler->heap));
    if (!ptk_inbox_prepare_sleep(scheduler->inbox) || has_work(scheduler)) {
        scheduler->inbox->sys->wake_kick(scheduler->inbox->wake);
    }
}

static void show_outside(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_show(loop->attachment.data);
}

/* --- run --- */

static void enter(ptk_scheduler_t *scheduler) {
    scheduler->active = true;
    scheduler->kicks = false;
    ptk_fp_save(&scheduler->fp_words);
    ptk_context_adopt(&scheduler->main_context.context);
    scheduler->current = scheduler->find_current ? NULL : &scheduler->main_context;
}

static void leave(ptk_scheduler_t *scheduler) {
    scheduler->active = false;
    scheduler->current = NULL;
    scheduler->block->errors = NULL;
    ptk_scheduler_show(scheduler);
}

static void begin_stop(ptk_scheduler_t *scheduler) {
    scheduler->stopping = true;
    ptk_cancel_all(scheduler, PTK_CANCEL_STOP);
}

/* Run until nobody lives, or the poller fails. */
static ptk_err run_all(ptk_scheduler_t *scheduler) {
    while (scheduler->live > 0) {
        if (!scheduler->stopping && scheduler->live == scheduler->daemons) {
            begin_stop(scheduler);
        }
        if (is_deadlocked(scheduler)) {
            ptk_dump_all(scheduler, "deadlock: nothing can wake any of these");
            scheduler->stopping = false;
            return PTK_ERR_DEADLOCK;
        }
        ptk_err err = run_tick(scheduler, UINT64_MAX);
        if (err != PTK_OK) {
            return err;
        }
        ptk_run_ready(scheduler, UINT64_MAX);
    }
    scheduler->stopping = false;
    return PTK_OK;
}

/* The scheduler of `loop`, ready to be run by the caller. */
static ptk_err begin_run(ptk_event_loop_platform_t *loop, ptk_scheduler_t **scheduler_out) {
    ptk_err err = ptk_scheduler_attach(loop, scheduler_out);
    if (err != PTK_OK) {
        return err;
    }
    if ((*scheduler_out)->active) {
        return ptk_fail(PTK_ERR_BUSY);
    }
    enter(*scheduler_out);
    return PTK_OK;
}

ptk_err ptk_scheduler_run(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = begin_run(loop, &scheduler);
    if (err != PTK_OK) {
        return err;
    }
    err = run_all(scheduler);
    int os_err = ptk_get_os_err();
    leave(scheduler);
    return err == PTK_OK ? PTK_OK : ptk_fail_os(err, os_err);
}

/* --- poll --- */

/* Milliseconds until there is something to do, rounded up. */
static uint32_t next_ms(const ptk_scheduler_t *scheduler) {
    uint64_t first_ns = ptk_heap_first_deadline(&scheduler->heap);
    if (has_work(scheduler) || ptk_inbox_has_some(scheduler->inbox)) {
        return 0;
    }
    if (first_ns == UINT64_MAX) {
        return PTK_TIMEOUT_INFINITE;
    }
    uint64_t left_ns = first_ns > scheduler->now_ns ? first_ns - scheduler->now_ns : 0;
    uint64_t left_ms = left_ns / PTK_NS_PER_MS + (left_ns % PTK_NS_PER_MS != 0);
    return left_ms < PTK_TIMEOUT_INFINITE ? (uint32_t) left_ms : PTK_TIMEOUT_INFINITE - 1;
}

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
    bool over = scheduler->live == scheduler->daemons; /* then there is nothing to wait for */
    err = run_tick(scheduler, limit_after(scheduler, over ? 0 : timeout_ms));
    int os_err = ptk_get_os_err();
    size_t runnable = ptk_queue_count(&scheduler->run_queue);
    if (runnable > 0) {
        ptk_run_ready(scheduler, runnable);
    }
    ptk_timer_read_clock(scheduler);
    leave(scheduler);
    if (next_ms_out) {
        *next_ms_out = next_ms(scheduler);
    }
    if (err != PTK_OK) {
        return ptk_fail_os(err, os_err);
    }
    if (scheduler->live == 0) {
        scheduler->stopping = false;
    }
    return scheduler->live > scheduler->daemons ? PTK_OK : PTK_ERR_CLOSED;
}

void ptk_scheduler_catch_up(ptk_scheduler_t *scheduler) {
    ptk_drain_inbox(scheduler);
    if (!scheduler->active) {
        ptk_timer_read_clock(scheduler);
        ptk_timer_expire_due(scheduler);
    }
}

ptk_err ptk_scheduler_stop(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = ptk_scheduler_attach(loop, &scheduler);
    if (err == PTK_OK) {
        begin_stop(scheduler);
    }
    return err;
}

/* --- looking inside --- */

ptk_err ptk_scheduler_dump(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = NULL;
    ptk_err err = ptk_scheduler_attach(loop, &scheduler);
    if (err == PTK_OK) {
        ptk_dump_all(scheduler, "dump");
    }
    return err;
}

ptk_err ptk_scheduler_counters(ptk_event_loop_platform_t *loop, ptk_scheduler_counters_t *counters_out) {
    ptk_scheduler_t *scheduler = NULL;
    if (!counters_out || counters_out->struct_size < sizeof counters_out->struct_size) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    ptk_err err = ptk_scheduler_attach(loop, &scheduler);
    if (err != PTK_OK) {
        return err;
    }
    ptk_scheduler_counters_t counters = {
        .struct_size = counters_out->struct_size,
        .green_threads = scheduler->live,
        .spawned = scheduler->spawned,
        .switches = scheduler->switches,
        .polls = scheduler->loop->polls,
        .events = scheduler->loop->events,
        .timers_armed = scheduler->timers_armed,
        .timers_fired = scheduler->timers_fired,
        .inbox_messages = scheduler->inbox_messages,
    };
    size_t bytes = counters.struct_size;
    memcpy(counters_out, &counters, bytes < sizeof counters ? bytes : sizeof counters);
    return PTK_OK;
}

/* --- attach and detach --- */

void *ptk_scheduler_service(ptk_scheduler_t *scheduler, ptk_service_id_t id, size_t state_bytes,
                            void (*init)(ptk_scheduler_t *scheduler, void *state),
                            void (*fini)(ptk_scheduler_t *scheduler, void *state)) {
    ptk_service_t *service = &scheduler->services[id];
    if (!service->state) {
        service->state = ptk_allocate_zeroed(state_bytes);
        if (service->state) {
            service->fini = fini;
            init(scheduler, service->state);
        }
    }
    return service->state;
}

static void fini_services(ptk_scheduler_t *scheduler) {
    for (size_t id = PTK_SERVICE_COUNT; id-- > 0;) {
        ptk_service_t *service = &scheduler->services[id];
        if (service->state) {
            service->fini(scheduler, service->state);
            ptk_free(service->state);
            service->state = NULL;
        }
    }
}

/* Can this one be woken by an event that does not come from the poller? */
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

/* Time, other threads and signals need no poller to wake somebody. */
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

/* The poller has failed and nobody is runnable: a pause in its place. */
static void pause_without_poller(const ptk_scheduler_t *scheduler, uint64_t limit_ns) {
    uint64_t first_ns = ptk_heap_first_deadline(&scheduler->heap);
    uint64_t until_ns = first_ns < limit_ns ? first_ns : limit_ns;
    uint64_t left_ns = until_ns > scheduler->now_ns ? until_ns - scheduler->now_ns : 0;
    int64_t pause_ns = left_ns < DRAIN_PAUSE_NS ? (int64_t) left_ns : DRAIN_PAUSE_NS;
    if (ptk_sys()->poll(NULL, 0, pause_ns) != 0) {
        ptk_sys()->thread_yield();
    }
}

/* Run until nobody lives, or `limit_ns` has passed (TIMEOUT). It goes on although the poller fails: those
   that were cancelled are runnable without it, and it may come round before time is up. Only without a limit
   there is an end to that, when the poller alone could wake those that are left. */
static ptk_err drain_until(ptk_scheduler_t *scheduler, uint64_t limit_ns) {
    uint32_t failures = 0; /* since somebody was runnable */
    while (scheduler->live > 0) {
        ptk_err err = run_tick(scheduler, limit_ns);
        if (scheduler->now_ns >= limit_ns) {
            return PTK_ERR_TIMEOUT;
        }
        failures = err == PTK_OK || has_work(scheduler) ? 0 : failures + 1;
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

/* Whoever still lives is cancelled and gets a bounded time to end: a stack in use is never freed. */
static void drain(ptk_scheduler_t *scheduler) {
    ptk_deadline_t limit = ptk_deadline_after_ms(scheduler->loop->options.destroy_timeout_ms);
    ptk_deadline_fix(&limit);
    enter(scheduler);
    begin_stop(scheduler);
    ptk_err err = drain_until(scheduler, limit.kind == PTK_DEADLINE_NEVER ? UINT64_MAX : limit.ns);
    int os_err = ptk_get_os_err();
    leave(scheduler);
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

static ptk_err detach(ptk_event_loop_platform_t *loop) {
    ptk_scheduler_t *scheduler = loop->attachment.data;
    if (scheduler->active || (scheduler->find_current && scheduler->live > 0)) {
        return PTK_ERR_BUSY;
    }
    if (scheduler->live > 0) {
        drain(scheduler);
    }
    fini_services(scheduler);
    ptk_inbox_close(scheduler->inbox);
    ptk_drain_inbox(scheduler);
    ptk_task_fini(scheduler);
    ptk_assert(ptk_list_is_empty(&scheduler->new_timers) && ptk_list_is_empty(&scheduler->finished));
    ptk_heap_fini(&scheduler->heap);
    ptk_slab_fini(&scheduler->handles);
    ptk_slab_fini(&scheduler->tasks);
    ptk_stack_pool_fini(&scheduler->stacks);
    scheduler->block->scheduler = NULL;
    scheduler->block->locate = NULL;
    loop->attachment.data = NULL;
    ptk_free(scheduler);
    return PTK_OK;
}

static void init_scheduler(ptk_scheduler_t *scheduler, ptk_event_loop_platform_t *loop) {
    scheduler->loop = loop;
    scheduler->block = ptk_thread();
    scheduler->inbox = loop->inbox;
    scheduler->errno_place = &errno;
    scheduler->budget = PTK_BUDGET;
    scheduler->main_context.scheduler = scheduler;
    scheduler->keeps_stacks = ptk_sanitizer_watches_stacks() == 0;
    ptk_queue_init(&scheduler->run_queue);
    ptk_list_init(&scheduler->new_timers);
    ptk_list_init(&scheduler->finished);
    ptk_list_init(&scheduler->living);
    ptk_heap_init(&scheduler->heap);
    ptk_slab_init(&scheduler->tasks, sizeof(ptk_task_t), false);
    ptk_slab_init(&scheduler->handles, sizeof(ptk_green_t), true);
    ptk_stack_pool_init(&scheduler->stacks, loop->options.allow_unguarded != 0);
    ptk_timer_read_clock(scheduler);
}

ptk_err ptk_scheduler_attach(ptk_event_loop_platform_t *loop, ptk_scheduler_t **scheduler_out) {
    ptk_event_loop_platform_t *mine = NULL;
    ptk_err err = ptk_loop_resolve(loop, &mine);
    if (err != PTK_OK) {
        return ptk_fail(err);
    }
    if (!mine->attachment.data) {
        ptk_scheduler_t *scheduler = ptk_allocate_zeroed(sizeof *scheduler);
        if (!scheduler) {
            return ptk_fail(PTK_ERR_NO_RESOURCES);
        }
        init_scheduler(scheduler, mine);
        mine->attachment.data = scheduler;
        mine->attachment.detach = detach;
        mine->attachment.exposed = show_outside;
        ptk_thread()->scheduler = scheduler;
        ptk_scheduler_show(scheduler);
    }
    *scheduler_out = mine->attachment.data;
    return PTK_OK;
}
