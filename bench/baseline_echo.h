/* SPDX-License-Identifier: MIT */
/* The two echo servers that ptk's stands beside. Both serve until every connection has ended; false: could
 * not run. */
#pragma once

#include "bench_load.h"

/* A bare context per connection and a loop on epoll that switches to those whose events came. */
bool baseline_echo_contexts(load_t *load);

/* A state machine per connection, on the loop's own stack. */
bool baseline_echo_epoll(load_t *load);
