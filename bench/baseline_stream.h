/* SPDX-License-Identifier: MIT */
#pragma once

#include "bench_load.h"

/* Bare epoll: a sink or a source of blocks, as the load says. Serves until every connection has ended; false:
   could not run. */
bool baseline_stream(load_t *load);
