/* SPDX-License-Identifier: MIT */
/*
 * How connections end, and urgent bytes. Every expectation here is what Linux 6.18 returns on its loopback.
 */
#include "tcp_world.h"

TEST(a_peer_that_has_closed_answers_with_a_reset) {
    begin_connected();
    ptk_sim_tcp_close(server);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(client), IN_OUT | POLLRDHUP);
    CHECK_STR(receive_text(client, 1), "end");
    CHECK_STR(receive_text(client, 1), "end");
    CHECK_EQ(send_text(client, "x"), 1);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
    CHECK_STR(receive_text(client, 1), "end");
    CHECK_EQ(send_text(client, "x"), -EPIPE);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED);
    CHECK_EQ(send_text(client, "x"), -EPIPE);
    CHECK_EQ(error_of(client), 0);
    ptk_sim_tcp_close(client);
    ptk_sim_tcp_close(listener);
    end();
}

TEST(bytes_and_fin_before_a_reset_can_be_read) {
    begin_connected();
    CHECK_EQ(send_text(server, "hello"), 5);
    ptk_sim_tcp_close(server);
    settle();
    CHECK_EQ(send_text(client, "x"), 1);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
    CHECK_STR(receive_text(client, 2), "he");
    CHECK_STR(receive_text(client, 10), "llo");
    CHECK_STR(receive_text(client, 10), "end");
    CHECK_EQ(error_of(client), EPIPE);
    CHECK_EQ(send_text(client, "x"), -EPIPE);
    ptk_sim_tcp_close(client);
    ptk_sim_tcp_close(listener);
    end();
}

TEST(bytes_before_a_reset_can_be_read) {
    for (int first = 0; first < 2; first++) {
        begin_connected();
        CHECK_EQ(send_text(server, "hello"), 5);
        reset_at_close(server);
        ptk_sim_tcp_close(server);
        settle();
        CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
        if (first) {
            CHECK_EQ(error_of(client), ECONNRESET);
        }
        CHECK_STR(receive_text(client, 2), "he");
        CHECK_STR(receive_text(client, 10), "llo");
        CHECK_STR(receive_text(client, 10), first ? "end" : "reset");
        CHECK_EQ(ptk_sim_tcp_ready(client), ENDED);
        CHECK_EQ(send_text(client, "x"), -EPIPE);
        CHECK_EQ(peer_error(client), -ENOTCONN);
        CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_WR), -ENOTCONN);
        ptk_sim_tcp_close(client);
        ptk_sim_tcp_close(listener);
        end();
    }
}

TEST(send_returns_a_reset_once) {
    begin_connected();
    reset_at_close(server);
    ptk_sim_tcp_close(server);
    settle();
    CHECK_EQ(send_text(client, "x"), -ECONNRESET);
    CHECK_EQ(send_text(client, "x"), -EPIPE);
    CHECK_STR(receive_text(client, 1), "end");
    CHECK_EQ(connect_to(client, host(2), PORT), -ECONNABORTED);
    CHECK_EQ(connect_to(client, host(2), PORT), -EINPROGRESS);
    settle();
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    end_connected();
}

TEST(closing_with_unread_bytes_resets) {
    for (int half = 0; half < 2; half++) {
        begin_connected();
        CHECK_EQ(send_text(client, "hello"), 5);
        if (half) {
            CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_WR), 0);
        }
        settle();
        ptk_sim_tcp_close(server);
        settle();
        CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
        CHECK_STR(receive_text(client, 1), "reset");
        CHECK_STR(receive_text(client, 1), "end");
        ptk_sim_tcp_close(client);
        ptk_sim_tcp_close(listener);
        end();
    }
}

TEST(shutdown_of_receiving) {
    begin_connected();
    CHECK_EQ(send_text(server, "abc"), 3);
    settle();
    CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_RD), 0);
    CHECK_EQ(ptk_sim_tcp_ready(client), IN_OUT | POLLRDHUP);
    CHECK_STR(receive_text(client, 2), "ab");
    CHECK_STR(receive_text(client, 2), "c");
    CHECK_STR(receive_text(client, 2), "end");
    CHECK_EQ(send_text(server, "def"), 3);
    settle();
    CHECK_STR(receive_text(client, 10), "def");
    CHECK_STR(receive_text(client, 10), "end");
    CHECK_EQ(send_text(client, "x"), 1);
    settle();
    CHECK_STR(receive_text(server, 10), "x");
    CHECK_EQ(ptk_sim_tcp_ready(server), POLLOUT);
    end_connected();
}

TEST(shutdown_of_sending) {
    begin_connected();
    CHECK_EQ(ptk_sim_tcp_shutdown(client, 5), -EINVAL);
    CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_WR), 0);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    CHECK_EQ(send_text(client, "x"), -EPIPE);
    settle();
    CHECK_STR(receive_text(server, 1), "end");
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLRDHUP);
    CHECK_EQ(send_text(server, "abc"), 3);
    settle();
    CHECK_STR(receive_text(client, 10), "abc");
    CHECK_EQ(ptk_sim_tcp_shutdown(server, SHUT_WR), 0);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), ENDED);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED);
    CHECK_STR(receive_text(client, 1), "end");
    CHECK_EQ(peer_error(client), -ENOTCONN);
    CHECK_EQ(peer_error(server), -ENOTCONN);
    CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_WR), -ENOTCONN);
    CHECK_EQ(ptk_sim_tcp_shutdown(server, SHUT_RD), -ENOTCONN);
    end_connected();
}

TEST(bytes_after_a_shutdown_of_both_directions_are_reset) {
    begin_connected();
    CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_RDWR), 0);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED);
    CHECK_STR(receive_text(client, 1), "end");
    CHECK_EQ(send_text(client, "x"), -EPIPE);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLRDHUP);
    CHECK_EQ(send_text(server, "x"), 1);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), ENDED | POLLERR);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
    CHECK_STR(receive_text(server, 1), "end");
    CHECK_EQ(send_text(server, "x"), -EPIPE);
    CHECK_STR(receive_text(client, 1), "reset");
    end_connected();
}

TEST(simultaneous_close) {
    begin_connected();
    ptk_sim_tcp_close(client);
    ptk_sim_tcp_close(server);
    settle();
    CHECK_EQ(ptk_sim_tcp_count(here), 1);
    CHECK_EQ(ptk_sim_tcp_count(there), 2);
    ptk_sim_tcp_close(listener);
    run_for(61 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_count(here), 0);
    CHECK_EQ(ptk_sim_tcp_count(there), 0);
    end();
}

TEST(simultaneous_open) {
    begin();
    client = ptk_sim_tcp_create(here, AF_INET);
    server = ptk_sim_tcp_create(there, AF_INET);
    CHECK_EQ(bind_to(client, 0, 1000), 0);
    CHECK_EQ(bind_to(server, 0, 1001), 0);
    CHECK_EQ(connect_to(client, host(2), 1001), -EINPROGRESS);
    CHECK_EQ(connect_to(server, host(1), 1000), -EINPROGRESS);
    settle();
    CHECK_EQ(connect_to(client, host(2), 1001), 0);
    CHECK_EQ(connect_to(server, host(1), 1000), 0);
    CHECK_EQ(send_text(client, "abc"), 3);
    settle();
    CHECK_STR(receive_text(server, 10), "abc");
    listener = listen_on(there, PORT, 1);
    end_connected();
}

TEST(a_socket_connects_to_itself) {
    begin();
    client = ptk_sim_tcp_create(here, AF_INET);
    CHECK_EQ(bind_to(client, 0x7f000001, 1000), 0);
    CHECK_EQ(connect_to(client, 0x7f000001, 1000), -EINPROGRESS);
    settle();
    CHECK_EQ(connect_to(client, 0x7f000001, 1000), 0);
    CHECK_EQ(send_text(client, "abc"), 3);
    settle();
    CHECK_STR(receive_text(client, 10), "abc");
    ptk_sim_tcp_close(client);
    end();
}

TEST(a_half_closed_orphan_ends) {
    begin_connected();
    ptk_sim_tcp_close(client);
    settle();
    CHECK_EQ(ptk_sim_tcp_count(here), 1);
    run_for(61 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_count(here), 0);
    ptk_sim_tcp_close(server);
    ptk_sim_tcp_close(listener);
    end();
}

TEST(a_pair_of_addresses_can_be_reused_during_time_wait) {
    begin_connected();
    uint16_t port = local_port(client);
    ptk_sim_tcp_close(server);
    settle();
    ptk_sim_tcp_close(client);
    settle();
    CHECK_EQ(ptk_sim_tcp_count(there), 2);
    client = ptk_sim_tcp_create(here, AF_INET);
    CHECK_EQ(bind_to(client, 0, port), 0);
    CHECK_EQ(connect_to(client, host(2), PORT), -EINPROGRESS);
    settle();
    CHECK_EQ(connect_to(client, host(2), PORT), 0);
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    CHECK_EQ(ptk_sim_tcp_count(there), 2);
    end_connected();
}

TEST(urgent_bytes_out_of_line) {
    begin_connected();
    CHECK_EQ(send_text(client, "ab"), 2);
    CHECK_EQ(send_urgent(client, "cdX"), 3);
    CHECK_EQ(send_text(client, "ef"), 2);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLPRI);
    CHECK_STR(receive_text(server, 100), "abcd");
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLPRI);
    CHECK_STR(receive_text(server, 100), "ef");
    CHECK_EQ(ptk_sim_tcp_ready(server), POLLOUT);
    CHECK_STR(receive_text(server, 100), "nothing");
    CHECK_EQ(send_urgent(client, "Y"), 1);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), POLLOUT | POLLPRI);
    CHECK_STR(receive_text(server, 100), "nothing");
    CHECK_EQ(ptk_sim_tcp_ready(server), POLLOUT);
    end_connected();
}

TEST(urgent_bytes_out_of_line_stay_ahead_until_they_are_passed) {
    begin_connected();
    CHECK_EQ(send_urgent(client, "Z"), 1);
    CHECK_EQ(send_urgent(client, "W"), 1);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), POLLOUT | POLLPRI);
    CHECK_STR(receive_text(server, 10), "nothing");
    CHECK_EQ(send_text(client, "g"), 1);
    CHECK_EQ(send_urgent(client, "Q"), 1);
    CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_WR), 0);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLPRI | POLLRDHUP);
    CHECK_STR(receive_text(server, 1), "g");
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLPRI | POLLRDHUP);
    CHECK_STR(receive_text(server, 1), "end");
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLRDHUP);
    end_connected();
}

/* The pointer is announced by each segment; the byte is there with the last one. */
TEST(an_urgent_byte_is_reported_when_it_arrives_and_not_when_it_is_announced) {
    static char text[4001];
    memset(text, 'a', 4000);
    begin_connected();
    CHECK_EQ(send_urgent(client, text), 4000);
    while (!(ptk_sim_tcp_ready(server) & POLLIN)) {
        CHECK(ptk_sim_event_queue_step(&net.events));
    }
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLPRI);
    end_connected();
}

TEST(urgent_bytes_in_line) {
    begin_connected();
    CHECK_EQ(set(server, SOL_SOCKET, SO_OOBINLINE, 1), 0);
    CHECK_EQ(send_text(client, "ab"), 2);
    CHECK_EQ(send_urgent(client, "cdX"), 3);
    CHECK_EQ(send_text(client, "ef"), 2);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLPRI);
    CHECK_STR(receive_text(server, 100), "abcd");
    CHECK_STR(receive_text(server, 100), "Xef");
    CHECK_STR(receive_text(server, 100), "nothing");
    CHECK_EQ(send_urgent(client, "Z"), 1);
    CHECK_EQ(send_urgent(client, "W"), 1);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLPRI);
    CHECK_STR(receive_text(server, 10), "Z");
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLPRI);
    CHECK_STR(receive_text(server, 10), "W");
    CHECK_EQ(ptk_sim_tcp_ready(server), POLLOUT);
    end_connected();
}

TEST(empty_sends_and_receives) {
    begin_connected();
    CHECK_EQ(ptk_sim_tcp_recv(server, NULL, 0), -EAGAIN);
    CHECK_EQ(send_text(client, ""), 0);
    CHECK_EQ(send_text(client, "q"), 1);
    settle();
    CHECK_EQ(ptk_sim_tcp_recv(server, NULL, 0), 0);
    CHECK_STR(receive_text(server, 10), "q");
    end_connected();
}

/* --- notifications of the owner --- */

static uint32_t notified_bits;
static int times;
static bool is_in_call;

static void changed(ptk_sim_tcp_t *tcp, uint32_t events) {
    (void) tcp;
    CHECK(!is_in_call);
    notified_bits |= events;
    times++;
}

static uint32_t notified_since(void) {
    uint32_t events = times ? notified_bits : 0;
    settle();
    events |= notified_bits;
    notified_bits = 0;
    times = 0;
    return events;
}

TEST(the_owner_is_notified_of_every_edge) {
    begin();
    listener = listen_on(there, PORT, 3);
    listener->changed = changed;
    client = connect_from(here, host(2), PORT);
    CHECK_EQ(notified_since(), POLLIN);
    client->changed = changed;
    CHECK_EQ(notified_since(), 0);
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    listener->changed = NULL;
    CHECK_EQ(send_text(server, "abc"), 3);
    CHECK_EQ(notified_since(), POLLIN);
    CHECK_EQ(send_text(server, "def"), 3);
    CHECK_EQ(notified_since(), POLLIN);
    CHECK_EQ(send_urgent(server, "X"), 1);
    CHECK_EQ(notified_since(), POLLIN | POLLPRI);
    CHECK_EQ(ptk_sim_tcp_shutdown(server, SHUT_WR), 0);
    CHECK_EQ(notified_since() & (POLLIN | POLLRDHUP | POLLHUP), POLLIN | POLLRDHUP);
    is_in_call = true;
    CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_WR), 0);
    is_in_call = false;
    CHECK_EQ(notified_since() & POLLHUP, POLLHUP);
    end_connected();
    begin();
    client = connect_from(here, host(2), PORT);
    client->changed = changed;
    CHECK_EQ(notified_since(), ENDED | POLLERR);
    ptk_sim_tcp_close(client);
    listener = listen_on(there, PORT, 3);
    client = connect_from(here, host(2), PORT);
    client->changed = changed;
    CHECK_EQ(notified_since(), POLLOUT);
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    reset_at_close(server);
    ptk_sim_tcp_close(server);
    CHECK_EQ(notified_since(), ENDED | POLLERR);
    ptk_sim_tcp_close(client);
    ptk_sim_tcp_close(listener);
    end();
}

TEST(pollout_is_an_edge_when_a_third_is_free_after_a_lack_of_space) {
    static char bytes[200000];
    begin_connected();
    client->changed = changed;
    CHECK_EQ(ptk_sim_tcp_send(client, bytes, 60000, false), 60000);
    CHECK_EQ(notified_since(), 0);
    while (ptk_sim_tcp_send(client, bytes, sizeof bytes, false) > 0) {
        CHECK_EQ(notified_since() & ~(uint32_t) POLLOUT, 0);
    }
    CHECK_EQ(ptk_sim_tcp_ready(client), 0);
    CHECK_EQ(notified_since(), 0); /* the window is closed */
    CHECK_EQ(ptk_sim_tcp_ready(client), 0);
    CHECK_EQ(ptk_sim_tcp_recv(server, bytes, 10000), 10000);
    CHECK_EQ(notified_since(), 0); /* too little for POLLOUT */
    CHECK_EQ(ptk_sim_tcp_recv(server, bytes, sizeof bytes), 65536);
    CHECK_EQ(notified_since(), POLLOUT);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    while (ptk_sim_tcp_recv(server, bytes, sizeof bytes) > 0) {
        settle();
    }
    end_connected();
}
