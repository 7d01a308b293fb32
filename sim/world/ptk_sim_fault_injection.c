/* SPDX-License-Identifier: MIT */
/*
 * Faults that the oracle injects: crashes, pauses, partitions and clocks.
 *
 * They come with events and not with time, so that an hour without events costs nothing: as the world moves
 * on, the oracle may choose one. Every fault inserts its own end into the event queue. The settle phase ends
 * at once what holds, and turns faults off.
 */
#include "sim/world/ptk_sim_impl.h"

#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"

#define NS_PER_MS UINT64_C(1000000)

/* A fault lasts 1 ms, 2 ms, 4 ms and so on: this many durations, of which the oracle chooses one. */
#define FAULT_TIMES 16

/* Clocks drift by up to 4 * 250 ppm in either direction: more than any quartz. */
#define CLOCK_DRIFT_STEPS    4
#define CLOCK_DRIFT_STEP_PPM 250

/* Draws how long a fault lasts. */
static uint64_t fault_draw_time_ns(uint32_t site) {
    uint32_t exponent = ptk_choice(site, FAULT_TIMES);
    return NS_PER_MS << exponent;
}

/* Draws the host that a fault concerns. */
static ptk_sim_host_t *fault_draw_host(ptk_sim_t *sim) {
    uint32_t index = ptk_choice(PTK_SIM_SITE_FAULT_HOST, sim->host_count);
    return sim->hosts[index];
}

/* Event handler: heals a partition and frees its record. */
static void fault_end_partition(ptk_sim_event_t *event) {
    ptk_sim_timed_partition_t *partition = ptk_container_of(event, ptk_sim_timed_partition_t, end);
    ptk_sim_heal(partition->from, partition->to);
    ptk_list_remove(&partition->link);
    ptk_sim_free(partition);
}

/* Makes a partition that heals by itself after `time_ns`. */
static void fault_partition(ptk_sim_t *sim, ptk_sim_host_t *from, ptk_sim_host_t *to, uint64_t time_ns) {
    ptk_sim_timed_partition_t *partition = ptk_sim_allocate(sizeof *partition);
    partition->from = from;
    partition->to = to;
    partition->end.fire = fault_end_partition;
    ptk_list_append(&sim->timed_partitions, &partition->link);
    ptk_sim_partition(from, to);
    ptk_sim_event_queue_insert(&sim->net.events, &partition->end, sim->net.events.now_ns + time_ns);
}

/* Partitions two hosts, one way or both. */
static void fault_partition_pair(ptk_sim_t *sim) {
    ptk_sim_host_t *from = fault_draw_host(sim);
    ptk_sim_host_t *to = fault_draw_host(sim);
    if (from == to) {
        return;
    }
    uint64_t time_ns = fault_draw_time_ns(PTK_SIM_SITE_PARTITION_TIME);
    uint32_t both_ways = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2);
    fault_partition(sim, from, to, time_ns);
    if (both_ways) {
        fault_partition(sim, to, from, time_ns);
    }
}

/* Crashes a host that may crash, and restarts it later. */
static void fault_crash(ptk_sim_t *sim) {
    ptk_sim_host_t *host = fault_draw_host(sim);
    if (!(host->flags & PTK_SIM_HOST_MAY_CRASH) || host->state == PTK_SIM_HOST_DOWN ||
        host->state == PTK_SIM_HOST_ENDED) {
        return;
    }
    ptk_sim_crash(host);
    uint64_t time_ns = fault_draw_time_ns(PTK_SIM_SITE_RESTART_TIME);
    ptk_sim_event_queue_insert(&sim->net.events, &host->restart_event, sim->net.events.now_ns + time_ns);
}

/* Pauses a host, with or without its clock. */
static void fault_pause(ptk_sim_t *sim) {
    ptk_sim_host_t *host = fault_draw_host(sim);
    if (host->pause_count != 0 || host->state == PTK_SIM_HOST_DOWN || host->state == PTK_SIM_HOST_ENDED) {
        return;
    }
    uint64_t time_ns = fault_draw_time_ns(PTK_SIM_SITE_PAUSE_TIME);
    uint32_t clock_too = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2);
    if (clock_too) {
        ptk_sim_suspend(host);
    } else {
        ptk_sim_pause(host);
    }
    ptk_sim_event_queue_insert(&sim->net.events, &host->resume_event, sim->net.events.now_ns + time_ns);
}

/* Changes the rate of a host's clock, and may let it jump forward. */
static void fault_disturb_clock(ptk_sim_t *sim) {
    ptk_sim_host_t *host = fault_draw_host(sim);
    uint32_t drift = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2 * CLOCK_DRIFT_STEPS + 1);
    uint32_t jumps = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2);
    ptk_sim_clock(host, jumps ? 7 * NS_PER_MS : 0,
                  ((int32_t) drift - CLOCK_DRIFT_STEPS) * CLOCK_DRIFT_STEP_PPM);
}

/* Each kind is decided on its own, so several may start with one event. */
void ptk_sim_inject_faults(ptk_sim_t *sim) {
    if (sim->faults_off || sim->host_count == 0) {
        return;
    }
    if (ptk_choice(PTK_SIM_SITE_PARTITION, 2) != 0) {
        fault_partition_pair(sim);
    }
    if (ptk_choice(PTK_SIM_SITE_CRASH, 2) != 0) {
        fault_crash(sim);
    }
    if (ptk_choice(PTK_SIM_SITE_PAUSE, 2) != 0) {
        fault_pause(sim);
    }
    if (ptk_choice(PTK_SIM_SITE_CLOCK_STEP, 2) != 0) {
        fault_disturb_clock(sim);
    }
}

/* Heals all partitions from a host, also those made by hand and several times. */
static void fault_heal_all(ptk_sim_host_t *from) {
    const ptk_sim_t *sim = from->sim;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        while (ptk_sim_is_partitioned(from, sim->hosts[i])) {
            ptk_sim_heal(from, sim->hosts[i]);
        }
    }
}

/* Faults by hand are ended too: the settle phase is about a healthy world. */
void ptk_sim_stop_faults(ptk_sim_t *sim) {
    ptk_list_node_t *node;
    sim->faults_off = true;
    sim->net.faults_off = true;
    ptk_sim_oracle_faults_off(&sim->oracle);
    while ((node = ptk_list_first(&sim->timed_partitions)) != NULL) {
        ptk_sim_timed_partition_t *partition = ptk_container_of(node, ptk_sim_timed_partition_t, link);
        ptk_sim_event_queue_cancel(&sim->net.events, &partition->end);
        fault_end_partition(&partition->end);
    }
    for (uint32_t i = 0; i < sim->host_count; i++) {
        ptk_sim_restart(sim->hosts[i]);
        ptk_sim_resume(sim->hosts[i]);
        fault_heal_all(sim->hosts[i]);
    }
}
