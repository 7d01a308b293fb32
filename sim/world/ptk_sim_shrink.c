/* SPDX-License-Identifier: MIT */
/*
 * Delta debugging (Zeller and Hildebrandt, TSE 2002) over the entries of a tape. An entry that is taken out
 * is a benign decision, so every subset of a tape is a tape.
 *
 * A round goes: take out whole sites; take out chunks, first all entries, then halves, quarters, down to
 * single ones; lower the answers. Chunks are tried from the end, since what comes late in a tape that is
 * sorted by site was not needed any less often, and a chunk that has gone leaves the places of those before
 * it as they are. Rounds are repeated until one changes nothing: a lower answer may make another entry
 * superfluous. A chunk size is also repeated while it takes something out, but only for single entries, where
 * it decides whether the result is minimal.
 *
 * Before all that comes a leap. What breaks a program is often a fault or two at the right moment, and the
 * many other decisions of the run matter only because they brought that moment about: taken out, they move
 * it. So the rare decisions, those of sites with few entries, are tried alone, at other occurrences, again
 * and again. If that fails too, all the rest was noise. If it does not soon, the rounds come first, and a
 * longer leap follows where they have left much.
 *
 * An answer is lowered to 1, else by bisection between what passes and what fails, which supposes that higher
 * answers fail too; at the end the answer one below is known not to fail.
 */
#include "sim/world/ptk_sim_shrink.h"

#include "base/ptk_assert.h"

#define RARE_ENTRIES     4   /* of a site: as many as that are rare */
#define FIRST_SEARCH_SHARE 256 /* one of so many runs, at most, goes into the first leap */
#define SECOND_SEARCH_SHARE  16  /* and one of so many into the second */

typedef struct shrink_state {
    ptk_sim_shrink_t *shrink;
    ptk_sim_tape_t *tape;     /* the smallest that fails so far */
    ptk_sim_tape_t candidate; /* what is tried */
} shrink_state_t;

static bool shrink_is_at_limit(const shrink_state_t *shrink_state) {
    const ptk_sim_shrink_t *shrink = shrink_state->shrink;
    return shrink->runs >= shrink->run_limit || (shrink->is_time_up && shrink->is_time_up(shrink->context));
}

/* Ask about the candidate; if it still fails, it is the tape from now on. */
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

static bool shrink_try_value(shrink_state_t *shrink_state, size_t at, uint32_t value) {
    ptk_sim_tape_copy(&shrink_state->candidate, shrink_state->tape);
    shrink_state->candidate.entries[at].value = value;
    return shrink_try_candidate(shrink_state);
}

/* --- taking out -------------------------------------------------------------------------------------- */

/* Where the entries of the site of the entry before `end` begin. */
static size_t shrink_site_begin(const ptk_sim_tape_t *tape, size_t end) {
    return ptk_sim_tape_seek(tape, tape->entries[end - 1].site, 0);
}

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

/* --- lowering ---------------------------------------------------------------------------------------- */

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

static bool shrink_lower_values(shrink_state_t *shrink_state) {
    bool has_changed = false;
    for (size_t i = 0; i < shrink_state->tape->count && !shrink_is_at_limit(shrink_state); i++) {
        has_changed = shrink_lower_value(shrink_state, i) || has_changed;
    }
    return has_changed;
}

/* --- the leap --- */

static size_t shrink_site_entries(const ptk_sim_tape_t *tape, size_t at) {
    uint32_t site = tape->entries[at].site;
    return ptk_sim_tape_seek(tape, site + 1, 0) - ptk_sim_tape_seek(tape, site, 0);
}

/* SplitMix64. */
static uint64_t shrink_next_random(uint64_t *state) {
    uint64_t value = *state += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

/* The rare decisions of `from`, each at some occurrence up to twice as late; the first time where they were.
 */
static void shrink_keep_rare(ptk_sim_tape_t *candidate, const ptk_sim_tape_t *from, uint64_t *random, bool moves) {
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

/* --- both ---------------------------------------------------------------------------------------- */

/* Rounds until one changes nothing; false: the limit came first. */
static bool shrink_minimize(shrink_state_t *shrink_state) {
    bool has_changed = true;
    while (has_changed && !shrink_is_at_limit(shrink_state)) {
        has_changed = shrink_remove(shrink_state);
        has_changed = shrink_lower_values(shrink_state) || has_changed;
    }
    return !has_changed && !shrink_is_at_limit(shrink_state);
}

void ptk_sim_shrink(ptk_sim_shrink_t *shrink, ptk_sim_tape_t *tape) {
    shrink_state_t shrink_state = {.shrink = shrink, .tape = tape};
    shrink->runs = 0;
    shrink->failures = 0;
    ptk_sim_tape_sort(tape);
    ptk_sim_tape_init(&shrink_state.candidate);
    (void) shrink_search_rare(&shrink_state, shrink->run_limit / FIRST_SEARCH_SHARE);
    shrink->is_minimal = shrink_minimize(&shrink_state);
    if (tape->count > RARE_ENTRIES && shrink_search_rare(&shrink_state, shrink->run_limit / SECOND_SEARCH_SHARE)) {
        shrink->is_minimal = shrink_minimize(&shrink_state);
    }
    ptk_assert(tape->is_sorted);
    ptk_sim_tape_fini(&shrink_state.candidate);
}
