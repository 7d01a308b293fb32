/* SPDX-License-Identifier: MIT */
/*
 * Delta debugging (Zeller and Hildebrandt, TSE 2002) over the entries of a tape. An entry that is removed is
 * a benign decision, so every subset of a tape is a tape.
 *
 * A round removes whole sites, then chunks (all entries, halves, quarters, down to single ones), and then
 * lowers the values. Chunks are tried from the end: a chunk that has gone leaves the positions of those
 * before it as they are. Rounds are repeated until one changes nothing, since a lower value may make another
 * entry superfluous. A chunk size is repeated while it removes something only for single entries, where it
 * decides whether the result is minimal.
 *
 * Before that comes a random search. What breaks a program is often a fault or two at the right time, and the
 * many other decisions matter only because they led up to that time: removing them moves it. So the rare
 * decisions, those of sites with few entries, are tried alone, at other occurrences, again and again. If that
 * still fails, all the rest is removed at once. If it does not soon, the rounds come first, and a longer
 * search follows where they have left much.
 *
 * A value is lowered to 1, else by bisection between what passes and what fails, which supposes that higher
 * values fail too; at the end the value one below is known not to fail.
 */
#include "sim/world/ptk_sim_shrink.h"

#include "base/ptk_assert.h"

#define RARE_ENTRIES        4   /* a site with at most this many entries is rare */
#define FIRST_SEARCH_SHARE  256 /* at most one run of this many belongs to the first search */
#define SECOND_SEARCH_SHARE 16  /* at most one run of this many belongs to the second search */

typedef struct shrink_state {
    ptk_sim_shrink_t *shrink;
    ptk_sim_tape_t *tape;     /* the smallest that fails so far */
    ptk_sim_tape_t candidate; /* what is tried */
} shrink_state_t;

/* Returns whether no further run is allowed. */
static bool shrink_is_at_limit(const shrink_state_t *shrink_state) {
    const ptk_sim_shrink_t *shrink = shrink_state->shrink;
    return shrink->runs >= shrink->run_limit || (shrink->is_time_up && shrink->is_time_up(shrink->context));
}

/* Runs the candidate. If it still fails, it becomes the tape. */
static bool shrink_try_candidate(shrink_state_t *shrink_state) {
    if (shrink_is_at_limit(shrink_state)) {
        return false;
    }
    shrink_state->shrink->runs++;
    if (!shrink_state->shrink->still_fails(shrink_state->shrink->context, &shrink_state->candidate)) {
        return false;
    }
    shrink_state->shrink->failures++;
    ptk_sim_tape_t smaller = shrink_state->candidate;
    shrink_state->candidate = *shrink_state->tape;
    *shrink_state->tape = smaller;
    return true;
}

/* Tries the tape without its entries from `begin` to `end`. */
static bool shrink_try_without(shrink_state_t *shrink_state, size_t begin, size_t end) {
    const ptk_sim_tape_t *tape = shrink_state->tape;
    ptk_sim_tape_clear(&shrink_state->candidate);
    for (size_t i = 0; i < tape->count; i++) {
        if (i < begin || i >= end) {
            ptk_sim_tape_append(&shrink_state->candidate, &tape->entries[i]);
        }
    }
    return shrink_try_candidate(shrink_state);
}

/* Tries the tape with another value of one entry. */
static bool shrink_try_value(shrink_state_t *shrink_state, size_t at, uint32_t value) {
    ptk_sim_tape_copy(&shrink_state->candidate, shrink_state->tape);
    shrink_state->candidate.entries[at].value = value;
    return shrink_try_candidate(shrink_state);
}

/* --- removing entries -------------------------------------------------------------------------------- */

/* Returns where the entries of the site of the entry before `end` begin. */
static size_t shrink_site_begin(const ptk_sim_tape_t *tape, size_t end) {
    return ptk_sim_tape_seek(tape, tape->entries[end - 1].site, 0);
}

/* Tries to remove all entries of each site, the last site first. */
static bool shrink_remove_sites(shrink_state_t *shrink_state) {
    bool has_changed = false;
    size_t end = shrink_state->tape->count;
    while (end > 0 && !shrink_is_at_limit(shrink_state)) {
        size_t begin = shrink_site_begin(shrink_state->tape, end);
        has_changed = shrink_try_without(shrink_state, begin, end) || has_changed;
        end = begin;
    }
    return has_changed;
}

/* Tries to remove chunks of `size` entries, the last chunk first. */
static bool shrink_remove_chunks(shrink_state_t *shrink_state, size_t size) {
    bool has_changed = false;
    size_t end = shrink_state->tape->count;
    while (end > 0 && !shrink_is_at_limit(shrink_state)) {
        size_t begin = end > size ? end - size : 0;
        has_changed = shrink_try_without(shrink_state, begin, end) || has_changed;
        end = begin;
    }
    return has_changed;
}

/* Removes what can be removed in one round. Returns whether anything was. */
static bool shrink_remove(shrink_state_t *shrink_state) {
    bool has_changed = shrink_remove_sites(shrink_state);
    for (size_t size = shrink_state->tape->count; size > 1; size = (size + 1) / 2) {
        has_changed = shrink_remove_chunks(shrink_state, size) || has_changed;
    }
    while (shrink_remove_chunks(shrink_state, 1)) {
        has_changed = true;
    }
    return has_changed;
}

/* --- lowering values --------------------------------------------------------------------------------- */

/* Lowers one value as far as the tape still fails. */
static bool shrink_lower_value(shrink_state_t *shrink_state, size_t at) {
    uint32_t first = shrink_state->tape->entries[at].value;
    if (first == 1 || shrink_try_value(shrink_state, at, 1)) {
        return first != 1;
    }
    uint32_t passes = 1;
    uint32_t fails = first;
    while (fails - passes > 1 && !shrink_is_at_limit(shrink_state)) {
        uint32_t middle = passes + (fails - passes) / 2;
        if (shrink_try_value(shrink_state, at, middle)) {
            fails = middle;
        } else {
            passes = middle;
        }
    }
    return fails != first;
}

/* Lowers the values of all entries, one after the other. */
static bool shrink_lower_values(shrink_state_t *shrink_state) {
    bool has_changed = false;
    for (size_t i = 0; i < shrink_state->tape->count && !shrink_is_at_limit(shrink_state); i++) {
        has_changed = shrink_lower_value(shrink_state, i) || has_changed;
    }
    return has_changed;
}

/* --- random search ----------------------------------------------------------------------------------- */

/* Returns how many entries the site of entry `at` has. */
static size_t shrink_site_entries(const ptk_sim_tape_t *tape, size_t at) {
    uint32_t site = tape->entries[at].site;
    return ptk_sim_tape_seek(tape, site + 1, 0) - ptk_sim_tape_seek(tape, site, 0);
}

/* SplitMix64, with a fixed seed: shrinking is deterministic. */
static uint64_t shrink_next_random(uint64_t *state) {
    uint64_t value = *state += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

/* Fills the candidate with the rare decisions of `from`, each at a random occurrence up to twice as late,
   or where it was if `moves` is false. */
static void shrink_keep_rare(ptk_sim_tape_t *candidate, const ptk_sim_tape_t *from, uint64_t *random,
                             bool moves) {
    ptk_sim_tape_clear(candidate);
    for (size_t i = 0; i < from->count; i++) {
        ptk_sim_tape_entry_t entry = from->entries[i];
        if (shrink_site_entries(from, i) > RARE_ENTRIES) {
            continue;
        }
        if (moves && entry.occurrence > RARE_ENTRIES) {
            entry.occurrence = shrink_next_random(random) % (2 * entry.occurrence);
        }
        if (ptk_sim_tape_value(candidate, entry.site, entry.occurrence) == 0) {
            ptk_sim_tape_append(candidate, &entry);
            ptk_sim_tape_sort(candidate);
        }
    }
}

/* Tries rare decisions alone, up to `most` times; first where they were. */
static bool shrink_search_rare(shrink_state_t *shrink_state, uint64_t most) {
    uint64_t random = 0;
    ptk_sim_tape_t from;
    bool found = false;
    ptk_sim_tape_init(&from);
    ptk_sim_tape_copy(&from, shrink_state->tape);
    for (uint64_t i = 0; i < most && !found && !shrink_is_at_limit(shrink_state); i++) {
        shrink_keep_rare(&shrink_state->candidate, &from, &random, i > 0);
        found = shrink_state->candidate.count < from.count && shrink_try_candidate(shrink_state);
    }
    ptk_sim_tape_fini(&from);
    return found;
}

/* --- all of it --------------------------------------------------------------------------------------- */

/* Repeats rounds until one changes nothing. Returns false if the limit came first. */
static bool shrink_minimize(shrink_state_t *shrink_state) {
    bool has_changed = true;
    while (has_changed && !shrink_is_at_limit(shrink_state)) {
        has_changed = shrink_remove(shrink_state);
        has_changed = shrink_lower_values(shrink_state) || has_changed;
    }
    return !has_changed && !shrink_is_at_limit(shrink_state);
}

/* The tape is exchanged with the candidate whenever a run fails, so neither is copied. */
void ptk_sim_shrink(ptk_sim_shrink_t *shrink, ptk_sim_tape_t *tape) {
    shrink_state_t shrink_state = {.shrink = shrink, .tape = tape};
    shrink->runs = 0;
    shrink->failures = 0;
    ptk_sim_tape_sort(tape);
    ptk_sim_tape_init(&shrink_state.candidate);
    (void) shrink_search_rare(&shrink_state, shrink->run_limit / FIRST_SEARCH_SHARE);
    shrink->is_minimal = shrink_minimize(&shrink_state);
    if (tape->count > RARE_ENTRIES &&
        shrink_search_rare(&shrink_state, shrink->run_limit / SECOND_SEARCH_SHARE)) {
        shrink->is_minimal = shrink_minimize(&shrink_state);
    }
    ptk_assert(tape->is_sorted);
    ptk_sim_tape_fini(&shrink_state.candidate);
}
