/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_diagnose.h
 * Inspection of a running program.
 *
 * The watchdog of a loop reports a green thread that blocks it: by code without calls, by loops of calls with
 * timeout 0, or by calls of others that wait. It is off unless the loop's option `watchdog_ms` or
 * `$PTK_WATCHDOG_MS` sets the time after which a loop that takes no tick (see ptk_scheduler.h) is reported.
 * Only the time inside ptk_scheduler_run() and ptk_scheduler_poll() counts: what runs between two polls is
 * the embedding program's. A warning in the log names the green thread and where it was spawned, once per
 * stall, and a backtrace on the report sink shows where it is; a second warning says how long the stall took,
 * when it has ended.
 *
 * The watchdog is an OS thread for each watched loop; it blocks all signals, and the sinks of ptk_log.h are
 * called on it. It is also started by ptk_scheduler_dump_on_signal(), and by
 * ptk_event_loop_platform_destroy() for the time in which that waits for green threads to end. A loop whose
 * thread cannot be started works without it.
 *
 * To find where a blocked loop is, its thread gets a SIGURG, which is ignored by default. ptk's handler
 * stands among those of the program and of other libraries while a loop is watched. As with every signal, a
 * call that the blocked code waits in (nanosleep, poll, select) may end early with EINTR; read and write are
 * restarted. Nothing is sent to a loop that is not blocked.
 */
#pragma once

#include <ptk_event_loop_platform.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes the loop print ptk_scheduler_dump() on each delivery of a signal:
 * `ptk_scheduler_dump_on_signal(loop, SIGUSR1)`. A daemon green thread waits for the signal. If the loop is
 * blocked when the signal comes, its watchdog reports the green thread that blocks it, and the dump follows
 * when the loop goes on.
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
