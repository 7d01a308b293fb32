/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_diagnose.h
 * Inspection of a running program.
 */
#pragma once

#include <ptk_event_loop_platform.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes the loop print ptk_scheduler_dump() on each delivery of a signal:
 * `ptk_scheduler_dump_on_signal(loop, SIGUSR1)`. A daemon green thread waits for the signal.
 *
 * @param loop   the loop; NULL means the current one
 * @param signo  the signal's number
 * @return PTK_OK, or
 *         PTK_ERR_INVALID_PARAM: a signal of that number cannot be caught;
 *         PTK_ERR_NO_RESOURCES: no memory or stack for the green thread;
 *         PTK_ERR_NOT_SUPPORTED: the loop has hooks without `spawn` (ptk_foreign.h);
 *         PTK_ERR_WRONG_THREAD, PTK_ERR_NO_LOOP, PTK_ERR_FORKED: see ptk_event_loop_platform.h.
 *
 * Parks: no. \n
 * Thread: the loop's.
 */
PTK_API PTK_NODISCARD ptk_err ptk_scheduler_dump_on_signal(ptk_event_loop_platform_t *loop, int signo);

#ifdef __cplusplus
}
#endif
