/* SPDX-License-Identifier: MIT */
/*
 * connect and its reverse.
 *
 * As on Linux, the next connect after a connection has been established returns 0 once; the next one after a
 * failure returns the reason, and the endpoint can be used again.
 */
#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>
#include <string.h>

/* Returns whether disconnecting sends a RST (Linux's tcp_need_reset). */
static bool tcp_needs_reset(const ptk_sim_tcb_t *tcb) {
    switch (tcb->state) {
    case PTK_SIM_TCP_SYN_RECEIVED:
    case PTK_SIM_TCP_ESTABLISHED:
    case PTK_SIM_TCP_FIN_WAIT_1:
    case PTK_SIM_TCP_FIN_WAIT_2:
    case PTK_SIM_TCP_CLOSE_WAIT:
        return true;
    case PTK_SIM_TCP_CLOSING:
    case PTK_SIM_TCP_LAST_ACK:
        return tcb->send_buffer.count > 0 || tcb->snd_max != tcb->snd_una + 1;
    default:
        return false;
    }
}

/* Frees a child of the backlog, and resets it if its peer regards it as connected. */
static void tcp_free_child(ptk_list_node_t *node) {
    ptk_sim_tcb_t *child = ptk_container_of(node, ptk_sim_tcb_t, in_backlog);
    if (child->is_in_accept_queue && tcp_needs_reset(child)) {
        ptk_sim_tcp_send_reset(child);
    }
    ptk_sim_tcb_free(child);
}

/* Children in SYN_RECEIVED are freed without an RST, as on Linux. */
void ptk_sim_tcp_stop_listening(ptk_sim_tcb_t *tcb) {
    for (ptk_list_node_t *node; (node = ptk_list_first(&tcb->syn_queue));) {
        tcp_free_child(node);
    }
    for (ptk_list_node_t *node; (node = ptk_list_first(&tcb->accept_queue));) {
        tcp_free_child(node);
    }
    ptk_assert(tcb->accept_count == 0);
}

/* Resets what belongs to one connection, so that the endpoint can be used for another. The sequence
   variables of sending are set by the next connect. */
static void tcp_reset_variables(ptk_sim_tcb_t *tcb) {
    ptk_sim_ring_clear(&tcb->receive_buffer);
    tcb->shutdown = 0;
    tcb->fin_received = tcb->has_no_space = false;
    tcb->has_snd_up = tcb->fin_queued = tcb->fin_acknowledged = false;
    tcb->urg_state = PTK_SIM_TCP_URG_NONE;
    tcb->srtt_ns = tcb->rttvar_ns = tcb->last_challenge_ack_ns = 0;
    tcb->rto_ns = PTK_SIM_TCP_INITIAL_RTO_NS;
    tcb->is_measuring_rtt = false;
    tcb->retransmits = tcb->window_probes = tcb->unanswered_probes = 0;
    tcb->rcv_nxt = tcb->copied_seq = tcb->rcv_wnd_end = 0;
    if (!tcb->keeps_addr) {
        ptk_sim_tcp_reset_local_address(tcb);
    }
}

/* The error remains for SO_ERROR; pending notifications are dropped, since they are about a connection that
   no longer exists. */
void ptk_sim_tcp_disconnect(ptk_sim_tcb_t *tcb) {
    int error = tcb->state == PTK_SIM_TCP_SYN_SENT ? ECONNRESET : 0;
    if (tcb->state == PTK_SIM_TCP_LISTEN) {
        ptk_sim_tcp_stop_listening(tcb);
    } else if (tcp_needs_reset(tcb)) {
        ptk_sim_tcp_send_reset(tcb);
        error = ECONNRESET;
    }
    if (tcb->state != PTK_SIM_TCP_CLOSED) { /* else the port stays, as on Linux */
        ptk_sim_tcp_set_closed(tcb, error);
    }
    tcp_reset_variables(tcb);
    tcb->pending_events = 0;
}

/* --- connect --- */

/* Sets 127.0.0.1 or ::1; the port stays. */
static void tcp_make_loopback(ptk_sim_addr_t *addr, bool is_ipv4) {
    static const uint8_t ipv4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    static const uint8_t ipv6[16] = {[15] = 1};
    memcpy(addr->bytes, is_ipv4 ? ipv4 : ipv6, sizeof addr->bytes);
}

/* Chooses the local address for packets to the peer. Returns 0, -ENETUNREACH without an address of the
   peer's family, or -EINVAL from loopback to elsewhere. */
static int tcp_choose_source(const ptk_sim_tcb_t *tcb, const ptk_sim_addr_t *peer,
                             ptk_sim_addr_t *source_out) {
    bool is_ipv4 = ptk_sim_addr_is_ipv4(peer);
    *source_out = tcb->local;
    if (!ptk_sim_addr_is_any(&tcb->local)) {
        if (ptk_sim_addr_is_ipv4(&tcb->local) != is_ipv4) {
            return -ENETUNREACH;
        }
        bool leads_nowhere = ptk_sim_addr_is_loopback(&tcb->local) && !ptk_sim_tcp_is_own_address(tcb, peer);
        return leads_nowhere ? -EINVAL : 0;
    }
    if (ptk_sim_addr_is_loopback(peer)) {
        tcp_make_loopback(source_out, is_ipv4);
    } else if (ptk_sim_tcp_is_own_address(tcb, peer)) {
        memcpy(source_out->bytes, peer->bytes, sizeof peer->bytes);
    } else {
        ptk_sim_addr_t first;
        if (!ptk_sim_node_address(tcb->tcp.node, is_ipv4 ? AF_INET : AF_INET6, &first)) {
            return -ENETUNREACH;
        }
        memcpy(source_out->bytes, first.bytes, sizeof first.bytes);
    }
    return 0;
}

/* Inserts the connection into the tables. A bound endpoint keeps its port, which must be free towards the
   peer; another one gets a free port. */
static int tcp_claim_pair(ptk_sim_tcb_t *tcb) {
    if (tcb->is_bound) {
        const ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(tcb->tcp.node);
        if (ptk_sim_tcp_find_pair(tables, &tcb->local, &tcb->peer)) {
            return -EADDRNOTAVAIL;
        }
    } else {
        tcb->local.port = 0;
        if (!ptk_sim_tcp_choose_port_for_peer(tcb)) {
            return -EADDRNOTAVAIL;
        }
        ptk_sim_tcp_insert_port(tcb);
    }
    ptk_sim_tcp_insert_pair(tcb);
    return 0;
}

/* Checks the address, chooses the local one, and sends the SYN. The local address is unchanged after an
   error. */
static int tcp_start_connect(ptk_sim_tcb_t *tcb, const struct sockaddr *addr, socklen_t addrlen) {
    ptk_sim_addr_t before = tcb->local;
    ptk_sim_addr_t peer;
    int error = ptk_sim_tcp_addr_from_os(tcb, &peer, addr, addrlen);
    if (error) {
        return error;
    }
    if (ptk_sim_addr_is_any(&peer)) {
        tcp_make_loopback(&peer, ptk_sim_addr_is_ipv4(&peer) || (ptk_sim_addr_is_ipv4(&tcb->local)));
    }
    bool is_foreign = tcb->family == AF_INET6 && tcb->is_ipv6_only && ptk_sim_addr_is_ipv4(&peer);
    if (is_foreign || ptk_sim_addr_is_multicast_or_broadcast(&peer)) {
        return -ENETUNREACH;
    }
    error = tcp_choose_source(tcb, &peer, &tcb->local);
    tcb->peer = peer;
    if (!error) {
        error = tcp_claim_pair(tcb);
    }
    if (error) {
        tcb->local = before;
        return error;
    }
    tcb->state = PTK_SIM_TCP_SYN_SENT;
    tcb->error = 0; /* as on Linux, an earlier connection's error is lost */
    tcb->snd_una = ptk_sim_tcp_choose_iss(tcb);
    ptk_sim_tcp_send_syn(tcb);
    return 0;
}

/* connect with AF_UNSPEC disconnects. */
static int tcp_connect_unspec(ptk_sim_tcb_t *tcb) {
    ptk_sim_tcp_disconnect(tcb);
    tcb->socket_state = PTK_SIM_TCP_UNCONNECTED;
    return 0;
}

/* Returns how a connect that was started has gone: `error_under_way`, the reason of its failure, or 0. */
static int tcp_connect_progress(ptk_sim_tcb_t *tcb, int error_under_way) {
    if (tcb->state == PTK_SIM_TCP_SYN_SENT || tcb->state == PTK_SIM_TCP_SYN_RECEIVED) {
        return error_under_way;
    }
    if (tcb->state == PTK_SIM_TCP_CLOSED) {
        int error = ptk_sim_tcp_take_error(tcb);
        ptk_sim_tcp_disconnect(tcb);
        tcb->socket_state = PTK_SIM_TCP_UNCONNECTED;
        return error ? -error : -ECONNABORTED;
    }
    tcb->socket_state = PTK_SIM_TCP_CONNECTED;
    return 0;
}

/* The socket's state decides first, and the connection's state only within CONNECTING. */
int ptk_sim_tcp_connect(ptk_sim_tcp_t *tcp, const struct sockaddr *addr, socklen_t addrlen) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    sa_family_t family;
    if (!addr || addrlen < sizeof family) {
        return -EINVAL;
    }
    memcpy(&family, (const char *) addr + offsetof(struct sockaddr, sa_family), sizeof family);
    if (family == AF_UNSPEC) {
        return tcp_connect_unspec(tcb);
    }
    switch (tcb->socket_state) {
    case PTK_SIM_TCP_CONNECTED:
        return -EISCONN;
    case PTK_SIM_TCP_CONNECTING:
        return tcp_connect_progress(tcb, -EALREADY);
    case PTK_SIM_TCP_UNCONNECTED:
        break;
    default:
        return -EINVAL;
    }
    if (tcb->state != PTK_SIM_TCP_CLOSED) {
        return -EISCONN;
    }
    int error = tcp_start_connect(tcb, addr, addrlen);
    if (error) {
        return error;
    }
    tcb->socket_state = PTK_SIM_TCP_CONNECTING;
    return -EINPROGRESS;
}
