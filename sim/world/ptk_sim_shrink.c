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
#define SHORT_LEAP_SHARE 256 /* one of so many runs, at most, goes into the first leap */
#define LONG_LEAP_SHARE  16  /* and one of so many into the second */

typedef struct work {
    ptk_sim_shrink_t *shrink;
    ptk_sim_tape_t *tape;     /* the smallest that fails so far */
    ptk_sim_tape_t candidate; /* what is tried */
} work_t;

static bool is_at_limit(const work_t *work) {
    const ptk_sim_shrink_t *shrink = work->shrink;
    return shrink->runs >= shrink->run_limit || (shrink->is_time_up && shrink->is_time_up(shrink->context));
}

/* Ask about the candidate; if it still fails, it is the tape from now on. */
static bool try_candidate(work_t *work) {
    if (is_at_limit(work)) {
        return false;
    }
    work->shrink->runs++;
    if (!work->shrink->still_fails(work->shrink->context, &work->candidate)) {
        return false;
    }
    work->shrink->failures++;
    ptk_sim_tape_t smaller = work->candidate;
    work->candidate = *work->tape;
    *work->tape = smaller;
    return true;
}

static bool try_without(work_t *work, size_t begin, size_t end) {
    const ptk_sim_tape_t *tape = work->tape;
    ptk_sim_tape_clear(&work->candidate);
    for (size_t i = 0; i < tape->count; i++) {
        if (i < begin || i >= end) {
            ptk_sim_tape_append(&work->candidate, &tape->entries[i]);
        }
    }
    return try_candidate(work);
}

static bool try_answer(work_t *work, size_t at, uint32_t answer) {
    ptk_sim_tape_copy(&work->candidate, work->tape);
    work->candidate.entries[at].answer = answer;
    return try_candidate(work);
}

/* --- taking out -------------------------------------------------------------------------------------- */

/* Where the entries of the site of the entry before `end` begin. */
static size_t site_begin(const ptk_sim_tape_t *tape, size_t end) {
    return ptk_sim_tape_seek(tape, tape->entries[end - 1].site, 0);
}

static bool take_out_sites(work_t *work) {
    bool has_changed = false;
    size_t end = work->tape->count;
    while (end > 0 && !is_at_limit(work)) {
        size_t begin = site_begin(work->tape, end);
        has_changed = try_without(work, begin, end) || has_changed;
        end = begin;
    }
    return has_changed;
}

static bool take_out_chunks(work_t *work, size_t size) {
    bool has_changed = false;
    size_t end = work->tape->count;
    while (end > 0 && !is_at_limit(work)) {
        size_t begin = end > size ? end - size : 0;
        has_changed = try_without(work, begin, end) || has_changed;
        end = begin;
    }
    return has_changed;
}

static bool take_out(work_t *work) {
    bool has_changed = take_out_sites(work);
    for (size_t size = work->tape->count; size > 1; size = (size + 1) / 2) {
        has_changed = take_out_chunks(work, size) || has_changed;
    }
    while (take_out_chunks(work, 1)) {
        has_changed = true;
    }
    return has_changed;
}

/* --- lowering ---------------------------------------------------------------------------------------- */

static bool lower(work_t *work, size_t at) {
    uint32_t first = work->tape->entries[at].answer;
    if (first == 1 || try_answer(work, at, 1)) {
        return first != 1;
    }
    uint32_t passes = 1;
    uint32_t fails = first;
    while (fails - passes > 1 && !is_at_limit(work)) {
        uint32_t middle = passes + (fails - passes) / 2;
        if (try_answer(work, at, middle)) {
            fails = middle;
        } else {
            passes = middle;
        }
    }
    return fails != first;
}

static bool lower_all(work_t *work) {
    bool has_changed = false;
    for (size_t i = 0; i < work->tape->count && !is_at_limit(work); i++) {
        has_changed = lower(work, i) || has_changed;
    }
    return has_changed;
}

/* --- the leap --- */

static size_t entries_of_site(const ptk_sim_tape_t *tape, size_t at) {
    uint32_t site = tape->entries[at].site;
    return ptk_sim_tape_seek(tape, site + 1, 0) - ptk_sim_tape_seek(tape, site, 0);
}

/* SplitMix64. */
static uint64_t next_random(uint64_t *state) {
    uint64_t value = *state += UINT64_C(0x9E3779B97F4A7C15);
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

/* The rare decisions of `from`, each at some occurrence up to twice as late; the first time where they were.
 */
static void transplant(ptk_sim_tape_t *candidate, const ptk_sim_tape_t *from, uint64_t *random, bool moves) {
    ptk_sim_tape_clear(candidate);
    for (size_t i = 0; i < from->count; i++) {
        ptk_sim_tape_entry_t entry = from->entries[i];
        if (entries_of_site(from, i) > RARE_ENTRIES) {
            continue;
        }
        if (moves && entry.occurrence > RARE_ENTRIES) {
            entry.occurrence = next_random(random) % (2 * entry.occurrence);
        }
        if (ptk_sim_tape_answer(candidate, entry.site, entry.occurrence) == 0) {
            ptk_sim_tape_append(candidate, &entry);
            ptk_sim_tape_sort(candidate);
        }
    }
}

static bool leap(work_t *work, uint64_t most) {
    uint64_t random = 0;
    ptk_sim_tape_t from;
    bool leapt = false;
    ptk_sim_tape_init(&from);
    ptk_sim_tape_copy(&from, work->tape);
    for (uint64_t i = 0; i < most && !leapt && !is_at_limit(work); i++) {
        transplant(&work->candidate, &from, &random, i > 0);
        leapt = work->candidate.count < from.count && try_candidate(work);
    }
    ptk_sim_tape_fini(&from);
    return leapt;
}

/* --- both ---------------------------------------------------------------------------------------- */

/* Rounds until one changes nothing; false: the limit came first. */
static bool minimize(work_t *work) {
    bool has_changed = true;
    while (has_changed && !is_at_limit(work)) {
        has_changed = take_out(work);
        has_changed = lower_all(work) || has_changed;
    }
    return !has_changed && !is_at_limit(work);
}

void ptk_sim_shrink(ptk_sim_shrink_t *shrink, ptk_sim_tape_t *tape) {
    work_t work = {.shrink = shrink, .tape = tape};
    shrink->runs = 0;
    shrink->failures = 0;
    ptk_sim_tape_sort(tape);
    ptk_sim_tape_init(&work.candidate);
    (void) leap(&work, shrink->run_limit / SHORT_LEAP_SHARE);
    shrink->is_minimal = minimize(&work);
    if (tape->count > RARE_ENTRIES && leap(&work, shrink->run_limit / LONG_LEAP_SHARE)) {
        shrink->is_minimal = minimize(&work);
    }
    ptk_assert(tape->is_sorted);
    ptk_sim_tape_fini(&work.candidate);
}
