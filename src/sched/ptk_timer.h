/* SPDX-License-Identifier: MIT */
/* Timers and deadlines (layer 3, internal): the model stands at the top of ptk_timer.c. */
#pragma once

#include "sched/ptk_sched.h"

/* A clock reading: new timers get it as their base and enter the heap. */
uint64_t ptk_timer_read_clock(ptk_scheduler_t *scheduler);

/* Let every timer whose deadline has been reached at the last reading expire, in order. */
void ptk_timer_expire_due(ptk_scheduler_t *scheduler);

ptk_deadline_t ptk_deadline_after_ms(uint32_t timeout_ms);

/* Fix a relative deadline now, to compare it with others. */
void ptk_deadline_fix(ptk_deadline_t *deadline);

/* Arm an idle timer: link and no more. Its owner has reserved a heap slot. A NEVER deadline arms nothing. */
static inline void ptk_timer_arm(ptk_scheduler_t *scheduler, ptk_timer_t *timer,
                                 const ptk_deadline_t *deadline) {
    ptk_assert(timer->state == PTK_TIMER_IDLE);
    if (deadline->kind == PTK_DEADLINE_NEVER) {
        return;
    }
    timer->state = PTK_TIMER_NEW;
    timer->relative = deadline->kind == PTK_DEADLINE_RELATIVE;
    timer->value_ns = deadline->ns;
    ptk_list_append(&scheduler->new_timers, &timer->link);
}

/* Most timeouts end before the next clock reading: an unlink and no more. */
static inline void ptk_timer_disarm(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    if (ptk_likely(timer->state == PTK_TIMER_NEW)) {
        ptk_list_remove(&timer->link);
    } else if (timer->state == PTK_TIMER_IN_HEAP) {
        ptk_heap_remove(&scheduler->heap, &timer->heap);
    }
    timer->state = PTK_TIMER_IDLE;
}
