/* SPDX-License-Identifier: MIT */
/*
 * Park and wake (layer 3, internal). There is one suspension, ptk_park, and one way back, ptk_wake, which
 * takes the waiter off everything it waits for before it makes it runnable.
 */
#pragma once

#include "sched/ptk_sched.h"

/* Suspend the running green thread until ptk_wake; answers the code it was woken with. Fill in the wait
   record(s) and queue them first. The deadline is updated: once fixed, its base stays. */
ptk_err ptk_park(ptk_task_t *self, ptk_deadline_t *deadline);

/* End the wait that `wait` is (or is one of): off every queue, timer and operation, then to the end of the
 * run queue. */
void ptk_wake(ptk_wait_t *wait, ptk_err code);

/* Take a wait record off what it waits for, without waking anybody. */
void ptk_withdraw(ptk_scheduler_t *scheduler, ptk_wait_t *wait);

/* Make a green thread runnable that is in no wait (any more). */
static inline void ptk_make_ready(ptk_task_t *task) {
    ptk_scheduler_t *scheduler = task->scheduler;
    task->state = PTK_TASK_READY;
    ptk_queue_push(&scheduler->run_queue, &task->run_link);
    if (ptk_unlikely(scheduler->kicks)) {
        ptk_inbox_kick(scheduler->inbox);
    }
}

/* Run what is runnable, until the tick is due or `quota` picks are used up. From the root. */
void ptk_run_ready(ptk_scheduler_t *scheduler, uint64_t quota);

/* The lives of a control block on its stack; `live` is one. When it has ended, its memory may be reused as
   soon as this has switched away; one that keeps its stack goes on here with its next life. It does not
   return, but is not declared so: AddressSanitizer cleans the stack before each call that does not return,
   and that is wanted where the stack is left and not where it is entered. */
void ptk_run_tasks_on_stack(ptk_task_t *self, void (*live)(ptk_task_t *self));

/* Deliver what other threads and signal handlers sent. */
void ptk_drain_inbox(ptk_scheduler_t *scheduler);

/* The wait record of a plain wait, filled in. */
static inline ptk_wait_t *ptk_wait_plain(ptk_task_t *self, const char *kind, const void *object,
                                         bool externally_wakeable) {
    ptk_assert(self != NULL); /* only a green thread waits */
    self->wait.op = NULL;
    self->wait.kind = kind;
    self->wait.object = object;
    self->flags = (uint8_t) ((self->flags & ~PTK_TASK_EXTERNALLY_WAKEABLE) |
                             (externally_wakeable ? PTK_TASK_EXTERNALLY_WAKEABLE : 0));
    return &self->wait;
}

/* Queues the running green thread behind all runnable ones and switches to the next. CANCELED if it is
   cancelled already. */
ptk_err ptk_yield_task(ptk_scheduler_t *scheduler, ptk_task_t *self);
