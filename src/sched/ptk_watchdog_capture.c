/* SPDX-License-Identifier: MIT */
/*
 * Where the thread of a blocked loop is (layer 3).
 *
 * The watchdog's thread sends SIGURG to the loop's thread, whose handler copies the name of the running green
 * thread and walks the interrupted stack. It neither allocates nor locks nor formats: the report is printed
 * by the watchdog's thread.
 *
 *     IDLE  --request-->  REQUESTED  --handler-->  WRITING  --handler-->  TAKEN  --reader-->  IDLE
 *                         REQUESTED  --five seconds without the handler-->  IDLE
 *
 * SIGURG has the properties that Go's runtime chose it for: by default it is ignored, so one that arrives too
 * late or in a program's own way changes nothing; debuggers pass it on; libc does not use it; programs that
 * use it must expect it without a cause. The handler is one of a chain (base/ptk_signal_chain.h), is
 * installed while any loop is watched, and does nothing unless a capture is requested.
 */
#include "sched/ptk_watchdog_capture.h"

#include "base/ptk_signal_chain.h"
#include "context/ptk_backtrace.h"
#include <signal.h>

#define CAPTURE_SIGNAL   SIGURG
#define CAPTURE_PAUSE_NS INT64_C(10000000)
#define CAPTURE_PAUSES   500 /* a thread that only waits for a processor has it by then */
#define CAPTURE_HOLDS    500

static atomic_flag capture_lock = ATOMIC_FLAG_INIT;
static unsigned capture_users; /* guarded by the lock, as are the calls for the signal */

/* --- in the handler --- */

static void capture_copy_name(ptk_watchdog_capture_t *capture, const char *name) {
    size_t length = 0;
    while (name && name[length] && length < PTK_WATCHDOG_NAME_BYTES - 1) {
        capture->name[length] = name[length];
        length++;
    }
    capture->name[length] = '\0';
}

static void capture_write(ptk_watchdog_capture_t *capture, const ptk_scheduler_t *scheduler,
                          const void *interrupted) {
    const ptk_task_t *task = ptk_capture_running(scheduler);
    bool has_stack = task && !(task->unusual & PTK_TASK_FOREIGN);
    capture->mark = atomic_load_explicit(&scheduler->mark, memory_order_relaxed);
    capture->has_task = task != NULL;
    capture_copy_name(capture, task ? task->label.name : "");
    capture->file = task ? task->label.file : NULL;
    capture->line = task ? task->label.line : 0;
    capture->count =
        ptk_backtrace_interrupted(interrupted, has_stack ? task->stack_low : NULL,
                                  has_stack ? task->stack_high : NULL, capture->frames, PTK_WATCHDOG_FRAMES);
}

/* Stays in the handler. The watchdog's thread may need a lock that the interrupted code holds, so the end of
 * the process does not depend on it. */
static void capture_stay(ptk_watchdog_capture_t *capture) {
    for (int i = 0; atomic_load(&capture->state) == PTK_CAPTURE_TAKEN; i++) {
        if (i == CAPTURE_HOLDS) {
            ptk_sys_real.abort();
        }
        ptk_sys_real.thread_wait(&capture->state, PTK_CAPTURE_TAKEN, CAPTURE_PAUSE_NS);
    }
}

/* Runs on the loop's thread. Another copy of the library may have sent the signal, or the program itself. */
static void capture_handle(int signal_number, void *interrupted) {
    ptk_scheduler_t *scheduler = ptk_thread_own.scheduler;
    unsigned requested = PTK_CAPTURE_REQUESTED;
    (void) signal_number;
    if (!scheduler || !atomic_compare_exchange_strong(&scheduler->watchdog.capture.state, &requested,
                                                      PTK_CAPTURE_WRITING)) {
        return;
    }
    ptk_watchdog_capture_t *capture = &scheduler->watchdog.capture;
    capture_write(capture, scheduler, interrupted);
    bool hold = capture->hold; /* from now on the next request may set it */
    atomic_store(&capture->state, PTK_CAPTURE_TAKEN);
    ptk_sys_real.thread_wake(&capture->state);
    if (hold) {
        capture_stay(capture);
    }
}

/* --- on other threads --- */

static void capture_take_lock(void) {
    while (atomic_flag_test_and_set(&capture_lock)) {
        ptk_sys_real.thread_yield();
    }
}

int ptk_capture_install(void) {
    capture_take_lock();
    int result = capture_users > 0
                     ? 0
                     : ptk_signal_chain_install(CAPTURE_SIGNAL, PTK_SIGNAL_CHAIN_WATCHDOG, capture_handle);
    capture_users += result == 0 ? 1 : 0;
    atomic_flag_clear(&capture_lock);
    return result;
}

void ptk_capture_remove(void) {
    capture_take_lock();
    ptk_assert(capture_users > 0);
    if (--capture_users == 0) {
        ptk_signal_chain_remove(CAPTURE_SIGNAL, PTK_SIGNAL_CHAIN_WATCHDOG);
    }
    atomic_flag_clear(&capture_lock);
}

void ptk_capture_reset_after_fork(void) {
    ptk_signal_chain_reset_after_fork();
    if (capture_users > 0) {
        ptk_signal_chain_remove(CAPTURE_SIGNAL, PTK_SIGNAL_CHAIN_WATCHDOG);
    }
    capture_users = 0;
    atomic_flag_clear(&capture_lock);
}

/* Waits until the handler has written, or for about five seconds. */
static void capture_await(ptk_watchdog_t *watchdog) {
    atomic_uint *state = &watchdog->capture.state;
    for (int i = 0; i < CAPTURE_PAUSES && !atomic_load(&watchdog->ends); i++) {
        unsigned found = atomic_load(state);
        if (found == PTK_CAPTURE_TAKEN) {
            return;
        }
        ptk_sys_real.thread_wait(state, found, CAPTURE_PAUSE_NS);
    }
}

/* A request that cannot be taken back is one for which the handler is writing, which is short. */
bool ptk_capture_take(ptk_watchdog_t *watchdog, bool hold) {
    ptk_watchdog_capture_t *capture = &watchdog->capture;
    unsigned requested = PTK_CAPTURE_REQUESTED;
    ptk_assert(atomic_load(&capture->state) == PTK_CAPTURE_IDLE);
    capture->hold = hold;
    atomic_store(&capture->state, PTK_CAPTURE_REQUESTED);
    ptk_sys_real.thread_signal(watchdog->loop_thread, CAPTURE_SIGNAL);
    capture_await(watchdog);
    if (atomic_compare_exchange_strong(&capture->state, &requested, PTK_CAPTURE_IDLE)) {
        return false;
    }
    while (atomic_load(&capture->state) != PTK_CAPTURE_TAKEN) {
        ptk_sys_real.thread_yield();
    }
    return true;
}

void ptk_capture_release(ptk_watchdog_t *watchdog) {
    atomic_store(&watchdog->capture.state, PTK_CAPTURE_IDLE);
    ptk_sys_real.thread_wake(&watchdog->capture.state);
}
