/* SPDX-License-Identifier: MIT */
/* The two echo servers that ptk's is compared with. Both serve until every connection has ended. False: the
   server could not run. */
#pragma once

#include "bench_load.h"

/* Runs a bare context per connection, and a loop on epoll that switches to the contexts that have events. */
bool baseline_echo_contexts(load_t *load);

/* Runs a state machine per connection, on the loop's own stack. */
bool baseline_echo_epoll(load_t *load);
