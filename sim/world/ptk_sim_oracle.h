/* SPDX-License-Identifier: MIT */
/*
 * The oracles of a simulated world (layer 5): who answers its ptk_choice calls, and what they were.
 *
 *     ptk_sim_oracle_t oracle;
 *     ptk_sim_oracle_init_random(&oracle, &(ptk_sim_oracle_options_t) {.seed = 42});
 *     ... run the world under &oracle.oracle ...
 *     ptk_sim_tape_sort(&oracle.recorded);   // what it takes to run it again: init_replay
 *     ptk_sim_oracle_fini(&oracle);
 *
 * Every oracle records each answer that is not 0. The answers at one site depend on the seed, on the site and
 * on how many decisions that site had before, never on other sites.
 */
#pragma once

#include "base/ptk_choice.h"
#include "sim/world/ptk_sim_tape.h"
#include "sim/world/ptk_sim_window.h"

/* As a rate: every answer is as likely as any other, 0 included. */
#define PTK_SIM_RATE_UNIFORM UINT32_MAX

/* As a rate: never 0. */
#define PTK_SIM_RATE_ALWAYS 1000000

#define PTK_SIM_CHANGES_MAX 16

typedef struct ptk_sim_oracle_options {
    uint64_t seed;
    bool has_medium_rates;    /* the same medium rates for every seed, instead of a swarm of mixtures */
    uint32_t changes; /* more than 0: RUN_NEXT and HOST by priorities with so many changes, see the .c */
    uint64_t length;  /* those are spread over so many decisions of each of the two; 0: 1000 */
} ptk_sim_oracle_options_t;

/* What an oracle knows about a site. */
typedef struct ptk_sim_oracle_site {
    uint64_t decisions; /* so far */
    uint64_t random;    /* the state of its own stream */
    size_t cursor;      /* of the replayed tape */
    uint64_t *changes;  /* of priorities: at which decisions, in no order; NULL: this site has none */
    uint32_t site;
    uint32_t rate_ppm; /* how often the answer is not 0, or PTK_SIM_RATE_UNIFORM */
    bool is_known;     /* this place of the table is taken */
    bool is_fault;     /* silent in the calm */
    bool is_primary_fault;      /* other than 0 is a fault of its own, not the size or the target of one */
    bool varies;       /* in a window; else benign there */
    bool is_off;       /* its rate was set to 0: silent, whoever answers */
    bool prefers_last; /* of priorities: the last one goes first */
} ptk_sim_oracle_site_t;

typedef struct ptk_sim_oracle ptk_sim_oracle_t;

typedef void (*ptk_sim_oracle_observer_fn)(void *context, const ptk_sim_tape_entry_t *entry);

struct ptk_sim_oracle {
    ptk_choice_oracle_t oracle;
    ptk_sim_tape_t recorded; /* in order of time; sort it before it is replayed */
    uint64_t decisions;      /* in all */
    bool faults_are_off;
    bool is_faultless;           /* no faults from the beginning; schedules go on as ever */
    ptk_sim_oracle_observer_fn observer_fn; /* of each entry that is recorded; NULL */
    void *observer_context;
    /* The rest is the oracle's own. */
    uint32_t (*decide)(ptk_sim_oracle_t *oracle, ptk_sim_oracle_site_t *state, uint32_t count);
    ptk_sim_oracle_options_t options;
    const ptk_sim_tape_t *replayed;
    ptk_sim_window_t *window;
    const uint8_t *input;
    size_t input_bytes;
    ptk_sim_oracle_site_t *sites; /* a hash table, at most half full */
    size_t site_count;
    size_t site_capacity;
};

/* Pseudo-random answers. */
void ptk_sim_oracle_init_random(ptk_sim_oracle_t *oracle, const ptk_sim_oracle_options_t *options);

/* The answers of a sorted tape, which stays the caller's and stays as it is until fini; 0 where it has none,
   and the last answer there is where it has a higher one. */
void ptk_sim_oracle_init_replay(ptk_sim_oracle_t *oracle, const ptk_sim_tape_t *tape);

/* The answers that a fuzzer's input encodes, 0 behind its end. It stays the caller's. */
void ptk_sim_oracle_init_bytes(ptk_sim_oracle_t *oracle, const uint8_t *input, size_t bytes);

/* Tell of each entry at the moment when it is recorded, and now of those that are already. */
void ptk_sim_oracle_set_observer(ptk_sim_oracle_t *oracle, ptk_sim_oracle_observer_fn observer_fn, void *context);

/* From now on a window answers, whoever did before. It stays the caller's. Values that do no harm in any case
   (a port, a number where a sequence begins) and how long faults last are benign then. */
void ptk_sim_oracle_use_window(ptk_sim_oracle_t *oracle, ptk_sim_window_t *window);

void ptk_sim_oracle_fini(ptk_sim_oracle_t *oracle);

/* From now on faults do not happen (0), whoever answers; schedules go on, by priorities no longer. */
void ptk_sim_oracle_faults_off(ptk_sim_oracle_t *oracle);

/* How often the answer at a site is not 0, in parts per million, or PTK_SIM_RATE_UNIFORM; for random oracles,
   but for 0, which silences the site whoever answers. What is set wins over the swarm; the rate answers what
   holds. */
void ptk_sim_oracle_set_rate(ptk_sim_oracle_t *oracle, uint32_t site, uint32_t rate_ppm);
uint32_t ptk_sim_oracle_rate(ptk_sim_oracle_t *oracle, uint32_t site);

/* Do answers other than 0 at this site harm the program (else they only choose a schedule or a value)? */
bool ptk_sim_site_is_fault(uint32_t site);

/* Its name as in ptk_choice.h and ptk_sim_site.h, without the prefix: "RUN_NEXT", "LOSS". NULL: unknown. */
const char *ptk_sim_site_name(uint32_t site);
