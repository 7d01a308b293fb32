/* SPDX-License-Identifier: MIT */
/*
 * The calls of a program on its endpoints.
 *
 * They look at the state and return what Linux does; the order in which recv and send look at data, FIN,
 * error and shutdown is that of tcp_recvmsg and tcp_sendmsg. Packets that they send travel through the event
 * queue, so no call notifies its own caller before it returns. Where Linux wakes pollers because of a
 * program's own shutdown, an event of the present time does so (`shutdown_event`).
 */
#include "sim/kernel/ptk_sim_tcp.h"

#include "base/ptk_assert.h"
#include "base/ptk_choice.h"
#include "sim/kernel/ptk_sim_site.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>

/* The net learns where TCP's packets go with the first endpoint, so that a net without TCP needs none of
   it. */
ptk_sim_tcp_t *ptk_sim_tcp_create(ptk_sim_node_t *node, int family) {
    ptk_assert(family == AF_INET || family == AF_INET6);
    ptk_sim_tcb_t *tcb = ptk_sim_tcb_create(node, family, ptk_sim_tcp_timer_expired);
    node->net->tcp_input = ptk_sim_tcp_input;
    tcb->is_owned = true;
    return &tcb->tcp;
}

/* A connection that was reset in the queue is accepted all the same; the first receive returns the error,
   as on Linux. */
int ptk_sim_tcp_accept(ptk_sim_tcp_t *listener, ptk_sim_tcp_t **accepted_out) {
    ptk_sim_tcb_t *parent = listener->tcb;
    if (parent->state != PTK_SIM_TCP_LISTEN) {
        return -EINVAL;
    }
    ptk_list_node_t *node = ptk_list_pop(&parent->accept_queue);
    if (!node) {
        return -EAGAIN;
    }
    ptk_sim_tcb_t *tcb = ptk_container_of(node, ptk_sim_tcb_t, in_backlog);
    parent->accept_count--;
    tcb->listener = NULL;
    tcb->is_in_accept_queue = false;
    tcb->is_owned = true;
    *accepted_out = &tcb->tcp;
    return 0;
}

/* --- data --- */

/* Returns what a receive from an empty buffer returns: 0 after the FIN, then the error, 0 after
   shutdown(SHUT_RD), and else -EAGAIN. */
static intptr_t tcp_recv_nothing(ptk_sim_tcb_t *tcb) {
    if (tcb->fin_received) {
        return 0;
    }
    if (tcb->error) {
        return -ptk_sim_tcp_take_error(tcb);
    }
    if (tcb->shutdown & PTK_SIM_TCP_SHUT_RD) {
        return 0;
    }
    return tcb->state == PTK_SIM_TCP_CLOSED ? -ENOTCONN : -EAGAIN;
}

/* Removes read bytes, and the urgent mark once it has been passed. */
static void tcp_consume(ptk_sim_tcb_t *tcb, uint32_t bytes) {
    ptk_sim_ring_drop(&tcb->receive_buffer, bytes);
    tcb->copied_seq += bytes;
    if (tcb->urg_state && ptk_sim_seq_after(tcb->copied_seq, tcb->rcv_up)) {
        tcb->urg_state = PTK_SIM_TCP_URG_NONE;
    }
}

/* Copies what can be read in one piece: up to the urgent byte, or from it on. Out of line, the urgent byte
   itself is skipped. */
static uint32_t tcp_recv_piece(ptk_sim_tcb_t *tcb, uint8_t *buffer, size_t bytes) {
    uint32_t piece = bytes < tcb->receive_buffer.count ? (uint32_t) bytes : tcb->receive_buffer.count;
    uint32_t to_urgent = tcb->rcv_up - tcb->copied_seq;
    if (tcb->urg_state && to_urgent < piece) {
        if (to_urgent > 0) {
            piece = to_urgent;
        } else if (!tcb->has_oob_inline) {
            tcp_consume(tcb, 1);
            piece--;
        }
    }
    ptk_sim_ring_copy(&tcb->receive_buffer, 0, buffer, piece);
    tcp_consume(tcb, piece);
    return piece;
}

/* Bytes are copied in pieces up to the buffer's size, the urgent mark or the end of what is there; only an
   empty buffer at the start is an error or the end of the stream. */
intptr_t ptk_sim_tcp_recv(ptk_sim_tcp_t *tcp, void *buffer, size_t bytes) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    size_t copied = 0;
    if (tcb->state == PTK_SIM_TCP_LISTEN) {
        return -ENOTCONN;
    }
    do {
        bool is_at_mark = tcb->urg_state && tcb->rcv_up == tcb->copied_seq;
        if (copied > 0 && (is_at_mark || tcb->receive_buffer.count == 0)) {
            break;
        }
        if (tcb->receive_buffer.count == 0) {
            return tcp_recv_nothing(tcb);
        }
        copied += tcp_recv_piece(tcb, (uint8_t *) buffer + copied, bytes - copied);
    } while (copied < bytes);
    if (copied > 0) {
        ptk_sim_tcp_update_window(tcb);
    }
    return (intptr_t) copied;
}

/* Returns why a send is refused now, 0 if it is not. An error of the connection is returned once. */
static int tcp_send_error(ptk_sim_tcb_t *tcb) {
    bool is_connected = tcb->state == PTK_SIM_TCP_ESTABLISHED || tcb->state == PTK_SIM_TCP_CLOSE_WAIT;
    if (tcb->error) {
        return -ptk_sim_tcp_take_error(tcb);
    }
    if (tcb->state == PTK_SIM_TCP_SYN_SENT || tcb->state == PTK_SIM_TCP_SYN_RECEIVED) {
        return -EAGAIN;
    }
    return !is_connected || tcb->shutdown & PTK_SIM_TCP_SHUT_WR ? -EPIPE : 0;
}

/* Returns how many of `bytes` the send buffer accepts, or fewer if the oracle decides so. */
static uint32_t tcp_send_space(const ptk_sim_tcb_t *tcb, size_t bytes) {
    uint32_t room =
        tcb->send_buffer.count < tcb->send_buffer_bytes ? tcb->send_buffer_bytes - tcb->send_buffer.count : 0;
    uint32_t taken = bytes < room ? (uint32_t) bytes : room;
    if (taken > 1 && !ptk_sim_tcp_net(tcb)->faults_off) {
        uint32_t fewer = ptk_choice(PTK_SIM_SITE_SHORT_SEND, taken);
        taken -= fewer;
    }
    return taken;
}

/* The urgent pointer is the end of what was accepted: of a send that is cut short, the urgent byte is the
   last accepted one. */
intptr_t ptk_sim_tcp_send(ptk_sim_tcp_t *tcp, const void *buffer, size_t bytes, bool urgent) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    int error = tcp_send_error(tcb);
    if (error || bytes == 0) {
        return error;
    }
    uint32_t taken = tcp_send_space(tcb, bytes);
    tcb->has_no_space = tcb->has_no_space || taken < bytes;
    if (taken == 0) {
        return -EAGAIN;
    }
    ptk_sim_ring_append(&tcb->send_buffer, buffer, taken);
    if (urgent) {
        tcb->has_snd_up = true;
        tcb->snd_up = tcb->snd_una + tcb->send_buffer.count;
    }
    ptk_sim_tcp_output(tcb);
    return (intptr_t) taken;
}

uint32_t ptk_sim_tcp_ready(const ptk_sim_tcp_t *tcp) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    uint32_t events = ptk_sim_tcp_poll_bits(tcb);
    if (!(events & POLLOUT) && tcb->state >= PTK_SIM_TCP_ESTABLISHED) {
        tcb->has_no_space = true; /* as on Linux, a look without POLLOUT makes its edge due */
    }
    return events;
}

/* --- shutdown and close --- */

/* Queues our FIN. ESTABLISHED -> FIN_WAIT_1; CLOSE_WAIT -> LAST_ACK (RFC 9293, 3.6); without effect in
   other states. */
static void tcp_close_send_side(ptk_sim_tcb_t *tcb) {
    if (tcb->state == PTK_SIM_TCP_ESTABLISHED) {
        tcb->state = PTK_SIM_TCP_FIN_WAIT_1;
    } else if (tcb->state == PTK_SIM_TCP_CLOSE_WAIT) {
        tcb->state = PTK_SIM_TCP_LAST_ACK;
    } else {
        return;
    }
    tcb->fin_queued = true;
    ptk_sim_tcp_output(tcb);
}

/* Shuts down directions. A listener is closed by SHUT_RD and ignores SHUT_WR, as on Linux. */
static int tcp_shutdown_directions(ptk_sim_tcb_t *tcb, uint8_t directions) {
    if (tcb->state == PTK_SIM_TCP_LISTEN && !(directions & PTK_SIM_TCP_SHUT_RD)) {
        return 0;
    }
    if (tcb->state == PTK_SIM_TCP_LISTEN || tcb->state == PTK_SIM_TCP_SYN_SENT) {
        ptk_sim_tcp_disconnect(tcb);
        tcb->socket_state = PTK_SIM_TCP_UNCONNECTED;
        return 0;
    }
    tcb->shutdown |= directions;
    if (directions & PTK_SIM_TCP_SHUT_WR) {
        tcp_close_send_side(tcb);
    }
    return tcb->state == PTK_SIM_TCP_CLOSED ? -ENOTCONN : 0;
}

/* The socket's state follows the connection's: after a connect that never succeeded, the next connect
   returns -EINVAL. The event is scheduled also with -ENOTCONN, since Linux wakes pollers then, too. */
int ptk_sim_tcp_shutdown(ptk_sim_tcp_t *tcp, int how) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    if (how < SHUT_RD || how > SHUT_RDWR) {
        return -EINVAL;
    }
    if (tcb->socket_state == PTK_SIM_TCP_CONNECTING) {
        bool never_was = tcb->state == PTK_SIM_TCP_CLOSED || tcb->state == PTK_SIM_TCP_SYN_RECEIVED;
        tcb->socket_state = never_was ? PTK_SIM_TCP_DISCONNECTING : PTK_SIM_TCP_CONNECTED;
    }
    int error = tcp_shutdown_directions(tcb, (uint8_t) (how + 1)); /* SHUT_RD is 0, SHUT_WR 1, SHUT_RDWR 2 */
    ptk_sim_event_queue_insert(&ptk_sim_tcp_net(tcb)->events, &tcb->shutdown_event, ptk_sim_tcp_now(tcb));
    return error;
}

/* Takes the endpoint from its program: no descriptor refers to it from now on. What is left of the connection
   has a limit of time, so it is not kept alive. */
static void tcp_orphan(ptk_sim_tcb_t *tcb) {
    ptk_assert(tcb->is_owned);
    tcb->is_owned = false;
    ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(tcb)->events, &tcb->keepalive);
    tcb->tcp.changed = NULL;
    tcb->tcp.owner = NULL;
    tcb->shutdown = PTK_SIM_TCP_SHUT_RDWR;
}

/* An orphan in FIN_WAIT_2 does not wait for the peer's FIN for ever (tcp_fin_timeout). */
static void tcp_start_fin_wait_2_timer(ptk_sim_tcb_t *tcb) {
    ptk_sim_event_queue_insert(&ptk_sim_tcp_net(tcb)->events, &tcb->timer,
                               ptk_sim_tcp_now(tcb) + PTK_SIM_TCP_TIME_WAIT_NS);
}

/* Before SYN_RECEIVED, and with SO_LINGER 0, nothing of the connection stays. Unread bytes cause an RST
   instead of a FIN, since the peer must not believe that they arrived (RFC 2525, 2.17). */
void ptk_sim_tcp_close(ptk_sim_tcp_t *tcp) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    tcp_orphan(tcb);
    if (tcb->state < PTK_SIM_TCP_SYN_RECEIVED || (tcb->lingers && tcb->linger_seconds == 0)) {
        ptk_sim_tcp_disconnect(tcb);
    } else if (tcb->state == PTK_SIM_TCP_SYN_RECEIVED || tcb->receive_buffer.count > 0) {
        ptk_sim_tcp_send_reset(tcb);
        ptk_sim_tcp_set_closed(tcb, 0);
    } else if (tcb->state == PTK_SIM_TCP_FIN_WAIT_2) {
        tcp_start_fin_wait_2_timer(tcb);
    } else {
        tcp_close_send_side(tcb);
    }
    ptk_sim_tcp_finish_event(tcb);
}

/* Frees a listener's queue without a packet. */
static void tcp_free_children(ptk_list_t *list) {
    for (ptk_list_node_t *node; (node = ptk_list_first(list));) {
        ptk_sim_tcb_free(ptk_container_of(node, ptk_sim_tcb_t, in_backlog));
    }
}

void ptk_sim_tcp_abandon(ptk_sim_tcp_t *tcp) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    tcp_orphan(tcb);
    tcp_free_children(&tcb->syn_queue);
    tcp_free_children(&tcb->accept_queue);
    ptk_sim_tcb_free(tcb);
}

/* Nothing is sent: a node that has crashed is silent. */
void ptk_sim_tcp_clear(ptk_sim_node_t *node) {
    ptk_sim_tcp_tables_t *tables = node->tcp;
    if (!tables) {
        return;
    }
    for (ptk_list_node_t *first; (first = ptk_list_first(&tables->all));) {
        ptk_sim_tcb_t *tcb = ptk_container_of(first, ptk_sim_tcb_t, in_all);
        ptk_assert(!tcb->is_owned);
        ptk_sim_tcb_free(tcb);
    }
    ptk_sim_tcp_tables_free(node);
}

uint32_t ptk_sim_tcp_count(const ptk_sim_node_t *node) {
    const ptk_sim_tcp_tables_t *tables = node->tcp;
    return tables ? tables->count : 0;
}
