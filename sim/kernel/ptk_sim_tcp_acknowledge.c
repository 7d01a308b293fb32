/* SPDX-License-Identifier: MIT */
/*
 * What an acknowledgement does: it makes room, opens the window, measures how long the way is (RFC 6298, with
 * Linux's least margin of 200 ms), and lets a close go on. The peer's window never shrinks, so the furthest
 * edge ever told is the one that counts, in whatever order segments come.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"

#define LEAST_DEVIATION_NS UINT64_C(200000000)
#define MOST_WAIT_NS       UINT64_C(120000000000)

void ptk_sim_tcp_measure(ptk_sim_tcp_end_t *end, uint32_t acknowledged) {
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

static void take_window(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    uint32_t edge = packet->acknowledged + packet->window;
    end->unanswered = 0;
    if (ptk_sim_is_after(edge, end->send_edge)) {
        end->send_edge = edge;
        end->probes = 0;
        if (end->most == end->unacknowledged) {
            ptk_sim_tcp_strike_alarm(end);
        }
    }
}

static void fin_is_acknowledged(ptk_sim_tcp_end_t *end) {
    end->is_fin_acknowledged = true;
    if (end->phase == PTK_SIM_TCP_FIN_WAIT_1) {
        end->phase = PTK_SIM_TCP_FIN_WAIT_2;
        if (!end->is_owned) {
            ptk_sim_event_queue_insert(&ptk_sim_tcp_net(end)->events, &end->alarm,
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

void ptk_sim_tcp_take_acknowledgement(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
    uint32_t acknowledged = packet->acknowledged;
    take_window(end, packet);
    if (!ptk_sim_is_after(acknowledged, end->unacknowledged)) {
        return;
    }
    uint32_t numbers = acknowledged - end->unacknowledged;
    uint32_t bytes = numbers < end->outgoing.count ? numbers : end->outgoing.count;
    ptk_sim_tcp_measure(end, acknowledged);
    ptk_sim_tcp_strike_alarm(end);
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
