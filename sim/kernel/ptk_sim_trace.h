/* SPDX-License-Identifier: MIT */
/*
 * What happened in a run (layer 0): a 128-bit hash of every event in order, and a log of them if one is
 * wanted.
 *
 * An event is a kind and some numbers: times, host numbers, ports, lengths, answers. Never a pointer, padding
 * or text, so that the hash is the same on every machine, compiler and address layout. What green threads do
 * follows from the rest: it is in the log alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stable, append only. `host` is the number of the host that it happens on, PTK_SIM_NO_HOST outside any. */
typedef enum ptk_sim_trace_kind {
    PTK_SIM_TRACE_START = 1,    /* a: the seed */
    PTK_SIM_TRACE_CHOICE = 2,   /* a: site, b: count, c: answer; answers other than 0 only */
    PTK_SIM_TRACE_RESUME = 3,   /* the host goes on */
    PTK_SIM_TRACE_SUSPEND = 4,  /* it waits; a: until when */
    PTK_SIM_TRACE_SEND = 5,     /* a packet leaves; a: to host, b: flags << 32 | bytes,
                                   c: the packet's number << 32 | source port << 16 | port */
    PTK_SIM_TRACE_DELIVER = 6,  /* and arrives; a: from host, b and c as sent */
    PTK_SIM_TRACE_DROP = 7,     /* or not; a: from host, b and c as sent */
    PTK_SIM_TRACE_CALL = 8,     /* a system call; a: which, b: descriptor, c: its answer */
    PTK_SIM_TRACE_FAULT = 9,    /* a: which ptk_sim_fault_t, b: the other host, c: for how long */
    PTK_SIM_TRACE_NOTE = 10,    /* the program's own; a and b are its numbers */
    PTK_SIM_TRACE_END = 11,     /* a: why */
    PTK_SIM_TRACE_HOST = 12,    /* a host starts (a: 1) or ends (a: 0; b: its answer) */
    PTK_SIM_TRACE_REFUSED = 13, /* a packet finds nobody; a: from host, b and c as sent */
    PTK_SIM_TRACE_GREEN = 14,   /* a green thread; a: its number, b: the label of its name,
                                   c: a ptk_sim_green_t << 32 | the label of what it waits for, or an error */
} ptk_sim_trace_kind_t;

/* What a green thread does. */
typedef enum ptk_sim_green {
    PTK_SIM_GREEN_BEGINS,
    PTK_SIM_GREEN_RESUMES, /* behind a wait: with its error; else 0 */
    PTK_SIM_GREEN_WAITS,
    PTK_SIM_GREEN_YIELDS,
    PTK_SIM_GREEN_ENDS,
} ptk_sim_green_t;

#define PTK_SIM_NO_HOST UINT32_MAX

typedef struct ptk_sim_trace_entry {
    uint64_t at_ns;
    uint64_t a, b, c;
    uint32_t kind;
    uint32_t host;
} ptk_sim_trace_entry_t;

typedef struct ptk_sim_trace {
    uint64_t hash[2];
    uint64_t count;
    bool keeps; /* the entries too */
    ptk_sim_trace_entry_t *entries;
    size_t capacity;
} ptk_sim_trace_t;

void ptk_sim_trace_init(ptk_sim_trace_t *trace, bool keeps);
void ptk_sim_trace_fini(ptk_sim_trace_t *trace);
void ptk_sim_trace_add(ptk_sim_trace_t *trace, const ptk_sim_trace_entry_t *entry);

/* For the log alone: not in the hash. */
void ptk_sim_trace_add_unhashed(ptk_sim_trace_t *trace, const ptk_sim_trace_entry_t *entry);

/* The first entry in which two kept traces differ; SIZE_MAX if they are the same. */
size_t ptk_sim_trace_difference(const ptk_sim_trace_t *one, const ptk_sim_trace_t *other);
