/* SPDX-License-Identifier: MIT */
/* The owner check of a loop, for all layers above (layer 2). Defined in src/ptk_event_loop_platform.c. */
#pragma once

#include "base/ptk_thread.h"
#include "platform/ptk_platform.h"

/* Returns OK and the loop in *loop_out if the calling thread owns `loop` (NULL: the thread's own loop).
 * Returns WRONG_THREAD, FORKED or NO_LOOP otherwise. Never reads a loop that is not the thread's own. Records
 * nothing. */
ptk_err ptk_loop_resolve(ptk_event_loop_platform_t *loop, ptk_event_loop_platform_t **loop_out);

/* Returns whether `loop` is the calling thread's live loop. `loop` may be a stale pointer: it is only
 * compared. */
static inline bool ptk_loop_is_mine(const ptk_event_loop_platform_t *loop) {
    return ptk_likely(ptk_thread()->loop == loop);
}
