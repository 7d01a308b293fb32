/* SPDX-License-Identifier: MIT */
/* Spawning coroutines of another library (layer 3, internal): the model stands at the top of ptk_foreign.c.
 */
#pragma once

#include "sched/ptk_sched.h"

/* Has the library make a coroutine that calls entry(task), and queues the task, which is set up. The library
 * may run other coroutines meanwhile, and this one too: if it has cancelled the coroutine, that may have
 * ended when this returns. Returns OK, or NO_RESOURCES, which is not recorded. */
ptk_err ptk_foreign_spawn(ptk_task_t *task, void (*entry)(void *task));

/* Called by the entry, on the coroutine, before its life: returns when the scheduler has come to the task.
 * Returns the library's place for ptk's pointer, which is to be cleared after the life. */
void **ptk_foreign_begin(ptk_task_t *self);
