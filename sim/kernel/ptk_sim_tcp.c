/* SPDX-License-Identifier: MIT */
/*
 * The calls of a program on its endpoints. They look at the state, and answer what Linux does (the order in
 * which recv and send look at data, FIN, error and shutdown is tcp_recvmsg's and tcp_sendmsg's). Packets that
 * they send travel through the event queue, so no call ever tells its own caller anything before it returns; what
 * wakes pollers on Linux because of one's own shutdown does so by an event of the present moment.
 */
#include "sim/kernel/ptk_sim_tcp.h"

#include "base/ptk_assert.h"
#include "base/ptk_choice.h"
#include "sim/kernel/ptk_sim_site.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>

ptk_sim_tcp_t *ptk_sim_tcp_create(ptk_sim_node_t *node, int family) {
    ptk_assert(family == AF_INET || family == AF_INET6);
    ptk_sim_tcp_end_t *end = ptk_sim_tcp_end_create(node, family, ptk_sim_tcp_alarm);
    node->net->tcp_arrives = ptk_sim_tcp_arrives;
    end->is_owned = true;
    return &end->tcp;
}

int ptk_sim_tcp_accept(ptk_sim_tcp_t *listener, ptk_sim_tcp_t **accepted_out) {
    ptk_sim_tcp_end_t *parent = listener->state;
    if (parent->phase != PTK_SIM_TCP_LISTEN) {
        return -EINVAL;
    }
    ptk_list_node_t *node = ptk_list_pop(&parent->ready);
    if (!node) {
        return -EAGAIN;
    }
    ptk_sim_tcp_end_t *end = ptk_container_of(node, ptk_sim_tcp_end_t, in_parent);
    parent->ready_count--;
    end->parent = NULL;
    end->is_ready = false;
    end->is_owned = true;
    *accepted_out = &end->tcp;
    return 0;
}

/* --- data --- */

static intptr_t nothing_to_read(ptk_sim_tcp_end_t *end) {
    if (end->had_fin) {
        return 0;
    }
    if (end->error) {
        return -ptk_sim_tcp_take_error(end);
    }
    if (end->shut & PTK_SIM_TCP_SHUT_IN) {
        return 0;
    }
    return end->phase == PTK_SIM_TCP_CLOSED ? -ENOTCONN : -EAGAIN;
}

static void drop_read(ptk_sim_tcp_end_t *end, uint32_t bytes) {
    ptk_sim_stream_drop(&end->incoming, bytes);
    end->read += bytes;
    if (end->urgent && ptk_sim_is_after(end->read, end->urgent_in)) {
        end->urgent = PTK_SIM_TCP_NO_URGENT;
    }
}

/* What can be read in one piece: up to the urgent byte, or from it on. */
static uint32_t read_piece(ptk_sim_tcp_end_t *end, uint8_t *buffer, size_t bytes) {
    uint32_t piece = bytes < end->incoming.count ? (uint32_t) bytes : end->incoming.count;
    uint32_t to_urgent = end->urgent_in - end->read;
    if (end->urgent && to_urgent < piece) {
        if (to_urgent > 0) {
            piece = to_urgent;
        } else if (!end->has_urgent_inline) {
            drop_read(end, 1);
            piece--;
        }
    }
    ptk_sim_stream_copy(&end->incoming, 0, buffer, piece);
    drop_read(end, piece);
    return piece;
}

intptr_t ptk_sim_tcp_recv(ptk_sim_tcp_t *tcp, void *buffer, size_t bytes) {
    ptk_sim_tcp_end_t *end = tcp->state;
    size_t copied = 0;
    if (end->phase == PTK_SIM_TCP_LISTEN) {
        return -ENOTCONN;
    }
    do {
        bool is_at_mark = end->urgent && end->urgent_in == end->read;
        if (copied > 0 && (is_at_mark || end->incoming.count == 0)) {
            break;
        }
        if (end->incoming.count == 0) {
            return nothing_to_read(end);
        }
        copied += read_piece(end, (uint8_t *) buffer + copied, bytes - copied);
    } while (copied < bytes);
    if (copied > 0) {
        ptk_sim_tcp_open_window(end);
    }
    return (intptr_t) copied;
}

static int why_not_to_send(ptk_sim_tcp_end_t *end) {
    bool is_connected = end->phase == PTK_SIM_TCP_ESTABLISHED || end->phase == PTK_SIM_TCP_CLOSE_WAIT;
    if (end->error) {
        return -ptk_sim_tcp_take_error(end);
    }
    if (end->phase == PTK_SIM_TCP_SYN_SENT || end->phase == PTK_SIM_TCP_SYN_RECEIVED) {
        return -EAGAIN;
    }
    return !is_connected || end->shut & PTK_SIM_TCP_SHUT_OUT ? -EPIPE : 0;
}

/* How many of so many bytes there is room for, or fewer if the oracle says so. */
static uint32_t room_for(const ptk_sim_tcp_end_t *end, size_t bytes) {
    uint32_t room = end->outgoing.count < end->send_limit ? end->send_limit - end->outgoing.count : 0;
    uint32_t taken = bytes < room ? (uint32_t) bytes : room;
    if (taken > 1 && !ptk_sim_tcp_net(end)->calm) {
        uint32_t fewer = ptk_choice(PTK_SIM_SITE_SHORT_SEND, taken);
        taken -= fewer;
    }
    return taken;
}

intptr_t ptk_sim_tcp_send(ptk_sim_tcp_t *tcp, const void *buffer, size_t bytes, bool urgent) {
    ptk_sim_tcp_end_t *end = tcp->state;
    int error = why_not_to_send(end);
    if (error || bytes == 0) {
        return error;
    }
    uint32_t taken = room_for(end, bytes);
    end->wants_space = end->wants_space || taken < bytes;
    if (taken == 0) {
        return -EAGAIN;
    }
    ptk_sim_stream_append(&end->outgoing, buffer, taken);
    if (urgent) {
        end->has_urgent_out = true;
        end->urgent_out = end->unacknowledged + end->outgoing.count;
    }
    ptk_sim_tcp_output(end);
    return (intptr_t) taken;
}

uint32_t ptk_sim_tcp_ready(const ptk_sim_tcp_t *tcp) {
    ptk_sim_tcp_end_t *end = tcp->state;
    uint32_t events = ptk_sim_tcp_poll(end);
    if (!(events & POLLOUT) && end->phase >= PTK_SIM_TCP_ESTABLISHED) {
        end->wants_space = true; /* as on Linux, whoever looks waits for it */
    }
    return events;
}

/* --- the end --- */

static void send_fin(ptk_sim_tcp_end_t *end) {
    if (end->phase == PTK_SIM_TCP_ESTABLISHED) {
        end->phase = PTK_SIM_TCP_FIN_WAIT_1;
    } else if (end->phase == PTK_SIM_TCP_CLOSE_WAIT) {
        end->phase = PTK_SIM_TCP_LAST_ACK;
    } else {
        return;
    }
    end->has_fin_out = true;
    ptk_sim_tcp_output(end);
}

static int shut(ptk_sim_tcp_end_t *end, uint8_t directions) {
    if (end->phase == PTK_SIM_TCP_LISTEN && !(directions & PTK_SIM_TCP_SHUT_IN)) {
        return 0;
    }
    if (end->phase == PTK_SIM_TCP_LISTEN || end->phase == PTK_SIM_TCP_SYN_SENT) {
        ptk_sim_tcp_disconnect(end);
        end->attempt = PTK_SIM_TCP_UNCONNECTED;
        return 0;
    }
    end->shut |= directions;
    if (directions & PTK_SIM_TCP_SHUT_OUT) {
        send_fin(end);
    }
    return end->phase == PTK_SIM_TCP_CLOSED ? -ENOTCONN : 0;
}

int ptk_sim_tcp_shutdown(ptk_sim_tcp_t *tcp, int how) {
    ptk_sim_tcp_end_t *end = tcp->state;
    if (how < SHUT_RD || how > SHUT_RDWR) {
        return -EINVAL;
    }
    if (end->attempt == PTK_SIM_TCP_CONNECTING) {
        bool never_was = end->phase == PTK_SIM_TCP_CLOSED || end->phase == PTK_SIM_TCP_SYN_RECEIVED;
        end->attempt = never_was ? PTK_SIM_TCP_DISCONNECTING : PTK_SIM_TCP_CONNECTED;
    }
    int error = shut(end, (uint8_t) (how + 1)); /* SHUT_RD is 0, SHUT_WR 1, SHUT_RDWR 2 */
    ptk_sim_event_queue_insert(&ptk_sim_tcp_net(end)->events, &end->notice, ptk_sim_tcp_now(end));
    return error;
}

static void set_superseded(ptk_sim_tcp_end_t *end) {
    ptk_assert(end->is_owned);
    end->is_owned = false;
    end->tcp.changed = NULL;
    end->tcp.owner = NULL;
    end->shut = PTK_SIM_TCP_SHUT_BOTH;
}

static void wait_for_fin(ptk_sim_tcp_end_t *end) {
    ptk_sim_event_queue_insert(&ptk_sim_tcp_net(end)->events, &end->alarm,
                         ptk_sim_tcp_now(end) + PTK_SIM_TCP_TIME_WAIT_NS);
}

void ptk_sim_tcp_close(ptk_sim_tcp_t *tcp) {
    ptk_sim_tcp_end_t *end = tcp->state;
    set_superseded(end);
    if (end->phase < PTK_SIM_TCP_SYN_RECEIVED || (end->lingers && end->linger_seconds == 0)) {
        ptk_sim_tcp_disconnect(end);
    } else if (end->phase == PTK_SIM_TCP_SYN_RECEIVED || end->incoming.count > 0) {
        ptk_sim_tcp_send_reset(end);
        ptk_sim_tcp_die(end, 0);
    } else if (end->phase == PTK_SIM_TCP_FIN_WAIT_2) {
        wait_for_fin(end);
    } else {
        send_fin(end);
    }
    ptk_sim_tcp_settle(end);
}

static void free_children(ptk_list_t *list) {
    for (ptk_list_node_t *node; (node = ptk_list_first(list));) {
        ptk_sim_tcp_end_free(ptk_container_of(node, ptk_sim_tcp_end_t, in_parent));
    }
}

void ptk_sim_tcp_abandon(ptk_sim_tcp_t *tcp) {
    ptk_sim_tcp_end_t *end = tcp->state;
    set_superseded(end);
    free_children(&end->pending);
    free_children(&end->ready);
    ptk_sim_tcp_end_free(end);
}

void ptk_sim_tcp_clear(ptk_sim_node_t *node) {
    ptk_sim_tcp_tables_t *tables = node->tcp;
    if (!tables) {
        return;
    }
    for (ptk_list_node_t *first; (first = ptk_list_first(&tables->all));) {
        ptk_sim_tcp_end_t *end = ptk_container_of(first, ptk_sim_tcp_end_t, in_all);
        ptk_assert(!end->is_owned);
        ptk_sim_tcp_end_free(end);
    }
    ptk_sim_tcp_tables_free(node);
}

uint32_t ptk_sim_tcp_count(const ptk_sim_node_t *node) {
    const ptk_sim_tcp_tables_t *tables = node->tcp;
    return tables ? tables->count : 0;
}
