/* SPDX-License-Identifier: MIT */
/*
 * A send that was cut short leaves half a frame in the stream, and the socket BROKEN. One byte more by
 * send_some counted as the end of that: the next whole send was sent in the middle of the cut frame.
 */
#include "regress_sock.h"

#include <errno.h>

#define FRAME_BYTES ((size_t) 16 << 20)

static char frame[FRAME_BYTES];
static char sink[1 << 20];

/* Takes what has arrived. */
static size_t drain(int peer) {
    size_t total = 0;
    ssize_t got;
    while ((got = recv(peer, sink, sizeof sink, MSG_DONTWAIT)) > 0) {
        total += (size_t) got;
    }
    CHECK(got < 0 && errno == EAGAIN);
    return total;
}

/* Sends exactly `bytes` of the frame's rest. */
static void resume(ptk_sock_t *sock, int peer, size_t bytes) {
    while (bytes > 0) {
        size_t sent = 0;
        ptk_err err = ptk_sock_send_some(sock, frame, bytes, &sent, 0);
        CHECK(err == PTK_OK || err == PTK_ERR_TIMEOUT);
        CHECK(sent <= bytes);
        bytes -= sent;
        (void) drain(peer);
    }
}

static void check_broken(ptk_sock_t *sock) {
    CHECK_ERR(ptk_sock_send(sock, "next", 4, PTK_TIMEOUT_INFINITE), PTK_ERR_BROKEN);
    CHECK_ERR(ptk_sock_send(sock, "next", 4, 0), PTK_ERR_BROKEN);
}

static ptk_err cut_and_resume(void *unused) {
    (void) unused;
    int peer = -1;
    ptk_sock_t *sock = regress_pair(&peer);
    CHECK_ERR(ptk_sock_send(sock, frame, FRAME_BYTES, 50), PTK_ERR_PARTIAL);
    size_t missing = FRAME_BYTES - ptk_get_count();
    CHECK(missing > 3 && missing < FRAME_BYTES);
    check_broken(sock);
    resume(sock, peer, 1);
    check_broken(sock);
    resume(sock, peer, missing / 2);
    check_broken(sock);
    resume(sock, peer, missing - 2 - missing / 2);
    check_broken(sock);
    resume(sock, peer, 1);
    CHECK_OK(ptk_sock_send(sock, "next", 4, PTK_TIMEOUT_INFINITE));
    regress_pair_end(sock, peer);
    return PTK_OK;
}

TEST(p24_a_cut_frame_is_broken_until_all_of_it_is_out) {
    test_clock_begin(1000 * PTK_NS_PER_MS);
    test_in_green(cut_and_resume);
    test_clock_end();
}
