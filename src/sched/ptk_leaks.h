/* SPDX-License-Identifier: MIT */
/* Reports of what a program has left behind when it destroys its loop (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Returns whether the loop reports what was left behind: by its option or $PTK_REPORT_LEAKS. */
static inline bool ptk_leaks_are_reported(const ptk_scheduler_t *scheduler) {
    return scheduler->loop->options.report_leaks != 0;
}

/* Reports the green threads that were spawned and have never run. Before the drain, which runs them. */
void ptk_leaks_report_never_run(ptk_scheduler_t *scheduler);

/* Reports the handles that were neither joined nor detached. After the drain: the green threads have ended.
 */
void ptk_leaks_report_handles(ptk_scheduler_t *scheduler);
