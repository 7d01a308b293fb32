/* SPDX-License-Identifier: MIT */
/*
 * A network without faults, under kernels that still do whatever a real one may: here no call may fail
 * without need.
 *
 * In the other scenarios a client tries again after an error, and an error too many is not noticed. Here
 * every call must do what it promises: a connection has a peer, a stream returns every byte whatever timeouts
 * occur in between, a half that is shut down does not end the other, a cut frame is not followed by another,
 * a waiter on a socket that is closed returns, a timeout is never early, a green thread that is always ready
 * does not keep the others from running, a signal wakes a host that waits for nothing else, and a listener
 * survives a lack of descriptors.
 */
#include "scenarios.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SERVER     "10.0.0.1:7"
#define CROWDED    "10.0.0.2:8"
#define LATE_MS    600000
#define STREAM     6000
#define HOG_ROUNDS 20000
#define SIGNALS    5
#define CROWD      8

/* Three that every process has, the loop's, the listener's, and room for two or three connections. */
#define CROWDED_DESCRIPTORS 8

/* --- the server: it echoes until the end of the stream, then ends the stream too --- */

static void echo(ptk_sock_t *sock) {
    char bytes[512];
    size_t count = 0;
    ptk_err err;
    while ((err = ptk_sock_recv_some(sock, bytes, sizeof bytes, &count, LATE_MS)) == PTK_OK) {
        ptk_err sent = ptk_sock_send(sock, bytes, count, LATE_MS);
        if (!PTK_SIM_CHECK(sent == PTK_OK || sent == PTK_ERR_RESET || sent == PTK_ERR_PARTIAL)) {
            return;
        }
    }
    PTK_SIM_CHECK(err == PTK_ERR_EOF || err == PTK_ERR_RESET || err == PTK_ERR_CANCELED);
}

static ptk_err serve(void *arg) {
    (void) arg;
    return scenario_serve(SERVER, echo);
}

/* --- connections --- */

static ptk_sock_t *connect_for_sure(void) {
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    ptk_sock_t *sock = scenario_connect(SERVER, LATE_MS);
    if (PTK_SIM_CHECK(sock != NULL)) {
        ptk_err err = ptk_sock_peer_addr(sock, (struct sockaddr *) &peer, &length);
        PTK_SIM_CHECK(err == PTK_OK);
    }
    return sock;
}

static unsigned char byte_at(size_t place) {
    return (unsigned char) (place * 31 + place / 251);
}

static ptk_err send_stream(void *arg) {
    ptk_sock_t *sock = arg;
    unsigned char bytes[STREAM];
    for (size_t i = 0; i < STREAM; i++) {
        bytes[i] = byte_at(i);
    }
    for (size_t sent = 0; sent < STREAM;) {
        size_t count = 1 + ptk_sim_choose((uint32_t) (STREAM - sent));
        ptk_err err = ptk_sock_send(sock, bytes + sent, count, LATE_MS);
        if (!PTK_SIM_CHECK(err == PTK_OK)) {
            return err;
        }
        sent += count;
    }
    ptk_err err = ptk_sock_shutdown(sock, PTK_SOCK_WRITE);
    PTK_SIM_CHECK(err == PTK_OK);
    return PTK_OK;
}

/* Receives exactly `count` bytes, in as many calls as short timeouts make of it: none is lost by a timeout.
 */
static ptk_err receive_impatiently(ptk_sock_t *sock, unsigned char *bytes, size_t count) {
    ptk_err err;
    do {
        uint32_t patience_ms = ptk_sim_choose(4) == 0 ? LATE_MS : ptk_sim_choose(3);
        err = ptk_sock_recv(sock, bytes, count, patience_ms);
    } while (err == PTK_ERR_TIMEOUT);
    return err;
}

static void check_stream(ptk_sock_t *sock) {
    unsigned char bytes[STREAM];
    for (size_t received = 0; received < STREAM;) {
        size_t count = 1 + ptk_sim_choose(1000);
        count = count < STREAM - received ? count : STREAM - received;
        ptk_err err = receive_impatiently(sock, bytes, count);
        if (!PTK_SIM_CHECK(err == PTK_OK)) {
            return;
        }
        for (size_t i = 0; i < count; i++) {
            if (!PTK_SIM_CHECK(bytes[i] == byte_at(received + i))) {
                return;
            }
        }
        received += count;
    }
    ptk_err end = ptk_sock_recv(sock, bytes, 1, LATE_MS);
    PTK_SIM_CHECK(end == PTK_ERR_EOF);
}

/* Sends a stream and receives it back; the sender ends its half long before it has everything back. */
static ptk_err stream(void *arg) {
    (void) arg;
    ptk_sock_t *sock = connect_for_sure();
    if (!sock) {
        return PTK_OK;
    }
    ptk_green_t *sender = ptk_green_spawn(NULL, NULL, send_stream, sock);
    if (PTK_SIM_CHECK(sender != NULL)) {
        check_stream(sock);
        ptk_err err = ptk_green_join(sender, NULL, PTK_TIMEOUT_INFINITE);
        PTK_SIM_CHECK(err == PTK_OK);
    }
    ptk_sock_close(sock);
    return PTK_OK;
}

/* --- a peer that does not read --- */

static ptk_err accept_without_reading(void *arg) {
    ptk_sock_t *listener = arg;
    ptk_sock_t *sock = ptk_sock_accept(listener, NULL, NULL, LATE_MS);
    PTK_SIM_CHECK(sock != NULL);
    PTK_IGNORE(ptk_sleep_ms(5000)); /* a stop of the world may end it early */
    ptk_sock_close(sock);
    return PTK_OK;
}

/* Sends more than both buffers hold, with a timeout: a frame that is cut is the last one. */
static void send_too_much(ptk_sock_t *sock) {
    enum { MUCH = 1 << 20 };
    char *bytes = calloc(1, MUCH);
    if (!PTK_SIM_CHECK(bytes != NULL)) {
        return;
    }
    ptk_err err = ptk_sock_send(sock, bytes, MUCH, 1000);
    PTK_SIM_CHECK(err == PTK_ERR_PARTIAL && ptk_get_cause() == PTK_ERR_TIMEOUT && ptk_get_count() > 0);
    err = ptk_sock_send(sock, bytes, 1, 10);
    PTK_SIM_CHECK(err == PTK_ERR_BROKEN);
    free(bytes);
}

static ptk_err overfill(void *arg) {
    (void) arg;
    ptk_sock_t *listener = scenario_listen("0.0.0.0:99");
    ptk_green_t *deaf = listener ? ptk_green_spawn(NULL, NULL, accept_without_reading, listener) : NULL;
    if (PTK_SIM_CHECK(deaf != NULL)) {
        ptk_sock_t *sock = scenario_connect("127.0.0.1:99", LATE_MS);
        if (PTK_SIM_CHECK(sock != NULL)) {
            send_too_much(sock);
        }
        ptk_sock_reset(sock);
        PTK_IGNORE(
            ptk_green_join(deaf, NULL, PTK_TIMEOUT_INFINITE)); /* a stop of the world may end it early */
    }
    ptk_sock_close(listener);
    return PTK_OK;
}

/* --- close under a waiter --- */

static ptk_err wait_for_close(void *arg) {
    char byte;
    ptk_err err = ptk_sock_recv(arg, &byte, 1, LATE_MS);
    PTK_SIM_CHECK(err == PTK_ERR_CLOSED);
    return PTK_OK;
}

static ptk_err close_under_a_waiter(void *arg) {
    (void) arg;
    ptk_sock_t *sock = connect_for_sure();
    ptk_green_t *waiter = sock ? ptk_green_spawn(NULL, NULL, wait_for_close, sock) : NULL;
    if (waiter) {
        PTK_IGNORE(ptk_sleep_ms(ptk_sim_choose(3))); /* a stop of the world may end it early */
        ptk_sock_close(sock);
        ptk_err err = ptk_green_join(waiter, NULL, 1000);
        PTK_SIM_CHECK(err == PTK_OK);
    }
    return PTK_OK;
}

/* --- time --- */

static ptk_err sleep_long_and_short(void *arg) {
    static const uint32_t times_ms[] = {1, 2, 999, 4294, 4295, 5000, 86400};
    (void) arg;
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        uint64_t began_ns = ptk_now_ns();
        ptk_err err = ptk_sleep_ms(times_ms[i]);
        uint64_t slept_ns = ptk_now_ns() - began_ns;
        if (err != PTK_OK || !PTK_SIM_CHECK(slept_ns >= times_ms[i] * PTK_NS_PER_MS)) {
            return err;
        }
        PTK_SIM_CHECK(slept_ns < (times_ms[i] + 1000) * PTK_NS_PER_MS);
    }
    return PTK_OK;
}

/* --- a green thread that is always ready --- */

typedef struct fairness {
    ptk_waitable_t *always;
    bool other_ran;
} fairness_t;

static ptk_err run_once(void *arg) {
    ((fairness_t *) arg)->other_ran = true;
    return PTK_OK;
}

static ptk_err hog(void *arg) {
    fairness_t fairness = {ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL), false};
    (void) arg;
    if (!PTK_SIM_CHECK(fairness.always != NULL)) {
        return PTK_OK;
    }
    ptk_err err = ptk_go(NULL, run_once, &fairness);
    for (int i = 0; err == PTK_OK && i < HOG_ROUNDS && !fairness.other_ran; i++) {
        uint64_t times = 1 + ptk_sim_choose(3);
        for (uint64_t j = 0; j < times; j++) {
            PTK_SIM_CHECK(ptk_waitable_signal(fairness.always) == PTK_OK);
        }
        err = ptk_waitable_wait(fairness.always, PTK_EVENT_READ, LATE_MS);
        PTK_SIM_CHECK(err != PTK_OK || ptk_waitable_count() == times);
    }
    PTK_SIM_CHECK(fairness.other_ran || err != PTK_OK);
    ptk_waitable_destroy(fairness.always);
    return PTK_OK;
}

/* --- a server that has too few descriptors --- */

/* There is room for two or three connections at a time; the others are served when one has gone. */
static ptk_err serve_some(void *arg) {
    (void) arg;
    return scenario_serve(CROWDED, echo);
}

static ptk_err be_one_of_many(void *arg) {
    char bytes[] = "here I am";
    char back[sizeof bytes];
    (void) arg;
    ptk_sock_t *sock = scenario_connect(CROWDED, LATE_MS);
    if (!PTK_SIM_CHECK(sock != NULL)) {
        return PTK_OK;
    }
    ptk_err err = ptk_sock_send(sock, bytes, sizeof bytes, LATE_MS);
    PTK_SIM_CHECK(err == PTK_OK);
    err = ptk_sock_recv(sock, back, sizeof back, LATE_MS);
    PTK_SIM_CHECK(err == PTK_OK && memcmp(bytes, back, sizeof bytes) == 0);
    PTK_IGNORE(ptk_sleep_ms(1 + ptk_sim_choose(3000))); /* a stop of the world may end it early */
    ptk_sock_close(sock);
    return PTK_OK;
}

/* --- a host that waits for signals and nothing else --- */

static uint64_t signals_seen;
static bool is_waiting_for_signals;

static ptk_err hear_all(void *arg) {
    (void) arg;
    ptk_waitable_t *signals = ptk_waitable_create(NULL, PTK_WAITABLE_SIGNAL, PTK_HANDLE_SIGNAL(SIGUSR1));
    if (!PTK_SIM_CHECK(signals != NULL)) {
        return PTK_OK;
    }
    is_waiting_for_signals = true;
    while (signals_seen < SIGNALS) {
        ptk_err err = ptk_waitable_wait(signals, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE);
        if (!PTK_SIM_CHECK(err == PTK_OK)) {
            break;
        }
        signals_seen += ptk_waitable_count();
    }
    ptk_waitable_destroy(signals);
    return PTK_OK;
}

static ptk_err run_hearer(void *arg) {
    return scenario_run(hear_all, arg);
}

static bool listens(void *arg) {
    (void) arg;
    return is_waiting_for_signals;
}

static void send_signals(ptk_sim_t *sim, ptk_sim_host_t *hearer) {
    if (ptk_sim_run_until(sim, listens, NULL, 1000) != PTK_SIM_END_PREDICATE) {
        PTK_SIM_CHECK(is_waiting_for_signals);
        return;
    }
    for (int i = 0; i < SIGNALS; i++) {
        ptk_sim_run_for(sim, 1);
        ptk_sim_signal(hearer, SIGUSR1);
    }
    ptk_sim_run_for(sim, 60000);
    PTK_SIM_CHECK(signals_seen == SIGNALS);
}

/* --- the host that does all of it at once --- */

static ptk_err do_everything(void *arg) {
    static const ptk_green_fn parts[] = {stream, stream, overfill, close_under_a_waiter, sleep_long_and_short,
                                         hog};
    (void) arg;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        ptk_err err = ptk_go(NULL, parts[i], NULL);
        PTK_SIM_CHECK(err == PTK_OK);
    }
    for (int i = 0; i < CROWD; i++) {
        ptk_err err = ptk_go(NULL, be_one_of_many, NULL);
        PTK_SIM_CHECK(err == PTK_OK);
    }
    return PTK_OK;
}

static ptk_err run_client(void *arg) {
    return scenario_run(do_everything, arg);
}

void scenario_quiet(ptk_sim_t *sim) {
    signals_seen = 0;
    is_waiting_for_signals = false;
    ptk_sim_quiet_network(sim);
    scenario_host(sim, "server", PTK_SIM_HOST_DAEMON, serve, NULL);
    ptk_sim_host_options_t crowded = {.struct_size = sizeof crowded,
                                      .flags = PTK_SIM_HOST_DAEMON,
                                      .name = "crowded",
                                      .descriptor_limit = CROWDED_DESCRIPTORS};
    ptk_sim_host(sim, &crowded, serve_some, NULL);
    scenario_host(sim, "client", 0, run_client, NULL);
    send_signals(sim, scenario_host(sim, "hearer", 0, run_hearer, NULL));
    ptk_sim_settle(sim, 3600000);
}
