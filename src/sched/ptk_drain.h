/* SPDX-License-Identifier: MIT */
/* Ending a loop's green threads before the loop is destroyed, or run returns (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Returns the point in time at which a drain that begins now has taken too long, UINT64_MAX without a limit.
 */
uint64_t ptk_drain_limit(const ptk_scheduler_t *scheduler);

/* Cancels the green threads that still live and runs them on the caller's stack for a bounded time. If some
   have not ended then, prints the dump and aborts: a stack in use is never freed. */
void ptk_drain(ptk_scheduler_t *scheduler);
