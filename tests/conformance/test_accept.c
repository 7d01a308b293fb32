/* SPDX-License-Identifier: MIT */
/* Accepting: the order of waiters, addresses, timeouts. */
#include "test_sock.h"

#include <errno.h>
#include <string.h>

#define WAITERS 5

static void echo_once(ptk_sock_t *sock, int peer) {
    char got[4];
    CHECK_EQ(fd_send(peer, "ping", 4), 4);
    CHECK_OK(ptk_sock_recv(sock, got, 4, SOCK_FOREVER));
    CHECK_OK(ptk_sock_send(sock, got, 4, SOCK_FOREVER));
    peer_read(peer, got, 4);
    CHECK(memcmp(got, "ping", 4) == 0);
}

static void end_both(ptk_sock_t *sock, int peer) {
    ptk_sock_close(sock);
    CHECK_EQ(fd_close(peer), 0);
}

/* --- order --- */

/* The peer's address shows which connection a task received. */
static void check_accepted(const sock_task_t *task, int peer) {
    ptk_addr_t addr = peer_local_addr(peer);
    CHECK(task->accepted != NULL);
    CHECK(sock_same_addr(&task->accepted_addr, &addr));
    CHECK_EQ(task->accepted_addr.length, addr.length);
}

static void start_waiters(sock_task_t tasks[WAITERS], ptk_sock_t *listener) {
    for (int i = 0; i < WAITERS; i++) {
        tasks[i] = (sock_task_t) {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
        sock_task_start(&tasks[i]);
        sock_settle();
    }
}

static ptk_err one_by_one(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(WAITERS, &addr);
    sock_task_t tasks[WAITERS];
    start_waiters(tasks, listener);
    for (int i = 0; i < WAITERS; i++) {
        int peer = peer_connect(&addr);
        CHECK_OK(sock_task_join(&tasks[i]));
        for (int j = i + 1; j < WAITERS; j++) {
            CHECK(!tasks[j].ended);
        }
        check_accepted(&tasks[i], peer);
        echo_once(tasks[i].accepted, peer);
        end_both(tasks[i].accepted, peer);
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p06_accept_serves_many_waiters_first_come_first_served) {
    sock_in_green(one_by_one);
}

TEST(p06_accept_serves_many_waiters_first_come_first_served_ipv6) {
    sock_use_ipv6();
    sock_in_green(one_by_one);
}

/* All connections have arrived when the waiters run: each receives one, in their order. */
static ptk_err all_at_once(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(2 * WAITERS, &addr);
    sock_task_t tasks[WAITERS];
    int peers[WAITERS];
    start_waiters(tasks, listener);
    for (int i = 0; i < WAITERS; i++) {
        peers[i] = peer_connect(&addr);
    }
    for (int i = 0; i < WAITERS; i++) {
        CHECK_OK(sock_task_join(&tasks[i]));
        check_accepted(&tasks[i], peers[i]);
        CHECK(i == 0 || tasks[i].order > tasks[i - 1].order);
        end_both(tasks[i].accepted, peers[i]);
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p01_accept_finds_every_connection_of_one_report) {
    sock_in_green(all_at_once);
}

/* Waiters that leave the queue take nothing with them; the next waiter gets the connection. */
static ptk_err some_leave(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    sock_task_t tasks[3] = {
        {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = 20},
        {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER},
        {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER},
    };
    for (int i = 0; i < 3; i++) {
        sock_task_start(&tasks[i]);
    }
    sock_settle();
    CHECK_OK(ptk_green_cancel(tasks[1].green));
    CHECK_ERR(sock_task_join(&tasks[1]), PTK_ERR_CANCELED);
    CHECK_ERR(sock_task_join(&tasks[0]), PTK_ERR_TIMEOUT);
    CHECK(!tasks[2].ended);
    int peer = peer_connect(&addr);
    CHECK_OK(sock_task_join(&tasks[2]));
    check_accepted(&tasks[2], peer);
    end_both(tasks[2].accepted, peer);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p46_accept_waiters_that_leave_take_no_connection_with_them) {
    sock_in_green(some_leave);
}

/* The head of the queue is cancelled just when the connection has arrived: one of the waiters gets it. */
static ptk_err cancel_the_head(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    int listener_fd = sock_world.last_fd;
    sock_task_t tasks[2];
    for (int i = 0; i < 2; i++) {
        tasks[i] = (sock_task_t) {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
        sock_task_start(&tasks[i]);
    }
    sock_settle();
    int peer = peer_connect(&addr);
    peer_await(listener_fd, POLLIN);
    CHECK_OK(ptk_green_cancel(tasks[0].green));
    ptk_err err = sock_task_join(&tasks[0]);
    if (err == PTK_OK) {
        CHECK_OK(ptk_green_cancel(tasks[1].green));
        CHECK_ERR(sock_task_join(&tasks[1]), PTK_ERR_CANCELED);
        end_both(tasks[0].accepted, peer);
    } else {
        CHECK_ERR(err, PTK_ERR_CANCELED);
        CHECK_OK(sock_task_join(&tasks[1]));
        end_both(tasks[1].accepted, peer);
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p46_accept_cancelled_when_the_connection_is_there_loses_nothing) {
    sock_in_green(cancel_the_head);
}

/* --- timeouts and addresses --- */

TEST(accept_with_timeout_0_works_outside_green_threads) {
    sock_world_begin();
    ptk_event_loop_platform_t *loop = test_loop();
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    int listener_fd = sock_world.last_fd;
    for (int i = 0; i < 3; i++) {
        CHECK(ptk_sock_accept(listener, NULL, NULL, 0) == NULL);
        CHECK_ERR(ptk_get_err(), PTK_ERR_TIMEOUT);
        int peer = peer_connect(&addr);
        peer_await(listener_fd, POLLIN);
        ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, 0);
        CHECK(sock != NULL);
        end_both(sock, peer);
    }
    ptk_sock_close(listener);
    test_loop_end(loop);
}

static ptk_err addresses(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    unsigned char cut[8] = {0, 0, 0, 0, 0xa5, 0xa5, 0xa5, 0xa5};
    socklen_t room = 4;
    int peers[2] = {peer_connect(&addr), peer_connect(&addr)};
    ptk_addr_t far = peer_local_addr(peers[0]);
    ptk_sock_t *first = ptk_sock_accept(listener, (struct sockaddr *) (void *) cut, &room, SOCK_FOREVER);
    ptk_sock_t *second = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
    CHECK(first != NULL && second != NULL);
    CHECK_EQ(room, far.length);
    CHECK(memcmp(cut, &far.storage, 4) == 0 && cut[4] == 0xa5 && cut[7] == 0xa5);
    ptk_addr_t seen = {.length = sizeof seen.storage};
    CHECK_OK(ptk_sock_peer_addr(first, (struct sockaddr *) &seen.storage, &seen.length));
    CHECK(sock_same_addr(&seen, &far));
    CHECK_OK(ptk_sock_local_addr(second, (struct sockaddr *) &seen.storage, &seen.length));
    CHECK(sock_same_addr(&seen, &addr));
    end_both(first, peers[0]);
    end_both(second, peers[1]);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(accept_gives_the_address_that_there_is_room_for) {
    sock_in_green(addresses);
}

TEST(accept_gives_the_address_that_there_is_room_for_ipv6) {
    sock_use_ipv6();
    sock_in_green(addresses);
}

/* The address is written to the caller's memory also when the caller was parked. */
static ptk_err parked_with_a_small_room(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(5, &addr);
    sock_task_t task = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&task);
    sock_settle();
    int peer = peer_connect(&addr);
    CHECK_OK(sock_task_join(&task));
    check_accepted(&task, peer);
    end_both(task.accepted, peer);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(accept_gives_the_address_to_a_caller_that_was_parked) {
    sock_in_green(parked_with_a_small_room);
}

static ptk_err closed_peer(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    char byte;
    ptk_sock_t *listener = sock_listener(5, &addr);
    int listener_fd = sock_world.last_fd;
    int peer = peer_connect(&addr);
    peer_await(listener_fd, POLLIN);
    CHECK_EQ(fd_send(peer, "x", 1), 1);
    CHECK_EQ(fd_close(peer), 0);
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
    CHECK(sock != NULL);
    CHECK_OK(ptk_sock_recv(sock, &byte, 1, SOCK_FOREVER));
    CHECK_ERR(ptk_sock_recv(sock, &byte, 1, SOCK_FOREVER), PTK_ERR_EOF);
    ptk_sock_close(sock);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(accept_gives_a_connection_whose_peer_has_closed_already) {
    sock_in_green(closed_peer);
}

/* Connections that are reset in the backlog are accepted with their reset, or not at all; the next one is
   intact. */
static ptk_err reset_in_the_backlog(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(10, &addr);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < 3; i++) {
        int gone = peer_connect(&addr);
        CHECK_EQ(fd_set_option(gone, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
        CHECK_EQ(fd_close(gone), 0);
    }
    int peer = peer_connect(&addr);
    ptk_addr_t far = peer_local_addr(peer);
    for (bool found = false; !found;) {
        sock_task_t task = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
        CHECK_OK(sock_task_call(&task));
        found = sock_same_addr(&task.accepted_addr, &far);
        if (found) {
            echo_once(task.accepted, peer);
        }
        ptk_sock_close(task.accepted);
    }
    CHECK_EQ(fd_close(peer), 0);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(p15_accept_survives_connections_that_are_reset_in_the_backlog) {
    sock_in_green(reset_in_the_backlog);
}

/* --- a listener that is shut down --- */

static void check_is_unlistened(ptk_sock_t *listener, const ptk_addr_t *addr) {
    CHECK(ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    CHECK(ptk_sock_accept(listener, NULL, NULL, 0) == NULL);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_listen(listener, 1), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_connect(listener, ptk_addr_sockaddr(addr), addr->length, 0), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_bind(listener, ptk_addr_sockaddr(addr), addr->length), PTK_ERR_ALREADY_BOUND);
}

/* Every waiter ends, not just the one that holds the gate; so does an accept that begins later. */
static ptk_err listener_shut_down(void *unused) {
    (void) unused;
    static const ptk_sock_direction_t directions[] = {PTK_SOCK_READ, PTK_SOCK_BOTH};
    for (size_t d = 0; d < 2; d++) {
        ptk_addr_t addr;
        ptk_sock_t *listener = sock_listener(WAITERS, &addr);
        sock_task_t tasks[WAITERS];
        start_waiters(tasks, listener);
        CHECK_OK(ptk_sock_shutdown(listener, PTK_SOCK_WRITE));
        sock_settle();
        CHECK(!tasks[0].ended);
        CHECK_OK(ptk_sock_shutdown(listener, directions[d]));
        for (int i = 0; i < WAITERS; i++) {
            CHECK_ERR(sock_task_join(&tasks[i]), PTK_ERR_CLOSED);
        }
        check_is_unlistened(listener, &addr);
        ptk_sock_close(listener);
        CHECK(ptk_sock_accept(listener, NULL, NULL, 0) == NULL);
        CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    }
    return PTK_OK;
}

TEST(accept_of_a_listener_that_is_shut_down_is_closed) {
    sock_in_green(listener_shut_down);
}

static ptk_err accept_one_and_shut_down(void *listener) {
    ptk_sock_t *accepted = ptk_sock_accept(listener, NULL, NULL, SOCK_FOREVER);
    CHECK(accepted != NULL);
    CHECK_OK(ptk_sock_shutdown(listener, PTK_SOCK_READ));
    ptk_sock_close(accepted);
    return PTK_OK;
}

/* The second accept has been given the gate when the shutdown comes, and has not run yet. */
static ptk_err shut_down_after_an_accept(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(1, &addr);
    ptk_green_t *first = test_spawn(accept_one_and_shut_down, listener);
    sock_settle();
    sock_task_t second = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&second);
    sock_settle();
    int peer = peer_connect(&addr);
    CHECK_OK(test_join(first));
    CHECK_ERR(sock_task_join(&second), PTK_ERR_CLOSED);
    ptk_sock_close(listener);
    CHECK_EQ(fd_close(peer), 0);
    return PTK_OK;
}

TEST(accept_that_was_given_the_gate_ends_with_the_shutdown) {
    sock_in_green(shut_down_after_an_accept);
}

/* A wait for a listener and for another event. */
typedef struct listener_or_event {
    ptk_waitable_wait_item_t items[2];
    size_t index;
    ptk_err result;
} listener_or_event_t;

static ptk_err wait_for_listener_or_event(void *arg) {
    listener_or_event_t *wait = arg;
    wait->result = ptk_waitable_wait_any(wait->items, 2, &wait->index, PTK_TIMEOUT_INFINITE);
    return PTK_OK;
}

/* The wait queues behind an accept, and the shutdown ends both. */
static ptk_err shut_down_beside_a_wait_for_any(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(1, &addr);
    ptk_waitable_t *event = test_user();
    sock_task_t task = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
    listener_or_event_t wait = {
        .items = {{.waitable = ptk_sock_waitable(listener, PTK_EVENT_READ), .events = PTK_EVENT_READ},
                  {.waitable = event, .events = PTK_EVENT_READ}},
        .index = 9};
    sock_task_start(&task);
    sock_settle();
    ptk_green_t *waiter = test_spawn(wait_for_listener_or_event, &wait);
    sock_settle();
    CHECK_OK(ptk_sock_shutdown(listener, PTK_SOCK_READ));
    CHECK_OK(test_join(waiter));
    CHECK_ERR(wait.result, PTK_ERR_CLOSED);
    CHECK_EQ(wait.index, 0);
    CHECK_ERR(sock_task_join(&task), PTK_ERR_CLOSED);
    ptk_waitable_destroy(event);
    ptk_sock_close(listener);
    return PTK_OK;
}

TEST(a_wait_for_any_names_the_listener_that_is_shut_down) {
    sock_in_green(shut_down_beside_a_wait_for_any);
}

static int no_descriptors(ptk_sys_member_t call, int fd) {
    (void) fd;
    return call == PTK_SYS_accept ? -EMFILE : 0;
}

/* The accept waits for a descriptor, and so not on its operation. */
static ptk_err shut_down_while_descriptors_are_short(void *unused) {
    (void) unused;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(1, &addr);
    sock_task_t task = {.verb = SOCK_ACCEPT, .sock = listener, .timeout_ms = SOCK_FOREVER};
    int peer = peer_connect(&addr);
    sock_world.before = no_descriptors;
    sock_task_start(&task);
    sock_settle();
    CHECK(!task.ended);
    CHECK_OK(ptk_sock_shutdown(listener, PTK_SOCK_BOTH));
    CHECK_ERR(sock_task_join(&task), PTK_ERR_CLOSED);
    sock_world.before = NULL;
    ptk_sock_close(listener);
    CHECK_EQ(fd_close(peer), 0);
    return PTK_OK;
}

TEST(accept_that_waits_for_a_descriptor_ends_with_the_shutdown) {
    sock_in_green(shut_down_while_descriptors_are_short);
}
