/* SPDX-License-Identifier: MIT */
/* Where the thread of a blocked loop is (layer 3, internal): the model stands at the top of
 * ptk_watchdog_capture.c. */
#pragma once

#include "sched/ptk_sched.h"

/* Returns the green thread that runs, NULL if the main context does. Coroutines of another library run inside
 * `resume`; the library is not called here. */
static inline const ptk_task_t *ptk_capture_running(const ptk_scheduler_t *scheduler) {
    if (scheduler->find_current) {
        return scheduler->resumed;
    }
    return scheduler->current == &scheduler->main_context ? NULL : scheduler->current;
}

/* Installs the handler for the first watchdog of the process; 0 or a negative errno value. */
int ptk_capture_install(void);

/* Ends the use of the handler by one watchdog. */
void ptk_capture_remove(void);

/* Forgets all users, in the child of a fork. */
void ptk_capture_reset_after_fork(void);

/* Has the loop's thread write where it is to watchdog->capture. Returns false if it did not within five
 * seconds, or if the watchdog ends. With `hold` the thread then stays in the handler until
 * ptk_capture_release, but for a few seconds at most, after which it aborts the process. */
bool ptk_capture_take(ptk_watchdog_t *watchdog, bool hold);
void ptk_capture_release(ptk_watchdog_t *watchdog);
