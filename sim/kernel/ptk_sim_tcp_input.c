/* SPDX-License-Identifier: MIT */
/*
 * Segments in, in the order of RFC 9293, 3.10.7: is it in the window, RST, SYN, ACK, and then what it
 * carries.
 *
 * As on Linux: a reset counts only with the exact number, or is questioned; answers to what is out of the
 * window and carries nothing are 500 ms apart, so that two ends that disagree do not chase each other.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"

#define CHALLENGE_APART_NS UINT64_C(500000000)

static uint32_t end_of(const ptk_sim_packet_t *packet) {
    return packet->sequence + packet->bytes + !!(packet->flags & PTK_SIM_TCP_FIN) +
           !!(packet->flags & PTK_SIM_TCP_SYN);
}

static void challenge(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    uint64_t now_ns = ptk_sim_tcp_now(end);
    bool carries = packet->bytes > 0 && !(packet->flags & PTK_SIM_TCP_SYN);
    if (!carries) {
        if (end->last_challenge_ns && now_ns - end->last_challenge_ns < CHALLENGE_APART_NS) {
            return;
        }
        end->last_challenge_ns = now_ns;
    }
    ptk_sim_tcp_send_ack(end);
}

/* The peer's number wait here for whatever is left of a connection that has ended. */
static void arrive_at_time_wait(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    bool is_plain = packet->sequence == end->expected && end_of(packet) == packet->sequence;
    if (packet->flags & PTK_SIM_TCP_RST) {
        if (packet->sequence == end->expected) {
            ptk_sim_tcp_die(end, 0);
        }
        return;
    }
    if ((packet->flags & (PTK_SIM_TCP_SYN | PTK_SIM_TCP_ACK)) == PTK_SIM_TCP_SYN &&
        ptk_sim_is_after(packet->sequence, end->expected)) {
        ptk_sim_tcp_end_t *listener =
            ptk_sim_tcp_find_listener(end->tcp.node->tcp, &packet->to, &packet->from);
        if (listener) {
            ptk_sim_tcp_die(end, 0);
            ptk_sim_tcp_welcome(listener, packet);
            return;
        }
    }
    if (!is_plain) {
        ptk_sim_tcp_send_ack(end);
        ptk_sim_event_queue_insert(&ptk_sim_tcp_net(end)->events, &end->alarm,
                             ptk_sim_tcp_now(end) + PTK_SIM_TCP_TIME_WAIT_NS);
    }
}

static bool is_in_window(const ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    uint32_t edge = ptk_sim_is_after(end->receive_edge, end->expected) ? end->receive_edge : end->expected;
    return !ptk_sim_is_before(end_of(packet), end->expected) && !ptk_sim_is_after(packet->sequence, edge);
}

/* True: nothing more to do. */
static bool check(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    bool is_reset = packet->flags & PTK_SIM_TCP_RST;
    if (ptk_sim_tcp_is_syn_again(end, packet)) {
        return true;
    }
    if (!is_in_window(end, packet)) {
        if (!is_reset) {
            challenge(end, packet);
        }
        return true;
    }
    if (is_reset && packet->sequence == end->expected) {
        ptk_sim_tcp_be_reset(end);
    } else if (is_reset || packet->flags & PTK_SIM_TCP_SYN) {
        challenge(end, packet);
    }
    return is_reset || packet->flags & PTK_SIM_TCP_SYN || !(packet->flags & PTK_SIM_TCP_ACK);
}

static void arrive_at_connection(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    if (check(end, packet) || !ptk_sim_tcp_complete(end, packet)) {
        return;
    }
    if (ptk_sim_is_after(packet->acknowledged, end->most)) {
        challenge(end, packet);
        return;
    }
    ptk_sim_tcp_take_acknowledgement(end, packet);
    ptk_sim_tcp_take_content(end, packet);
    ptk_sim_tcp_output(end);
}

static void arrive_at(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    switch (end->phase) {
    case PTK_SIM_TCP_SYN_SENT:
        ptk_sim_tcp_arrive_at_syn_sent(end, packet);
        break;
    case PTK_SIM_TCP_TIME_WAIT:
        arrive_at_time_wait(end, packet);
        break;
    default:
        arrive_at_connection(end, packet);
    }
    ptk_sim_tcp_settle(end);
}

void ptk_sim_tcp_arrives(ptk_sim_node_t *node, const ptk_sim_packet_t *packet) {
    const ptk_sim_tcp_tables_t *tables = node->tcp;
    ptk_sim_tcp_end_t *end = tables ? ptk_sim_tcp_find_pair(tables, &packet->to, &packet->from) : NULL;
    if (end) {
        arrive_at(end, packet);
        return;
    }
    bool is_call = (packet->flags & (PTK_SIM_TCP_SYN | PTK_SIM_TCP_ACK | PTK_SIM_TCP_RST)) == PTK_SIM_TCP_SYN;
    if (tables && is_call && (end = ptk_sim_tcp_find_listener(tables, &packet->to, &packet->from))) {
        ptk_sim_tcp_welcome(end, packet);
    } else {
        ptk_sim_net_note(node->net, PTK_SIM_TRACE_REFUSED, node->index, packet->from_node, packet->flags,
                         (uint64_t) packet->from.port << 16 | packet->to.port);
        ptk_sim_tcp_refuse(node, packet);
    }
}
