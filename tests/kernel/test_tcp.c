/* SPDX-License-Identifier: MIT */
/* The behaviour of the kernel's TCP that ptk relies on, tested without ptk: over loopback, with blocking
 * calls where these wait for an event. */
#include "ptk_test.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connected pair over loopback, both ends blocking. */
static void tcp_pair(int pair[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(listener >= 0);
    CHECK_EQ(bind(listener, (struct sockaddr *) &address, sizeof address), 0);
    CHECK_EQ(listen(listener, 1), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *) &address, &length), 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(pair[0], (struct sockaddr *) &address, sizeof address), 0);
    pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(pair[1] >= 0);
    CHECK_EQ(close(listener), 0);
}

static void close_pair(const int pair[2]) {
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(close(pair[1]), 0);
}

static void set_flag(int fd, int level, int option, int value) {
    CHECK_EQ(setsockopt(fd, level, option, &value, sizeof value), 0);
}

/* Waits until `bytes` have arrived. */
static void await_bytes(int fd, size_t bytes) {
    char buffer[64];
    CHECK(recv(fd, buffer, bytes, MSG_PEEK | MSG_WAITALL) == (ssize_t) bytes);
}

static short await_events(int fd, short events) {
    struct pollfd entry = {.fd = fd, .events = events};
    CHECK_EQ(poll(&entry, 1, -1), 1);
    return entry.revents;
}

/* With SO_OOBINLINE a receive stops before the urgent byte although more is queued, so a short receive
 * does not mean drained. */
TEST(p59_receive_stops_short_at_the_urgent_mark) {
    int pair[2];
    char buffer[64];
    tcp_pair(pair);
    set_flag(pair[0], IPPROTO_TCP, TCP_NODELAY, 1);
    set_flag(pair[1], SOL_SOCKET, SO_OOBINLINE, 1);
    CHECK_EQ(send(pair[0], "abc", 3, 0), 3);
    CHECK_EQ(send(pair[0], "U", 1, MSG_OOB), 1);
    CHECK_EQ(send(pair[0], "xyz", 3, 0), 3);
    CHECK((await_events(pair[1], POLLPRI) & POLLPRI) != 0);
    await_bytes(pair[1], 3);
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, 0), 3); /* of 64 requested */
    CHECK(memcmp(buffer, "abc", 3) == 0);
    await_bytes(pair[1], 4);
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, 0), 4);
    CHECK(memcmp(buffer, "Uxyz", 4) == 0);
    close_pair(pair);
}

TEST(urgent_byte_is_taken_out_of_the_stream_without_oobinline) {
    int pair[2];
    char buffer[64];
    tcp_pair(pair);
    CHECK_EQ(send(pair[0], "abcU", 4, MSG_OOB), 4);
    CHECK_EQ(shutdown(pair[0], SHUT_WR), 0);
    CHECK((await_events(pair[1], POLLPRI) & POLLPRI) != 0);
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, MSG_WAITALL), 3);
    CHECK_EQ(recv(pair[1], buffer, 1, MSG_OOB), 1);
    CHECK_EQ(buffer[0], 'U');
    close_pair(pair);
}

static void reset_by_linger(int fd) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    CHECK_EQ(close(fd), 0);
}

TEST(linger_zero_close_sends_a_reset) {
    int pair[2];
    char buffer[8];
    tcp_pair(pair);
    reset_by_linger(pair[0]);
    CHECK((await_events(pair[1], 0) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, 0), -1);
    CHECK_EQ(errno, ECONNRESET);
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, 0), 0); /* the error is reported once */
    CHECK_EQ(close(pair[1]), 0);
}

TEST(p09_reset_leaves_what_had_arrived_readable) {
    int pair[2];
    char buffer[8];
    tcp_pair(pair);
    CHECK_EQ(send(pair[0], "kept", 4, 0), 4);
    await_bytes(pair[1], 4);
    reset_by_linger(pair[0]);
    CHECK((await_events(pair[1], POLLIN) & POLLERR) != 0);
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, 0), 4);
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, 0), -1);
    CHECK_EQ(errno, ECONNRESET);
    CHECK_EQ(close(pair[1]), 0);
}

TEST(close_with_unread_data_sends_a_reset) {
    int pair[2];
    char buffer[8];
    tcp_pair(pair);
    CHECK_EQ(send(pair[1], "unread", 6, 0), 6);
    await_bytes(pair[0], 6);
    CHECK_EQ(close(pair[0]), 0);
    CHECK((await_events(pair[1], 0) & POLLERR) != 0);
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, 0), -1);
    CHECK_EQ(errno, ECONNRESET);
    CHECK_EQ(close(pair[1]), 0);
}

TEST(ordinary_close_delivers_what_was_sent) {
    int pair[2];
    char buffer[8];
    tcp_pair(pair);
    CHECK_EQ(send(pair[0], "kept", 4, 0), 4);
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(recv(pair[1], buffer, 4, MSG_WAITALL), 4);
    CHECK_EQ(recv(pair[1], buffer, 4, 0), 0);
    CHECK_EQ(close(pair[1]), 0);
}

TEST(p13_refused_connect_polls_error_and_hup) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
                        0); /* bound and not listening: no other socket gets the port */
    CHECK_EQ(bind(holder, (struct sockaddr *) &address, sizeof address), 0);
    CHECK_EQ(getsockname(holder, (struct sockaddr *) &address, &length), 0);
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int result = connect(sock, (struct sockaddr *) &address, sizeof address);
    CHECK(result == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
    if (errno == EINPROGRESS) {
        int error = 0;
        length = sizeof error;
        CHECK((await_events(sock, POLLOUT) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
        CHECK_EQ(getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &length), 0);
        CHECK_EQ(error, ECONNREFUSED);
    }
    CHECK_EQ(close(sock), 0);
    CHECK_EQ(close(holder), 0);
}
