/* SPDX-License-Identifier: MIT */
/* All benches: each array is defined in the file of its name and ends with a NULL name. */
#pragma once

#include "bench.h"

extern const bench_t bench_yield[];
extern const bench_t bench_spawn[];
extern const bench_t bench_alive[];
extern const bench_t bench_timeout[];
extern const bench_t bench_sleepers[];
extern const bench_t bench_growth[];
extern const bench_t bench_echo[];
extern const bench_t bench_stream[];
extern const bench_t bench_sim[];
extern const bench_t bench_lateness[];
