/* SPDX-License-Identifier: MIT */
/*
 * A stream is delivered complete and in order, whatever the network does.
 */
#include "tcp_world.h"

#define MOST_BYTES 300000

/* Decides at random; a fault once in `rarity`. */
typedef struct random_oracle {
    ptk_choice_oracle_t oracle;
    ptk_test_random_t random;
    uint32_t rarity;
} random_oracle_t;

static uint32_t use_random_oracle(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    random_oracle_t *random_oracle = (random_oracle_t *) (void *) oracle;
    bool is_fault = site == PTK_SIM_SITE_LOSS || site == PTK_SIM_SITE_DUPLICATE ||
                    site == PTK_SIM_SITE_REORDER || site == PTK_SIM_SITE_SEGMENT;
    CHECK(count > 1);
    if (is_fault && ptk_test_random_below(&random_oracle->random, random_oracle->rarity) != 0) {
        return 0;
    }
    return is_fault && count == 2 ? 1 : (uint32_t) ptk_test_random_below(&random_oracle->random, count);
}

/* One direction: byte i is a function of i and of the direction. */
typedef struct flow {
    uint32_t bytes;
    uint32_t sent;
    uint32_t received;
    uint8_t salt;
    bool has_ended;
} flow_t;

static uint8_t byte_at(const flow_t *flow, uint32_t index) {
    return (uint8_t) (index * 31 + index / 251 + flow->salt);
}

static void put(flow_t *flow, ptk_sim_tcp_t *tcp, uint32_t most) {
    static uint8_t buffer[70000];
    uint32_t left = flow->bytes - flow->sent;
    uint32_t count = left < most ? left : most;
    for (uint32_t i = 0; i < count; i++) {
        buffer[i] = byte_at(flow, flow->sent + i);
    }
    intptr_t value = count ? ptk_sim_tcp_send(tcp, buffer, count, false) : 0;
    CHECK(value == -EAGAIN || value >= 0);
    flow->sent += value > 0 ? (uint32_t) value : 0;
    if (left > 0 && flow->sent == flow->bytes) {
        CHECK_EQ(ptk_sim_tcp_shutdown(tcp, SHUT_WR), 0);
    }
}

static void get(flow_t *flow, ptk_sim_tcp_t *tcp, uint32_t most) {
    static uint8_t buffer[70000];
    intptr_t value = ptk_sim_tcp_recv(tcp, buffer, most);
    CHECK(value == -EAGAIN || value >= 0);
    for (intptr_t i = 0; i < value; i++) {
        CHECK_EQ(buffer[i], byte_at(flow, flow->received + (uint32_t) i));
    }
    flow->received += value > 0 ? (uint32_t) value : 0;
    flow->has_ended |= value == 0;
}

static random_oracle_t random_oracle = {.oracle.choose = use_random_oracle};

static uint32_t below(uint32_t limit) {
    return (uint32_t) ptk_test_random_below(&random_oracle.random, limit);
}

static void choose_world(uint64_t seed) {
    random_oracle.random.state = seed * 7919 + 1;
    random_oracle.rarity = 4 + below(30);
    ptk_thread()->oracle = &random_oracle.oracle;
    begin();
    net.default_link = (ptk_sim_link_t) {
        .latency_ns = 1000 + below(50000000),
        .latency_step_ns = below(100000),
        .latency_steps = 1 + below(50),
        .ns_per_byte = below(2) * below(1000),
    };
    ptk_sim_net_add(&net);
}

static void choose_buffers(ptk_sim_tcp_t *tcp) {
    if (below(2)) {
        CHECK_EQ(set(tcp, SOL_SOCKET, SO_SNDBUF, (int) below(20000)), 0);
        CHECK_EQ(set(tcp, SOL_SOCKET, SO_RCVBUF, (int) below(20000)), 0);
    }
}

/* Transfers both directions to the end, with pauses. */
static void exchange(flow_t *up, flow_t *down) {
    uint32_t most = 2 + below(65000);
    while (!up->has_ended || !down->has_ended) {
        put(up, client, most);
        if (below(3)) {
            get(up, server, most);
        }
        put(down, server, most);
        if (below(3)) {
            get(down, client, most);
        }
        if (below(8) == 0) {
            run_for(below(2000000000));
        } else if (ptk_sim_event_queue_next_ns(&net.events) != UINT64_MAX) {
            CHECK(ptk_sim_event_queue_step(&net.events));
        }
        CHECK(net.events.now_ns < 100000 * SECOND_NS);
    }
    CHECK_EQ(up->received, up->bytes);
    CHECK_EQ(down->received, down->bytes);
}

/* Connects. A handshake may fail, like everything with a limited number of retransmissions. */
static bool is_connected(void) {
    client = ptk_sim_tcp_create(here, AF_INET);
    choose_buffers(client);
    CHECK_EQ(connect_to(client, host(2), PORT), -EINPROGRESS);
    int value = -EAGAIN;
    while (ptk_sim_event_queue_step(&net.events) && value == -EAGAIN) {
        value = ptk_sim_tcp_accept(listener, &server);
    }
    if (value == 0 && connect_to(client, host(2), PORT) == 0) {
        return true;
    }
    ptk_sim_tcp_close(client);
    if (value == 0) {
        ptk_sim_tcp_close(server);
    }
    return false;
}

static uint64_t stream(uint64_t seed) {
    choose_world(seed);
    listener = listen_on(there, PORT, 3);
    choose_buffers(listener);
    while (!is_connected()) {
    }
    flow_t up = {.bytes = 1 + below(MOST_BYTES), .salt = 1};
    flow_t down = {.bytes = 1 + below(MOST_BYTES), .salt = 77};
    exchange(&up, &down);
    ptk_sim_tcp_close(client);
    ptk_sim_tcp_close(server);
    ptk_sim_tcp_close(listener);
    run();
    CHECK_EQ(ptk_sim_tcp_count(here), 0);
    CHECK_EQ(ptk_sim_tcp_count(there), 0);
    uint64_t hash = net.trace.hash[0];
    end();
    return hash;
}

TEST(a_stream_is_delivered_complete_under_every_fault) {
    uint64_t seeds = ptk_test_is_long() ? 2000 : 60;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        stream(seed);
    }
}

TEST(the_same_seed_is_the_same_run) {
    for (uint64_t seed = 0; seed < 5; seed++) {
        CHECK_EQ(stream(seed), stream(seed));
        CHECK(stream(seed) != stream(seed + 1));
    }
}

/* Clients connect and close over a bad network; no connection may be left or stuck. */
static void open_and_close_connections(uint64_t seed) {
    static ptk_sim_tcp_t *all[40];
    int open = 0;
    choose_world(seed);
    listener = listen_on(there, PORT, (int) below(4));
    for (int i = 0; i < 300; i++) {
        if (open < 40 && below(3) == 0) {
            all[open++] = connect_from(here, host(2), PORT);
        }
        if (open < 40 && ptk_sim_tcp_accept(listener, &all[open]) == 0) {
            open++;
        }
        ptk_sim_tcp_t *tcp = open ? all[below((uint32_t) open)] : NULL;
        if (tcp && below(2)) {
            ptk_sim_tcp_send(tcp, "0123456789", 10, below(9) == 0);
        } else if (tcp && below(3)) {
            receive_text(tcp, below(12));
        } else if (tcp && below(3)) {
            ptk_sim_tcp_shutdown(tcp, (int) below(3));
        } else if (tcp) {
            if (below(4) == 0) {
                reset_at_close(tcp);
            }
            for (int j = 0; j < open; j++) {
                if (all[j] == tcp) {
                    all[j] = all[--open];
                    break;
                }
            }
            ptk_sim_tcp_close(tcp);
        }
        ptk_sim_net_link(&net, 0, 1)->partition_count = below(20) == 0;
        run_for(below(30000000));
    }
    ptk_sim_net_link(&net, 0, 1)->partition_count = false;
    ptk_sim_tcp_close(listener);
    while (open > 0) {
        ptk_sim_tcp_close(all[--open]);
    }
    end();
}

TEST(connections_open_and_close_and_leave_nothing) {
    uint64_t seeds = ptk_test_is_long() ? 5000 : 200;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        open_and_close_connections(seed);
    }
}

TEST(with_faults_off_nothing_is_decided_and_everything_arrives) {
    choose_world(3);
    net.faults_off = true;
    listener = listen_on(there, PORT, 3);
    client = connect_from(here, host(2), PORT);
    run();
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    flow_t up = {.bytes = MOST_BYTES, .salt = 5};
    flow_t down = {.bytes = 1, .salt = 6};
    uint64_t lost = net.packets_lost;
    exchange(&up, &down);
    CHECK_EQ(net.packets_lost, lost);
    end_connected();
}

TEST(a_closed_window_is_probed_while_the_peer_replies) {
    static uint8_t bytes[200000];
    begin_connected();
    CHECK_EQ(set(server, SOL_SOCKET, SO_RCVBUF, 4096), 0);
    while (ptk_sim_tcp_send(client, bytes, sizeof bytes, false) > 0) {
        settle();
    }
    run_for(5000 * SECOND_NS);
    CHECK_EQ(error_of(client), 0);
    ptk_sim_net_link(&net, 1, 0)->partition_count = true; /* the window opens, but its update is lost */
    CHECK(ptk_sim_tcp_recv(server, bytes, sizeof bytes) > 0);
    settle();
    ptk_sim_net_link(&net, 1, 0)->partition_count = false;
    CHECK(!(ptk_sim_tcp_ready(client) & POLLOUT));
    run_for(300 * SECOND_NS);
    CHECK(ptk_sim_tcp_recv(server, bytes, sizeof bytes) > 0);
    ptk_sim_net_link(&net, 1, 0)->partition_count = true; /* no probe gets a reply from here on */
    run_for(3000 * SECOND_NS);
    CHECK_EQ(error_of(client), ETIMEDOUT);
    end_connected();
}

TEST(a_partition_that_heals_in_time_costs_only_time) {
    begin_connected();
    ptk_sim_net_link(&net, 0, 1)->partition_count = true;
    CHECK_EQ(send_text(client, "hello"), 5);
    run_for(500 * SECOND_NS);
    ptk_sim_net_link(&net, 0, 1)->partition_count = false;
    run_for(121 * SECOND_NS);
    CHECK_STR(receive_text(server, 10), "hello");
    end_connected();
}

TEST(a_thousand_clients_connect) {
    static ptk_sim_tcp_t *clients[1000];
    static ptk_sim_tcp_t *servers[1000];
    begin();
    listener = listen_on(there, PORT, 4096);
    for (uint32_t i = 0; i < 1000; i++) {
        clients[i] = connect_from(add_node(), host(2), PORT);
    }
    settle();
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_EQ(ptk_sim_tcp_accept(listener, &servers[i]), 0);
        CHECK_EQ(send_text(servers[i], "hello"), 5);
    }
    settle();
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_STR(receive_text(clients[i], 10), "hello");
        ptk_sim_tcp_close(clients[i]);
        ptk_sim_tcp_close(servers[i]);
    }
    ptk_sim_tcp_close(listener);
    end();
}
