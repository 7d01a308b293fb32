/* SPDX-License-Identifier: MIT */
#include "ptk_test.h"

#include "base/ptk_choice.h"
#include "sim/kernel/ptk_sim_net.h"
#include "sim/kernel/ptk_sim_site.h"
#include <errno.h>
#include <string.h>

/* An oracle that decides `value` at one site, `times` times, and else 0. */
typedef struct scripted {
    ptk_choice_oracle_t oracle;
    uint32_t site;
    uint32_t value;
    uint32_t times;
    uint32_t asked;
} scripted_t;

static uint32_t scripted_choose(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    scripted_t *scripted = (scripted_t *) (void *) oracle;
    scripted->asked++;
    CHECK(count > 1);
    if (site != scripted->site || scripted->times == 0) {
        return 0;
    }
    scripted->times--;
    return scripted->value % count;
}

static scripted_t scripted = {.oracle.choose = scripted_choose};

static void script(uint32_t site, uint32_t value, uint32_t times) {
    scripted.site = site;
    scripted.value = value;
    scripted.times = times;
    scripted.asked = 0;
    ptk_thread()->oracle = &scripted.oracle;
}

static uint32_t arrived[16];
static uint64_t arrived_at_ns[16];
static uint32_t arrived_on[16];
static uint32_t arrivals;

static void tcp_input(ptk_sim_node_t *node, const ptk_sim_packet_t *packet) {
    CHECK(arrivals < 16);
    arrived[arrivals] = packet->seq;
    arrived_on[arrivals] = node->index;
    arrived_at_ns[arrivals++] = node->net->events.now_ns;
}

static ptk_sim_addr_t ipv4(uint32_t last, uint16_t port) {
    ptk_sim_addr_t addr = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = port};
    addr.bytes[14] = (uint8_t) (last >> 8);
    addr.bytes[15] = (uint8_t) last;
    return addr;
}

static void send_to(ptk_sim_node_t *node, ptk_sim_addr_t to, uint32_t number) {
    ptk_sim_packet_t *packet = ptk_sim_packet_create(node->net, 60);
    packet->protocol = PTK_SIM_PROTOCOL_TCP;
    packet->to = to;
    packet->seq = number;
    ptk_sim_packet_send(node, packet);
}

static void begin(ptk_sim_net_t *net, uint32_t nodes) {
    ptk_sim_net_init(net);
    net->tcp_input = tcp_input;
    net->default_link = (ptk_sim_link_t) {.latency_ns = 1000, .latency_step_ns = 100, .latency_steps = 10};
    for (uint32_t i = 0; i < nodes; i++) {
        ptk_sim_addr_t addr = ipv4(i + 1, 0);
        CHECK(ptk_sim_node_add_address(ptk_sim_net_add(net), &addr));
    }
    arrivals = 0;
}

static void run(ptk_sim_net_t *net) {
    while (ptk_sim_event_queue_step(&net->events)) {
    }
}

TEST(packets_take_the_latency_and_keep_their_order) {
    ptk_sim_net_t net;
    begin(&net, 2);
    script(PTK_SIM_SITE_LATENCY, 3, 1);
    send_to(net.nodes[0], ipv4(2, 1), 1);
    send_to(net.nodes[0], ipv4(2, 1), 2);
    send_to(net.nodes[1], ipv4(1, 1), 3);
    run(&net);
    CHECK_EQ(arrivals, 3);
    CHECK_EQ(arrived[0], 3);
    CHECK_EQ(arrived_on[0], 0);
    CHECK_EQ(arrived_at_ns[0], 1000);
    CHECK_EQ(arrived[1], 1);
    CHECK_EQ(arrived_at_ns[1], 1300);
    CHECK_EQ(arrived[2], 2);
    CHECK_EQ(arrived_at_ns[2], 1300);
    ptk_sim_net_fini(&net);
}

/* Lets the second packet overtake the first. */
static uint32_t choose_overtaking(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    static uint32_t latencies;
    (void) oracle;
    CHECK(count > 1);
    return site == PTK_SIM_SITE_LATENCY ? latencies++ == 0 : site == PTK_SIM_SITE_REORDER;
}

TEST(a_packet_overtakes_if_the_oracle_decides_so) {
    ptk_sim_net_t net;
    ptk_choice_oracle_t oracle = {choose_overtaking};
    begin(&net, 2);
    ptk_thread()->oracle = &oracle;
    send_to(net.nodes[0], ipv4(2, 1), 1);
    send_to(net.nodes[0], ipv4(2, 1), 2);
    run(&net);
    CHECK_EQ(arrivals, 2);
    CHECK_EQ(arrived[0], 2);
    CHECK_EQ(arrived_at_ns[0], 1000);
    CHECK_EQ(arrived_at_ns[1], 1100);
    ptk_sim_net_fini(&net);
}

TEST(the_oracle_decides_loss_and_duplicates_until_faults_are_off) {
    ptk_sim_net_t net;
    begin(&net, 2);
    script(PTK_SIM_SITE_LOSS, 1, 1);
    send_to(net.nodes[0], ipv4(2, 1), 1);
    send_to(net.nodes[0], ipv4(2, 1), 2);
    run(&net);
    CHECK_EQ(arrivals, 1);
    CHECK_EQ(arrived[0], 2);
    CHECK_EQ(net.packets_lost, 1);
    script(PTK_SIM_SITE_DUPLICATE, 1, 1);
    send_to(net.nodes[0], ipv4(2, 1), 3);
    run(&net);
    CHECK_EQ(arrivals, 3);
    CHECK_EQ(arrived[2], 3);
    net.faults_off = true;
    script(PTK_SIM_SITE_LOSS, 1, 100);
    send_to(net.nodes[0], ipv4(2, 1), 4);
    run(&net);
    CHECK_EQ(arrivals, 4);
    CHECK_EQ(scripted.asked, 0);
    ptk_sim_net_fini(&net);
}

TEST(bandwidth_makes_packets_wait_for_each_other) {
    ptk_sim_net_t net;
    begin(&net, 2);
    ptk_sim_net_link(&net, 0, 1)->ns_per_byte = 10;
    send_to(net.nodes[0], ipv4(2, 1), 1);
    send_to(net.nodes[0], ipv4(2, 1), 2);
    run(&net);
    CHECK_EQ(arrived_at_ns[0], 2000);
    CHECK_EQ(arrived_at_ns[1], 3000);
    ptk_sim_net_fini(&net);
}

TEST(cut_links_and_nodes_that_are_down_drop_at_both_ends) {
    ptk_sim_net_t net;
    begin(&net, 2);
    ptk_sim_link_t *link = ptk_sim_net_link(&net, 0, 1);
    send_to(net.nodes[0], ipv4(2, 1), 1);
    link->partition_count = true;
    send_to(net.nodes[0], ipv4(2, 1), 2);
    run(&net);
    CHECK_EQ(net.packets_lost, 2);
    link->partition_count = false;
    send_to(net.nodes[0], ipv4(2, 1), 3);
    net.nodes[1]->up = false;
    run(&net);
    CHECK_EQ(net.packets_lost, 3);
    send_to(net.nodes[1], ipv4(1, 1), 4);
    send_to(net.nodes[1], ipv4(2, 1), 5);
    run(&net);
    CHECK_EQ(net.packets_lost, 5);
    CHECK_EQ(arrivals, 0);
    ptk_sim_net_fini(&net);
}

TEST(a_node_reaches_itself_at_once_and_an_unknown_address_is_no_error) {
    ptk_sim_net_t net;
    begin(&net, 2);
    script(PTK_SIM_SITE_LOSS, 1, 100);
    ptk_sim_addr_t loopback = ipv4(1, 1);
    loopback.bytes[12] = 127;
    send_to(net.nodes[1], loopback, 1);
    send_to(net.nodes[1], ipv4(2, 1), 2);
    send_to(net.nodes[1], ipv4(9, 1), 3);
    run(&net);
    CHECK_EQ(arrivals, 2);
    CHECK_EQ(arrived_on[0], 1);
    CHECK_EQ(arrived_at_ns[1], 0);
    CHECK_EQ(net.packets_sent, 3);
    send_to(net.nodes[0], ipv4(2, 1), 4); /* still in flight at the end */
    scripted.times = 0;
    send_to(net.nodes[0], ipv4(2, 1), 5);
    ptk_sim_net_fini(&net);
}

TEST(a_thousand_nodes_have_addresses_and_links) {
    ptk_sim_net_t net;
    begin(&net, 1000);
    net.default_link.latency_ns = 77;
    ptk_sim_addr_t addr = ipv4(2000, 0);
    CHECK(ptk_sim_node_add_address(ptk_sim_net_add(&net), &addr));
    for (uint32_t i = 0; i < 1000; i++) {
        addr = ipv4(i + 1, 5);
        CHECK(ptk_sim_net_find(net.nodes[0], &addr) == net.nodes[i]);
        CHECK(ptk_sim_node_has_address(net.nodes[i], &addr));
        CHECK_EQ(ptk_sim_net_link(&net, i, 999 - i)->latency_ns, 1000);
        CHECK_EQ(ptk_sim_net_link(&net, i, 1000)->latency_ns, 77);
        CHECK(!ptk_sim_node_add_address(net.nodes[1000], &addr));
    }
    for (uint32_t i = 0; i < 3; i++) {
        addr = ipv4(3000 + i, 0);
        CHECK(ptk_sim_node_add_address(net.nodes[1000], &addr));
    }
    addr = ipv4(4000, 0);
    CHECK(!ptk_sim_node_add_address(net.nodes[1000], &addr));
    CHECK(!ptk_sim_net_find(net.nodes[0], &addr));
    CHECK(!ptk_sim_node_address(net.nodes[0], AF_INET6, &addr));
    CHECK(ptk_sim_node_address(net.nodes[3], AF_INET, &addr));
    CHECK_EQ(addr.bytes[15], 4);
    ptk_sim_net_fini(&net);
}

TEST(addresses_come_from_and_go_to_the_system) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(502)};
    struct sockaddr_in6 in6;
    struct sockaddr_in back;
    ptk_sim_addr_t addr;
    in.sin_addr.s_addr = htonl(0x7f000001);
    CHECK_EQ(ptk_sim_addr_from_os(&addr, (struct sockaddr *) &in, sizeof in), 0);
    CHECK_EQ(addr.port, 502);
    CHECK(ptk_sim_addr_is_ipv4(&addr) && ptk_sim_addr_is_loopback(&addr) && !ptk_sim_addr_is_any(&addr));
    socklen_t length = sizeof back;
    ptk_sim_addr_to_os(&addr, AF_INET, (struct sockaddr *) &back, &length);
    CHECK_EQ(length, sizeof back);
    CHECK_EQ(back.sin_addr.s_addr, in.sin_addr.s_addr);
    CHECK_EQ(back.sin_port, in.sin_port);
    length = sizeof in6;
    ptk_sim_addr_to_os(&addr, AF_INET6, (struct sockaddr *) &in6, &length);
    CHECK_EQ(length, sizeof in6);
    CHECK_EQ(in6.sin6_family, AF_INET6);
    ptk_sim_addr_t again;
    CHECK_EQ(ptk_sim_addr_from_os(&again, (struct sockaddr *) &in6, sizeof in6), 0);
    CHECK(ptk_sim_addr_equal(&addr, &again));
    CHECK_EQ(ptk_sim_addr_from_os(&addr, (struct sockaddr *) &in, 8), -EINVAL);
    in.sin_family = AF_UNIX;
    CHECK_EQ(ptk_sim_addr_from_os(&addr, (struct sockaddr *) &in, sizeof in), -EAFNOSUPPORT);
    memset(&addr, 0, sizeof addr);
    CHECK(ptk_sim_addr_is_any(&addr));
    length = 2;
    back.sin_port = 7;
    ptk_sim_addr_to_os(&addr, AF_INET, (struct sockaddr *) &back, &length);
    CHECK_EQ(length, sizeof back);
    CHECK_EQ(back.sin_port, 7);
}
