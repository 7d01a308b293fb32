/* SPDX-License-Identifier: MIT */
/*
 * Socket options, and what ioctl tells. A buffer's size goes in as bytes of payload and comes out doubled, as
 * on Linux, where the other half is for what the kernel needs beside them.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#define LEAST_BUFFER 2048
#define MOST_BUFFER  (4 * 1024 * 1024)

static bool *flag_of(ptk_sim_tcp_end_t *end, int level, int name) {
    if (level == IPPROTO_TCP) {
        return name == TCP_NODELAY ? &end->has_no_delay : NULL;
    }
    if (level == IPPROTO_IPV6) {
        return end->family == AF_INET6 && name == IPV6_V6ONLY ? &end->is_ipv6_only : NULL;
    }
    switch (level == SOL_SOCKET ? name : -1) {
    case SO_REUSEADDR:
        return &end->reuses_addr;
    case SO_REUSEPORT:
        return &end->reuses_port;
    case SO_KEEPALIVE:
        return &end->is_kept_alive;
    case SO_OOBINLINE:
        return &end->has_urgent_inline;
    default:
        return NULL;
    }
}

/* --- get --- */

static int give(void *value, socklen_t *length, const void *from, socklen_t bytes) {
    *length = *length < bytes ? *length : bytes;
    memcpy(value, from, *length);
    return 0;
}

static int get_socket_number(ptk_sim_tcp_end_t *end, int name, int *number_out) {
    switch (name) {
    case SO_ERROR:
        *number_out = ptk_sim_tcp_take_error(end);
        return 0;
    case SO_TYPE:
        *number_out = SOCK_STREAM;
        return 0;
    case SO_DOMAIN:
        *number_out = end->family;
        return 0;
    case SO_PROTOCOL:
        *number_out = IPPROTO_TCP;
        return 0;
    case SO_ACCEPTCONN:
        *number_out = end->phase == PTK_SIM_TCP_LISTEN;
        return 0;
    case SO_SNDBUF:
        *number_out = (int) end->send_limit * 2;
        return 0;
    case SO_RCVBUF:
        *number_out = (int) end->receive_limit * 2;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int ptk_sim_tcp_get_option(ptk_sim_tcp_t *tcp, int level, int name, void *value, socklen_t *length) {
    ptk_sim_tcp_end_t *end = tcp->state;
    const bool *flag = flag_of(end, level, name);
    int number = flag ? *flag : 0;
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger linger = {.l_onoff = end->lingers, .l_linger = end->linger_seconds};
        return give(value, length, &linger, sizeof linger);
    }
    if (!flag) {
        int error = level == SOL_SOCKET ? get_socket_number(end, name, &number) : -ENOPROTOOPT;
        if (error) {
            return error;
        }
    }
    return give(value, length, &number, sizeof number);
}

/* --- set --- */

static int set_linger(ptk_sim_tcp_end_t *end, const void *value, socklen_t length) {
    struct linger linger;
    if (length < sizeof linger) {
        return -EINVAL;
    }
    memcpy(&linger, value, sizeof linger);
    end->lingers = linger.l_onoff != 0;
    end->linger_seconds = linger.l_onoff ? linger.l_linger : end->linger_seconds;
    return 0;
}

static uint32_t buffer_bytes(int wanted) {
    if (wanted < LEAST_BUFFER) {
        return LEAST_BUFFER;
    }
    return wanted < MOST_BUFFER ? (uint32_t) wanted : MOST_BUFFER;
}

static int set_buffer(ptk_sim_tcp_end_t *end, int name, int wanted) {
    switch (name) {
    case SO_SNDBUF:
        end->send_limit = buffer_bytes(wanted);
        return 0;
    case SO_RCVBUF:
        end->receive_limit = buffer_bytes(wanted);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int ptk_sim_tcp_set_option(ptk_sim_tcp_t *tcp, int level, int name, const void *value, socklen_t length) {
    ptk_sim_tcp_end_t *end = tcp->state;
    bool *flag = flag_of(end, level, name);
    int number;
    if (!flag && level != SOL_SOCKET) {
        return -ENOPROTOOPT;
    }
    if (length < sizeof number) {
        return -EINVAL;
    }
    memcpy(&number, value, sizeof number);
    if (level == SOL_SOCKET && name == SO_LINGER) {
        return set_linger(end, value, length);
    }
    if (!flag) {
        return set_buffer(end, name, number);
    }
    if (flag == &end->is_ipv6_only && end->is_bound) {
        return -EINVAL;
    }
    *flag = number != 0;
    return 0;
}

/* --- what is under way --- */

uint32_t ptk_sim_tcp_unread(const ptk_sim_tcp_t *tcp) {
    return tcp->state->incoming.count;
}

uint32_t ptk_sim_tcp_unacknowledged(const ptk_sim_tcp_t *tcp) {
    return tcp->state->outgoing.count;
}
