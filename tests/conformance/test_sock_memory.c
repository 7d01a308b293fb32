/* SPDX-License-Identifier: MIT */
/* Sockets without memory, and with a kernel that is short of it. */
#include "test_sock.h"

#include <errno.h>
#include <string.h>

#define MANY 400

static bool memory_is_short;

static int64_t scarce_reallocate(ptk_sys_call_t *call) {
    return memory_is_short ? ptk_sys_pointer(NULL) : ptk_sys_call_below(call);
}

static void in_green_with_scarce_memory(ptk_green_fn fn) {
    sock_world_begin();
    sock_world_hook(PTK_SYS_heap_reallocate, scarce_reallocate);
    test_in_green(fn);
}

/* --- no memory for unread bytes --- */

static ptk_err no_memory_for_the_carry(void *unused) {
    (void) unused;
    enum { PART = 5000 };
    static unsigned char bytes[2 * PART];
    static unsigned char got[2 * PART];
    sock_pair_t pair = sock_pair();
    sock_fill(bytes, sizeof bytes, 0);
    for (uint32_t timeout_ms = 0; timeout_ms < 20; timeout_ms += 10) {
        memset(got, 0, sizeof got);
        peer_write(&pair, bytes, PART);
        memory_is_short = true;
        ptk_err err = ptk_sock_recv(pair.sock, got, sizeof got, timeout_ms);
        memory_is_short = false;
        CHECK_ERR(err, PTK_ERR_NO_RESOURCES);
        CHECK_EQ(ptk_get_count(), PART);
        CHECK(sock_is_filled(got, PART, 0));
        CHECK_EQ(ptk_sock_pending(pair.sock), 0);
        peer_write(&pair, bytes + PART, PART);
        CHECK_OK(ptk_sock_recv(pair.sock, got + PART, PART, SOCK_FOREVER));
        CHECK(sock_is_filled(got, sizeof got, 0));
    }
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_recv_without_memory_for_unread_bytes_leaves_them_with_the_caller) {
    in_green_with_scarce_memory(no_memory_for_the_carry);
}

/* The same for a cancelled receive, and for one that has older unread bytes: all go to the caller, and are
   counted once. */
static ptk_err no_memory_for_an_older_carry(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[16] = {0};
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 16, .timeout_ms = SOCK_FOREVER};
    peer_write(&pair, "1234", 4);
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 16, 5), PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_sock_pending(pair.sock), 4);
    memset(got, 0, sizeof got);
    sock_task_start(&task);
    sock_settle();
    peer_write(&pair, "5678", 4);
    sock_settle();
    memory_is_short = true;
    CHECK_OK(ptk_green_cancel(task.green));
    sock_settle();
    memory_is_short = false;
    ptk_err err = sock_task_join(&task);
    if (err == PTK_ERR_CANCELED) { /* the memory of the older unread bytes was used again */
        CHECK_EQ(ptk_sock_pending(pair.sock), 8);
        CHECK_OK(ptk_sock_recv(pair.sock, got, 8, 0));
    } else {
        CHECK_ERR(err, PTK_ERR_NO_RESOURCES);
        CHECK_EQ(task.count, 8);
        CHECK_EQ(ptk_sock_pending(pair.sock), 0);
    }
    CHECK(memcmp(got, "12345678", 8) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_recv_without_memory_for_older_unread_bytes_loses_nothing) {
    in_green_with_scarce_memory(no_memory_for_an_older_carry);
}

/* --- the waiting path --- */

/* Everything but unread bytes works without a single allocation. */
static ptk_err talk_without_memory(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[8];
    sock_task_t task = {
        .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 8, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    memory_is_short = true;
    sock_settle();
    peer_write(&pair, "half", 4);
    sock_settle();
    peer_write(&pair, "full", 4);
    CHECK_OK(sock_task_join(&task));
    CHECK_OK(ptk_sock_send(pair.sock, got, 8, SOCK_FOREVER));
    CHECK_ERR(ptk_sock_recv(pair.sock, got, 8, 100), PTK_ERR_TIMEOUT);
    memory_is_short = false;
    peer_read(pair.peer, got, 8);
    CHECK(memcmp(got, "halffull", 8) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_calls_wait_without_allocating) {
    in_green_with_scarce_memory(talk_without_memory);
}

/* --- no memory for sockets --- */

/* Opens sockets until there is no memory for another. */
static size_t open_all(ptk_sock_t *socks[MANY]) {
    size_t count = 0;
    memory_is_short = true;
    while (count < MANY && (socks[count] = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0)) != NULL) {
        count++;
    }
    memory_is_short = false;
    CHECK(count < MANY);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    return count;
}

static void close_all(ptk_sock_t *const socks[MANY], size_t count) {
    for (size_t i = 0; i < count; i++) {
        ptk_sock_close(socks[i]);
    }
}

/* The socket is reserved before the connection is taken, so the connection stays in the backlog. */
static ptk_err no_memory_for_accept(void *unused) {
    (void) unused;
    static ptk_sock_t *socks[MANY];
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    int listener_fd = sock_world.last_fd;
    int peer = peer_connect(&addr);
    peer_await(listener_fd, POLLIN);
    size_t count = open_all(socks);
    memory_is_short = true;
    CHECK(ptk_sock_accept(listener, NULL, NULL, 0) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    CHECK(ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    memory_is_short = false;
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, 0);
    CHECK(sock != NULL);
    CHECK_OK(ptk_sock_send(sock, "x", 1, 0));
    ptk_sock_close(sock);
    close_all(socks, count);
    ptk_sock_close(listener);
    CHECK_EQ(fd_close(peer), 0);
    return PTK_OK;
}

TEST(p55_accept_without_memory_leaves_the_connection_in_the_backlog, MANY_DESCRIPTORS) {
    in_green_with_scarce_memory(no_memory_for_accept);
}

static ptk_err no_memory_for_waitables(void *unused) {
    (void) unused;
    static ptk_sock_t *socks[MANY];
    size_t count = 0;
    for (; count < MANY; count++) {
        socks[count] = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
        CHECK(socks[count] != NULL);
    }
    memory_is_short = true;
    size_t lent = 0;
    while (lent < MANY && ptk_sock_waitable(socks[lent], PTK_EVENT_READ) != NULL) {
        lent++;
    }
    CHECK(lent < MANY);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    memory_is_short = false;
    CHECK(ptk_sock_waitable(socks[lent], PTK_EVENT_READ) != NULL);
    close_all(socks, count);
    return PTK_OK;
}

TEST(p55_sock_waitable_without_memory, MANY_DESCRIPTORS) {
    in_green_with_scarce_memory(no_memory_for_waitables);
}

/* --- a kernel that is short of memory --- */

static ptk_sys_member_t failing_call;
static int failing_errno;
static uint64_t failures;

static int fail_one_call(ptk_sys_member_t call, int fd) {
    (void) fd;
    if (call != failing_call || failures > 0) {
        return 0;
    }
    failures++;
    return -failing_errno;
}

static void fail_next(ptk_sys_member_t call, int os_err) {
    failing_call = call;
    failing_errno = os_err;
    failures = 0;
    sock_world.before = fail_one_call;
}

static ptk_err open_fails_in_the_middle(void *unused) {
    (void) unused;
    fail_next(PTK_SYS_set_option, ENOBUFS);
    CHECK(ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    CHECK_EQ(failures, 1);
    fail_next(PTK_SYS_socket, ENFILE);
    CHECK(ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_NO_RESOURCES);
    fail_next(PTK_SYS_socket, EAFNOSUPPORT);
    CHECK(ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0) == NULL);
    CHECK(ptk_get_err() != PTK_OK);
    sock_world.before = NULL;
    return PTK_OK;
}

TEST(sock_open_that_fails_in_the_middle_leaves_no_descriptor) {
    sock_in_green(open_fails_in_the_middle);
}

/* The poller has no room for another socket: the call fails, and works once there is room. */
static ptk_err no_room_in_the_poller(void *unused) {
    (void) unused;
    char got[4];
    for (int os_err = ENOSPC; os_err != 0; os_err = os_err == ENOSPC ? ENOMEM : 0) {
        sock_pair_t pair = sock_pair();
        fail_next(PTK_SYS_epoll_ctl, os_err);
        ptk_err err = ptk_sock_recv(pair.sock, got, 4, 5);
        CHECK_ERR(err, failures ? PTK_ERR_NO_RESOURCES : PTK_ERR_TIMEOUT);
        sock_world.before = NULL;
        sock_task_t task = {
            .verb = SOCK_RECV, .sock = pair.sock, .buffer = got, .length = 4, .timeout_ms = SOCK_FOREVER};
        sock_task_start(&task);
        sock_settle();
        peer_write(&pair, "data", 4);
        CHECK_OK(sock_task_join(&task));
        sock_pair_end(&pair);
    }
    return PTK_OK;
}

TEST(sock_calls_report_that_the_poller_has_no_room) {
    sock_in_green(no_room_in_the_poller);
}

/* recv(2) and send(2) fail for lack of memory in the middle of a message. */
static ptk_err no_kernel_memory(void *unused) {
    (void) unused;
    sock_pair_t pair = sock_pair();
    char got[8];
    size_t count = 9;
    peer_write(&pair, "data", 4);
    fail_next(PTK_SYS_recv, ENOMEM);
    CHECK_ERR(ptk_sock_recv_some(pair.sock, got, 4, &count, SOCK_FOREVER), PTK_ERR_NO_RESOURCES);
    CHECK_EQ(count, 0);
    CHECK_EQ(ptk_get_os_err(), ENOMEM);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 4, SOCK_FOREVER));
    fail_next(PTK_SYS_send, ENOBUFS);
    CHECK_ERR(ptk_sock_send(pair.sock, "data", 4, SOCK_FOREVER), PTK_ERR_NO_RESOURCES);
    CHECK_EQ(ptk_get_count(), 0);
    CHECK_OK(ptk_sock_send(pair.sock, "data", 4, SOCK_FOREVER));
    peer_read(pair.peer, got, 4);
    CHECK(memcmp(got, "data", 4) == 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(sock_calls_report_that_the_kernel_has_no_memory) {
    sock_in_green(no_kernel_memory);
}
