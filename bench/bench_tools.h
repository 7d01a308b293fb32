/* SPDX-License-Identifier: MIT */
/* Statistics, clocks, /proc, processors and random numbers. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Return the median and a quantile; both sort `values`. NAN if there is none. */
double bench_median(double *values, size_t count);
double bench_quantile(double *values, size_t count, double quantile);

/* Return the monotonic clock, and the processor time of this process, user and system. */
uint64_t bench_now_ns(void);
uint64_t bench_cpu_ns(void);

/* Returns the value, in KiB, of a line of /proc/self/status or /proc/meminfo, 0 if there is none:
 * bench_proc_kib("/proc/self/status", "VmRSS:") */
uint64_t bench_proc_kib(const char *path, const char *key);

/* Pin the process to a processor: measurements to one, load clients to another if there is one. */
void bench_pin_measured(void);
void bench_pin_client(void);

/* Returns the next number of a small, fast generator (xorshift64*). The state must not be 0. */
static inline uint64_t bench_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}
