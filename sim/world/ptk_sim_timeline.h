/* SPDX-License-Identifier: MIT */
/*
 * The timeline of a run: hosts side by side, time downwards, packets as arrows between them.
 *
 * As text, for terminals and reports; and as one HTML page that contains everything, loads nothing and runs
 * no script.
 */
#pragma once

#include "sim/kernel/ptk_sim_trace.h"
#include "sim/world/ptk_sim_writer.h"

/* The flags of a TCP packet, as on the wire. */
enum {
    PTK_SIM_FLAG_FIN = 1,
    PTK_SIM_FLAG_SYN = 2,
    PTK_SIM_FLAG_RST = 4,
    PTK_SIM_FLAG_PSH = 8,
    PTK_SIM_FLAG_ACK = 16,
    PTK_SIM_FLAG_URG = 32,
};

/* The text has suspensions, system calls and decisions too. */
#define PTK_SIM_TIMELINE_ALL 0x01u

/* What is drawn. All pointers stay the caller's. */
typedef struct ptk_sim_timeline {
    const ptk_sim_trace_t *trace; /* a trace that keeps its entries */
    const char *const *hosts;     /* the hosts' names */
    uint32_t host_count;
    uint32_t flags;            /* PTK_SIM_TIMELINE_ALL */
    const char *const *labels; /* of notes: that of number 1 (the entry's c) first; NULL: none */
    size_t label_count;
    char *const *green_strings; /* names of green threads, and what they wait for, by number from 1 on */
    size_t green_string_count;
    const char *title;   /* NULL: none */
    const char *failure; /* what went wrong; NULL: nothing */
    size_t event_limit;  /* the most events shown, the last ones; 0: all of them as text, 1000 on a page */
} ptk_sim_timeline_t;

/* Each draws a timeline. Times are shown since the first entry of the trace. All texts are taken as UTF-8,
   and may contain anything. */
void ptk_sim_timeline_text(const ptk_sim_timeline_t *timeline, const ptk_sim_writer_t *writer);
void ptk_sim_timeline_html(const ptk_sim_timeline_t *timeline, const ptk_sim_writer_t *writer);
