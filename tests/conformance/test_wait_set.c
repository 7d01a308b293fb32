/* SPDX-License-Identifier: MIT */
/*
 * The one waiting path where items are in each other's way: a gate that another green thread holds, the same
 * waitable twice, an item that cannot be armed.
 */
#include "test_sock.h"

#include <string.h>

static char big[8u << 20];

/* --- a wait for both directions beside a send --- */

static ptk_err send_big(void *arg) {
    return ptk_sock_send(arg, big, sizeof big, SOCK_FOREVER);
}

static ptk_err read_behind_send(void *arg) {
    (void) arg;
    const uint32_t both = PTK_EVENT_READ | PTK_EVENT_WRITE;
    char got[5];
    sock_pair_t pair = sock_pair();
    ptk_green_t *sender = ptk_green_spawn(NULL, NULL, send_big, pair.sock);
    sock_settle();
    ptk_waitable_t *waitable = ptk_sock_waitable(pair.sock, both);
    ptk_waitable_wait_item_t item = {.waitable = waitable, .events = both};
    CHECK_ERR(ptk_waitable_wait(waitable, both, 0), PTK_ERR_TIMEOUT);
    CHECK_ERR(ptk_waitable_wait(waitable, both, 5), PTK_ERR_TIMEOUT);
    peer_write(&pair, "hello", 5);
    CHECK_OK(ptk_waitable_wait(waitable, both, SOCK_FOREVER));
    CHECK_EQ(ptk_waitable_ready(), PTK_EVENT_READ);
    CHECK_OK(ptk_waitable_wait(waitable, both, 0));
    CHECK_OK(ptk_waitable_wait_any(&item, 1, NULL, SOCK_FOREVER));
    CHECK_EQ(item.ready_out, PTK_EVENT_READ);
    CHECK_OK(ptk_sock_recv(pair.sock, got, 5, SOCK_FOREVER)); /* no gate was kept */
    CHECK_OK(ptk_green_end(sender, SOCK_FOREVER));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p69_wait_for_both_directions_watches_reading_beside_a_send, TRUSTS_READINESS) {
    sock_in_green(read_behind_send);
}

/* The reader's bytes come while the wait is parked, and the gate of the sender while it is parked, too. */
static ptk_err woken_by_either(void *arg) {
    (void) arg;
    const uint32_t both = PTK_EVENT_READ | PTK_EVENT_WRITE;
    sock_pair_t pair = sock_pair();
    ptk_green_t *sender = ptk_green_spawn(NULL, NULL, send_big, pair.sock);
    sock_settle();
    sock_task_t wait = {.verb = SOCK_WAIT, .sock = pair.sock, .events = both, .timeout_ms = SOCK_FOREVER};
    sock_task_start(&wait);
    sock_settle();
    CHECK(!wait.ended);
    CHECK_OK(ptk_green_end(sender, SOCK_FOREVER)); /* leaves the gate; the socket is not writable */
    sock_settle();
    CHECK(!wait.ended);
    peer_write(&pair, "x", 1);
    CHECK_OK(sock_task_join(&wait));
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p69_wait_that_queued_for_a_gate_goes_on_when_it_gets_it, TRUSTS_READINESS) {
    sock_in_green(woken_by_either);
}

/* --- the same waitable twice --- */

static ptk_err accept_for_ever(void *arg) {
    CHECK(ptk_sock_accept(arg, NULL, NULL, SOCK_FOREVER) == NULL);
    return ptk_get_err();
}

static ptk_err wait_twice(void *arg) {
    ptk_waitable_t *waitable = ptk_sock_waitable(arg, PTK_EVENT_READ);
    ptk_waitable_wait_item_t items[2] = {{.waitable = waitable, .events = PTK_EVENT_READ},
                                         {.waitable = waitable, .events = PTK_EVENT_READ}};
    return ptk_waitable_wait_any(items, 2, NULL, SOCK_FOREVER);
}

static ptk_err join_result(ptk_green_t *green) {
    ptk_err result = PTK_OK;
    CHECK_OK(ptk_green_join(green, &result, SOCK_FOREVER));
    return result;
}

static ptk_err close_under_duplicates(void *arg) {
    (void) arg;
    ptk_addr_t addr;
    ptk_sock_t *listener = sock_listener(8, &addr);
    ptk_green_t *accepter = ptk_green_spawn(NULL, NULL, accept_for_ever, listener);
    sock_settle();
    ptk_green_t *waiters[3];
    for (int i = 0; i < 3; i++) {
        waiters[i] = ptk_green_spawn(NULL, NULL, wait_twice, listener);
    }
    sock_settle();
    ptk_sock_close(listener);
    CHECK_ERR(join_result(accepter), PTK_ERR_CLOSED);
    for (int i = 0; i < 3; i++) {
        CHECK_ERR(join_result(waiters[i]), PTK_ERR_CLOSED);
    }
    return PTK_OK;
}

TEST(p68_close_wakes_every_waiter_although_some_have_several_records) {
    sock_in_green(close_under_duplicates);
}

static ptk_err same_descriptor_twice(void *arg) {
    (void) arg;
    sock_pair_t pair = sock_pair();
    const uint32_t both = PTK_EVENT_READ | PTK_EVENT_WRITE;
    ptk_waitable_t *reading = ptk_sock_waitable(pair.sock, PTK_EVENT_READ);
    ptk_waitable_t *waitable = ptk_sock_waitable(pair.sock, both);
    ptk_waitable_wait_item_t items[4] = {{.waitable = reading, .events = PTK_EVENT_READ},
                                         {.waitable = waitable, .events = PTK_EVENT_READ},
                                         {.waitable = waitable, .events = both},
                                         {.waitable = waitable, .events = both}};
    size_t index = 9;
    CHECK_OK(ptk_waitable_wait_any(items, 4, &index, SOCK_FOREVER));
    CHECK_EQ(index, 2); /* the first that watches writing */
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 3), PTK_ERR_TIMEOUT);
    peer_write(&pair, "x", 1);
    CHECK_OK(ptk_waitable_wait_any(items, 2, &index, SOCK_FOREVER));
    CHECK_EQ(index, 0);
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p68_items_that_name_one_direction_twice_wait_for_it_once, TRUSTS_READINESS) {
    sock_in_green(same_descriptor_twice);
}

/* --- an item that cannot be armed --- */

/* Overwrites the frames of calls that have returned. */
static __attribute__((noinline)) void overwrite_dead_frames(void) {
    volatile char room[16384];
    for (size_t i = 0; i < sizeof room; i++) {
        room[i] = 0x41;
    }
}

static ptk_err not_armed(void *arg) {
    (void) arg;
    int ends[2];
    CHECK_EQ(fd_pipe(ends), 0);
    ptk_os_handle_t own = ptk_event_loop_platform_fd(NULL);
    if (own == PTK_OS_HANDLE_NONE) {
        SKIP("the platform has no descriptor that it cannot watch");
    }
    ptk_waitable_t *pipe_end = ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(ends[0]));
    ptk_waitable_t *loop_fd = ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD((int) own));
    ptk_waitable_wait_item_t items[2] = {{.waitable = pipe_end, .events = PTK_EVENT_READ},
                                         {.waitable = loop_fd, .events = PTK_EVENT_READ}};
    size_t index = 9;
    CHECK_ERR(ptk_waitable_wait_any(items, 2, &index, 50), PTK_ERR_INVALID_PARAM);
    CHECK_EQ(index, 1);
    overwrite_dead_frames();
    CHECK_OK(ptk_waitable_abort(pipe_end));
    CHECK_EQ(fd_write(ends[1], "x", 1), 1);
    CHECK_OK(ptk_waitable_wait(pipe_end, PTK_EVENT_READ, SOCK_FOREVER));
    ptk_waitable_destroy(pipe_end);
    ptk_waitable_destroy(loop_fd);
    CHECK_EQ(fd_close(ends[0]), 0);
    CHECK_EQ(fd_close(ends[1]), 0);
    return PTK_OK;
}

TEST(p67_wait_that_cannot_be_armed_leaves_no_record_behind, TRUSTS_READINESS) {
    test_in_green(not_armed);
}
