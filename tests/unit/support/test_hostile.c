/* SPDX-License-Identifier: MIT */
/* The hostile kernel does change results, loses no byte, and reports again what a cut receive has left. */
#include "ptk_test_hostile.h"

#include "base/ptk_thread.h"
#include "ptk_test.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES 5000

static void begin(void) {
    CHECK_EQ(setenv("PTK_TEST_HOSTILE", "7", 1), 0);
    CHECK(ptk_test_is_hostile());
    ptk_test_hostile_install();
    ptk_test_hostile_install(); /* there already */
    CHECK(ptk_sys()->recv != ptk_sys_real.recv);
}

static void end(void) {
    CHECK(ptk_test_hostile_bends() > 0);
    ptk_intercept_end();
}

/* Polls until the kernel reports `handle`; interrupted and empty polls are repeated. */
static void await_report(ptk_os_handle_t epoll, int handle) {
    struct epoll_event event = {.events = 0};
    int count = 0;
    while (count <= 0 || event.data.fd != handle) {
        count = ptk_sys()->epoll_wait(epoll, &event, 1, INT64_C(10000000000));
        CHECK(count >= 0 || count == -EINTR);
    }
}

TEST(bytes_that_a_shortened_receive_leaves_are_reported_again) {
    begin();
    int fds[2];
    ptk_os_handle_t epoll = PTK_OS_HANDLE_NONE;
    static char bytes[BYTES];
    size_t total = 0;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CHECK_EQ(ptk_sys()->epoll_create(&epoll), 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fds[0]};
    CHECK_EQ(ptk_sys()->epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event), 0);
    CHECK_EQ(write(fds[1], bytes, BYTES), BYTES);
    while (total < BYTES) {
        await_report(epoll, fds[0]);
        intptr_t got = -EINTR;
        while (got == -EINTR) {
            got = ptk_sys()->recv(fds[0], bytes, BYTES);
        }
        CHECK(got > 0 || got == -EAGAIN); /* a report that was made up */
        total += got > 0 ? (size_t) got : 0;
    }
    CHECK_EQ(total, BYTES);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(fds[1]), 0);
    CHECK_EQ(close((int) epoll), 0);
    end();
}

TEST(hostile_sends_accept_fewer_bytes_and_are_interrupted) {
    begin();
    int fds[2];
    char bytes[100] = {0};
    size_t cut = 0;
    size_t interrupted = 0;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    for (int i = 0; i < 200; i++) {
        intptr_t put = ptk_sys()->send(fds[0], bytes, sizeof bytes);
        CHECK(put > 0 || put == -EINTR);
        cut += put > 0 && (size_t) put < sizeof bytes;
        interrupted += put == -EINTR;
    }
    CHECK(cut > 0 && interrupted > 0 && cut + interrupted < 200);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(fds[1]), 0);
    end();
}
