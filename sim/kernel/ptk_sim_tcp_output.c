/* SPDX-License-Identifier: MIT */
/*
 * Segments out. `outgoing` holds the bytes from the oldest unacknowledged number on; `next` walks through
 * them as the peer's window and the largest segment permit. When an acknowledgement is late, `next` goes back
 * to the oldest number and one segment is sent; the rest follows when that has been acknowledged. There is no
 * congestion window: the links of the simulated net do not mind.
 *
 * The window that is told never shrinks, and grows by a segment or half a buffer at least.
 */
#include "base/ptk_assert.h"
#include "base/ptk_choice.h"
#include "sim/kernel/ptk_sim_site.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"

#define MOST_WAIT_NS      UINT64_C(120000000000)
#define NS_PER_SEQUENCE   64
#define SEQUENCE_CHOICES  4
#define JUST_BELOW_WRAP   (UINT32_MAX - 1000)
#define USUAL_SEQUENCE    UINT32_C(1000000)
#define MOST_URGENT_AHEAD 0xffff

/* A clock, as on Linux, so that a later connection begins above an earlier one of the same pair; or one of
   the places where numbers wrap around. */
uint32_t ptk_sim_tcp_first_sequence(const ptk_sim_tcp_end_t *end) {
    uint32_t choice = ptk_choice(PTK_SIM_SITE_INITIAL_SEQUENCE, SEQUENCE_CHOICES);
    switch (choice) {
    case 0:
        return USUAL_SEQUENCE + (uint32_t) (ptk_sim_tcp_now(end) / NS_PER_SEQUENCE);
    case 1:
        return JUST_BELOW_WRAP;
    case 2:
        return (uint32_t) INT32_MAX - 1000;
    default:
        return 0;
    }
}

static uint32_t window_to_tell(ptk_sim_tcp_end_t *end) {
    uint32_t half = end->receive_limit / 2;
    uint32_t step = half < PTK_SIM_TCP_SEGMENT_BYTES ? half : PTK_SIM_TCP_SEGMENT_BYTES;
    uint32_t room = end->incoming.count < end->receive_limit ? end->receive_limit - end->incoming.count : 0;
    uint32_t edge = end->expected + room;
    if (ptk_sim_is_after(end->expected, end->receive_edge)) {
        end->receive_edge = end->expected;
    }
    if (ptk_sim_is_after(edge, end->receive_edge) && edge - end->receive_edge >= step) {
        end->receive_edge = edge;
    }
    return end->receive_edge - end->expected;
}

static ptk_sim_packet_t *make_segment(ptk_sim_tcp_end_t *end, uint8_t flags, uint32_t sequence,
                                      uint32_t bytes) {
    ptk_sim_packet_t *packet = ptk_sim_packet_create(ptk_sim_tcp_net(end), bytes);
    packet->from = end->local;
    packet->to = end->peer;
    packet->protocol = PTK_SIM_PROTOCOL_TCP;
    packet->flags = flags;
    packet->sequence = sequence;
    packet->acknowledged = flags & PTK_SIM_TCP_ACK ? end->expected : 0;
    packet->window = window_to_tell(end);
    end->owes_ack = false;
    return packet;
}

void ptk_sim_tcp_send_control(ptk_sim_tcp_end_t *end, uint8_t flags, uint32_t sequence) {
    ptk_sim_packet_send(end->tcp.node, make_segment(end, flags, sequence, 0));
}

static bool has_urgent_ahead(const ptk_sim_tcp_end_t *end) {
    return end->has_urgent_out && ptk_sim_is_after(end->urgent_out, end->next) &&
           end->urgent_out - end->next <= MOST_URGENT_AHEAD;
}

void ptk_sim_tcp_send_ack(ptk_sim_tcp_end_t *end) {
    ptk_sim_tcp_send_control(end, PTK_SIM_TCP_ACK, end->most);
}

void ptk_sim_tcp_send_reset(ptk_sim_tcp_end_t *end) {
    ptk_sim_tcp_send_control(end, PTK_SIM_TCP_RST | PTK_SIM_TCP_ACK, end->most);
}

void ptk_sim_tcp_refuse(ptk_sim_node_t *node, const ptk_sim_packet_t *packet) {
    if (packet->flags & PTK_SIM_TCP_RST) {
        return;
    }
    ptk_sim_packet_t *answer = ptk_sim_packet_create(node->net, 0);
    answer->from = packet->to;
    answer->to = packet->from;
    answer->protocol = PTK_SIM_PROTOCOL_TCP;
    answer->flags = PTK_SIM_TCP_RST;
    if (packet->flags & PTK_SIM_TCP_ACK) {
        answer->sequence = packet->acknowledged;
    } else {
        answer->flags |= PTK_SIM_TCP_ACK;
        answer->acknowledged = packet->sequence + packet->bytes + !!(packet->flags & PTK_SIM_TCP_SYN) +
                               !!(packet->flags & PTK_SIM_TCP_FIN);
    }
    ptk_sim_packet_send(node, answer);
}

static void start_clock(ptk_sim_tcp_end_t *end) {
    if (!end->is_timing && end->retries == 0) {
        end->is_timing = true;
        end->timed = end->most;
        end->timed_at_ns = ptk_sim_tcp_now(end);
    }
}

void ptk_sim_tcp_send_syn(ptk_sim_tcp_end_t *end) {
    bool is_answer = end->phase == PTK_SIM_TCP_SYN_RECEIVED;
    end->next = end->most = end->unacknowledged + 1;
    start_clock(end);
    ptk_sim_tcp_send_control(end, is_answer ? PTK_SIM_TCP_SYN | PTK_SIM_TCP_ACK : PTK_SIM_TCP_SYN,
                             end->unacknowledged);
    ptk_sim_tcp_set_alarm(end);
}

static bool may_send(const ptk_sim_tcp_end_t *end) {
    switch (end->phase) {
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

/* How many bytes the next segment carries. */
static uint32_t size_segment(const ptk_sim_tcp_end_t *end, uint32_t unsent, uint32_t room) {
    uint32_t size = unsent < PTK_SIM_TCP_SEGMENT_BYTES ? unsent : PTK_SIM_TCP_SEGMENT_BYTES;
    size = size < room ? size : room;
    if (size > 1 && !ptk_sim_tcp_net(end)->calm) {
        uint32_t fewer = ptk_choice(PTK_SIM_SITE_SEGMENT, size);
        size -= fewer;
    }
    return size;
}

static void send_data(ptk_sim_tcp_end_t *end, uint32_t offset, uint32_t size, bool has_fin) {
    unsigned flags = PTK_SIM_TCP_ACK | (size ? PTK_SIM_TCP_PSH : 0U) | (has_fin ? PTK_SIM_TCP_FIN : 0U);
    bool is_urgent = has_urgent_ahead(end);
    flags |= is_urgent ? PTK_SIM_TCP_URG : 0U;
    ptk_sim_packet_t *packet = make_segment(end, (uint8_t) flags, end->next, size);
    packet->urgent = is_urgent ? (uint16_t) (end->urgent_out - end->next) : 0;
    ptk_sim_stream_copy(&end->outgoing, offset, packet->payload, size);
    bool is_new = end->next == end->most;
    end->next += size + has_fin;
    if (ptk_sim_is_after(end->next, end->most)) {
        end->most = end->next;
    }
    if (is_new) {
        start_clock(end);
    }
    ptk_sim_packet_send(end->tcp.node, packet);
}

static bool send_next(ptk_sim_tcp_end_t *end) {
    uint32_t offset = end->next - end->unacknowledged;
    if (end->is_fin_acknowledged || offset > end->outgoing.count || (end->retries > 0 && offset > 0)) {
        return false;
    }
    uint32_t unsent = end->outgoing.count - offset;
    uint32_t room = ptk_sim_is_after(end->send_edge, end->next) ? end->send_edge - end->next : 0;
    uint32_t size = size_segment(end, unsent, room);
    bool has_fin = end->has_fin_out && size == unsent && room > size;
    if (size == 0 && !has_fin) {
        return false;
    }
    send_data(end, offset, size, has_fin);
    return true;
}

static uint64_t backed_off(uint64_t wait_ns, uint32_t times) {
    for (; times > 0 && wait_ns < MOST_WAIT_NS; times--) {
        wait_ns *= 2;
    }
    return wait_ns < MOST_WAIT_NS ? wait_ns : MOST_WAIT_NS;
}

void ptk_sim_tcp_set_alarm(ptk_sim_tcp_end_t *end) {
    ptk_sim_event_queue_t *events = &ptk_sim_tcp_net(end)->events;
    bool is_under_way = end->most != end->unacknowledged;
    bool is_held_up = end->outgoing.count > 0 || (end->has_fin_out && !end->is_fin_acknowledged);
    if (!is_under_way && !is_held_up) {
        ptk_sim_event_queue_cancel(events, &end->alarm);
    } else if (!ptk_sim_event_is_entered(&end->alarm)) {
        uint32_t times = is_under_way ? end->retries : end->probes;
        ptk_sim_event_queue_insert(events, &end->alarm, events->now_ns + backed_off(end->wait_ns, times));
    }
}

void ptk_sim_tcp_output(ptk_sim_tcp_end_t *end) {
    if (may_send(end)) {
        while (send_next(end)) {
        }
        ptk_sim_tcp_set_alarm(end);
    }
    if (end->owes_ack) {
        ptk_sim_tcp_send_ack(end);
    }
}

void ptk_sim_tcp_open_window(ptk_sim_tcp_end_t *end) {
    if (end->phase < PTK_SIM_TCP_ESTABLISHED || end->phase > PTK_SIM_TCP_FIN_WAIT_2) {
        return;
    }
    uint32_t edge = end->receive_edge;
    uint32_t before = edge - end->expected;
    uint32_t now = window_to_tell(end);
    if (now != before && now >= 2 * before) {
        ptk_sim_tcp_send_ack(end);
    } else {
        end->receive_edge = edge;
    }
}
