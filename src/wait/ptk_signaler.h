/* SPDX-License-Identifier: MIT */
/* Signalers as their waitable calls them (layer 4, internal): the model stands at the top of ptk_signaler.c.
 */
#pragma once

#include "sched/ptk_event_counter.h"
#include <ptk_waitable.h>

/* Returns a signaler of `counter` that only its waitable refers to, NULL: out of memory. Owner thread. */
ptk_signaler_t *ptk_signaler_create(ptk_scheduler_t *scheduler, ptk_event_counter_t *counter);

/* Adds a reference for a user. Owner thread. */
void ptk_signaler_hand_out(ptk_signaler_t *signaler);

/* Ends the waitable's hold: signals return CLOSED from now on, and the memory is freed with the last
 * reference. Owner thread. */
void ptk_signaler_close(ptk_signaler_t *signaler);
