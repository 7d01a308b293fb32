/* SPDX-License-Identifier: MIT */
/*
 * The life of one control block.
 *
 *     CLOSED  -> LISTEN                                    (_bind)
 *     CLOSED  -> SYN_SENT -> ESTABLISHED                   (_connect, _handshake)
 *     created -> SYN_RECEIVED -> ESTABLISHED               (_handshake)
 *     ESTABLISHED -> FIN_WAIT_1 -> FIN_WAIT_2 -> TIME_WAIT (ptk_sim_tcp.c, _ack, _data)
 *     ESTABLISHED -> CLOSE_WAIT -> LAST_ACK -> CLOSED      (_data, ptk_sim_tcp.c, _ack)
 *     FIN_WAIT_1 -> CLOSING -> TIME_WAIT                   (_data, _ack)
 *     any -> CLOSED                                        (RST, timeout, disconnect: ptk_sim_tcp_set_closed)
 *
 * It is freed by the last event that concerns it (ptk_sim_tcp_finish_event), when it is CLOSED and neither a
 * program nor an accept queue holds it. So a block cannot be freed under the function that handles an event.
 *
 * When the connection of a program's endpoint reaches TIME_WAIT, a block without a program takes its place in
 * the tables, and the program's own is CLOSED, as on Linux.
 */
#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <string.h>

/* Event handler: notifies the pollers of the program's own shutdown. */
static void tcp_shutdown_event_fired(ptk_sim_event_t *event) {
    ptk_sim_tcb_t *tcb = ptk_container_of(event, ptk_sim_tcb_t, shutdown_event);
    ptk_sim_tcp_notify(tcb, ptk_sim_tcp_poll_bits(tcb));
}

/* "Any" of IPv4 is a mapped address, ::ffff:0.0.0.0. */
void ptk_sim_tcp_reset_local_address(ptk_sim_tcb_t *tcb) {
    memset(tcb->local.bytes, 0, sizeof tcb->local.bytes);
    if (tcb->family == AF_INET) {
        tcb->local.bytes[10] = tcb->local.bytes[11] = 0xff;
    }
}

/* The timer's handler is an argument, since it belongs to a higher file. */
ptk_sim_tcb_t *ptk_sim_tcb_create(ptk_sim_node_t *node, int family, void (*alarm)(ptk_sim_event_t *event)) {
    ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(node);
    ptk_sim_tcb_t *tcb = ptk_sim_allocate(sizeof *tcb);
    tcb->tcp.node = node;
    tcb->tcp.tcb = tcb;
    tcb->family = family;
    tcb->send_buffer_bytes = PTK_SIM_TCP_DEFAULT_BUFFER_BYTES;
    tcb->receive_buffer_bytes = PTK_SIM_TCP_DEFAULT_BUFFER_BYTES;
    tcb->keepalive_idle_s = PTK_SIM_TCP_KEEPALIVE_IDLE_S;
    tcb->keepalive_interval_s = PTK_SIM_TCP_KEEPALIVE_INTERVAL_S;
    tcb->keepalive_count = PTK_SIM_TCP_KEEPALIVE_COUNT;
    tcb->rto_ns = PTK_SIM_TCP_INITIAL_RTO_NS;
    tcb->timer.fire = alarm;
    tcb->shutdown_event.fire = tcp_shutdown_event_fired;
    ptk_sim_tcp_reset_local_address(tcb);
    ptk_list_init(&tcb->accept_queue);
    ptk_list_init(&tcb->syn_queue);
    ptk_list_append(&tables->all, &tcb->in_all);
    tables->count++;
    return tcb;
}

/* Removes a child from its listener's queue, if it is in one. */
static void tcp_leave_backlog(ptk_sim_tcb_t *tcb) {
    if (tcb->listener) {
        ptk_list_remove(&tcb->in_backlog);
        tcb->listener->accept_count -= tcb->is_in_accept_queue;
        tcb->listener = NULL;
        tcb->is_in_accept_queue = false;
    }
}

/* Everything that refers to the block is undone here: backlog, timer, tables. */
void ptk_sim_tcb_free(ptk_sim_tcb_t *tcb) {
    ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(tcb->tcp.node);
    ptk_assert(ptk_list_is_empty(&tcb->accept_queue) && ptk_list_is_empty(&tcb->syn_queue));
    tcp_leave_backlog(tcb);
    ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(tcb)->events, &tcb->timer);
    ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(tcb)->events, &tcb->keepalive);
    ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(tcb)->events, &tcb->shutdown_event);
    ptk_sim_tcp_remove_port(tcb);
    ptk_sim_tcp_remove_pair(tcb);
    ptk_sim_tcp_remove_listener(tcb);
    ptk_sim_ring_clear(&tcb->send_buffer);
    ptk_sim_ring_clear(&tcb->receive_buffer);
    ptk_list_remove(&tcb->in_all);
    tables->count--;
    ptk_sim_free(tcb);
}

void ptk_sim_tcp_notify(ptk_sim_tcb_t *tcb, uint32_t events) {
    if (events && tcb->tcp.changed) {
        tcb->tcp.changed(&tcb->tcp, events);
    }
}

/* Linux reports POLLOUT when at least a third of the send buffer is free (sk_stream_is_writeable). */
static bool tcp_has_send_space(const ptk_sim_tcb_t *tcb) {
    return tcb->send_buffer.count < tcb->send_buffer_bytes &&
           tcb->send_buffer_bytes - tcb->send_buffer.count >= tcb->send_buffer.count / 2;
}

/* Returns POLLIN, POLLPRI and POLLOUT. An urgent byte out of line at the mark is not counted as readable. */
static uint32_t tcp_poll_data_bits(const ptk_sim_tcb_t *tcb) {
    bool is_at_mark = tcb->urg_state && tcb->rcv_up == tcb->copied_seq && !tcb->has_oob_inline;
    uint32_t events = tcb->receive_buffer.count > is_at_mark ? POLLIN : 0;
    events |= tcb->urg_state == PTK_SIM_TCP_URG_VALID ? POLLPRI : 0;
    return events | (tcb->shutdown & PTK_SIM_TCP_SHUT_WR || tcp_has_send_space(tcb) ? POLLOUT : 0);
}

/* The order and the combinations are those of Linux's tcp_poll. */
uint32_t ptk_sim_tcp_poll_bits(const ptk_sim_tcb_t *tcb) {
    if (tcb->state == PTK_SIM_TCP_LISTEN) {
        return ptk_list_is_empty(&tcb->accept_queue) ? 0 : POLLIN;
    }
    uint32_t events = tcb->error ? POLLERR : 0;
    if (tcb->shutdown == PTK_SIM_TCP_SHUT_RDWR || tcb->state == PTK_SIM_TCP_CLOSED) {
        events |= POLLHUP;
    }
    if (tcb->shutdown & PTK_SIM_TCP_SHUT_RD) {
        events |= POLLIN | POLLRDHUP;
    }
    if (tcb->state != PTK_SIM_TCP_SYN_SENT && tcb->state != PTK_SIM_TCP_SYN_RECEIVED) {
        events |= tcp_poll_data_bits(tcb);
    }
    return events;
}

int ptk_sim_tcp_take_error(ptk_sim_tcb_t *tcb) {
    int error = tcb->error;
    tcb->error = 0;
    return error;
}

/* The port stays with an endpoint that the program bound to it. */
static void tcp_remove_from_tables(ptk_sim_tcb_t *tcb) {
    ptk_sim_tcp_remove_pair(tcb);
    ptk_sim_tcp_remove_listener(tcb);
    if (!tcb->keeps_port) {
        ptk_sim_tcp_remove_port(tcb);
    }
}

/* All poll bits that hold are pending afterwards, since Linux wakes all waiters. */
void ptk_sim_tcp_set_closed(ptk_sim_tcb_t *tcb, int error) {
    tcb->state = PTK_SIM_TCP_CLOSED;
    tcb->shutdown = PTK_SIM_TCP_SHUT_RDWR;
    tcb->error = error ? error : tcb->error;
    tcb->ack_pending = false;
    ptk_sim_ring_clear(&tcb->send_buffer);
    ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(tcb)->events, &tcb->timer);
    ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(tcb)->events, &tcb->keepalive);
    tcp_remove_from_tables(tcb);
    tcb->pending_events |= ptk_sim_tcp_poll_bits(tcb);
}

/* Creates the block that stands for a connection in TIME_WAIT, and closes the program's own. */
static ptk_sim_tcb_t *tcp_make_time_wait_tcb(ptk_sim_tcb_t *tcb) {
    ptk_sim_tcb_t *time_wait = ptk_sim_tcb_create(tcb->tcp.node, tcb->family, tcb->timer.fire);
    time_wait->local = tcb->local;
    time_wait->peer = tcb->peer;
    time_wait->reuses_addr = tcb->reuses_addr;
    time_wait->reuses_port = tcb->reuses_port;
    time_wait->is_ipv6_only = tcb->is_ipv6_only;
    time_wait->is_bound = tcb->is_bound;
    time_wait->rcv_nxt = time_wait->copied_seq = time_wait->rcv_wnd_end = tcb->rcv_nxt;
    time_wait->snd_una = time_wait->snd_nxt = time_wait->snd_max = tcb->snd_max;
    time_wait->shutdown = PTK_SIM_TCP_SHUT_RDWR;
    ptk_sim_tcp_set_closed(tcb, 0);
    ptk_sim_tcp_insert_port(time_wait);
    ptk_sim_tcp_insert_pair(time_wait);
    return time_wait;
}

/* TIME_WAIT lasts 60 s, as on Linux, instead of twice the maximum segment lifetime. */
void ptk_sim_tcp_enter_time_wait(ptk_sim_tcb_t *tcb) {
    ptk_sim_tcb_t *waits = tcb->is_owned ? tcp_make_time_wait_tcb(tcb) : tcb;
    waits->state = PTK_SIM_TCP_TIME_WAIT;
    ptk_sim_event_queue_insert(&ptk_sim_tcp_net(tcb)->events, &waits->timer,
                               ptk_sim_tcp_now(tcb) + PTK_SIM_TCP_TIME_WAIT_NS);
}

void ptk_sim_tcp_finish_event(ptk_sim_tcb_t *tcb) {
    uint32_t events = tcb->pending_events;
    tcb->pending_events = 0;
    if (tcb->state == PTK_SIM_TCP_CLOSED && !tcb->is_owned && !tcb->is_in_accept_queue) {
        ptk_sim_tcb_free(tcb);
    } else {
        ptk_sim_tcp_notify(tcb, events);
    }
}
