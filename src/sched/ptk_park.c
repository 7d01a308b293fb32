/* SPDX-License-Identifier: MIT */
/*
 * Park and wake (layer 3): the one suspension, the one way back, and which green thread runs next.
 *
 * The run queue is a FIFO of tasks. A parking green thread picks its successor and switches to it directly;
 * there is no scheduler context in between. The *main context*, which called run, is picked when the queue is
 * empty or when a tick is due, and it alone polls. So a pick is: count down, look at the inbox, take the
 * first. When the count reaches 0 the clock is read: only there, and when a budget is used up (ptk_budget.c),
 * do running green threads notice that time has passed. A tick is due 100 us after the last one, or after so
 * many readings that a clock which stands still cannot delay it.
 *
 * The picks between two readings are a *portion*. What a green thread computes before it yields is not known
 * in advance, so the portion is 1 after each tick; it doubles, up to 256, at each reading that found less
 * than 50 us used, and falls to 1 above 100 us. A ring of short yields soon pays for one reading in 256
 * picks, and long bursts delay a tick by one burst.
 *
 *     READY  --park-->  PARKED  --wake-->  READY            (the running one is READY and in no queue)
 *
 * Under an oracle every pick takes the longer way, and the oracle chooses which runnable green thread is next
 * and whether the tick comes early; an observer is called at each.
 *
 * A call that is refused because its green thread is cancelled spends and yields, too: a green thread that
 * goes on after a cancel would else keep all others from running. From the 1,000th refusal in a row on, each
 * is also a pause of 1 ms, and the log names the green thread once. A call that parks ends the row.
 *
 * With foreign coroutines nothing is switched here: a coroutine leaves through its library (ptk_foreign.c),
 * and the main context continues it with `resume`.
 *
 * Invariants:
 *   - a task of ptk's own is in the run queue exactly if it is READY and not running;
 *   - a task that was woken is in no queue of waiters, none of its operations pends, and its timer is idle;
 *   - a task's flag PTK_TASK_EXTERNALLY_WAKEABLE does not change while it is PARKED: it is counted there.
 */
#include "sched/ptk_park.h"

#include "sched/ptk_budget.h"
#include "sched/ptk_dump.h"
#include "sched/ptk_pick.h"
#include "sched/ptk_timer.h"

#define REFUSALS_BEFORE_PAUSE 1000
#define REFUSAL_PAUSE_NS      UINT64_C(1000000)

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

/* Switches away from a green thread with exceptions of C++ of its own; the next one gets those of all others.
 */
static __attribute__((noinline)) void switch_with_cxx(ptk_scheduler_t *scheduler, ptk_task_t *self,
                                                      ptk_task_t *next) {
    ptk_cxx_words_t own = ptk_cxx_exchange(scheduler->cxx_place, scheduler->cxx_words);
    if (self->unusual & PTK_TASK_FP) {
        switch_with_fp(scheduler, self, next);
    } else {
        switch_to(scheduler, self, next);
    }
    scheduler->cxx_words = ptk_cxx_exchange(scheduler->cxx_place, own);
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
        scheduler->leave_coroutine(scheduler, self);
        return;
    }
    ptk_task_t *next = ptk_pick(scheduler);
    if (ptk_unlikely(next == self)) {
        ptk_pick_undo(scheduler);
    } else if (ptk_unlikely(self->unusual & (PTK_TASK_FP | PTK_TASK_CXX))) {
        (self->unusual & PTK_TASK_CXX ? switch_with_cxx : switch_with_fp)(scheduler, self, next);
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
        ptk_task_t *next = ptk_pick(scheduler);
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

/* Suspends the running green thread until it is woken, and returns the code. A relative deadline becomes
 * absolute once a clock reading has given the timer its base, so that a call that parks again keeps its
 * deadline. */
static inline __attribute__((always_inline)) ptk_err suspend_until(ptk_task_t *self,
                                                                   ptk_deadline_t *deadline) {
    ptk_scheduler_t *scheduler = self->scheduler;
    ptk_assert(self->state == PTK_TASK_READY && deadline->kind != PTK_DEADLINE_NOW);
    self->state = PTK_TASK_PARKED;
    self->since_ns = scheduler->now_ns;
    scheduler->externally_wakeable_count += (self->flags & PTK_TASK_EXTERNALLY_WAKEABLE) != 0;
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

ptk_err ptk_park(ptk_task_t *self, ptk_deadline_t *deadline) {
    if (ptk_unlikely(self->unusual & PTK_TASK_CANCELED)) {
        withdraw_all(self); /* cancelled in the middle of a call that parks again */
        return PTK_ERR_CANCELED;
    }
    self->refusals = 0;
    return suspend_until(self, deadline);
}

void ptk_wake(ptk_wait_t *wait, ptk_err code) {
    ptk_task_t *task = wait->task;
    ptk_assert(task->state == PTK_TASK_PARKED);
    task->scheduler->externally_wakeable_count -= (task->flags & PTK_TASK_EXTERNALLY_WAKEABLE) != 0;
    withdraw_all(task);
    if (task->timer.state != PTK_TIMER_IDLE) {
        ptk_timer_disarm(task->scheduler, &task->timer);
    }
    task->wake_code = code;
    task->woken_by = wait;
    ptk_make_ready(task);
}

/* --- the main context --- */

/* Makes the library continue a coroutine, at once or later. Its task may have ended when this returns. */
static void resume_coroutine(ptk_scheduler_t *scheduler, ptk_task_t *task) {
    ptk_assert(!(task->flags & PTK_TASK_RESUMED) && !scheduler->resumed);
    task->flags |= PTK_TASK_RESUMED;
    scheduler->resumed_count++;
    scheduler->resumed = task;
    scheduler->hooks.resume(scheduler->hooks.context, task->stack_low);
    scheduler->resumed = NULL;
}

/* Resumes each coroutine that is runnable now, `quota` at most, in run until a tick is due. Those that become
 * runnable meanwhile run after the next tick. */
static void resume_foreign(ptk_scheduler_t *scheduler, uint64_t quota) {
    size_t count = ptk_queue_count(&scheduler->run_queue);
    uint64_t most = count < quota ? count : quota;
    uint64_t reading_at = scheduler->picks.size;
    for (uint64_t i = 0; i < most; i++) {
        if (i == reading_at) {
            if (ptk_tick_is_due(scheduler) && scheduler->ticks_when_due) {
                return;
            }
            ptk_portion_adapt(&scheduler->picks, scheduler->now_ns, PTK_PICKS_MOST);
            reading_at += scheduler->picks.size;
        }
        ptk_task_t *task = ptk_pick_first(scheduler);
        ptk_assert(task->state == PTK_TASK_READY && (task->unusual & PTK_TASK_FOREIGN));
        scheduler->switches++;
        resume_coroutine(scheduler, task);
    }
}

/* Begins the time until the next tick. The clock is read again, since the time that the poll took does not
   count as the green threads'. */
static void begin_round(ptk_scheduler_t *scheduler, uint64_t quota) {
    scheduler->last_tick_ns = ptk_timer_read_clock(scheduler);
    scheduler->ticks_when_due = quota == UINT64_MAX;
    scheduler->readings = 0;
    ptk_portion_begin(&scheduler->picks, scheduler->now_ns);
    ptk_budget_begin(scheduler);
}

void ptk_run_ready(ptk_scheduler_t *scheduler, uint64_t quota) {
    begin_round(scheduler, quota);
    if (scheduler->find_current) {
        resume_foreign(scheduler, quota);
        return;
    }
    ptk_assert(scheduler->active && scheduler->current == &scheduler->main_context);
    scheduler->quota = quota;
    scheduler->block->locate = native_error_slot;
    scheduler->reading_at = scheduler->switches + 1;
    if (!scheduler->block->oracle) {
        ptk_pick_grant(scheduler); /* with an oracle the first pick is its choice, too */
    }
    ptk_task_t *next = ptk_pick(scheduler);
    if (next != &scheduler->main_context) {
        switch_to(scheduler, &scheduler->main_context, next);
    }
}

/* --- yield --- */

/* Appends the running green thread to the run queue and switches to the next, whether it is cancelled or not.
 */
static void requeue(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    ptk_assert(self->state == PTK_TASK_READY);
    ptk_queue_push(&scheduler->run_queue, &self->run_link);
    switch_away(scheduler, self);
}

/* Lets all other runnable green threads run first. The clock is read at the pick, so that a tick that is due
   is taken. Within one ptk_scheduler_poll the budget stays used up: each green thread runs once. */
void ptk_yield_for_budget(ptk_task_t *self) {
    ptk_scheduler_t *scheduler = self->scheduler;
    if (scheduler->ticks_when_due) {
        scheduler->reading_at = scheduler->switches + 1;
    }
    uint32_t yields = ++scheduler->budget_yields;
    requeue(scheduler, self);
    if (!scheduler->ticks_when_due) {
        return;
    }
    if (scheduler->budget_yields != yields) {
        ptk_budget_begin(scheduler);
    }
    scheduler->operations.since_ns = scheduler->now_ns;
    scheduler->granted = scheduler->operations.size;
    scheduler->budget = scheduler->operations.size - 1;
}

/* Suspends the running green thread, which is in no wait, for `ns`, although it is cancelled. */
static void pause_task(ptk_task_t *self, uint64_t ns) {
    ptk_deadline_t deadline = {.kind = PTK_DEADLINE_RELATIVE, .ns = ns};
    (void) ptk_wait_plain(self, "the end of its pause after refused calls", NULL, true);
    (void) suspend_until(self, &deadline);
}

ptk_err ptk_refuse(ptk_task_t *self) {
    ptk_assert(self->state == PTK_TASK_READY && (self->unusual & PTK_TASK_CANCELED));
    if (++self->refusals >= REFUSALS_BEFORE_PAUSE) {
        self->refusals = REFUSALS_BEFORE_PAUSE;
        ptk_dump_refused(self, REFUSALS_BEFORE_PAUSE);
        pause_task(self, REFUSAL_PAUSE_NS);
    } else if (!ptk_budget_spend(self->scheduler)) {
        ptk_yield_for_budget(self);
    }
    return PTK_ERR_CANCELED;
}

__attribute__((noinline)) ptk_err ptk_yield_task(ptk_scheduler_t *scheduler, ptk_task_t *self) {
    if (self->unusual & PTK_TASK_CANCELED) {
        return ptk_fail(ptk_refuse(self));
    }
    requeue(scheduler, self);
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
    return ptk_pick_task_of(first);
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
