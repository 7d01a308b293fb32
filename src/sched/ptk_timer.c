/* SPDX-License-Identifier: MIT */
/*
 * Timers and deadlines (layer 3).
 *
 *     IDLE  --arm-->  NEW  --clock reading-->  IN_HEAP  --expire-->  IDLE
 *                     NEW  --disarm-->  IDLE   IN_HEAP  --disarm-->  IDLE
 *
 * Most timeouts never expire, so arming one costs a link: the timer joins the list of new timers with its
 * duration. At the next clock reading the timers that are left in the list get that reading as their base and
 * enter the heap. The reading is later than the call, so a timeout is never early; it is late by at most the
 * time between the two.
 *
 * While the loop is embedded and no call is inside run or poll, no reading follows by itself: a coroutine
 * that its library has woken may park then. So arming reads the clock and shows the deadline at once.
 *
 * A call that parks again keeps its deadline: once a reading has fixed it, it is absolute.
 */
#include "sched/ptk_timer.h"

#include <ptk_time.h>

static uint64_t add_saturating(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

ptk_deadline_t ptk_deadline_after_ms(uint32_t timeout_ms) {
    if (timeout_ms == PTK_TIMEOUT_INFINITE) {
        return (ptk_deadline_t) {.kind = PTK_DEADLINE_NEVER};
    }
    if (timeout_ms == 0) {
        return (ptk_deadline_t) {.kind = PTK_DEADLINE_NOW};
    }
    return (ptk_deadline_t) {.kind = PTK_DEADLINE_RELATIVE, .ns = timeout_ms * PTK_NS_PER_MS};
}

void ptk_deadline_fix(ptk_deadline_t *deadline) {
    if (deadline->kind == PTK_DEADLINE_RELATIVE) {
        deadline->kind = PTK_DEADLINE_ABSOLUTE;
        deadline->ns = add_saturating(ptk_sys()->now_ns(), deadline->ns);
    }
}

/* Moves a timer that has just left the list of new timers into the heap. */
static void settle_timer(ptk_scheduler_t *scheduler, ptk_timer_t *timer) {
    ptk_assert(timer->state == PTK_TIMER_NEW && timer->heap.index == PTK_HEAP_NONE);
    if (timer->relative) {
        timer->value_ns = add_saturating(scheduler->now_ns, timer->value_ns);
        timer->relative = false;
    }
    timer->state = PTK_TIMER_IN_HEAP;
    ptk_heap_insert(&scheduler->heap, &timer->heap, timer->value_ns);
    scheduler->timers_armed++;
}

uint64_t ptk_timer_read_clock(ptk_scheduler_t *scheduler) {
    scheduler->now_ns = ptk_sys()->now_ns();
    ptk_list_node_t *node;
    while ((node = ptk_list_pop(&scheduler->new_timers)) != NULL) {
        settle_timer(scheduler, ptk_container_of(node, ptk_timer_t, link));
    }
    return scheduler->now_ns;
}

void ptk_timer_show(ptk_scheduler_t *scheduler) {
    ptk_event_loop_platform_t *loop = scheduler->loop;
    ptk_timer_read_clock(scheduler);
    if (loop->ops->set_alarm) {
        loop->ops->set_alarm(loop, ptk_heap_first_deadline(&scheduler->heap));
    }
}

bool ptk_timer_more_armed(const ptk_scheduler_t *scheduler, uint32_t count) {
    uint64_t armed = scheduler->heap.count;
    const ptk_list_node_t *node = ptk_list_first(&scheduler->new_timers);
    for (; node && armed <= count; node = ptk_list_next(&scheduler->new_timers, node)) {
        armed++;
    }
    return armed > count;
}

void ptk_timer_expire_due(ptk_scheduler_t *scheduler) {
    uint64_t now_ns = scheduler->now_ns;
    while (ptk_heap_first_deadline(&scheduler->heap) <= now_ns && scheduler->heap.count > 0) {
        ptk_timer_t *timer = ptk_container_of(ptk_heap_first(&scheduler->heap), ptk_timer_t, heap);
        ptk_assert(timer->state == PTK_TIMER_IN_HEAP && timer->value_ns <= now_ns);
        ptk_timer_disarm(scheduler, timer);
        scheduler->timers_fired++;
        timer->expire(scheduler, timer);
    }
}
