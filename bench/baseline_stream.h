/* SPDX-License-Identifier: MIT */
#pragma once

#include "bench_load.h"

/* Serves a sink or a source of blocks with bare epoll, until every connection has ended. False: the server
   could not run. */
bool baseline_stream(load_t *load);
