/* SPDX-License-Identifier: MIT */
/* Reports about green threads (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Reports `title` and every living green thread of the loop: state, waits, deadlines, stack. */
void ptk_dump_all(ptk_scheduler_t *scheduler, const char *title);

/* The same, called on the watchdog's thread while the loop's thread stands still. `frames` are those of the
 * running green thread. */
void ptk_dump_stopped(ptk_scheduler_t *scheduler, const char *title, const void *const *frames, size_t count);

/* Logs, once for each green thread, that it goes on although so many of its calls in a row returned CANCELED.
 */
void ptk_dump_refused(ptk_task_t *task, unsigned refusals);
