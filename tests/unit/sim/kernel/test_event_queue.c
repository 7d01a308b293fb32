/* SPDX-License-Identifier: MIT */
#include "ptk_test.h"

#include "base/ptk_list.h"
#include "sim/kernel/ptk_sim_event_queue.h"
#include <stdlib.h>

#define EVENTS 500

typedef struct numbered {
    ptk_sim_event_t event;
    uint64_t number;
} numbered_t;

static uint64_t last_number;
static uint64_t last_at_ns;
static size_t seen;

static void happen(ptk_sim_event_t *event) {
    const numbered_t *numbered = ptk_container_of(event, numbered_t, event);
    CHECK(event->at_ns > last_at_ns || (event->at_ns == last_at_ns && numbered->number > last_number));
    last_at_ns = event->at_ns;
    last_number = numbered->number;
    seen++;
}

TEST(events_fire_in_order_of_time_and_then_of_insertion) {
    ptk_sim_event_queue_t queue;
    ptk_test_random_t random = {7};
    numbered_t *events = calloc(EVENTS, sizeof *events);
    CHECK(events != NULL);
    ptk_sim_event_queue_init(&queue, 0);
    uint64_t number = 1;
    for (int round = 0; round < 20; round++) {
        size_t expected = 0;
        for (size_t i = 0; i < EVENTS; i++) {
            events[i].event.fire = happen;
            events[i].number = number++;
            ptk_sim_event_queue_insert(&queue, &events[i].event,
                                       queue.now_ns + 1 + ptk_test_random_below(&random, 50));
        }
        for (size_t i = 0; i < EVENTS; i++) {
            uint64_t what = ptk_test_random_below(&random, 3);
            if (what == 0) {
                ptk_sim_event_queue_cancel(&queue, &events[i].event);
                CHECK(!ptk_sim_event_is_scheduled(&events[i].event));
            } else if (what == 1) {
                events[i].number = number++;
                ptk_sim_event_queue_insert(&queue, &events[i].event, queue.now_ns + 25);
            }
            expected += what != 0;
        }
        seen = 0;
        while (ptk_sim_event_queue_step(&queue)) {
        }
        CHECK_EQ(seen, expected);
        CHECK_EQ(ptk_sim_event_queue_next_ns(&queue), UINT64_MAX);
    }
    ptk_sim_event_queue_fini(&queue);
    free(events);
}

TEST(an_event_in_the_past_fires_now) {
    ptk_sim_event_queue_t queue;
    numbered_t event = {.event.fire = happen, .number = 1};
    ptk_sim_event_queue_init(&queue, 1000);
    ptk_sim_event_queue_insert(&queue, &event.event, 10);
    CHECK(ptk_sim_event_queue_step(&queue));
    CHECK_EQ(queue.now_ns, 1000);
    CHECK(!ptk_sim_event_queue_step(&queue));
    ptk_sim_event_queue_fini(&queue);
}
