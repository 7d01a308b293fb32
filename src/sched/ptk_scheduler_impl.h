/* SPDX-License-Identifier: MIT */
/* The scheduler of a loop as the layers above call it (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Finds the calling thread's loop (`loop`, or its current one if that is NULL) and attaches a scheduler if it
 * has none. Returns OK, or records WRONG_THREAD, FORKED, NO_LOOP or NO_RESOURCES. */
ptk_err ptk_scheduler_attach(ptk_event_loop_platform_t *loop, ptk_scheduler_t **scheduler_out);

/* Returns the table of a service's objects, initialised at its first use. Before the table is freed with the
 * loop, `fini` is called: it ends the living objects. */
ptk_token_table_t *ptk_scheduler_service(ptk_scheduler_t *scheduler, ptk_service_id_t id, size_t stride,
                                         void (*fini)(ptk_scheduler_t *scheduler));
