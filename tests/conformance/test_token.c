/* SPDX-License-Identifier: MIT */
/* Handles are tokens: a stale one is refused, however often its slot is reused and also after its loop. */
#include "test_sock.h"

#include <pthread.h>

enum { REUSES = 3000 };

/* --- sockets --- */

static ptk_err close_twice(void *arg) {
    (void) arg;
    ptk_sock_t *stale = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    char byte = 'x';
    ptk_sock_close(stale);
    for (int i = 0; i < REUSES; i++) {
        ptk_sock_t *other = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
        CHECK(other && other != stale);
        ptk_sock_close(other);
    }
    sock_pair_t pair = sock_pair(); /* lies in the slot of the stale one */
    ptk_sock_close(stale);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    ptk_sock_reset(stale);
    CHECK_ERR(ptk_sock_send(stale, &byte, 1, SOCK_FOREVER), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_sock_recv(stale, &byte, 1, 0), PTK_ERR_CLOSED);
    CHECK_EQ(ptk_sock_pending(stale), 0);
    CHECK(ptk_sock_waitable(stale, PTK_EVENT_READ) == NULL);
    CHECK_OK(ptk_sock_send(pair.sock, &byte, 1, SOCK_FOREVER));
    peer_write(&pair, "y", 1);
    CHECK_OK(ptk_sock_recv(pair.sock, &byte, 1, SOCK_FOREVER));
    CHECK_EQ(byte, 'y');
    sock_pair_end(&pair);
    return PTK_OK;
}

TEST(p84_stale_socket_closes_no_later_one) {
    sock_in_green(close_twice);
}

/* --- waitables and green threads --- */

static ptk_err destroy_twice(void *arg) {
    (void) arg;
    ptk_waitable_t *stale = test_user();
    ptk_waitable_destroy(stale);
    for (int i = 0; i < REUSES; i++) {
        ptk_waitable_t *other = test_user();
        CHECK(other != stale);
        ptk_waitable_destroy(other);
    }
    ptk_waitable_t *living = test_user();
    ptk_waitable_destroy(stale);
    CHECK_ERR(ptk_get_err(), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_waitable_signal(stale), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_waitable_wait(stale, PTK_EVENT_READ, 0), PTK_ERR_CLOSED);
    CHECK_OK(ptk_waitable_signal(living));
    CHECK_OK(ptk_waitable_wait(living, PTK_EVENT_READ, 0));
    ptk_waitable_destroy(living);
    return PTK_OK;
}

TEST(p84_stale_waitable_destroys_no_later_one) {
    test_in_green(destroy_twice);
}

static ptk_err return_ok(void *arg) {
    (void) arg;
    return PTK_OK;
}

static ptk_err sleep_until_cancelled(void *arg) {
    (void) arg;
    return ptk_sleep_ms(PTK_TIMEOUT_INFINITE);
}

static ptk_err join_twice(void *arg) {
    (void) arg;
    ptk_green_t *stale = ptk_green_spawn(NULL, NULL, return_ok, NULL);
    CHECK_OK(ptk_green_join(stale, NULL, PTK_TIMEOUT_INFINITE));
    for (int i = 0; i < REUSES; i++) {
        ptk_green_t *other = ptk_green_spawn(NULL, NULL, return_ok, NULL);
        CHECK(other && other != stale);
        CHECK_OK(ptk_green_join(other, NULL, PTK_TIMEOUT_INFINITE));
    }
    ptk_green_t *living = ptk_green_spawn(NULL, NULL, sleep_until_cancelled, NULL);
    CHECK_OK(ptk_yield());
    CHECK_ERR(ptk_green_cancel(stale), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_green_detach(stale), PTK_ERR_CLOSED);
    CHECK_ERR(ptk_green_join(stale, NULL, 0), PTK_ERR_CLOSED);
    CHECK_STR(ptk_green_name(stale), "");
    CHECK_ERR(ptk_green_join(living, NULL, 0), PTK_ERR_TIMEOUT);
    CHECK_OK(ptk_green_end(living, PTK_TIMEOUT_INFINITE));
    return PTK_OK;
}

TEST(p84_stale_green_thread_cancels_no_later_one) {
    test_in_green(join_twice);
}

/* --- after the loop, and on other threads --- */

typedef struct stale_handles {
    ptk_sock_t *sock;
    ptk_waitable_t *waitable;
    ptk_green_t *green;
} stale_handles_t;

static void check_refused(const stale_handles_t *stale, ptk_err expected) {
    ptk_sock_close(stale->sock);
    CHECK_ERR(ptk_get_err(), expected);
    ptk_waitable_destroy(stale->waitable);
    CHECK_ERR(ptk_get_err(), expected);
    CHECK_ERR(ptk_waitable_signal(stale->waitable), expected);
    CHECK_ERR(ptk_green_cancel(stale->green), expected);
}

static stale_handles_t make_handles(ptk_event_loop_platform_t *loop) {
    stale_handles_t handles = {
        .sock = ptk_sock_open(loop, AF_INET, SOCK_STREAM, 0),
        .waitable = test_user(),
        .green = ptk_green_spawn(loop, NULL, return_ok, NULL),
    };
    CHECK(handles.sock && handles.green);
    return handles;
}

TEST(p84_handles_of_a_loop_that_has_gone_are_closed) {
    ptk_event_loop_platform_t *loop = test_loop();
    stale_handles_t stale = make_handles(loop);
    test_run();
    test_loop_end(loop);
    check_refused(&stale, PTK_ERR_CLOSED);
    for (int i = 0; i < 100; i++) { /* later loops put their own handles into the same slots */
        loop = test_loop();
        stale_handles_t living = make_handles(loop);
        CHECK(living.sock != stale.sock && living.waitable != stale.waitable && living.green != stale.green);
        check_refused(&stale, PTK_ERR_CLOSED);
        CHECK_OK(ptk_waitable_signal(living.waitable));
        test_run();
        test_loop_end(loop);
    }
}

static void *refuse_on_thread(void *arg) {
    check_refused(arg, PTK_ERR_WRONG_THREAD);
    return NULL;
}

static void *refuse_closed_on_thread(void *arg) {
    check_refused(arg, PTK_ERR_CLOSED);
    return NULL;
}

static void on_other_thread(void *(*fn)(void *arg), void *arg) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(p54_handles_are_refused_on_another_thread) {
    ptk_event_loop_platform_t *loop = test_loop();
    stale_handles_t handles = make_handles(loop);
    on_other_thread(refuse_on_thread, &handles);
    test_run();
    test_loop_end(loop);
    on_other_thread(refuse_closed_on_thread, &handles);
}

TEST(p84_pointers_that_are_no_handles_are_refused) {
    ptk_event_loop_platform_t *loop = test_loop();
    stale_handles_t garbage = {(ptk_sock_t *) (void *) loop, (ptk_waitable_t *) (void *) loop,
                               (ptk_green_t *) (void *) loop};
    check_refused(&garbage, PTK_ERR_INVALID_PARAM);
    test_loop_end(loop);
}
