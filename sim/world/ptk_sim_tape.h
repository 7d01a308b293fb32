/* SPDX-License-Identifier: MIT */
/*
 * A tape: the decisions of a run that were not benign (layer 5).
 *
 * An entry is keyed by its site and by how many decisions that site had before it. So an entry that is taken
 * out turns one decision benign and leaves the meaning of the others alone, as far as the program lets it.
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
    uint32_t count;  /* how many answers there were */
} ptk_sim_tape_entry_t;

typedef struct ptk_sim_tape {
    ptk_sim_tape_entry_t *entries;
    size_t count;
    size_t capacity;
    bool is_sorted; /* strictly, by site and then occurrence */
} ptk_sim_tape_t;

/* Why a text is no tape. */
typedef struct ptk_sim_tape_error {
    size_t line; /* from 1 */
    const char *reason;
} ptk_sim_tape_error_t;

void ptk_sim_tape_init(ptk_sim_tape_t *tape);
void ptk_sim_tape_fini(ptk_sim_tape_t *tape);

/* An entry more, at the end. */
void ptk_sim_tape_append(ptk_sim_tape_t *tape, const ptk_sim_tape_entry_t *entry);

/* No entries; the room stays. */
void ptk_sim_tape_clear(ptk_sim_tape_t *tape);

/* `tape`, which has been initialised, becomes the same as `from`. */
void ptk_sim_tape_copy(ptk_sim_tape_t *tape, const ptk_sim_tape_t *from);

/* By site, then by occurrence: the order that a tape is looked up and replayed in. */
void ptk_sim_tape_sort(ptk_sim_tape_t *tape);

/* The first entry of a sorted tape at or behind (site, occurrence); tape->count: none. */
size_t ptk_sim_tape_seek(const ptk_sim_tape_t *tape, uint32_t site, uint64_t occurrence);

/* The answer that a sorted tape has; 0: nothing. */
uint32_t ptk_sim_tape_value(const ptk_sim_tape_t *tape, uint32_t site, uint64_t occurrence);

/* The same entries in the same order? */
bool ptk_sim_tape_equal(const ptk_sim_tape_t *one, const ptk_sim_tape_t *other);

/* As text: a line `ptk-tape 1`, then a line `site occurrence answer count` per entry, in decimal. */
void ptk_sim_tape_write(const ptk_sim_tape_t *tape, const ptk_sim_writer_t *writer);

/* And back, sorted, into `tape`, which has been initialised. Empty lines, and lines that begin with #, are
   skipped. False: it is no tape, `error_out` says why, and `tape` is empty. */
bool ptk_sim_tape_parse(ptk_sim_tape_t *tape, const char *text, size_t bytes,
                        ptk_sim_tape_error_t *error_out);
