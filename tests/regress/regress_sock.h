/* SPDX-License-Identifier: MIT */
/* What several regression tests need: a chosen platform, listeners, and pairs of sockets. */
#pragma once

#include "conformance.h"

#include <unistd.h>

/* Returns a loop on `platform`, whatever the environment selects. */
static inline ptk_event_loop_platform_t *regress_loop(const char *platform) {
    ptk_event_loop_platform_options_t options = PTK_EVENT_LOOP_PLATFORM_OPTIONS_INIT;
    options.platform = platform;
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create_with(&options);
    CHECK(loop != NULL);
    return loop;
}

/* As test_in_green(), on `platform`. */
static inline void regress_in_green(const char *platform, ptk_green_fn fn) {
    ptk_event_loop_platform_t *loop = regress_loop(platform);
    ptk_err result = PTK_ERR_OS;
    ptk_green_t *green = test_spawn(fn, NULL);
    test_run();
    CHECK_OK(ptk_green_join(green, &result, 0));
    CHECK_OK(result);
    test_loop_end(loop);
}

/* Returns a listening socket on a port of its own. */
static inline ptk_sock_t *regress_listener(ptk_addr_t *addr_out) {
    ptk_sock_t *listener = ptk_sock_open(NULL, AF_INET, SOCK_STREAM, 0);
    CHECK_OK(ptk_addr_parse("127.0.0.1:0", addr_out));
    CHECK_OK(ptk_sock_bind(listener, ptk_addr_sockaddr(addr_out), addr_out->length));
    CHECK_OK(ptk_sock_listen(listener, 5));
    CHECK_OK(ptk_sock_local_addr(listener, (struct sockaddr *) &addr_out->storage, &addr_out->length));
    return listener;
}

/* Returns a socket that accepted `peer_out`, a plain blocking descriptor; it was never waited on. From a
   green thread. */
static inline ptk_sock_t *regress_pair(int *peer_out) {
    ptk_addr_t addr;
    ptk_sock_t *listener = regress_listener(&addr);
    *peer_out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(*peer_out, ptk_addr_sockaddr(&addr), addr.length), 0);
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    CHECK(sock != NULL);
    ptk_sock_close(listener);
    return sock;
}

static inline void regress_pair_end(ptk_sock_t *sock, int peer) {
    ptk_sock_close(sock);
    CHECK_EQ(close(peer), 0);
}

/* A green thread that yields until it is cancelled, and counts its rounds. */
static inline ptk_err regress_count_ticks(void *arg) {
    size_t *turns = arg;
    while (ptk_yield() == PTK_OK) {
        ++*turns;
    }
    return PTK_OK;
}

static inline void regress_cancel(ptk_green_t *green) {
    CHECK_OK(ptk_green_cancel(green));
    CHECK_OK(test_join(green));
}
