/* SPDX-License-Identifier: MIT */
/* Connecting: success, every failure, and no success too early. */
#include "test_sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

static ptk_sock_t *open_sock(void) {
    ptk_sock_t *sock = ptk_sock_open(NULL, sock_family, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    return sock;
}

static ptk_err connect_to(ptk_sock_t *sock, const ptk_addr_t *addr, uint32_t timeout_ms) {
    return ptk_sock_connect(sock, ptk_addr_sockaddr(addr), addr->length, timeout_ms);
}

/* --- success --- */

static ptk_err connect_and_echo(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    int listener = peer_listener(5, &addr);
    ptk_sock_t *sock = open_sock();
    char got[4];
    CHECK_OK(connect_to(sock, &addr, 5000));
    int peer = peer_accept(listener);
    CHECK_OK(ptk_sock_send(sock, "ping", 4, SOCK_FOREVER));
    peer_read(peer, got, 4);
    CHECK_EQ(fd_send(peer, got, 4), 4);
    CHECK_OK(ptk_sock_recv(sock, got, 4, SOCK_FOREVER));
    CHECK(memcmp(got, "ping", 4) == 0);
    CHECK_ERR(connect_to(sock, &addr, SOCK_FOREVER), PTK_ERR_ALREADY_CONNECTED);
    CHECK_ERR(connect_to(sock, &addr, 0), PTK_ERR_ALREADY_CONNECTED);
    CHECK_OK(ptk_sock_send(sock, "pong", 4, SOCK_FOREVER));
    ptk_sock_close(sock);
    CHECK_EQ(fd_close(peer), 0);
    CHECK_EQ(fd_close(listener), 0);
    return PTK_OK;
}

TEST(connect_echo_then_connect_again_is_connected) {
    sock_in_green(connect_and_echo);
}

TEST(connect_echo_then_connect_again_is_connected_ipv6) {
    sock_use_ipv6();
    sock_in_green(connect_and_echo);
}

/* An accepted socket is connected, too; and a socket may be bound before it connects. */
static ptk_err connected_otherwise(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    int listener = peer_listener(5, &addr);
    sock_pair_t pair = sock_pair();
    CHECK_ERR(connect_to(pair.sock, &addr, SOCK_FOREVER), PTK_ERR_ALREADY_CONNECTED);
    sock_pair_end(&pair);
    ptk_sock_t *sock = open_sock();
    ptk_addr_t own = sock_loopback();
    CHECK_OK(ptk_sock_bind(sock, ptk_addr_sockaddr(&own), own.length));
    own.length = sizeof own.storage;
    CHECK_OK(ptk_sock_local_addr(sock, (struct sockaddr *) &own.storage, &own.length));
    CHECK_OK(connect_to(sock, &addr, SOCK_FOREVER));
    int peer = peer_accept(listener);
    ptk_addr_t seen = {.length = sizeof seen.storage};
    CHECK_EQ(fd_peer_name(peer, (struct sockaddr *) &seen.storage, &seen.length), 0);
    CHECK(sock_same_addr(&seen, &own));
    ptk_sock_close(sock);
    CHECK_EQ(fd_close(peer), 0);
    CHECK_EQ(fd_close(listener), 0);
    return PTK_OK;
}

TEST(connect_from_an_address_of_ones_own) {
    sock_in_green(connected_otherwise);
}

/* --- timeout 0 --- */

TEST(connect_with_timeout_0_starts_and_goes_on_outside_green_threads) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_addr_t addr;
    int listener = peer_listener(5, &addr);
    ptk_sock_t *sock = open_sock();
    int fd = sock_world.last_fd;
    ptk_err err = connect_to(sock, &addr, 0);
    while (err == PTK_ERR_TIMEOUT) {
        peer_await(fd, POLLOUT);
        CHECK_OK(ptk_waitable_wait(ptk_sock_waitable(sock, PTK_EVENT_WRITE), PTK_EVENT_WRITE, 0));
        err = connect_to(sock, &addr, 0);
    }
    CHECK_OK(err);
    CHECK_ERR(connect_to(sock, &addr, 0), PTK_ERR_ALREADY_CONNECTED);
    CHECK_OK(ptk_sock_send(sock, "x", 1, 0));
    ptk_sock_close(sock);
    CHECK_EQ(fd_close(listener), 0);
    test_loop_end(loop);
}

static ptk_err zero_then_wait(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    int listener = peer_listener(5, &addr);
    for (int again_with_wait = 0; again_with_wait < 2; again_with_wait++) {
        ptk_sock_t *sock = open_sock();
        ptk_err err = connect_to(sock, &addr, 0);
        CHECK(err == PTK_OK || err == PTK_ERR_TIMEOUT);
        if (err && again_with_wait) {
            ptk_waitable_t *waitable = ptk_sock_waitable(sock, PTK_EVENT_WRITE);
            CHECK_OK(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, SOCK_FOREVER));
        }
        if (err) {
            CHECK_OK(connect_to(sock, &addr, SOCK_FOREVER));
        }
        CHECK_OK(ptk_sock_send(sock, "x", 1, SOCK_FOREVER));
        ptk_sock_close(sock);
    }
    CHECK_EQ(fd_close(listener), 0);
    return PTK_OK;
}

TEST(connect_with_timeout_0_then_a_wait_then_again) {
    sock_in_green(zero_then_wait);
}

/* A full listener accepts no handshake: an attempt that was started stays in progress. */
static ptk_err zero_to_nobody(void *unused) {
    (void) unused;
    peer_full_t full = peer_full_begin();
    ptk_sock_t *sock = open_sock();
    for (int i = 0; i < 3; i++) {
        char byte = 0;
        CHECK_ERR(connect_to(sock, &full.addr, 0), PTK_ERR_TIMEOUT);
        CHECK_ERR(ptk_sock_send(sock, "x", 1, 0), PTK_ERR_NOT_CONNECTED);
        CHECK_ERR(ptk_sock_recv(sock, &byte, 1, SOCK_FOREVER), PTK_ERR_NOT_CONNECTED);
        sock_settle();
        ptk_waitable_t *waitable = ptk_sock_waitable(sock, PTK_EVENT_WRITE);
        CHECK_ERR(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 0), PTK_ERR_TIMEOUT);
        CHECK_ERR(ptk_waitable_wait(waitable, PTK_EVENT_WRITE, 5), PTK_ERR_TIMEOUT);
    }
    CHECK_ERR(connect_to(sock, &full.addr, 10), PTK_ERR_TIMEOUT);
    ptk_sock_close(sock);
    peer_full_end(&full);
    return PTK_OK;
}

TEST(p12_connect_with_timeout_0_to_a_full_listener_is_never_writable, TRUSTS_READINESS) {
    sock_in_green(zero_to_nobody);
}

/* --- refused, unreachable --- */

static ptk_err refused(void *unused) {
    (void) unused;
    int fd = peer_open();
    ptk_addr_t addr = sock_loopback();
    CHECK_EQ(fd_bind(fd, ptk_addr_sockaddr(&addr), addr.length), 0);
    addr = peer_local_addr(fd);
    ptk_sock_t *sock = open_sock();
    CHECK_ERR(connect_to(sock, &addr, SOCK_FOREVER), PTK_ERR_REFUSED);
    CHECK_EQ(ptk_get_os_err(), ECONNREFUSED);
    ptk_sock_close(sock);
    sock = open_sock();
    ptk_err err = connect_to(sock, &addr, 0);
    while (err == PTK_ERR_TIMEOUT) {
        sock_settle();
        err = connect_to(sock, &addr, 0);
    }
    CHECK_ERR(err, PTK_ERR_REFUSED);
    ptk_sock_close(sock);
    CHECK_EQ(fd_close(fd), 0);
    return PTK_OK;
}

TEST(p13_connect_refused) {
    sock_in_green(refused);
}

TEST(p13_connect_refused_ipv6) {
    sock_use_ipv6();
    sock_in_green(refused);
}

/* A socket that is bound to its target connects to itself: TCP opens simultaneously. The port is free for a
   listener once the socket is closed. */
static ptk_err to_itself(void *unused) {
    (void) unused;
    for (uint32_t timeout_ms = 0; timeout_ms <= 1000; timeout_ms += 1000) {
        ptk_sock_t *sock = open_sock();
        ptk_addr_t addr = sock_loopback();
        CHECK_OK(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length));
        addr.length = sizeof addr.storage;
        CHECK_OK(ptk_sock_local_addr(sock, (struct sockaddr *) &addr.storage, &addr.length));
        ptk_err err = connect_to(sock, &addr, timeout_ms);
        while (err == PTK_ERR_TIMEOUT) {
            sock_settle();
            err = connect_to(sock, &addr, timeout_ms);
        }
        CHECK_ERR(err, PTK_ERR_REFUSED);
        CHECK_EQ(ptk_get_os_err(), ECONNREFUSED);
        CHECK_ERR(ptk_sock_send(sock, "x", 1, SOCK_FOREVER), PTK_ERR_NOT_CONNECTED);
        CHECK_ERR(connect_to(sock, &addr, SOCK_FOREVER), PTK_ERR_CONNECT_FAILED);
        ptk_sock_close(sock);
        sock = open_sock();
        CHECK_OK(ptk_sock_set_reuse(sock, false));
        CHECK_OK(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length));
        CHECK_OK(ptk_sock_listen(sock, 1));
        ptk_sock_close(sock);
    }
    return PTK_OK;
}

TEST(p83_connect_to_itself_is_refused) {
    sock_in_green(to_itself);
}

TEST(p83_connect_to_itself_is_refused_ipv6) {
    sock_use_ipv6();
    sock_in_green(to_itself);
}

/* A client that connects again on the same socket gets the code of a socket that is used up. */
static ptk_err again_on_the_same_socket(void *unused) {
    (void) unused;
    int fd = peer_open();
    ptk_addr_t addr = sock_loopback();
    CHECK_EQ(fd_bind(fd, ptk_addr_sockaddr(&addr), addr.length), 0);
    addr = peer_local_addr(fd);
    ptk_sock_t *sock = open_sock();
    CHECK_ERR(connect_to(sock, &addr, SOCK_FOREVER), PTK_ERR_REFUSED);
    CHECK_EQ(fd_listen(fd, 1), 0);
    CHECK_ERR(connect_to(sock, &addr, SOCK_FOREVER), PTK_ERR_CONNECT_FAILED);
    CHECK_ERR(connect_to(sock, &addr, 0), PTK_ERR_CONNECT_FAILED);
    CHECK_ERR(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length), PTK_ERR_CONNECT_FAILED);
    CHECK_ERR(ptk_sock_listen(sock, 1), PTK_ERR_CONNECT_FAILED);
    ptk_sock_close(sock);
    CHECK_EQ(fd_close(fd), 0);
    return PTK_OK;
}

TEST(connect_again_after_refused_is_connect_failed) {
    sock_in_green(again_on_the_same_socket);
}

/* The poller reports the refused connection by ERR and HUP only, by OUT only, and so on. */
static ptk_err refused_with_few_events(void *unused) {
    (void) unused;
    static const uint32_t shown[] = {EPOLLERR | EPOLLHUP, EPOLLERR, EPOLLHUP, EPOLLOUT, EPOLLOUT | EPOLLERR};
    int fd = peer_open();
    ptk_addr_t addr = sock_loopback();
    CHECK_EQ(fd_bind(fd, ptk_addr_sockaddr(&addr), addr.length), 0);
    addr = peer_local_addr(fd);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        ptk_sock_t *sock = open_sock();
        sock_world.masked_fd = sock_world.last_fd;
        sock_world.masked_events = ~shown[i];
        CHECK_ERR(connect_to(sock, &addr, SOCK_FOREVER), PTK_ERR_REFUSED);
        sock_world.masked_fd = -1;
        ptk_sock_close(sock);
    }
    CHECK_EQ(fd_close(fd), 0);
    return PTK_OK;
}

TEST(p13_connect_ends_by_any_of_writable_error_and_hangup) {
    sock_in_green(refused_with_few_events);
}

static ptk_err unreachable(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse("224.0.0.1:9", &addr)); /* the kernel has no route for a stream to a group */
    ptk_sock_t *sock = open_sock();
    CHECK_ERR(connect_to(sock, &addr, SOCK_FOREVER), PTK_ERR_UNREACHABLE);
    ptk_sock_close(sock);
    return PTK_OK;
}

TEST(p13_connect_unreachable) {
    sock_in_green(unreachable);
}

/* Each errno at once, and as the result of a handshake. */
typedef struct failure {
    int os_err;
    ptk_err err;
} failure_t;

static const failure_t failures[] = {
    {ECONNREFUSED, PTK_ERR_REFUSED},     {ENETUNREACH, PTK_ERR_UNREACHABLE},
    {EHOSTUNREACH, PTK_ERR_UNREACHABLE}, {ETIMEDOUT, PTK_ERR_PEER_TIMEOUT},
    {ECONNRESET, PTK_ERR_RESET},         {EADDRNOTAVAIL, PTK_ERR_ADDRESS_NOT_AVAILABLE},
    {EACCES, PTK_ERR_PERMISSION},        {EPERM, PTK_ERR_PERMISSION},
    {ENOBUFS, PTK_ERR_NO_RESOURCES},
};

static int connect_errno;

static int fail_connect(ptk_sys_member_t call, int fd) {
    (void) fd;
    return call == PTK_SYS_connect ? -connect_errno : 0;
}

static int64_t outcome_of_handshake(ptk_sys_call_t *call) {
    int64_t err = ptk_sys_call_below(call);
    if (err == 0 && call->get_option.level == SOL_SOCKET && call->get_option.name == SO_ERROR) {
        memcpy(call->get_option.value, &connect_errno, sizeof connect_errno);
    }
    return err;
}

static ptk_err every_failure(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    int listener = peer_listener(50, &addr);
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        connect_errno = failures[i].os_err;
        ptk_sock_t *sock = open_sock();
        sock_world.before = fail_connect;
        CHECK_ERR(connect_to(sock, &addr, SOCK_FOREVER), failures[i].err);
        CHECK_EQ(ptk_get_os_err(), failures[i].os_err);
        sock_world.before = NULL;
        ptk_sock_close(sock);
        sock = open_sock();
        sock_world_hook(PTK_SYS_get_option, outcome_of_handshake);
        CHECK_ERR(connect_to(sock, &addr, SOCK_FOREVER), failures[i].err);
        CHECK_EQ(ptk_get_os_err(), failures[i].os_err);
        sock_world_hook(PTK_SYS_get_option, NULL);
        ptk_sock_close(sock);
    }
    CHECK_EQ(fd_close(listener), 0);
    return PTK_OK;
}

TEST(p13_connect_reports_every_failure_at_once_and_late, COUNTS_CALLS) {
    sock_in_green(every_failure);
}

/* --- no response ------ */

static void check_only_close_is_useful(ptk_sock_t *sock, const ptk_addr_t *addr) {
    char byte = 0;
    size_t count = 0;
    CHECK(connect_to(sock, addr, SOCK_FOREVER) != PTK_OK);
    CHECK(ptk_sock_send(sock, "x", 1, SOCK_FOREVER) != PTK_OK);
    CHECK(ptk_sock_send_some(sock, "x", 1, &count, 0) != PTK_OK);
    CHECK(ptk_sock_recv(sock, &byte, 1, SOCK_FOREVER) != PTK_OK);
    CHECK(ptk_sock_recv_some(sock, &byte, 1, &count, 0) != PTK_OK);
    ptk_sock_close(sock);
    CHECK_ERR(connect_to(sock, addr, 0), PTK_ERR_CLOSED);
}

static ptk_err nobody_answers(void *unused) {
    (void) unused;
    peer_full_t full = peer_full_begin();
    for (uint32_t timeout_ms = 1; timeout_ms <= 100; timeout_ms *= 10) {
        ptk_sock_t *sock = open_sock();
        sock_settle(); /* by now the kernel has reported what it reports for an unconnected socket */
        uint64_t start = ptk_now_ns();
        CHECK_ERR(connect_to(sock, &full.addr, timeout_ms), PTK_ERR_TIMEOUT);
        CHECK(ptk_now_ns() - start >= timeout_ms * PTK_NS_PER_MS);
        check_only_close_is_useful(sock, &full.addr);
    }
    peer_full_end(&full);
    return PTK_OK;
}

TEST(p12_connect_to_a_full_backlog_times_out) {
    sock_in_green(nobody_answers);
}

TEST(p12_connect_to_a_full_backlog_times_out_ipv6) {
    sock_use_ipv6();
    sock_in_green(nobody_answers);
}

/* The poller reports "writable" although the peer has not responded yet. */
static ptk_err early_writable(void *unused) {
    (void) unused;
    static const uint32_t events[] = {EPOLLOUT, EPOLLOUT | EPOLLHUP, EPOLLIN | EPOLLOUT, EPOLLHUP};
    peer_full_t full = peer_full_begin();
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        sock_task_t task = {.verb = SOCK_CONNECT, .sock = open_sock(), .addr = &full.addr, .timeout_ms = 50};
        sock_world.fake_fd = sock_world.last_fd;
        sock_task_start(&task);
        sock_settle();
        sock_world.fake_events = events[i];
        sock_world.fakes = 3;
        sock_settle();
        CHECK(!task.ended);
        CHECK_ERR(sock_task_join(&task), PTK_ERR_TIMEOUT);
        CHECK_EQ(sock_world.fakes, 0);
        ptk_sock_close(task.sock);
    }
    peer_full_end(&full);
    return PTK_OK;
}

TEST(p12_connect_ignores_an_early_writable, HOOKS_POLLER) {
    sock_in_green(early_writable);
}

/* The listener gets room, and the kernel repeats the handshake a second later: the attempt succeeds. */
static ptk_err answered_late(void *unused) {
    (void) unused;
    peer_full_t full = peer_full_begin();
    sock_task_t task = {
        .verb = SOCK_CONNECT, .sock = open_sock(), .addr = &full.addr, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    CHECK(!task.ended);
    full.client_count--; /* the last client is in no backlog: it must not take the place that becomes free now
                          */
    CHECK_EQ(fd_close(full.clients[full.client_count]), 0);
    for (int i = 0; i < full.client_count; i++) {
        CHECK_EQ(fd_close(peer_accept(full.listener)), 0);
    }
    CHECK_OK(sock_task_join(&task));
    CHECK_OK(ptk_sock_send(task.sock, "x", 1, SOCK_FOREVER));
    ptk_sock_close(task.sock);
    peer_full_end(&full);
    return PTK_OK;
}

TEST(p12_connect_that_is_answered_late_succeeds) {
    sock_in_green(answered_late);
}

/* --- one at a time, cancel --- */

static ptk_err two_connects(void *unused) {
    (void) unused;
    peer_full_t full = peer_full_begin();
    sock_task_t task = {
        .verb = SOCK_CONNECT, .sock = open_sock(), .addr = &full.addr, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    CHECK_ERR(connect_to(task.sock, &full.addr, SOCK_FOREVER), PTK_ERR_BUSY);
    CHECK_ERR(connect_to(task.sock, &full.addr, 0), PTK_ERR_BUSY);
    CHECK(!task.ended);
    CHECK_OK(ptk_green_cancel(task.green));
    CHECK_ERR(sock_task_join(&task), PTK_ERR_CANCELED);
    check_only_close_is_useful(task.sock, &full.addr);
    peer_full_end(&full);
    return PTK_OK;
}

TEST(connect_beside_another_is_busy_and_a_cancelled_one_leaves_a_socket_to_close) {
    sock_in_green(two_connects);
}

static ptk_err cancelled_connect(void *arg) {
    ptk_addr_t *addr = arg;
    ptk_sock_t *sock = open_sock();
    CHECK_ERR(connect_to(sock, addr, 1000), PTK_ERR_CANCELED);
    ptk_sock_close(sock);
    return PTK_OK;
}

static ptk_err cancel_at_entry(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    int listener = peer_listener(5, &addr);
    uint64_t connects = sock_world.calls[PTK_SYS_connect];
    ptk_green_t *green = test_spawn(cancelled_connect, &addr);
    CHECK_OK(ptk_green_cancel(green));
    CHECK_OK(test_join(green));
    CHECK_EQ(sock_world.calls[PTK_SYS_connect], connects);
    CHECK_EQ(fd_close(listener), 0);
    return PTK_OK;
}

TEST(p46_connect_that_is_cancelled_at_entry_starts_nothing) {
    sock_in_green(cancel_at_entry);
}

/* --- EINTR: the attempt may continue in the kernel --- */

static int interrupted_connects;

static int64_t interrupted_connect(ptk_sys_call_t *call) {
    interrupted_connects++;
    if (interrupted_connects % 3 == 1) {
        return -EINTR;
    }
    int64_t err = ptk_sys_call_below(call);
    return interrupted_connects % 3 == 2 ? -EINTR : err;
}

static ptk_err interrupted(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    int listener = peer_listener(20, &addr);
    sock_world_hook(PTK_SYS_connect, interrupted_connect);
    for (int i = 0; i < 6; i++) {
        interrupted_connects = i % 3;
        ptk_sock_t *sock = open_sock();
        CHECK_OK(connect_to(sock, &addr, SOCK_FOREVER));
        CHECK_OK(ptk_sock_send(sock, "x", 1, SOCK_FOREVER));
        CHECK_EQ(fd_close(peer_accept(listener)), 0);
        ptk_sock_close(sock);
    }
    CHECK_EQ(fd_close(listener), 0);
    return PTK_OK;
}

TEST(p11_connect_interrupted_before_and_after_it_began) {
    sock_in_green(interrupted);
}
