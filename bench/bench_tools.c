/* SPDX-License-Identifier: MIT */
#include "bench_tools.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *) left;
    double b = *(const double *) right;
    return (a > b) - (a < b);
}

/* Interpolates linearly between the two neighbours. */
double bench_quantile(double *values, size_t count, double quantile) {
    if (count == 0) {
        return NAN;
    }
    qsort(values, count, sizeof(*values), compare_doubles);
    double place = quantile * (double) (count - 1);
    size_t below = (size_t) place;
    size_t above = below + 1 < count ? below + 1 : below;
    return values[below] + (place - (double) below) * (values[above] - values[below]);
}

double bench_median(double *values, size_t count) {
    return bench_quantile(values, count, 0.5);
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    (void) clock_gettime(clock, &time);
    return (uint64_t) time.tv_sec * UINT64_C(1000000000) + (uint64_t) time.tv_nsec;
}

uint64_t bench_now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void) {
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t bench_proc_kib(const char *path, const char *key) {
    FILE *file = fopen(path, "re");
    if (!file) {
        return 0;
    }
    char line[256];
    uint64_t kib = 0;
    size_t length = strlen(key);
    while (fgets(line, (int) sizeof(line), file)) {
        if (strncmp(line, key, length) == 0) {
            kib = strtoull(line + length, NULL, 10);
            break;
        }
    }
    (void) fclose(file);
    return kib;
}

/* Pins the process to one of the processors that it was started on: the first, or the last. */
static void pin_to_processor(bool first) {
    static cpu_set_t allowed;
    if (CPU_COUNT(&allowed) == 0 && sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        return;
    }
    int chosen = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t) cpu, &allowed) && (chosen < 0 || !first)) {
            chosen = cpu;
        }
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t) chosen, &one);
    (void) sched_setaffinity(0, sizeof(one), &one);
}

void bench_pin_measured(void) {
    pin_to_processor(false);
}

void bench_pin_client(void) {
    pin_to_processor(true);
}
