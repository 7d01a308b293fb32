/* SPDX-License-Identifier: MIT */
/*
 * Two nodes, 10.0.0.1 and 10.0.0.2, and what the tests of simulated TCP do with them.
 */
#pragma once

#include "ptk_test.h"

#include "base/ptk_choice.h"
#include "sim/kernel/ptk_sim_site.h"
#include "sim/kernel/ptk_sim_tcp.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>

#define PORT      502
#define SECOND_NS UINT64_C(1000000000)
#define IN_OUT    (POLLIN | POLLOUT)
#define ENDED     (POLLIN | POLLOUT | POLLRDHUP | POLLHUP)

static ptk_sim_net_t net;
static ptk_sim_node_t *here, *there;
static ptk_sim_tcp_t *listener, *client, *server;

static inline struct sockaddr_in address(uint32_t host, uint16_t port) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    addr.sin_addr.s_addr = htonl(host);
    return addr;
}

static inline uint32_t host(uint32_t number) {
    return 0x0a000000 + number;
}

static inline ptk_sim_node_t *add_node(void) {
    ptk_sim_node_t *node = ptk_sim_net_add(&net);
    struct sockaddr_in in = address(host(net.node_count), 0);
    ptk_sim_addr_t addr;
    CHECK_EQ(ptk_sim_addr_from_os(&addr, (struct sockaddr *) &in, sizeof in), 0);
    CHECK(ptk_sim_node_add_address(node, &addr));
    return node;
}

static inline void begin(void) {
    ptk_sim_net_init(&net);
    here = add_node();
    there = add_node();
}

static inline void run(void) {
    while (ptk_sim_event_queue_step(&net.events)) {
    }
}

/* Fires the events of the next `ns`. */
static inline void run_for(uint64_t ns) {
    uint64_t until_ns = net.events.now_ns + ns;
    while (ptk_sim_event_queue_next_ns(&net.events) <= until_ns) {
        CHECK(ptk_sim_event_queue_step(&net.events));
    }
    net.events.now_ns = until_ns;
}

/* Runs long enough for packets to be exchanged, and not long enough for TIME_WAIT to end. */
static inline void settle(void) {
    run_for(SECOND_NS / 100);
}

static inline int bind_to(ptk_sim_tcp_t *tcp, uint32_t at, uint16_t port) {
    struct sockaddr_in addr = address(at, port);
    return ptk_sim_tcp_bind(tcp, (struct sockaddr *) &addr, sizeof addr);
}

static inline int connect_to(ptk_sim_tcp_t *tcp, uint32_t to, uint16_t port) {
    struct sockaddr_in addr = address(to, port);
    return ptk_sim_tcp_connect(tcp, (struct sockaddr *) &addr, sizeof addr);
}

static inline ptk_sim_tcp_t *listen_on(ptk_sim_node_t *node, uint16_t port, int backlog) {
    ptk_sim_tcp_t *tcp = ptk_sim_tcp_create(node, AF_INET);
    CHECK_EQ(bind_to(tcp, 0, port), 0);
    CHECK_EQ(ptk_sim_tcp_listen(tcp, backlog), 0);
    return tcp;
}

static inline ptk_sim_tcp_t *connect_from(ptk_sim_node_t *node, uint32_t to, uint16_t port) {
    ptk_sim_tcp_t *tcp = ptk_sim_tcp_create(node, AF_INET);
    CHECK_EQ(connect_to(tcp, to, port), -EINPROGRESS);
    return tcp;
}

/* Connects a client here with an accepted server there. */
static inline void begin_connected(void) {
    begin();
    listener = listen_on(there, PORT, 5);
    client = connect_from(here, host(2), PORT);
    settle();
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
}

static inline intptr_t send_text(ptk_sim_tcp_t *tcp, const char *text) {
    return ptk_sim_tcp_send(tcp, text, strlen(text), false);
}

static inline intptr_t send_urgent(ptk_sim_tcp_t *tcp, const char *text) {
    return ptk_sim_tcp_send(tcp, text, strlen(text), true);
}

/* Returns what a receive of at most `bytes` returns, as text; a result below 1 as a word. */
static inline const char *receive_text(ptk_sim_tcp_t *tcp, size_t bytes) {
    static char text[256];
    intptr_t value = ptk_sim_tcp_recv(tcp, text, bytes);
    switch (value) {
    case 0:
        return "end";
    case -EAGAIN:
        return "nothing";
    case -ECONNRESET:
        return "reset";
    case -ENOTCONN:
        return "not connected";
    case -ECONNREFUSED:
        return "refused";
    case -ETIMEDOUT:
        return "timed out";
    default:
        CHECK(value > 0 && (size_t) value < sizeof text);
        text[value] = 0;
        return text;
    }
}

static inline int option(ptk_sim_tcp_t *tcp, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    int error = ptk_sim_tcp_get_option(tcp, level, name, &value, &length);
    return error ? error : value;
}

static inline int error_of(ptk_sim_tcp_t *tcp) {
    return option(tcp, SOL_SOCKET, SO_ERROR);
}

static inline int set(ptk_sim_tcp_t *tcp, int level, int name, int value) {
    return ptk_sim_tcp_set_option(tcp, level, name, &value, sizeof value);
}

static inline void reset_at_close(ptk_sim_tcp_t *tcp) {
    struct linger linger = {.l_onoff = 1};
    CHECK_EQ(ptk_sim_tcp_set_option(tcp, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
}

static inline uint16_t local_port(ptk_sim_tcp_t *tcp) {
    struct sockaddr_in addr;
    socklen_t length = sizeof addr;
    CHECK_EQ(ptk_sim_tcp_local_name(tcp, (struct sockaddr *) &addr, &length), 0);
    return ntohs(addr.sin_port);
}

static inline int peer_error(ptk_sim_tcp_t *tcp) {
    struct sockaddr_in addr;
    socklen_t length = sizeof addr;
    return ptk_sim_tcp_peer_name(tcp, (struct sockaddr *) &addr, &length);
}

/* Fires all events; no endpoint may be left then. */
static inline void end(void) {
    run();
    for (uint32_t i = 0; i < net.node_count; i++) {
        CHECK_EQ(ptk_sim_tcp_count(net.nodes[i]), 0);
        ptk_sim_tcp_clear(net.nodes[i]);
    }
    ptk_sim_net_fini(&net);
}

static inline void end_connected(void) {
    ptk_sim_tcp_close(client);
    ptk_sim_tcp_close(server);
    ptk_sim_tcp_close(listener);
    end();
}
