/* SPDX-License-Identifier: MIT */
/* Entering and leaving the main context, the context that called run or poll (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Makes the caller the main context, which the loop does not have: from now on green threads may be run. */
void ptk_main_context_enter(ptk_scheduler_t *scheduler);

/* Ends what ptk_main_context_enter began. Deadlines and runnable work show on the loop's descriptor again. */
void ptk_main_context_leave(ptk_scheduler_t *scheduler);

/* Begins a stop: cancels every living green thread, and each that is spawned until the stop has ended. */
void ptk_main_context_stop(ptk_scheduler_t *scheduler);
