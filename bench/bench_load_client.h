/* SPDX-License-Identifier: MIT */
#pragma once

#include "bench_load_plan.h"

/* Runs the client of a load against a server on 127.0.0.1:port, then exits: with 0 if all went well. */
_Noreturn void load_client(const load_plan_t *plan, uint16_t port);
