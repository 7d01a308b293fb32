/* SPDX-License-Identifier: MIT */
/*
 * Faults by chance: crashes, pauses, partitions and clocks.
 *
 * They come with events, not with time, so that a quiet hour costs nothing: each time the world moves on, the
 * oracle may pick one. Every fault enters its own end into the event queue. In the settle phase everything that
 * holds is ended at once and the oracle is calm.
 */
#include "sim/world/ptk_sim_impl.h"

#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_site.h"

#define NS_PER_MS UINT64_C(1000000)

/* From 1 ms on, doubling; the oracle picks which. */
#define FAULT_TIMES 16

/* Clocks drift by up to so much, in either direction: more than any quartz. */
#define CLOCK_DRIFT_STEPS    4
#define CLOCK_DRIFT_STEP_PPM 250

static uint64_t fault_draw_time_ns(uint32_t site) {
    uint32_t exponent = ptk_choice(site, FAULT_TIMES);
    return NS_PER_MS << exponent;
}

static ptk_sim_host_t *fault_draw_host(ptk_sim_t *sim) {
    uint32_t index = ptk_choice(PTK_SIM_SITE_FAULT_HOST, sim->host_count);
    return sim->hosts[index];
}

static void fault_end_partition(ptk_sim_event_t *event) {
    ptk_sim_timed_partition_t *partition = ptk_container_of(event, ptk_sim_timed_partition_t, end);
    ptk_sim_heal(partition->from, partition->to);
    ptk_list_remove(&partition->link);
    ptk_sim_free(partition);
}

static void fault_partition(ptk_sim_t *sim, ptk_sim_host_t *from, ptk_sim_host_t *to, uint64_t time_ns) {
    ptk_sim_timed_partition_t *partition = ptk_sim_allocate(sizeof *partition);
    partition->from = from;
    partition->to = to;
    partition->end.fire = fault_end_partition;
    ptk_list_append(&sim->timed_partitions, &partition->link);
    ptk_sim_partition(from, to);
    ptk_sim_event_queue_insert(&sim->net.events, &partition->end, sim->net.events.now_ns + time_ns);
}

/* One way or both. */
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

/* Its clock goes wrong, a little, from now on. */
static void fault_disturb_clock(ptk_sim_t *sim) {
    ptk_sim_host_t *host = fault_draw_host(sim);
    uint32_t drift = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2 * CLOCK_DRIFT_STEPS + 1);
    uint32_t jumps = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2);
    ptk_sim_clock(host, jumps ? 7 * NS_PER_MS : 0, ((int32_t) drift - CLOCK_DRIFT_STEPS) * CLOCK_DRIFT_STEP_PPM);
}

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

/* It reaches everybody, however often it was parted. */
static void fault_heal_all(ptk_sim_host_t *from) {
    const ptk_sim_t *sim = from->sim;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        while (ptk_sim_is_partitioned(from, sim->hosts[i])) {
            ptk_sim_heal(from, sim->hosts[i]);
        }
    }
}

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
