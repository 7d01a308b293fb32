/* SPDX-License-Identifier: MIT */
/*
 * Links with a rate of loss of their own: they lose all or some packets, and none once faults are off.
 */
#include "ptk_test.h"

#include <ptk.h>
#include <ptk_sim.h>
#include <string.h>

#define SERVER     "10.0.0.1:7"
#define BYTES      20000
#define LATE_MS    600000
#define SOME_PPM   300000
#define LIMIT_MS   3600000
#define TIMEOUT_MS 2000

static struct {
    ptk_sim_t *sim;
    ptk_sim_host_t *server;
    ptk_sim_host_t *client;
    uint32_t timeout_ms;
    ptk_err connected;
    size_t received;
} world;

static ptk_err run_green(ptk_green_fn fn) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    CHECK(loop != NULL);
    CHECK_OK(ptk_go(loop, fn, NULL));
    CHECK_OK(ptk_scheduler_run(loop));
    return ptk_event_loop_platform_destroy(loop);
}

static ptk_sock_t *open_sock(ptk_addr_t *addr_out) {
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    CHECK_OK(ptk_addr_parse(SERVER, addr_out));
    return sock;
}

static ptk_err serve(void *arg) {
    ptk_addr_t addr;
    char bytes[512];
    size_t count = 0;
    ptk_sock_t *listener = open_sock(&addr);
    (void) arg;
    CHECK_OK(ptk_sock_bind(listener, ptk_addr_sockaddr(&addr), addr.length));
    CHECK_OK(ptk_sock_listen(listener, 5));
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    while (sock && ptk_sock_recv_some(sock, bytes, sizeof bytes, &count, LATE_MS) == PTK_OK) {
        world.received += count;
    }
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    return PTK_OK;
}

static ptk_err send_all(void *arg) {
    static const char bytes[BYTES];
    ptk_addr_t addr;
    ptk_sock_t *sock = open_sock(&addr);
    (void) arg;
    world.connected = ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, world.timeout_ms);
    if (world.connected == PTK_OK) {
        CHECK_OK(ptk_sock_send(sock, bytes, sizeof bytes, LATE_MS));
        CHECK_OK(ptk_sock_shutdown(sock, PTK_SOCK_WRITE));
        CHECK_ERR(ptk_sock_recv(sock, &(char) {0}, 1, LATE_MS), PTK_ERR_EOF);
    }
    ptk_sock_close(sock);
    return PTK_OK;
}

static ptk_err run_server(void *arg) {
    (void) arg;
    return run_green(serve);
}

static ptk_err run_client(void *arg) {
    (void) arg;
    return run_green(send_all);
}

static void begin(uint64_t seed, uint32_t flags, uint32_t timeout_ms) {
    const ptk_sim_options_t options = {.struct_size = sizeof options, .flags = flags, .seed = seed};
    ptk_sim_host_options_t host = {.struct_size = sizeof host, .flags = PTK_SIM_HOST_DAEMON};
    memset(&world, 0, sizeof world);
    world.timeout_ms = timeout_ms;
    world.sim = ptk_sim_create(&options);
    CHECK(world.sim != NULL);
    ptk_sim_quiet_network(
        world.sim); /* links that are configured from here on lose packets, and nothing else does */
    host.name = "server";
    world.server = ptk_sim_host(world.sim, &host, run_server, NULL);
    host.name = "client";
    host.flags = 0;
    world.client = ptk_sim_host(world.sim, &host, run_client, NULL);
    CHECK(world.server && world.client);
}

static void lose(uint32_t loss_ppm) {
    const ptk_sim_link_options_t link = {.struct_size = sizeof link, .loss_ppm = loss_ppm};
    CHECK_OK(ptk_sim_link(world.client, world.server, &link));
    CHECK_OK(ptk_sim_link(world.server, world.client, &link));
}

TEST(a_link_that_loses_everything_lets_nothing_pass) {
    begin(1, 0, TIMEOUT_MS);
    lose(1000000);
    CHECK_EQ(ptk_sim_run_for(world.sim, LIMIT_MS), PTK_SIM_END_QUIESCENT);
    ptk_sim_report_t report = ptk_sim_report(world.sim);
    CHECK_ERR(world.connected, PTK_ERR_TIMEOUT);
    CHECK(report.packets_sent > 1);
    CHECK_EQ(report.packets_lost, report.packets_sent);
    CHECK_EQ(world.received, 0);
    ptk_sim_destroy(world.sim);
}

TEST(a_link_that_loses_some_packets_loses_no_bytes) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(seed, 0, LATE_MS);
        lose(SOME_PPM);
        CHECK_EQ(ptk_sim_run_for(world.sim, LIMIT_MS), PTK_SIM_END_QUIESCENT);
        ptk_sim_report_t report = ptk_sim_report(world.sim);
        CHECK(world.connected == PTK_OK && world.received == BYTES);
        CHECK(report.packets_lost > report.packets_sent / 10 &&
              report.packets_lost < report.packets_sent / 2);
        ptk_sim_destroy(world.sim);
    }
}

TEST(only_the_configured_link_loses_packets) {
    begin(1, 0, TIMEOUT_MS);
    lose(1000000);
    lose(0);
    CHECK_EQ(ptk_sim_run_for(world.sim, LIMIT_MS), PTK_SIM_END_QUIESCENT);
    CHECK_EQ(world.received, BYTES);
    CHECK_EQ(ptk_sim_report(world.sim).packets_lost, 0);
    ptk_sim_destroy(world.sim);
}

TEST(links_lose_nothing_with_faults_off) {
    begin(1, 0, LATE_MS);
    lose(1000000);
    CHECK_EQ(ptk_sim_run_for(world.sim, 500), PTK_SIM_END_TIME_LIMIT);
    CHECK_EQ(ptk_sim_settle(world.sim, LIMIT_MS), PTK_SIM_END_QUIESCENT);
    CHECK_EQ(world.received, BYTES);
    ptk_sim_destroy(world.sim);
}

TEST(nothing_is_lost_without_faults) {
    begin(1, PTK_SIM_NO_FAULTS, TIMEOUT_MS);
    lose(1000000);
    CHECK_EQ(ptk_sim_run_for(world.sim, LIMIT_MS), PTK_SIM_END_QUIESCENT);
    CHECK_EQ(ptk_sim_report(world.sim).packets_lost, 0);
    ptk_sim_destroy(world.sim);
}

TEST(a_loss_rate_above_a_million_is_refused) {
    begin(1, PTK_SIM_BENIGN, TIMEOUT_MS);
    ptk_sim_link_options_t link = {.struct_size = sizeof link, .loss_ppm = 1000001};
    CHECK_ERR(ptk_sim_link(world.client, world.server, &link), PTK_ERR_INVALID_PARAM);
    link = (ptk_sim_link_options_t) {.struct_size = sizeof link, .reserved = 1};
    CHECK_ERR(ptk_sim_link(world.client, world.server, &link), PTK_ERR_INVALID_PARAM);
    ptk_sim_destroy(world.sim);
}

/* A tape has decisions, and the loss of every packet is not a decision. */
TEST(a_link_that_loses_everything_does_so_with_any_oracle) {
    const ptk_sim_options_t options = {.struct_size = sizeof options, .tape = "ptk-tape 1\n"};
    const ptk_sim_host_options_t host = {.struct_size = sizeof host};
    memset(&world, 0, sizeof world);
    world.timeout_ms = TIMEOUT_MS;
    world.sim = ptk_sim_create(&options);
    CHECK(world.sim != NULL);
    ptk_sim_host_options_t daemon = host;
    daemon.flags = PTK_SIM_HOST_DAEMON;
    world.server = ptk_sim_host(world.sim, &daemon, run_server, NULL);
    world.client = ptk_sim_host(world.sim, &host, run_client, NULL);
    lose(1000000);
    CHECK_EQ(ptk_sim_run_for(world.sim, LIMIT_MS), PTK_SIM_END_QUIESCENT);
    CHECK_ERR(world.connected, PTK_ERR_TIMEOUT);
    ptk_sim_destroy(world.sim);
}

TEST(a_quiet_network_ends_all_losses) {
    begin(1, 0, TIMEOUT_MS);
    lose(1000000);
    ptk_sim_quiet_network(world.sim);
    CHECK_EQ(ptk_sim_run_for(world.sim, LIMIT_MS), PTK_SIM_END_QUIESCENT);
    CHECK_EQ(ptk_sim_report(world.sim).packets_lost, 0);
    ptk_sim_destroy(world.sim);
}
