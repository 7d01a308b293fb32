/* SPDX-License-Identifier: MIT */
/*
 * Costs that must not grow with the number of objects that they are not about. Each bench measures one
 * operation beside `count` objects; its baseline is ptk itself, in the same run, beside a tenth of them. So a
 * ratio of 1 is a constant cost, and 10 one that is proportional.
 *
 * growth-poll: one poll, with two green threads that take turns at sleeping, beside those that wait for an
 * event of the program. growth-shared: a destroy of a waitable that is waited for, beside others of the
 * same descriptor. growth-big: the end of a green thread with a stack of 2 MiB, beside others.
 */
#include "bench_list.h"
#include "bench_tools.h"

#include <ptk.h>
#include <stdlib.h>
#include <unistd.h>

#define GROWTH_TURNS     500
#define GROWTH_BIG_BYTES ((size_t) 2 * 1024 * 1024)

typedef struct growth {
    size_t count;
    ptk_waitable_t *user; /* what the others wait for */
    ptk_waitable_t *turns[2];
    size_t turn;
    double ns; /* the result: processor time of one operation */
} growth_t;

static growth_t growth;

static ptk_err growth_wait(void *waitable) {
    PTK_IGNORE(ptk_waitable_wait(waitable, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE)); /* the stop ends it */
    return PTK_OK;
}

/* Runs `fn` in a green thread of a new loop, stops the loop and destroys it. */
static bool growth_run(ptk_green_fn fn, size_t count, double *metrics_out) {
    ptk_event_loop_platform_t *loop = ptk_event_loop_platform_create();
    growth = (growth_t) {.count = count};
    growth.user = loop ? ptk_waitable_create(loop, PTK_WAITABLE_USER, NULL) : NULL;
    bool ran = growth.user && ptk_go(loop, fn, NULL) == PTK_OK && ptk_scheduler_run(loop) == PTK_OK;
    metrics_out[0] = growth.ns;
    return ran && growth.ns > 0 && ptk_event_loop_platform_destroy(loop) == PTK_OK;
}

/* --- poll --- */

static ptk_err growth_take_turns(void *arg) {
    size_t me = (size_t) (uintptr_t) arg;
    while (growth.turn < GROWTH_TURNS) {
        if (ptk_waitable_wait(growth.turns[me], PTK_EVENT_READ, PTK_TIMEOUT_INFINITE) != PTK_OK) {
            return PTK_OK;
        }
        PTK_IGNORE(ptk_sleep_ms(1)); /* the stop ends it */
        growth.turn++;
        PTK_IGNORE(ptk_waitable_signal(growth.turns[1 - me])); /* both live as long as the loop */
    }
    return ptk_waitable_signal(growth.user);
}

static ptk_err growth_poll(void *arg) {
    (void) arg;
    for (size_t i = 0; i < 2; i++) {
        growth.turns[i] = ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL);
        if (!growth.turns[i]) {
            return ptk_get_err();
        }
    }
    ptk_waitable_t *crowd = ptk_waitable_create(NULL, PTK_WAITABLE_USER, NULL);
    for (size_t i = 0; crowd && i < growth.count; i++) {
        if (ptk_go(NULL, growth_wait, crowd) != PTK_OK) {
            return ptk_get_err();
        }
    }
    PTK_IGNORE(ptk_sleep_ms(20)); /* until all wait; nothing cancels it */
    for (uintptr_t i = 0; i < 2; i++) {
        if (ptk_go(NULL, growth_take_turns, (void *) i) != PTK_OK) {
            return ptk_get_err();
        }
    }
    uint64_t began_ns = bench_cpu_ns();
    PTK_IGNORE(ptk_waitable_signal(growth.turns[0])); /* it lives as long as the loop */
    ptk_err err = ptk_waitable_wait(growth.user, PTK_EVENT_READ, PTK_TIMEOUT_INFINITE);
    growth.ns = (double) (bench_cpu_ns() - began_ns) / GROWTH_TURNS;
    return err == PTK_OK ? ptk_scheduler_stop(NULL) : err;
}

/* --- waitables that share a descriptor --- */

static ptk_err growth_shared(void *arg) {
    int fds[2];
    (void) arg;
    ptk_waitable_t **waitables = calloc(growth.count, sizeof(*waitables));
    if (!waitables || pipe(fds) != 0) {
        return PTK_ERR_NO_RESOURCES;
    }
    for (size_t i = 0; i < growth.count; i++) {
        waitables[i] = ptk_waitable_create(NULL, PTK_WAITABLE_SOCKET, PTK_HANDLE_FD(fds[0]));
        if (!waitables[i] || ptk_go(NULL, growth_wait, waitables[i]) != PTK_OK) {
            return ptk_get_err();
        }
    }
    PTK_IGNORE(ptk_sleep_ms(20)); /* until all wait; nothing cancels it */
    size_t destroyed = growth.count < GROWTH_TURNS ? growth.count : GROWTH_TURNS;
    uint64_t began_ns = bench_cpu_ns();
    for (size_t i = 0; i < destroyed; i++) {
        ptk_waitable_destroy(waitables[i]);
    }
    growth.ns = (double) (bench_cpu_ns() - began_ns) / (double) destroyed;
    free(waitables);
    return ptk_scheduler_stop(NULL);
}

/* --- big stacks --- */

static ptk_err growth_big(void *arg) {
    (void) arg;
    const ptk_green_options_t options = {.struct_size = sizeof options, .stack_bytes = GROWTH_BIG_BYTES};
    ptk_green_t **greens = calloc(growth.count, sizeof(*greens));
    for (size_t i = 0; greens && i < growth.count; i++) {
        greens[i] = ptk_green_spawn(NULL, &options, growth_wait, growth.user);
        if (!greens[i]) {
            return ptk_get_err();
        }
    }
    PTK_IGNORE(ptk_sleep_ms(20)); /* until all wait; nothing cancels it */
    size_t ended = growth.count / 4 < GROWTH_TURNS ? growth.count / 4 : GROWTH_TURNS;
    uint64_t began_ns = bench_cpu_ns();
    for (size_t i = 0; greens && i < ended; i++) {
        if (ptk_green_end(greens[i], PTK_TIMEOUT_INFINITE) != PTK_OK) {
            return ptk_get_err();
        }
    }
    PTK_IGNORE(ptk_sleep_ms(1)); /* a tick unmaps the last stacks; nothing cancels it */
    growth.ns = (double) (bench_cpu_ns() - began_ns) / (double) ended;
    free(greens);
    return ptk_scheduler_stop(NULL);
}

/* --- the benches --- */

#define GROWTH_MEASURE(name)                                                                                 \
    static bool measure_growth_##name(const bench_t *bench, bool quick, double *metrics_out) {               \
        (void) quick;                                                                                        \
        return growth_run(growth_##name, bench->count, metrics_out);                                         \
    }                                                                                                        \
    static bool measure_growth_##name##_tenth(const bench_t *bench, bool quick, double *metrics_out) {       \
        (void) quick;                                                                                        \
        return growth_run(growth_##name, bench->count / 10, metrics_out);                                    \
    }
GROWTH_MEASURE(poll)
GROWTH_MEASURE(shared)
GROWTH_MEASURE(big)

/* Caches and the kernel's own trees grow slower with use, so a constant cost may show as up to 3. */
#define GROWTH_BENCH(kind, text, objects)                                                                    \
    {                                                                                                        \
        .name = "growth-" #kind "-" #objects,                                                                \
        .what = text " beside " #objects,                                                                    \
        .count = (objects),                                                                                  \
        .rounds_max = 5,                                                                                     \
        .rounds_max_quick = 1,                                                                               \
        .memory_mib = 2048,                                                                                  \
        .variants = {{"ptk", measure_growth_##kind}, {"ptk beside a tenth", measure_growth_##kind##_tenth}}, \
        .metrics = {{"", "ns", false}},                                                                      \
        .figures = {{0, 1, BENCH_GOAL_RATIO, 3}},                                                            \
    }

const bench_t bench_growth[] = {
    GROWTH_BENCH(poll, "one poll", 1000),
    GROWTH_BENCH(poll, "one poll", 10000),
    GROWTH_BENCH(poll, "one poll", 100000),
    GROWTH_BENCH(shared, "a destroy of one of the waitables of a descriptor", 1000),
    GROWTH_BENCH(shared, "a destroy of one of the waitables of a descriptor", 10000),
    GROWTH_BENCH(shared, "a destroy of one of the waitables of a descriptor", 100000),
    GROWTH_BENCH(big, "the end of a stack of 2 MiB", 1000),
    GROWTH_BENCH(big, "the end of a stack of 2 MiB", 10000),
    GROWTH_BENCH(big, "the end of a stack of 2 MiB", 50000), /* each is a mapping */
    {.name = NULL},
};
