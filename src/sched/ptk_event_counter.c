/* SPDX-License-Identifier: MIT */
/* Event counters (layer 3): the model stands in ptk_event_counter.h. */
#include "sched/ptk_event_counter.h"

#include "sched/ptk_park.h"
#include "sched/ptk_wait_queue.h"

void ptk_event_counter_init(ptk_event_counter_t *counter) {
    counter->count = 0;
    ptk_list_init(&counter->waiters);
}

uint64_t ptk_event_counter_take(ptk_event_counter_t *counter) {
    uint64_t count = counter->count;
    counter->count = 0;
    return count;
}

/* A waiter's count is written to its record before the wake, because the wake may be followed by others. */
void ptk_event_counter_add(ptk_event_counter_t *counter, uint64_t count) {
    counter->count = count > UINT64_MAX - counter->count ? UINT64_MAX : counter->count + count;
    ptk_wait_t *wait = ptk_wait_queue_first(&counter->waiters);
    if (wait && counter->count > 0) {
        wait->count = ptk_event_counter_take(counter);
        ptk_wake(wait, PTK_OK);
    }
}
