/* SPDX-License-Identifier: MIT */
/*
 * What the peer has sent: urgent pointer, text, FIN, in this order.
 *
 * A segment out of order is dropped and acknowledged up to the gap, and the peer sends it again. The urgent
 * byte has a number like any other, and is a mark at which reading stops (ptk_sim_tcp.c). When a newer one
 * replaces it follows Linux's tcp_check_urg.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>

/* After the peer's FIN, Linux reports EPIPE. */
void ptk_sim_tcp_process_reset(ptk_sim_tcb_t *tcb) {
    ptk_sim_tcp_set_closed(tcb, tcb->state == PTK_SIM_TCP_CLOSE_WAIT ? EPIPE : ECONNRESET);
}

/* Takes a newer urgent pointer. The old urgent byte, if the program has not passed it, is lost out of line.
 */
static void tcp_update_rcv_up(ptk_sim_tcb_t *tcb, uint32_t number) {
    if (ptk_sim_seq_after(tcb->copied_seq, number) || ptk_sim_seq_before(number, tcb->rcv_nxt) ||
        (tcb->urg_state && !ptk_sim_seq_after(number, tcb->rcv_up))) {
        return;
    }
    if (tcb->urg_state && tcb->rcv_up == tcb->copied_seq && !tcb->has_oob_inline &&
        tcb->receive_buffer.count > 0) {
        ptk_sim_ring_drop(&tcb->receive_buffer, 1); /* the earlier urgent byte, which was not passed yet */
        tcb->copied_seq++;
    }
    tcb->urg_state = PTK_SIM_TCP_URG_NOTYET;
    tcb->rcv_up = number;
}

/* Takes the urgent pointer, and notices when the urgent byte itself arrives. */
static void tcp_process_urgent(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    if (packet->flags & PTK_SIM_TCP_URG) {
        tcp_update_rcv_up(tcb, packet->seq + packet->urg_ptr - 1);
    }
    if (tcb->urg_state == PTK_SIM_TCP_URG_NOTYET && tcb->rcv_up - packet->seq < packet->bytes) {
        tcb->urg_state = PTK_SIM_TCP_URG_VALID;
        tcb->pending_events |= POLLIN | POLLPRI;
    }
}

/* Appends the new bytes, as far as the advertised window goes. */
static void tcp_process_text(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    uint32_t duplicate = tcb->rcv_nxt - packet->seq;
    if (packet->bytes == 0 || duplicate >= packet->bytes) {
        return;
    }
    uint32_t fresh = packet->bytes - duplicate;
    uint32_t room = ptk_sim_seq_after(tcb->rcv_wnd_end, tcb->rcv_nxt) ? tcb->rcv_wnd_end - tcb->rcv_nxt : 0;
    fresh = fresh < room ? fresh : room;
    ptk_sim_ring_append(&tcb->receive_buffer, packet->payload + duplicate, fresh);
    tcb->rcv_nxt += fresh;
    tcb->pending_events |= fresh ? POLLIN : 0;
}

/* The peer's FIN has arrived. ESTABLISHED -> CLOSE_WAIT; FIN_WAIT_1 -> CLOSING; FIN_WAIT_2, whose own FIN
   is acknowledged, -> TIME_WAIT. */
static void tcp_process_fin(ptk_sim_tcb_t *tcb) {
    tcb->rcv_nxt++;
    tcb->fin_received = true;
    tcb->shutdown |= PTK_SIM_TCP_SHUT_RD;
    tcb->pending_events |= ptk_sim_tcp_poll_bits(tcb);
    if (tcb->state == PTK_SIM_TCP_ESTABLISHED) {
        tcb->state = PTK_SIM_TCP_CLOSE_WAIT;
    } else if (tcb->state == PTK_SIM_TCP_FIN_WAIT_1) {
        tcb->state = PTK_SIM_TCP_CLOSING;
    } else {
        ptk_sim_tcp_send_ack(tcb);
        ptk_sim_tcp_enter_time_wait(tcb);
    }
}

/* Data for a connection whose program will never read it is answered with an RST, as on Linux. A segment
   beyond rcv_nxt is dropped, but acknowledged. */
void ptk_sim_tcp_process_data(ptk_sim_tcb_t *tcb, const ptk_sim_packet_t *packet) {
    bool has_fin = packet->flags & PTK_SIM_TCP_FIN;
    if (packet->bytes == 0 && !has_fin) {
        return;
    }
    tcb->ack_pending = true;
    if (tcb->state < PTK_SIM_TCP_ESTABLISHED || tcb->state > PTK_SIM_TCP_FIN_WAIT_2) {
        return;
    }
    if (tcb->state != PTK_SIM_TCP_ESTABLISHED && tcb->shutdown & PTK_SIM_TCP_SHUT_RD && packet->bytes > 0 &&
        ptk_sim_seq_after(packet->seq + packet->bytes, tcb->rcv_nxt)) {
        ptk_sim_tcp_send_reset(tcb); /* the program will never read it */
        ptk_sim_tcp_process_reset(tcb);
        return;
    }
    if (!ptk_sim_seq_after(packet->seq, tcb->rcv_nxt)) {
        tcp_process_urgent(tcb, packet);
        tcp_process_text(tcb, packet);
        if (has_fin && packet->seq + packet->bytes == tcb->rcv_nxt) {
            tcp_process_fin(tcb);
        }
    }
}
