/* SPDX-License-Identifier: MIT */
/* Which green thread runs next (layer 3): the inbox, the end of a portion, the oracle and the observer. */
#include "sched/ptk_pick.h"

#include "base/ptk_choice.h"
#include "base/ptk_observer.h"
#include "sched/ptk_budget.h"
#include "sched/ptk_timer.h"

void ptk_drain_inbox(ptk_scheduler_t *scheduler) {
    ptk_inbox_node_t *node = ptk_inbox_drain(scheduler->inbox);
    while (node) {
        ptk_inbox_node_t *next = node->next;
        scheduler->inbox_messages++;
        node->deliver(node);
        node = next;
    }
}

void ptk_pick_grant(ptk_scheduler_t *scheduler) {
    uint64_t most = scheduler->block->oracle ? 1 : scheduler->picks.size;
    uint64_t portion = scheduler->quota < most ? scheduler->quota : most;
    scheduler->quota -= portion;
    scheduler->reading_at = scheduler->switches + portion + 1;
}

ptk_task_t *ptk_pick_first(ptk_scheduler_t *scheduler) {
    size_t index = 0;
    if (ptk_unlikely(scheduler->block->oracle != NULL)) {
        index = ptk_choice(PTK_CHOICE_RUN_NEXT, (uint32_t) ptk_queue_count(&scheduler->run_queue));
    }
    return ptk_pick_task_of(index ? ptk_queue_remove_at(&scheduler->run_queue, index)
                                  : ptk_queue_pop(&scheduler->run_queue));
}

/* Picks at the end of a portion: reads the clock, and grants the next portion unless the main context is due.
 */
static ptk_task_t *pick_at_reading(ptk_scheduler_t *scheduler) {
    scheduler->switches--; /* this pick may be of the main context, which is not counted */
    bool due = ptk_tick_is_due(scheduler);
    ptk_portion_adapt(&scheduler->picks, scheduler->now_ns, PTK_PICKS_MOST);
    if (scheduler->quota == 0 || (due && scheduler->ticks_when_due)) {
        return &scheduler->main_context;
    }
    ptk_pick_grant(scheduler);
    ptk_drain_inbox(scheduler);
    if (!scheduler->run_queue.first) {
        return &scheduler->main_context;
    }
    scheduler->switches++;
    return ptk_pick_first(scheduler);
}

/* Reports why `self` stops running. */
static void observe_leaving(ptk_observer_t *observer, const ptk_task_t *self) {
    if (self->state == PTK_TASK_PARKED) {
        observer->suspends(observer, self, PTK_OBSERVED_WAIT, self->waits ? "several" : self->wait.kind);
    } else {
        observer->suspends(observer, self,
                           self->state == PTK_TASK_FREE ? PTK_OBSERVED_END : PTK_OBSERVED_YIELD, NULL);
    }
}

/* Reports the coming switch, from the running context to `next`, to the observer. */
static __attribute__((noinline)) void observe_switch(const ptk_scheduler_t *scheduler,
                                                     const ptk_task_t *next) {
    const ptk_task_t *self = scheduler->current;
    ptk_observer_t *observer = scheduler->block->observer;
    if (self == next) {
        return;
    }
    if (self && self != &scheduler->main_context) {
        observe_leaving(observer, self);
    }
    if (next != &scheduler->main_context) {
        observer->resumes(observer, next, next->label.name, next->wake_code);
    }
}

ptk_task_t *ptk_pick_slowly(ptk_scheduler_t *scheduler) {
    ptk_task_t *next = pick_at_reading(scheduler);
    if (ptk_unlikely(scheduler->block->observer != NULL)) {
        observe_switch(scheduler, next);
    }
    return next;
}
