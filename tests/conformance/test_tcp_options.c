/* SPDX-License-Identifier: MIT */
/* Keepalive and user timeout: what is set, what is refused, what accepted sockets inherit, and that a peer
 * that is gone ends every call with an error of its own. Nothing here reads a clock. */
#include "test_sock.h"

#include <errno.h>
#include <netinet/tcp.h>

static int option_of(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    CHECK_EQ(fd_get_option(fd, level, name, &value, &length), 0);
    return value;
}

static void check_keepalive(int fd, int idle_s, int interval_s, int count) {
    CHECK_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), idle_s);
    CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), interval_s);
    CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), count);
}

/* --- the system --- */

/* Returns 0 or the errno value. */
static int set_number(int fd, int level, int name, int value) {
    errno = 0;
    return fd_set_option(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

/* What ptk_posix_sock.c relies on, on the real kernel and on the simulated one. */
TEST(tcp_options_have_these_limits_in_the_system) {
    int fd = peer_open();
    CHECK_EQ(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    const int seconds[] = {TCP_KEEPIDLE, TCP_KEEPINTVL};
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(set_number(fd, IPPROTO_TCP, seconds[i], 0), EINVAL);
        CHECK_EQ(set_number(fd, IPPROTO_TCP, seconds[i], -1), EINVAL);
        CHECK_EQ(set_number(fd, IPPROTO_TCP, seconds[i], 32768), EINVAL);
        CHECK_EQ(set_number(fd, IPPROTO_TCP, seconds[i], 32767), 0);
        CHECK_EQ(option_of(fd, IPPROTO_TCP, seconds[i]), 32767);
    }
    CHECK_EQ(set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, 0), EINVAL);
    CHECK_EQ(set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, 128), EINVAL);
    CHECK_EQ(set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, 127), 0);
    CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    CHECK_EQ(set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -1), EINVAL);
    CHECK_EQ(set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1), 0);
    CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1);
    CHECK_EQ(set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, INT32_MAX), 0);
    CHECK_EQ(fd_close(fd), 0);
}

/* --- setting --- */

static ptk_err set_and_read(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    CHECK_EQ(option_of(pair.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_OK(ptk_tcp_set_keepalive(pair.sock, true, NULL));
    check_keepalive(pair.fd, 60, 10, 6);
    CHECK_OK(ptk_tcp_set_keepalive(
        pair.sock, true, &PTK_TCP_KEEPALIVE_OPTIONS(.idle_ms = 1, .interval_ms = 1001, .count = 127)));
    check_keepalive(pair.fd, 1, 2, 127);
    CHECK_OK(ptk_tcp_set_keepalive(pair.sock, true, &(ptk_tcp_keepalive_options_t) {.idle_ms = 32767000}));
    check_keepalive(pair.fd, 32767, 10, 6);
    CHECK_OK(ptk_tcp_set_keepalive(pair.sock, false, NULL));
    CHECK_EQ(option_of(pair.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_OK(ptk_tcp_set_user_timeout(pair.sock, 1500));
    CHECK_EQ(option_of(pair.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 1500);
    CHECK_OK(ptk_tcp_set_user_timeout(pair.sock, 0));
    CHECK_EQ(option_of(pair.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    ptk_sock_t *stale = pair.sock;
    sock_pair_end(&pair);
    CHECK_ERR(ptk_tcp_set_keepalive(stale, true, NULL), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_tcp_set_user_timeout(stale, 1), PTK_ERR_CLOSED);
    return PTK_OK;
}

TEST(tcp_options_are_set_and_rounded_up) {
    sock_in_green(set_and_read);
}

static ptk_err refuse(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    const ptk_tcp_keepalive_options_t bad[] = {
        {.idle_ms = 32767001}, {.idle_ms = PTK_TIMEOUT_INFINITE}, {.interval_ms = 32767001}, {.count = 128},
        {.struct_size = 2},
    };
    CHECK_OK(ptk_tcp_set_keepalive(pair.sock, true, NULL));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_ERR(ptk_tcp_set_keepalive(pair.sock, true, &bad[i]), PTK_ERR_INVALID_PARAM);
        check_keepalive(pair.fd, 60, 10, 6);
    }
    CHECK_ERR(ptk_tcp_set_keepalive(pair.sock, false, &PTK_TCP_KEEPALIVE_OPTIONS(.count = 1)),
              PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_tcp_set_keepalive(NULL, true, NULL), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_tcp_set_user_timeout(NULL, 1), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_tcp_set_user_timeout(pair.sock, (uint32_t) INT32_MAX + 1), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_tcp_set_user_timeout(pair.sock, PTK_TIMEOUT_INFINITE), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(option_of(pair.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(tcp_options_out_of_range_change_nothing) {
    sock_in_green(refuse);
}

/* --- listeners --- */

/* Checks what a socket that `listener` accepts has, and closes all. */
static void check_inherited(ptk_sock_t *listener, int idle_s, int user_timeout_ms) {
    ptk_addr_t addr = {.length = sizeof addr.storage};
    CHECK(listener != NULL);
    CHECK_OK(ptk_sock_local_addr(listener, (struct sockaddr *) &addr.storage, &addr.length));
    int peer = peer_connect(&addr);
    ptk_sock_t *accepted = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
    CHECK(accepted != NULL);
    check_keepalive((int) ptk_sock_fd(accepted), idle_s, 10, 6);
    CHECK_EQ(option_of((int) ptk_sock_fd(accepted), IPPROTO_TCP, TCP_USER_TIMEOUT), user_timeout_ms);
    ptk_sock_close(accepted);
    ptk_sock_close(listener);
    CHECK_EQ(fd_close(peer), 0);
}

static ptk_err inherit(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(4, &addr);
    CHECK_OK(ptk_tcp_set_keepalive(listener, true, &PTK_TCP_KEEPALIVE_OPTIONS(.idle_ms = 7000)));
    CHECK_OK(ptk_tcp_set_user_timeout(listener, 9000));
    check_inherited(listener, 7, 9000);
    check_inherited(
        ptk_tcp_listen(NULL, "127.0.0.1:0", &PTK_TCP_LISTEN_OPTIONS(.flags = PTK_TCP_LISTEN_KEEPALIVE)), 60,
        0);
    return PTK_OK;
}

TEST(tcp_options_of_a_listener_are_inherited) {
    sock_in_green(inherit);
}

/* --- a peer that is gone --- */

/* Both directions report the error, and keep doing so. */
static void check_lost(ptk_sock_t *sock, ptk_err first) {
    char byte;
    size_t count;
    CHECK_ERR(first, PTK_ERR_PEER_TIMEOUT);
    CHECK_EQ(ptk_get_os_err(), ETIMEDOUT);
    CHECK_ERR(ptk_sock_recv_some(sock, &byte, 1, &count, SOCK_FOREVER), PTK_ERR_PEER_TIMEOUT);
    CHECK_ERR(ptk_sock_send(sock, "x", 1, SOCK_FOREVER), PTK_ERR_PEER_TIMEOUT);
}

static ptk_err idle_peer_vanishes(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[4];
    CHECK_OK(ptk_tcp_set_keepalive(
        pair.sock, true, &PTK_TCP_KEEPALIVE_OPTIONS(.idle_ms = 1000, .interval_ms = 1000, .count = 1)));
    CHECK_EQ(fd_fall_silent(pair.peer), 0);
    check_lost(pair.sock, ptk_sock_recv(pair.sock, got, sizeof got, SOCK_FOREVER));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(tcp_keepalive_ends_the_receive_of_a_peer_that_is_gone) {
    sock_in_green(idle_peer_vanishes);
}

static ptk_err receiving_peer_vanishes(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[4];
    CHECK_OK(ptk_tcp_set_user_timeout(pair.sock, 1));
    CHECK_EQ(fd_fall_silent(pair.peer), 0);
    CHECK_OK(ptk_sock_send(pair.sock, "lost", 4, SOCK_FOREVER));
    check_lost(pair.sock, ptk_sock_recv(pair.sock, got, sizeof got, SOCK_FOREVER));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(tcp_user_timeout_ends_what_a_peer_that_is_gone_does_not_acknowledge) {
    sock_in_green(receiving_peer_vanishes);
}
