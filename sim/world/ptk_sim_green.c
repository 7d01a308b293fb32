/* SPDX-License-Identifier: MIT */
/*
 * What the green threads of a host do, for the timeline.
 *
 * The scheduler reports tasks, which are addresses and are used again. Here each green thread gets a number
 * of its host, in the order in which they start, and its name and what it waits for become numbers of
 * strings, so that no entry depends on addresses. A host that unwinds after a crash records nothing: what its
 * green threads do then has no effect on the world.
 */
#include "sim/world/ptk_sim_impl.h"

#include "sim/kernel/ptk_sim_memory.h"
#include <string.h>

/* One live green thread. */
struct ptk_sim_green_record {
    const void *green; /* the scheduler's task: a key, never dereferenced */
    uint64_t number;
    uint32_t name; /* the number of its name */
    bool waits;    /* it left by a wait, so it resumes with a result */
};

/* --- strings --- */

/* Returns the number of a string, which is stored at first use. */
static uint32_t string_number(ptk_sim_string_table_t *strings, const char *string) {
    for (uint32_t i = 0; i < strings->count; i++) {
        if (strcmp(strings->strings[i], string) == 0) {
            return i + 1;
        }
    }
    size_t bytes = strlen(string) + 1;
    strings->strings = ptk_sim_reallocate(strings->strings, (strings->count + 1) * sizeof(*strings->strings));
    strings->strings[strings->count] = memcpy(ptk_sim_allocate(bytes), string, bytes);
    return ++strings->count;
}

void ptk_sim_string_table_fini(ptk_sim_string_table_t *strings) {
    for (uint32_t i = 0; i < strings->count; i++) {
        ptk_sim_free(strings->strings[i]);
    }
    ptk_sim_free(strings->strings);
    *strings = (ptk_sim_string_table_t) {0};
}

/* --- records --- */

/* Returns the record of a live green thread, or NULL. */
static ptk_sim_green_record_t *green_find_record(const ptk_sim_greens_t *greens, const void *green) {
    for (uint32_t i = 0; i < greens->count; i++) {
        if (greens->records[i].green == green) {
            return &greens->records[i];
        }
    }
    return NULL;
}

/* Adds a record with the next number of the host. */
static ptk_sim_green_record_t *green_add_record(ptk_sim_greens_t *greens, const void *green,
                                                const char *name) {
    greens->records = ptk_sim_reallocate(greens->records, (greens->count + 1) * sizeof *greens->records);
    ptk_sim_green_record_t *record = &greens->records[greens->count++];
    *record = (ptk_sim_green_record_t) {.green = green,
                                        .number = ++greens->begun,
                                        .name = string_number(&greens->host->sim->green_strings, name)};
    return record;
}

/* Stores an entry in the trace, outside its hash. */
static void green_trace(const ptk_sim_greens_t *greens, const ptk_sim_green_record_t *record,
                        ptk_sim_green_t what, uint32_t detail) {
    ptk_sim_net_t *net = &greens->host->sim->net;
    ptk_sim_trace_add_unhashed(&net->trace,
                               &(ptk_sim_trace_entry_t) {.at_ns = net->events.now_ns,
                                                         .a = record->number,
                                                         .b = record->name,
                                                         .c = (uint64_t) what << 32 | detail,
                                                         .kind = PTK_SIM_TRACE_GREEN,
                                                         .host = greens->host->kernel.node->index});
}

/* The observer's `resumes`: a green thread executes; an unknown one starts. */
static void green_observe_resume(ptk_observer_t *observer, const void *green, const char *name,
                                 ptk_err code) {
    ptk_sim_greens_t *greens = ptk_container_of(observer, ptk_sim_greens_t, observer);
    if (greens->host->kernel.crashed) {
        return;
    }
    ptk_sim_green_record_t *record = green_find_record(greens, green);
    if (!record) {
        green_trace(greens, green_add_record(greens, green, name), PTK_SIM_GREEN_BEGINS, 0);
        return;
    }
    green_trace(greens, record, PTK_SIM_GREEN_RESUMES, record->waits && code > 0 ? (uint32_t) code : 0);
    record->waits = false;
}

/* The observer's `suspends`: a green thread waits, yields or ends. */
static void green_observe_suspend(ptk_observer_t *observer, const void *green, ptk_observed_t how,
                                  const char *what) {
    static const ptk_sim_green_t does[] = {[PTK_OBSERVED_WAIT] = PTK_SIM_GREEN_WAITS,
                                           [PTK_OBSERVED_YIELD] = PTK_SIM_GREEN_YIELDS,
                                           [PTK_OBSERVED_END] = PTK_SIM_GREEN_ENDS};
    ptk_sim_greens_t *greens = ptk_container_of(observer, ptk_sim_greens_t, observer);
    ptk_sim_green_record_t *record = green_find_record(greens, green);
    if (greens->host->kernel.crashed || !record) {
        return;
    }
    green_trace(greens, record, does[how], what ? string_number(&greens->host->sim->green_strings, what) : 0);
    record->waits = how == PTK_OBSERVED_WAIT;
    if (how == PTK_OBSERVED_END) {
        *record = greens->records[--greens->count];
    }
}

/* Called at each boot: the numbers go on over the host's processes, and the records start empty. */
void ptk_sim_greens_watch(ptk_sim_host_t *host) {
    host->greens.observer =
        (ptk_observer_t) {.resumes = green_observe_resume, .suspends = green_observe_suspend};
    host->greens.host = host;
    host->greens.count = 0; /* none remains of an earlier process */
    host->kernel.block.observer = &host->greens.observer;
}

void ptk_sim_greens_fini(ptk_sim_greens_t *greens) {
    ptk_sim_free(greens->records);
    greens->records = NULL;
}
