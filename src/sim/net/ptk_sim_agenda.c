/* SPDX-License-Identifier: MIT */
/* A binary heap of pointers to events, ordered by moment and then by the order of entering. */
#include "sim/net/ptk_sim_agenda.h"

#include "base/ptk_assert.h"
#include "sim/net/ptk_sim_memory.h"

#define FIRST_CAPACITY 256

void ptk_sim_agenda_init(ptk_sim_agenda_t *agenda, uint64_t now_ns) {
    *agenda = (ptk_sim_agenda_t) {.now_ns = now_ns};
}

void ptk_sim_agenda_fini(ptk_sim_agenda_t *agenda) {
    ptk_sim_release(agenda->events);
    agenda->events = NULL;
    agenda->count = 0;
    agenda->capacity = 0;
}

static bool is_before(const ptk_sim_event_t *one, const ptk_sim_event_t *other) {
    return one->at_ns != other->at_ns ? one->at_ns < other->at_ns : one->order < other->order;
}

static void put(ptk_sim_agenda_t *agenda, uint32_t index, ptk_sim_event_t *event) {
    agenda->events[index] = event;
    event->place = index + 1;
}

static void sift_up(ptk_sim_agenda_t *agenda, uint32_t index, ptk_sim_event_t *event) {
    while (index > 0 && is_before(event, agenda->events[(index - 1) / 2])) {
        put(agenda, index, agenda->events[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    put(agenda, index, event);
}

static void sift_down(ptk_sim_agenda_t *agenda, uint32_t index, ptk_sim_event_t *event) {
    for (uint32_t child; (child = 2 * index + 1) < agenda->count; index = child) {
        if (child + 1 < agenda->count && is_before(agenda->events[child + 1], agenda->events[child])) {
            child++;
        }
        if (is_before(event, agenda->events[child])) {
            break;
        }
        put(agenda, index, agenda->events[child]);
    }
    put(agenda, index, event);
}

static void make_room(ptk_sim_agenda_t *agenda) {
    if (agenda->count == agenda->capacity) {
        agenda->capacity = agenda->capacity ? agenda->capacity * 2 : FIRST_CAPACITY;
        agenda->events = ptk_sim_reallocate(agenda->events, agenda->capacity * sizeof(ptk_sim_event_t *));
    }
}

void ptk_sim_agenda_enter(ptk_sim_agenda_t *agenda, ptk_sim_event_t *event, uint64_t at_ns) {
    ptk_sim_agenda_strike(agenda, event);
    make_room(agenda);
    event->at_ns = at_ns > agenda->now_ns ? at_ns : agenda->now_ns;
    event->order = agenda->next_order++;
    sift_up(agenda, agenda->count++, event);
}

void ptk_sim_agenda_strike(ptk_sim_agenda_t *agenda, ptk_sim_event_t *event) {
    if (event->place == 0) {
        return;
    }
    uint32_t index = event->place - 1;
    ptk_assert(index < agenda->count && agenda->events[index] == event);
    event->place = 0;
    ptk_sim_event_t *last = agenda->events[--agenda->count];
    if (last != event) {
        if (index > 0 && is_before(last, agenda->events[(index - 1) / 2])) {
            sift_up(agenda, index, last);
        } else {
            sift_down(agenda, index, last);
        }
    }
}

uint64_t ptk_sim_agenda_next_ns(const ptk_sim_agenda_t *agenda) {
    return agenda->count ? agenda->events[0]->at_ns : UINT64_MAX;
}

bool ptk_sim_agenda_step(ptk_sim_agenda_t *agenda) {
    if (agenda->count == 0) {
        return false;
    }
    ptk_sim_event_t *event = agenda->events[0];
    ptk_sim_agenda_strike(agenda, event);
    agenda->now_ns = event->at_ns;
    agenda->happened++;
    event->happen(event);
    return true;
}
