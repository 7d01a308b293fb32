/* SPDX-License-Identifier: MIT */
/*
 * What happens when no answer comes. Every wait is twice as long as the one before, up to 120 s: a SYN is
 * sent 6 times more, its answer 5 times, data 15 times (8 if no program has the connection any more), and so
 * is the question whether a window is still shut. TIME_WAIT and a FIN_WAIT_2 that no program has end here
 * too.
 */
#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_tcp_impl.h"
#include <errno.h>

#define MOST_SYNS_AGAIN    6
#define MOST_ANSWERS_AGAIN 5
#define MOST_AGAIN         15
#define MOST_ORPHANS_AGAIN 8

static uint32_t most_retries(const ptk_sim_tcp_end_t *end) {
    switch (end->phase) {
    case PTK_SIM_TCP_SYN_SENT:
        return MOST_SYNS_AGAIN;
    case PTK_SIM_TCP_SYN_RECEIVED:
        return MOST_ANSWERS_AGAIN;
    default:
        return end->is_owned || end->is_ready ? MOST_AGAIN : MOST_ORPHANS_AGAIN;
    }
}

static void send_again(ptk_sim_tcp_end_t *end) {
    end->is_timing = false;
    if (end->retries++ == most_retries(end)) {
        ptk_sim_tcp_die(end, ETIMEDOUT);
    } else if (end->phase == PTK_SIM_TCP_SYN_SENT || end->phase == PTK_SIM_TCP_SYN_RECEIVED) {
        ptk_sim_tcp_send_syn(end);
    } else {
        end->next = end->unacknowledged;
        ptk_sim_tcp_output(end);
    }
}

/* A segment that the peer has seen already makes it tell its window. */
static void probe(ptk_sim_tcp_end_t *end) {
    end->probes++;
    if (end->unanswered++ == most_retries(end)) {
        ptk_sim_tcp_die(end, ETIMEDOUT);
    } else {
        ptk_sim_tcp_send_control(end, PTK_SIM_TCP_ACK, end->unacknowledged - 1);
        ptk_sim_tcp_set_alarm(end);
    }
}

void ptk_sim_tcp_alarm(ptk_sim_event_t *event) {
    ptk_sim_tcp_end_t *end = ptk_container_of(event, ptk_sim_tcp_end_t, alarm);
    if (end->phase == PTK_SIM_TCP_TIME_WAIT || end->phase == PTK_SIM_TCP_FIN_WAIT_2) {
        ptk_assert(!end->is_owned);
        ptk_sim_tcp_die(end, 0);
    } else if (end->most != end->unacknowledged) {
        send_again(end);
    } else {
        probe(end);
    }
    ptk_sim_tcp_settle(end);
}
