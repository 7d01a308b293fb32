/* SPDX-License-Identifier: MIT */
/* What both pictures of a run are drawn from (layer 5). */
#pragma once

#include "sim/world/ptk_sim_timeline.h"

#define PTK_SIM_TIMELINE_NONE SIZE_MAX

/* An entry of the trace that is drawn, or that what is drawn depends on. */
typedef struct ptk_sim_timeline_row {
    const ptk_sim_trace_entry_t *entry;
    size_t partner;   /* of a packet's end: the row of its SEND; of a SEND: its first end; or NONE */
    bool is_lost_now; /* a SEND and its DROP in one moment */
    bool is_shown;    /* within the limit */
    uint32_t y;       /* the page's: where it stands */
} ptk_sim_timeline_row_t;

typedef struct ptk_sim_timeline_rows {
    const ptk_sim_timeline_t *timeline;
    ptk_sim_timeline_row_t *rows;
    size_t count;
    size_t first_shown;
} ptk_sim_timeline_rows_t;

/* How a host stands, seen from the outside. */
typedef enum ptk_sim_timeline_state {
    PTK_SIM_TIMELINE_ABSENT, /* not started, or ended */
    PTK_SIM_TIMELINE_UP,
    PTK_SIM_TIMELINE_DOWN,
    PTK_SIM_TIMELINE_PAUSED,
} ptk_sim_timeline_state_t;

void ptk_sim_timeline_rows_init(ptk_sim_timeline_rows_t *rows, const ptk_sim_timeline_t *timeline,
                                bool shows_all, size_t event_limit);
void ptk_sim_timeline_rows_fini(ptk_sim_timeline_rows_t *rows);

/* The two ends of a packet; a number that no host has: PTK_SIM_NO_HOST. */
uint32_t ptk_sim_timeline_from(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry);
uint32_t ptk_sim_timeline_to(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry);

/* The host that an entry stands at, or PTK_SIM_NO_HOST. */
uint32_t ptk_sim_timeline_host(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry);
const char *ptk_sim_timeline_name(const ptk_sim_timeline_t *timeline, uint64_t host);

/* The state of the entry's host behind it. */
ptk_sim_timeline_state_t ptk_sim_timeline_state(ptk_sim_timeline_state_t before,
                                                const ptk_sim_trace_entry_t *entry);

/* Does a packet end here, well or not? */
bool ptk_sim_timeline_is_end(const ptk_sim_trace_entry_t *entry);

/* Texts; each answers `text_out`. Packets: "SA", "PA 512". Others: what happened, without the host. */
const char *ptk_sim_timeline_packet(const ptk_sim_trace_entry_t *entry, char *text_out, size_t bytes);
const char *ptk_sim_timeline_describe(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry,
                                   char *text_out, size_t bytes);
const char *ptk_sim_timeline_ms(uint64_t ns, char *text_out, size_t bytes);

/* A moment, in ms since the trace began. */
const char *ptk_sim_timeline_at(const ptk_sim_timeline_t *timeline, uint64_t at_ns, char *text_out,
                                size_t bytes);
