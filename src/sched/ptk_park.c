/* SPDX-License-Identifier: MIT */
/*
 * Park and wake (layer 3): the one suspension, the one way back, and who runs next.
 *
 * The run queue is a FIFO of control blocks. Whoever leaves picks the next and switches straight to it; there
 * is no scheduler context in between. The *root*, the context that called run, is picked when the queue is
 * empty or when the tick is due, and only it polls. So a pick is: count down, glance at the inbox, take
 * the first. When the count reaches 0 (at most 256 picks) the clock is read: that is the one place where
 * running green threads notice that time has passed. The turn is due 100 us after the last one, or after so
 * many readings that a clock which stands still cannot put it off.
 *
 *     READY  --park-->  PARKED  --wake-->  READY            (the running one is READY and in no queue)
 *
 * Under an oracle every pick goes the slow way, and the oracle says which of the runnable goes next and
 * whether the turn comes early; an observer is told of each.
 *
 * With foreign coroutines nothing is switched here: leaving is the library's `suspend`, and the root resumes.
 */
#include "sched/ptk_park.h"
#include "sched/ptk_timer.h"

#include "base/ptk_choice.h"
#include "base/ptk_observer.h"

#define PICKS_PER_READING 256
#define READINGS_PER_TICK 64
#define TICK_INTERVAL_NS  UINT64_C(100000)

static ptk_task_t *task_of(ptk_queue_node_t *node) {
    return ptk_container_of(node, ptk_task_t, run_link);
}

/* --- the inbox --- */

void ptk_drain_inbox(ptk_scheduler_t *scheduler) {
    ptk_inbox_node_t *node = ptk_inbox_drain(scheduler->inbox);
    while (node) {
        ptk_inbox_node_t *next = node->next;
        scheduler->inbox_messages++;
        node->deliver(node);
        node = next;
    }
}

/* --- who runs next --- */

/* Hand out the next portion of picks: 1 under an oracle, so that each is its choice. */
static void grant_picks(ptk_scheduler_t *scheduler) {
    uint64_t most = scheduler->block->oracle ? 1 : PICKS_PER_READING;
    uint64_t chunk = scheduler->quota < most ? scheduler->quota : most;
    scheduler->quota -= chunk;
    scheduler->reading_at = scheduler->switches + chunk + 1;
}

static ptk_task_t *take_first(ptk_scheduler_t *scheduler) {
    size_t index = 0;
    if (ptk_unlikely(scheduler->block->oracle != NULL)) {
        index = ptk_choice(PTK_CHOICE_RUN_NEXT, (uint32_t) ptk_queue_count(&scheduler->run_queue));
    }
    return task_of(index ? ptk_queue_remove_at(&scheduler->run_queue, index)
                         : ptk_queue_pop(&scheduler->run_queue));
}

static bool tick_is_due(ptk_scheduler_t *scheduler) {
    uint64_t waited_ns = ptk_timer_read_clock(scheduler) - scheduler->last_tick_ns;
    if (waited_ns >= TICK_INTERVAL_NS || ++scheduler->readings >= READINGS_PER_TICK) {
        return true;
    }
    return scheduler->block->oracle && ptk_choice(PTK_CHOICE_TICK, 2) == 1;
}

/* A portion of picks is used up: read the clock, and go on with the next portion unless it is the root's
 * turn. */
static ptk_task_t *pick_at_reading(ptk_scheduler_t *scheduler) {
    scheduler->switches--; /* not yet */
    bool due = tick_is_due(scheduler);
    if (scheduler->quota == 0 || (due && scheduler->ticks_when_due)) {
        return &scheduler->main_context;
    }
    grant_picks(scheduler);
    ptk_drain_inbox(scheduler);
    if (!scheduler->run_queue.first) {
        return &scheduler->main_context;
    }
    scheduler->switches++;
    return take_first(scheduler);
}

static void observe_leaving(ptk_observer_t *observer, const ptk_task_t *self) {
    if (self->state == PTK_TASK_PARKED) {
        observer->suspends(observer, self, PTK_OBSERVED_WAIT, self->waits ? "several" : self->wait.kind);
    } else {
        observer->suspends(observer, self,
                           self->state == PTK_TASK_FREE ? PTK_OBSERVED_END : PTK_OBSERVED_YIELD, NULL);
    }
}

/* One green thread, or the root, is about to leave for another. */
static __attribute__((noinline)) void tell(const ptk_scheduler_t *scheduler, const ptk_task_t *next) {
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

static __attribute__((noinline)) ptk_task_t *pick_slowly(ptk_scheduler_t *scheduler) {
    ptk_task_t *next = pick_at_reading(scheduler);
    if (ptk_unlikely(scheduler->block->observer != NULL)) {
        tell(scheduler, next);
    }
    return next;
}

/* Whoever is picked is switched to, so this counts the switches. */
static inline ptk_task_t *pick(ptk_scheduler_t *scheduler) {
    if (ptk_unlikely(++scheduler->switches == scheduler->reading_at)) {
        return pick_slowly(scheduler);
    }
    if (ptk_unlikely(ptk_inbox_has_some(scheduler->inbox))) {
        ptk_drain_inbox(scheduler);
    }
    ptk_queue_node_t *node = ptk_queue_pop(&scheduler->run_queue);
    if (ptk_unlikely(!node)) {
        scheduler->switches--;
        return &scheduler->main_context;
    }
    return task_of(node);
}

/* The running green thread was picked itself: no switch, but time has passed. */
static inline void stay(ptk_scheduler_t *scheduler) {
    scheduler->switches--;
    scheduler->reading_at--;
}

/* --- switching --- */

/* Where the running green thread's failed calls leave their reasons: asked for then, not told at each switch.
 */
static ptk_error_slot_t *locate_errors(void) {
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    return scheduler->current ? &scheduler->current->errors : NULL;
}

/* Each has its own errno: whoever comes back puts his own there again, if somebody has changed it meanwhile.
 */
static inline __attribute__((always_inline)) void switch_to(ptk_scheduler_t *scheduler, ptk_task_t *self,
                                                            ptk_task_t *next) {
    int *errno_place = scheduler->errno_place;
    int own = *errno_place;
    scheduler->current = next;
    ptk_context_switch(&self->context, &next->context);
    if (ptk_unlikely(*errno_place != own)) {
        *errno_place = own;
    }
}

/* A green thread with floating-point control words of its own leaves the loop's behind. */
static __attribute__((noinline)) void switch_with_fp(ptk_scheduler_t *scheduler, ptk_task_t *self,
                                                     ptk_task_t *next) {
    ptk_fp_words_t own;
    ptk_fp_save(&own);
    ptk_fp_load(&scheduler->fp_words);
    switch_to(scheduler, self, next);
    ptk_fp_load(&own);
}

static __attribute__((noinline)) void suspend_foreign(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    int saved_errno = *scheduler->errno_place;
    self->flags |= PTK_TASK_SUSPENDED;
    scheduler->hooks.suspend(scheduler->hooks.context);
    self->flags &= (uint8_t) ~PTK_TASK_SUSPENDED;
    *scheduler->errno_place = saved_errno;
}

/* Without PTK_GREEN_FP the control words are an invariant of the loop. */
static inline void check_fp_words(const ptk_scheduler_t *scheduler) {
#ifdef PTK_CHECKED
    ptk_fp_words_t words;
    ptk_fp_save(&words);
    ptk_assert(ptk_fp_equal(&words, &scheduler->fp_words));
#else
    (void) scheduler;
#endif
}

/* Leave the running green thread, which is queued or parked, for the next one. */
static inline __attribute__((always_inline)) void leave(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    if (ptk_unlikely(self->flags & PTK_TASK_FOREIGN)) {
        suspend_foreign(scheduler, self);
        return;
    }
    ptk_task_t *next = pick(scheduler);
    if (ptk_unlikely(next == self)) {
        stay(scheduler);
    } else if (ptk_unlikely(self->flags & PTK_GREEN_FP)) {
        switch_with_fp(scheduler, self, next);
    } else {
        check_fp_words(scheduler);
        switch_to(scheduler, self, next);
    }
}

static _Noreturn __attribute__((noinline)) void leave_for_ever(ptk_scheduler_t *scheduler, ptk_task_t *self,
                                                               ptk_task_t *next) {
    scheduler->current = next;
    ptk_context_switch_end(&self->context, &next->context);
    ptk_assert(false && "an ended green thread was resumed");
    __builtin_unreachable();
}

/* The switch stands here and in no function of its own: a next life that began by returning from one would
   return by the prediction for whoever started it, and all of that one's returns would be mispredicted. */
void ptk_run_tasks_on_stack(ptk_task_t *self, void (*live)(ptk_task_t *self)) {
    for (;;) {
        live(self);
        ptk_scheduler_t *scheduler = self->scheduler;
        if (ptk_unlikely(self->flags & PTK_GREEN_FP)) {
            ptk_fp_load(&scheduler->fp_words);
        }
        ptk_task_t *next = pick(scheduler);
        if (ptk_unlikely(!self->keeps_stack)) {
            leave_for_ever(scheduler, self, next);
        }
        switch_to(scheduler, self, next);
    }
}

/* --- park and wake --- */

static inline void withdraw(ptk_scheduler_t *scheduler, ptk_wait_t *wait) {
    if (ptk_list_is_linked(&wait->link)) {
        ptk_list_remove(&wait->link);
    }
    if (wait->op && wait->op->state != PTK_OP_IDLE) {
        bool idle = scheduler->loop->ops->cancel(scheduler->loop, wait->op);
        ptk_assert(idle);
    }
}

void ptk_withdraw(ptk_scheduler_t *scheduler, ptk_wait_t *wait) {
    withdraw(scheduler, wait);
}

static __attribute__((noinline)) void withdraw_several(ptk_task_t *task) {
    for (size_t i = 0; i < task->u.run.waits_count; i++) {
        withdraw(task->scheduler, &task->waits[i]);
    }
}

/* Off everything that the green thread waits for. */
static inline void withdraw_all(ptk_task_t *task) {
    if (ptk_unlikely(task->waits != NULL)) {
        withdraw_several(task);
    } else {
        withdraw(task->scheduler, &task->wait);
    }
}

ptk_err ptk_park(ptk_task_t *self, ptk_deadline_t *deadline) {
    ptk_scheduler_t *scheduler = self->scheduler;
    ptk_assert(self->state == PTK_TASK_READY && deadline->kind != PTK_DEADLINE_NOW);
    if (ptk_unlikely(self->cancel_pending)) {
        withdraw_all(self); /* cancelled in the middle of a call that parks again */
        return PTK_ERR_CANCELED;
    }
    self->state = PTK_TASK_PARKED;
    self->since_ns = scheduler->now_ns;
    if (deadline->kind != PTK_DEADLINE_NEVER) {
        ptk_timer_arm(scheduler, &self->timer, deadline);
    }
    leave(scheduler, self);
    ptk_assert(self->state == PTK_TASK_READY && self->timer.state == PTK_TIMER_IDLE);
    if (deadline->kind == PTK_DEADLINE_RELATIVE && !self->timer.relative) {
        deadline->kind = PTK_DEADLINE_ABSOLUTE;
        deadline->ns = self->timer.value_ns;
    }
    return self->wake_code;
}

void ptk_wake(ptk_wait_t *wait, ptk_err code) {
    ptk_task_t *task = wait->task;
    ptk_assert(task->state == PTK_TASK_PARKED);
    withdraw_all(task);
    if (task->timer.state != PTK_TIMER_IDLE) {
        ptk_timer_disarm(task->scheduler, &task->timer);
    }
    task->wake_code = code;
    task->woken_by = wait;
    ptk_make_ready(task);
}

/* --- the root --- */

static void resume_foreign(ptk_scheduler_t *scheduler, uint64_t quota) {
    size_t count = ptk_queue_count(&scheduler->run_queue);
    uint64_t most = count < quota ? count : quota;
    for (uint64_t i = 0; i < most; i++) {
        ptk_task_t *task = take_first(scheduler);
        scheduler->switches++;
        scheduler->hooks.resume(scheduler->hooks.context, task->stack_low);
    }
}

void ptk_run_ready(ptk_scheduler_t *scheduler, uint64_t quota) {
    if (scheduler->find_current) {
        resume_foreign(scheduler, quota);
        return;
    }
    scheduler->quota = quota;
    scheduler->block->locate = locate_errors;
    scheduler->ticks_when_due = quota == UINT64_MAX;
    scheduler->readings = 0;
    scheduler->reading_at = scheduler->switches + 1;
    if (scheduler->block->oracle) {
        /* The first pick looks at the clock: the time that the poll took is not the picks'. */
        (void) ptk_timer_read_clock(scheduler);
    } else {
        grant_picks(scheduler); /* the turn has just read the clock */
    }
    scheduler->last_tick_ns = scheduler->now_ns;
    ptk_task_t *next = pick(scheduler);
    if (next != &scheduler->main_context) {
        switch_to(scheduler, &scheduler->main_context, next);
    }
}

/* --- calls --- */

__attribute__((noinline)) ptk_err ptk_yield_task(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    if (self->cancel_pending) {
        return ptk_fail(PTK_ERR_CANCELED);
    }
    ptk_queue_push(&scheduler->run_queue, &self->run_link);
    leave(scheduler, self);
    return PTK_OK;
}

/* There is no green thread, or a coroutine of another library's. */
static __attribute__((noinline)) ptk_err yield_elsewhere(void) {
    ptk_task_t *self = ptk_task_current();
    if (!self) {
        return ptk_fail(ptk_thread()->forked ? PTK_ERR_FORKED : PTK_ERR_NOT_GREEN);
    }
    return ptk_yield_task(self->scheduler, self);
}

/* Nothing but another green thread's turn: no cancel, no clock reading, no message, no control words of its
 * own. */
static inline bool is_plain_yield(const ptk_scheduler_t *scheduler, const ptk_task_t *self) {
    unsigned special = (self->flags & (PTK_TASK_FOREIGN | PTK_GREEN_FP)) | (unsigned) self->cancel_pending;
    return special == 0 && scheduler->run_queue.first && scheduler->switches + 1 != scheduler->reading_at &&
           !ptk_inbox_has_some(scheduler->inbox);
}

/* Queue `self` at the end and take the first, which there is. Of one they just change places. */
static inline ptk_task_t *change_places(ptk_queue_t *queue, ptk_task_t *self) {
    ptk_queue_node_t *first = queue->first;
    self->run_link.next = NULL;
    queue->first = first == queue->last ? &self->run_link : first->next;
    queue->last->next = &self->run_link;
    queue->last = &self->run_link;
    return task_of(first);
}

ptk_err ptk_yield(void) {
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    if (ptk_unlikely(!scheduler || !scheduler->current)) {
        return yield_elsewhere();
    }
    ptk_task_t *self = scheduler->current;
    if (ptk_unlikely(!is_plain_yield(scheduler, self))) {
        return ptk_yield_task(scheduler, self);
    }
    check_fp_words(scheduler);
    scheduler->switches++;
    switch_to(scheduler, self, change_places(&scheduler->run_queue, self));
    return PTK_OK;
}
