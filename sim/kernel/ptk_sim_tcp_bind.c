/* SPDX-License-Identifier: MIT */
/*
 * bind, listen, and the names of an endpoint and its peer.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>
#include <string.h>

#define BACKLOG_MAX 4096 /* Linux's somaxconn */

/* "Any" counts as own, as bind and connect take it. */
bool ptk_sim_tcp_is_own_address(const ptk_sim_tcb_t *tcb, const ptk_sim_addr_t *addr) {
    return ptk_sim_addr_is_any(addr) || ptk_sim_node_has_address(tcb->tcp.node, addr);
}

/* A too short IPv6 address has another error than one of another family, as on Linux. */
int ptk_sim_tcp_addr_from_os(const ptk_sim_tcb_t *tcb, ptk_sim_addr_t *addr_out, const struct sockaddr *addr,
                             socklen_t addrlen) {
    sa_family_t family;
    int error = ptk_sim_addr_from_os(addr_out, addr, addrlen);
    if (error) {
        return error;
    }
    memcpy(&family, (const char *) addr + offsetof(struct sockaddr, sa_family), sizeof family);
    if (family != tcb->family) {
        return tcb->family == AF_INET6 && addrlen < sizeof(struct sockaddr_in6) - 4 ? -EINVAL : -EAFNOSUPPORT;
    }
    return 0;
}

/* Takes the local port, or a free one if it is 0. Returns 0 or -EADDRINUSE. */
static int tcp_bind_port(ptk_sim_tcb_t *tcb) {
    if (tcb->local.port ? ptk_sim_tcp_is_port_in_use(tcb) : !ptk_sim_tcp_choose_port(tcb)) {
        return -EADDRINUSE;
    }
    ptk_sim_tcp_insert_port(tcb);
    tcb->is_bound = true;
    return 0;
}

/* The order of the checks is Linux's, which the differential tests compare. */
int ptk_sim_tcp_bind(ptk_sim_tcp_t *tcp, const struct sockaddr *addr, socklen_t addrlen) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    ptk_sim_addr_t wanted;
    int error = ptk_sim_tcp_addr_from_os(tcb, &wanted, addr, addrlen);
    if (error) {
        return error;
    }
    bool is_late = tcb->state != PTK_SIM_TCP_CLOSED || tcb->is_bound;
    if (is_late && tcb->family == AF_INET6) { /* IPv6 checks this first, IPv4 last */
        return -EINVAL;
    }
    if (!ptk_sim_tcp_is_own_address(tcb, &wanted)) {
        return -EADDRNOTAVAIL;
    }
    if (is_late) {
        return -EINVAL;
    }
    uint16_t port_before = tcb->local.port;
    tcb->local = wanted;
    error = tcp_bind_port(tcb);
    if (error) { /* the address is lost, as on Linux */
        tcb->local.port = port_before;
        ptk_sim_tcp_reset_local_address(tcb);
        return error;
    }
    tcb->keeps_port = wanted.port != 0;
    tcb->keeps_addr = !ptk_sim_addr_is_any(&wanted);
    return 0;
}

/* Linux takes a negative backlog as the maximum. */
static uint32_t tcp_clamp_backlog(int backlog) {
    return backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : (uint32_t) backlog;
}

/* The port may have been free at bind and taken since, by a listener that SO_REUSEADDR permitted beside. */
int ptk_sim_tcp_listen(ptk_sim_tcp_t *tcp, int backlog) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    if (tcb->socket_state != PTK_SIM_TCP_UNCONNECTED ||
        (tcb->state != PTK_SIM_TCP_CLOSED && tcb->state != PTK_SIM_TCP_LISTEN)) {
        return -EINVAL;
    }
    tcb->accept_limit = tcp_clamp_backlog(backlog);
    if (tcb->state == PTK_SIM_TCP_LISTEN) {
        return 0;
    }
    if (tcb->is_bound) {
        if (ptk_sim_tcp_is_port_in_use(tcb)) {
            return -EADDRINUSE;
        }
    } else {
        tcb->local.port = 0;
        int error = tcp_bind_port(tcb);
        if (error) {
            return error;
        }
    }
    tcb->state = PTK_SIM_TCP_LISTEN;
    ptk_sim_tcp_insert_listener(tcb);
    return 0;
}

/* --- names --- */

int ptk_sim_tcp_local_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen) {
    ptk_sim_addr_to_os(&tcp->tcb->local, tcp->tcb->family, addr, addrlen);
    return 0;
}

void ptk_sim_tcp_accepted_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen) {
    ptk_sim_addr_to_os(&tcp->tcb->peer, tcp->tcb->family, addr, addrlen);
}

int ptk_sim_tcp_peer_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    if (tcb->state <= PTK_SIM_TCP_SYN_SENT) {
        return -ENOTCONN;
    }
    ptk_sim_addr_to_os(&tcb->peer, tcb->family, addr, addrlen);
    return 0;
}
