/* SPDX-License-Identifier: MIT */
/* Names: bind, listen, and what an endpoint and its peer are called. */
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>
#include <string.h>

#define MOST_BACKLOG 4096

bool ptk_sim_tcp_is_own(const ptk_sim_tcp_end_t *end, const ptk_sim_addr_t *addr) {
    return ptk_sim_addr_is_any(addr) || ptk_sim_node_has_address(end->tcp.node, addr);
}

int ptk_sim_tcp_address_from(const ptk_sim_tcp_end_t *end, ptk_sim_addr_t *addr_out,
                             const struct sockaddr *addr, socklen_t addrlen) {
    sa_family_t family;
    int error = ptk_sim_addr_from_os(addr_out, addr, addrlen);
    if (error) {
        return error;
    }
    memcpy(&family, (const char *) addr + offsetof(struct sockaddr, sa_family), sizeof family);
    if (family != end->family) {
        return end->family == AF_INET6 && addrlen < sizeof(struct sockaddr_in6) - 4 ? -EINVAL : -EAFNOSUPPORT;
    }
    return 0;
}

static int take_port(ptk_sim_tcp_end_t *end) {
    if (end->local.port ? ptk_sim_tcp_is_taken(end) : !ptk_sim_tcp_choose_port(end)) {
        return -EADDRINUSE;
    }
    ptk_sim_tcp_enter_port(end);
    end->is_bound = true;
    return 0;
}

int ptk_sim_tcp_bind(ptk_sim_tcp_t *tcp, const struct sockaddr *addr, socklen_t addrlen) {
    ptk_sim_tcp_end_t *end = tcp->state;
    ptk_sim_addr_t wanted;
    int error = ptk_sim_tcp_address_from(end, &wanted, addr, addrlen);
    if (error) {
        return error;
    }
    bool is_late = end->phase != PTK_SIM_TCP_CLOSED || end->is_bound;
    if (is_late && end->family == AF_INET6) { /* which looks at this first, and IPv4 last */
        return -EINVAL;
    }
    if (!ptk_sim_tcp_is_own(end, &wanted)) {
        return -EADDRNOTAVAIL;
    }
    if (is_late) {
        return -EINVAL;
    }
    uint16_t port_before = end->local.port;
    end->local = wanted;
    error = take_port(end);
    if (error) { /* the address is gone, as on Linux */
        end->local.port = port_before;
        ptk_sim_tcp_forget_address(end);
        return error;
    }
    end->keeps_port = wanted.port != 0;
    end->keeps_addr = !ptk_sim_addr_is_any(&wanted);
    return 0;
}

static uint32_t backlog_of(int backlog) {
    return backlog < 0 || backlog > MOST_BACKLOG ? MOST_BACKLOG : (uint32_t) backlog;
}

int ptk_sim_tcp_listen(ptk_sim_tcp_t *tcp, int backlog) {
    ptk_sim_tcp_end_t *end = tcp->state;
    if (end->attempt != PTK_SIM_TCP_UNCONNECTED ||
        (end->phase != PTK_SIM_TCP_CLOSED && end->phase != PTK_SIM_TCP_LISTEN)) {
        return -EINVAL;
    }
    end->ready_limit = backlog_of(backlog);
    if (end->phase == PTK_SIM_TCP_LISTEN) {
        return 0;
    }
    if (end->is_bound) {
        if (ptk_sim_tcp_is_taken(end)) {
            return -EADDRINUSE;
        }
    } else {
        end->local.port = 0;
        int error = take_port(end);
        if (error) {
            return error;
        }
    }
    end->phase = PTK_SIM_TCP_LISTEN;
    ptk_sim_tcp_enter_listener(end);
    return 0;
}

/* --- names --- */

int ptk_sim_tcp_local_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen) {
    ptk_sim_addr_to_os(&tcp->state->local, tcp->state->family, addr, addrlen);
    return 0;
}

void ptk_sim_tcp_accepted_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen) {
    ptk_sim_addr_to_os(&tcp->state->peer, tcp->state->family, addr, addrlen);
}

int ptk_sim_tcp_peer_name(ptk_sim_tcp_t *tcp, struct sockaddr *addr, socklen_t *addrlen) {
    ptk_sim_tcp_end_t *end = tcp->state;
    if (end->phase <= PTK_SIM_TCP_SYN_SENT) {
        return -ENOTCONN;
    }
    ptk_sim_addr_to_os(&end->peer, end->family, addr, addrlen);
    return 0;
}
