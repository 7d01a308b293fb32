/* SPDX-License-Identifier: MIT */
/*
 * Segments in, in the order of RFC 9293, 3.10.7: is it in the window, RST, SYN, ACK, urgent, bytes, FIN. What
 * comes out of order is dropped and acknowledged as missing; the peer sends it again.
 *
 * As on Linux: a reset counts only with the exact number, or is questioned; answers to what is out of the
 * window and carries nothing are 500 ms apart, so that two ends that disagree do not chase each other; a
 * connection comes into being with the acknowledgement of the SYN's answer, and that is ignored while the
 * backlog is full.
 */
#include "base/ptk_assert.h"
#include "sim/net/ptk_sim_tcp_impl.h"
#include <errno.h>

#define CHALLENGE_APART_NS UINT64_C(500000000)
#define LEAST_DEVIATION_NS UINT64_C(200000000)
#define MOST_WAIT_NS       UINT64_C(120000000000)

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

static void be_reset(ptk_sim_tcp_end_t *end) {
    ptk_sim_tcp_die(end, end->phase == PTK_SIM_TCP_CLOSE_WAIT ? EPIPE : ECONNRESET);
}

/* --- what an acknowledgement does --- */

static void measure(ptk_sim_tcp_end_t *end, uint32_t acknowledged) {
    if (!end->is_timing || ptk_sim_is_before(acknowledged, end->timed)) {
        return;
    }
    uint64_t sample_ns = ptk_sim_tcp_now(end) - end->timed_at_ns;
    end->is_timing = false;
    if (end->smooth_ns == 0) {
        end->smooth_ns = sample_ns;
        end->deviation_ns = sample_ns / 2;
    } else {
        uint64_t off_ns =
            sample_ns > end->smooth_ns ? sample_ns - end->smooth_ns : end->smooth_ns - sample_ns;
        end->deviation_ns = (3 * end->deviation_ns + off_ns) / 4;
        end->smooth_ns = (7 * end->smooth_ns + sample_ns) / 8;
    }
    uint64_t margin_ns = 4 * end->deviation_ns;
    end->wait_ns = end->smooth_ns + (margin_ns > LEAST_DEVIATION_NS ? margin_ns : LEAST_DEVIATION_NS);
    end->wait_ns = end->wait_ns < MOST_WAIT_NS ? end->wait_ns : MOST_WAIT_NS;
}

static void strike_alarm(ptk_sim_tcp_end_t *end) {
    ptk_sim_agenda_strike(&ptk_sim_tcp_net(end)->agenda, &end->alarm);
}

static void take_window(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    uint32_t edge = packet->acknowledged + packet->window;
    end->unanswered = 0;
    if (ptk_sim_is_after(edge, end->send_edge)) {
        end->send_edge = edge;
        end->probes = 0;
        if (end->most == end->unacknowledged) {
            strike_alarm(end);
        }
    }
}

static void fin_is_acknowledged(ptk_sim_tcp_end_t *end) {
    end->is_fin_acknowledged = true;
    if (end->phase == PTK_SIM_TCP_FIN_WAIT_1) {
        end->phase = PTK_SIM_TCP_FIN_WAIT_2;
        if (!end->is_owned) {
            ptk_sim_agenda_enter(&ptk_sim_tcp_net(end)->agenda, &end->alarm,
                                 ptk_sim_tcp_now(end) + PTK_SIM_TCP_TIME_WAIT_NS);
        }
    } else if (end->phase == PTK_SIM_TCP_CLOSING) {
        ptk_sim_tcp_wait_out(end);
    } else if (end->phase == PTK_SIM_TCP_LAST_ACK) {
        ptk_sim_tcp_die(end, 0);
    }
}

static void offer_space(ptk_sim_tcp_end_t *end) {
    if (end->wants_space && ptk_sim_tcp_poll(end) & POLLOUT) {
        end->wants_space = false;
        end->events |= POLLOUT;
    }
}

static void take_acknowledgement(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    uint32_t acknowledged = packet->acknowledged;
    take_window(end, packet);
    if (!ptk_sim_is_after(acknowledged, end->unacknowledged)) {
        return;
    }
    uint32_t numbers = acknowledged - end->unacknowledged;
    uint32_t bytes = numbers < end->outgoing.count ? numbers : end->outgoing.count;
    measure(end, acknowledged);
    strike_alarm(end);
    end->retries = 0;
    ptk_sim_stream_drop(&end->outgoing, bytes);
    end->unacknowledged = acknowledged;
    if (ptk_sim_is_before(end->next, acknowledged)) {
        end->next = acknowledged;
    }
    if (!ptk_sim_is_after(end->urgent_out, acknowledged)) {
        end->has_urgent_out = false;
    }
    offer_space(end);
    if (numbers > bytes) {
        fin_is_acknowledged(end);
    }
}

/* --- what the peer has sent --- */

static void announce_urgent(ptk_sim_tcp_end_t *end, uint32_t number) {
    if (ptk_sim_is_after(end->read, number) || ptk_sim_is_before(number, end->expected) ||
        (end->urgent && !ptk_sim_is_after(number, end->urgent_in))) {
        return;
    }
    if (end->urgent && end->urgent_in == end->read && !end->has_urgent_inline && end->incoming.count > 0) {
        ptk_sim_stream_drop(&end->incoming, 1); /* the one before, which nobody has passed yet */
        end->read++;
    }
    end->urgent = PTK_SIM_TCP_URGENT_ANNOUNCED;
    end->urgent_in = number;
}

static void take_urgent(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    if (packet->flags & PTK_SIM_TCP_URG) {
        announce_urgent(end, packet->sequence + packet->urgent - 1);
    }
    if (end->urgent == PTK_SIM_TCP_URGENT_ANNOUNCED && end->urgent_in - packet->sequence < packet->bytes) {
        end->urgent = PTK_SIM_TCP_URGENT_HERE;
        end->events |= POLLIN | POLLPRI;
    }
}

static void take_bytes(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    uint32_t known = end->expected - packet->sequence;
    if (packet->bytes == 0 || known >= packet->bytes) {
        return;
    }
    uint32_t fresh = packet->bytes - known;
    uint32_t room =
        ptk_sim_is_after(end->receive_edge, end->expected) ? end->receive_edge - end->expected : 0;
    fresh = fresh < room ? fresh : room;
    ptk_sim_stream_append(&end->incoming, packet->payload + known, fresh);
    end->expected += fresh;
    end->events |= fresh ? POLLIN : 0;
}

static void take_fin(ptk_sim_tcp_end_t *end) {
    end->expected++;
    end->had_fin = true;
    end->shut |= PTK_SIM_TCP_SHUT_IN;
    end->events |= ptk_sim_tcp_poll(end);
    if (end->phase == PTK_SIM_TCP_ESTABLISHED) {
        end->phase = PTK_SIM_TCP_CLOSE_WAIT;
    } else if (end->phase == PTK_SIM_TCP_FIN_WAIT_1) {
        end->phase = PTK_SIM_TCP_CLOSING;
    } else {
        ptk_sim_tcp_send_ack(end);
        ptk_sim_tcp_wait_out(end);
    }
}

static void take_content(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    bool has_fin = packet->flags & PTK_SIM_TCP_FIN;
    if (packet->bytes == 0 && !has_fin) {
        return;
    }
    end->owes_ack = true;
    if (end->phase < PTK_SIM_TCP_ESTABLISHED || end->phase > PTK_SIM_TCP_FIN_WAIT_2) {
        return;
    }
    if (end->phase != PTK_SIM_TCP_ESTABLISHED && end->shut & PTK_SIM_TCP_SHUT_IN && packet->bytes > 0 &&
        ptk_sim_is_after(packet->sequence + packet->bytes, end->expected)) {
        ptk_sim_tcp_send_reset(end); /* nobody will ever read this */
        be_reset(end);
        return;
    }
    if (!ptk_sim_is_after(packet->sequence, end->expected)) {
        take_urgent(end, packet);
        take_bytes(end, packet);
        if (has_fin && packet->sequence + packet->bytes == end->expected) {
            take_fin(end);
        }
    }
}

/* --- connections that come into being --- */

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

static void welcome(ptk_sim_tcp_end_t *listener, const ptk_sim_packet_t *packet) {
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
    measure(end, packet->acknowledged);
    strike_alarm(end);
    end->retries = 0;
    end->unacknowledged = packet->acknowledged;
    end->send_edge = packet->acknowledged + packet->window;
    end->phase = PTK_SIM_TCP_ESTABLISHED;
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

static void arrive_at_syn_sent(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
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

/* --- all others --- */

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
            welcome(listener, packet);
            return;
        }
    }
    if (!is_plain) {
        ptk_sim_tcp_send_ack(end);
        ptk_sim_agenda_enter(&ptk_sim_tcp_net(end)->agenda, &end->alarm,
                             ptk_sim_tcp_now(end) + PTK_SIM_TCP_TIME_WAIT_NS);
    }
}

static bool is_in_window(const ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    uint32_t edge = ptk_sim_is_after(end->receive_edge, end->expected) ? end->receive_edge : end->expected;
    return !ptk_sim_is_before(end_of(packet), end->expected) && !ptk_sim_is_after(packet->sequence, edge);
}

/* The SYN once more: as it came, or as the answer to one's own when both have called each other. True: that
   was all. */
static bool is_syn_again(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    if (end->phase != PTK_SIM_TCP_SYN_RECEIVED || !(packet->flags & PTK_SIM_TCP_SYN) ||
        packet->flags & PTK_SIM_TCP_RST || packet->sequence + 1 != end->expected) {
        return false;
    }
    if (!(packet->flags & PTK_SIM_TCP_ACK)) {
        ptk_sim_tcp_send_syn(end);
    } else if (acknowledges_syn(end, packet)) {
        establish(end, packet);
        ptk_sim_tcp_send_ack(end);
    }
    return true;
}

/* True: nothing more to do. */
static bool check(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    bool is_reset = packet->flags & PTK_SIM_TCP_RST;
    if (is_syn_again(end, packet)) {
        return true;
    }
    if (!is_in_window(end, packet)) {
        if (!is_reset) {
            challenge(end, packet);
        }
        return true;
    }
    if (is_reset && packet->sequence == end->expected) {
        be_reset(end);
    } else if (is_reset || packet->flags & PTK_SIM_TCP_SYN) {
        challenge(end, packet);
    }
    return is_reset || packet->flags & PTK_SIM_TCP_SYN || !(packet->flags & PTK_SIM_TCP_ACK);
}

/* True: it is a connection. */
static bool complete(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
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

static void arrive_at_connection(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    if (check(end, packet) || !complete(end, packet)) {
        return;
    }
    if (ptk_sim_is_after(packet->acknowledged, end->most)) {
        challenge(end, packet);
        return;
    }
    take_acknowledgement(end, packet);
    take_content(end, packet);
    ptk_sim_tcp_output(end);
}

static void arrive_at(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    switch (end->phase) {
    case PTK_SIM_TCP_SYN_SENT:
        arrive_at_syn_sent(end, packet);
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
        welcome(end, packet);
    } else {
        ptk_sim_net_note(node->net, PTK_SIM_TRACE_REFUSED, node->index, packet->from_node, packet->flags,
                         (uint64_t) packet->from.port << 16 | packet->to.port);
        ptk_sim_tcp_refuse(node, packet);
    }
}
