/* SPDX-License-Identifier: MIT */
/* Reports about green threads (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Reports `title` and every living green thread of the loop: state, waits, deadlines, stack. */
void ptk_dump_all(ptk_scheduler_t *scheduler, const char *title);
