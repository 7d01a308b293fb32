/* SPDX-License-Identifier: MIT */
/*
 * Load on a server over loopback.
 *
 * The measuring process is the server; it forks a client that runs on another processor: bare epoll over N
 * connections. The client sets the pace of a measurement in a page that both share: a warm-up, then the
 * interval that counts. The server adds up what it has done and looks at the page each time; when the phase
 * has changed it writes its clocks and its sum down. So the interval is the server's own, and all variants
 * pay the same for being measured.
 */
#pragma once

#include "bench.h"

#include <stdatomic.h>
#include <sys/types.h>

#define LOAD_MESSAGE_BYTES 64    /* echo */
#define LOAD_BUFFER_BYTES  512   /* what an echo server receives into */
#define LOAD_BLOCK_BYTES   65536 /* streaming */
#define LOAD_EVENTS        256   /* records per epoll_wait, on both sides */
#define LOAD_LIMIT_NS      UINT64_C(20000000000)

typedef enum load_kind {
    LOAD_ECHO,   /* each connection: one message out, the same back, again */
    LOAD_SINK,   /* the client sends blocks, the server receives them */
    LOAD_SOURCE, /* the server sends blocks, the client receives them */
} load_kind_t;

/* Phases of a measurement; the server answers each one after the first in `seen`. */
enum { LOAD_WARM_UP, LOAD_MEASURE, LOAD_DONE };

/* Shared by both processes. */
typedef struct load_page {
    _Alignas(64) _Atomic uint32_t phase; /* the client writes */
    _Alignas(64) _Atomic uint32_t seen;  /* the server writes */
} load_page_t;

typedef struct load_meter {
    load_page_t *page;
    uint32_t seen;
    uint64_t sum;
    uint64_t sum_at[LOAD_DONE + 1];
    uint64_t wall_ns[LOAD_DONE + 1];
    uint64_t cpu_ns[LOAD_DONE + 1];
} load_meter_t;

typedef struct load {
    load_kind_t kind;
    size_t connections;
    uint64_t warm_up_ns;
    uint64_t measured_ns;
    load_page_t *page;
    int port_pipe[2];
    pid_t client;
    load_meter_t meter;
} load_t;

void load_meter_mark(load_meter_t *meter);

/* The server did `amount` more of its work. */
static inline void load_count(load_meter_t *meter, uint64_t amount) {
    meter->sum += amount;
    if (atomic_load_explicit(&meter->page->phase, memory_order_relaxed) != meter->seen) {
        load_meter_mark(meter);
    }
}

/* Has the measurement ended? A source stops then. */
static inline bool load_is_done(const load_meter_t *meter) {
    return meter->seen == LOAD_DONE;
}

/* What both sides of every connection are given, whatever the system's defaults: plain Reno (others pace what
   they send, so that timers do a changing share of the work) and Nagle's algorithm off. */
bool load_tune(int fd);

/* Before the server does anything: fork the client. False: it could not. */
bool load_begin(load_t *load, const bench_t *bench, load_kind_t kind, bool quick);

/* The server listens: the client may connect `load->connections` times. The listener is tuned first, and what
   it accepts inherits that; it is looked for among the process's descriptors, so that all servers are treated
   alike. */
bool load_serve_at(load_t *load, uint16_t port);

/* The server has ended: wait for the client. False: one of them failed, or the interval was not measured. */
bool load_end(load_t *load);

/* Metrics 0 and 1: the work per second of the server's processor time, and per second of the clock. */
void load_metrics(const load_t *load, double unit, double *metrics_out);

/* The client's side, in load_client.c: never returns. */
_Noreturn void load_client(const load_t *load, uint16_t port);
