/* SPDX-License-Identifier: MIT */
/*
 * Load on a server over loopback.
 *
 * The measuring process is the server. It forks a client that runs on another processor: bare epoll over N
 * connections. The client advances the phases of a measurement in a page that both share: a warm-up, then the
 * interval that counts. The server adds up its work and reads the page after each piece; when the phase has
 * changed it records its clocks and its sum. So the server's clocks bound the interval, and the measuring
 * itself costs all variants the same.
 */
#pragma once

#include "bench.h"
#include "bench_load_plan.h"

#include <sys/types.h>

typedef struct load_meter {
    load_page_t *page;
    uint32_t seen;
    uint64_t sum;
    uint64_t sum_at[LOAD_DONE + 1];
    uint64_t wall_ns[LOAD_DONE + 1];
    uint64_t cpu_ns[LOAD_DONE + 1];
} load_meter_t;

typedef struct load {
    load_plan_t plan;
    int port_pipe[2];
    pid_t client;
    load_meter_t meter;
} load_t;

/* Records clocks and sum for the phases that have begun since the last call. */
void load_meter_mark(load_meter_t *meter);

/* Adds `amount` to the work that the server has done. */
static inline void load_count(load_meter_t *meter, uint64_t amount) {
    meter->sum += amount;
    if (atomic_load_explicit(&meter->page->phase, memory_order_relaxed) != meter->seen) {
        load_meter_mark(meter);
    }
}

/* Returns whether the measurement has ended; a source stops then. */
static inline bool load_is_done(const load_meter_t *meter) {
    return meter->seen == LOAD_DONE;
}

/* Forks the client, before the server does anything. False: that failed. */
bool load_begin(load_t *load, const bench_t *bench, load_kind_t kind, bool quick);

/* Lets the client connect: the server listens on `port`. The listener is tuned first, and accepted
   connections inherit its options; it is searched for among the process's descriptors, so that all servers
   are treated alike. */
bool load_serve_at(load_t *load, uint16_t port);

/* Waits for the client, after the server has ended. False: one of them failed, or the interval was not
   measured. */
bool load_end(load_t *load);

/* Fills in metrics 0 and 1: work per second of the server's processor time, and per second of the clock. */
void load_metrics(const load_t *load, double unit, double *metrics_out);
