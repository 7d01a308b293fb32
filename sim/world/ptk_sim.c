/* SPDX-License-Identifier: MIT */
/*
 * The driver of a simulated world.
 *
 * A step is one of two: a runnable host goes on until it waits, or, when none is runnable, time jumps to the
 * next event and that happens (a packet arrives, a wait ends, a fault strikes or ends). The oracle chooses
 * among runnable hosts. So the whole run is one sequence, made by one thread, and the same decisions make the
 * same sequence.
 *
 * The run is over when every host but daemons has ended, when nothing can happen any more, when something is
 * wrong, or when the time or the steps are up. Ends are told apart: see ptk_sim_end_t.
 */
#include "sim/world/ptk_sim_impl.h"

#include "base/ptk_options.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"
#include <string.h>

#define FIRST_MOMENT_NS   UINT64_C(1000000000000) /* clocks begin somewhere */
#define STEP_LIMIT        UINT64_C(10000000)
#define STEPS_AT_ONE_TIME UINT64_C(1000000)
#define EVENTS_PER_CHAOS  8

static ptk_sim_t *sim_in_use;

/* --- making a world --- */

static uint32_t choose_benign(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    (void) oracle, (void) site, (void) count;
    return 0;
}

static bool init_oracle(ptk_sim_t *sim) {
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

static const char *draw_platform(const ptk_sim_options_t *options) {
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

static bool are_valid(const ptk_sim_options_t *options) {
    const uint32_t known = PTK_SIM_NO_FAULTS | PTK_SIM_KEEP_TRACE | PTK_SIM_BENIGN | PTK_SIM_EXHAUSTION;
    return (options->flags & ~known) == 0 && options->reserved == 0 &&
           options->pct_changes <= PTK_SIM_CHANGES_MAX &&
           (!options->platform || is_platform(options->platform));
}

ptk_sim_t *ptk_sim_create(const ptk_sim_options_t *options) {
    if (sim_in_use) {
        ptk_fail(PTK_ERR_BUSY);
        return NULL;
    }
    ptk_sim_t *sim = ptk_sim_allocate(sizeof *sim);
    ptk_sim_tape_init(&sim->tape);
    bool copied = !options || ptk_options_copy(&sim->options, sizeof sim->options, options) == PTK_OK;
    if (!copied || !are_valid(&sim->options)) {
        goto refuse;
    }
    sim->block_before = ptk_thread_in_use;
    if (!init_oracle(sim)) {
        goto refuse;
    }
    ptk_thread_in_use = &sim->block;
    sim_in_use = sim;
    ptk_sim_net_init(&sim->net);
    ptk_sim_event_queue_fini(&sim->net.events);
    ptk_sim_event_queue_init(&sim->net.events, FIRST_MOMENT_NS);
    sim->net.trace.keeps = (sim->options.flags & PTK_SIM_KEEP_TRACE) != 0;
    sim->net.usual = ptk_sim_usual_link();
    ptk_stack_pool_init(&sim->stacks, true);
    ptk_context_adopt(&sim->driver);
    ptk_list_init(&sim->partings);
    sim->began_ns = FIRST_MOMENT_NS;
    sim->step_ns = FIRST_MOMENT_NS;
    if (sim->options.flags & PTK_SIM_NO_FAULTS) {
        sim->calm = true;
        sim->oracle.is_faultless = true;
    }
    if (sim->options.step_limit == 0) {
        sim->options.step_limit = STEP_LIMIT;
    }
    ptk_sim_net_note(&sim->net, PTK_SIM_TRACE_START, PTK_SIM_NO_HOST, sim->options.seed, 0, 0);
    sim->platform = draw_platform(&sim->options);
    return sim;
refuse:
    ptk_sim_tape_fini(&sim->tape);
    ptk_sim_free(sim);
    ptk_fail(PTK_ERR_INVALID_PARAM);
    return NULL;
}

/* All of them before any is freed: one that unwinds may still look at another. */
static void end_hosts(ptk_sim_t *sim) {
    for (uint32_t i = 0; i < sim->host_count; i++) {
        ptk_sim_host_end(sim->hosts[i]);
    }
}

void ptk_sim_destroy(ptk_sim_t *sim) {
    if (!sim) {
        return;
    }
    sim->calm = true;
    end_hosts(sim);
    for (uint32_t i = 0; i < sim->host_count; i++) {
        ptk_sim_host_free(sim->hosts[i]);
    }
    ptk_list_node_t *node;
    while ((node = ptk_list_pop(&sim->partings)) != NULL) {
        ptk_sim_parting_t *parting = ptk_container_of(node, ptk_sim_parting_t, link);
        ptk_sim_event_queue_cancel(&sim->net.events, &parting->end);
        ptk_sim_free(parting);
    }
    ptk_sim_free(sim->hosts);
    ptk_sim_free(sim->runnable);
    ptk_sim_free(sim->labels);
    ptk_sim_words_fini(&sim->green_words);
    ptk_sim_net_fini(&sim->net);
    ptk_stack_pool_fini(&sim->stacks);
    ptk_sim_oracle_fini(&sim->oracle);
    ptk_sim_tape_fini(&sim->tape);
    ptk_thread_in_use = sim->block_before;
    sim_in_use = NULL;
    ptk_sim_free(sim);
}

/* --- hosts --- */

static bool parse_address(ptk_sim_addr_t *addr_out, const char *text) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    *addr_out = (ptk_sim_addr_t) {0};
    if (ptk_sys_inet_parse(AF_INET, text, addr_out->bytes + sizeof mapped)) {
        memcpy(addr_out->bytes, mapped, sizeof mapped);
        return true;
    }
    return ptk_sys_inet_parse(AF_INET6, text, addr_out->bytes);
}

static bool is_fit_for_a_host(const ptk_sim_addr_t *addr) {
    return !ptk_sim_addr_is_any(addr) && !ptk_sim_addr_is_loopback(addr);
}

#define ADDRESSES_MOST 4

typedef struct addresses {
    ptk_sim_addr_t all[ADDRESSES_MOST];
    uint32_t count;
} addresses_t;

static bool is_taken(const ptk_sim_t *sim, const ptk_sim_addr_t *addr) {
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (ptk_sim_node_has_address(sim->hosts[i]->kernel.node, addr)) {
            return true;
        }
    }
    return false;
}

/* "10.0.0.1,fd00::1" */
static bool read_addresses(const ptk_sim_t *sim, const char *text, addresses_t *addresses_out) {
    char one[64];
    addresses_out->count = 0;
    while (text) {
        const char *comma = strchr(text, ',');
        size_t length = comma ? (size_t) (comma - text) : strlen(text);
        if (length >= sizeof one || addresses_out->count == ADDRESSES_MOST) {
            return false;
        }
        memcpy(one, text, length);
        one[length] = '\0';
        ptk_sim_addr_t *addr = &addresses_out->all[addresses_out->count++];
        if (!parse_address(addr, one) || !is_fit_for_a_host(addr) || is_taken(sim, addr)) {
            return false;
        }
        text = comma ? comma + 1 : NULL;
    }
    return true;
}

/* The first of the usual ones that nobody has. */
static void find_usual_addresses(const ptk_sim_t *sim, addresses_t *addresses_out) {
    char text[64];
    uint32_t number = sim->host_count;
    do {
        number++;
        (void) ptk_sys_format(text, sizeof text, "10.%u.%u.%u,fd00::%x", number >> 16, number >> 8 & 255,
                              number & 255, number);
    } while (!read_addresses(sim, text, addresses_out));
}

static void keep_host(ptk_sim_t *sim, ptk_sim_host_t *host) {
    sim->hosts = ptk_sim_reallocate(sim->hosts, (sim->host_count + 1) * sizeof(*sim->hosts));
    sim->runnable = ptk_sim_reallocate(sim->runnable, (sim->host_count + 1) * sizeof(*sim->runnable));
    sim->hosts[sim->host_count++] = host;
    sim->unfinished += host->flags & PTK_SIM_HOST_DAEMON ? 0 : 1;
}

ptk_sim_host_t *ptk_sim_host(ptk_sim_t *sim, const ptk_sim_host_options_t *options,
                             ptk_err (*main)(void *arg), void *arg) {
    ptk_sim_host_options_t copy = {.struct_size = sizeof copy};
    if ((options && ptk_options_copy(&copy, sizeof copy, options) != PTK_OK) || !main || copy.reserved != 0) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    addresses_t addresses;
    if (copy.address && !read_addresses(sim, copy.address, &addresses)) {
        ptk_fail(PTK_ERR_INVALID_PARAM);
        return NULL;
    }
    if (!copy.address) {
        find_usual_addresses(sim, &addresses);
    }
    ptk_sim_node_t *node = ptk_sim_net_add(&sim->net);
    for (uint32_t i = 0; i < addresses.count; i++) {
        (void) ptk_sim_node_add_address(node, &addresses.all[i]); /* false: the same twice */
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
    keep_host(sim, host);
    ptk_sim_host_start(host);
    return host;
}

/* --- steps --- */

static const char *name_of_unfinished(const ptk_sim_t *sim) {
    for (uint32_t i = 0; i < sim->host_count; i++) {
        const ptk_sim_host_t *host = sim->hosts[i];
        if (host->state != PTK_SIM_HOST_ENDED && !(host->flags & PTK_SIM_HOST_DAEMON)) {
            return host->name;
        }
    }
    return "nobody";
}

static void continue_one(ptk_sim_t *sim) {
    uint32_t index = ptk_choice(PTK_SIM_SITE_HOST, sim->runnable_count);
    ptk_sim_host_t *host = sim->runnable[index];
    ptk_sim_host_continue(host);
    if (host->state == PTK_SIM_HOST_ENDED) {
        ptk_sim_host_settle_accounts(host);
    }
}

/* Count the step; too many of them are an end too. */
static bool may_step(ptk_sim_t *sim) {
    uint64_t now_ns = sim->net.events.now_ns;
    sim->steps_here = now_ns == sim->step_ns ? sim->steps_here + 1 : 0;
    sim->step_ns = now_ns;
    if (sim->steps_here > STEPS_AT_ONE_TIME) {
        ptk_sim_fail(sim, PTK_SIM_END_LIVELOCK, "livelock: %llu steps and no time has passed",
                     (unsigned long long) sim->steps_here);
    } else if (++sim->steps > sim->options.step_limit) {
        ptk_sim_fail(sim, PTK_SIM_END_STEP_LIMIT, "%llu steps and no end", (unsigned long long) sim->steps);
    }
    return sim->failure[0] == '\0';
}

/* One step. False: nothing can happen any more, or the next event lies behind the limit. */
static bool step(ptk_sim_t *sim, uint64_t limit_ns) {
    if (sim->runnable_count > 0) {
        continue_one(sim);
        return true;
    }
    uint64_t next_ns = ptk_sim_event_queue_next_ns(&sim->net.events);
    if (next_ns == UINT64_MAX || next_ns > limit_ns) {
        return false;
    }
    if (sim->net.events.happened % EVENTS_PER_CHAOS == 0) {
        ptk_sim_chaos(sim);
    }
    return ptk_sim_event_queue_step(&sim->net.events);
}

/* Whoever crashed or paused a host by hand can start it again. */
static bool awaits_a_hand(const ptk_sim_t *sim) {
    for (uint32_t i = 0; i < sim->host_count; i++) {
        if (sim->hosts[i]->state == PTK_SIM_HOST_DOWN || sim->hosts[i]->standstills > 0) {
            return true;
        }
    }
    return false;
}

static ptk_sim_end_t out_of_events(ptk_sim_t *sim, uint64_t limit_ns) {
    if (ptk_sim_event_queue_next_ns(&sim->net.events) != UINT64_MAX || awaits_a_hand(sim)) {
        sim->net.events.now_ns = limit_ns;
        return PTK_SIM_END_TIME_LIMIT;
    }
    ptk_sim_fail(sim, PTK_SIM_END_DEADLOCK, "deadlock: %s has not ended, and nothing will happen any more",
                 name_of_unfinished(sim));
    return PTK_SIM_END_DEADLOCK;
}

static ptk_sim_end_t run(ptk_sim_t *sim, bool (*predicate)(void *arg), void *arg, uint64_t limit_ms) {
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
        if (!may_step(sim)) {
            break;
        }
        if (!step(sim, limit_ns)) {
            return out_of_events(sim, limit_ns);
        }
    }
    return sim->end;
}

static ptk_sim_end_t run_and_note(ptk_sim_t *sim, bool (*predicate)(void *arg), void *arg,
                                  uint64_t limit_ms) {
    sim->end = run(sim, predicate, arg, limit_ms);
    ptk_sim_net_note(&sim->net, PTK_SIM_TRACE_END, PTK_SIM_NO_HOST, sim->end, 0, 0);
    return sim->end;
}

ptk_sim_end_t ptk_sim_run_for(ptk_sim_t *sim, uint64_t limit_ms) {
    return run_and_note(sim, NULL, NULL, limit_ms);
}

ptk_sim_end_t ptk_sim_run_until(ptk_sim_t *sim, bool (*predicate)(void *arg), void *arg, uint64_t limit_ms) {
    return run_and_note(sim, predicate, arg, limit_ms);
}

ptk_sim_end_t ptk_sim_settle(ptk_sim_t *sim, uint64_t limit_ms) {
    if (sim->failure[0] == '\0') {
        ptk_sim_chaos_end(sim);
        run_and_note(sim, NULL, NULL, limit_ms);
    }
    if (sim->end == PTK_SIM_END_TIME_LIMIT) {
        ptk_sim_fail(sim, PTK_SIM_END_TIME_LIMIT, "%s has not ended %llu ms after all faults have",
                     name_of_unfinished(sim), (unsigned long long) limit_ms);
    }
    end_hosts(sim);
    return sim->end;
}

/* --- what it came to --- */

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

uint32_t ptk_sim_choose(uint32_t count) {
    return count > 1 ? ptk_choice(PTK_SIM_SITE_USER, count) : 0;
}

uint64_t ptk_sim_now_ns(void) {
    return sim_in_use ? sim_in_use->net.events.now_ns : 0;
}

static uint32_t host_number(void) {
    const ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    return kernel ? kernel->node->index : PTK_SIM_NO_HOST;
}

/* Its number, from 1 on in the order of first use. */
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
        uint32_t host = host_number();
        uint64_t number = label_number(sim_in_use, label);
        ptk_sim_net_note(&sim_in_use->net, PTK_SIM_TRACE_NOTE, host, a, b, number);
    }
}

bool ptk_sim_check(bool condition, const char *text, const char *file, int line) {
    if (!condition && sim_in_use) {
        ptk_sim_fail(sim_in_use, PTK_SIM_END_CHECK, "%s:%d: %s", file, line, text);
    }
    return condition;
}
