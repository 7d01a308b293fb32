/* SPDX-License-Identifier: MIT */
/*
 * Echo under every fault: one server, three clients, any of which may crash.
 *
 * A client makes connections until enough of its messages have been echoed. Whatever the network does, what
 * is echoed is what was sent, byte for byte and in order: a connection that breaks returns an error, never
 * wrong bytes. With faults off, every client finishes.
 */
#include "scenarios.h"

#include <string.h>

#define MESSAGES   12
#define LONGEST    3000
#define TIMEOUT_MS 2000
#define BETWEEN_MS 20
#define SERVER     "10.0.0.1:7"

static void echo(ptk_sock_t *sock) {
    char bytes[1024];
    size_t count = 0;
    ptk_err err;
    do {
        err = ptk_sock_recv_some(sock, bytes, sizeof bytes, &count, 60000);
        if (err == PTK_OK) {
            err = ptk_sock_send(sock, bytes, count, 60000);
        }
    } while (err == PTK_OK);
    PTK_SIM_CHECK(scenario_is_network(err));
}

static ptk_err serve(void *arg) {
    (void) arg;
    return scenario_serve(SERVER, echo);
}

static void fill(unsigned char *bytes, size_t count, unsigned first) {
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char) (first + i * 7);
    }
}

/* Sends one message and receives its echo. */
static ptk_err exchange(ptk_sock_t *sock, unsigned number) {
    unsigned char sent[LONGEST];
    unsigned char received[LONGEST];
    size_t count = 1 + ptk_sim_choose(LONGEST);
    fill(sent, count, number);
    ptk_err err = ptk_sock_send(sock, sent, count, TIMEOUT_MS);
    if (err == PTK_OK) {
        err = ptk_sock_recv(sock, received, count, TIMEOUT_MS);
    }
    if (err == PTK_OK) {
        PTK_SIM_CHECK(memcmp(sent, received, count) == 0);
    }
    return err;
}

/* Exchanges as many messages as one connection lasts. */
static void exchange_messages(ptk_sock_t *sock, unsigned *done) {
    ptk_err err = PTK_OK;
    while (err == PTK_OK && *done < MESSAGES) {
        err = exchange(sock, *done);
        *done += err == PTK_OK;
    }
    PTK_SIM_CHECK(err == PTK_OK || scenario_is_network(err));
}

static ptk_err ask(void *arg) {
    unsigned done = 0;
    (void) arg;
    while (done < MESSAGES) {
        ptk_sock_t *sock = scenario_connect(SERVER, TIMEOUT_MS);
        if (sock) {
            exchange_messages(sock, &done);
            ptk_sock_close(sock);
        }
        ptk_err err = ptk_sleep_ms(BETWEEN_MS);
        if (err != PTK_OK) {
            return err;
        }
    }
    return PTK_OK;
}

static ptk_err run_client(void *arg) {
    return scenario_run(ask, arg);
}

void scenario_echo(ptk_sim_t *sim) {
    scenario_host(sim, "server", PTK_SIM_HOST_DAEMON | PTK_SIM_HOST_MAY_CRASH, serve, NULL);
    scenario_host(sim, "anna", PTK_SIM_HOST_MAY_CRASH, run_client, NULL);
    scenario_host(sim, "bert", PTK_SIM_HOST_MAY_CRASH, run_client, NULL);
    scenario_host(sim, "cleo", PTK_SIM_HOST_MAY_CRASH, run_client, NULL);
    ptk_sim_run_for(sim, 10000);
    ptk_sim_settle(sim, 3600000);
}
