/* SPDX-License-Identifier: MIT */
/*
 * The main context (layer 3): what run, poll and the drain of destroy have in common.
 *
 * The context that called one of them is adopted as a task without a stack of its own; green threads switch
 * to it when a tick is due or none is runnable. Its floating-point control words are the loop's: every green
 * thread without PTK_GREEN_FP runs with them.
 */
#include "sched/ptk_main_context.h"

#include "sched/ptk_cancel_impl.h"
#include "sched/ptk_tick.h"

/* For an embedded loop the time since the last call was a sleep with kicks enabled. A kick that ended it has
 * done its work: left pending it would make the loop's descriptor readable once more when this call returns.
 */
void ptk_main_context_enter(ptk_scheduler_t *scheduler) {
    ptk_assert(!scheduler->active && !scheduler->current);
    scheduler->active = true;
    if (scheduler->kicks) {
        scheduler->kicks = false;
        ptk_inbox_end_sleep(scheduler->inbox);
    }
    ptk_fp_save(&scheduler->fp_words);
    ptk_context_adopt(&scheduler->main_context.context);
    scheduler->current = scheduler->find_current ? NULL : &scheduler->main_context;
}

void ptk_main_context_leave(ptk_scheduler_t *scheduler) {
    ptk_assert(scheduler->active);
    scheduler->active = false;
    scheduler->current = NULL;
    ptk_mark_idle(scheduler);
    ptk_tick_show(scheduler);
}

void ptk_main_context_stop(ptk_scheduler_t *scheduler) {
    scheduler->stopping = true;
    ptk_cancel_all(scheduler, PTK_CANCEL_STOP);
}
