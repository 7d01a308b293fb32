/* SPDX-License-Identifier: MIT */
/*
 * Connections that come into being. A SYN makes a child of the listener, which is pending until its answer is
 * acknowledged, and then ready to be accepted. While more are ready than the backlog says, SYNs and those
 * acknowledgements are ignored, and come again, as on Linux. So is it that a shutdown of what is not
 * connected yet holds for the connection: a listener hands it down, and the end of the stream follows the
 * handshake.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>

static void expect_from(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    end->expected = end->read = end->receive_edge = packet->sequence + 1;
}

static ptk_sim_tcp_end_t *make_child(ptk_sim_tcp_end_t *listener, const ptk_sim_packet_t *packet) {
    ptk_sim_tcp_end_t *child =
        ptk_sim_tcp_end_create(listener->tcp.node, listener->family, listener->alarm.happen);
    child->local = packet->to;
    child->peer = packet->from;
    child->attempt = PTK_SIM_TCP_CONNECTED;
    child->reuses_addr = listener->reuses_addr;
    child->reuses_port = listener->reuses_port;
    child->is_kept_alive = listener->is_kept_alive;
    child->has_no_delay = listener->has_no_delay;
    child->has_urgent_inline = listener->has_urgent_inline;
    child->is_ipv6_only = listener->is_ipv6_only;
    child->keeps_addr = listener->keeps_addr;
    child->shut = listener->shut;
    child->lingers = listener->lingers;
    child->linger_seconds = listener->linger_seconds;
    child->send_limit = listener->send_limit;
    child->receive_limit = listener->receive_limit;
    child->parent = listener;
    ptk_list_append(&listener->pending, &child->in_parent);
    return child;
}

static bool is_full(const ptk_sim_tcp_end_t *listener) {
    return listener->ready_count > listener->ready_limit;
}

void ptk_sim_tcp_welcome(ptk_sim_tcp_end_t *listener, const ptk_sim_packet_t *packet) {
    if (is_full(listener)) {
        return;
    }
    ptk_sim_tcp_end_t *child = make_child(listener, packet);
    ptk_sim_tcp_enter_port(child);
    ptk_sim_tcp_enter_pair(child);
    expect_from(child, packet);
    child->phase = PTK_SIM_TCP_SYN_RECEIVED;
    child->unacknowledged = ptk_sim_tcp_first_sequence(child);
    child->send_edge = child->unacknowledged + 1 + packet->window;
    ptk_sim_tcp_send_syn(child);
}

static void establish(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    ptk_sim_tcp_measure(end, packet->acknowledged);
    ptk_sim_tcp_strike_alarm(end);
    end->retries = 0;
    end->unacknowledged = packet->acknowledged;
    end->send_edge = packet->acknowledged + packet->window;
    bool ends_at_once = end->phase == PTK_SIM_TCP_SYN_RECEIVED && end->shut & PTK_SIM_TCP_SHUT_OUT;
    end->phase = ends_at_once ? PTK_SIM_TCP_FIN_WAIT_1 : PTK_SIM_TCP_ESTABLISHED;
    end->has_fin_out = ends_at_once;
    if (end->parent) {
        ptk_list_remove(&end->in_parent);
        ptk_list_append(&end->parent->ready, &end->in_parent);
        end->parent->ready_count++;
        end->is_ready = true;
        ptk_sim_tcp_tell(end->parent, POLLIN);
    } else {
        end->events |= ptk_sim_tcp_poll(end);
    }
}

static bool acknowledges_syn(const ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    return packet->flags & PTK_SIM_TCP_ACK && packet->acknowledged == end->unacknowledged + 1;
}

void ptk_sim_tcp_arrive_at_syn_sent(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    if (packet->flags & PTK_SIM_TCP_ACK && !acknowledges_syn(end, packet)) {
        ptk_sim_tcp_refuse(end->tcp.node, packet);
    } else if (packet->flags & PTK_SIM_TCP_RST) {
        if (packet->flags & PTK_SIM_TCP_ACK) {
            ptk_sim_tcp_die(end, ECONNREFUSED);
        }
    } else if (packet->flags & PTK_SIM_TCP_SYN) {
        expect_from(end, packet);
        if (packet->flags & PTK_SIM_TCP_ACK) {
            establish(end, packet);
            ptk_sim_tcp_send_ack(end);
        } else { /* both have called each other */
            end->phase = PTK_SIM_TCP_SYN_RECEIVED;
            ptk_sim_tcp_send_syn(end);
        }
    }
}

/* The SYN once more: as it came, or as the answer to one's own when both have called each other. True: that
   was all. */
bool ptk_sim_tcp_is_syn_again(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    if (end->phase != PTK_SIM_TCP_SYN_RECEIVED || !(packet->flags & PTK_SIM_TCP_SYN) ||
        packet->flags & PTK_SIM_TCP_RST || packet->sequence + 1 != end->expected) {
        return false;
    }
    if (!(packet->flags & PTK_SIM_TCP_ACK)) {
        ptk_sim_tcp_send_syn(end);
    } else if (acknowledges_syn(end, packet)) {
        establish(end, packet);
        ptk_sim_tcp_send_ack(end);
        ptk_sim_tcp_output(end);
    }
    return true;
}

/* True: it is a connection. */
bool ptk_sim_tcp_complete(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    if (end->phase != PTK_SIM_TCP_SYN_RECEIVED) {
        return true;
    }
    if (!acknowledges_syn(end, packet)) {
        ptk_sim_tcp_refuse(end->tcp.node, packet);
        return false;
    }
    if (end->parent && is_full(end->parent)) {
        return false;
    }
    establish(end, packet);
    return true;
}
