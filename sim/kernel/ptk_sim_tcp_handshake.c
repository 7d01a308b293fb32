/* SPDX-License-Identifier: MIT */
/*
 * Connections that are opened.
 *
 * A SYN creates a child of the listener: in SYN_RECEIVED it is in the SYN queue, and from ESTABLISHED on in
 * the accept queue. While the accept queue is longer than the backlog, SYNs and the last ACKs of handshakes
 * are ignored, and the peer sends them again, as on Linux.
 *
 * Also as on Linux, a shutdown before the connection exists holds for the connection: a listener hands it
 * down to its children, and the FIN follows the handshake.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>

/* Sets the receive sequence variables from the peer's SYN. */
static void tcp_set_irs(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    tcb->rcv_nxt = tcb->copied_seq = tcb->rcv_wnd_end = packet->seq + 1;
}

/* Creates a child that inherits the listener's options, and puts it into the SYN queue. */
static ptk_sim_tcb_t *tcp_make_child(ptk_sim_tcb_t *listener, const ptk_sim_packet_t *packet) {
    ptk_sim_tcb_t *child = ptk_sim_tcb_create(listener->tcp.node, listener->family, listener->timer.fire);
    child->local = packet->to;
    child->peer = packet->from;
    child->socket_state = PTK_SIM_TCP_CONNECTED;
    child->reuses_addr = listener->reuses_addr;
    child->reuses_port = listener->reuses_port;
    child->is_kept_alive = listener->is_kept_alive;
    child->has_no_delay = listener->has_no_delay;
    child->has_oob_inline = listener->has_oob_inline;
    child->is_ipv6_only = listener->is_ipv6_only;
    child->keeps_addr = listener->keeps_addr;
    child->shutdown = listener->shutdown;
    child->lingers = listener->lingers;
    child->linger_seconds = listener->linger_seconds;
    child->send_buffer_bytes = listener->send_buffer_bytes;
    child->receive_buffer_bytes = listener->receive_buffer_bytes;
    child->keepalive_idle_s = listener->keepalive_idle_s;
    child->keepalive_interval_s = listener->keepalive_interval_s;
    child->keepalive_count = listener->keepalive_count;
    child->user_timeout_ms = listener->user_timeout_ms;
    child->listener = listener;
    ptk_list_append(&listener->syn_queue, &child->in_backlog);
    return child;
}

/* The queue holds one more than the backlog, as on Linux. */
static bool tcp_is_accept_queue_full(const ptk_sim_tcb_t *listener) {
    return listener->accept_count > listener->accept_limit;
}

/* The child is found by later segments of the peer, since it is in the table of pairs. */
void ptk_sim_tcp_input_listen(ptk_sim_tcb_t *listener, const ptk_sim_packet_t *packet) {
    if (tcp_is_accept_queue_full(listener)) {
        return;
    }
    ptk_sim_tcb_t *child = tcp_make_child(listener, packet);
    ptk_sim_tcp_insert_port(child);
    ptk_sim_tcp_insert_pair(child);
    tcp_set_irs(child, packet);
    child->state = PTK_SIM_TCP_SYN_RECEIVED;
    child->snd_una = ptk_sim_tcp_choose_iss(child);
    child->snd_wnd_end = child->snd_una + 1 + packet->wnd;
    ptk_sim_tcp_send_syn(child);
}

/* The ACK of our SYN has arrived: SYN_SENT or SYN_RECEIVED -> ESTABLISHED, or FIN_WAIT_1 if sending was
   shut down before. A child moves from the SYN queue to the accept queue, and its listener becomes
   readable. */
static void tcp_establish(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    ptk_sim_tcp_sample_rtt(tcb, packet->ack);
    ptk_sim_tcp_cancel_timer(tcb);
    tcb->retransmits = 0;
    tcb->snd_una = packet->ack;
    tcb->snd_wnd_end = packet->ack + packet->wnd;
    bool ends_at_once = tcb->state == PTK_SIM_TCP_SYN_RECEIVED && tcb->shutdown & PTK_SIM_TCP_SHUT_WR;
    tcb->state = ends_at_once ? PTK_SIM_TCP_FIN_WAIT_1 : PTK_SIM_TCP_ESTABLISHED;
    tcb->fin_queued = ends_at_once;
    ptk_sim_tcp_note_peer(tcb);
    ptk_sim_tcp_start_keepalive(tcb);
    if (tcb->listener) {
        ptk_list_remove(&tcb->in_backlog);
        ptk_list_append(&tcb->listener->accept_queue, &tcb->in_backlog);
        tcb->listener->accept_count++;
        tcb->is_in_accept_queue = true;
        ptk_sim_tcp_notify(tcb->listener, POLLIN);
    } else {
        tcb->pending_events |= ptk_sim_tcp_poll_bits(tcb);
    }
}

/* Only the exact number is accepted. */
static bool tcp_acknowledges_syn(const ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    return packet->flags & PTK_SIM_TCP_ACK && packet->ack == tcb->snd_una + 1;
}

/* RFC 9293, 3.10.7.3: a wrong ACK first, then RST, then SYN. An RST without an acceptable ACK is ignored. */
void ptk_sim_tcp_input_syn_sent(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    if (packet->flags & PTK_SIM_TCP_ACK && !tcp_acknowledges_syn(tcb, packet)) {
        ptk_sim_tcp_reply_reset(tcb->tcp.node, packet);
    } else if (packet->flags & PTK_SIM_TCP_RST) {
        if (packet->flags & PTK_SIM_TCP_ACK) {
            ptk_sim_tcp_set_closed(tcb, ECONNREFUSED);
        }
    } else if (packet->flags & PTK_SIM_TCP_SYN) {
        tcp_set_irs(tcb, packet);
        if (packet->flags & PTK_SIM_TCP_ACK) {
            tcp_establish(tcb, packet);
            ptk_sim_tcp_send_ack(tcb);
        } else { /* simultaneous open */
            tcb->state = PTK_SIM_TCP_SYN_RECEIVED;
            ptk_sim_tcp_send_syn(tcb);
        }
    }
}

/* The ACK of the handshake may have been lost, so SYN and ACK are sent again. */
bool ptk_sim_tcp_input_repeated_syn(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    if (tcb->state != PTK_SIM_TCP_SYN_RECEIVED || !(packet->flags & PTK_SIM_TCP_SYN) ||
        packet->flags & PTK_SIM_TCP_RST || packet->seq + 1 != tcb->rcv_nxt) {
        return false;
    }
    if (!(packet->flags & PTK_SIM_TCP_ACK)) {
        ptk_sim_tcp_send_syn(tcb);
    } else if (tcp_acknowledges_syn(tcb, packet)) {
        tcp_establish(tcb, packet);
        ptk_sim_tcp_send_ack(tcb);
        ptk_sim_tcp_output(tcb);
    }
    return true;
}

/* The ACK is ignored while the accept queue is full; the peer's next segment tries again. */
bool ptk_sim_tcp_complete_handshake(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    if (tcb->state != PTK_SIM_TCP_SYN_RECEIVED) {
        return true;
    }
    if (!tcp_acknowledges_syn(tcb, packet)) {
        ptk_sim_tcp_reply_reset(tcb->tcp.node, packet);
        return false;
    }
    if (tcb->listener && tcp_is_accept_queue_full(tcb->listener)) {
        return false;
    }
    tcp_establish(tcb, packet);
    return true;
}
