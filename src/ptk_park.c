/* SPDX-License-Identifier: MIT */
/*
 * Park and wake (floor 3): the one suspension, the one way back, and who runs next.
 *
 * The run queue is a FIFO of control blocks. Whoever leaves picks the next and switches straight to it; there is no
 * scheduler context in between. The *root*, the context that called run, is picked when the queue is empty or when the
 * poll turn is due, and only it polls. So a pick is: count down, glance at the inbox, take the first. When the count
 * reaches 0 (at most 256 picks) the clock is read: that is the one place where running green threads notice that time
 * has passed.
 *
 *     READY  --park-->  PARKED  --wake-->  READY            (the running one is READY and in no queue)
 *
 * Under an oracle every pick goes the slow way, and the oracle says which of the runnable goes next and whether the turn
 * comes early.
 *
 * With foreign coroutines nothing is switched here: leaving is the library's `suspend`, and the root resumes.
 */
#include "ptk_scheduler_impl.h"

#include "base/ptk_choice.h"

#define PICKS_PER_READING 256
#define TURN_INTERVAL_NS UINT64_C(100000)

static ptk_control_t *control_of(ptk_queue_node_t *node) {
    return ptk_container_of(node, ptk_control_t, run_link);
}

/* --- the inbox --- */

void ptk_drain_inbox(ptk_scheduler_t *scheduler) {
    ptk_inbox_node_t *node = ptk_inbox_take(scheduler->inbox);
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
    scheduler->picks_left = (uint32_t) chunk + 1;
}

static ptk_control_t *take_first(ptk_scheduler_t *scheduler) {
    size_t index = 0;
    if (ptk_unlikely(scheduler->block->oracle != NULL)) {
        index = ptk_choice(PTK_CHOICE_RUN_NEXT, (uint32_t) ptk_queue_count(&scheduler->run_queue));
    }
    return control_of(index ? ptk_queue_take(&scheduler->run_queue, index) : ptk_queue_pop(&scheduler->run_queue));
}

static bool turn_is_due(ptk_scheduler_t *scheduler) {
    if (ptk_timer_read_clock(scheduler) - scheduler->last_turn_ns >= TURN_INTERVAL_NS) {
        return true;
    }
    return scheduler->block->oracle && ptk_choice(PTK_CHOICE_TURN, 2) == 1;
}

/* A portion of picks is used up: read the clock, and go on with the next portion unless it is the root's turn. */
static __attribute__((noinline)) ptk_control_t *pick_slowly(ptk_scheduler_t *scheduler) {
    bool due = turn_is_due(scheduler);
    if (scheduler->quota == 0 || (due && scheduler->takes_turns)) {
        return &scheduler->root;
    }
    grant_picks(scheduler);
    scheduler->picks_left--;
    ptk_drain_inbox(scheduler);
    return scheduler->run_queue.first ? take_first(scheduler) : &scheduler->root;
}

static inline ptk_control_t *pick(ptk_scheduler_t *scheduler) {
    if (ptk_unlikely(--scheduler->picks_left == 0)) {
        return pick_slowly(scheduler);
    }
    if (ptk_unlikely(ptk_inbox_has_some(scheduler->inbox))) {
        ptk_drain_inbox(scheduler);
    }
    ptk_queue_node_t *node = ptk_queue_pop(&scheduler->run_queue);
    return ptk_likely(node != NULL) ? control_of(node) : &scheduler->root;
}

/* --- switching --- */

static inline void arrive_at(ptk_scheduler_t *scheduler, ptk_control_t *next) {
    scheduler->current = next;
    scheduler->block->errors = &next->errors;
    scheduler->switches++;
}

static inline __attribute__((always_inline)) void switch_to(ptk_scheduler_t *scheduler, ptk_control_t *self,
                                                            ptk_control_t *next) {
    int *errno_place = scheduler->errno_place; /* all that lives across the switch, so all that is spilled */
    int saved_errno = *errno_place;
    arrive_at(scheduler, next);
    ptk_context_switch(&self->context, &next->context);
    *errno_place = saved_errno;
}

/* A green thread with floating-point control words of its own leaves the loop's behind. */
static __attribute__((noinline)) void switch_with_fp(ptk_scheduler_t *scheduler, ptk_control_t *self, ptk_control_t *next) {
    ptk_fp_words_t own;
    ptk_fp_save(&own);
    ptk_fp_load(&scheduler->fp_words);
    switch_to(scheduler, self, next);
    ptk_fp_load(&own);
}

static __attribute__((noinline)) void suspend_foreign(ptk_scheduler_t *scheduler, ptk_control_t *self) {
    int saved_errno = *scheduler->errno_place;
    self->flags |= PTK_CONTROL_SUSPENDED;
    scheduler->hooks.suspend(scheduler->hooks.context);
    self->flags &= (uint8_t) ~PTK_CONTROL_SUSPENDED;
    *scheduler->errno_place = saved_errno;
}

/* Without PTK_SPAWN_FP the control words are an invariant of the loop. */
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
static inline __attribute__((always_inline)) void leave(ptk_scheduler_t *scheduler, ptk_control_t *self) {
    if (ptk_unlikely(self->flags & (PTK_CONTROL_FOREIGN | PTK_SPAWN_FP))) {
        if (self->flags & PTK_CONTROL_FOREIGN) {
            suspend_foreign(scheduler, self);
        } else {
            switch_with_fp(scheduler, self, pick(scheduler));
        }
        return;
    }
    check_fp_words(scheduler);
    ptk_control_t *next = pick(scheduler);
    if (ptk_likely(next != self)) {
        switch_to(scheduler, self, next);
    }
}

void ptk_leave_for_ever(ptk_control_t *self) {
    ptk_scheduler_t *scheduler = self->scheduler;
    if (self->flags & PTK_SPAWN_FP) {
        ptk_fp_load(&scheduler->fp_words);
    }
    ptk_control_t *next = pick(scheduler);
    arrive_at(scheduler, next);
    ptk_context_switch_end(&self->context, &next->context);
    ptk_assert(!"an ended green thread was resumed");
    __builtin_unreachable();
}

/* --- park and wake --- */

void ptk_withdraw(ptk_scheduler_t *scheduler, ptk_wait_t *wait) {
    if (ptk_list_is_linked(&wait->link)) {
        ptk_list_remove(&wait->link);
    }
    if (wait->op && wait->op->state != PTK_OP_IDLE) {
        bool idle = scheduler->loop->ops->cancel(scheduler->loop, wait->op);
        ptk_assert(idle);
    }
}

/* Off everything that the green thread waits for. */
static void withdraw_all(ptk_control_t *control) {
    if (ptk_likely(!control->waits)) {
        ptk_withdraw(control->scheduler, &control->wait);
        return;
    }
    for (size_t i = 0; i < control->u.run.waits_count; i++) {
        ptk_withdraw(control->scheduler, &control->waits[i]);
    }
}

ptk_err ptk_park(ptk_control_t *self, ptk_deadline_t *deadline) {
    ptk_scheduler_t *scheduler = self->scheduler;
    ptk_assert(self->state == PTK_CONTROL_READY && deadline->kind != PTK_DEADLINE_NOW);
    if (ptk_unlikely(self->cancel_pending)) {
        withdraw_all(self); /* cancelled in the middle of a call that parks again */
        return PTK_ERR_CANCELED;
    }
    self->state = PTK_CONTROL_PARKED;
    self->since_ns = scheduler->now_ns;
    ptk_timer_arm(scheduler, &self->timer, deadline);
    leave(scheduler, self);
    ptk_assert(self->state == PTK_CONTROL_READY && self->timer.state == PTK_TIMER_IDLE);
    if (deadline->kind == PTK_DEADLINE_RELATIVE && !self->timer.relative) {
        deadline->kind = PTK_DEADLINE_ABSOLUTE;
        deadline->ns = self->timer.value_ns;
    }
    return self->wake_code;
}

void ptk_make_ready(ptk_control_t *control) {
    ptk_scheduler_t *scheduler = control->scheduler;
    control->state = PTK_CONTROL_READY;
    ptk_queue_push(&scheduler->run_queue, &control->run_link);
    if (ptk_unlikely(scheduler->kicks)) {
        ptk_inbox_kick(scheduler->inbox);
    }
}

void ptk_wake(ptk_wait_t *wait, ptk_err code) {
    ptk_control_t *control = wait->control;
    ptk_assert(control->state == PTK_CONTROL_PARKED);
    withdraw_all(control);
    ptk_timer_disarm(control->scheduler, &control->timer);
    control->wake_code = code;
    control->woken_by = wait;
    ptk_make_ready(control);
}

/* --- the root --- */

static void resume_foreign(ptk_scheduler_t *scheduler, uint64_t quota) {
    size_t count = ptk_queue_count(&scheduler->run_queue);
    uint64_t most = count < quota ? count : quota;
    for (uint64_t i = 0; i < most; i++) {
        ptk_control_t *control = take_first(scheduler);
        scheduler->switches++;
        scheduler->hooks.resume(scheduler->hooks.context, control->stack_low);
    }
}

void ptk_run_ready(ptk_scheduler_t *scheduler, uint64_t quota) {
    if (scheduler->find_current) {
        resume_foreign(scheduler, quota);
        return;
    }
    scheduler->quota = quota;
    scheduler->takes_turns = quota == UINT64_MAX;
    scheduler->last_turn_ns = scheduler->now_ns;
    scheduler->picks_left = 1;
    if (!scheduler->block->oracle) {
        grant_picks(scheduler); /* the turn has just read the clock */
    }
    ptk_control_t *next = pick(scheduler);
    if (next != &scheduler->root) {
        switch_to(scheduler, &scheduler->root, next);
        scheduler->switches--; /* the way back is none to a green thread */
    }
}

/* --- calls --- */

static inline ptk_err yield_ready(ptk_scheduler_t *scheduler, ptk_control_t *self) {
    if (ptk_unlikely(self->cancel_pending)) {
        return ptk_fail(PTK_ERR_CANCELED);
    }
    ptk_queue_push(&scheduler->run_queue, &self->run_link);
    leave(scheduler, self);
    return PTK_OK;
}

static __attribute__((noinline)) ptk_err yield_foreign(ptk_scheduler_t *scheduler) {
    ptk_control_t *self = ptk_scheduler_current(scheduler);
    return self ? yield_ready(scheduler, self) : ptk_fail(PTK_ERR_NOT_GREEN);
}

ptk_err ptk_yield(void) {
    ptk_thread_block_t *block = ptk_thread();
    ptk_scheduler_t *scheduler = block->scheduler;
    if (ptk_unlikely(!scheduler)) {
        return ptk_fail(block->forked ? PTK_ERR_FORKED : PTK_ERR_NOT_GREEN);
    }
    ptk_control_t *self = scheduler->current;
    if (ptk_unlikely(!self)) {
        return yield_foreign(scheduler);
    }
    return yield_ready(scheduler, self);
}

ptk_err ptk_call_begin(ptk_call_t *call, ptk_event_loop_platform_t *loop, uint32_t timeout_ms) {
    if (ptk_unlikely(!ptk_loop_is_mine(loop))) {
        return ptk_loop_refusal();
    }
    ptk_scheduler_t *scheduler = ptk_thread()->scheduler;
    call->scheduler = scheduler;
    call->self = ptk_scheduler_current(scheduler);
    call->deadline = ptk_deadline_after_ms(timeout_ms);
    if (timeout_ms == 0) {
        return PTK_OK;
    }
    if (ptk_unlikely(!call->self)) {
        return PTK_ERR_NOT_GREEN;
    }
    if (ptk_unlikely(call->self->cancel_pending)) {
        return PTK_ERR_CANCELED;
    }
    return ptk_likely(scheduler->budget > 0) ? PTK_OK : yield_ready(scheduler, call->self);
}
