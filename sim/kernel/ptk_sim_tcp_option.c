/* SPDX-License-Identifier: MIT */
/*
 * Socket options, and the counts that ioctl returns.
 *
 * A buffer's size is set in bytes of payload and read back doubled, as on Linux, where the other half is for
 * the kernel's own data.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <string.h>

#define TCP_BUFFER_BYTES_MIN 2048              /* smaller values are raised */
#define TCP_BUFFER_BYTES_MAX (4 * 1024 * 1024) /* larger values are cut */

#define TCP_KEEPALIVE_SECONDS_MAX 32767 /* Linux's MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL */
#define TCP_KEEPALIVE_COUNT_MAX   127   /* MAX_TCP_KEEPCNT */

/* Returns the flag behind a boolean option, NULL if it is not one. */
static bool *tcp_option_flag(ptk_sim_tcb_t *tcb, int level, int name) {
    if (level == IPPROTO_TCP) {
        return name == TCP_NODELAY ? &tcb->has_no_delay : NULL;
    }
    if (level == IPPROTO_IPV6) {
        return tcb->family == AF_INET6 && name == IPV6_V6ONLY ? &tcb->is_ipv6_only : NULL;
    }
    switch (level == SOL_SOCKET ? name : -1) {
    case SO_REUSEADDR:
        return &tcb->reuses_addr;
    case SO_REUSEPORT:
        return &tcb->reuses_port;
    case SO_KEEPALIVE:
        return &tcb->is_kept_alive;
    case SO_OOBINLINE:
        return &tcb->has_oob_inline;
    default:
        return NULL;
    }
}

/* An option of IPPROTO_TCP that is a number, with Linux's limits. */
typedef struct tcp_number {
    uint32_t *value;
    int least;
    int most;
} tcp_number_t;

/* Returns the number behind an option; `value` is NULL if it is none. */
static tcp_number_t tcp_option_number(ptk_sim_tcb_t *tcb, int level, int name) {
    switch (level == IPPROTO_TCP ? name : -1) {
    case TCP_KEEPIDLE:
        return (tcp_number_t) {&tcb->keepalive_idle_s, 1, TCP_KEEPALIVE_SECONDS_MAX};
    case TCP_KEEPINTVL:
        return (tcp_number_t) {&tcb->keepalive_interval_s, 1, TCP_KEEPALIVE_SECONDS_MAX};
    case TCP_KEEPCNT:
        return (tcp_number_t) {&tcb->keepalive_count, 1, TCP_KEEPALIVE_COUNT_MAX};
    case TCP_USER_TIMEOUT:
        return (tcp_number_t) {&tcb->user_timeout_ms, 0, INT32_MAX};
    default:
        return (tcp_number_t) {0};
    }
}

/* --- get --- */

/* Copies a value, cut to the caller's length, as getsockopt(2) does. */
static int tcp_option_copy_out(void *value, socklen_t *length, const void *from, socklen_t bytes) {
    *length = *length < bytes ? *length : bytes;
    memcpy(value, from, *length);
    return 0;
}

/* Reads an option of SOL_SOCKET that is a number. SO_ERROR is cleared by reading. */
static int tcp_option_get_number(ptk_sim_tcb_t *tcb, int name, int *number_out) {
    switch (name) {
    case SO_ERROR:
        *number_out = ptk_sim_tcp_take_error(tcb);
        return 0;
    case SO_TYPE:
        *number_out = SOCK_STREAM;
        return 0;
    case SO_DOMAIN:
        *number_out = tcb->family;
        return 0;
    case SO_PROTOCOL:
        *number_out = IPPROTO_TCP;
        return 0;
    case SO_ACCEPTCONN:
        *number_out = tcb->state == PTK_SIM_TCP_LISTEN;
        return 0;
    case SO_SNDBUF:
        *number_out = (int) tcb->send_buffer_bytes * 2;
        return 0;
    case SO_RCVBUF:
        *number_out = (int) tcb->receive_buffer_bytes * 2;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* Reads SO_MEMINFO: the room that payload takes, doubled like the size of the buffer. The other counts are 0.
 */
static int tcp_option_get_memory(const ptk_sim_tcb_t *tcb, void *value, socklen_t *length) {
    enum { CAPACITY = 3, QUEUED = 5, COUNT = 9 }; /* the positions of <linux/sock_diag.h> */
    const uint32_t counts[COUNT] = {
        [CAPACITY] = tcb->send_buffer_bytes * 2, [QUEUED] = tcb->send_buffer.count * 2};
    return tcp_option_copy_out(value, length, counts, sizeof counts);
}

/* Flags and numbers are int; a shorter buffer gets the first bytes of it. */
int ptk_sim_tcp_get_option(ptk_sim_tcp_t *tcp, int level, int name, void *value, socklen_t *length) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    const bool *flag = tcp_option_flag(tcb, level, name);
    const uint32_t *known = tcp_option_number(tcb, level, name).value;
    int number = flag ? *flag : (known ? (int) *known : 0);
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger linger = {.l_onoff = tcb->lingers, .l_linger = tcb->linger_seconds};
        return tcp_option_copy_out(value, length, &linger, sizeof linger);
    }
    if (level == SOL_SOCKET && name == SO_MEMINFO) {
        return tcp_option_get_memory(tcb, value, length);
    }
    if (!flag && !known) {
        int error = level == SOL_SOCKET ? tcp_option_get_number(tcb, name, &number) : -ENOPROTOOPT;
        if (error) {
            return error;
        }
    }
    return tcp_option_copy_out(value, length, &number, sizeof number);
}

/* --- set --- */

/* A linger that is switched off keeps its time, as Linux's getsockopt shows. */
static int tcp_option_set_linger(ptk_sim_tcb_t *tcb, const void *value, socklen_t length) {
    struct linger linger;
    if (length < sizeof linger) {
        return -EINVAL;
    }
    memcpy(&linger, value, sizeof linger);
    tcb->lingers = linger.l_onoff != 0;
    tcb->linger_seconds = linger.l_onoff ? linger.l_linger : tcb->linger_seconds;
    return 0;
}

/* Linux raises and cuts the value without an error. */
static uint32_t tcp_option_clamp_buffer(int wanted) {
    if (wanted < TCP_BUFFER_BYTES_MIN) {
        return TCP_BUFFER_BYTES_MIN;
    }
    return wanted < TCP_BUFFER_BYTES_MAX ? (uint32_t) wanted : TCP_BUFFER_BYTES_MAX;
}

/* Sets a buffer's size; a smaller one does not drop what is in the buffer. */
static int tcp_option_set_buffer(ptk_sim_tcb_t *tcb, int name, int wanted) {
    switch (name) {
    case SO_SNDBUF:
        tcb->send_buffer_bytes = tcp_option_clamp_buffer(wanted);
        return 0;
    case SO_RCVBUF:
        tcb->receive_buffer_bytes = tcp_option_clamp_buffer(wanted);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* Sets an option of IPPROTO_TCP that is a number. */
static int tcp_option_set_number(ptk_sim_tcb_t *tcb, const tcp_number_t *limits, int number) {
    if (number < limits->least || number > limits->most) {
        return -EINVAL;
    }
    *limits->value = (uint32_t) number;
    if (limits->value == &tcb->keepalive_idle_s) {
        ptk_sim_tcp_change_keepalive_idle(tcb);
    }
    return 0;
}

/* Attaches a filter to what arrives. Programs of one instruction are supported, which pass or drop
 * everything. */
static int tcp_option_set_filter(ptk_sim_tcb_t *tcb, const void *value, socklen_t length) {
    struct sock_fprog program;
    if (length != sizeof program) {
        return -EINVAL;
    }
    memcpy(&program, value, sizeof program);
    if (program.len != 1 || program.filter[0].code != (BPF_RET | BPF_K)) {
        return -EINVAL;
    }
    tcb->drops_segments = program.filter[0].k == 0;
    return 0;
}

/* IPV6_V6ONLY cannot change once the endpoint is bound. The order of the checks is Linux's. */
int ptk_sim_tcp_set_option(ptk_sim_tcp_t *tcp, int level, int name, const void *value, socklen_t length) {
    ptk_sim_tcb_t *tcb = tcp->tcb;
    bool *flag = tcp_option_flag(tcb, level, name);
    int number;
    const tcp_number_t limits = tcp_option_number(tcb, level, name);
    if (!flag && !limits.value && level != SOL_SOCKET) {
        return -ENOPROTOOPT;
    }
    if (length < sizeof number) {
        return -EINVAL;
    }
    memcpy(&number, value, sizeof number);
    if (level == SOL_SOCKET && name == SO_LINGER) {
        return tcp_option_set_linger(tcb, value, length);
    }
    if (level == SOL_SOCKET && name == SO_ATTACH_FILTER) {
        return tcp_option_set_filter(tcb, value, length);
    }
    if (limits.value) {
        return tcp_option_set_number(tcb, &limits, number);
    }
    if (!flag) {
        return tcp_option_set_buffer(tcb, name, number);
    }
    if (flag == &tcb->is_ipv6_only && tcb->is_bound) {
        return -EINVAL;
    }
    bool changes = *flag != (number != 0);
    *flag = number != 0;
    if (flag == &tcb->is_kept_alive && changes) {
        ptk_sim_tcp_start_keepalive(tcb);
    }
    return 0;
}

/* --- counts --- */

uint32_t ptk_sim_tcp_unread(const ptk_sim_tcp_t *tcp) {
    return tcp->tcb->receive_buffer.count;
}

uint32_t ptk_sim_tcp_unacknowledged(const ptk_sim_tcp_t *tcp) {
    return tcp->tcb->send_buffer.count;
}
