/* SPDX-License-Identifier: MIT */
/*
 * Park and wake (layer 3): the one suspension, the one way back, and which green thread runs next.
 *
 * The run queue is a FIFO of tasks. A parking green thread picks its successor and switches to it directly;
 * there is no scheduler context in between. The *main context*, which called run, is picked when the queue is
 * empty or when a tick is due, and it alone polls. So a pick is: count the switch, look at the inbox, take
 * the first task. At every 256th pick at the latest the clock is read; between two readings no timer settles
 * and no tick is due. A tick is due 100 us after the last one, or after 64 readings, so that a clock that
 * stands still cannot delay it for ever.
 *
 *     READY  --park-->  PARKED  --wake-->  READY            (the running one is READY and in no queue)
 *
 * Under an oracle every pick takes the longer way, and the oracle chooses which runnable green thread is next
 * and whether the tick comes early; an observer is called at each.
 *
 * With foreign coroutines nothing is switched here: a coroutine leaves through the library's `suspend`, and
 * the main context continues it with `resume`.
 *
 * Invariants:
 *   - a task of ptk's own is in the run queue exactly if it is READY and not running;
 *   - a task that was woken is in no queue of waiters, none of its operations pends, and its timer is idle.
 */
#include "sched/ptk_park.h"

#include "base/ptk_choice.h"
#include "base/ptk_observer.h"
#include "sched/ptk_timer.h"

#define PICKS_PER_READING 256
#define READINGS_PER_TICK 64
#define TICK_INTERVAL_NS  UINT64_C(100000)

static ptk_task_t *queued_task(ptk_queue_node_t *node) {
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

/* --- which green thread runs next --- */

/* Grants the next portion of picks: 1 under an oracle, so that each pick is its choice. */
static void grant_picks(ptk_scheduler_t *scheduler) {
    uint64_t most = scheduler->block->oracle ? 1 : PICKS_PER_READING;
    uint64_t portion = scheduler->quota < most ? scheduler->quota : most;
    scheduler->quota -= portion;
    scheduler->reading_at = scheduler->switches + portion + 1;
}

/* Takes the first task of the run queue, which is not empty; under an oracle the one that it chooses. */
static ptk_task_t *take_first(ptk_scheduler_t *scheduler) {
    size_t index = 0;
    if (ptk_unlikely(scheduler->block->oracle != NULL)) {
        index = ptk_choice(PTK_CHOICE_RUN_NEXT, (uint32_t) ptk_queue_count(&scheduler->run_queue));
    }
    return queued_task(index ? ptk_queue_remove_at(&scheduler->run_queue, index)
                             : ptk_queue_pop(&scheduler->run_queue));
}

/* Reads the clock, and returns whether the main context is due. */
static bool tick_is_due(ptk_scheduler_t *scheduler) {
    uint64_t waited_ns = ptk_timer_read_clock(scheduler) - scheduler->last_tick_ns;
    if (waited_ns >= TICK_INTERVAL_NS || ++scheduler->readings >= READINGS_PER_TICK) {
        return true;
    }
    return scheduler->block->oracle && ptk_choice(PTK_CHOICE_TICK, 2) == 1;
}

/* Picks at the end of a portion: reads the clock, and grants the next portion unless the main context is due.
 */
static ptk_task_t *pick_at_reading(ptk_scheduler_t *scheduler) {
    scheduler->switches--; /* this pick may be of the main context, which is not counted */
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

/* Out of line: one pick in 256. */
static __attribute__((noinline)) ptk_task_t *pick_slowly(ptk_scheduler_t *scheduler) {
    ptk_task_t *next = pick_at_reading(scheduler);
    if (ptk_unlikely(scheduler->block->observer != NULL)) {
        observe_switch(scheduler, next);
    }
    return next;
}

/* Returns the context to switch to, and counts the switch. */
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
    return queued_task(node);
}

/* Takes a pick back that picked the running green thread itself: no switch is counted, but the pick counts
 * towards the next reading. */
static inline void undo_pick(ptk_scheduler_t *scheduler) {
    scheduler->switches--;
    scheduler->reading_at--;
}

/* --- switching --- */

/* The `locate` of a loop without hooks. */
static ptk_error_slot_t *native_error_slot(void) {
    ptk_scheduler_t *scheduler = ptk_scheduler_here();
    return scheduler->current ? &scheduler->current->errors : NULL;
}

/* Switches contexts. Each has its own errno, which is restored on return if another context has changed it.
 */
static inline __attribute__((always_inline)) void switch_to(ptk_scheduler_t *scheduler, ptk_task_t *self,
                                                            ptk_task_t *next) {
    int *errno_place = scheduler->errno_place;
    int own = *errno_place;
    ptk_assert_debug(next->state == PTK_TASK_READY);
    scheduler->current = next;
    ptk_context_switch(&self->context, &next->context);
    if (ptk_unlikely(*errno_place != own)) {
        *errno_place = own;
    }
}

/* Switches away from a green thread with floating-point control words of its own; the next one gets the
 * loop's. */
static __attribute__((noinline)) void switch_with_fp(ptk_scheduler_t *scheduler, ptk_task_t *self,
                                                     ptk_task_t *next) {
    ptk_fp_words_t own;
    ptk_fp_save(&own);
    ptk_fp_load(&scheduler->fp_words);
    switch_to(scheduler, self, next);
    ptk_fp_load(&own);
}

/* Leaves a coroutine through its library. It runs again when the main context has resumed it. */
static __attribute__((noinline)) void suspend_foreign(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    int saved_errno = *scheduler->errno_place;
    ptk_assert(!(self->flags & PTK_TASK_SUSPENDED));
    self->flags |= PTK_TASK_SUSPENDED;
    scheduler->hooks.suspend(scheduler->hooks.context);
    self->flags &= (uint8_t) ~PTK_TASK_SUSPENDED;
    *scheduler->errno_place = saved_errno;
}

/* Asserts in checked builds that the control words are the loop's: without PTK_GREEN_FP they are an
 * invariant. */
static inline void check_fp_words(const ptk_scheduler_t *scheduler) {
#ifdef PTK_CHECKED
    ptk_fp_words_t words;
    ptk_fp_save(&words);
    ptk_assert(ptk_fp_equal(&words, &scheduler->fp_words));
#else
    (void) scheduler;
#endif
}

/* Switches from the running green thread, which is queued or parked, to the next context. */
static inline __attribute__((always_inline)) void switch_away(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    if (ptk_unlikely(self->unusual & PTK_TASK_FOREIGN)) {
        suspend_foreign(scheduler, self);
        return;
    }
    ptk_task_t *next = pick(scheduler);
    if (ptk_unlikely(next == self)) {
        undo_pick(scheduler);
    } else if (ptk_unlikely(self->unusual & PTK_TASK_FP)) {
        switch_with_fp(scheduler, self, next);
    } else {
        check_fp_words(scheduler);
        switch_to(scheduler, self, next);
    }
}

/* Leaves the stack of an ended green thread, which is freed from another stack. */
static _Noreturn __attribute__((noinline)) void leave_stack(ptk_scheduler_t *scheduler, ptk_task_t *self,
                                                            ptk_task_t *next) {
    scheduler->current = next;
    ptk_context_switch_end(&self->context, &next->context);
    ptk_assert(false && "an ended green thread was resumed");
    __builtin_unreachable();
}

/* The switch is in the loop itself. If it were in a function of its own, a life would begin with a return
 * from it, which the processor would predict by the entry of another caller, and it would then mispredict all
 * returns of that caller. */
void ptk_run_tasks_on_stack(ptk_task_t *self, void (*run)(ptk_task_t *self)) {
    for (;;) {
        run(self);
        ptk_assert(self->state == PTK_TASK_FREE);
        ptk_scheduler_t *scheduler = self->scheduler;
        if (ptk_unlikely(self->unusual & PTK_TASK_FP)) {
            ptk_fp_load(&scheduler->fp_words);
        }
        ptk_task_t *next = pick(scheduler);
        if (ptk_unlikely(!self->keeps_stack)) {
            leave_stack(scheduler, self, next);
        }
        switch_to(scheduler, self, next);
    }
}

/* --- park and wake --- */

/* Removes a record from its queue and takes its operation back: inlined into ptk_wake. */
static inline void withdraw_record(ptk_scheduler_t *scheduler, ptk_wait_t *wait) {
    if (ptk_list_is_linked(&wait->link)) {
        ptk_list_remove(&wait->link);
    }
    if (wait->op && wait->op->state != PTK_OP_IDLE) {
        bool idle = scheduler->loop->ops->cancel(scheduler->loop, wait->op);
        ptk_assert(idle && wait->op->state == PTK_OP_IDLE);
    }
}

void ptk_withdraw(ptk_scheduler_t *scheduler, ptk_wait_t *wait) {
    withdraw_record(scheduler, wait);
}

/* Removes all records of a wait for several things. */
static __attribute__((noinline)) void withdraw_several(ptk_task_t *task) {
    for (size_t i = 0; i < task->u.run.waits_count; i++) {
        withdraw_record(task->scheduler, &task->waits[i]);
        if (task->gate_waits) {
            withdraw_record(task->scheduler, &task->gate_waits[i]);
        }
    }
}

/* Removes the green thread from everything that it waits for. */
static inline void withdraw_all(ptk_task_t *task) {
    if (ptk_unlikely(task->waits != NULL)) {
        withdraw_several(task);
    } else {
        withdraw_record(task->scheduler, &task->wait);
    }
}

/* A relative deadline becomes absolute once a clock reading has given the timer its base, so that a call that
 * parks again keeps its deadline. */
ptk_err ptk_park(ptk_task_t *self, ptk_deadline_t *deadline) {
    ptk_scheduler_t *scheduler = self->scheduler;
    ptk_assert(self->state == PTK_TASK_READY && deadline->kind != PTK_DEADLINE_NOW);
    if (ptk_unlikely(self->unusual & PTK_TASK_CANCELED)) {
        withdraw_all(self); /* cancelled in the middle of a call that parks again */
        return PTK_ERR_CANCELED;
    }
    self->state = PTK_TASK_PARKED;
    self->since_ns = scheduler->now_ns;
    if (deadline->kind != PTK_DEADLINE_NEVER) {
        ptk_timer_arm(scheduler, &self->timer, deadline);
    }
    switch_away(scheduler, self);
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

/* --- the main context --- */

/* Resumes each coroutine that is runnable now, `quota` at most. Those that become runnable meanwhile run
 * after the next tick. */
static void resume_foreign(ptk_scheduler_t *scheduler, uint64_t quota) {
    size_t count = ptk_queue_count(&scheduler->run_queue);
    uint64_t most = count < quota ? count : quota;
    for (uint64_t i = 0; i < most; i++) {
        ptk_task_t *task = take_first(scheduler);
        ptk_assert(task->state == PTK_TASK_READY && (task->unusual & PTK_TASK_FOREIGN));
        scheduler->switches++;
        scheduler->hooks.resume(scheduler->hooks.context, task->stack_low);
    }
}

void ptk_run_ready(ptk_scheduler_t *scheduler, uint64_t quota) {
    if (scheduler->find_current) {
        resume_foreign(scheduler, quota);
        return;
    }
    ptk_assert(scheduler->active && scheduler->current == &scheduler->main_context);
    scheduler->quota = quota;
    scheduler->block->locate = native_error_slot;
    scheduler->ticks_when_due = quota == UINT64_MAX;
    scheduler->readings = 0;
    scheduler->reading_at = scheduler->switches + 1;
    if (scheduler->block->oracle) {
        /* The first pick looks at the clock: the time that the poll took does not count as the picks'. */
        (void) ptk_timer_read_clock(scheduler);
    } else {
        grant_picks(scheduler); /* the tick has just read the clock */
    }
    scheduler->last_tick_ns = scheduler->now_ns;
    ptk_task_t *next = pick(scheduler);
    if (next != &scheduler->main_context) {
        switch_to(scheduler, &scheduler->main_context, next);
    }
}

/* --- yield --- */

__attribute__((noinline)) ptk_err ptk_yield_task(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    if (self->unusual & PTK_TASK_CANCELED) {
        return ptk_fail(PTK_ERR_CANCELED);
    }
    ptk_assert(self->state == PTK_TASK_READY);
    ptk_queue_push(&scheduler->run_queue, &self->run_link);
    switch_away(scheduler, self);
    return PTK_OK;
}

/* Yields where there is no green thread of ptk's own: a coroutine of another library yields, any other caller
 * is refused. */
static __attribute__((noinline)) ptk_err yield_elsewhere(void) {
    ptk_task_t *self = ptk_task_current();
    return self ? ptk_yield_task(self->scheduler, self) : ptk_fail(ptk_not_green());
}

/* Returns true if a yield only rotates the run queue: no cancel, no clock reading, no message, no control
 * words to save. */
static inline bool is_plain_yield(const ptk_scheduler_t *scheduler, const ptk_task_t *self) {
    return self->unusual == 0 && scheduler->run_queue.first &&
           scheduler->switches + 1 != scheduler->reading_at && !ptk_inbox_has_some(scheduler->inbox);
}

/* Appends `self` to the queue, which is not empty, and removes and returns the first task. */
static inline ptk_task_t *rotate(ptk_queue_t *queue, ptk_task_t *self) {
    ptk_queue_node_t *first = queue->first;
    self->run_link.next = NULL;
    queue->first = first == queue->last ? &self->run_link : first->next;
    queue->last->next = &self->run_link;
    queue->last = &self->run_link;
    return queued_task(first);
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
    switch_to(scheduler, self, rotate(&scheduler->run_queue, self));
    return PTK_OK;
}
