/* SPDX-License-Identifier: MIT */
/*
 * Calls for which Linux has rules of its own: the kernel of a simulated host and Linux itself return the
 * same.
 */
#include "sim/kernel/ptk_sim_kernel.h"

#include "base/ptk_thread.h"

#include "descriptors.h"
#include "ptk_test.h"
#include "sim/kernel/ptk_sim_site.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <ptk_sim.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

static ptk_err live(void *arg) {
    void (**body)(void) = arg;
    (*body)();
    return PTK_OK;
}

static void on_a_host(void (*body)(void)) {
    ptk_sim_t *sim = ptk_sim_create(
        &(ptk_sim_options_t) {.struct_size = sizeof(ptk_sim_options_t), .flags = PTK_SIM_BENIGN});
    CHECK(sim != NULL && ptk_sim_host(sim, NULL, live, &body) != NULL);
    CHECK_EQ(ptk_sim_run_for(sim, 1000), PTK_SIM_END_QUIESCENT);
    ptk_sim_destroy(sim);
}

static void here_and_on_a_host(void (*body)(void)) {
    body();
    on_a_host(body);
}

/* --- descriptors --- */

static void run_out_of_numbers(void) {
    int first = fd_event();
    int second = fd_event();
    CHECK_EQ(second, first + 1);
    CHECK_EQ(fd_close(first), 0);
    uint64_t before = fd_limit((uint64_t) second);
    CHECK_EQ(fd_event(), first); /* there is one below the limit */
    CHECK(fd_event() == -1 && errno == EMFILE);
    (void) fd_limit(before);
    CHECK_EQ(fd_close(first), 0);
    CHECK_EQ(fd_close(second), 0);
}

TEST(the_descriptor_limit_bounds_the_numbers) {
    here_and_on_a_host(run_out_of_numbers);
}

static void duplicate(void) {
    uint64_t count = 0;
    int one = fd_event();
    int other = fd_event();
    CHECK_EQ(fd_event_add(one), 0);
    CHECK_EQ(fd_duplicate_to(one, other), other); /* what it was is closed */
    CHECK(fd_duplicate_to(one, one) == -1 && errno == EINVAL);
    CHECK_EQ(fd_duplicate_to(one, 100), 100);
    CHECK_EQ(fd_close(one), 0);
    CHECK_EQ(fd_event_take(other, &count), 0);
    CHECK(fd_event_take(100, &count) == -1 && errno == EAGAIN);
    CHECK(fd_duplicate_to(one, other) == -1 && errno == EBADF);
    CHECK(fd_duplicate_to(other, INT_MAX) == -1 && errno == EBADF);
    CHECK(fd_duplicate_to(other, -1) == -1 && errno == EBADF);
    CHECK_EQ(fd_close(other), 0);
    CHECK_EQ(fd_close(100), 0);
}

TEST(dup_to_uses_the_requested_number) {
    here_and_on_a_host(duplicate);
}

/* --- an epoll in a poll --- */

static bool is_readable(int fd) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    return fd_poll(&entry, 1, 0) == 1;
}

static void watch_an_epoll(void) {
    uint64_t count = 0;
    ptk_os_handle_t epoll = 0;
    int fd = fd_event();
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_EQ(ptk_sys()->epoll_create(&epoll), 0);
    CHECK_EQ(ptk_sys()->epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    CHECK(!is_readable((int) epoll));
    CHECK_EQ(fd_event_add(fd), 0);
    CHECK(is_readable((int) epoll));
    CHECK_EQ(fd_event_take(fd, &count), 0); /* the registration is marked, but nothing is ready any more */
    CHECK(!is_readable((int) epoll));
    CHECK_EQ(fd_close(fd), 0);
    CHECK_EQ(fd_close((int) epoll), 0);
}

TEST(an_epoll_is_readable_only_while_it_would_report_something) {
    here_and_on_a_host(watch_an_epoll);
}

/* Cuts each batch by one. */
static uint32_t choose_short_batches(ptk_choice_oracle_t *oracle, uint32_t site, uint32_t count) {
    (void) oracle;
    return site == PTK_SIM_SITE_BATCH && count > 1;
}

static void wait_with_one_that_is_ready_no_more(void) {
    uint64_t taken = 0;
    ptk_os_handle_t epoll = 0;
    int fds[2] = {fd_event(), fd_event()};
    ptk_choice_oracle_t oracle = {choose_short_batches};
    ptk_choice_oracle_t *before = ptk_thread()->oracle;
    CHECK_EQ(ptk_sys()->epoll_create(&epoll), 0);
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fds[i]};
        CHECK_EQ(ptk_sys()->epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event), 0);
        CHECK_EQ(fd_event_add(fds[i]), 0);
    }
    CHECK_EQ(fd_event_take(fds[0], &taken), 0);
    struct epoll_event event = {0};
    ptk_thread()->oracle = &oracle;
    CHECK_EQ(ptk_sys()->epoll_wait(epoll, &event, 1, -1), 1);
    ptk_thread()->oracle = before;
    CHECK_EQ(event.data.fd, fds[1]);
    CHECK_EQ(fd_close((int) epoll), 0);
    CHECK_EQ(fd_close(fds[0]), 0);
    CHECK_EQ(fd_close(fds[1]), 0);
}

TEST(a_batch_is_not_cut_to_nothing) {
    on_a_host(wait_with_one_that_is_ready_no_more);
}

/* --- connections --- */

static void connect_to_groups(void) {
    static const uint32_t group_addresses[] = {0xe0000001, 0xefffffff, 0xffffffff}; /* 224.0.0.1, and so on */
    int fd = fd_socket(AF_INET);
    for (size_t i = 0; i < sizeof group_addresses / sizeof group_addresses[0]; i++) {
        struct sockaddr_in addr = {
            .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(group_addresses[i])};
        CHECK(fd_connect(fd, (struct sockaddr *) &addr, sizeof addr) == -1 && errno == ENETUNREACH);
    }
    CHECK_EQ(fd_close(fd), 0);
    if (!test_is_simulated()) {
        return; /* there may be no IPv6 */
    }
    struct sockaddr_in6 group = {
        .sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr.s6_addr = {0xff, 2, [15] = 1}};
    fd = fd_socket(AF_INET6);
    CHECK(fd_connect(fd, (struct sockaddr *) &group, sizeof group) == -1 && errno == ENETUNREACH);
    CHECK_EQ(fd_close(fd), 0);
}

TEST(a_stream_cannot_connect_to_multicast_or_broadcast) {
    here_and_on_a_host(connect_to_groups);
}

static void count_bytes(void) {
    int fds[2];
    char got[4];
    CHECK_EQ(fd_socketpair(fds), 0);
    CHECK_EQ(ptk_sim_sys.send(fds[0], "12345", 5), 5); /* no packet has been delivered yet */
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    CHECK_EQ(ptk_sim_tcp_unacknowledged(ptk_sim_file_find(kernel, fds[0])->u.tcp), 5);
    CHECK_EQ(ptk_sim_tcp_unread(ptk_sim_file_find(kernel, fds[1])->u.tcp), 0);
    CHECK_EQ(fd_unread(fds[1]), 5);
    CHECK_EQ(fd_unacknowledged(fds[0]), 0);
    CHECK_EQ(fd_read(fds[1], got, sizeof got), 4);
    CHECK_EQ(fd_unread(fds[1]), 1);
    CHECK_EQ(fd_close(fds[0]), 0);
    CHECK_EQ(fd_close(fds[1]), 0);
}

TEST(bytes_in_flight_are_counted) {
    on_a_host(count_bytes);
}

/* --- signals --- */

static void set_signal_actions(void) {
    static const int wrong[] = {SIGKILL, SIGSTOP, 0, -1, 32, 33, 65, 1000};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    CHECK_EQ(ptk_sim_sys.signal_action(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(ptk_sim_sys.signal_action(64, &action, NULL), 0);
    CHECK_EQ(ptk_sim_sys.signal_action(SIGKILL, NULL, &action), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_EQ(ptk_sim_sys.signal_action(wrong[i], &action, NULL), -EINVAL);
    }
}

TEST(signals_that_cannot_be_caught_are_refused) {
    on_a_host(set_signal_actions);
}
