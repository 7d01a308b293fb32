/* SPDX-License-Identifier: MIT */
/*
 * What the text and the page of a timeline have in common (internal).
 */
#pragma once

#include "sim/world/ptk_sim_timeline.h"

#define PTK_SIM_TIMELINE_NONE SIZE_MAX /* no row */

/* An entry of the trace that is drawn, or that the state of something drawn depends on. */
typedef struct ptk_sim_timeline_row {
    const ptk_sim_trace_entry_t *entry;
    size_t partner;   /* of an end: the row of its SEND; of a SEND: its first end; or PTK_SIM_TIMELINE_NONE */
    bool is_lost_now; /* a SEND and its DROP at the same time */
    bool is_shown;    /* within the limit of events */
    uint32_t y;       /* the row's position on the page */
} ptk_sim_timeline_row_t;

typedef struct ptk_sim_timeline_rows {
    const ptk_sim_timeline_t *timeline;
    ptk_sim_timeline_row_t *rows;
    size_t count;
    size_t first_shown; /* the rows before it are beyond the limit */
} ptk_sim_timeline_rows_t;

/* The state of a host as the trace shows it. */
typedef enum ptk_sim_timeline_state {
    PTK_SIM_TIMELINE_ABSENT, /* not started, or ended */
    PTK_SIM_TIMELINE_UP,
    PTK_SIM_TIMELINE_DOWN,   /* crashed */
    PTK_SIM_TIMELINE_PAUSED, /* it executes nothing */
} ptk_sim_timeline_state_t;

/* Selects the entries that are drawn and joins packets to their ends. Free the rows with fini. */
void ptk_sim_timeline_rows_init(ptk_sim_timeline_rows_t *rows, const ptk_sim_timeline_t *timeline,
                                bool shows_all, size_t event_limit);
void ptk_sim_timeline_rows_fini(ptk_sim_timeline_rows_t *rows);

/* Return the sender and the receiver of a packet; PTK_SIM_NO_HOST for a number that no host has. */
uint32_t ptk_sim_timeline_from(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry);
uint32_t ptk_sim_timeline_to(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry);

/* Returns the host that an entry is on, or PTK_SIM_NO_HOST. */
uint32_t ptk_sim_timeline_host(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry);
/* Returns a host's name. */
const char *ptk_sim_timeline_name(const ptk_sim_timeline_t *timeline, uint64_t host);

/* Returns the state of the entry's host after the entry. */
ptk_sim_timeline_state_t ptk_sim_timeline_state(ptk_sim_timeline_state_t before,
                                                const ptk_sim_trace_entry_t *entry);

/* Returns whether an entry is the end of a packet, delivered or not. */
bool ptk_sim_timeline_is_end(const ptk_sim_trace_entry_t *entry);

/* Each writes a text and returns `text_out`. A packet: "SA", "PA 512". Others: what happened, without the
   host. */
const char *ptk_sim_timeline_packet(const ptk_sim_trace_entry_t *entry, char *text_out, size_t bytes);
const char *ptk_sim_timeline_describe(const ptk_sim_timeline_t *timeline, const ptk_sim_trace_entry_t *entry,
                                      char *text_out, size_t bytes);
const char *ptk_sim_timeline_ms(uint64_t ns, char *text_out, size_t bytes);

/* Writes a time, in ms since the trace began. */
const char *ptk_sim_timeline_at(const ptk_sim_timeline_t *timeline, uint64_t at_ns, char *text_out,
                                size_t bytes);
