/* SPDX-License-Identifier: MIT */
/*
 * The driver of a simulated world.
 *
 * A step is one of two: a runnable host executes until it waits; or, if none is runnable, time moves to the
 * next event and it fires (a packet arrives, a wait ends, a fault starts or ends). The oracle chooses among
 * runnable hosts. So the whole run is one sequence on one thread, and equal decisions make equal sequences.
 *
 * A run is over when every host but daemons has ended, when no event is left, after a failure, or when the
 * time or the number of steps is used up; ptk_sim_end_t distinguishes these.
 *
 * Ownership: a world owns its hosts, its net and its oracle. While it exists, the process's thread block in
 * use is the world's or that of the host that executes.
 */
#include "sim/world/ptk_sim_impl.h"

#include "base/ptk_options.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"
#include <string.h>

#define WORLD_START_NS          UINT64_C(1000000000000) /* where clocks start: arbitrary, not 0 */
#define WORLD_STEP_LIMIT        UINT64_C(10000000)
#define WORLD_STEPS_AT_ONE_TIME UINT64_C(1000000) /* more are a livelock */
#define EVENTS_PER_FAULT_DRAW   8                 /* faults are drawn before every eighth event */

/* The world that exists, or NULL: the functions for hosts have no argument for it. */
static ptk_sim_t *sim_in_use;

/* --- creating a world --- */

/* The oracle of PTK_SIM_BENIGN. */
static uint32_t choose_benign(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    (void) oracle, (void) site, (void) count;
    return 0;
}

/* Sets up what decides: a tape, a fuzzer's input, or the seed. Returns false if the tape cannot be read. */
static bool world_init_oracle(ptk_sim_t *sim) {
    const ptk_sim_options_t *options = &sim->options;
    if (options->tape) {
        ptk_sim_tape_error_t error;
        if (!ptk_sim_tape_parse(&sim->tape, options->tape, strlen(options->tape), &error)) {
            return false;
        }
        ptk_sim_oracle_init_replay(&sim->oracle, &sim->tape);
    } else if (options->input) {
        ptk_sim_oracle_init_bytes(&sim->oracle, options->input, options->input_bytes);
    } else {
        ptk_sim_oracle_options_t random = {.seed = options->seed, .changes = options->pct_changes};
        ptk_sim_oracle_init_random(&sim->oracle, &random);
    }
    if (!(options->flags & PTK_SIM_EXHAUSTION)) {
        ptk_sim_oracle_set_rate(&sim->oracle, PTK_SIM_SITE_NO_MEMORY, 0);
        ptk_sim_oracle_set_rate(&sim->oracle, PTK_SIM_SITE_NO_RESOURCES, 0);
    }
    sim->benign.choose = choose_benign;
    sim->block.oracle = options->flags & PTK_SIM_BENIGN ? &sim->benign : &sim->oracle.oracle;
    return true;
}

static const char *const platforms[] = {"sim", "epoll", "poll"};

#define PLATFORMS (sizeof platforms / sizeof platforms[0])

/* Returns the platform of the options, or the one that the oracle chooses. */
static const char *world_draw_platform(const ptk_sim_options_t *options) {
    if (options->platform) {
        return options->platform;
    }
    uint32_t index = ptk_choice(PTK_SIM_SITE_PLATFORM, PLATFORMS);
    return platforms[index];
}

static bool is_platform(const char *name) {
    for (size_t i = 0; i < PLATFORMS; i++) {
        if (strcmp(name, platforms[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool world_options_are_valid(const ptk_sim_options_t *options) {
    const uint32_t known = PTK_SIM_NO_FAULTS | PTK_SIM_KEEP_TRACE | PTK_SIM_BENIGN | PTK_SIM_EXHAUSTION;
    return (options->flags & ~known) == 0 && options->reserved == 0 &&
           options->pct_changes <= PTK_SIM_CHANGES_MAX &&
           (!options->platform || is_platform(options->platform));
}

/* The order matters to hashes: START is traced before the platform is drawn. */
ptk_sim_t *ptk_sim_create(const ptk_sim_options_t *options) {
    if (sim_in_use) {
        ptk_fail(PTK_ERR_BUSY);
        return NULL;
    }
    ptk_sim_t *sim = ptk_sim_allocate(sizeof *sim);
    ptk_sim_tape_init(&sim->tape);
    bool copied = !options || ptk_options_copy(&sim->options, sizeof sim->options, options) == PTK_OK;
    if (!copied || !world_options_are_valid(&sim->options)) {
        goto refuse;
    }
    sim->block_before = ptk_thread_in_use;
    if (!world_init_oracle(sim)) {
        goto refuse;
    }
    ptk_thread_in_use = &sim->block;
    sim_in_use = sim;
    ptk_sim_net_init(&sim->net);
    ptk_sim_event_queue_fini(&sim->net.events);
    ptk_sim_event_queue_init(&sim->net.events, WORLD_START_NS);
    sim->net.trace.keeps = (sim->options.flags & PTK_SIM_KEEP_TRACE) != 0;
    sim->net.default_link = ptk_sim_default_link();
    ptk_stack_pool_init(&sim->stacks, true);
    ptk_context_adopt(&sim->driver);
    ptk_list_init(&sim->timed_partitions);
    sim->began_ns = WORLD_START_NS;
    sim->step_ns = WORLD_START_NS;
    if (sim->options.flags & PTK_SIM_NO_FAULTS) {
        sim->faults_off = true;
        sim->oracle.is_faultless = true;
    }
    if (sim->options.step_limit == 0) {
        sim->options.step_limit = WORLD_STEP_LIMIT;
    }
    ptk_sim_net_trace(&sim->net, PTK_SIM_TRACE_START, PTK_SIM_NO_HOST, sim->options.seed, 0, 0);
    sim->platform = world_draw_platform(&sim->options);
    return sim;
refuse:
    ptk_sim_tape_fini(&sim->tape);
    ptk_sim_free(sim);
    ptk_fail(PTK_ERR_INVALID_PARAM);
    return NULL;
}

/* All hosts stop before any is freed: a host that unwinds may look at another. */
void ptk_sim_stop_hosts(ptk_sim_t *sim) {
    sim->faults_off = true;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        ptk_sim_host_stop(sim->hosts[i]);
    }
}

/* The hosts go first: they unwind with the net, the stacks and the oracle still in place. */
void ptk_sim_destroy(ptk_sim_t *sim) {
    if (!sim) {
        return;
    }
    ptk_sim_stop_hosts(sim);
    for (uint32_t i = 0; i < sim->host_count; i++) {
        ptk_sim_host_free(sim->hosts[i]);
    }
    ptk_list_node_t *node;
    while ((node = ptk_list_pop(&sim->timed_partitions)) != NULL) {
        ptk_sim_timed_partition_t *parting = ptk_container_of(node, ptk_sim_timed_partition_t, link);
        ptk_sim_event_queue_cancel(&sim->net.events, &parting->end);
        ptk_sim_free(parting);
    }
    ptk_sim_free(sim->hosts);
    ptk_sim_free(sim->runnable);
    ptk_sim_free(sim->labels);
    ptk_sim_string_table_fini(&sim->green_strings);
    ptk_sim_net_fini(&sim->net);
    ptk_stack_pool_fini(&sim->stacks);
    ptk_sim_oracle_fini(&sim->oracle);
    ptk_sim_tape_fini(&sim->tape);
    ptk_thread_in_use = sim->block_before;
    sim_in_use = NULL;
    ptk_sim_free(sim);
}

/* --- hosts --- */

/* Parses one IPv4 or IPv6 address. */
static bool parse_address(ptk_sim_addr_t *addr_out, const char *text) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    *addr_out = (ptk_sim_addr_t) {0};
    if (ptk_sys_inet_parse(AF_INET, text, addr_out->bytes + sizeof mapped)) {
        memcpy(addr_out->bytes, mapped, sizeof mapped);
        return true;
    }
    return ptk_sys_inet_parse(AF_INET6, text, addr_out->bytes);
}

/* "Any" and loopback addresses cannot belong to one host. */
static bool is_host_address(const ptk_sim_addr_t *addr) {
    return !ptk_sim_addr_is_any(addr) && !ptk_sim_addr_is_loopback(addr);
}

#define HOST_MAX_ADDRESSES 4 /* as many as a node has room for */

/* The addresses of a host that is created. */
typedef struct addresses {
    ptk_sim_addr_t all[HOST_MAX_ADDRESSES];
    uint32_t count;
} addresses_t;

static bool is_address_taken(const ptk_sim_t *sim, const ptk_sim_addr_t *addr) {
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (ptk_sim_node_has_address(sim->hosts[i]->kernel.node, addr)) {
            return true;
        }
    }
    return false;
}

/* Parses a list such as "10.0.0.1,fd00::1". Returns false if one of them is wrong or taken. */
static bool parse_addresses(const ptk_sim_t *sim, const char *text, addresses_t *addresses_out) {
    char one[64];
    addresses_out->count = 0;
    while (text) {
        const char *comma = strchr(text, ',');
        size_t length = comma ? (size_t) (comma - text) : strlen(text);
        if (length >= sizeof one || addresses_out->count == HOST_MAX_ADDRESSES) {
            return false;
        }
        memcpy(one, text, length);
        one[length] = '\0';
        ptk_sim_addr_t *addr = &addresses_out->all[addresses_out->count++];
        if (!parse_address(addr, one) || !is_host_address(addr) || is_address_taken(sim, addr)) {
            return false;
        }
        text = comma ? comma + 1 : NULL;
    }
    return true;
}

/* Chooses 10.x.y.z and fd00::n of the lowest number that no host has. */
static void choose_default_addresses(const ptk_sim_t *sim, addresses_t *addresses_out) {
    char text[64];
    uint32_t number = sim->host_count;
    do {
        number++;
        (void) ptk_sys_format(text, sizeof text, "10.%u.%u.%u,fd00::%x", number >> 16, number >> 8 & 255,
                              number & 255, number);
    } while (!parse_addresses(sim, text, addresses_out));
}

/* Adds a host to the world, with room for it in the list of runnable ones. */
static void world_add_host(ptk_sim_t *sim, ptk_sim_host_t *host) {
    sim->hosts = ptk_sim_reallocate(sim->hosts, (sim->host_count + 1) * sizeof(*sim->hosts));
    sim->runnable = ptk_sim_reallocate(sim->runnable, (sim->host_count + 1) * sizeof(*sim->runnable));
    sim->hosts[sim->host_count++] = host;
    sim->unfinished += host->flags & PTK_SIM_HOST_DAEMON ? 0 : 1;
}

/* All checks come before the node is added: nodes cannot be removed. */
ptk_sim_host_t *ptk_sim_host(ptk_sim_t *sim, const ptk_sim_host_options_t *options,
                             ptk_err (*main)(void *arg), void *arg) {
    ptk_sim_host_options_t copy = {.struct_size = sizeof copy};
    if ((options && ptk_options_copy(&copy, sizeof copy, options) != PTK_OK) || !main || copy.reserved != 0) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    addresses_t addresses;
    if (copy.address && !parse_addresses(sim, copy.address, &addresses)) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    if (!copy.address) {
        choose_default_addresses(sim, &addresses);
    }
    ptk_sim_node_t *node = ptk_sim_net_add(&sim->net);
    for (uint32_t i = 0; i < addresses.count; i++) {
        (void) ptk_sim_node_add_address(node, &addresses.all[i]); /* false: the list names it twice */
    }
    ptk_sim_host_t *host = ptk_sim_allocate(sizeof *host);
    host->sim = sim;
    host->name = copy.name ? copy.name : "host";
    host->flags = copy.flags;
    host->descriptor_limit = copy.descriptor_limit ? copy.descriptor_limit : 1024;
    host->memory_limit_bytes = copy.memory_limit_bytes;
    host->main = main;
    host->arg = arg;
    host->kernel.node = node;
    world_add_host(sim, host);
    ptk_sim_host_start(host);
    return host;
}

/* --- steps --- */

/* Returns the name of a host that the run waits for, for a report. */
static const char *world_unfinished_name(const ptk_sim_t *sim) {
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const ptk_sim_host_t *host = sim->hosts[i];
        if (host->state != PTK_SIM_HOST_ENDED && !(host->flags & PTK_SIM_HOST_DAEMON)) {
            return host->name;
        }
    }
    return "no host";
}

/* Executes the runnable host that the oracle chooses. */
static void world_continue_host(ptk_sim_t *sim) {
    uint32_t index = ptk_choice(PTK_SIM_SITE_HOST, sim->runnable_count);
    ptk_sim_host_t *host = sim->runnable[index];
    ptk_sim_host_continue(host);
    if (host->state == PTK_SIM_HOST_ENDED) {
        ptk_sim_host_report_end(host);
    }
}

/* Counts a step. Returns false if there have been too many, which is a failure. */
static bool world_count_step(ptk_sim_t *sim) {
    uint64_t now_ns = sim->net.events.now_ns;
    sim->steps_at_now = now_ns == sim->step_ns ? sim->steps_at_now + 1 : 0;
    sim->step_ns = now_ns;
    if (sim->steps_at_now > WORLD_STEPS_AT_ONE_TIME) {
        ptk_sim_fail(sim, PTK_SIM_END_LIVELOCK, "livelock: %llu steps at one time",
                     (unsigned long long) sim->steps_at_now);
    } else if (++sim->steps > sim->options.step_limit) {
        ptk_sim_fail(sim, PTK_SIM_END_STEP_LIMIT, "%llu steps and no end", (unsigned long long) sim->steps);
    }
    return sim->failure[0] == '\0';
}

/* Takes one step. Returns false if no event is left, or the next one is behind the limit. Faults are drawn
   only before events, so hosts that execute without events cannot be disturbed. */
static bool world_step(ptk_sim_t *sim, uint64_t limit_ns) {
    if (sim->runnable_count > 0) {
        world_continue_host(sim);
        return true;
    }
    uint64_t next_ns = ptk_sim_event_queue_next_ns(&sim->net.events);
    if (next_ns == UINT64_MAX || next_ns > limit_ns) {
        return false;
    }
    if (sim->net.events.fired % EVENTS_PER_FAULT_DRAW == 0) {
        ptk_sim_inject_faults(sim);
    }
    return ptk_sim_event_queue_step(&sim->net.events);
}

/* Returns whether a host is down or paused: the scenario may still start it again by hand. */
static bool has_stopped_host(const ptk_sim_t *sim) {
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (sim->hosts[i]->state == PTK_SIM_HOST_DOWN || sim->hosts[i]->pause_count > 0) {
            return true;
        }
    }
    return false;
}

/* There is no event before the limit. If there is one behind it, or a host was stopped by hand, the time is
   over; otherwise nothing can happen any more, and that is a deadlock. */
static ptk_sim_end_t world_out_of_events(ptk_sim_t *sim, uint64_t limit_ns) {
    if (ptk_sim_event_queue_next_ns(&sim->net.events) != UINT64_MAX || has_stopped_host(sim)) {
        sim->net.events.now_ns = limit_ns;
        return PTK_SIM_END_TIME_LIMIT;
    }
    ptk_sim_fail(sim, PTK_SIM_END_DEADLOCK, "deadlock: %s has not ended, and no event is left",
                 world_unfinished_name(sim));
    return PTK_SIM_END_DEADLOCK;
}

/* Takes steps until an end is reached. The limit is cut so that it does not overflow. */
static ptk_sim_end_t world_run(ptk_sim_t *sim, bool (*predicate)(void *arg), void *arg, uint64_t limit_ms) {
    uint64_t now_ns = sim->net.events.now_ns;
    uint64_t most_ms = (UINT64_MAX - now_ns) / 1000000;
    uint64_t limit_ns = limit_ms > most_ms ? UINT64_MAX - 1 : now_ns + limit_ms * 1000000;
    while (sim->failure[0] == '\0') {
        if (predicate && predicate(arg)) {
            return PTK_SIM_END_PREDICATE;
        }
        if (sim->unfinished == 0) {
            return PTK_SIM_END_QUIESCENT;
        }
        if (!world_count_step(sim)) {
            break;
        }
        if (!world_step(sim, limit_ns)) { /* a fault that it injected may have made a host fail */
            return sim->failure[0] == '\0' ? world_out_of_events(sim, limit_ns) : sim->end;
        }
    }
    return sim->end;
}

/* Runs, and traces the end. */
static ptk_sim_end_t world_run_traced(ptk_sim_t *sim, bool (*predicate)(void *arg), void *arg,
                                      uint64_t limit_ms) {
    sim->end = world_run(sim, predicate, arg, limit_ms);
    ptk_sim_net_trace(&sim->net, PTK_SIM_TRACE_END, PTK_SIM_NO_HOST, sim->end, 0, 0);
    return sim->end;
}

ptk_sim_end_t ptk_sim_run_for(ptk_sim_t *sim, uint64_t limit_ms) {
    return world_run_traced(sim, NULL, NULL, limit_ms);
}

ptk_sim_end_t ptk_sim_run_until(ptk_sim_t *sim, bool (*predicate)(void *arg), void *arg, uint64_t limit_ms) {
    return world_run_traced(sim, predicate, arg, limit_ms);
}

/* After a failure the hosts are only stopped: the world is not run further. */
ptk_sim_end_t ptk_sim_settle(ptk_sim_t *sim, uint64_t limit_ms) {
    if (sim->failure[0] == '\0') {
        ptk_sim_stop_faults(sim);
        world_run_traced(sim, NULL, NULL, limit_ms);
    }
    if (sim->end == PTK_SIM_END_TIME_LIMIT) {
        ptk_sim_fail(sim, PTK_SIM_END_TIME_LIMIT, "%s has not ended %llu ms after the end of all faults",
                     world_unfinished_name(sim), (unsigned long long) limit_ms);
    }
    ptk_sim_stop_hosts(sim);
    return sim->end;
}

/* --- report --- */

ptk_sim_report_t ptk_sim_report(ptk_sim_t *sim) {
    ptk_sim_report_t report = {
        .end = sim->end,
        .hash = {sim->net.trace.hash[0], sim->net.trace.hash[1]},
        .events = sim->steps,
        .decisions = sim->oracle.decisions,
        .calls = sim->calls_before,
        .elapsed_ns = sim->net.events.now_ns - sim->began_ns,
        .packets_sent = sim->net.packets_sent,
        .packets_lost = sim->net.packets_lost,
        .faults = sim->faults,
        .failure = sim->failure[0] != '\0' ? sim->failure : NULL,
    };
    for (uint32_t i = 0; i < sim->host_count; i++) {
        report.calls += sim->hosts[i]->kernel.calls;
    }
    return report;
}

/* --- on a host or outside --- */

/* A choice of one is not a decision, so it does not count as an occurrence of the site. */
uint32_t ptk_sim_choose(uint32_t count) {
    return count > 1 ? ptk_choice(PTK_SIM_SITE_USER, count) : 0;
}

uint64_t ptk_sim_now_ns(void) {
    return sim_in_use ? sim_in_use->net.events.now_ns : 0;
}

/* Returns the number of the host that executes, for the trace. */
static uint32_t current_host_number(void) {
    const ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    return kernel ? kernel->node->index : PTK_SIM_NO_HOST;
}

/* Returns the number of a label, from 1 on in the order of first use. */
static uint64_t label_number(ptk_sim_t *sim, const char *label) {
    for (uint32_t i = 0; i < sim->label_count; i++) {
        if (strcmp(sim->labels[i], label) == 0) {
            return i + 1;
        }
    }
    sim->labels = ptk_sim_reallocate(sim->labels, (sim->label_count + 1) * sizeof(*sim->labels));
    sim->labels[sim->label_count++] = label;
    return sim->label_count;
}

void ptk_sim_note(const char *label, uint64_t a, uint64_t b) {
    if (sim_in_use) {
        uint32_t host = current_host_number();
        uint64_t number = label_number(sim_in_use, label);
        ptk_sim_net_trace(&sim_in_use->net, PTK_SIM_TRACE_NOTE, host, a, b, number);
    }
}

/* A failed check does not stop the code that calls it, since it may be on any stack. */
bool ptk_sim_check(bool condition, const char *text, const char *file, int line) {
    if (!condition && sim_in_use) {
        ptk_sim_fail(sim_in_use, PTK_SIM_END_CHECK, "%s:%d: %s", file, line, text);
    }
    return condition;
}
