/* SPDX-License-Identifier: MIT */
/*
 * Segments out.
 *
 * `send_buffer` holds the bytes from snd_una on. snd_nxt walks through them as the peer's window and the MSS
 * permit. When the retransmission timer expires, snd_nxt goes back to snd_una and one segment is sent; the
 * rest follows when that has been acknowledged. There is no congestion window: the links of the simulated net
 * have no queue that could overflow.
 *
 * The advertised window never shrinks, and grows by a segment or half a buffer at least (silly window
 * avoidance, RFC 9293, 3.8.6.2.2).
 */
#include "base/ptk_assert.h"
#include "base/ptk_choice.h"
#include "sim/kernel/ptk_sim_site.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"

#define ISS_NS_PER_STEP 64 /* the clock of the first choice */
#define ISS_CHOICES     4
#define ISS_BELOW_WRAP  (UINT32_MAX - 1000) /* numbers wrap around within the first segment */
#define ISS_BASE        UINT32_C(1000000)   /* the clock's start */
#define URG_PTR_MAX     0xffff              /* of 16 bits */

/* A clock, as on Linux, so that a later connection starts above an earlier one of the same pair; or one of
   the places where numbers wrap around. */
uint32_t ptk_sim_tcp_choose_iss(const ptk_sim_tcb_t *tcb) {
    uint32_t choice = ptk_choice(PTK_SIM_SITE_INITIAL_SEQUENCE, ISS_CHOICES);
    switch (choice) {
    case 0:
        return ISS_BASE + (uint32_t) (ptk_sim_tcp_now(tcb) / ISS_NS_PER_STEP);
    case 1:
        return ISS_BELOW_WRAP;
    case 2:
        return (uint32_t) INT32_MAX - 1000;
    default:
        return 0;
    }
}

/* Moves the right edge of the receive window, if it may move, and returns the window. */
static uint32_t tcp_advertised_window(ptk_sim_tcb_t *tcb) {
    uint32_t half = tcb->receive_buffer_bytes / 2;
    uint32_t step = half < PTK_SIM_TCP_MSS ? half : PTK_SIM_TCP_MSS;
    uint32_t usable_wnd = tcb->receive_buffer.count < tcb->receive_buffer_bytes
                              ? tcb->receive_buffer_bytes - tcb->receive_buffer.count
                              : 0;
    uint32_t edge = tcb->rcv_nxt + usable_wnd;
    if (ptk_sim_seq_after(tcb->rcv_nxt, tcb->rcv_wnd_end)) {
        tcb->rcv_wnd_end = tcb->rcv_nxt;
    }
    if (ptk_sim_seq_after(edge, tcb->rcv_wnd_end) && edge - tcb->rcv_wnd_end >= step) {
        tcb->rcv_wnd_end = edge;
    }
    return tcb->rcv_wnd_end - tcb->rcv_nxt;
}

/* Creates a segment. It carries the acknowledgement, so none is pending afterwards. */
static ptk_sim_packet_t *tcp_make_segment(ptk_sim_tcb_t *tcb, uint8_t flags, uint32_t seq, uint32_t bytes) {
    ptk_sim_packet_t *packet = ptk_sim_packet_create(ptk_sim_tcp_net(tcb), bytes);
    packet->from = tcb->local;
    packet->to = tcb->peer;
    packet->protocol = PTK_SIM_PROTOCOL_TCP;
    packet->flags = flags;
    packet->seq = seq;
    packet->ack = flags & PTK_SIM_TCP_ACK ? tcb->rcv_nxt : 0;
    packet->wnd = tcp_advertised_window(tcb);
    tcb->ack_pending = false;
    return packet;
}

void ptk_sim_tcp_send_control(ptk_sim_tcb_t *tcb, uint8_t flags, uint32_t seq) {
    ptk_sim_packet_send(tcb->tcp.node, tcp_make_segment(tcb, flags, seq, 0));
}

/* Returns whether the urgent pointer of a segment at snd_nxt can express where the urgent byte is. */
static bool tcp_has_urgent_ahead(const ptk_sim_tcb_t *tcb) {
    return tcb->has_snd_up && ptk_sim_seq_after(tcb->snd_up, tcb->snd_nxt) &&
           tcb->snd_up - tcb->snd_nxt <= URG_PTR_MAX;
}

/* An ACK without data has the highest number ever sent, so that the peer accepts it also during a
   retransmission. */
void ptk_sim_tcp_send_ack(ptk_sim_tcb_t *tcb) {
    ptk_sim_tcp_send_control(tcb, PTK_SIM_TCP_ACK, tcb->snd_max);
}

void ptk_sim_tcp_send_reset(ptk_sim_tcb_t *tcb) {
    ptk_sim_tcp_send_control(tcb, PTK_SIM_TCP_RST | PTK_SIM_TCP_ACK, tcb->snd_max);
}

/* RFC 9293, 3.10.7.1: the numbers are chosen so that the peer accepts the RST. */
void ptk_sim_tcp_reply_reset(ptk_sim_node_t *node, const ptk_sim_packet_t *packet) {
    if (packet->flags & PTK_SIM_TCP_RST) {
        return;
    }
    ptk_sim_packet_t *reset = ptk_sim_packet_create(node->net, 0);
    reset->from = packet->to;
    reset->to = packet->from;
    reset->protocol = PTK_SIM_PROTOCOL_TCP;
    reset->flags = PTK_SIM_TCP_RST;
    if (packet->flags & PTK_SIM_TCP_ACK) {
        reset->seq = packet->ack;
    } else {
        reset->flags |= PTK_SIM_TCP_ACK;
        reset->ack = packet->seq + packet->bytes + !!(packet->flags & PTK_SIM_TCP_SYN) +
                     !!(packet->flags & PTK_SIM_TCP_FIN);
    }
    ptk_sim_packet_send(node, reset);
}

/* Starts a round-trip measurement, unless one is under way or segments are being retransmitted (Karn's
   algorithm, RFC 6298, section 3). */
static void tcp_start_rtt_sample(ptk_sim_tcb_t *tcb) {
    if (!tcb->is_measuring_rtt && tcb->retransmits == 0) {
        tcb->is_measuring_rtt = true;
        tcb->rtt_seq = tcb->snd_max;
        tcb->rtt_start_ns = ptk_sim_tcp_now(tcb);
    }
}

/* The SYN has the number snd_una; snd_nxt is set again by each retransmission. */
void ptk_sim_tcp_send_syn(ptk_sim_tcb_t *tcb) {
    bool is_syn_ack = tcb->state == PTK_SIM_TCP_SYN_RECEIVED;
    tcb->snd_nxt = tcb->snd_max = tcb->snd_una + 1;
    tcp_start_rtt_sample(tcb);
    ptk_sim_tcp_send_control(tcb, is_syn_ack ? PTK_SIM_TCP_SYN | PTK_SIM_TCP_ACK : PTK_SIM_TCP_SYN,
                             tcb->snd_una);
    ptk_sim_tcp_arm_timer(tcb);
}

/* Returns whether the state permits data or a FIN. */
static bool tcp_may_send_data(const ptk_sim_tcb_t *tcb) {
    switch (tcb->state) {
    case PTK_SIM_TCP_ESTABLISHED:
    case PTK_SIM_TCP_CLOSE_WAIT:
    case PTK_SIM_TCP_FIN_WAIT_1:
    case PTK_SIM_TCP_CLOSING:
    case PTK_SIM_TCP_LAST_ACK:
        return true;
    default:
        return false;
    }
}

/* Returns how many bytes the next segment carries: up to the MSS, the window and what is unsent, or fewer
   if the oracle decides so. */
static uint32_t tcp_next_segment_bytes(const ptk_sim_tcb_t *tcb, uint32_t unsent, uint32_t usable_wnd) {
    uint32_t size = unsent < PTK_SIM_TCP_MSS ? unsent : PTK_SIM_TCP_MSS;
    size = size < usable_wnd ? size : usable_wnd;
    if (size > 1 && !ptk_sim_tcp_net(tcb)->faults_off) {
        uint32_t fewer = ptk_choice(PTK_SIM_SITE_SEGMENT, size);
        size -= fewer;
    }
    return size;
}

/* Sends one segment from snd_nxt on and moves snd_nxt and snd_max. A FIN takes one number behind the data.
   Only a segment with new numbers is measured. */
static void tcp_send_data_segment(ptk_sim_tcb_t *tcb, uint32_t offset, uint32_t size, bool has_fin) {
    unsigned flags = PTK_SIM_TCP_ACK | (size ? PTK_SIM_TCP_PSH : 0U) | (has_fin ? PTK_SIM_TCP_FIN : 0U);
    bool is_urgent = tcp_has_urgent_ahead(tcb);
    flags |= is_urgent ? PTK_SIM_TCP_URG : 0U;
    ptk_sim_packet_t *packet = tcp_make_segment(tcb, (uint8_t) flags, tcb->snd_nxt, size);
    packet->urg_ptr = is_urgent ? (uint16_t) (tcb->snd_up - tcb->snd_nxt) : 0;
    ptk_sim_ring_copy(&tcb->send_buffer, offset, packet->payload, size);
    bool is_new = tcb->snd_nxt == tcb->snd_max;
    tcb->snd_nxt += size + has_fin;
    if (ptk_sim_seq_after(tcb->snd_nxt, tcb->snd_max)) {
        tcb->snd_max = tcb->snd_nxt;
    }
    if (is_new) {
        tcp_start_rtt_sample(tcb);
    }
    ptk_sim_packet_send(tcb->tcp.node, packet);
}

/* Sends one segment if there is something that may be sent. While something is retransmitted, only the
   segment at snd_una is. The FIN goes with the last data, if the window has room for its number. */
static bool tcp_send_next_segment(ptk_sim_tcb_t *tcb) {
    uint32_t offset = tcb->snd_nxt - tcb->snd_una;
    if (tcb->fin_acknowledged || offset > tcb->send_buffer.count || (tcb->retransmits > 0 && offset > 0)) {
        return false;
    }
    uint32_t unsent = tcb->send_buffer.count - offset;
    uint32_t usable_wnd =
        ptk_sim_seq_after(tcb->snd_wnd_end, tcb->snd_nxt) ? tcb->snd_wnd_end - tcb->snd_nxt : 0;
    uint32_t size = tcp_next_segment_bytes(tcb, unsent, usable_wnd);
    bool has_fin = tcb->fin_queued && size == unsent && usable_wnd > size;
    if (size == 0 && !has_fin) {
        return false;
    }
    tcp_send_data_segment(tcb, offset, size, has_fin);
    return true;
}

/* Doubles a timeout as often as it has expired, up to the maximum. */
static uint64_t tcp_backed_off_ns(uint64_t rto_ns, uint32_t times) {
    for (; times > 0 && rto_ns < PTK_SIM_TCP_MAX_RTO_NS; times--) {
        rto_ns *= 2;
    }
    return rto_ns < PTK_SIM_TCP_MAX_RTO_NS ? rto_ns : PTK_SIM_TCP_MAX_RTO_NS;
}

/* Returns when a timer that has expired `times` times expires next: not after the end of the user timeout,
   which counts from the first time. The first time is not cut, as on Linux, so something is sent again in any
   case. */
static uint64_t tcp_timer_end(ptk_sim_tcb_t *tcb, uint32_t times) {
    uint64_t now_ns = ptk_sim_tcp_now(tcb);
    uint64_t end_ns = now_ns + tcp_backed_off_ns(tcb->rto_ns, times);
    if (times == 0) {
        tcb->stalled_since_ns = now_ns;
        return end_ns;
    }
    uint64_t last_ns = ptk_sim_tcp_user_timeout_end(tcb);
    return end_ns < last_ns ? end_ns : last_ns;
}

/* In flight: retransmission timer, backed off by retransmits. Only queued: the window is closed, and the
   persist timer is backed off by window_probes. */
void ptk_sim_tcp_arm_timer(ptk_sim_tcb_t *tcb) {
    ptk_sim_event_queue_t *events = &ptk_sim_tcp_net(tcb)->events;
    bool is_in_flight = tcb->snd_max != tcb->snd_una;
    bool is_queued = tcb->send_buffer.count > 0 || (tcb->fin_queued && !tcb->fin_acknowledged);
    if (!is_in_flight && !is_queued) {
        ptk_sim_event_queue_cancel(events, &tcb->timer);
    } else if (!ptk_sim_event_is_scheduled(&tcb->timer)) {
        uint32_t times = is_in_flight ? tcb->retransmits : tcb->window_probes;
        ptk_sim_event_queue_insert(events, &tcb->timer, tcp_timer_end(tcb, times));
    }
}

/* An ACK of its own is sent only if no data segment has carried it. */
void ptk_sim_tcp_output(ptk_sim_tcb_t *tcb) {
    if (tcp_may_send_data(tcb)) {
        while (tcp_send_next_segment(tcb)) {
        }
        ptk_sim_tcp_arm_timer(tcb);
    }
    if (tcb->ack_pending) {
        ptk_sim_tcp_send_ack(tcb);
    }
}

/* An update is sent if the window at least doubles by it, as on Linux. */
void ptk_sim_tcp_update_window(ptk_sim_tcb_t *tcb) {
    if (tcb->state < PTK_SIM_TCP_ESTABLISHED || tcb->state > PTK_SIM_TCP_FIN_WAIT_2) {
        return;
    }
    uint32_t edge = tcb->rcv_wnd_end;
    uint32_t before = edge - tcb->rcv_nxt;
    uint32_t now = tcp_advertised_window(tcb);
    if (now != before && now >= 2 * before) {
        ptk_sim_tcp_send_ack(tcb);
    } else {
        tcb->rcv_wnd_end = edge;
    }
}
