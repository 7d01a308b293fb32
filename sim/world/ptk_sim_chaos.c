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

#define MS UINT64_C(1000000)

/* From 1 ms on, doubling; the oracle picks which. */
#define TIMES 16

/* Clocks drift by up to so much, in either direction: more than any quartz. */
#define DRIFT_STEPS    4
#define DRIFT_STEP_PPM 250

static uint64_t draw_time_ns(uint32_t site) {
    uint32_t exponent = ptk_choice(site, TIMES);
    return MS << exponent;
}

static ptk_sim_host_t *draw_host(ptk_sim_t *sim) {
    uint32_t index = ptk_choice(PTK_SIM_SITE_FAULT_HOST, sim->host_count);
    return sim->hosts[index];
}

static void end_parting(ptk_sim_event_t *event) {
    ptk_sim_parting_t *parting = ptk_container_of(event, ptk_sim_parting_t, end);
    ptk_sim_heal(parting->from, parting->to);
    ptk_list_remove(&parting->link);
    ptk_sim_free(parting);
}

static void part(ptk_sim_t *sim, ptk_sim_host_t *from, ptk_sim_host_t *to, uint64_t time_ns) {
    ptk_sim_parting_t *parting = ptk_sim_allocate(sizeof *parting);
    parting->from = from;
    parting->to = to;
    parting->end.happen = end_parting;
    ptk_list_append(&sim->partings, &parting->link);
    ptk_sim_partition(from, to);
    ptk_sim_event_queue_insert(&sim->net.events, &parting->end, sim->net.events.now_ns + time_ns);
}

/* One way or both. */
static void part_two(ptk_sim_t *sim) {
    ptk_sim_host_t *from = draw_host(sim);
    ptk_sim_host_t *to = draw_host(sim);
    if (from == to) {
        return;
    }
    uint64_t time_ns = draw_time_ns(PTK_SIM_SITE_PARTITION_TIME);
    uint32_t both_ways = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2);
    part(sim, from, to, time_ns);
    if (both_ways) {
        part(sim, to, from, time_ns);
    }
}

static void crash_one(ptk_sim_t *sim) {
    ptk_sim_host_t *host = draw_host(sim);
    if (!(host->flags & PTK_SIM_HOST_MAY_CRASH) || host->state == PTK_SIM_HOST_DOWN ||
        host->state == PTK_SIM_HOST_ENDED) {
        return;
    }
    ptk_sim_crash(host);
    uint64_t time_ns = draw_time_ns(PTK_SIM_SITE_RESTART_TIME);
    ptk_sim_event_queue_insert(&sim->net.events, &host->restart, sim->net.events.now_ns + time_ns);
}

static void pause_one(ptk_sim_t *sim) {
    ptk_sim_host_t *host = draw_host(sim);
    if (host->standstills != 0 || host->state == PTK_SIM_HOST_DOWN || host->state == PTK_SIM_HOST_ENDED) {
        return;
    }
    uint64_t time_ns = draw_time_ns(PTK_SIM_SITE_PAUSE_TIME);
    uint32_t clock_too = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2);
    if (clock_too) {
        ptk_sim_suspend(host);
    } else {
        ptk_sim_pause(host);
    }
    ptk_sim_event_queue_insert(&sim->net.events, &host->go_on, sim->net.events.now_ns + time_ns);
}

/* Its clock goes wrong, a little, from now on. */
static void disturb_clock(ptk_sim_t *sim) {
    ptk_sim_host_t *host = draw_host(sim);
    uint32_t drift = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2 * DRIFT_STEPS + 1);
    uint32_t jumps = ptk_choice(PTK_SIM_SITE_FAULT_HOST, 2);
    ptk_sim_clock(host, jumps ? 7 * MS : 0, ((int32_t) drift - DRIFT_STEPS) * DRIFT_STEP_PPM);
}

void ptk_sim_chaos(ptk_sim_t *sim) {
    if (sim->calm || sim->host_count == 0) {
        return;
    }
    if (ptk_choice(PTK_SIM_SITE_PARTITION, 2) != 0) {
        part_two(sim);
    }
    if (ptk_choice(PTK_SIM_SITE_CRASH, 2) != 0) {
        crash_one(sim);
    }
    if (ptk_choice(PTK_SIM_SITE_PAUSE, 2) != 0) {
        pause_one(sim);
    }
    if (ptk_choice(PTK_SIM_SITE_CLOCK_STEP, 2) != 0) {
        disturb_clock(sim);
    }
}

/* It reaches everybody, however often it was parted. */
static void join_again(ptk_sim_host_t *from) {
    const ptk_sim_t *sim = from->sim;
    for (uint32_t i = 0; i < sim->host_count; i++) {
        while (ptk_sim_is_parted(from, sim->hosts[i])) {
            ptk_sim_heal(from, sim->hosts[i]);
        }
    }
}

void ptk_sim_chaos_end(ptk_sim_t *sim) {
    ptk_list_node_t *node;
    sim->calm = true;
    sim->net.calm = true;
    ptk_sim_oracle_faults_off(&sim->oracle);
    while ((node = ptk_list_first(&sim->partings)) != NULL) {
        ptk_sim_parting_t *parting = ptk_container_of(node, ptk_sim_parting_t, link);
        ptk_sim_event_queue_cancel(&sim->net.events, &parting->end);
        end_parting(&parting->end);
    }
    for (uint32_t i = 0; i < sim->host_count; i++) {
        ptk_sim_restart(sim->hosts[i]);
        ptk_sim_resume(sim->hosts[i]);
        join_again(sim->hosts[i]);
    }
}
