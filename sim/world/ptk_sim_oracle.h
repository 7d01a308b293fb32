/* SPDX-License-Identifier: MIT */
/*
 * The oracles of a simulated world: they decide its ptk_choice calls, and record the decisions.
 *
 *     ptk_sim_oracle_t oracle;
 *     ptk_sim_oracle_init_random(&oracle, &(ptk_sim_oracle_options_t) {.seed = 42});
 *     ... run the world under &oracle.oracle ...
 *     ptk_sim_tape_sort(&oracle.recorded);   // what it takes to run it again: init_replay
 *     ptk_sim_oracle_fini(&oracle);
 *
 * Every oracle records each decision that is not 0. The decisions at one site depend on the seed, on the site
 * and on how many decisions that site had before, never on other sites.
 */
#pragma once

#include "base/ptk_choice.h"
#include "sim/world/ptk_sim_tape.h"
#include "sim/world/ptk_sim_window.h"

/* As a rate: every value is as likely as any other, 0 included. */
#define PTK_SIM_RATE_UNIFORM UINT32_MAX

/* As a rate: never 0. */
#define PTK_SIM_RATE_ALWAYS 1000000

/* The most changes of priority. */
#define PTK_SIM_CHANGES_MAX 16

typedef struct ptk_sim_oracle_options {
    uint64_t seed;
    bool has_medium_rates; /* the same medium rates for every seed, instead of a swarm of mixtures */
    uint32_t changes; /* more than 0: RUN_NEXT and HOST by priorities with this many changes, see the .c */
    uint64_t length;  /* the changes are spread over this many decisions of each of the two; 0: 1000 */
} ptk_sim_oracle_options_t;

/* The state of a site. */
typedef struct ptk_sim_oracle_site {
    uint64_t decisions; /* so far */
    uint64_t random;    /* the state of its own stream */
    size_t cursor;      /* of the replayed tape */
    uint64_t *changes;  /* of priorities: at which decisions, in no order; NULL: this site has none */
    uint32_t site;
    uint32_t rate_ppm;     /* how often the value is not 0, or PTK_SIM_RATE_UNIFORM */
    bool is_known;         /* this slot of the table is taken */
    bool is_fault;         /* benign while faults are off */
    bool is_primary_fault; /* other than 0 is a fault of its own, not the size or the target of one */
    bool varies;           /* a window tries its last value; else it is benign there */
    bool is_off;           /* its rate was set to 0: benign in every oracle */
    bool prefers_last;     /* of priorities: the newest candidate comes first */
} ptk_sim_oracle_site_t;

typedef struct ptk_sim_oracle ptk_sim_oracle_t;

/* Receives each decision that is recorded. */
typedef void (*ptk_sim_oracle_observer_fn)(void *context, const ptk_sim_tape_entry_t *entry);

/* An oracle. One function, `decide`, distinguishes the kinds; the record, the rates and the switches for
   faults are common to all of them. */
struct ptk_sim_oracle {
    ptk_choice_oracle_t oracle;             /* for thread blocks: it decides their ptk_choice calls */
    ptk_sim_tape_t recorded;                /* in the order of time; sort it before it is replayed */
    uint64_t decisions;                     /* in all */
    bool faults_are_off;                    /* since ptk_sim_oracle_faults_off() */
    bool is_faultless;                      /* faults are off from the beginning; schedules vary as ever */
    ptk_sim_oracle_observer_fn observer_fn; /* NULL: none */
    void *observer_context;
    /* Private. */
    uint32_t (*decide)(ptk_sim_oracle_t *oracle, ptk_sim_oracle_site_t *state, uint32_t count);
    ptk_sim_oracle_options_t options;
    const ptk_sim_tape_t *replayed; /* NULL: decides otherwise */
    ptk_sim_window_t *window;       /* NULL: decides otherwise */
    const uint8_t *input;           /* what is left of a fuzzer's input */
    size_t input_bytes;
    ptk_sim_oracle_site_t *sites; /* a hash table, at most half full */
    size_t site_count;
    size_t site_capacity;
};

/* Initialises an oracle that decides pseudo-randomly. */
void ptk_sim_oracle_init_random(ptk_sim_oracle_t *oracle, const ptk_sim_oracle_options_t *options);

/* Initialises an oracle that decides as a sorted tape does. The tape stays the caller's and unchanged until
   fini. Where it has no entry, the decision is 0; where its value is too high, the highest one. */
void ptk_sim_oracle_init_replay(ptk_sim_oracle_t *oracle, const ptk_sim_tape_t *tape);

/* Initialises an oracle that decides by a fuzzer's input, and 0 behind its end. The input stays the
   caller's. */
void ptk_sim_oracle_init_bytes(ptk_sim_oracle_t *oracle, const uint8_t *input, size_t bytes);

/* Reports each decision to `observer_fn` when it is recorded, and now those that are recorded already. */
void ptk_sim_oracle_set_observer(ptk_sim_oracle_t *oracle, ptk_sim_oracle_observer_fn observer_fn,
                                 void *context);

/* Decides by a window from now on. The window stays the caller's. Values that do no harm in any case (a
   port, an initial sequence number) and how long faults last are benign then. */
void ptk_sim_oracle_use_window(ptk_sim_oracle_t *oracle, ptk_sim_window_t *window);

/* Frees the oracle's memory and its record. */
void ptk_sim_oracle_fini(ptk_sim_oracle_t *oracle);

/* Decides 0 at fault sites from now on, in every oracle; schedules vary as before, though not by
   priorities. */
void ptk_sim_oracle_faults_off(ptk_sim_oracle_t *oracle);

/* Sets how often the value at a site is not 0, in parts per million, or PTK_SIM_RATE_UNIFORM. It applies to
   random oracles; but 0 makes the site benign in any oracle. What is set has precedence over the swarm, and
   the second function returns the rate that holds. */
void ptk_sim_oracle_set_rate(ptk_sim_oracle_t *oracle, uint32_t site, uint32_t rate_ppm);
uint32_t ptk_sim_oracle_rate(ptk_sim_oracle_t *oracle, uint32_t site);

/* Returns whether values other than 0 at this site harm the program; else they only choose a schedule or a
   value. */
bool ptk_sim_site_is_fault(uint32_t site);

/* Returns the name as in ptk_choice.h and ptk_sim_site.h, without the prefix ("RUN_NEXT", "LOSS"), or NULL.
 */
const char *ptk_sim_site_name(uint32_t site);
