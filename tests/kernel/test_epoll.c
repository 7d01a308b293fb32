/* SPDX-License-Identifier: MIT */
/* The behaviour of epoll(7) and poll(2) that ptk relies on, tested without ptk. */
#include "ptk_test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int epoll_new(void) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll >= 0);
    return epoll;
}

static int control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(epoll, operation, fd, &event);
}

/* Returns the events of `token` that are reported now, 0 if none. */
static uint32_t reported(int epoll, uint64_t token) {
    struct epoll_event events[8];
    uint32_t found = 0;
    int count = epoll_wait(epoll, events, 8, 0);
    CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        found |= events[i].data.u64 == token ? events[i].events : 0;
    }
    return found;
}

static void pair_new(int pair[2]) {
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
}

static void put(int fd, size_t bytes) {
    char zeros[4096] = {0};
    CHECK(write(fd, zeros, bytes) == (ssize_t) bytes);
}

static ssize_t take(int fd, size_t bytes) {
    char buffer[4096];
    return read(fd, buffer, bytes);
}

static void close_all(const int *fds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(close(fds[i]), 0);
    }
}

TEST(epoll_edge_comes_again_only_with_new_data) {
    int epoll = epoll_new();
    int pair[2];
    pair_new(pair);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, pair[0], EPOLLIN | EPOLLET, 1), 0);
    put(pair[1], 100);
    CHECK((reported(epoll, 1) & EPOLLIN) != 0);
    CHECK_EQ(take(pair[0], 50), 50);
    CHECK_EQ(reported(epoll, 1), 0); /* P01: fifty bytes are left, and no event reports them */
    put(pair[1], 1);
    CHECK((reported(epoll, 1) & EPOLLIN) != 0);
    CHECK_EQ(take(pair[0], 4096), 51);
    CHECK_EQ(take(pair[0], 1), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(reported(epoll, 1), 0);
    put(pair[1], 1);
    CHECK((reported(epoll, 1) & EPOLLIN) != 0);
    close_all(pair, 2);
    close_all(&epoll, 1);
}

TEST(epoll_add_reports_readiness_that_is_there) {
    int epoll = epoll_new();
    int pair[2];
    pair_new(pair);
    put(pair[1], 1);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, pair[0], EPOLLIN | EPOLLOUT | EPOLLET, 1), 0);
    CHECK_EQ(reported(epoll, 1), EPOLLIN | EPOLLOUT);
    CHECK_EQ(reported(epoll, 1), 0);
    CHECK_EQ(control(epoll, EPOLL_CTL_MOD, pair[0], EPOLLIN | EPOLLOUT | EPOLLET, 2), 0);
    CHECK_EQ(reported(epoll, 2), EPOLLIN | EPOLLOUT); /* so does MOD */
    close_all(pair, 2);
    close_all(&epoll, 1);
}

TEST(epoll_one_shot_reports_once_until_modified) {
    int epoll = epoll_new();
    int pair[2];
    pair_new(pair);
    put(pair[1], 1);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, pair[0], EPOLLIN | EPOLLONESHOT, 1), 0);
    CHECK_EQ(reported(epoll, 1), EPOLLIN);
    put(pair[1], 1);
    CHECK_EQ(reported(epoll, 1), 0);
    CHECK_EQ(close(pair[1]), 0);
    CHECK_EQ(reported(epoll, 1), 0); /* a hang-up too */
    CHECK_EQ(control(epoll, EPOLL_CTL_MOD, pair[0], EPOLLIN | EPOLLONESHOT, 2), 0);
    CHECK((reported(epoll, 2) & (EPOLLIN | EPOLLHUP)) == (EPOLLIN | EPOLLHUP));
    close_all(pair, 1);
    close_all(&epoll, 1);
}

TEST(p04_epoll_duplicate_keeps_the_registration_alive) {
    int epoll = epoll_new();
    int pair[2];
    pair_new(pair);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, pair[0], EPOLLIN, 7), 0);
    int duplicate = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    CHECK_EQ(close(pair[0]), 0);
    put(pair[1], 1);
    CHECK_EQ(reported(epoll, 7), EPOLLIN); /* although its descriptor is closed */
    CHECK_EQ(control(epoll, EPOLL_CTL_DEL, pair[0], 0, 0), -1);
    CHECK_EQ(errno, EBADF); /* and it cannot be removed any more */
    CHECK_EQ(reported(epoll, 7), EPOLLIN);
    CHECK_EQ(close(duplicate), 0);
    CHECK_EQ(reported(epoll, 7), 0);
    CHECK_EQ(close(pair[1]), 0);
    close_all(&epoll, 1);
}

TEST(p60_epoll_number_that_was_reopened_is_not_registered) {
    int epoll = epoll_new();
    int first[2];
    int second[2];
    pair_new(first);
    pair_new(second);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, first[0], EPOLLIN, 1), 0);
    CHECK_EQ(dup3(second[0], first[0], O_CLOEXEC), first[0]);
    CHECK_EQ(control(epoll, EPOLL_CTL_MOD, first[0], EPOLLIN, 2), -1);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, first[0], EPOLLIN, 2), 0);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, first[0], EPOLLIN, 3), -1);
    CHECK_EQ(errno, EEXIST);
    put(second[1], 1);
    CHECK_EQ(reported(epoll, 2), EPOLLIN);
    close_all(first, 2);
    close_all(second, 2);
    close_all(&epoll, 1);
}

TEST(epoll_duplicate_is_a_registration_of_its_own) {
    int epoll = epoll_new();
    int pair[2];
    pair_new(pair);
    int duplicate = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, pair[0], EPOLLIN | EPOLLONESHOT, 1), 0);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, duplicate, EPOLLIN | EPOLLONESHOT, 2), 0);
    put(pair[1], 1);
    struct epoll_event events[4];
    CHECK_EQ(epoll_wait(epoll, events, 4, 0), 2);
    CHECK_EQ(events[0].data.u64 + events[1].data.u64, 3);
    close_all(pair, 2);
    close_all(&duplicate, 1);
    close_all(&epoll, 1);
}

TEST(epoll_does_not_take_regular_files) {
    int epoll = epoll_new();
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, file, EPOLLIN, 1), -1);
    CHECK_EQ(errno, EPERM);
    struct pollfd entry = {.fd = file, .events = POLLIN | POLLOUT};
    CHECK_EQ(poll(&entry, 1, 0), 1);
    CHECK_EQ(entry.revents, POLLIN | POLLOUT);
    close_all(&file, 1);
    close_all(&epoll, 1);
}

TEST(epoll_is_itself_readable_when_it_has_something) {
    int epoll = epoll_new();
    int pair[2];
    pair_new(pair);
    struct pollfd entry = {.fd = epoll, .events = POLLIN};
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, pair[0], EPOLLIN, 1), 0);
    CHECK_EQ(poll(&entry, 1, 0), 0);
    put(pair[1], 1);
    CHECK_EQ(poll(&entry, 1, 0), 1);
    CHECK_EQ(entry.revents, POLLIN);
    close_all(pair, 2);
    close_all(&epoll, 1);
}

/* --- hang-ups and errors -------------------------------------------------------------------------------- */

TEST(p08_hang_up_and_error_are_reported_without_request) {
    int epoll = epoll_new();
    int fds[2];
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, fds[0], 0, 1), 0);
    CHECK_EQ(close(fds[1]), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(reported(epoll, 1), EPOLLHUP); /* level-triggered: reported each time */
    }
    struct pollfd entry = {.fd = fds[0], .events = 0};
    CHECK_EQ(poll(&entry, 1, 0), 1);
    CHECK_EQ(entry.revents, POLLHUP);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, fds[1], 0, 2), 0);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(reported(epoll, 2), EPOLLERR);
    CHECK_EQ(close(fds[1]), 0);
    close_all(&epoll, 1);
}

TEST(p12_unconnected_tcp_socket_polls_out_and_hup) {
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = -1;
    socklen_t length = sizeof error;
    struct pollfd entry = {.fd = sock, .events = POLLIN | POLLOUT};
    CHECK_EQ(poll(&entry, 1, 0), 1);
    CHECK_EQ(entry.revents, POLLOUT | POLLHUP);
    CHECK_EQ(getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    CHECK_EQ(error, 0); /* so neither writability nor SO_ERROR proves a connection; a peer's name does */
    struct sockaddr_in peer;
    length = sizeof peer;
    CHECK_EQ(getpeername(sock, (struct sockaddr *) &peer, &length), -1);
    CHECK_EQ(errno, ENOTCONN);
    close_all(&sock, 1);
}

TEST(p09_half_close_is_rdhup_and_readable_and_no_hup) {
    int epoll = epoll_new();
    int pair[2];
    pair_new(pair);
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, pair[0], EPOLLIN | EPOLLRDHUP, 1), 0);
    put(pair[1], 3);
    CHECK_EQ(shutdown(pair[1], SHUT_WR), 0);
    CHECK_EQ(reported(epoll, 1), EPOLLIN | EPOLLRDHUP);
    CHECK_EQ(take(pair[0], 10), 3); /* earlier bytes are still queued */
    CHECK_EQ(take(pair[0], 10), 0);
    CHECK_EQ(reported(epoll, 1), EPOLLIN | EPOLLRDHUP);
    put(pair[0], 1); /* the other direction is open */
    close_all(pair, 2);
    close_all(&epoll, 1);
}

TEST(poll_reports_nval_for_a_closed_descriptor) {
    int pair[2];
    pair_new(pair);
    close_all(pair, 2);
    struct pollfd entry = {.fd = pair[0], .events = POLLIN};
    CHECK_EQ(poll(&entry, 1, -1), 1);
    CHECK_EQ(entry.revents, POLLNVAL);
}

/* --- time ----------------------------------------------------------------------------------------------- */

static int64_t now_ns(void) {
    struct timespec now;
    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

TEST(epoll_pwait2_is_never_early) {
#ifdef SYS_epoll_pwait2
    int epoll = epoll_new();
    static const long durations_ns[] = {1, 1000, 50 * 1000, 999 * 1000, 3000 * 1000};
    for (size_t i = 0; i < sizeof durations_ns / sizeof durations_ns[0]; i++) {
        const struct timespec timeout = {.tv_nsec = durations_ns[i]};
        struct epoll_event event;
        int64_t start = now_ns();
        long got = syscall(SYS_epoll_pwait2, epoll, &event, 1, &timeout, NULL, 0);
        if (got < 0 && errno == ENOSYS) {
            SKIP("no epoll_pwait2");
        }
        CHECK_EQ(got, 0);
        CHECK(now_ns() - start >= durations_ns[i]);
    }
    close_all(&epoll, 1);
#else
    SKIP("no epoll_pwait2");
#endif
}

TEST(ppoll_is_never_early) {
    for (long duration_ns = 1; duration_ns < 4000 * 1000; duration_ns *= 11) {
        const struct timespec timeout = {.tv_nsec = duration_ns};
        int64_t start = now_ns();
        CHECK_EQ(ppoll(NULL, 0, &timeout, NULL), 0);
        CHECK(now_ns() - start >= duration_ns);
    }
}

/* --- eventfd -------------------------------------------------------------------------------------------- */

TEST(eventfd_counts_and_reports_each_write_as_an_edge) {
    int epoll = epoll_new();
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    eventfd_t value = 0;
    CHECK_EQ(control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 1), 0);
    CHECK_EQ(eventfd_write(fd, 2), 0);
    CHECK_EQ(reported(epoll, 1), EPOLLIN);
    CHECK_EQ(reported(epoll, 1), 0);
    CHECK_EQ(eventfd_write(fd, 3), 0); /* not read since, and an edge nevertheless */
    CHECK_EQ(reported(epoll, 1), EPOLLIN);
    CHECK_EQ(eventfd_read(fd, &value), 0);
    CHECK_EQ(value, 5);
    CHECK_EQ(eventfd_read(fd, &value), -1);
    CHECK_EQ(errno, EAGAIN);
    close_all(&fd, 1);
    close_all(&epoll, 1);
}

TEST(eventfd_that_is_full_refuses_and_stays_readable) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct pollfd entry = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK_EQ(eventfd_write(fd, UINT64_MAX - 1), 0);
    CHECK_EQ(eventfd_write(fd, 1), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(poll(&entry, 1, 0), 1);
    CHECK_EQ(entry.revents, POLLIN);
    close_all(&fd, 1);
}
