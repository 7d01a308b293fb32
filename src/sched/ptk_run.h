/* SPDX-License-Identifier: MIT */
/* Entering and leaving the main context (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* The caller becomes the main context: from now on green threads may be run. */
void ptk_run_enter(ptk_scheduler_t *scheduler);

/* The caller is no longer the main context. */
void ptk_run_leave(ptk_scheduler_t *scheduler);

/* Cancels every living green thread, and each that is spawned until the stop has ended. */
void ptk_run_stop(ptk_scheduler_t *scheduler);
