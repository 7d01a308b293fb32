/* SPDX-License-Identifier: MIT */
/*
 * Each site has a stream of pseudo-random numbers of its own (SplitMix64, started from a mixture of seed and
 * site), so one more decision at one site does not shift the values at any other: a changed program, or a
 * tape with one entry less, still has mostly the same world.
 *
 * A site is one of several kinds. *Schedule* sites choose an order or a value that does no harm, uniformly.
 * *Fault* sites are benign most of the time; their values are other than 0 at a rate, and then uniform. The
 * *sizes* of faults (how long a pause lasts) and their *targets* (which host) are uniform faults: they are
 * decided only when the fault happens. Sites from 1000 on belong to programs and are schedules; from 2^20 on
 * there is one for each link with a rate of loss of its own.
 *
 * Swarm testing (Groce et al., ISSTA 2012): a run with all faults at once hides the bugs that need much of
 * one fault and nothing of another. So the seed switches each fault site off with probability 1/2, or gives
 * it a rate between its bounds, uniform among the halvings of the upper one; and it makes each schedule site
 * quiet in a quarter of the seeds.
 *
 * Priorities: PCT (Burckhardt et al., ASPLOS 2010) runs the runnable thread of the highest priority, and
 * lowers priorities at d decisions drawn from an estimated length k; it finds a bug of depth d with a
 * probability that has a lower bound. An oracle sees how many candidates there are and not which, so this is
 * an approximation without that bound: between two changes it always takes the oldest candidate (0) or always
 * the newest (count - 1), and a change swaps the two. As in PCT, the candidates at the other end starve until
 * a change; that finds bugs that uniform, fair choices do not. Beyond k decisions and with faults off it
 * takes the oldest, so that no candidate starves for ever.
 *
 * A fuzzer's input: a schedule site takes one byte, or two for more than 256 values, modulo the count. A
 * fault site takes a byte that decides whether it happens (above 239), and if it has a choice then, another
 * one or two. So an input of zeros is a benign run, and a changed byte is a changed decision.
 */
#include "sim/world/ptk_sim_oracle.h"

#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"

#define ORACLE_FIRST_CAPACITY 64   /* a power of two */
#define DEFAULT_PCT_LENGTH    1000 /* decisions that the priority changes are spread over */
#define INPUT_FAULT_BYTE      240  /* a byte of the input from this on is a fault */
/* separates the swarm's streams from those of the decisions */
#define SWARM_SALT         UINT64_C(0x5357A124)
#define QUIET_SCHEDULE_PPM 10000 /* the rate of a quiet schedule site */
#define SPLITMIX_GAMMA     UINT64_C(0x9E3779B97F4A7C15)

typedef enum site_kind {
    SCHEDULE, /* uniform; at the lower rate in seeds in which it is quiet */
    VALUE,    /* uniform in every seed */
    FAULT,    /* at a rate */
    SIZE,     /* of a fault: uniform */
    TARGET,   /* of a fault: uniform */
} site_kind_t;

/* The fixed properties of a site. The bounds are those of its rate. */
typedef struct traits {
    uint32_t site;
    site_kind_t site_kind;
    uint32_t lower_ppm; /* of a quiet schedule, or the least of a fault */
    uint32_t upper_ppm; /* the highest of a fault */
    const char *name;   /* without prefix */
} traits_t;

#define SITE_ROW(prefix, name, site_kind, lower, upper) {prefix##name, site_kind, lower, upper, #name}

/* The built-in sites. Their rates are part of what a seed means: a change changes every run. */
static const traits_t site_table[] = {
    SITE_ROW(PTK_CHOICE_, RUN_NEXT, SCHEDULE, 0, 0),
    SITE_ROW(PTK_CHOICE_, BATCH_END, SCHEDULE, QUIET_SCHEDULE_PPM, 0),
    SITE_ROW(PTK_CHOICE_, EVENT_ORDER, SCHEDULE, QUIET_SCHEDULE_PPM, 0),
    SITE_ROW(PTK_CHOICE_, TICK, SCHEDULE, QUIET_SCHEDULE_PPM, 0),
    SITE_ROW(PTK_SIM_SITE_, HOST, SCHEDULE, QUIET_SCHEDULE_PPM, 0),
    SITE_ROW(PTK_SIM_SITE_, LATENCY, SCHEDULE, QUIET_SCHEDULE_PPM, 0),
    SITE_ROW(PTK_SIM_SITE_, LOSS, FAULT, 1000, 200000),
    SITE_ROW(PTK_SIM_SITE_, DUPLICATE, FAULT, 1000, 100000),
    SITE_ROW(PTK_SIM_SITE_, SEGMENT, SCHEDULE, QUIET_SCHEDULE_PPM, 0),
    SITE_ROW(PTK_SIM_SITE_, SHORT_SEND, FAULT, 5000, 500000),
    SITE_ROW(PTK_SIM_SITE_, PARTITION, FAULT, 100, 5000),
    SITE_ROW(PTK_SIM_SITE_, PARTITION_TIME, SIZE, 0, 0),
    SITE_ROW(PTK_SIM_SITE_, CRASH, FAULT, 50, 2000),
    SITE_ROW(PTK_SIM_SITE_, RESTART_TIME, SIZE, 0, 0),
    SITE_ROW(PTK_SIM_SITE_, PAUSE, FAULT, 100, 10000),
    SITE_ROW(PTK_SIM_SITE_, PAUSE_TIME, SIZE, 0, 0),
    SITE_ROW(PTK_SIM_SITE_, SPURIOUS, FAULT, 1000, 200000),
    SITE_ROW(PTK_SIM_SITE_, EARLY, FAULT, 1000, 200000),
    SITE_ROW(PTK_SIM_SITE_, BATCH, SCHEDULE, QUIET_SCHEDULE_PPM, 0),
    SITE_ROW(PTK_SIM_SITE_, READY_ORDER, SCHEDULE, QUIET_SCHEDULE_PPM, 0),
    SITE_ROW(PTK_SIM_SITE_, EINTR, FAULT, 1000, 300000),
    SITE_ROW(PTK_SIM_SITE_, NO_MEMORY, FAULT, 50, 2000),
    SITE_ROW(PTK_SIM_SITE_, NO_RESOURCES, FAULT, 50, 5000),
    SITE_ROW(PTK_SIM_SITE_, INITIAL_SEQUENCE, VALUE, 0, 0),
    SITE_ROW(PTK_SIM_SITE_, PORT, VALUE, 0, 0),
    SITE_ROW(PTK_SIM_SITE_, RANDOM, VALUE, 0, 0),
    SITE_ROW(PTK_SIM_SITE_, SHORT_RECV, FAULT, 5000, 500000),
    SITE_ROW(PTK_SIM_SITE_, CLOCK_STEP, FAULT, 100, 10000),
    SITE_ROW(PTK_SIM_SITE_, REORDER, FAULT, 1000, 200000),
    SITE_ROW(PTK_SIM_SITE_, ACCEPT_ERROR, FAULT, 1000, 50000),
    SITE_ROW(PTK_SIM_SITE_, FAULT_HOST, TARGET, 0, 0),
    SITE_ROW(PTK_SIM_SITE_, PLATFORM, VALUE, 0, 0),
};
/* clang-format on */

static const traits_t user_traits = {.site_kind = VALUE};
static const traits_t link_traits = {0, FAULT, 1, 1,
                                     "LINK_LOSS"}; /* the rate of each is set when it is created */
static const traits_t other_traits = {.site_kind = FAULT, .lower_ppm = 100, .upper_ppm = 10000};

/* Returns the traits of a site, those of its range, or those of an unknown site. */
static const traits_t *traits_of(uint32_t site) {
    for (size_t i = 0; i < sizeof site_table / sizeof *site_table; i++) {
        if (site_table[i].site == site) {
            return &site_table[i];
        }
    }
    if (site >= PTK_SIM_SITE_LINK_LOSS) {
        return &link_traits;
    }
    return site >= PTK_SIM_SITE_USER ? &user_traits : &other_traits;
}

const char *ptk_sim_site_name(uint32_t site) {
    return traits_of(site)->name;
}

bool ptk_sim_site_is_fault(uint32_t site) {
    site_kind_t site_kind = traits_of(site)->site_kind;
    return site_kind == FAULT || site_kind == SIZE || site_kind == TARGET;
}

/* Returns whether a window tries other values than the benign one at this site. */
static bool oracle_site_varies(uint32_t site) {
    const traits_t *traits = traits_of(site);
    return (traits->site_kind != VALUE && traits->site_kind != SIZE) || traits == &user_traits;
}

/* --- pseudo-random numbers --------------------------------------------------------------------------- */

/* The finishing function of SplitMix64. */
static uint64_t oracle_mix(uint64_t value) {
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

/* Returns the initial state of a stream. */
static uint64_t oracle_stream_start(uint64_t seed, uint64_t salt, uint32_t site) {
    return oracle_mix(oracle_mix(seed + SPLITMIX_GAMMA) ^ oracle_mix((salt << 32 | site) + SPLITMIX_GAMMA));
}

/* Returns the next number of a stream. */
static uint32_t oracle_next_random(uint64_t *state) {
    *state += SPLITMIX_GAMMA;
    return (uint32_t) (oracle_mix(*state) >> 32);
}

/* Returns a number below `limit`, each as likely as any other (Lemire, TOMACS 2019). */
static uint32_t random_below(uint64_t *state, uint32_t limit) {
    uint64_t product = (uint64_t) oracle_next_random(state) * limit;
    if ((uint32_t) product < limit) {
        uint32_t unfair = (uint32_t) -limit % limit;
        while ((uint32_t) product < unfair) {
            product = (uint64_t) oracle_next_random(state) * limit;
        }
    }
    return (uint32_t) (product >> 32);
}

/* --- rates ------------------------------------------------------------------------------------------- */

/* Returns how often the upper bound can be halved without falling below the lower one. */
static uint32_t halvings(const traits_t *traits) {
    uint32_t count = 0;
    while (traits->upper_ppm >> (count + 1) >= traits->lower_ppm) {
        count++;
    }
    return count;
}

/* Draws a fault site's rate: off in half of the seeds. */
static uint32_t oracle_fault_rate(const traits_t *traits, const ptk_sim_oracle_options_t *options,
                                  uint64_t *swarm) {
    if (options->has_medium_rates) {
        return traits->upper_ppm >> halvings(traits) / 2;
    }
    bool is_off = random_below(swarm, 2) == 0;
    return is_off ? 0 : traits->upper_ppm >> random_below(swarm, halvings(traits) + 1);
}

/* Draws a site's rate from the seed. */
static uint32_t oracle_default_rate(uint32_t site, const ptk_sim_oracle_options_t *options) {
    const traits_t *traits = traits_of(site);
    uint64_t swarm = oracle_stream_start(options->seed, SWARM_SALT, site);
    if (traits->site_kind == FAULT) {
        return oracle_fault_rate(traits, options, &swarm);
    }
    bool faults_are_off =
        traits->site_kind == SCHEDULE && !options->has_medium_rates && random_below(&swarm, 4) == 0;
    return faults_are_off ? traits->lower_ppm : PTK_SIM_RATE_UNIFORM;
}

/* --- sites ------------------------------------------------------------------------------------------- */

/* Returns the slot that holds a site, or the free one where it is to be inserted. */
static ptk_sim_oracle_site_t *oracle_site_slot(const ptk_sim_oracle_t *oracle, uint32_t site) {
    size_t mask = oracle->site_capacity - 1;
    size_t at = (size_t) (oracle_mix(site) & mask);
    while (oracle->sites[at].is_known && oracle->sites[at].site != site) {
        at = (at + 1) & mask;
    }
    return &oracle->sites[at];
}

/* Doubles the table of sites. */
static void oracle_grow_sites(ptk_sim_oracle_t *oracle) {
    ptk_sim_oracle_site_t *old = oracle->sites;
    size_t old_capacity = oracle->site_capacity;
    oracle->site_capacity *= 2;
    oracle->sites = ptk_sim_allocate(oracle->site_capacity * sizeof *old);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].is_known) {
            *oracle_site_slot(oracle, old[i].site) = old[i];
        }
    }
    ptk_sim_free(old);
}

/* Draws a decision at which priorities change, below `length`. */
static uint64_t oracle_draw_change(uint64_t *state, uint64_t length) {
    uint64_t high = oracle_next_random(state);
    return (high << 32 | oracle_next_random(state)) % length;
}

/* Draws the changes of a site that schedules by priorities. */
static void oracle_draw_priorities(const ptk_sim_oracle_options_t *options, ptk_sim_oracle_site_t *state) {
    state->changes = ptk_sim_allocate(options->changes * sizeof *state->changes);
    for (uint32_t i = 0; i < options->changes; i++) {
        state->changes[i] = oracle_draw_change(&state->random, options->length);
    }
    state->prefers_last = random_below(&state->random, 2) == 1;
}

/* Initialises the state of a site at its first decision. */
static void oracle_init_site(ptk_sim_oracle_t *oracle, ptk_sim_oracle_site_t *state, uint32_t site) {
    const ptk_sim_oracle_options_t *options = &oracle->options;
    *state = (ptk_sim_oracle_site_t) {
        .site = site,
        .is_known = true,
        .is_fault = ptk_sim_site_is_fault(site),
        .is_primary_fault = traits_of(site)->site_kind == FAULT,
        .varies = oracle_site_varies(site),
        .random = oracle_stream_start(options->seed, 0, site),
        .rate_ppm = oracle_default_rate(site, options),
        .cursor = oracle->replayed ? ptk_sim_tape_seek(oracle->replayed, site, 0) : 0,
    };
    if (options->changes > 0 && (site == PTK_CHOICE_RUN_NEXT || site == PTK_SIM_SITE_HOST)) {
        oracle_draw_priorities(options, state);
    }
    oracle->site_count++;
}

/* Returns the state of a site, which is created at first use. */
static ptk_sim_oracle_site_t *oracle_site(ptk_sim_oracle_t *oracle, uint32_t site) {
    ptk_sim_oracle_site_t *state = oracle_site_slot(oracle, site);
    if (state->is_known) {
        return state;
    }
    if (2 * (oracle->site_count + 1) > oracle->site_capacity) {
        oracle_grow_sites(oracle);
        state = oracle_site_slot(oracle, site);
    }
    oracle_init_site(oracle, state, site);
    return state;
}

/* --- decisions --------------------------------------------------------------------------------------- */

/* Returns whether priorities change at the site's present decision. */
static bool oracle_is_priority_change(const ptk_sim_oracle_t *oracle, const ptk_sim_oracle_site_t *state) {
    for (uint32_t i = 0; i < oracle->options.changes; i++) {
        if (state->changes[i] == state->decisions) {
            return true;
        }
    }
    return false;
}

/* Takes the newest candidate or the oldest, see the top of this file. */
static uint32_t decide_by_priority(const ptk_sim_oracle_t *oracle, ptk_sim_oracle_site_t *state,
                                   uint32_t count) {
    if (oracle->faults_are_off || state->decisions >= oracle->options.length) {
        return 0;
    }
    if (oracle_is_priority_change(oracle, state)) {
        state->prefers_last = !state->prefers_last;
    }
    return state->prefers_last ? count - 1 : 0;
}

/* Decides by the site's stream and rate. */
static uint32_t decide_random(ptk_sim_oracle_t *oracle, ptk_sim_oracle_site_t *state, uint32_t count) {
    if (state->changes) {
        return decide_by_priority(oracle, state, count);
    }
    if (state->rate_ppm == PTK_SIM_RATE_UNIFORM) {
        return random_below(&state->random, count);
    }
    bool happens = random_below(&state->random, PTK_SIM_RATE_ALWAYS) < state->rate_ppm;
    return happens ? 1 + random_below(&state->random, count - 1) : 0;
}

/* Returns what the tape has for this decision, cut to what is possible now; 0 if it has nothing. */
static uint32_t decide_replayed(ptk_sim_oracle_t *oracle, ptk_sim_oracle_site_t *state, uint32_t count) {
    const ptk_sim_tape_t *tape = oracle->replayed;
    if (state->cursor == tape->count) {
        return 0;
    }
    const ptk_sim_tape_entry_t *entry = &tape->entries[state->cursor];
    if (entry->site != state->site || entry->occurrence != state->decisions) {
        return 0;
    }
    return entry->value < count ? entry->value : count - 1;
}

/* Moves the cursor past the entries of this decision, whether they were used or not. */
static void oracle_skip_entry(const ptk_sim_tape_t *tape, ptk_sim_oracle_site_t *state) {
    while (state->cursor < tape->count && tape->entries[state->cursor].site == state->site &&
           tape->entries[state->cursor].occurrence == state->decisions) {
        state->cursor++;
    }
}

/* Returns the next byte of the input, 0 at its end. */
static uint32_t oracle_take_byte(ptk_sim_oracle_t *oracle) {
    if (oracle->input_bytes == 0) {
        return 0;
    }
    oracle->input_bytes--;
    return *oracle->input++;
}

/* Returns a number below `limit` from as many bytes as it takes. */
static uint32_t oracle_take_below(ptk_sim_oracle_t *oracle, uint32_t limit) {
    uint32_t value = oracle_take_byte(oracle);
    if (limit > 256) {
        value |= oracle_take_byte(oracle) << 8;
    }
    return limit > 65536 ? (uint32_t) ((uint64_t) value * limit >> 16) : value % limit;
}

/* Decides by a fuzzer's input. */
static uint32_t decide_from_bytes(ptk_sim_oracle_t *oracle, ptk_sim_oracle_site_t *state, uint32_t count) {
    if (!state->is_fault) {
        return oracle_take_below(oracle, count);
    }
    if (oracle_take_byte(oracle) < INPUT_FAULT_BYTE) {
        return 0;
    }
    return count > 2 ? 1 + oracle_take_below(oracle, count - 1) : 1;
}

/* Decides by the window; sites that do not vary are benign. */
static uint32_t decide_in_window(ptk_sim_oracle_t *oracle, ptk_sim_oracle_site_t *state, uint32_t count) {
    if (!state->varies) {
        return 0;
    }
    return ptk_sim_window_decide(oracle->window, state->site, state->is_primary_fault, count);
}

/* Records a decision that was not benign, and reports it to the observer. */
static void oracle_record(ptk_sim_oracle_t *oracle, const ptk_sim_oracle_site_t *state, uint32_t value,
                          uint32_t count) {
    ptk_sim_tape_entry_t entry = {
        .occurrence = state->decisions, .site = state->site, .value = value, .count = count};
    ptk_sim_tape_append(&oracle->recorded, &entry);
    if (oracle->observer_fn) {
        oracle->observer_fn(oracle->observer_context, &entry);
    }
}

/* The oracle's entry: every decision of a world comes through here. */
static uint32_t oracle_choose(ptk_choice_oracle_t *base, uint32_t site, uint32_t count) {
    ptk_sim_oracle_t *oracle = ptk_container_of(base, ptk_sim_oracle_t, oracle);
    if (count < 2) {
        return 0;
    }
    ptk_sim_oracle_site_t *state = oracle_site(oracle, site);
    bool is_benign = state->is_off || (state->is_fault && (oracle->faults_are_off || oracle->is_faultless));
    uint32_t value = is_benign ? 0 : oracle->decide(oracle, state, count);
    ptk_assert(value < count);
    if (value > 0) {
        oracle_record(oracle, state, value, count);
    }
    if (oracle->replayed) {
        oracle_skip_entry(oracle->replayed, state);
    }
    state->decisions++;
    oracle->decisions++;
    return value;
}

/* --- init and fini ----------------------------------------------------------------------------------- */

/* Initialises what all oracles have in common. */
static void oracle_init(ptk_sim_oracle_t *oracle) {
    *oracle = (ptk_sim_oracle_t) {.oracle.choose = oracle_choose, .site_capacity = ORACLE_FIRST_CAPACITY};
    ptk_sim_tape_init(&oracle->recorded);
    oracle->sites = ptk_sim_allocate(oracle->site_capacity * sizeof *oracle->sites);
}

void ptk_sim_oracle_init_random(ptk_sim_oracle_t *oracle, const ptk_sim_oracle_options_t *options) {
    ptk_assert(options->changes <= PTK_SIM_CHANGES_MAX);
    oracle_init(oracle);
    oracle->options = *options;
    oracle->options.length = options->length ? options->length : DEFAULT_PCT_LENGTH;
    oracle->decide = decide_random;
}

void ptk_sim_oracle_init_replay(ptk_sim_oracle_t *oracle, const ptk_sim_tape_t *tape) {
    ptk_assert(tape->is_sorted);
    oracle_init(oracle);
    oracle->replayed = tape;
    oracle->decide = decide_replayed;
}

void ptk_sim_oracle_init_bytes(ptk_sim_oracle_t *oracle, const uint8_t *input, size_t bytes) {
    oracle_init(oracle);
    oracle->input = input;
    oracle->input_bytes = bytes;
    oracle->decide = decide_from_bytes;
}

/* Decisions may have been recorded before: a world draws its platform when it is created. */
void ptk_sim_oracle_set_observer(ptk_sim_oracle_t *oracle, ptk_sim_oracle_observer_fn observer_fn,
                                 void *context) {
    oracle->observer_fn = observer_fn;
    oracle->observer_context = context;
    for (size_t i = 0; i < oracle->recorded.count; i++) {
        observer_fn(context, &oracle->recorded.entries[i]);
    }
}

/* Whatever decided before is not consulted any more, but its records stay. */
void ptk_sim_oracle_use_window(ptk_sim_oracle_t *oracle, ptk_sim_window_t *window) {
    oracle->window = window;
    oracle->decide = decide_in_window;
}

void ptk_sim_oracle_fini(ptk_sim_oracle_t *oracle) {
    for (size_t i = 0; i < oracle->site_capacity; i++) {
        ptk_sim_free(oracle->sites[i].changes);
    }
    ptk_sim_free(oracle->sites);
    ptk_sim_tape_fini(&oracle->recorded);
    *oracle = (ptk_sim_oracle_t) {0};
}

void ptk_sim_oracle_faults_off(ptk_sim_oracle_t *oracle) {
    oracle->faults_are_off = true;
}

/* The site is created by this, so that its own draw from the seed is replaced. */
void ptk_sim_oracle_set_rate(ptk_sim_oracle_t *oracle, uint32_t site, uint32_t rate_ppm) {
    ptk_assert(rate_ppm <= PTK_SIM_RATE_ALWAYS || rate_ppm == PTK_SIM_RATE_UNIFORM);
    oracle_site(oracle, site)->rate_ppm = rate_ppm;
    oracle_site(oracle, site)->is_off = rate_ppm == 0;
}

uint32_t ptk_sim_oracle_rate(ptk_sim_oracle_t *oracle, uint32_t site) {
    return oracle_site(oracle, site)->rate_ppm;
}
