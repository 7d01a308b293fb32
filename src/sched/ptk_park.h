/* SPDX-License-Identifier: MIT */
/*
 * Park, wake and switch (layer 3, internal). There is one suspension, ptk_park, and one way back, ptk_wake,
 * which removes the waiter from everything that it waits for before it makes it runnable.
 */
#pragma once

#include "sched/ptk_sched.h"

/* Suspends the running green thread until ptk_wake and returns the code that it was woken with. Its wait
 * record or records are filled in and queued before, and are in no queue when it returns. CANCELED at once if
 * it is cancelled already. The deadline is updated: once a clock reading has fixed it, it is absolute. */
ptk_err ptk_park(ptk_task_t *self, ptk_deadline_t *deadline);

/* Ends the wait that `wait` is, or is one record of: removes all its records from their queues, operations
   and timer, and appends the green thread to the run queue. */
void ptk_wake(ptk_wait_t *wait, ptk_err code);

/* Removes a wait record from its queue and takes its operation back. Wakes no green thread. */
void ptk_withdraw(ptk_scheduler_t *scheduler, ptk_wait_t *wait);

/* Appends a green thread that is in no wait to the run queue. */
static inline void ptk_make_ready(ptk_task_t *task) {
    ptk_scheduler_t *scheduler = task->scheduler;
    task->state = PTK_TASK_READY;
    ptk_queue_push(&scheduler->run_queue, &task->run_link);
    if (ptk_unlikely(scheduler->kicks)) {
        ptk_inbox_kick(scheduler->inbox);
    }
}

/* Runs runnable green threads until none is left, a tick is due (quota UINT64_MAX: run) or `quota` picks are
 * used up (poll). Called on the main context. */
void ptk_run_ready(ptk_scheduler_t *scheduler, uint64_t quota);

/* Runs one green thread after the other on the stack of `self`: `run` is the whole life of one. When one has
   ended, its memory may be reused as soon as this has switched away; a task that keeps its stack goes on here
   with its next life. It does not return, but is not declared so: AddressSanitizer unpoisons the stack before
   each call that does not return, which is wanted where a stack is left and not where it is entered. */
void ptk_run_tasks_on_stack(ptk_task_t *self, void (*run)(ptk_task_t *self));

/* Delivers the messages of other threads and signal handlers. */
void ptk_drain_inbox(ptk_scheduler_t *scheduler);

/* Appends the running green thread to the run queue and switches to the next. Returns OK, or records CANCELED
 * if it is cancelled before. */
ptk_err ptk_yield_task(ptk_scheduler_t *scheduler, ptk_task_t *self);

/* Fills in the task's own wait record and returns it. */
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
