/* SPDX-License-Identifier: MIT */
/* The end of green-local storage (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Destroys a green thread's local values. Called on its own stack at its end; for a coroutine that ptk did
 * not spawn, on the stack that called ptk_foreign_forget. */
void ptk_locals_end(ptk_task_t *task);
