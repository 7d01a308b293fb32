/* SPDX-License-Identifier: MIT */
/* Timers and deadlines (layer 3, internal): the model stands at the top of ptk_timer.c. */
#pragma once

#include "sched/ptk_sched.h"

/* Reads the clock and returns it. New timers get the reading as their base and enter the heap. */
uint64_t ptk_timer_read_clock(ptk_scheduler_t *scheduler);

/* Expires every timer whose deadline had been reached at the last reading, earliest first. */
void ptk_timer_expire_due(ptk_scheduler_t *scheduler);

/* Returns true if more than `count` timers are armed. Walks the new timers, as the next clock reading does.
 */
bool ptk_timer_more_armed(const ptk_scheduler_t *scheduler, uint32_t count);

/* Returns the deadline of a call with `timeout_ms`: NOW for 0, NEVER for PTK_TIMEOUT_INFINITE. */
ptk_deadline_t ptk_deadline_after_ms(uint32_t timeout_ms);

/* Makes a relative deadline absolute, with the present time as its base. */
void ptk_deadline_fix(ptk_deadline_t *deadline);

/* Settles the new timers and gives the loop's alarm, if there is one, the first deadline. Called where the
 * embedding loop is to see deadlines that no call of run or poll will report. */
void ptk_timer_show(ptk_scheduler_t *scheduler);

/* Arms an idle timer, which costs a link and no more inside run and poll. Its owner has reserved a heap slot.
   A NEVER deadline arms nothing. */
static inline void ptk_timer_arm(ptk_scheduler_t *scheduler, ptk_timer_t *timer,
                                 const ptk_deadline_t *deadline) {
    ptk_assert(timer->state == PTK_TIMER_IDLE && timer->expire);
    if (deadline->kind == PTK_DEADLINE_NEVER) {
        return;
    }
    timer->state = PTK_TIMER_NEW;
    timer->relative = deadline->kind == PTK_DEADLINE_RELATIVE;
    timer->value_ns = deadline->ns;
    ptk_list_append(&scheduler->new_timers, &timer->link);
    if (ptk_unlikely(scheduler->kicks)) {
        ptk_timer_show(scheduler);
    }
}

/* Disarms a timer in any state. Most timeouts end before the next clock reading, and cost an unlink. */
static inline void ptk_timer_disarm(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    if (ptk_likely(timer->state == PTK_TIMER_NEW)) {
        ptk_list_remove(&timer->link);
    } else if (timer->state == PTK_TIMER_IN_HEAP) {
        ptk_heap_remove(&scheduler->heap, &timer->heap);
    }
    timer->state = PTK_TIMER_IDLE;
    ptk_assert_debug(!ptk_list_is_linked(&timer->link));
}
