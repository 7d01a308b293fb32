/* SPDX-License-Identifier: MIT */
/* The end of green-local storage (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Destroys a green thread's local values: on its own stack if that is ptk's. */
void ptk_locals_end(ptk_task_t *task);
