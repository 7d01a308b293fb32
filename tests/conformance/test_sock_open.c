/* SPDX-License-Identifier: MIT */
/* Opening, binding, listening; options and addresses; callers whose calls are refused. */
#include "test_sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>

/* --- open --- */

static void check_open_refused(int family, int type, int protocol, ptk_err err) {
    CHECK(ptk_sock_open(NULL, family, type, protocol) == NULL);
    CHECK_ERR(ptk_get_err(), err);
}

TEST(sock_open_refuses_what_is_not_tcp) {
    ptk_event_loop_platform_t *loop = test_loop();
    check_open_refused(AF_UNIX, SOCK_STREAM, 0, PTK_ERR_NOT_SUPPORTED);
    check_open_refused(12345, SOCK_STREAM, 0, PTK_ERR_NOT_SUPPORTED);
    check_open_refused(AF_INET, SOCK_DGRAM, 0, PTK_ERR_NOT_SUPPORTED);
    check_open_refused(AF_INET6, SOCK_SEQPACKET, 0, PTK_ERR_NOT_SUPPORTED);
    check_open_refused(AF_INET, SOCK_STREAM, IPPROTO_UDP, PTK_ERR_NOT_SUPPORTED);
    ptk_sock_t *named = ptk_sock_open(loop, AF_INET, SOCK_STREAM, IPPROTO_TCP);
    CHECK(named != NULL);
    ptk_sock_close(named);
    test_loop_end(loop);
}

TEST(sock_open_needs_a_loop) {
    check_open_refused(AF_INET, SOCK_STREAM, 0, PTK_ERR_NO_LOOP);
}

static int refuse_socket(ptk_sys_member_t call, int fd) {
    (void) fd;
    return call == PTK_SYS_socket ? -EMFILE : 0;
}

TEST(sock_open_reports_that_descriptors_are_short) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    sock_world.before = refuse_socket;
    check_open_refused(AF_INET, SOCK_STREAM, 0, PTK_ERR_NO_RESOURCES);
    CHECK_EQ(ptk_get_os_err(), EMFILE);
    sock_world.before = NULL;
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    CHECK(sock != NULL);
    ptk_sock_close(sock);
    test_loop_end(loop);
}

static int option_of(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    CHECK_EQ(fd_get_option(fd, level, name, &value, &length), 0);
    return value;
}

static void check_connection_options(int fd) {
    if (!test_is_simulated()) { /* where these flags do not exist */
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    }
    CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(option_of(fd, SOL_SOCKET, SO_OOBINLINE) != 0);
}

TEST(sock_sets_its_options_when_opened_and_when_accepted) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    check_connection_options(sock_world.last_fd);
    CHECK_EQ(option_of(sock_world.last_fd, SOL_SOCKET, SO_REUSEADDR), 0);
    sock_pair_t pair = sock_pair();
    check_connection_options(pair.fd);
    sock_pair_end(&pair);
    ptk_sock_close(sock);
    test_loop_end(loop);
}

TEST(sock_options_can_be_switched) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    int fd = sock_world.last_fd;
    CHECK_OK(ptk_sock_set_nodelay(sock, false));
    CHECK_EQ(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    CHECK_OK(ptk_sock_set_nodelay(sock, true));
    CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK_OK(ptk_sock_set_reuse(sock, true));
    CHECK(option_of(fd, SOL_SOCKET, SO_REUSEADDR) != 0);
    CHECK_OK(ptk_sock_set_reuse(sock, false));
    CHECK_EQ(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 0);
    ptk_sock_close(sock);
    test_loop_end(loop);
}

/* --- bind, listen, addresses --- */

static ptk_err bind_to(ptk_sock_t *sock, const char *text) {
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse(text, &addr));
    return ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length);
}

static int refuse_bind(ptk_sys_member_t call, int fd) {
    (void) fd;
    return call == PTK_SYS_bind ? -EACCES : 0;
}

TEST(sock_bind_reports_why_it_failed) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_addr_t taken;
    ptk_sock_t *listener = sock_listener(1, &taken);
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(ptk_sock_bind(sock, ptk_addr_sockaddr(&taken), taken.length), PTK_ERR_ADDRESS_IN_USE);
    CHECK_EQ(ptk_get_os_err(), EADDRINUSE);
    CHECK_ERR(bind_to(sock, "203.0.113.1:0"), PTK_ERR_ADDRESS_NOT_AVAILABLE);
    CHECK_ERR(ptk_sock_bind(sock, NULL, taken.length), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_bind(sock, ptk_addr_sockaddr(&taken), 3), PTK_ERR_INVALID_PARAM);
    CHECK(bind_to(sock, "[::1]:0") != PTK_OK);
    sock_world.before = refuse_bind;
    CHECK_ERR(bind_to(sock, "127.0.0.1:0"), PTK_ERR_PERMISSION);
    sock_world.before = NULL;
    CHECK_OK(bind_to(sock, "127.0.0.1:0"));
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    test_loop_end(loop);
}

static void port_0_gets_a_port(void) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_addr_t addrs[2];
    ptk_sock_t *first = sock_listener(0, &addrs[0]);
    ptk_sock_t *second = sock_listener(-1, &addrs[1]);
    CHECK_EQ(addrs[0].storage.ss_family, sock_family);
    CHECK(ptk_addr_port(ptk_addr_sockaddr(&addrs[0]), addrs[0].length) != 0);
    CHECK(!sock_same_addr(&addrs[0], &addrs[1]));
    int peers[3] = {peer_connect(&addrs[0]), peer_connect(&addrs[0]), peer_connect(&addrs[0])};
    for (int i = 0; i < 3; i++) {
        fd_close(peers[i]);
    }
    ptk_sock_close(first);
    ptk_sock_close(second);
    test_loop_end(loop);
}

TEST(sock_bind_to_port_0_gets_a_port) {
    port_0_gets_a_port();
}

TEST(sock_bind_to_port_0_gets_a_port_ipv6) {
    sock_use_ipv6();
    port_0_gets_a_port();
}

static void addresses_of_both_ends(void) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    sock_pair_t pair = sock_pair();
    ptk_addr_t far = peer_local_addr(pair.peer);
    ptk_addr_t near = {.length = sizeof near.storage};
    ptk_addr_t seen = {.length = sizeof seen.storage};
    CHECK_OK(ptk_sock_peer_addr(pair.sock, (struct sockaddr *) &seen.storage, &seen.length));
    CHECK(sock_same_addr(&seen, &far));
    CHECK_EQ(seen.length, far.length);
    CHECK_OK(ptk_sock_local_addr(pair.sock, (struct sockaddr *) &near.storage, &near.length));
    seen.length = sizeof seen.storage;
    CHECK_EQ(fd_peer_name(pair.peer, (struct sockaddr *) &seen.storage, &seen.length), 0);
    CHECK(sock_same_addr(&seen, &near));
    sock_pair_end(&pair);
    test_loop_end(loop);
}

TEST(sock_returns_the_addresses_of_both_ends) {
    addresses_of_both_ends();
}

TEST(sock_returns_the_addresses_of_both_ends_ipv6) {
    sock_use_ipv6();
    addresses_of_both_ends();
}

TEST(sock_addresses_are_cut_to_the_room_there_is) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    sock_pair_t pair = sock_pair();
    ptk_addr_t whole = {.length = sizeof whole.storage};
    CHECK_OK(ptk_sock_local_addr(pair.sock, (struct sockaddr *) &whole.storage, &whole.length));
    unsigned char cut[8] = {0, 0, 0, 0, 0xa5, 0xa5, 0xa5, 0xa5};
    socklen_t room = 4;
    CHECK_OK(ptk_sock_local_addr(pair.sock, (struct sockaddr *) (void *) cut, &room));
    CHECK_EQ(room, whole.length);
    CHECK(memcmp(cut, &whole.storage, 4) == 0 && cut[4] == 0xa5);
    CHECK_ERR(ptk_sock_local_addr(pair.sock, NULL, &room), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_peer_addr(pair.sock, (struct sockaddr *) (void *) cut, NULL), PTK_ERR_INVALID_PARAM);
    sock_pair_end(&pair);
    test_loop_end(loop);
}

TEST(sock_without_a_peer_is_reported) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_addr_t addr = {.length = sizeof addr.storage};
    ptk_sock_t *sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0);
    char byte = 0;
    size_t count = 0;
    CHECK_ERR(ptk_sock_peer_addr(sock, (struct sockaddr *) &addr.storage, &addr.length),
              PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_shutdown(sock, PTK_SOCK_BOTH), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_send(sock, "x", 1, 0), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_send_some(sock, "x", 1, &count, 0), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_recv(sock, &byte, 1, 0), PTK_ERR_NOT_CONNECTED);
    CHECK_ERR(ptk_sock_recv_some(sock, &byte, 1, &count, 0), PTK_ERR_NOT_CONNECTED);
    CHECK(ptk_sock_accept(sock, NULL, NULL, 0) == NULL);
    CHECK(ptk_get_err() != PTK_ERR_TIMEOUT);
    CHECK_EQ(ptk_sock_pending(sock), 0);
    ptk_sock_close(sock);
    test_loop_end(loop);
}

/* --- arguments --- */

TEST(sock_calls_refuse_bad_arguments) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    sock_pair_t pair = sock_pair();
    ptk_addr_t addr = sock_loopback();
    socklen_t length = 0;
    char byte = 0;
    size_t count = 0;
    CHECK_ERR(ptk_sock_recv(pair.sock, NULL, 1, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_recv_some(pair.sock, NULL, 1, &count, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_recv_some(pair.sock, &byte, 1, NULL, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_send(pair.sock, NULL, 1, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_send_some(pair.sock, "x", 1, NULL, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_connect(pair.sock, NULL, addr.length, 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_shutdown(pair.sock, (ptk_sock_direction_t) 0), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_shutdown(pair.sock, (ptk_sock_direction_t) 4), PTK_ERR_INVALID_PARAM);
    ptk_sock_t *listener = sock_listener(1, &addr);
    CHECK(ptk_sock_accept(listener, NULL, &length, 0) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    CHECK(ptk_sock_accept(listener, (struct sockaddr *) &addr.storage, NULL, 0) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    ptk_sock_close(listener);
    sock_pair_end(&pair);
    test_loop_end(loop);
}

TEST(sock_calls_refuse_null) {
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_addr_t addr = sock_loopback();
    sock_check_all_calls(NULL, 0, PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_bind(NULL, ptk_addr_sockaddr(&addr), addr.length), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_listen(NULL, 1), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_shutdown(NULL, PTK_SOCK_BOTH), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_set_nodelay(NULL, true), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_set_reuse(NULL, true), PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_local_addr(NULL, (struct sockaddr *) &addr.storage, &addr.length),
              PTK_ERR_INVALID_PARAM);
    CHECK_ERR(ptk_sock_peer_addr(NULL, (struct sockaddr *) &addr.storage, &addr.length),
              PTK_ERR_INVALID_PARAM);
    CHECK(ptk_sock_waitable(NULL, PTK_EVENT_READ) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(ptk_sock_pending(NULL), 0);
    ptk_sock_close(NULL);
    ptk_sock_reset(NULL);
    test_loop_end(loop);
}

/* --- where calls may be made --- */

TEST(sock_calls_that_may_wait_need_a_green_thread_even_if_data_is_there) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    sock_pair_t pair = sock_pair();
    char bytes[4] = {0};
    peer_write(&pair, "data", 4);
    sock_check_all_calls(pair.sock, 10, PTK_ERR_NOT_GREEN);
    sock_check_all_calls(pair.sock, SOCK_FOREVER, PTK_ERR_NOT_GREEN);
    CHECK_EQ(ptk_sock_pending(pair.sock), 0);
    CHECK(!peer_at_end(pair.peer));
    CHECK_OK(ptk_sock_recv(pair.sock, bytes, 4, 0));
    CHECK(memcmp(bytes, "data", 4) == 0);
    sock_pair_end(&pair);
    test_loop_end(loop);
}

static void *all_calls_from_elsewhere(void *arg) {
    ptk_sock_t *sock = arg;
    ptk_addr_t addr = sock_loopback();
    sock_check_all_calls(sock, 0, PTK_ERR_WRONG_THREAD);
    sock_check_all_calls(sock, 10, PTK_ERR_WRONG_THREAD);
    CHECK_ERR(ptk_sock_bind(sock, ptk_addr_sockaddr(&addr), addr.length), PTK_ERR_WRONG_THREAD);
    CHECK_ERR(ptk_sock_listen(sock, 1), PTK_ERR_WRONG_THREAD);
    CHECK_ERR(ptk_sock_set_user(sock, sock), PTK_ERR_WRONG_THREAD);
    CHECK(ptk_sock_user(sock) == NULL);
    CHECK_EQ(ptk_sock_fd(sock), PTK_OS_HANDLE_NONE);
    CHECK_ERR(ptk_sock_shutdown(sock, PTK_SOCK_BOTH), PTK_ERR_WRONG_THREAD);
    CHECK_ERR(ptk_sock_set_nodelay(sock, true), PTK_ERR_WRONG_THREAD);
    CHECK_ERR(ptk_sock_set_reuse(sock, true), PTK_ERR_WRONG_THREAD);
    CHECK_ERR(ptk_sock_local_addr(sock, (struct sockaddr *) &addr.storage, &addr.length),
              PTK_ERR_WRONG_THREAD);
    CHECK_ERR(ptk_sock_peer_addr(sock, (struct sockaddr *) &addr.storage, &addr.length),
              PTK_ERR_WRONG_THREAD);
    CHECK(ptk_sock_waitable(sock, PTK_EVENT_READ) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_WRONG_THREAD);
    ptk_sock_close(sock);
    ptk_sock_reset(sock);
    return NULL;
}

static void *open_in_the_loop_of(void *loop) {
    CHECK(ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_WRONG_THREAD);
    return NULL;
}

TEST(sock_belongs_to_its_thread, REAL_THREADS) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    sock_pair_t pair = sock_pair();
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, all_calls_from_elsewhere, pair.sock), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(pthread_create(&thread, NULL, open_in_the_loop_of, loop), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_OK(ptk_sock_send(pair.sock, "alive", 5, 0));
    sock_pair_end(&pair);
    test_loop_end(loop);
}

/* --- cancelled callers --- */

typedef struct cancelled_caller {
    sock_pair_t pair;
    ptk_green_t *green;
} cancelled_caller_t;

static ptk_err calls_of_a_cancelled_one(void *arg) {
    cancelled_caller_t *caller = arg;
    char bytes[4] = {0};
    CHECK_ERR(ptk_yield(), PTK_ERR_CANCELED);
    sock_check_all_calls(caller->pair.sock, 10, PTK_ERR_CANCELED);
    sock_check_all_calls(caller->pair.sock, SOCK_FOREVER, PTK_ERR_CANCELED);
    CHECK(!peer_at_end(caller->pair.peer));
    CHECK_OK(ptk_sock_recv(caller->pair.sock, bytes, 4, 0));
    CHECK(memcmp(bytes, "data", 4) == 0);
    CHECK_OK(ptk_sock_send(caller->pair.sock, "x", 1, 0));
    return PTK_OK;
}

static ptk_err cancel_before_it_runs(void *unused) {
    (void) unused;
    cancelled_caller_t caller = {.pair = sock_pair()};
    peer_write(&caller.pair, "data", 4);
    caller.green = test_spawn(calls_of_a_cancelled_one, &caller);
    CHECK_OK(ptk_green_cancel(caller.green));
    CHECK_OK(test_join(caller.green));
    sock_pair_end(&caller.pair);
    return PTK_OK;
}

TEST(p46_sock_calls_are_cancelled_at_entry_before_they_try) {
    sock_in_green(cancel_before_it_runs);
}
