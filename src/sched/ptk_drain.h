/* SPDX-License-Identifier: MIT */
/* Ending a loop's green threads before the loop is destroyed (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Cancels the green threads that still live and runs them on the caller's stack for a bounded time. If some
   have not ended then, prints the dump and aborts: a stack in use is never freed. */
void ptk_drain(ptk_scheduler_t *scheduler);
