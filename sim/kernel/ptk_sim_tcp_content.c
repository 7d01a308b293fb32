/* SPDX-License-Identifier: MIT */
/*
 * What the peer has sent: urgent byte, bytes, FIN, in this order. What comes out of order is dropped and
 * acknowledged as missing; the peer sends it again. The urgent byte has a number like any other, and is a
 * mark at which reading stops (ptk_sim_tcp.c); the rules of when a newer one counts are Linux's
 * tcp_check_urg.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>

void ptk_sim_tcp_be_reset(ptk_sim_tcp_end_t *end) {
    ptk_sim_tcp_die(end, end->phase == PTK_SIM_TCP_CLOSE_WAIT ? EPIPE : ECONNRESET);
}

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

void ptk_sim_tcp_take_content(ptk_sim_tcp_end_t *end, const ptk_sim_packet_t *packet) {
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
        ptk_sim_tcp_be_reset(end);
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
