/* SPDX-License-Identifier: MIT */
/* The scheduler of a loop as the layers above call it (layer 3, internal). */
#pragma once

#include "sched/ptk_sched.h"

/* Resolve `loop` (NULL: the current one) and attach its scheduler if it has none. WRONG_THREAD, FORKED,
   NO_LOOP, NO_RESOURCES. */
ptk_err ptk_scheduler_attach(ptk_event_loop_platform_t *loop, ptk_scheduler_t **scheduler_out);

/* For a look with timeout 0: what has come from other threads, and, outside run and poll, what has fallen
 * due. */
void ptk_scheduler_catch_up(ptk_scheduler_t *scheduler);

/* Something fell due or became due outside run and poll: show it on the loop's descriptor, if that is
 * watched. */
void ptk_scheduler_show(ptk_scheduler_t *scheduler);

/* A service's state, made of `state_bytes` zeroed bytes at first use; NULL: out of memory. */
void *ptk_scheduler_service(ptk_scheduler_t *scheduler, ptk_service_id_t id, size_t state_bytes,
                            void (*init)(ptk_scheduler_t *scheduler, void *state),
                            void (*fini)(ptk_scheduler_t *scheduler, void *state));
