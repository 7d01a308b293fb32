/* SPDX-License-Identifier: MIT */
/*
 * The trace of a run: a 128-bit hash of every event in order, and the events themselves if they are kept.
 *
 * An entry is a kind and some numbers: times, host numbers, ports, lengths, results. Never a pointer, padding
 * or text, so that the hash is the same on every machine, compiler and address layout. What green threads do
 * and where the run fails follows from the rest: it is stored, and not part of the hash.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Kinds of entries: stable, append only. `host` is the number of the host that the event is on,
   PTK_SIM_NO_HOST outside any. */
typedef enum ptk_sim_trace_kind {
    PTK_SIM_TRACE_START = 1,    /* a: the seed */
    PTK_SIM_TRACE_CHOICE = 2,   /* a: site, b: count, c: value, if it is not 0 */
    PTK_SIM_TRACE_RESUME = 3,   /* the host executes */
    PTK_SIM_TRACE_SUSPEND = 4,  /* the host waits; a: until when */
    PTK_SIM_TRACE_SEND = 5,     /* a packet leaves; a: to host, b: flags << 32 | bytes,
                                   c: the packet's number << 32 | source port << 16 | port */
    PTK_SIM_TRACE_DELIVER = 6,  /* a packet arrives; a: from host, b and c as sent */
    PTK_SIM_TRACE_DROP = 7,     /* a packet is lost; a: from host, b and c as sent */
    PTK_SIM_TRACE_CALL = 8,     /* a system call; a: its number, b: descriptor, c: its result */
    PTK_SIM_TRACE_FAULT = 9,    /* a: ptk_sim_fault_t, b: the other host, c: duration */
    PTK_SIM_TRACE_NOTE = 10,    /* of the program (ptk_sim_note); a and b are its numbers, c: label */
    PTK_SIM_TRACE_END = 11,     /* a: ptk_sim_end_t */
    PTK_SIM_TRACE_HOST = 12,    /* a host starts (a: 1) or ends (a: 0; b: its result) */
    PTK_SIM_TRACE_REFUSED = 13, /* no node or endpoint for a packet; a: from host, b and c as sent */
    PTK_SIM_TRACE_GREEN = 14,   /* a green thread; a: its number, b: the number of its name, c: a
                                   ptk_sim_green_t << 32 | the number of what it waits for, or an error */
    PTK_SIM_TRACE_FAILURE = 15, /* the first failure; a: ptk_sim_end_t, NONE: a crash */
} ptk_sim_trace_kind_t;

/* What a green thread does. */
typedef enum ptk_sim_green {
    PTK_SIM_GREEN_BEGINS,
    PTK_SIM_GREEN_RESUMES, /* after a wait: with its error; else 0 */
    PTK_SIM_GREEN_WAITS,
    PTK_SIM_GREEN_YIELDS,
    PTK_SIM_GREEN_ENDS,
} ptk_sim_green_t;

#define PTK_SIM_NO_HOST UINT32_MAX /* the number of no host */

/* One event. The meaning of a, b and c depends on the kind. */
typedef struct ptk_sim_trace_entry {
    uint64_t at_ns;
    uint64_t a, b, c; /* by kind */
    uint32_t kind;
    uint32_t host;
} ptk_sim_trace_entry_t;

typedef struct ptk_sim_trace {
    uint64_t hash[2];
    uint64_t count; /* entries so far, stored or not */
    bool keeps;     /* entries are stored */
    ptk_sim_trace_entry_t *entries;
    size_t capacity;
} ptk_sim_trace_t;

/* Initialises an empty trace. */
void ptk_sim_trace_init(ptk_sim_trace_t *trace, bool keeps);
void ptk_sim_trace_fini(ptk_sim_trace_t *trace);
/* Adds an entry to the hash, and stores it if the trace keeps entries. */
void ptk_sim_trace_add(ptk_sim_trace_t *trace, const ptk_sim_trace_entry_t *entry);

/* Stores an entry without adding it to the hash. */
void ptk_sim_trace_add_unhashed(ptk_sim_trace_t *trace, const ptk_sim_trace_entry_t *entry);

/* Returns the index of the first entry in which two stored traces differ, SIZE_MAX if they are equal. */
size_t ptk_sim_trace_difference(const ptk_sim_trace_t *one, const ptk_sim_trace_t *other);
