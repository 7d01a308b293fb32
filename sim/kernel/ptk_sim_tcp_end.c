/* SPDX-License-Identifier: MIT */
/*
 * The life of one endpoint. It is freed by the last event that concerns it (ptk_sim_tcp_settle), when it is
 * CLOSED and neither a program nor a listener's backlog has it; so nothing that handles an event need fear
 * that the endpoint goes away under it.
 *
 * When the connection of a program's endpoint comes to TIME_WAIT, a twin without a program takes its place in
 * the tables, and the program's is CLOSED, as on Linux.
 */
#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_memory.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <string.h>

static void notice(ptk_sim_event_t *event) {
    ptk_sim_tcp_end_t *end = ptk_container_of(event, ptk_sim_tcp_end_t, notice);
    ptk_sim_tcp_tell(end, ptk_sim_tcp_poll(end));
}

void ptk_sim_tcp_forget_address(ptk_sim_tcp_end_t *end) {
    memset(end->local.bytes, 0, sizeof end->local.bytes);
    if (end->family == AF_INET) {
        end->local.bytes[10] = end->local.bytes[11] = 0xff;
    }
}

ptk_sim_tcp_end_t *ptk_sim_tcp_end_create(ptk_sim_node_t *node, int family,
                                          void (*alarm)(ptk_sim_event_t *event)) {
    ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(node);
    ptk_sim_tcp_end_t *end = ptk_sim_allocate(sizeof *end);
    end->tcp.node = node;
    end->tcp.state = end;
    end->family = family;
    end->send_limit = PTK_SIM_TCP_USUAL_BUFFER;
    end->receive_limit = PTK_SIM_TCP_USUAL_BUFFER;
    end->wait_ns = PTK_SIM_TCP_FIRST_WAIT_NS;
    end->alarm.happen = alarm;
    end->notice.happen = notice;
    ptk_sim_tcp_forget_address(end);
    ptk_list_init(&end->ready);
    ptk_list_init(&end->pending);
    ptk_list_append(&tables->all, &end->in_all);
    tables->count++;
    return end;
}

static void leave_parent(ptk_sim_tcp_end_t *end) {
    if (end->parent) {
        ptk_list_remove(&end->in_parent);
        end->parent->ready_count -= end->is_ready;
        end->parent = NULL;
        end->is_ready = false;
    }
}

void ptk_sim_tcp_end_free(ptk_sim_tcp_end_t *end) {
    ptk_sim_tcp_tables_t *tables = ptk_sim_tcp_tables(end->tcp.node);
    ptk_assert(ptk_list_is_empty(&end->ready) && ptk_list_is_empty(&end->pending));
    leave_parent(end);
    ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(end)->events, &end->alarm);
    ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(end)->events, &end->notice);
    ptk_sim_tcp_leave_port(end);
    ptk_sim_tcp_leave_pair(end);
    ptk_sim_tcp_leave_listeners(end);
    ptk_sim_stream_clear(&end->outgoing);
    ptk_sim_stream_clear(&end->incoming);
    ptk_list_remove(&end->in_all);
    tables->count--;
    ptk_sim_free(end);
}

void ptk_sim_tcp_tell(ptk_sim_tcp_end_t *end, uint32_t events) {
    if (events && end->tcp.changed) {
        end->tcp.changed(&end->tcp, events);
    }
}

static bool has_room(const ptk_sim_tcp_end_t *end) {
    return end->outgoing.count < end->send_limit &&
           end->send_limit - end->outgoing.count >= end->outgoing.count / 2;
}

static uint32_t poll_data(const ptk_sim_tcp_end_t *end) {
    bool is_at_mark = end->urgent && end->urgent_in == end->read && !end->has_urgent_inline;
    uint32_t events = end->incoming.count > is_at_mark ? POLLIN : 0;
    events |= end->urgent == PTK_SIM_TCP_URGENT_HERE ? POLLPRI : 0;
    return events | (end->shut & PTK_SIM_TCP_SHUT_OUT || has_room(end) ? POLLOUT : 0);
}

uint32_t ptk_sim_tcp_poll(const ptk_sim_tcp_end_t *end) {
    if (end->phase == PTK_SIM_TCP_LISTEN) {
        return ptk_list_is_empty(&end->ready) ? 0 : POLLIN;
    }
    uint32_t events = end->error ? POLLERR : 0;
    if (end->shut == PTK_SIM_TCP_SHUT_BOTH || end->phase == PTK_SIM_TCP_CLOSED) {
        events |= POLLHUP;
    }
    if (end->shut & PTK_SIM_TCP_SHUT_IN) {
        events |= POLLIN | POLLRDHUP;
    }
    if (end->phase != PTK_SIM_TCP_SYN_SENT && end->phase != PTK_SIM_TCP_SYN_RECEIVED) {
        events |= poll_data(end);
    }
    return events;
}

int ptk_sim_tcp_take_error(ptk_sim_tcp_end_t *end) {
    int error = end->error;
    end->error = 0;
    return error;
}

static void leave_tables(ptk_sim_tcp_end_t *end) {
    ptk_sim_tcp_leave_pair(end);
    ptk_sim_tcp_leave_listeners(end);
    if (!end->keeps_port) {
        ptk_sim_tcp_leave_port(end);
    }
}

void ptk_sim_tcp_die(ptk_sim_tcp_end_t *end, int error) {
    end->phase = PTK_SIM_TCP_CLOSED;
    end->shut = PTK_SIM_TCP_SHUT_BOTH;
    end->error = error ? error : end->error;
    end->owes_ack = false;
    ptk_sim_stream_clear(&end->outgoing);
    ptk_sim_event_queue_cancel(&ptk_sim_tcp_net(end)->events, &end->alarm);
    leave_tables(end);
    end->events |= ptk_sim_tcp_poll(end);
}

static ptk_sim_tcp_end_t *make_twin(ptk_sim_tcp_end_t *end) {
    ptk_sim_tcp_end_t *twin = ptk_sim_tcp_end_create(end->tcp.node, end->family, end->alarm.happen);
    twin->local = end->local;
    twin->peer = end->peer;
    twin->reuses_addr = end->reuses_addr;
    twin->reuses_port = end->reuses_port;
    twin->is_ipv6_only = end->is_ipv6_only;
    twin->is_bound = end->is_bound;
    twin->expected = twin->read = twin->receive_edge = end->expected;
    twin->unacknowledged = twin->next = twin->most = end->most;
    twin->shut = PTK_SIM_TCP_SHUT_BOTH;
    ptk_sim_tcp_die(end, 0);
    ptk_sim_tcp_enter_port(twin);
    ptk_sim_tcp_enter_pair(twin);
    return twin;
}

void ptk_sim_tcp_wait_out(ptk_sim_tcp_end_t *end) {
    ptk_sim_tcp_end_t *waits = end->is_owned ? make_twin(end) : end;
    waits->phase = PTK_SIM_TCP_TIME_WAIT;
    ptk_sim_event_queue_insert(&ptk_sim_tcp_net(end)->events, &waits->alarm,
                         ptk_sim_tcp_now(end) + PTK_SIM_TCP_TIME_WAIT_NS);
}

void ptk_sim_tcp_settle(ptk_sim_tcp_end_t *end) {
    uint32_t events = end->events;
    end->events = 0;
    if (end->phase == PTK_SIM_TCP_CLOSED && !end->is_owned && !end->is_ready) {
        ptk_sim_tcp_end_free(end);
    } else {
        ptk_sim_tcp_tell(end, events);
    }
}
