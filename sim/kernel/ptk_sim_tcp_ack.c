/* SPDX-License-Identifier: MIT */
/*
 * What an acknowledgement does: it frees send buffer, moves the window, measures the round-trip time (RFC
 * 6298, with Linux's least margin of 200 ms), and lets a close proceed.
 *
 * The peer's window never shrinks, so the furthest right edge that it has advertised counts, in whatever
 * order segments arrive.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"

#define MIN_RTO_MARGIN_NS UINT64_C(200000000) /* the least of 4 * rttvar */

/* RFC 6298, (2.2) and (2.3), with alpha 1/8 and beta 1/4. */
void ptk_sim_tcp_sample_rtt(ptk_sim_tcb_t *tcb, uint32_t ack) {
    if (!tcb->is_measuring_rtt || ptk_sim_seq_before(ack, tcb->rtt_seq)) {
        return;
    }
    uint64_t sample_ns = ptk_sim_tcp_now(tcb) - tcb->rtt_start_ns;
    tcb->is_measuring_rtt = false;
    if (tcb->srtt_ns == 0) {
        tcb->srtt_ns = sample_ns;
        tcb->rttvar_ns = sample_ns / 2;
    } else {
        uint64_t error_ns = sample_ns > tcb->srtt_ns ? sample_ns - tcb->srtt_ns : tcb->srtt_ns - sample_ns;
        tcb->rttvar_ns = (3 * tcb->rttvar_ns + error_ns) / 4;
        tcb->srtt_ns = (7 * tcb->srtt_ns + sample_ns) / 8;
    }
    uint64_t margin_ns = 4 * tcb->rttvar_ns;
    tcb->rto_ns = tcb->srtt_ns + (margin_ns > MIN_RTO_MARGIN_NS ? margin_ns : MIN_RTO_MARGIN_NS);
    tcb->rto_ns = tcb->rto_ns < PTK_SIM_TCP_MAX_RTO_NS ? tcb->rto_ns : PTK_SIM_TCP_MAX_RTO_NS;
}

/* Any acknowledgement is a reply to window probes; one that opens the window also ends the persist timer. */
static void tcp_process_window(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    uint32_t edge = packet->ack + packet->wnd;
    tcb->unanswered_probes = 0;
    if (ptk_sim_seq_after(edge, tcb->snd_wnd_end)) {
        tcb->snd_wnd_end = edge;
        tcb->window_probes = 0;
        if (tcb->snd_max == tcb->snd_una) {
            ptk_sim_tcp_cancel_timer(tcb);
        }
    }
}

/* Our FIN is acknowledged. FIN_WAIT_1 -> FIN_WAIT_2, with a limit of time for an orphan; CLOSING ->
   TIME_WAIT; LAST_ACK -> CLOSED. */
static void tcp_process_ack_of_fin(ptk_sim_tcb_t *tcb) {
    tcb->fin_acknowledged = true;
    if (tcb->state == PTK_SIM_TCP_FIN_WAIT_1) {
        tcb->state = PTK_SIM_TCP_FIN_WAIT_2;
        if (!tcb->is_owned) {
            ptk_sim_event_queue_insert(&ptk_sim_tcp_net(tcb)->events, &tcb->timer,
                                       ptk_sim_tcp_now(tcb) + PTK_SIM_TCP_TIME_WAIT_NS);
        }
    } else if (tcb->state == PTK_SIM_TCP_CLOSING) {
        ptk_sim_tcp_enter_time_wait(tcb);
    } else if (tcb->state == PTK_SIM_TCP_LAST_ACK) {
        ptk_sim_tcp_set_closed(tcb, 0);
    }
}

/* Makes the POLLOUT edge that is due pending, once there is enough room. */
static void tcp_offer_space(ptk_sim_tcb_t *tcb) {
    if (tcb->has_no_space && ptk_sim_tcp_poll_bits(tcb) & POLLOUT) {
        tcb->has_no_space = false;
        tcb->pending_events |= POLLOUT;
    }
}

/* Order: the window first, since an old acknowledgement may still open it; then, only for a new one, the
   measurement, the timer, the buffer and the FIN. An acknowledgement of one number more than there are
   bytes is that of our FIN. snd_nxt may be behind snd_una during a retransmission; it is moved up. */
void ptk_sim_tcp_process_ack(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    uint32_t ack = packet->ack;
    ptk_sim_tcp_note_peer(tcb);
    tcp_process_window(tcb, packet);
    if (!ptk_sim_seq_after(ack, tcb->snd_una)) {
        return;
    }
    uint32_t numbers = ack - tcb->snd_una;
    uint32_t bytes = numbers < tcb->send_buffer.count ? numbers : tcb->send_buffer.count;
    ptk_sim_tcp_sample_rtt(tcb, ack);
    ptk_sim_tcp_cancel_timer(tcb);
    tcb->retransmits = 0;
    ptk_sim_ring_drop(&tcb->send_buffer, bytes);
    tcb->snd_una = ack;
    if (ptk_sim_seq_before(tcb->snd_nxt, ack)) {
        tcb->snd_nxt = ack;
    }
    if (!ptk_sim_seq_after(tcb->snd_up, ack)) {
        tcb->has_snd_up = false;
    }
    tcp_offer_space(tcb);
    if (numbers > bytes) {
        tcp_process_ack_of_fin(tcb);
    }
}
