/* SPDX-License-Identifier: MIT */
/*
 * Names and beginnings: bind, listen, connect, and back again. As on Linux, the second connect of a
 * connection that has come about answers 0 once; that of one that has failed answers why, and makes the
 * endpoint as good as new.
 */
#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>
#include <string.h>

/* What connect without an address is for: in the middle of a connection it resets it. */
static bool needs_reset(const ptk_sim_tcp_end_t *end) {
    switch (end->phase) {
    case PTK_SIM_TCP_SYN_RECEIVED:
    case PTK_SIM_TCP_ESTABLISHED:
    case PTK_SIM_TCP_FIN_WAIT_1:
    case PTK_SIM_TCP_FIN_WAIT_2:
    case PTK_SIM_TCP_CLOSE_WAIT:
        return true;
    case PTK_SIM_TCP_CLOSING:
    case PTK_SIM_TCP_LAST_ACK:
        return end->outgoing.count > 0 || end->most != end->unacknowledged + 1;
    default:
        return false;
    }
}

static void stop_child(ptk_list_node_t *node) {
    ptk_sim_tcp_end_t *child = ptk_container_of(node, ptk_sim_tcp_end_t, in_parent);
    if (child->is_ready && needs_reset(child)) {
        ptk_sim_tcp_send_reset(child);
    }
    ptk_sim_tcp_end_free(child);
}

void ptk_sim_tcp_stop_listening(ptk_sim_tcp_end_t *end) {
    for (ptk_list_node_t *node; (node = ptk_list_first(&end->pending));) {
        stop_child(node);
    }
    for (ptk_list_node_t *node; (node = ptk_list_first(&end->ready));) {
        stop_child(node);
    }
    ptk_assert(end->ready_count == 0);
}

static void forget_connection(ptk_sim_tcp_end_t *end) {
    ptk_sim_stream_clear(&end->incoming);
    end->shut = 0;
    end->had_fin = end->wants_space = false;
    end->has_urgent_out = end->has_fin_out = end->is_fin_acknowledged = false;
    end->urgent = PTK_SIM_TCP_NO_URGENT;
    end->smooth_ns = end->deviation_ns = end->last_challenge_ns = 0;
    end->wait_ns = PTK_SIM_TCP_FIRST_WAIT_NS;
    end->is_timing = false;
    end->retries = end->probes = end->unanswered = 0;
    end->expected = end->read = end->receive_edge = 0;
    if (!end->keeps_addr) {
        ptk_sim_tcp_forget_address(end);
    }
}

void ptk_sim_tcp_disconnect(ptk_sim_tcp_end_t *end) {
    int error = end->phase == PTK_SIM_TCP_SYN_SENT ? ECONNRESET : 0;
    if (end->phase == PTK_SIM_TCP_LISTEN) {
        ptk_sim_tcp_stop_listening(end);
    } else if (needs_reset(end)) {
        ptk_sim_tcp_send_reset(end);
        error = ECONNRESET;
    }
    if (end->phase != PTK_SIM_TCP_CLOSED) { /* else it keeps its port, as on Linux */
        ptk_sim_tcp_die(end, error);
    }
    forget_connection(end);
    end->events = 0;
}

/* --- connect --- */

static void make_loopback(ptk_sim_addr_t *addr, bool is_ipv4) {
    static const uint8_t ipv4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    static const uint8_t ipv6[16] = {[15] = 1};
    memcpy(addr->bytes, is_ipv4 ? ipv4 : ipv6, sizeof addr->bytes);
}

/* Where packets to the peer come from. */
static int choose_source(const ptk_sim_tcp_end_t *end, const ptk_sim_addr_t *peer,
                         ptk_sim_addr_t *source_out) {
    bool is_ipv4 = ptk_sim_addr_is_ipv4(peer);
    *source_out = end->local;
    if (!ptk_sim_addr_is_any(&end->local)) {
        if (ptk_sim_addr_is_ipv4(&end->local) != is_ipv4) {
            return -ENETUNREACH;
        }
        bool leads_nowhere = ptk_sim_addr_is_loopback(&end->local) && !ptk_sim_tcp_is_own(end, peer);
        return leads_nowhere ? -EINVAL : 0;
    }
    if (ptk_sim_addr_is_loopback(peer)) {
        make_loopback(source_out, is_ipv4);
    } else if (ptk_sim_tcp_is_own(end, peer)) {
        memcpy(source_out->bytes, peer->bytes, sizeof peer->bytes);
    } else {
        ptk_sim_addr_t first;
        if (!ptk_sim_node_address(end->tcp.node, is_ipv4 ? AF_INET : AF_INET6, &first)) {
            return -ENETUNREACH;
        }
        memcpy(source_out->bytes, first.bytes, sizeof first.bytes);
    }
    return 0;
}

static int take_pair(ptk_sim_tcp_end_t *end) {
    if (end->is_bound) {
        const ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(end->tcp.node);
        if (ptk_sim_tcp_find_pair(tables, &end->local, &end->peer)) {
            return -EADDRNOTAVAIL;
        }
    } else {
        end->local.port = 0;
        if (!ptk_sim_tcp_choose_port_to_peer(end)) {
            return -EADDRNOTAVAIL;
        }
        ptk_sim_tcp_enter_port(end);
    }
    ptk_sim_tcp_enter_pair(end);
    return 0;
}

static int begin_connect(ptk_sim_tcp_end_t *end, const struct sockaddr *addr, socklen_t addrlen) {
    ptk_sim_addr_t before = end->local;
    ptk_sim_addr_t peer;
    int error = ptk_sim_tcp_address_from(end, &peer, addr, addrlen);
    if (error) {
        return error;
    }
    if (ptk_sim_addr_is_any(&peer)) {
        make_loopback(&peer, ptk_sim_addr_is_ipv4(&peer) || (ptk_sim_addr_is_ipv4(&end->local)));
    }
    bool is_foreign = end->family == AF_INET6 && end->is_ipv6_only && ptk_sim_addr_is_ipv4(&peer);
    if (is_foreign || ptk_sim_addr_is_of_many(&peer)) {
        return -ENETUNREACH;
    }
    error = choose_source(end, &peer, &end->local);
    end->peer = peer;
    if (!error) {
        error = take_pair(end);
    }
    if (error) {
        end->local = before;
        return error;
    }
    end->phase = PTK_SIM_TCP_SYN_SENT;
    end->error = 0; /* as on Linux: an earlier connection's is forgotten */
    end->unacknowledged = ptk_sim_tcp_first_sequence(end);
    ptk_sim_tcp_send_syn(end);
    return 0;
}

static int connect_to_nobody(ptk_sim_tcp_end_t *end) {
    ptk_sim_tcp_disconnect(end);
    end->attempt = PTK_SIM_TCP_UNCONNECTED;
    return 0;
}

/* How a connect that began has gone. */
static int look_at_connect(ptk_sim_tcp_end_t *end, int error_under_way) {
    if (end->phase == PTK_SIM_TCP_SYN_SENT || end->phase == PTK_SIM_TCP_SYN_RECEIVED) {
        return error_under_way;
    }
    if (end->phase == PTK_SIM_TCP_CLOSED) {
        int error = ptk_sim_tcp_take_error(end);
        ptk_sim_tcp_disconnect(end);
        end->attempt = PTK_SIM_TCP_UNCONNECTED;
        return error ? -error : -ECONNABORTED;
    }
    end->attempt = PTK_SIM_TCP_CONNECTED;
    return 0;
}

int ptk_sim_tcp_connect(ptk_sim_tcp_t *tcp, const struct sockaddr *addr, socklen_t addrlen) {
    ptk_sim_tcp_end_t *end = tcp->state;
    sa_family_t family;
    if (!addr || addrlen < sizeof family) {
        return -EINVAL;
    }
    memcpy(&family, (const char *) addr + offsetof(struct sockaddr, sa_family), sizeof family);
    if (family == AF_UNSPEC) {
        return connect_to_nobody(end);
    }
    switch (end->attempt) {
    case PTK_SIM_TCP_CONNECTED:
        return -EISCONN;
    case PTK_SIM_TCP_CONNECTING:
        return look_at_connect(end, -EALREADY);
    case PTK_SIM_TCP_UNCONNECTED:
        break;
    default:
        return -EINVAL;
    }
    if (end->phase != PTK_SIM_TCP_CLOSED) {
        return -EISCONN;
    }
    int error = begin_connect(end, addr, addrlen);
    if (error) {
        return error;
    }
    end->attempt = PTK_SIM_TCP_CONNECTING;
    return -EINPROGRESS;
}
