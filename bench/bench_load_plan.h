/* SPDX-License-Identifier: MIT */
/* What both sides of a load agree on: its kind, its size, its times, and the page that they share. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_MESSAGE_BYTES 64    /* echo */
#define LOAD_BUFFER_BYTES  512   /* what an echo server receives into */
#define LOAD_BLOCK_BYTES   65536 /* streaming */
#define LOAD_EVENTS        256   /* records per epoll_wait, on both sides */
#define LOAD_LIMIT_NS      UINT64_C(20000000000)

typedef enum load_kind {
    LOAD_ECHO,   /* on each connection: one message out and the same back, repeatedly */
    LOAD_SINK,   /* the client sends blocks, the server receives them */
    LOAD_SOURCE, /* the server sends blocks, the client receives them */
} load_kind_t;

/* Phases of a measurement. The client sets each in `phase`; the server stores it in `seen` when it has read
   its clocks. */
enum { LOAD_WARM_UP, LOAD_MEASURE, LOAD_DONE };

/* Shared by both processes. */
typedef struct load_page {
    _Alignas(64) _Atomic uint32_t phase; /* the client writes */
    _Alignas(64) _Atomic uint32_t seen;  /* the server writes */
} load_page_t;

typedef struct load_plan {
    load_kind_t kind;
    size_t connections;
    uint64_t warm_up_ns;
    uint64_t measured_ns;
    load_page_t *page;
} load_plan_t;

/* Sets the options that both sides of every connection have, whatever the system's defaults: plain Reno
   (congestion control that paces its sends gives timers a changing share of the work), and Nagle's algorithm
   off. */
bool load_tune(int fd);
