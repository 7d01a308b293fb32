/* SPDX-License-Identifier: MIT */
/* Keepalive and user timeout of simulated TCP: a peer that is gone is found out in time, a living one never.
 */
#include "tcp_world.h"

/* Also as of Linux, see tests/conformance/test_tcp_options.c, which compares them with the real kernel. */
static void keep_alive(ptk_sim_tcp_t *tcp, int idle_s, int interval_s, int count) {
    CHECK_EQ(set(tcp, IPPROTO_TCP, TCP_KEEPIDLE, idle_s), 0);
    CHECK_EQ(set(tcp, IPPROTO_TCP, TCP_KEEPINTVL, interval_s), 0);
    CHECK_EQ(set(tcp, IPPROTO_TCP, TCP_KEEPCNT, count), 0);
    CHECK_EQ(set(tcp, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
}

TEST(keepalive_gives_up_a_silent_peer_after_idle_and_probes) {
    begin_connected();
    keep_alive(client, 60, 10, 3);
    there->up = false;
    run_for(89 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    run_for(2 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
    CHECK_STR(receive_text(client, 1), "timed out");
    CHECK_EQ(send_text(client, "x"), -EPIPE);
    there->up = true;
    end_connected();
}

TEST(keepalive_leaves_a_living_peer_alone) {
    begin_connected();
    keep_alive(client, 60, 10, 1);
    uint64_t packets = net.packets_sent;
    run_for(3600 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    CHECK_EQ(ptk_sim_tcp_ready(server), POLLOUT);
    CHECK(net.packets_sent - packets >= 2 * 50); /* probes and their replies */
    CHECK_EQ(send_text(server, "still there"), 11);
    settle();
    CHECK_STR(receive_text(client, 20), "still there");
    end_connected();
}

TEST(keepalive_counts_the_probes_from_the_last_segment) {
    begin_connected();
    keep_alive(client, 60, 10, 3);
    there->up = false;
    run_for(85 * SECOND_NS); /* three probes are out */
    there->up = true;
    CHECK_EQ(send_text(server, "x"), 1);
    settle();
    there->up = false;
    run_for(80 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(client), IN_OUT);
    run_for(15 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
    there->up = true;
    end_connected();
}

TEST(keepalive_can_be_switched_off_and_its_idle_time_changed) {
    begin_connected();
    keep_alive(client, 60, 10, 1);
    CHECK_EQ(set(client, SOL_SOCKET, SO_KEEPALIVE, 0), 0);
    there->up = false;
    run_for(3600 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    CHECK_EQ(set(client, IPPROTO_TCP, TCP_KEEPIDLE, 5000), 0);
    CHECK_EQ(set(client, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    CHECK_EQ(set(client, IPPROTO_TCP, TCP_KEEPIDLE, 60), 0); /* the peer has been silent for longer: now */
    run_for(11 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
    there->up = true;
    end_connected();
}

TEST(keepalive_of_a_listener_is_that_of_its_children) {
    begin();
    listener = listen_on(there, PORT, 5);
    keep_alive(listener, 60, 10, 3);
    CHECK_EQ(set(listener, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
    client = connect_from(here, host(2), PORT);
    settle();
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    CHECK_EQ(option(server, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_KEEPCNT), 3);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_USER_TIMEOUT), 5000);
    here->up = false;
    run_for(71 * SECOND_NS); /* the user timeout ends it after the first probe */
    CHECK_STR(receive_text(server, 1), "timed out");
    here->up = true;
    end_connected();
}

TEST(user_timeout_limits_unacknowledged_data) {
    begin_connected();
    CHECK_EQ(set(client, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
    there->up = false;
    CHECK_EQ(send_text(client, "x"), 1);
    run_for(4 * SECOND_NS + SECOND_NS / 2);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    run_for(SECOND_NS);
    CHECK_STR(receive_text(client, 1), "timed out");
    there->up = true;
    end_connected();
}

TEST(user_timeout_counts_anew_after_each_acknowledgement) {
    begin_connected();
    CHECK_EQ(set(client, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000), 0);
    for (int i = 0; i < 5; i++) {
        there->up = false;
        CHECK_EQ(send_text(client, "x"), 1);
        run_for(3 * SECOND_NS);
        there->up = true;
        run_for(3 * SECOND_NS);
        CHECK_STR(receive_text(server, 20), "x");
    }
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    end_connected();
}

/* Without the option a peer whose system replies may keep its window closed for ever. */
TEST(user_timeout_limits_a_closed_window) {
    static const char much[4096];
    for (int limited = 0; limited < 2; limited++) {
        begin_connected();
        CHECK_EQ(set(client, IPPROTO_TCP, TCP_USER_TIMEOUT, limited ? 30000 : 0), 0);
        while (ptk_sim_tcp_send(client, much, sizeof much, false) > 0) {
            settle();
        }
        run_for(3600 * SECOND_NS);
        CHECK_EQ(error_of(client), limited ? ETIMEDOUT : 0);
        end_connected();
    }
}
