/* SPDX-License-Identifier: MIT */
/*
 * The tick (layer 3): the one place where a loop polls.
 *
 * A tick is: read the clock (which settles new timers), poll (without waiting if anything is runnable, else
 * until the earliest deadline), read again if it waited, deliver what came, drain the inbox, expire timers,
 * return some idle memory to the system. Polling comes before expiring, so data beats the timeout that falls
 * due in the same tick.
 */
#include "sched/ptk_tick.h"

#include "base/ptk_choice.h"
#include "sched/ptk_op.h"
#include "sched/ptk_park.h"
#include "sched/ptk_pick.h"
#include "sched/ptk_task.h"
#include "sched/ptk_timer.h"
#include "sched/ptk_trim.h"

static size_t count_finished(const ptk_scheduler_t *scheduler) {
    size_t count = 0;
    ptk_list_node_t *node = ptk_list_first(&scheduler->finished);
    for (; node; node = ptk_list_next(&scheduler->finished, node)) {
        count++;
    }
    return count;
}

/* Delivers the finished operation at `index`, which exists. */
static void deliver_finished_at(ptk_scheduler_t *scheduler, size_t index) {
    ptk_list_node_t *node = ptk_list_first(&scheduler->finished);
    while (index-- > 0) {
        node = node->next;
    }
    ptk_list_remove(node);
    ptk_op_deliver(ptk_container_of(node, ptk_event_op_t, link));
}

/* Delivers as the oracle chooses: how many are kept for the next tick, and in which order the others are
 * delivered. A wake takes the other operations of the same wait off the list, so the list is counted anew. */
static void deliver_as_chosen(ptk_scheduler_t *scheduler) {
    size_t left = count_finished(scheduler);
    size_t kept = left ? ptk_choice(PTK_CHOICE_BATCH_END, (uint32_t) left) : 0;
    while (left > kept) {
        deliver_finished_at(scheduler, ptk_choice(PTK_CHOICE_EVENT_ORDER, (uint32_t) left));
        left = count_finished(scheduler);
    }
}

/* Hands finished operations to their waiters. */
static void deliver_finished(ptk_scheduler_t *scheduler) {
    if (ptk_unlikely(scheduler->block->oracle != NULL)) {
        deliver_as_chosen(scheduler);
        return;
    }
    while (!ptk_list_is_empty(&scheduler->finished)) {
        deliver_finished_at(scheduler, 0);
    }
}

/* Polls the platform once, with the clock as it was read last. */
static ptk_err poll_platform(ptk_scheduler_t *scheduler, uint64_t deadline_ns) {
    ptk_event_loop_platform_t *loop = scheduler->loop;
    int result = loop->ops->poll(loop, scheduler->now_ns, deadline_ns, &scheduler->finished);
    return result == 0 ? PTK_OK : ptk_fail_errno(-result);
}

/* Polls; if there is nothing to do, waits until `deadline_ns` at most. Kicks are enabled only for the time of
 * the wait, so that a message to a busy loop costs no system call. */
static ptk_err poll_and_wait(ptk_scheduler_t *scheduler, uint64_t deadline_ns) {
    bool sleeps = !ptk_tick_has_work(scheduler) && ptk_inbox_prepare_sleep(scheduler->inbox);
    if (!sleeps) {
        return poll_platform(scheduler, scheduler->now_ns);
    }
    uint64_t trim_ns = ptk_trim_next_ns(scheduler);
    ptk_mark_idle(scheduler);
    ptk_err err = poll_platform(scheduler, trim_ns < deadline_ns ? trim_ns : deadline_ns);
    ptk_mark_active(scheduler);
    ptk_inbox_end_sleep(scheduler->inbox);
    ptk_timer_read_clock(scheduler);
    return err;
}

ptk_err ptk_tick_run(ptk_scheduler_t *scheduler, uint64_t limit_ns) {
    ptk_mark_active(scheduler);
    ptk_timer_read_clock(scheduler);
    uint64_t first_ns = ptk_heap_first_deadline(&scheduler->heap);
    ptk_err err = poll_and_wait(scheduler, first_ns < limit_ns ? first_ns : limit_ns);
    deliver_finished(scheduler);
    ptk_drain_inbox(scheduler);
    ptk_timer_expire_due(scheduler);
    ptk_task_reap(scheduler);
    if (ptk_trim_is_due(scheduler)) {
        ptk_trim_step(scheduler);
    }
    return err;
}

/* Kicks stay enabled, so that later messages show too. Whether there is work is looked at after that: a
 * message that came before it is found, and one that comes later kicks. */
void ptk_tick_show(ptk_scheduler_t *scheduler) {
    ptk_event_loop_platform_t *loop = scheduler->loop;
    if (!loop->is_exposed || scheduler->active) {
        return;
    }
    scheduler->kicks = true;
    ptk_timer_show(scheduler);
    if (!ptk_inbox_prepare_sleep(scheduler->inbox) || ptk_tick_has_work(scheduler)) {
        scheduler->inbox->sys->wake_kick(scheduler->inbox->kick);
    }
}

void ptk_tick_catch_up(ptk_scheduler_t *scheduler) {
    ptk_drain_inbox(scheduler);
    if (!scheduler->active) {
        ptk_timer_read_clock(scheduler);
        ptk_timer_expire_due(scheduler);
    }
}
