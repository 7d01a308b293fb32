/* SPDX-License-Identifier: MIT */
/*
 * Segments in, in the order of RFC 9293, 3.10.7: the window, RST, SYN, ACK, and then what the segment
 * carries.
 *
 * As on Linux (RFC 5961), an RST counts only with the exact number, and any other one causes a challenge ACK.
 * ACKs for unacceptable segments without data are at least 500 ms apart, so that two ends that disagree do
 * not send them back and forth for ever.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"

#define CHALLENGE_ACK_INTERVAL_NS UINT64_C(500000000) /* Linux's tcp_invalid_ratelimit */

/* Returns the number behind the segment: SYN and FIN count as one each. */
static uint32_t tcp_segment_end(const ptk_sim_packet_t *packet) {
    return packet->seq + packet->bytes + !!(packet->flags & PTK_SIM_TCP_FIN) +
           !!(packet->flags & PTK_SIM_TCP_SYN);
}

/* Sends an ACK in reply to an unacceptable segment, unless one was sent just now. */
static void tcp_send_challenge_ack(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    uint64_t now_ns = ptk_sim_tcp_now(tcb);
    bool carries = packet->bytes > 0 && !(packet->flags & PTK_SIM_TCP_SYN);
    if (!carries) {
        if (tcb->last_challenge_ack_ns && now_ns - tcb->last_challenge_ack_ns < CHALLENGE_ACK_INTERVAL_NS) {
            return;
        }
        tcb->last_challenge_ack_ns = now_ns;
    }
    ptk_sim_tcp_send_ack(tcb);
}

/* In TIME_WAIT, a SYN above the old numbers starts a new connection (RFC 9293, 3.6.1), and any segment but
   a plain ACK is acknowledged and restarts the timer. */
static void tcp_input_time_wait(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    bool is_plain = packet->seq == tcb->rcv_nxt && tcp_segment_end(packet) == packet->seq;
    if (packet->flags & PTK_SIM_TCP_RST) {
        if (packet->seq == tcb->rcv_nxt) {
            ptk_sim_tcp_set_closed(tcb, 0);
        }
        return;
    }
    if ((packet->flags & (PTK_SIM_TCP_SYN | PTK_SIM_TCP_ACK)) == PTK_SIM_TCP_SYN &&
        ptk_sim_seq_after(packet->seq, tcb->rcv_nxt)) {
        ptk_sim_tcb_t *listener = ptk_sim_tcp_find_listener(tcb->tcp.node->tcp, &packet->to, &packet->from);
        if (listener) {
            ptk_sim_tcp_set_closed(tcb, 0);
            ptk_sim_tcp_input_listen(listener, packet);
            return;
        }
    }
    if (!is_plain) {
        ptk_sim_tcp_send_ack(tcb);
        ptk_sim_event_queue_insert(&ptk_sim_tcp_net(tcb)->events, &tcb->timer,
                                   ptk_sim_tcp_now(tcb) + PTK_SIM_TCP_TIME_WAIT_NS);
    }
}

/* Returns whether a part of the segment may be in the window. */
static bool tcp_is_acceptable(const ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    uint32_t edge = ptk_sim_seq_after(tcb->rcv_wnd_end, tcb->rcv_nxt) ? tcb->rcv_wnd_end : tcb->rcv_nxt;
    return !ptk_sim_seq_before(tcp_segment_end(packet), tcb->rcv_nxt) &&
           !ptk_sim_seq_after(packet->seq, edge);
}

/* Handles window, RST and SYN. Returns true if there is nothing more to do with the segment. */
static bool tcp_check_segment(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    bool is_reset = packet->flags & PTK_SIM_TCP_RST;
    if (ptk_sim_tcp_input_repeated_syn(tcb, packet)) {
        return true;
    }
    if (!tcp_is_acceptable(tcb, packet)) {
        if (!is_reset) {
            tcp_send_challenge_ack(tcb, packet);
        }
        return true;
    }
    if (is_reset && packet->seq == tcb->rcv_nxt) {
        ptk_sim_tcp_process_reset(tcb);
    } else if (is_reset || packet->flags & PTK_SIM_TCP_SYN) {
        tcp_send_challenge_ack(tcb, packet);
    }
    return is_reset || packet->flags & PTK_SIM_TCP_SYN || !(packet->flags & PTK_SIM_TCP_ACK);
}

/* SYN_RECEIVED and all states from ESTABLISHED on, but TIME_WAIT. An ACK of numbers that were never sent is
   answered with a challenge ACK, and the segment is dropped. */
static void tcp_input_synchronized(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    if (tcp_check_segment(tcb, packet) || !ptk_sim_tcp_complete_handshake(tcb, packet)) {
        return;
    }
    if (ptk_sim_seq_after(packet->ack, tcb->snd_max)) {
        tcp_send_challenge_ack(tcb, packet);
        return;
    }
    ptk_sim_tcp_process_ack(tcb, packet);
    ptk_sim_tcp_process_data(tcb, packet);
    ptk_sim_tcp_output(tcb);
}

/* Handles a segment by state. The block may be freed afterwards. */
static void tcp_input_dispatch(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    switch (tcb->state) {
    case PTK_SIM_TCP_SYN_SENT:
        ptk_sim_tcp_input_syn_sent(tcb, packet);
        break;
    case PTK_SIM_TCP_TIME_WAIT:
        tcp_input_time_wait(tcb, packet);
        break;
    default:
        tcp_input_synchronized(tcb, packet);
    }
    ptk_sim_tcp_finish_event(tcb);
}

/* Entry of all TCP packets of a node: connection first, then listener, else an RST is sent back. */
void ptk_sim_tcp_input(ptk_sim_node_t *node, const ptk_sim_packet_t *packet) {
    const ptk_sim_tcp_tables_t *tables = node->tcp;
    ptk_sim_tcb_t *tcb = tables ? ptk_sim_tcp_find_pair(tables, &packet->to, &packet->from) : NULL;
    if (tcb && tcb->drops_segments) {
        return;
    }
    if (tcb) {
        tcp_input_dispatch(tcb, packet);
        return;
    }
    bool is_syn = (packet->flags & (PTK_SIM_TCP_SYN | PTK_SIM_TCP_ACK | PTK_SIM_TCP_RST)) == PTK_SIM_TCP_SYN;
    if (tables && is_syn && (tcb = ptk_sim_tcp_find_listener(tables, &packet->to, &packet->from))) {
        ptk_sim_tcp_input_listen(tcb, packet);
    } else {
        ptk_sim_net_trace(node->net, PTK_SIM_TRACE_REFUSED, node->index, packet->from_node, packet->flags,
                          (uint64_t) packet->from.port << 16 | packet->to.port);
        ptk_sim_tcp_reply_reset(node, packet);
    }
}
