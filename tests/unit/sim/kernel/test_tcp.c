/* SPDX-License-Identifier: MIT */
/*
 * Every expectation here is what Linux 6.18 returns on its loopback for the same calls.
 */
#include "tcp_world.h"

TEST(calls_on_an_unconnected_endpoint) {
    begin();
    client = ptk_sim_tcp_create(here, AF_INET);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT | POLLHUP);
    CHECK_STR(receive_text(client, 10), "not connected");
    CHECK_EQ(send_text(client, "x"), -EPIPE);
    CHECK_EQ(send_urgent(client, "x"), -EPIPE);
    CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_WR), -ENOTCONN);
    CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_RDWR), -ENOTCONN);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED);
    CHECK_EQ(peer_error(client), -ENOTCONN);
    CHECK_EQ(local_port(client), 0);
    CHECK_EQ(ptk_sim_tcp_accept(client, &server), -EINVAL);
    ptk_sim_tcp_close(client);
    end();
}

TEST(a_connection_transfers_and_closes) {
    begin_connected();
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    CHECK_EQ(ptk_sim_tcp_ready(server), POLLOUT);
    CHECK_EQ(send_text(client, "hello"), 5);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT);
    CHECK_STR(receive_text(server, 100), "hello");
    CHECK_STR(receive_text(server, 100), "nothing");
    CHECK_EQ(send_text(server, "to you too"), 10);
    settle();
    CHECK_STR(receive_text(client, 2), "to");
    CHECK_STR(receive_text(client, 100), " you too");
    ptk_sim_tcp_close(client);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(server), IN_OUT | POLLRDHUP);
    CHECK_STR(receive_text(server, 100), "end");
    ptk_sim_tcp_close(server);
    settle();
    CHECK_EQ(ptk_sim_tcp_count(here), 1);
    CHECK_EQ(ptk_sim_tcp_count(there), 1);
    run_for(61 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_count(here), 0);
    ptk_sim_tcp_close(listener);
    end();
}

TEST(connect_returns_the_state_of_the_connection_each_time) {
    begin();
    listener = listen_on(there, PORT, 3);
    client = connect_from(here, host(2), PORT);
    CHECK_EQ(connect_to(client, host(2), PORT), -EALREADY);
    CHECK_EQ(ptk_sim_tcp_ready(client), 0);
    CHECK_STR(receive_text(client, 1), "nothing");
    CHECK_EQ(send_text(client, "x"), -EAGAIN);
    CHECK_EQ(peer_error(client), -ENOTCONN);
    settle();
    CHECK_EQ(connect_to(client, host(2), PORT), 0);
    CHECK_EQ(connect_to(client, host(2), PORT), -EISCONN);
    CHECK_EQ(ptk_sim_tcp_listen(client, 1), -EINVAL);
    CHECK_EQ(bind_to(client, 0, 0), -EINVAL);
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    CHECK_EQ(connect_to(server, host(1), 1), -EISCONN);
    CHECK_EQ(connect_to(listener, host(1), 1), -EISCONN);
    end_connected();
}

TEST(connect_is_refused) {
    begin();
    client = connect_from(here, host(2), PORT);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
    CHECK_STR(receive_text(client, 1), "refused");
    CHECK_STR(receive_text(client, 1), "end");
    CHECK_EQ(send_text(client, "x"), -EPIPE);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED);
    CHECK_EQ(connect_to(client, host(2), PORT), -ECONNABORTED);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT | POLLHUP);
    CHECK_EQ(connect_to(client, host(2), PORT), -EINPROGRESS);
    settle();
    CHECK_EQ(connect_to(client, host(2), PORT), -ECONNREFUSED);
    CHECK_EQ(error_of(client), 0);
    CHECK_STR(receive_text(client, 1), "not connected");
    CHECK_EQ(connect_to(client, host(2), PORT), -EINPROGRESS);
    settle();
    CHECK_EQ(error_of(client), ECONNREFUSED);
    CHECK_EQ(error_of(client), 0);
    CHECK_STR(receive_text(client, 1), "end");
    ptk_sim_tcp_close(client);
    CHECK_EQ(ptk_sim_tcp_count(there), 0);
    end();
}

TEST(connect_times_out_without_a_reply) {
    begin();
    client = connect_from(here, host(9), PORT);
    run_for(126 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(client), 0);
    CHECK_EQ(net.packets_sent, 7);
    run_for(2 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
    CHECK_EQ(error_of(client), ETIMEDOUT);
    ptk_sim_tcp_close(client);
    end();
}

TEST(unreachable_and_wrong_addresses) {
    begin();
    client = ptk_sim_tcp_create(ptk_sim_net_add(&net), AF_INET);
    CHECK_EQ(connect_to(client, host(1), PORT), -ENETUNREACH);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT | POLLHUP);
    CHECK_EQ(connect_to(client, 0x7f000001, PORT), -EINPROGRESS);
    ptk_sim_tcp_close(client);
    client = ptk_sim_tcp_create(here, AF_INET);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_in in = address(0, 0);
    CHECK_EQ(bind_to(client, host(2), PORT), -EADDRNOTAVAIL);
    CHECK_EQ(ptk_sim_tcp_bind(client, (struct sockaddr *) &in6, sizeof in6), -EAFNOSUPPORT);
    CHECK_EQ(ptk_sim_tcp_connect(client, (struct sockaddr *) &in6, sizeof in6), -EAFNOSUPPORT);
    CHECK_EQ(ptk_sim_tcp_bind(client, (struct sockaddr *) &in, 4), -EINVAL);
    ptk_sim_tcp_close(client);
    client = ptk_sim_tcp_create(here, AF_INET6);
    CHECK_EQ(ptk_sim_tcp_bind(client, (struct sockaddr *) &in, sizeof in), -EINVAL);
    CHECK_EQ(ptk_sim_tcp_connect(client, (struct sockaddr *) &in, sizeof in), -EINVAL);
    CHECK_EQ(ptk_sim_tcp_connect(client, (struct sockaddr *) &in6, sizeof in6), -EINPROGRESS); /* ::1 */
    settle();
    CHECK_EQ(error_of(client), ECONNREFUSED);
    ptk_sim_tcp_close(client);
    end();
}

TEST(addresses_are_bound_and_reported) {
    begin();
    client = ptk_sim_tcp_create(here, AF_INET);
    CHECK_EQ(bind_to(client, 0, 0), 0);
    CHECK_EQ(local_port(client), 32768);
    CHECK_EQ(bind_to(client, 0, 0), -EINVAL);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT | POLLHUP);
    ptk_sim_tcp_close(client);
    listener = listen_on(there, PORT, 3);
    CHECK_EQ(bind_to(listener, 0, 0), -EINVAL);
    CHECK_EQ(peer_error(listener), -ENOTCONN);
    CHECK_STR(receive_text(listener, 1), "not connected");
    CHECK_EQ(send_text(listener, "x"), -EPIPE);
    client = connect_from(there, 0, PORT); /* "any" is the node itself */
    run_for(0);
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    struct sockaddr_in addr;
    socklen_t length = sizeof addr;
    CHECK_EQ(ptk_sim_tcp_peer_name(client, (struct sockaddr *) &addr, &length), 0);
    CHECK_EQ(addr.sin_addr.s_addr, htonl(0x7f000001));
    CHECK_EQ(ptk_sim_tcp_local_name(server, (struct sockaddr *) &addr, &length), 0);
    CHECK_EQ(addr.sin_addr.s_addr, htonl(0x7f000001));
    CHECK_EQ(ntohs(addr.sin_port), PORT);
    end_connected();
}

/* Binds a first and then a second socket to PORT with these options. Checks what the second bind returns, and
   what the first socket's listen returns when the second one listens. */
static void share_port(bool reuse_one, bool listens, bool reuse_other, int name, int bind_expected,
                       int listen_expected) {
    begin();
    ptk_sim_tcp_t *one = ptk_sim_tcp_create(here, AF_INET);
    ptk_sim_tcp_t *other = ptk_sim_tcp_create(here, AF_INET);
    CHECK_EQ(set(one, SOL_SOCKET, name, reuse_one), 0);
    CHECK_EQ(set(other, SOL_SOCKET, name, reuse_other), 0);
    CHECK_EQ(bind_to(one, host(1), PORT), 0);
    CHECK_EQ(listens ? ptk_sim_tcp_listen(one, 3) : 0, 0);
    CHECK_EQ(bind_to(other, 0x7f000001, PORT), 0);
    ptk_sim_tcp_close(other);
    other = ptk_sim_tcp_create(here, AF_INET);
    CHECK_EQ(set(other, SOL_SOCKET, name, reuse_other), 0);
    CHECK_EQ(bind_to(other, 0, PORT), bind_expected);
    if (bind_expected == 0) {
        CHECK_EQ(ptk_sim_tcp_listen(other, 3), 0);
        CHECK_EQ(ptk_sim_tcp_listen(one, 3), listen_expected);
    }
    ptk_sim_tcp_close(one);
    ptk_sim_tcp_close(other);
    end();
}

TEST(ports_are_shared_according_to_the_options) {
    for (int listens = 0; listens < 2; listens++) {
        share_port(false, listens, false, SO_REUSEADDR, -EADDRINUSE, 0);
        share_port(true, listens, false, SO_REUSEADDR, -EADDRINUSE, 0);
        share_port(false, listens, true, SO_REUSEADDR, -EADDRINUSE, 0);
        share_port(true, listens, true, SO_REUSEADDR, listens ? -EADDRINUSE : 0, -EADDRINUSE);
        share_port(true, listens, true, SO_REUSEPORT, 0, 0);
        share_port(true, listens, false, SO_REUSEPORT, -EADDRINUSE, 0);
    }
}

/* Which end of a server's connection is closed first. */
typedef enum closed_first { SERVER_FIRST, CLIENT_FIRST, NOT_CLOSED } closed_first_t;

/* Closes a server and its connection, then binds the port of another server, which must return `expected`. */
static void restart_server(bool reuse_one, bool reuse_other, closed_first_t first, int expected) {
    begin();
    listener = ptk_sim_tcp_create(there, AF_INET);
    set(listener, SOL_SOCKET, SO_REUSEADDR, reuse_one);
    CHECK_EQ(bind_to(listener, host(2), PORT), 0);
    CHECK_EQ(ptk_sim_tcp_listen(listener, 3), 0);
    client = connect_from(here, host(2), PORT);
    settle();
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    ptk_sim_tcp_close(listener);
    if (first != NOT_CLOSED) {
        ptk_sim_tcp_close(first == SERVER_FIRST ? server : client);
        settle();
        ptk_sim_tcp_close(first == SERVER_FIRST ? client : server);
        settle();
    }
    listener = ptk_sim_tcp_create(there, AF_INET);
    set(listener, SOL_SOCKET, SO_REUSEADDR, reuse_other);
    CHECK_EQ(bind_to(listener, 0, PORT), expected);
    ptk_sim_tcp_close(listener);
    if (first == NOT_CLOSED) {
        ptk_sim_tcp_close(client);
        ptk_sim_tcp_close(server);
    }
    end();
}

TEST(a_restarted_server_binds_its_port_according_to_the_options) {
    for (closed_first_t first = SERVER_FIRST; first <= NOT_CLOSED; first++) {
        restart_server(false, false, first, first == CLIENT_FIRST ? 0 : -EADDRINUSE);
        restart_server(true, false, first, first == CLIENT_FIRST ? 0 : -EADDRINUSE);
        restart_server(false, true, first, first == CLIENT_FIRST ? 0 : -EADDRINUSE);
        restart_server(true, true, first, 0);
    }
}

TEST(an_ipv6_listener_accepts_ipv4_unless_v6only_is_set) {
    begin();
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
    listener = ptk_sim_tcp_create(there, AF_INET6);
    CHECK_EQ(ptk_sim_tcp_bind(listener, (struct sockaddr *) &any, sizeof any), 0);
    CHECK_EQ(set(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1), -EINVAL);
    CHECK_EQ(ptk_sim_tcp_listen(listener, 3), 0);
    client = ptk_sim_tcp_create(there, AF_INET);
    CHECK_EQ(bind_to(client, 0, PORT), -EADDRINUSE);
    ptk_sim_tcp_close(client);
    client = connect_from(here, host(2), PORT);
    settle();
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    struct sockaddr_in6 name;
    socklen_t length = sizeof name;
    CHECK_EQ(ptk_sim_tcp_peer_name(server, (struct sockaddr *) &name, &length), 0);
    CHECK_EQ(name.sin6_family, AF_INET6);
    CHECK(IN6_IS_ADDR_V4MAPPED(&name.sin6_addr));
    ptk_sim_tcp_close(listener);
    listener = ptk_sim_tcp_create(there, AF_INET6);
    CHECK_EQ(set(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
    any.sin6_port = htons(PORT + 1);
    CHECK_EQ(ptk_sim_tcp_bind(listener, (struct sockaddr *) &any, sizeof any), 0);
    CHECK_EQ(ptk_sim_tcp_listen(listener, 3), 0);
    ptk_sim_tcp_t *other = listen_on(there, PORT + 1, 3);
    ptk_sim_tcp_close(other);
    other = connect_from(here, host(2), PORT + 1);
    settle();
    CHECK_EQ(error_of(other), ECONNREFUSED);
    ptk_sim_tcp_close(other);
    end_connected();
}

TEST(ephemeral_ports_run_out) {
    begin();
    enum { PORTS = 61000 - 32768 };
    static ptk_sim_tcp_t *all[PORTS];
    for (int i = 0; i < PORTS; i++) {
        all[i] = connect_from(here, host(2), PORT);
    }
    client = ptk_sim_tcp_create(here, AF_INET);
    CHECK_EQ(connect_to(client, host(2), PORT), -EADDRNOTAVAIL);
    CHECK_EQ(connect_to(client, host(2), PORT + 1), -EINPROGRESS);
    ptk_sim_tcp_close(client);
    client = ptk_sim_tcp_create(here, AF_INET);
    CHECK_EQ(bind_to(client, 0, 0), -EADDRINUSE);
    CHECK_EQ(bind_to(client, 0, 40000), -EADDRINUSE);
    ptk_sim_tcp_close(all[100]);
    CHECK_EQ(connect_to(client, host(2), PORT), -EINPROGRESS);
    all[100] = client;
    run_for(10 * SECOND_NS);
    for (int i = 0; i < PORTS; i++) {
        CHECK_EQ(error_of(all[i]), ECONNREFUSED);
        ptk_sim_tcp_close(all[i]);
    }
    end();
}

TEST(the_backlog_holds_one_connection_more_than_requested) {
    ptk_sim_tcp_t *all[4];
    begin();
    listener = listen_on(there, PORT, 1);
    for (int i = 0; i < 4; i++) {
        all[i] = connect_from(here, host(2), PORT);
        settle();
        CHECK_EQ(ptk_sim_tcp_ready(all[i]), i < 2 ? POLLOUT : 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
        ptk_sim_tcp_close(server);
        run_for(4 * SECOND_NS); /* the clients' SYNs are retransmitted */
    }
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), -EAGAIN);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(ptk_sim_tcp_ready(all[i]), IN_OUT | POLLRDHUP);
        ptk_sim_tcp_close(all[i]);
    }
    ptk_sim_tcp_close(listener);
    end();
}

TEST(a_listener_that_closes_resets_its_backlog) {
    for (int how = 0; how < 3; how++) {
        begin();
        listener = listen_on(there, PORT, 3);
        client = connect_from(here, host(2), PORT);
        settle();
        if (how == 1) {
            CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_WR), 0);
            settle();
        }
        if (how == 2) {
            CHECK_EQ(ptk_sim_tcp_shutdown(listener, SHUT_WR), 0);
            CHECK_EQ(ptk_sim_tcp_ready(listener), POLLIN);
            CHECK_EQ(ptk_sim_tcp_shutdown(listener, SHUT_RD), 0);
            CHECK_EQ(ptk_sim_tcp_ready(listener), POLLOUT | POLLHUP);
            CHECK_EQ(ptk_sim_tcp_accept(listener, &server), -EINVAL);
            CHECK_EQ(ptk_sim_tcp_listen(listener, 3), 0);
            CHECK_EQ(local_port(listener), PORT);
        }
        ptk_sim_tcp_close(listener);
        settle();
        CHECK_EQ(ptk_sim_tcp_ready(client), ENDED | POLLERR);
        CHECK_EQ(error_of(client), ECONNRESET);
        ptk_sim_tcp_close(client);
        end();
    }
}

TEST(a_connection_that_was_reset_in_the_backlog_is_accepted) {
    begin();
    listener = listen_on(there, PORT, 3);
    client = connect_from(here, host(2), PORT);
    settle();
    CHECK_EQ(send_text(client, "abc"), 3);
    reset_at_close(client);
    ptk_sim_tcp_close(client);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(listener), POLLIN);
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    CHECK_EQ(ptk_sim_tcp_ready(server), ENDED | POLLERR);
    CHECK_EQ(peer_error(server), -ENOTCONN);
    CHECK_STR(receive_text(server, 10), "abc");
    CHECK_STR(receive_text(server, 10), "reset");
    CHECK_STR(receive_text(server, 10), "end");
    ptk_sim_tcp_close(server);
    ptk_sim_tcp_close(listener);
    end();
}

TEST(accepted_sockets_inherit_the_options_of_the_listener) {
    begin();
    listener = listen_on(there, PORT, 3);
    CHECK_EQ(set(listener, SOL_SOCKET, SO_OOBINLINE, 1), 0);
    CHECK_EQ(set(listener, SOL_SOCKET, SO_KEEPALIVE, 7), 0);
    CHECK_EQ(set(listener, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    CHECK_EQ(set(listener, SOL_SOCKET, SO_RCVBUF, 4000), 0);
    client = connect_from(here, host(2), PORT);
    settle();
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    CHECK_EQ(option(server, SOL_SOCKET, SO_OOBINLINE), 1);
    CHECK_EQ(option(server, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(option(server, SOL_SOCKET, SO_RCVBUF), 8000);
    CHECK_EQ(option(server, SOL_SOCKET, SO_ACCEPTCONN), 0);
    CHECK_EQ(option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
    CHECK_EQ(option(client, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    CHECK_EQ(option(client, SOL_SOCKET, SO_DOMAIN), AF_INET);
    CHECK_EQ(option(client, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    CHECK_EQ(option(client, SOL_SOCKET, SO_SNDBUF), 131072);
    CHECK_EQ(set(client, SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
    CHECK_EQ(set(client, IPPROTO_IPV6, IPV6_V6ONLY, 1), -ENOPROTOOPT);
    CHECK_EQ(set(client, 99, 1, 1), -ENOPROTOOPT);
    CHECK_EQ(ptk_sim_tcp_set_option(client, SOL_SOCKET, SO_KEEPALIVE, "", 1), -EINVAL);
    struct linger linger = {.l_onoff = 5, .l_linger = 9};
    socklen_t length = sizeof linger;
    CHECK_EQ(ptk_sim_tcp_set_option(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    CHECK_EQ(ptk_sim_tcp_get_option(client, SOL_SOCKET, SO_LINGER, &linger, &length), 0);
    CHECK_EQ(linger.l_onoff, 1);
    CHECK_EQ(linger.l_linger, 9);
    end_connected();
}

TEST(shutdown_or_close_abandons_a_connect) {
    begin();
    listener = listen_on(there, PORT, 3);
    client = connect_from(here, host(2), PORT);
    CHECK_EQ(ptk_sim_tcp_shutdown(client, SHUT_WR), 0);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT | POLLHUP | POLLERR);
    CHECK_EQ(error_of(client), ECONNRESET);
    CHECK_EQ(connect_to(client, host(2), PORT), -EINPROGRESS);
    settle();
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    ptk_sim_tcp_close(client);
    client = connect_from(here, host(2), PORT);
    ptk_sim_tcp_close(client);
    settle();
    CHECK_EQ(ptk_sim_tcp_count(here), 1);
    ptk_sim_tcp_close(listener);
    end();
}

/* RFC 9293, 3.5.1: the server still has the connection of the client's earlier life. It replies to the SYN
   with an ACK of that one, which the client resets; the SYN that is sent again makes the new connection. */
TEST(a_connection_of_an_earlier_life_is_reset_by_the_client_that_connects_again) {
    begin_connected();
    uint16_t port = local_port(client);
    ptk_sim_tcp_abandon(client);
    ptk_sim_tcp_clear(here);
    client = ptk_sim_tcp_create(here, AF_INET);
    CHECK_EQ(bind_to(client, 0, port), 0);
    CHECK_EQ(connect_to(client, host(2), PORT), -EINPROGRESS);
    settle();
    CHECK_STR(receive_text(server, 1), "reset");
    ptk_sim_tcp_close(server);
    run_for(10 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_accept(listener, &server), 0);
    CHECK_EQ(send_text(client, "again"), 5);
    settle();
    CHECK_STR(receive_text(server, 10), "again");
    end_connected();
}

TEST(a_crash_leaves_nothing_and_the_peer_is_reset_at_its_next_segment) {
    begin_connected();
    client->changed = NULL;
    ptk_sim_tcp_abandon(server);
    ptk_sim_tcp_t *unaccepted = connect_from(here, host(2), PORT);
    settle();
    ptk_sim_tcp_abandon(listener);
    ptk_sim_tcp_clear(there);
    CHECK_EQ(ptk_sim_tcp_count(there), 0);
    CHECK_EQ(ptk_sim_tcp_ready(client), POLLOUT);
    CHECK_EQ(send_text(client, "x"), 1);
    settle();
    CHECK_STR(receive_text(client, 1), "reset");
    ptk_sim_tcp_close(client);
    there->up = false;
    CHECK_EQ(send_text(unaccepted, "x"), 1);
    run_for(900 * SECOND_NS);
    CHECK_EQ(ptk_sim_tcp_ready(unaccepted), POLLOUT);
    run_for(60 * SECOND_NS);
    CHECK_STR(receive_text(unaccepted, 1), "timed out");
    ptk_sim_tcp_close(unaccepted);
    end();
}
