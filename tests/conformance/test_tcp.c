/* SPDX-License-Identifier: MIT */
/* TCP listeners and connections from addresses in text form. */
#include "test_sock.h"

#include <string.h>

/* The address of a socket as text, valid until the next call. */
static const char *address_of(const ptk_sock_t *sock) {
    static char text[PTK_ADDR_TEXT_BYTES];
    ptk_addr_t addr = {.length = sizeof addr.storage};
    CHECK_OK(ptk_sock_local_addr(sock, (struct sockaddr *) &addr.storage, &addr.length));
    CHECK_OK(ptk_addr_format(ptk_addr_sockaddr(&addr), addr.length, text, sizeof text));
    return text;
}

static void check_listen_fails(const char *address, const ptk_tcp_listen_options_t *options, ptk_err err) {
    CHECK(ptk_tcp_listen(NULL, address, options) == NULL);
    CHECK_ERR(ptk_get_err(), err);
}

static void check_connect_fails(const char *address, uint32_t timeout_ms, ptk_err err) {
    CHECK(ptk_tcp_connect(address, timeout_ms) == NULL);
    CHECK_ERR(ptk_get_err(), err);
}

/* --- both together --- */

static ptk_err echo_one(void *listener) {
    char bytes[4];
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
    CHECK(sock != NULL);
    CHECK_OK(ptk_sock_recv(sock, bytes, sizeof bytes, SOCK_FOREVER));
    CHECK_OK(ptk_sock_send(sock, bytes, sizeof bytes, SOCK_FOREVER));
    ptk_sock_close(sock);
    return PTK_OK;
}

static void converse(const char *address) {
    char bytes[4];
    ptk_sock_t *listener = ptk_tcp_listen(NULL, address, NULL);
    CHECK(listener != NULL);
    test_go(echo_one, listener);
    ptk_sock_t *sock = ptk_tcp_connect(address_of(listener), SOCK_FOREVER);
    CHECK(sock != NULL);
    CHECK_OK(ptk_sock_send(sock, "ping", 4, SOCK_FOREVER));
    CHECK_OK(ptk_sock_recv(sock, bytes, sizeof bytes, SOCK_FOREVER));
    CHECK(memcmp(bytes, "ping", 4) == 0);
    ptk_sock_close(sock);
    ptk_sock_close(listener);
}

static ptk_err converse_over_ipv4(void *unused) {
    (void) unused;
    converse("127.0.0.1:0");
    converse("localhost:0");
    return PTK_OK;
}

TEST(tcp_connect_reaches_tcp_listen) {
    test_in_green(converse_over_ipv4);
}

static ptk_err converse_over_ipv6(void *unused) {
    (void) unused;
    converse("[::1]:0");
    return PTK_OK;
}

TEST(tcp_connect_reaches_tcp_listen_ipv6) {
    sock_use_ipv6();
    test_in_green(converse_over_ipv6);
}

/* --- addresses --- */

TEST(tcp_listen_on_port_0_gets_a_port) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_sock_t *one = ptk_tcp_listen(loop, "127.0.0.1:0", NULL);
    ptk_sock_t *other = ptk_tcp_listen(loop, "*:0", NULL);
    CHECK(one != NULL && other != NULL);
    CHECK(strncmp(address_of(one), "127.0.0.1:", 10) == 0 && strcmp(address_of(one), "127.0.0.1:0") != 0);
    CHECK(strncmp(address_of(other), "0.0.0.0:", 8) == 0 && strcmp(address_of(other), "0.0.0.0:0") != 0);
    ptk_sock_close(one);
    ptk_sock_close(other);
    test_loop_end(loop);
}

TEST(tcp_refuses_names_and_missing_ports) {
    ptk_event_loop_platform_t *loop = test_loop();
    check_listen_fails("example.com:80", NULL, PTK_ERR_NOT_NUMERIC);
    check_listen_fails("127.0.0.1", NULL, PTK_ERR_NO_PORT);
    check_listen_fails("[::1]", NULL, PTK_ERR_NO_PORT);
    check_listen_fails("127.0.0.1:http", NULL, PTK_ERR_INVALID_PARAM);
    check_listen_fails(NULL, NULL, PTK_ERR_INVALID_PARAM);
    check_connect_fails("example.com:80", 0, PTK_ERR_NOT_NUMERIC);
    check_connect_fails("127.0.0.1", 0, PTK_ERR_NO_PORT);
    check_connect_fails("1.2.3:80", 0, PTK_ERR_INVALID_PARAM);
    check_connect_fails(NULL, 0, PTK_ERR_INVALID_PARAM);
    test_loop_end(loop);
}

TEST(tcp_needs_a_loop) {
    check_listen_fails("127.0.0.1:0", NULL, PTK_ERR_NO_LOOP);
    check_connect_fails("127.0.0.1:80", 0, PTK_ERR_NO_LOOP);
}

/* --- a port that is taken --- */

/* A bind that fails is no listener somewhere else. */
TEST(p75_tcp_listen_on_a_taken_port_fails) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_sock_t *first = ptk_tcp_listen(loop, "127.0.0.1:0", NULL);
    CHECK(first != NULL);
    check_listen_fails(address_of(first), NULL, PTK_ERR_ADDRESS_IN_USE);
    CHECK(ptk_get_os_err() != 0);
    ptk_sock_t *unbound = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    CHECK(unbound != NULL);
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse(address_of(first), &addr));
    CHECK_ERR(ptk_sock_listen(unbound, 0), PTK_ERR_NOT_BOUND);
    CHECK_ERR(ptk_sock_bind(unbound, ptk_addr_sockaddr(&addr), addr.length), PTK_ERR_ADDRESS_IN_USE);
    CHECK_ERR(ptk_sock_listen(unbound, 0), PTK_ERR_NOT_BOUND);
    ptk_sock_close(unbound);
    ptk_sock_close(first);
    test_loop_end(loop);
}

/* The side that closes first is in TIME_WAIT: the listener's, so that its port is taken for some time. */
static void leave_time_wait(const char *address, char *address_out) {
    char byte;
    ptk_sock_t *listener = ptk_tcp_listen(NULL, address, NULL);
    CHECK(listener != NULL);
    strcpy(address_out, address_of(listener));
    ptk_sock_t *client = ptk_tcp_connect(address_out, SOCK_FOREVER);
    ptk_sock_t *server = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
    CHECK(client != NULL && server != NULL);
    ptk_sock_close(server);
    ptk_sock_close(listener);
    CHECK(ptk_sock_recv(client, &byte, 1, SOCK_FOREVER) != PTK_OK);
    ptk_sock_close(client);
}

static ptk_err restart(void *unused) {
    (void) unused;
    char address[PTK_ADDR_TEXT_BYTES];
    leave_time_wait("127.0.0.1:0", address);
    check_listen_fails(address, &PTK_TCP_LISTEN_OPTIONS(.flags = PTK_TCP_LISTEN_NO_REUSE),
                       PTK_ERR_ADDRESS_IN_USE);
    ptk_sock_t *again = ptk_tcp_listen(NULL, address, NULL);
    CHECK(again != NULL);
    ptk_sock_close(again);
    return PTK_OK;
}

TEST(p75_tcp_listen_again_while_connections_are_in_time_wait) {
    test_in_green(restart);
}

/* --- options --- */

typedef struct longer_options {
    ptk_tcp_listen_options_t known;
    uint64_t unknown;
} longer_options_t;

TEST(tcp_listen_options_of_other_versions) {
    ptk_event_loop_platform_t *loop = test_loop();
    longer_options_t longer = {.known = PTK_TCP_LISTEN_OPTIONS_INIT, .unknown = 1};
    longer.known.struct_size = sizeof longer;
    check_listen_fails("127.0.0.1:0", &longer.known, PTK_ERR_INVALID_PARAM);
    longer.unknown = 0;
    ptk_sock_t *listener = ptk_tcp_listen(loop, "127.0.0.1:0", &longer.known);
    CHECK(listener != NULL);
    ptk_sock_close(listener);
    longer.known.struct_size = 0;
    CHECK((ptk_tcp_listen) (loop, "127.0.0.1:0", &longer.known) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    test_loop_end(loop);
}

TEST(tcp_listen_options_that_make_no_sense_are_refused) {
    ptk_event_loop_platform_t *loop = test_loop();
    check_listen_fails("127.0.0.1:0", &PTK_TCP_LISTEN_OPTIONS(.flags = 1u << 31), PTK_ERR_INVALID_PARAM);
    check_listen_fails("127.0.0.1:0", &PTK_TCP_LISTEN_OPTIONS(.reserved = 1), PTK_ERR_INVALID_PARAM);
    check_listen_fails("127.0.0.1:0", &PTK_TCP_LISTEN_OPTIONS(.backlog = UINT32_MAX), PTK_ERR_INVALID_PARAM);
    ptk_sock_t *listener = ptk_tcp_listen(loop, "127.0.0.1:0", &(ptk_tcp_listen_options_t) {.backlog = 1});
    CHECK(listener != NULL);
    ptk_sock_close(listener);
    test_loop_end(loop);
}

/* --- connects that fail --- */

TEST(tcp_connect_that_may_wait_needs_a_green_thread) {
    ptk_event_loop_platform_t *loop = test_loop();
    check_connect_fails("127.0.0.1:80", 1, PTK_ERR_NOT_GREEN);
    test_loop_end(loop);
}

static ptk_err connect_to_no_listener(void *unused) {
    (void) unused;
    char address[PTK_ADDR_TEXT_BYTES];
    ptk_sock_t *listener = ptk_tcp_listen(NULL, "127.0.0.1:0", NULL);
    CHECK(listener != NULL);
    strcpy(address, address_of(listener));
    ptk_sock_close(listener);
    check_connect_fails(address, SOCK_FOREVER, PTK_ERR_REFUSED);
    return PTK_OK;
}

TEST(tcp_connect_is_refused_where_no_socket_listens) {
    test_in_green(connect_to_no_listener);
}

static ptk_err connect_when_cancelled(void *unused) {
    (void) unused;
    CHECK_OK(ptk_green_cancel(ptk_green_self()));
    check_connect_fails("127.0.0.1:80", SOCK_FOREVER, PTK_ERR_CANCELED);
    return PTK_OK;
}

TEST(p46_tcp_connect_is_cancelled_at_entry) {
    test_in_green(connect_when_cancelled);
}
