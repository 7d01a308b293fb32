/* SPDX-License-Identifier: MIT */
/*
 * Properties of links, and how a network becomes quiet.
 *
 * A link that loses everything needs no decision; one that loses some has a site of its own, so that its rate
 * is its own too.
 */
#include "sim/world/ptk_sim_impl.h"

#include "base/ptk_options.h"
#include "sim/kernel/ptk_sim_site.h"

#define LINK_LATENCY_NS      UINT64_C(100000) /* the least latency of a link by default */
#define LINK_LATENCY_STEP_NS UINT64_C(50000)  /* the distance of two latencies */
#define LINK_LATENCY_STEPS   16               /* how many there are */

/* 100 us, and up to 750 us more in steps of 50 us. */
ptk_sim_link_t ptk_sim_default_link(void) {
    return (ptk_sim_link_t) {.latency_ns = LINK_LATENCY_NS,
                             .latency_step_ns = LINK_LATENCY_STEP_NS,
                             .latency_steps = LINK_LATENCY_STEPS};
}

/* Sets a link's rate of loss; 0 means the site that all links share. */
static void link_set_loss(ptk_sim_t *sim, ptk_sim_link_t *link, uint32_t loss_ppm) {
    bool is_faultless = sim->faults_off || (sim->options.flags & PTK_SIM_BENIGN);
    link->loses_all = loss_ppm == PTK_SIM_RATE_ALWAYS && !is_faultless;
    link->loss_site = 0;
    if (loss_ppm != 0 && loss_ppm != PTK_SIM_RATE_ALWAYS) {
        link->loss_site = PTK_SIM_SITE_LINK_LOSS + sim->lossy_links++;
        ptk_sim_oracle_set_rate(&sim->oracle, link->loss_site, loss_ppm);
    }
}

/* Packets in flight keep the latency that they departed with. */
ptk_err ptk_sim_link(ptk_sim_host_t *from, ptk_sim_host_t *to, const ptk_sim_link_options_t *options) {
    ptk_sim_link_options_t copy = {.struct_size = sizeof copy};
    if (!from || !to || from == to || from->sim != to->sim ||
        (options && ptk_options_copy(&copy, sizeof copy, options) != PTK_OK) || copy.reserved != 0 ||
        copy.loss_ppm > PTK_SIM_RATE_ALWAYS) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    ptk_sim_link_t *link =
        ptk_sim_net_link(&from->sim->net, from->kernel.node->index, to->kernel.node->index);
    link->latency_ns = copy.latency_ns ? copy.latency_ns : LINK_LATENCY_NS;
    link->latency_step_ns = copy.latency_step_ns ? copy.latency_step_ns : LINK_LATENCY_STEP_NS;
    link->latency_steps = copy.latency_steps ? copy.latency_steps : LINK_LATENCY_STEPS;
    link->ns_per_byte = copy.bytes_per_second ? UINT64_C(1000000000) / copy.bytes_per_second : 0;
    link_set_loss(from->sim, link, copy.loss_ppm);
    return PTK_OK;
}

/* Ends the losses of all links of a node that exist. */
static void node_stop_losses(ptk_sim_t *sim, const ptk_sim_node_t *node) {
    for (uint32_t to = 0; to < node->link_capacity; to++) {
        if (node->links[to]) {
            link_set_loss(sim, node->links[to], 0);
        }
    }
}

/* A rate of 0 holds for every oracle, also for a tape that has such faults. */
void ptk_sim_quiet_network(ptk_sim_t *sim) {
    static const uint32_t sites[] = {PTK_SIM_SITE_LOSS,        PTK_SIM_SITE_DUPLICATE, PTK_SIM_SITE_REORDER,
                                     PTK_SIM_SITE_PARTITION,   PTK_SIM_SITE_CRASH,     PTK_SIM_SITE_PAUSE,
                                     PTK_SIM_SITE_ACCEPT_ERROR};
    for (size_t i = 0; i < sizeof sites / sizeof sites[0]; i++) {
        ptk_sim_oracle_set_rate(&sim->oracle, sites[i], 0);
    }
    for (uint32_t i = 0; i < sim->net.node_count; i++) {
        node_stop_losses(sim, sim->net.nodes[i]);
    }
}
