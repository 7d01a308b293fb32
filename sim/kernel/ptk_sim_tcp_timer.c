/* SPDX-License-Identifier: MIT */
/*
 * The timer of a connection: retransmission, persist, FIN_WAIT_2 or TIME_WAIT, depending on the state.
 *
 * Each timeout is twice as long as the one before, up to 120 s. A SYN is retransmitted 6 times, SYN and ACK 5
 * times, data 15 times (8 if the connection is an orphan), and so are the window probes that get no reply.
 * These are Linux's limits; a user timeout may end the connection earlier, also where probes get replies. A
 * FIN_WAIT_2 of an orphan and TIME_WAIT end here too.
 */
#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>

#define MAX_SYN_RETRANSMITS     6  /* net.ipv4.tcp_syn_retries */
#define MAX_SYN_ACK_RETRANSMITS 5  /* net.ipv4.tcp_synack_retries */
#define MAX_RETRANSMITS         15 /* net.ipv4.tcp_retries2 */
#define MAX_ORPHAN_RETRANSMITS  8  /* net.ipv4.tcp_orphan_retries, whose 0 means 8 */

/* Returns how many retransmissions or probes without a reply the state permits. */
static uint32_t tcp_max_retransmits(const ptk_sim_tcb_t *tcb) {
    switch (tcb->state) {
    case PTK_SIM_TCP_SYN_SENT:
        return MAX_SYN_RETRANSMITS;
    case PTK_SIM_TCP_SYN_RECEIVED:
        return MAX_SYN_ACK_RETRANSMITS;
    default:
        return tcb->is_owned || tcb->is_in_accept_queue ? MAX_RETRANSMITS : MAX_ORPHAN_RETRANSMITS;
    }
}

static bool tcp_is_user_timeout_over(const ptk_sim_tcb_t *tcb) {
    return ptk_sim_tcp_now(tcb) >= ptk_sim_tcp_user_timeout_end(tcb);
}

/* Sends the oldest unacknowledged segment again, or gives the connection up with ETIMEDOUT. A measurement
   that is under way ends without a sample: the acknowledgement could be of either transmission. */
static void tcp_retransmit(ptk_sim_tcb_t *tcb) {
    tcb->is_measuring_rtt = false;
    bool is_late = tcb->retransmits > 0 && tcp_is_user_timeout_over(tcb);
    if (tcb->retransmits++ == tcp_max_retransmits(tcb) || is_late) {
        ptk_sim_tcp_set_closed(tcb, ETIMEDOUT);
    } else if (tcb->state == PTK_SIM_TCP_SYN_SENT || tcb->state == PTK_SIM_TCP_SYN_RECEIVED) {
        ptk_sim_tcp_send_syn(tcb);
    } else {
        tcb->snd_nxt = tcb->snd_una;
        ptk_sim_tcp_output(tcb);
    }
}

/* Persist timer: sends a segment whose number the peer has acknowledged already, so that it replies with
   its window; or gives the connection up. */
static void tcp_send_window_probe(ptk_sim_tcb_t *tcb) {
    bool is_late = tcb->window_probes++ > 0 && tcp_is_user_timeout_over(tcb);
    if (tcb->unanswered_probes++ == tcp_max_retransmits(tcb) || is_late) {
        ptk_sim_tcp_set_closed(tcb, ETIMEDOUT);
    } else {
        ptk_sim_tcp_send_control(tcb, PTK_SIM_TCP_ACK, tcb->snd_una - 1);
        ptk_sim_tcp_arm_timer(tcb);
    }
}

/* What the timer was armed for follows from the state: TIME_WAIT and FIN_WAIT_2 end; unacknowledged numbers
   are retransmitted; otherwise the window is probed. */
void ptk_sim_tcp_timer_expired(ptk_sim_event_t *event) {
    ptk_sim_tcb_t *tcb = ptk_container_of(event, ptk_sim_tcb_t, timer);
    if (tcb->state == PTK_SIM_TCP_TIME_WAIT || tcb->state == PTK_SIM_TCP_FIN_WAIT_2) {
        ptk_assert(!tcb->is_owned);
        ptk_sim_tcp_set_closed(tcb, 0);
    } else if (tcb->snd_max != tcb->snd_una) {
        tcp_retransmit(tcb);
    } else {
        tcp_send_window_probe(tcb);
    }
    ptk_sim_tcp_finish_event(tcb);
}
