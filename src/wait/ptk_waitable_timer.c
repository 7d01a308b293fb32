/* SPDX-License-Identifier: MIT */
/*
 * The timers of TIMER waitables (layer 4).
 *
 *     RUNNING  --expiry that a waiter takes-->  RUNNING   (armed for the next period)
 *     RUNNING  --expiry without a waiter-->     RESTING   (its count is kept, nothing is armed)
 *     RESTING  --a wait looks-->                RUNNING   (the periods since then are computed from the
 * clock)
 *
 * A count that no wait has taken wakes no waiter, so a timer with a period needs no further expiry until a
 * wait takes it: whatever the period, an expiry costs nothing while there is no waiter. `next_ns` is 0 unless
 * the timer rests.
 */
#include "wait/ptk_waitable_timer.h"

#include "sched/ptk_scheduler_impl.h"
#include "sched/ptk_timer.h"
#include "sched/ptk_wait_queue.h"

/* Returns how many periods have ended at `now_ns`, and sets *deadline_ns, which has passed, to the end of the
 * present one. */
static uint64_t count_expiries(uint64_t *deadline_ns, uint64_t period_ns, uint64_t now_ns) {
    ptk_assert(period_ns > 0 && now_ns >= *deadline_ns);
    uint64_t count = 1 + (now_ns - *deadline_ns) / period_ns;
    uint64_t room_ns = PTK_TIME_NEVER - *deadline_ns;
    bool ends = room_ns / period_ns < count;
    *deadline_ns = ends ? PTK_TIME_NEVER : *deadline_ns + count * period_ns;
    return count;
}

/* An armed timer counts as idle: whether its expiry wakes a green thread is the matter of the wait. */
static void run_timer_until(ptk_waitable_t *waitable, uint64_t deadline_ns) {
    const ptk_deadline_t next = {.kind = PTK_DEADLINE_ABSOLUTE, .ns = deadline_ns};
    waitable->u.timer.next_ns = 0;
    ptk_timer_arm(waitable->scheduler, &waitable->u.timer.timer, &next);
    waitable->scheduler->idle_timer_count++;
}

/* Counts the only expiry of a one-shot timer. Waiters that stay behind park again: nothing will wake them, so
 * that they no longer count as externally wakeable. */
static void end_one_shot(ptk_waitable_t *waitable) {
    ptk_event_counter_add(&waitable->counter, 1);
    ptk_wait_queue_wake_all(&waitable->counter.waiters, PTK_WAKE_RETRY);
}

static void timer_expired(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    ptk_waitable_timer_t *source = ptk_container_of(timer, ptk_waitable_timer_t, timer);
    ptk_waitable_t *waitable = ptk_container_of(source, ptk_waitable_t, u.timer);
    ptk_assert(waitable->type == PTK_WAITABLE_TIMER && !waitable->pin.closed);
    ptk_assert(scheduler->now_ns >= timer->value_ns && source->next_ns == 0);
    ptk_assert(scheduler->idle_timer_count > 0);
    scheduler->idle_timer_count--;
    if (source->period_ns == 0) {
        end_one_shot(waitable);
        return;
    }
    uint64_t next_ns = timer->value_ns;
    uint64_t count = count_expiries(&next_ns, source->period_ns, scheduler->now_ns);
    ptk_event_counter_add(&waitable->counter, count);
    if (waitable->counter.count > 0) {
        source->next_ns = next_ns;
    } else {
        run_timer_until(waitable, next_ns);
    }
}

void ptk_waitable_timer_resume(ptk_waitable_t *waitable) {
    ptk_waitable_timer_t *source = &waitable->u.timer;
    uint64_t next_ns = source->next_ns;
    ptk_assert(waitable->type == PTK_WAITABLE_TIMER);
    if (next_ns == 0) {
        return;
    }
    ptk_assert(waitable->counter.count > 0 && ptk_list_is_empty(&waitable->counter.waiters));
    uint64_t now_ns = ptk_sys()->now_ns();
    if (now_ns >= next_ns) {
        ptk_event_counter_add(&waitable->counter, count_expiries(&next_ns, source->period_ns, now_ns));
    }
    run_timer_until(waitable, next_ns);
}

ptk_err ptk_waitable_timer_start(ptk_waitable_t *waitable, const ptk_timer_spec_t *spec) {
    ptk_scheduler_t *scheduler = waitable->scheduler;
    if (!spec) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    if (!ptk_heap_reserve(&scheduler->heap)) {
        return ptk_fail(PTK_ERR_NO_RESOURCES);
    }
    ptk_waitable_timer_t *source = &waitable->u.timer;
    source->period_ns = spec->period_ns;
    source->timer = (ptk_timer_t) {.heap = {PTK_HEAP_NONE}, .expire = timer_expired};
    ptk_deadline_t first = {.kind = PTK_DEADLINE_RELATIVE, .ns = spec->first_ns};
    ptk_deadline_fix(&first);
    run_timer_until(waitable, first.ns);
    return PTK_OK;
}

void ptk_waitable_timer_stop(ptk_waitable_t *waitable) {
    ptk_scheduler_t *scheduler = waitable->scheduler;
    scheduler->idle_timer_count -= waitable->u.timer.timer.state != PTK_TIMER_IDLE;
    ptk_timer_disarm(scheduler, &waitable->u.timer.timer);
    ptk_heap_unreserve(&scheduler->heap);
}
