/* SPDX-License-Identifier: MIT */
/*
 * A connect was repeated without a pause when the poller reported its socket as hung up although no
 * connection had failed: after a shutdown of a socket that was not connected yet (the system refuses it, and
 * remembers it nevertheless), and after a connection that was established and ended between two calls of
 * connect.
 */
#include "regress_sock.h"

#include <poll.h>

#define FEW_POLLS 20

static void connect_plain(int fd, const ptk_addr_t *addr) {
    CHECK_EQ(connect(fd, ptk_addr_sockaddr(addr), addr->length), 0);
}

/* A listener whose backlog is full: it accepts no handshake. */
static ptk_err connect_to_silence_after_shutdown(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    int fillers[2];
    ptk_sock_t *listener = regress_listener(&addr);
    CHECK_OK(ptk_sock_listen(listener, 1));
    for (size_t i = 0; i < 2; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connect_plain(fillers[i], &addr);
    }
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(ptk_sock_shutdown(sock, PTK_SOCK_BOTH), PTK_ERR_NOT_CONNECTED);
    uint64_t polls = test_counters().polls;
    CHECK_ERR(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, 50), PTK_ERR_TIMEOUT);
    CHECK(test_counters().polls - polls < FEW_POLLS);
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    CHECK_EQ(close(fillers[0]), 0);
    CHECK_EQ(close(fillers[1]), 0);
    return PTK_OK;
}

TEST(connect_after_a_refused_shutdown_waits_in_peace_epoll) {
    regress_in_green("epoll", connect_to_silence_after_shutdown);
}

TEST(connect_after_a_refused_shutdown_waits_in_peace_poll) {
    regress_in_green("poll", connect_to_silence_after_shutdown);
}

static ptk_err connect_after_the_end(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    char byte;
    ptk_sock_t *listener = regress_listener(&addr);
    ptk_sock_t *sock = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, 0), PTK_ERR_TIMEOUT);
    ptk_sock_t *peer = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    CHECK(peer != NULL);
    CHECK_OK(ptk_sock_shutdown(sock, PTK_SOCK_BOTH));
    CHECK_ERR(ptk_sock_recv(peer, &byte, 1, PTK_TIMEOUT_INFINITE), PTK_ERR_EOF);
    ptk_sock_close(peer);
    CHECK_OK(test_wait(ptk_sock_waitable(sock, PTK_EVENT_READ), PTK_TIMEOUT_INFINITE));
    CHECK_OK(ptk_sleep_ms(2)); /* the peer's end of the stream has come, too */
    uint64_t polls = test_counters().polls;
    CHECK_ERR(ptk_sock_connect(sock, ptk_addr_sockaddr(&addr), addr.length, 1000), PTK_ERR_RESET);
    CHECK(test_counters().polls - polls < FEW_POLLS);
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(connect_of_a_connection_that_has_ended_is_reported_epoll) {
    regress_in_green("epoll", connect_after_the_end);
}

TEST(connect_of_a_connection_that_has_ended_is_reported_poll) {
    regress_in_green("poll", connect_after_the_end);
}
