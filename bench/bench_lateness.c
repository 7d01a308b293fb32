/* SPDX-License-Identifier: MIT */
/*
 * Lateness beside a green thread that computes: how much later than in an idle loop a sleep of 10 ms ends,
 * and an echo returns, the first time after the computing began and at worst after that. lateness-yields:
 * bursts of computing between yields. lateness-requests: a burst for each request of a client that pipelines,
 * so that every receive succeeds at once.
 *
 * Computing takes virtual time on a simulated host (ptk_sim_compute()), so the figures are exact, and the
 * same on every machine. The size of the bursts in microseconds is part of the bench's name.
 */
#include "bench_list.h"

#include <ptk.h>
#include <ptk_sim.h>

#define LATENESS_SAMPLES  200
#define LATENESS_BYTES    8
#define LATENESS_SLEEP_MS 10u
#define LATENESS_LIMIT_MS 10000000u
#define LATENESS_PIPELINE 4096 /* bytes that the client keeps under way */

enum { METRIC_SLEEP_FIRST, METRIC_SLEEP_WORST, METRIC_ECHO_FIRST, METRIC_ECHO_WORST };

typedef struct lateness {
    uint64_t burst_ns;
    bool by_requests;
    bool computes;    /* the computing has begun */
    int living;       /* measurements that go on */
    uint64_t idle_ns; /* what the echo takes in an idle loop */
    uint64_t worst_ns[4];
} lateness_t;

static lateness_t lateness;

static void lateness_note(size_t first, int sample, uint64_t took_ns, uint64_t idle_ns) {
    uint64_t late_ns = took_ns > idle_ns ? took_ns - idle_ns : 0;
    uint64_t *worst_ns = &lateness.worst_ns[sample == 0 ? first : first + 1];
    *worst_ns = late_ns > *worst_ns ? late_ns : *worst_ns;
}

/* --- the host that computes --- */

static ptk_err lateness_sleep(void *unused) {
    (void) unused;
    while (!lateness.computes) {
        PTK_IGNORE(ptk_sleep_ms(1));
    }
    for (int i = 0; i < LATENESS_SAMPLES; i++) {
        uint64_t began_ns = ptk_now_ns();
        ptk_err err = ptk_sleep_ms(LATENESS_SLEEP_MS);
        if (err != PTK_OK) {
            return err;
        }
        lateness_note(METRIC_SLEEP_FIRST, i, ptk_now_ns() - began_ns, LATENESS_SLEEP_MS * PTK_NS_PER_MS);
    }
    lateness.living--;
    return PTK_OK;
}

static ptk_err lateness_yield(void *unused) {
    (void) unused;
    while (lateness.living > 0) {
        if (!lateness.computes) {
            PTK_IGNORE(ptk_sleep_ms(1));
        } else {
            ptk_sim_compute(lateness.burst_ns);
            PTK_IGNORE(ptk_yield());
        }
    }
    return PTK_OK;
}

/* Echoes; `computes`: with a burst before each reply. */
static void lateness_serve(ptk_sock_t *sock, bool computes) {
    char bytes[LATENESS_BYTES];
    while (ptk_sock_recv(sock, bytes, sizeof bytes, PTK_TIMEOUT_INFINITE) == PTK_OK) {
        if (computes) {
            ptk_sim_compute(lateness.burst_ns);
        }
        if (ptk_sock_send(sock, bytes, sizeof bytes, PTK_TIMEOUT_INFINITE) != PTK_OK) {
            break;
        }
    }
    ptk_sock_close(sock);
}

static ptk_err lateness_serve_echo(void *sock) {
    lateness_serve(sock, false);
    return PTK_OK;
}

static ptk_err lateness_serve_requests(void *sock) {
    lateness_serve(sock, true);
    return PTK_OK;
}

/* The first connection is the echo's, the second one, if there is one, is the pipelining client's. */
static ptk_err lateness_accept(void *unused) {
    (void) unused;
    ptk_sock_t *listener = ptk_tcp_listen(NULL, "10.0.0.1:7", NULL);
    ptk_sock_t *echo = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
    ptk_err err = echo ? ptk_go(NULL, lateness_serve_echo, echo) : ptk_get_err();
    if (err == PTK_OK && lateness.by_requests) {
        ptk_sock_t *client = ptk_sock_accept(listener, NULL, NULL, PTK_TIMEOUT_INFINITE);
        err = client ? ptk_go(NULL, lateness_serve_requests, client) : ptk_get_err();
    }
    ptk_sock_close(listener);
    return err;
}

static ptk_err lateness_run(ptk_green_fn first, ptk_green_fn second, ptk_green_fn third) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    ptk_err err = loop ? ptk_go(loop, first, NULL) : ptk_get_err();
    if (err == PTK_OK && second) {
        err = ptk_go(loop, second, NULL);
    }
    if (err == PTK_OK && third) {
        err = ptk_go(loop, third, NULL);
    }
    if (err == PTK_OK) {
        err = ptk_scheduler_run(loop);
    }
    ptk_err destroyed = ptk_event_loop_platform_destroy(loop);
    return err != PTK_OK ? err : destroyed;
}

static ptk_err lateness_host(void *unused) {
    (void) unused;
    return lateness_run(lateness_accept, lateness_sleep, lateness.by_requests ? NULL : lateness_yield);
}

/* --- the other host --- */

static bool lateness_echo_once(ptk_sock_t *sock, uint64_t *took_ns_out) {
    char bytes[LATENESS_BYTES] = {0};
    uint64_t began_ns = ptk_now_ns();
    bool ok = ptk_sock_send(sock, bytes, sizeof bytes, PTK_TIMEOUT_INFINITE) == PTK_OK &&
              ptk_sock_recv(sock, bytes, sizeof bytes, PTK_TIMEOUT_INFINITE) == PTK_OK;
    *took_ns_out = ptk_now_ns() - began_ns;
    return ok;
}

static ptk_err lateness_ask(void *unused) {
    (void) unused;
    uint64_t took_ns = 0;
    ptk_sock_t *sock = ptk_tcp_connect("10.0.0.1:7", PTK_TIMEOUT_INFINITE);
    bool ok = sock && lateness_echo_once(sock, &lateness.idle_ns);
    lateness.computes = true;
    for (int i = 0; ok && i < LATENESS_SAMPLES; i++) {
        ok = lateness_echo_once(sock, &took_ns);
        lateness_note(METRIC_ECHO_FIRST, i, took_ns, lateness.idle_ns);
    }
    ptk_sock_close(sock);
    lateness.living--;
    return PTK_SIM_CHECK(ok) ? PTK_OK : PTK_ERR_NETWORK;
}

static ptk_err lateness_take_replies(void *sock) {
    char bytes[LATENESS_BYTES];
    while (ptk_sock_recv(sock, bytes, sizeof bytes, PTK_TIMEOUT_INFINITE) == PTK_OK) {
    }
    return PTK_OK;
}

/* Sends requests without waiting for their replies, as long as anything is measured. */
static ptk_err lateness_pipeline(void *unused) {
    (void) unused;
    static const char requests[LATENESS_PIPELINE];
    while (!lateness.computes) {
        PTK_IGNORE(ptk_sleep_ms(1));
    }
    ptk_sock_t *sock = ptk_tcp_connect("10.0.0.1:7", PTK_TIMEOUT_INFINITE);
    ptk_err err = sock ? ptk_go(NULL, lateness_take_replies, sock) : ptk_get_err();
    while (err == PTK_OK && lateness.living > 0) {
        err = ptk_sock_send(sock, requests, sizeof requests, PTK_TIMEOUT_INFINITE);
    }
    ptk_sock_reset(sock);
    return PTK_OK;
}

static ptk_err lateness_peer(void *unused) {
    (void) unused;
    return lateness_run(lateness_ask, lateness.by_requests ? lateness_pipeline : NULL, NULL);
}

/* --- the measurement --- */

static bool measure_lateness(const bench_t *bench, double *metrics_out, bool by_requests) {
    const ptk_sim_options_t options = {
        .struct_size = sizeof options, .flags = PTK_SIM_BENIGN, .platform = "epoll"};
    lateness = (lateness_t) {.burst_ns = bench->count * 1000u, .by_requests = by_requests, .living = 2};
    ptk_sim_t *sim = ptk_sim_create(&options);
    bool ok = sim && ptk_sim_host(sim, NULL, lateness_host, NULL) &&
              ptk_sim_host(sim, NULL, lateness_peer, NULL) &&
              ptk_sim_run_for(sim, LATENESS_LIMIT_MS) == PTK_SIM_END_QUIESCENT;
    for (size_t i = 0; i < 4; i++) {
        metrics_out[i] = (double) lateness.worst_ns[i] / 1e6;
    }
    ptk_sim_destroy(sim);
    return ok;
}

static bool measure_yields(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    return measure_lateness(bench, metrics_out, false);
}

static bool measure_requests(const bench_t *bench, bool quick, double *metrics_out) {
    (void) quick;
    return measure_lateness(bench, metrics_out, true);
}

#define LATENESS_BENCH(kind, between, us)                                                                    \
    {                                                                                                        \
        .name = "lateness-" #kind "-" #us, .what = "beside bursts of " #us " us between " between,           \
        .count = (us), .rounds_max = 1, .rounds_max_quick = 1, .variants = {{"ptk", measure_##kind}},        \
        .metrics = {{"sleep, first", "ms", false},                                                           \
                    {"sleep, worst", "ms", false},                                                           \
                    {"echo, first", "ms", false},                                                            \
                    {"echo, worst", "ms", false}},                                                           \
        .figures = {                                                                                         \
            {METRIC_SLEEP_FIRST, 0, BENCH_GOAL_NONE, 0},                                                     \
            {METRIC_SLEEP_WORST, 0, BENCH_GOAL_NONE, 0},                                                     \
            {METRIC_ECHO_FIRST, 0, BENCH_GOAL_NONE, 0},                                                      \
            {METRIC_ECHO_WORST, 0, BENCH_GOAL_NONE, 0}                                                       \
        }                                                                                                    \
    }

const bench_t bench_lateness[] = {LATENESS_BENCH(yields, "yields", 100),
                                  LATENESS_BENCH(yields, "yields", 1000),
                                  LATENESS_BENCH(yields, "yields", 5000),
                                  LATENESS_BENCH(yields, "yields", 20000),
                                  LATENESS_BENCH(yields, "yields", 100000),
                                  LATENESS_BENCH(requests, "pipelined requests", 100),
                                  LATENESS_BENCH(requests, "pipelined requests", 1000),
                                  LATENESS_BENCH(requests, "pipelined requests", 5000),
                                  LATENESS_BENCH(requests, "pipelined requests", 20000),
                                  LATENESS_BENCH(requests, "pipelined requests", 100000),
                                  {.name = NULL}};
