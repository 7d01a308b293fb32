/* SPDX-License-Identifier: MIT */
/* Making and ending control blocks (floor 3, internal). */
#pragma once

#include "ptk_scheduler_impl.h"

/*
 * A control block with a handle and room for its timer in the heap, living and not started; NULL: out of memory or over
 * the loop's limit. An idle one, whose stack is warm, is taken first: then `slot` is set.
 */
ptk_control_t *ptk_control_take(ptk_scheduler_t *scheduler, bool wants_stack);

/* Undo ptk_control_take for one that never ran. */
void ptk_control_give_back(ptk_control_t *control);

/*
 * A green thread has ended with `result`: its handle learns it, who joins is woken, and its memory may be reused. The
 * caller may go on on its stack only to leave it.
 */
void ptk_control_end(ptk_control_t *control, ptk_err result);

/* The end of a handle: joined, detached, or of one that never ran. */
void ptk_control_free_handle(ptk_scheduler_t *scheduler, ptk_green_t *handle);

/* Give back what ended green threads could not give back themselves. Not from an ended green thread's stack. */
void ptk_control_reap(ptk_scheduler_t *scheduler);

/* Give back all blocks and stacks; nothing may live. */
void ptk_control_fini(ptk_scheduler_t *scheduler);
