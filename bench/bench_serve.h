/* SPDX-License-Identifier: MIT */
/* A ptk server for a load: it listens, accepts all connections, and runs `serve` in a green thread for each.
 */
#pragma once

#include "bench_load.h"

#include <ptk.h>

/* `serve` gets a ptk_sock_t, which it closes. Returns when all have ended; false: could not run. */
bool bench_serve(load_t *load, ptk_green_fn serve);
