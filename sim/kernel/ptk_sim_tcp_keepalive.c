/* SPDX-License-Identifier: MIT */
/*
 * Keepalive (RFC 1122, 4.2.3.6), as Linux has it.
 *
 * The timer of a synchronized connection expires when the peer has sent nothing for the idle time.
 * While something is unacknowledged or queued, the retransmission or the persist timer watches the peer
 * instead. A probe is a segment below the window, which the peer acknowledges. After `keepalive_count` of
 * them without a reply the connection is reset and ends with ETIMEDOUT. A user timeout, if there is one,
 * decides in the place of the count.
 */
#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>

#define KEEPALIVE_NS_PER_SECOND UINT64_C(1000000000)
#define KEEPALIVE_NS_PER_MS     UINT64_C(1000000)

static bool tcp_can_be_probed(const ptk_sim_tcb_t *tcb) {
    return tcb->state >= PTK_SIM_TCP_ESTABLISHED && tcb->state != PTK_SIM_TCP_TIME_WAIT;
}

static void tcp_arm_keepalive(ptk_sim_tcb_t *tcb, uint64_t wait_ns) {
    ptk_sim_event_queue_insert(&ptk_sim_tcp_net(tcb)->events, &tcb->keepalive,
                               ptk_sim_tcp_now(tcb) + wait_ns);
}

/* Returns whether the probes so far have shown that the peer is gone. */
static bool tcp_have_probes_failed(const ptk_sim_tcb_t *tcb, uint64_t silent_ns) {
    if (tcb->user_timeout_ms > 0) {
        return tcb->keepalive_probes > 0 && silent_ns >= tcb->user_timeout_ms * KEEPALIVE_NS_PER_MS;
    }
    return tcb->keepalive_probes >= tcb->keepalive_count;
}

/* The peer has been silent for the idle time at least. */
static void tcp_probe_peer(ptk_sim_tcb_t *tcb, uint64_t silent_ns) {
    if (tcp_have_probes_failed(tcb, silent_ns)) {
        ptk_sim_tcp_send_reset(tcb);
        ptk_sim_tcp_set_closed(tcb, ETIMEDOUT);
        return;
    }
    tcb->keepalive_probes++;
    ptk_sim_tcp_send_control(tcb, PTK_SIM_TCP_ACK, tcb->snd_una - 1);
    tcp_arm_keepalive(tcb, tcb->keepalive_interval_s * KEEPALIVE_NS_PER_SECOND);
}

/* The checks and their order are those of Linux's tcp_keepalive_timer. */
static void tcp_keepalive_expired(ptk_sim_event_t *event) {
    ptk_sim_tcb_t *tcb = ptk_container_of(event, ptk_sim_tcb_t, keepalive);
    uint64_t idle_ns = tcb->keepalive_idle_s * KEEPALIVE_NS_PER_SECOND;
    uint64_t silent_ns = ptk_sim_tcp_now(tcb) - tcb->last_received_ns;
    ptk_assert(tcb->is_kept_alive && tcp_can_be_probed(tcb));
    if (tcb->snd_max != tcb->snd_una || tcb->send_buffer.count > 0) {
        tcp_arm_keepalive(tcb, idle_ns);
    } else if (silent_ns < idle_ns) {
        tcp_arm_keepalive(tcb, idle_ns - silent_ns);
    } else {
        tcp_probe_peer(tcb, silent_ns);
    }
    ptk_sim_tcp_finish_event(tcb);
}

void ptk_sim_tcp_start_keepalive(ptk_sim_tcb_t *tcb) {
    tcb->keepalive.fire = tcp_keepalive_expired;
    if (tcb->is_kept_alive && tcp_can_be_probed(tcb)) {
        tcp_arm_keepalive(tcb, tcb->keepalive_idle_s * KEEPALIVE_NS_PER_SECOND);
    } else {
        ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(tcb)->events, &tcb->keepalive);
    }
}

void ptk_sim_tcp_change_keepalive_idle(ptk_sim_tcb_t *tcb) {
    uint64_t idle_ns = tcb->keepalive_idle_s * KEEPALIVE_NS_PER_SECOND;
    uint64_t silent_ns = ptk_sim_tcp_now(tcb) - tcb->last_received_ns;
    if (ptk_sim_event_is_scheduled(&tcb->keepalive)) {
        tcp_arm_keepalive(tcb, idle_ns > silent_ns ? idle_ns - silent_ns : 0);
    }
}

void ptk_sim_tcp_note_peer(ptk_sim_tcb_t *tcb) {
    tcb->last_received_ns = ptk_sim_tcp_now(tcb);
    tcb->keepalive_probes = 0;
}
