/* SPDX-License-Identifier: MIT */
/* The timers of TIMER waitables (layer 4, internal): the model stands at the top of ptk_waitable_timer.c. */
#pragma once

#include "wait/ptk_waitable_impl.h"

/* Starts the timer of a TIMER waitable. Returns OK, INVALID_PARAM without a spec, NO_RESOURCES. */
ptk_err ptk_waitable_timer_start(ptk_waitable_t *waitable, const ptk_timer_spec_t *spec);

/* Stops a timer that was started. */
void ptk_waitable_timer_stop(ptk_waitable_t *waitable);

/* Counts what has expired since a resting timer's last expiry, and lets it run again. The caller takes the
 * count. Does nothing for a timer that does not rest. */
void ptk_waitable_timer_resume(ptk_waitable_t *waitable);
