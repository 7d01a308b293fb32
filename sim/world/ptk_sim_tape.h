/* SPDX-License-Identifier: MIT */
/*
 * A tape: the decisions of a run that were not benign.
 *
 * The key of an entry is its site and how many decisions that site had before it. So removing an entry makes
 * one decision benign and leaves the meaning of the others alone, as far as the program permits.
 */
#pragma once

#include "sim/world/ptk_sim_writer.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ptk_sim_tape_entry {
    uint64_t occurrence; /* which decision of that site, from 0 */
    uint32_t site;
    uint32_t value; /* from 1 to count - 1 */
    uint32_t count; /* how many values there were */
} ptk_sim_tape_entry_t;

typedef struct ptk_sim_tape {
    ptk_sim_tape_entry_t *entries;
    size_t count;
    size_t capacity;
    bool is_sorted; /* strictly, by site and then occurrence */
} ptk_sim_tape_t;

/* Why a text is not a tape. */
typedef struct ptk_sim_tape_error {
    size_t line; /* from 1 */
    const char *reason;
} ptk_sim_tape_error_t;

/* Initialises an empty tape, or frees a tape's memory. */
void ptk_sim_tape_init(ptk_sim_tape_t *tape);
void ptk_sim_tape_fini(ptk_sim_tape_t *tape);

/* Appends an entry. */
void ptk_sim_tape_append(ptk_sim_tape_t *tape, const ptk_sim_tape_entry_t *entry);

/* Removes all entries; the memory is kept. */
void ptk_sim_tape_clear(ptk_sim_tape_t *tape);

/* Makes `tape`, which is initialised, equal to `from`. */
void ptk_sim_tape_copy(ptk_sim_tape_t *tape, const ptk_sim_tape_t *from);

/* Sorts by site and then by occurrence: the order for look-up and replay. */
void ptk_sim_tape_sort(ptk_sim_tape_t *tape);

/* Returns the index of the first entry of a sorted tape at or behind (site, occurrence); tape->count if
   there is none. */
size_t ptk_sim_tape_seek(const ptk_sim_tape_t *tape, uint32_t site, uint64_t occurrence);

/* Returns the value that a sorted tape has for a decision; 0 if it has none. */
uint32_t ptk_sim_tape_value(const ptk_sim_tape_t *tape, uint32_t site, uint64_t occurrence);

/* Returns whether two tapes have the same entries in the same order. */
bool ptk_sim_tape_equal(const ptk_sim_tape_t *one, const ptk_sim_tape_t *other);

/* Writes a tape as text: a line `ptk-tape 1`, then a line `site occurrence value count` per entry, in
   decimal. */
void ptk_sim_tape_write(const ptk_sim_tape_t *tape, const ptk_sim_writer_t *writer);

/* Parses a text into `tape`, which is initialised, and sorts it. Empty lines, and lines that begin with #,
   are skipped. False: it is not a tape, `error_out` has the reason, and `tape` is empty. */
bool ptk_sim_tape_parse(ptk_sim_tape_t *tape, const char *text, size_t bytes,
                        ptk_sim_tape_error_t *error_out);
