/* SPDX-License-Identifier: MIT */
/*
 * Accepts that wait while descriptors are short wait in one queue of the whole loop. Closing a listener woke
 * the first in that queue, of any listener, and the closed listener's own waiter returned only when its pause
 * was over.
 */
#include "conformance.h"

#include "ptk_test_faults.h"
#include <errno.h>

typedef struct acceptor {
    ptk_sock_t *listener;
    ptk_err err;
    bool ended;
} acceptor_t;

static ptk_err accept_one(void *arg) {
    acceptor_t *acceptor = arg;
    acceptor->err =
        ptk_sock_accept(acceptor->listener, NULL, NULL, PTK_TIMEOUT_INFINITE) ? PTK_OK : ptk_get_err();
    acceptor->ended = true;
    return PTK_OK;
}

static ptk_sock_t *listen_somewhere(void) {
    ptk_addr_t addr;
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", &addr));
    ptk_sock_t *listener = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_sock_bind(listener, ptk_addr_sockaddr(&addr), addr.length));
    CHECK_OK(ptk_sock_listen(listener, 1));
    return listener;
}

static ptk_err close_the_second(void *unused) {
    (void) unused;
    acceptor_t acceptors[2] = {{.listener = listen_somewhere()}, {.listener = listen_somewhere()}};
    ptk_green_t *greens[2];
    ptk_test_fault(PTK_SYS_accept, 1, EMFILE, PTK_TEST_FOR_GOOD);
    for (int i = 0; i < 2; i++) {
        greens[i] = test_spawn(accept_one, &acceptors[i]);
    }
    CHECK_OK(ptk_sleep_ms(1500));
    ptk_sock_close(acceptors[1].listener);
    test_let_poll();
    CHECK(acceptors[1].ended && !acceptors[0].ended);
    CHECK_ERR(acceptors[1].err, PTK_ERR_CLOSED);
    ptk_sock_close(acceptors[0].listener);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(test_join(greens[i]));
        CHECK_ERR(acceptors[i].err, PTK_ERR_CLOSED);
    }
    return PTK_OK;
}

TEST(p05_close_wakes_the_closed_listeners_own_waiter_in_a_shortage) {
    test_clock_begin(1000 * PTK_NS_PER_MS);
    ptk_test_faults_install();
    test_in_green(close_the_second);
    ptk_test_faults_remove();
    test_clock_end();
}
