/* SPDX-License-Identifier: MIT */
/* A 4-ary heap ordered by moment and then by the order of entering; each event knows its place in it. */
#include "sim/net/ptk_sim_agenda.h"

#include "base/ptk_assert.h"
#include "sim/net/ptk_sim_memory.h"

#define FIRST_CAPACITY 256
#define CHILDREN       4

void ptk_sim_agenda_init(ptk_sim_agenda_t *agenda, uint64_t now_ns) {
    *agenda = (ptk_sim_agenda_t) {.now_ns = now_ns};
}

void ptk_sim_agenda_fini(ptk_sim_agenda_t *agenda) {
    ptk_sim_release(agenda->entries);
    agenda->entries = NULL;
    agenda->count = 0;
    agenda->capacity = 0;
}

static inline bool is_before(const ptk_sim_agenda_entry_t *one, const ptk_sim_agenda_entry_t *other) {
    return one->at_ns != other->at_ns ? one->at_ns < other->at_ns : one->order < other->order;
}

static inline void put(ptk_sim_agenda_t *agenda, uint32_t index, const ptk_sim_agenda_entry_t *entry) {
    agenda->entries[index] = *entry;
    entry->event->place = index + 1;
}

static void sift_up(ptk_sim_agenda_t *agenda, uint32_t index, const ptk_sim_agenda_entry_t *entry) {
    while (index > 0 && is_before(entry, &agenda->entries[(index - 1) / CHILDREN])) {
        put(agenda, index, &agenda->entries[(index - 1) / CHILDREN]);
        index = (index - 1) / CHILDREN;
    }
    put(agenda, index, entry);
}

static uint32_t earliest_child(const ptk_sim_agenda_t *agenda, uint32_t first) {
    uint32_t end = first + CHILDREN < agenda->count ? first + CHILDREN : agenda->count;
    uint32_t earliest = first;
    for (uint32_t child = first + 1; child < end; child++) {
        if (is_before(&agenda->entries[child], &agenda->entries[earliest])) {
            earliest = child;
        }
    }
    return earliest;
}

static void sift_down(ptk_sim_agenda_t *agenda, uint32_t index, const ptk_sim_agenda_entry_t *entry) {
    for (uint32_t first; (first = CHILDREN * index + 1) < agenda->count;) {
        uint32_t child = earliest_child(agenda, first);
        if (is_before(entry, &agenda->entries[child])) {
            break;
        }
        put(agenda, index, &agenda->entries[child]);
        index = child;
    }
    put(agenda, index, entry);
}

static void make_room(ptk_sim_agenda_t *agenda) {
    if (agenda->count == agenda->capacity) {
        agenda->capacity = agenda->capacity ? agenda->capacity * 2 : FIRST_CAPACITY;
        agenda->entries = ptk_sim_reallocate(agenda->entries, agenda->capacity * sizeof *agenda->entries);
    }
}

void ptk_sim_agenda_enter(ptk_sim_agenda_t *agenda, ptk_sim_event_t *event, uint64_t at_ns) {
    ptk_sim_agenda_strike(agenda, event);
    make_room(agenda);
    event->at_ns = at_ns > agenda->now_ns ? at_ns : agenda->now_ns;
    const ptk_sim_agenda_entry_t entry = {event->at_ns, agenda->next_order++, event};
    sift_up(agenda, agenda->count++, &entry);
}

void ptk_sim_agenda_strike(ptk_sim_agenda_t *agenda, ptk_sim_event_t *event) {
    if (event->place == 0) {
        return;
    }
    uint32_t index = event->place - 1;
    ptk_assert(index < agenda->count && agenda->entries[index].event == event);
    event->place = 0;
    const ptk_sim_agenda_entry_t last = agenda->entries[--agenda->count];
    if (last.event == event) {
        return;
    }
    if (index > 0 && is_before(&last, &agenda->entries[(index - 1) / CHILDREN])) {
        sift_up(agenda, index, &last);
    } else {
        sift_down(agenda, index, &last);
    }
}

uint64_t ptk_sim_agenda_next_ns(const ptk_sim_agenda_t *agenda) {
    return agenda->count ? agenda->entries[0].at_ns : UINT64_MAX;
}

bool ptk_sim_agenda_step(ptk_sim_agenda_t *agenda) {
    if (agenda->count == 0) {
        return false;
    }
    ptk_sim_event_t *event = agenda->entries[0].event;
    ptk_sim_agenda_strike(agenda, event);
    agenda->now_ns = event->at_ns;
    agenda->happened++;
    event->happen(event);
    return true;
}
