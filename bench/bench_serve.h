/* SPDX-License-Identifier: MIT */
/* The ptk server of a load. */
#pragma once

#include "bench_load.h"

#include <ptk.h>

/* Listens, accepts all connections and runs `serve` in a green thread for each; its argument is a ptk_sock_t,
   which it closes. Returns when all have ended. False: the server could not run. */
bool bench_serve(load_t *load, ptk_green_fn serve);
