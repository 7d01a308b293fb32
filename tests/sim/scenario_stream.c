/* SPDX-License-Identifier: MIT */
/*
 * Bulk transfer in both directions over one connection, with everything that may cut a call short.
 *
 * Each end of a connection has two workers, a sender and a receiver. They use exact and partial calls, small
 * and large ones, with timeouts from none to infinite, and wait_any over the socket and a timer; and they
 * cancel each other at random times. Their supervisor starts them again where they stopped. The last bytes
 * are a farewell, which a green thread that is cancelled already sends behind a shield; then the direction is
 * shut down. The server has several acceptors on one listener.
 *
 * Whatever happens, the bytes that arrive are those that were sent, in order and up to the end or to a break:
 * no byte is lost or there twice because of a timeout, a cancel or a short call.
 */
#include "scenarios.h"

#include <stdlib.h>
#include <string.h>

#define SERVER      "10.0.0.1:20"
#define PATTERN     65521 /* bytes until a stream repeats itself */
#define LARGEST     32768
#define TOTAL       100000
#define FAREWELL    8
#define ACCEPTORS   3
#define CLIENTS     2
#define TRANSFERS   2  /* of each client */
#define CANCELS     24 /* of the workers of one end; then they are no longer cancelled */
#define PATIENCE_MS 10000
#define CONNECT_MS  2000
#define RESPITE_MS  10
#define IDS         4096

/* The first bytes of a connection. */
typedef struct header {
    uint32_t id;
    uint32_t up;   /* bytes from the client */
    uint32_t down; /* and to it */
} header_t;

/* The memory of the scenario, which survives crashes. */
static struct {
    unsigned char pattern[PATTERN + LARGEST];
    uint32_t ids;
    bool gave_up[IDS]; /* one end of this connection ended it early */
} world;

/* One direction at one end. */
typedef struct flow {
    struct end *end;
    bool receives;
    uint32_t start; /* where in the pattern it begins */
    uint32_t total;
    uint32_t moved;
    uint32_t frame_left; /* bytes of a frame that was cut: sends return BROKEN until it is whole */
    bool has_ended;      /* in good order, or with `err` */
    ptk_err err;
    ptk_green_t *worker;
} flow_t;

typedef struct end {
    ptk_sock_t *sock;
    uint32_t id;
    uint32_t cancels;
    flow_t flows[2];
    unsigned char buffer[LARGEST]; /* of the receiver */
} end_t;

static const unsigned char *content(const flow_t *flow) {
    return world.pattern + (flow->start + flow->moved) % PATTERN;
}

static uint32_t draw_length(uint32_t most) {
    static const uint32_t lengths[] = {1, 16, 200, 1500, 9000, LARGEST};
    uint32_t length = 1 + ptk_sim_choose(lengths[ptk_sim_choose(sizeof lengths / sizeof lengths[0])]);
    return length < most ? length : most;
}

static uint32_t draw_timeout_ms(void) {
    static const uint32_t timeouts_ms[] = {0, 1, 2, 10, 100, PTK_TIMEOUT_INFINITE};
    return timeouts_ms[ptk_sim_choose(sizeof timeouts_ms / sizeof timeouts_ms[0])];
}

static void end_flow(flow_t *flow, ptk_err err) {
    PTK_SIM_CHECK(err == PTK_OK || scenario_is_network(err));
    flow->has_ended = true;
    flow->err = err;
}

/* A worker cancels the other, or itself. */
static void perhaps_cancel(end_t *end) {
    if (end->cancels < CANCELS && ptk_sim_choose(16) == 0) {
        end->cancels++;
        ptk_green_t *whom = end->flows[ptk_sim_choose(2)].worker;
        PTK_SIM_CHECK(!whom || ptk_green_cancel(whom) == PTK_OK);
    }
}

/* --- sending --- */

/* Sends a whole frame, and checks the count of an incomplete one. */
static ptk_err send_whole(flow_t *flow, uint32_t length, uint32_t timeout_ms) {
    ptk_err err = ptk_sock_send(flow->end->sock, content(flow), length, timeout_ms);
    if (err == PTK_OK) {
        PTK_SIM_CHECK(flow->frame_left == 0);
        flow->moved += length;
    } else if (err == PTK_ERR_PARTIAL) {
        uint32_t count = (uint32_t) ptk_get_count();
        PTK_SIM_CHECK(flow->frame_left == 0 && count > 0 && count < length);
        flow->moved += count;
        flow->frame_left = length - count;
        err = ptk_get_cause();
    } else if (err == PTK_ERR_BROKEN && flow->frame_left > 0) {
        err = PTK_OK; /* as documented; send_some sends the rest */
    }
    return err;
}

static ptk_err send_part(flow_t *flow, uint32_t length, uint32_t timeout_ms) {
    size_t count = 0;
    ptk_err err = ptk_sock_send_some(flow->end->sock, content(flow), length, &count, timeout_ms);
    PTK_SIM_CHECK(err == PTK_OK ? count > 0 && count <= length : count == 0);
    flow->moved += (uint32_t) count;
    flow->frame_left -= count < flow->frame_left ? (uint32_t) count : flow->frame_left;
    return err;
}

/* Sends until `until` is reached. CANCELED: not yet. */
static ptk_err send_until(flow_t *flow, uint32_t until) {
    ptk_err err = PTK_OK;
    while (flow->moved < until && (err == PTK_OK || err == PTK_ERR_TIMEOUT)) {
        uint32_t length = draw_length(until - flow->moved);
        uint32_t timeout_ms = draw_timeout_ms();
        err = ptk_sim_choose(2) ? send_part(flow, length, timeout_ms) : send_whole(flow, length, timeout_ms);
        PTK_SIM_CHECK(err != PTK_ERR_TIMEOUT || timeout_ms != PTK_TIMEOUT_INFINITE);
        perhaps_cancel(flow->end);
        if (err == PTK_ERR_TIMEOUT && timeout_ms == 0) {
            err = ptk_sleep_ms(1); /* a sender that never waits keeps the others from running */
        }
    }
    return err == PTK_ERR_TIMEOUT ? PTK_OK : err;
}

static ptk_err send_bulk(void *arg) {
    flow_t *flow = arg;
    ptk_err err = send_until(flow, flow->total - FAREWELL);
    if (err != PTK_OK && err != PTK_ERR_CANCELED) {
        end_flow(flow, err);
    }
    return PTK_OK;
}

/* The green thread is cancelled before it starts, and sends all the same. */
static ptk_err send_farewell(void *arg) {
    flow_t *flow = arg;
    ptk_shield_t shield;
    PTK_SIM_CHECK(ptk_yield() == PTK_ERR_CANCELED);
    uint32_t limit_ms = 1 + ptk_sim_choose(2000);
    ptk_err err = ptk_shield_begin(&shield, limit_ms);
    if (scenario_is_short(err)) {
        return PTK_OK; /* another one will try */
    }
    PTK_SIM_CHECK(err == PTK_OK && ptk_cancel_cause() == PTK_CANCEL_NONE);
    err = send_until(flow, flow->total);
    PTK_SIM_CHECK(err != PTK_ERR_CANCELED || ptk_cancel_cause() == PTK_CANCEL_DEADLINE);
    PTK_SIM_CHECK(ptk_shield_end(&shield) == PTK_OK && ptk_yield() == PTK_ERR_CANCELED);
    if (err == PTK_OK) {
        err = ptk_sock_shutdown(flow->end->sock, PTK_SOCK_WRITE);
    }
    if (err != PTK_ERR_CANCELED) {
        end_flow(flow, err);
    }
    return PTK_OK;
}

/* --- receiving --- */

static ptk_err receive_whole(flow_t *flow, uint32_t length, uint32_t timeout_ms) {
    ptk_err err = ptk_sock_recv(flow->end->sock, flow->end->buffer, length, timeout_ms);
    if (err == PTK_OK) {
        PTK_SIM_CHECK(memcmp(flow->end->buffer, content(flow), length) == 0);
        flow->moved += length;
    }
    return err;
}

static ptk_err receive_part(flow_t *flow, uint32_t length, uint32_t timeout_ms) {
    size_t count = 0;
    size_t pending = ptk_sock_pending(flow->end->sock);
    ptk_err err = ptk_sock_recv_some(flow->end->sock, flow->end->buffer, length, &count, timeout_ms);
    PTK_SIM_CHECK(err == PTK_OK ? count > 0 && count <= length : count == 0);
    PTK_SIM_CHECK(pending == 0 || err == PTK_OK || err == PTK_ERR_CANCELED);
    PTK_SIM_CHECK(memcmp(flow->end->buffer, content(flow), count) == 0);
    flow->moved += (uint32_t) count;
    return err;
}

/* Waits for the socket or a timer, then takes what is there. */
static ptk_err receive_after_wait(flow_t *flow, uint32_t length) {
    ptk_timer_spec_t spec = {(1 + ptk_sim_choose(50)) * PTK_NS_PER_MS, 0};
    uint64_t began_ns = ptk_now_ns();
    ptk_waitable_t *timer = ptk_waitable_create(NULL, PTK_WAITABLE_TIMER, &spec);
    if (!timer) {
        return ptk_get_err();
    }
    ptk_waitable_t *readable = ptk_sock_waitable(flow->end->sock, PTK_EVENT_READ);
    ptk_err err = readable ? PTK_OK : ptk_get_err();
    ptk_waitable_wait_item_t items[] = {{.waitable = readable, .events = PTK_EVENT_READ},
                                        {.waitable = timer, .events = PTK_EVENT_READ}};
    size_t index = 0;
    if (readable) {
        err = ptk_waitable_wait_any(items, 2, &index, PTK_TIMEOUT_INFINITE);
    }
    PTK_SIM_CHECK(err == PTK_OK || err == PTK_ERR_CANCELED || scenario_is_short(err));
    PTK_SIM_CHECK(err != PTK_OK || index != 1 ||
                  (items[1].count_out == 1 && ptk_now_ns() - began_ns >= spec.first_ns));
    ptk_waitable_destroy(timer);
    return err == PTK_OK ? receive_part(flow, length, 0) : err;
}

static ptk_err receive_once(flow_t *flow) {
    uint32_t left = flow->total - flow->moved;
    uint32_t kind = left > 0 ? ptk_sim_choose(3) : 1; /* at the end: is there no more? */
    uint32_t timeout_ms = draw_timeout_ms();
    ptk_err err = PTK_OK;
    if (kind == 0) {
        err = receive_whole(flow, draw_length(left), timeout_ms);
    } else if (kind == 1) {
        err = receive_part(flow, draw_length(LARGEST), timeout_ms);
    } else {
        timeout_ms = 1;
        err = receive_after_wait(flow, draw_length(LARGEST));
    }
    PTK_SIM_CHECK(flow->moved <= flow->total);
    PTK_SIM_CHECK(err != PTK_ERR_TIMEOUT || timeout_ms != PTK_TIMEOUT_INFINITE);
    return err == PTK_ERR_TIMEOUT && timeout_ms == 0 ? ptk_sleep_ms(1) : err;
}

static ptk_err receive_bulk(void *arg) {
    flow_t *flow = arg;
    ptk_err err = PTK_OK;
    while (err == PTK_OK || err == PTK_ERR_TIMEOUT) {
        err = receive_once(flow);
        perhaps_cancel(flow->end);
    }
    bool is_end = err == PTK_ERR_EOF || err == PTK_ERR_UNEXPECTED_EOF;
    PTK_SIM_CHECK(!is_end || flow->moved == flow->total || world.gave_up[flow->end->id]);
    if (err != PTK_ERR_CANCELED) {
        end_flow(flow, err == PTK_ERR_EOF && flow->moved == flow->total ? PTK_OK : err);
    }
    return PTK_OK;
}

/* --- the supervisor --- */

static void start_worker(flow_t *flow) {
    bool parts = !flow->receives && flow->moved >= flow->total - FAREWELL;
    ptk_green_fn work = flow->receives ? receive_bulk : (parts ? send_farewell : send_bulk);
    flow->worker = ptk_green_spawn(NULL, NULL, work, flow);
    if (!flow->worker) {
        end_flow(flow, ptk_get_err());
    } else if (parts) {
        PTK_SIM_CHECK(ptk_green_cancel(flow->worker) == PTK_OK);
    }
}

static ptk_err join_worker(flow_t *flow, uint32_t timeout_ms) {
    ptk_green_t *worker = flow->worker;
    ptk_err result = PTK_ERR_OS;
    ptk_err err = ptk_green_join(worker, &result, timeout_ms);
    if (err == PTK_OK) {
        PTK_SIM_CHECK(result == PTK_OK);
        PTK_SIM_CHECK(ptk_green_join(worker, &result, 0) == PTK_ERR_CLOSED);
        flow->worker = NULL;
    }
    return err;
}

/* Waits for a worker for a short time. CANCELED: the supervisor itself is cancelled. */
static ptk_err supervise(flow_t *flow) {
    if (!flow->worker && !flow->has_ended) {
        start_worker(flow);
    }
    ptk_err err = flow->worker ? join_worker(flow, ptk_sim_choose(20)) : ptk_yield();
    return err == PTK_ERR_TIMEOUT ? PTK_OK : err;
}

/* Ends the workers that still run; a supervisor that is cancelled waits for that, too. */
static void stop_workers(end_t *end) {
    ptk_shield_t shield;
    scenario_shield(&shield);
    for (size_t i = 0; i < 2; i++) {
        if (end->flows[i].worker) {
            world.gave_up[end->id] = true;
            PTK_SIM_CHECK(ptk_green_cancel(end->flows[i].worker) == PTK_OK);
            PTK_SIM_CHECK(join_worker(&end->flows[i], PTK_TIMEOUT_INFINITE) == PTK_OK);
        }
    }
    PTK_SIM_CHECK(ptk_shield_end(&shield) == PTK_OK);
}

static bool goes_on(const end_t *end) {
    const flow_t *flows = end->flows;
    return (!flows[0].has_ended || !flows[1].has_ended) && flows[0].err == PTK_OK && flows[1].err == PTK_OK;
}

/* Runs until both directions have ended, one is broken, or nothing has moved for long. */
static bool transfer(end_t *end) {
    uint64_t moved = 0;
    uint64_t moved_ns = ptk_now_ns();
    ptk_err err = PTK_OK;
    while (err == PTK_OK && goes_on(end) && ptk_now_ns() - moved_ns < PATIENCE_MS * PTK_NS_PER_MS) {
        err = supervise(&end->flows[0]);
        err = err ? err : supervise(&end->flows[1]);
        uint64_t now_moved = (uint64_t) end->flows[0].moved + end->flows[1].moved;
        moved_ns = now_moved != moved ? ptk_now_ns() : moved_ns;
        moved = now_moved;
    }
    bool is_done = end->flows[0].has_ended && end->flows[1].has_ended && end->flows[0].err == PTK_OK &&
                   end->flows[1].err == PTK_OK;
    world.gave_up[end->id] |= !is_done;
    stop_workers(end);
    return is_done;
}

/* One end of a connection. Has everything been sent and received? */
static bool run_end(ptk_sock_t *sock, const header_t *header, bool is_client) {
    end_t *end = calloc(1, sizeof *end);
    if (!end || header->id >= IDS) {
        free(end);
        return false;
    }
    end->sock = sock;
    end->id = header->id;
    end->flows[0] = (flow_t) {.end = end, .total = is_client ? header->up : header->down};
    end->flows[1] = (flow_t) {.end = end, .receives = true, .total = is_client ? header->down : header->up};
    end->flows[is_client ? 0 : 1].start = header->id * 1009;
    end->flows[is_client ? 1 : 0].start = header->id * 2003 + 17;
    bool is_done = transfer(end);
    free(end);
    return is_done;
}

/* --- hosts --- */

static ptk_err serve_one(void *arg) {
    header_t header;
    ptk_err err = ptk_sock_recv(arg, &header, sizeof header, PATIENCE_MS);
    PTK_SIM_CHECK(err == PTK_OK || scenario_is_network(err));
    if (err == PTK_OK) {
        (void) run_end(arg, &header, false);
        ptk_sock_close(arg);
    } else {
        ptk_sock_reset(
            arg); /* its connection was never identified: it must not look like an end in good order */
    }
    return PTK_OK;
}

static ptk_err accept_some(void *arg) {
    ptk_err err = PTK_OK;
    while (err == PTK_OK || err == PTK_ERR_TIMEOUT) {
        uint32_t timeout_ms = 1 + ptk_sim_choose(5000);
        ptk_sock_t *sock = ptk_sock_accept(arg, NULL, NULL, timeout_ms);
        err = sock ? ptk_go(NULL, serve_one, sock) : ptk_get_err();
        if (sock && err != PTK_OK) {
            ptk_sock_reset(sock);
        }
        if (scenario_is_short(err)) {
            err = ptk_sleep_ms(RESPITE_MS);
        }
    }
    PTK_SIM_CHECK(err == PTK_ERR_CANCELED || err == PTK_ERR_CLOSED || scenario_is_network(err));
    return PTK_ERR_CANCELED;
}

static ptk_err accept_all(void *arg) {
    (void) arg;
    ptk_sock_t *listener = scenario_listen(SERVER);
    if (!listener) {
        return ptk_get_err();
    }
    ptk_err err = PTK_OK;
    for (int i = 1; i < ACCEPTORS && err == PTK_OK; i++) {
        err = ptk_go(NULL, accept_some, listener);
    }
    err = err == PTK_OK ? accept_some(listener) : err;
    ptk_sock_close(listener);
    return err;
}

static ptk_err run_server(void *arg) {
    return scenario_run(accept_all, arg);
}

static bool transfer_once(void) {
    header_t header = {world.ids++, FAREWELL + ptk_sim_choose(TOTAL), FAREWELL + ptk_sim_choose(TOTAL)};
    ptk_sock_t *sock = scenario_connect(SERVER, CONNECT_MS);
    if (!sock) {
        return false;
    }
    ptk_err err = ptk_sock_send(sock, &header, sizeof header, CONNECT_MS);
    PTK_SIM_CHECK(err == PTK_OK || scenario_is_network(err));
    bool is_done = err == PTK_OK && run_end(sock, &header, true);
    ptk_sock_close(sock);
    return is_done;
}

static ptk_err transfer_all(void *arg) {
    ptk_err err = PTK_OK;
    (void) arg;
    for (unsigned done = 0; err == PTK_OK && done < TRANSFERS;) {
        done += transfer_once();
        err = ptk_sleep_ms(20);
    }
    return err;
}

static ptk_err run_client(void *arg) {
    return scenario_run(transfer_all, arg);
}

static void make_pattern(void) {
    uint32_t state = 1;
    for (size_t i = 0; i < PATTERN; i++) {
        state = state * 1664525u + 1013904223u;
        world.pattern[i] = (unsigned char) (state >> 24);
    }
    memcpy(world.pattern + PATTERN, world.pattern, LARGEST);
}

void scenario_stream(ptk_sim_t *sim) {
    static const char *const names[CLIENTS] = {"anna", "bert"};
    memset(&world, 0, sizeof world);
    make_pattern();
    scenario_host(sim, "server", PTK_SIM_HOST_DAEMON | PTK_SIM_HOST_MAY_CRASH, run_server, NULL);
    for (size_t i = 0; i < CLIENTS; i++) {
        scenario_host(sim, names[i], PTK_SIM_HOST_MAY_CRASH, run_client, NULL);
    }
    ptk_sim_run_for(sim, 10000);
    ptk_sim_settle(sim, 3600000);
}
