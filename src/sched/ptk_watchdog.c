/* SPDX-License-Identifier: MIT */
/*
 * The watchdog of a loop (layer 3).
 *
 * A loop marks each tick: the scheduler's `mark` counts up, and its lowest bit is set while the loop is
 * active, which is not while it waits in the poller or is outside run and poll. A loop whose mark does not
 * change and is active is *stuck*: a green thread executes code without calls, or calls that never switch
 * (timeout 0). The switch itself is not watched, so it costs nothing.
 *
 * The watchdog's thread looks at the mark at intervals. It does three things:
 *   - it reports a loop that is stuck for `stall_ms`, once until the loop moves, and then how long that took;
 *   - it reports a drain of destroy that is stuck beyond its limit, and aborts the process;
 *   - after a dump signal that finds the loop stuck it reports the green thread that runs.
 * The drain itself looks at its limit only at ticks, and the loop prints the rest of the dump when it moves.
 * Time counts only as far as the thread had meant to wait, times two: when the process was stopped, one late
 * look does not make a loop stuck.
 *
 * Each watched loop has a thread of its own, which is joined before the scheduler is freed: loops share
 * nothing, and nothing is looked at that may have ended. It is started where it is first needed: by the
 * option, by a dump signal, or by a drain. It blocks all signals and calls nothing but the system, and the
 * log and report sinks. In the child of a fork it does not exist: `watchdog_forks` distinguishes a thread of
 * this process from the parent's.
 */
#include "sched/ptk_watchdog.h"

#include "base/ptk_log_impl.h"
#include "context/ptk_backtrace.h"
#include "sched/ptk_dump.h"
#include "sched/ptk_watchdog_capture.h"

#define WATCHDOG_LOOKS_PER_STALL 4
#define WATCHDOG_PAUSE_LEAST_NS  (PTK_NS_PER_MS)
#define WATCHDOG_PAUSE_MOST_NS   (1000 * PTK_NS_PER_MS)
#define WATCHDOG_DUMP_PAUSE_NS   (25 * PTK_NS_PER_MS)
#define WATCHDOG_DUMP_STUCK_NS   (100 * PTK_NS_PER_MS)
#define WATCHDOG_DRAIN_PAUSE_NS  (25 * PTK_NS_PER_MS)
#define WATCHDOG_DRAIN_STUCK_NS  (100 * PTK_NS_PER_MS)
#define WATCHDOG_DRAIN_STALL_MS  1000 /* a drain is watched for stalls although the loop was not */
#define WATCHDOG_PAUSE_FOR_EVER  UINT64_MAX

static atomic_uint watchdog_forks; /* of this process and its ancestors */
static atomic_bool watchdog_counts_forks;

/* What the thread has seen. On its stack. */
typedef struct watchdog_view {
    ptk_watchdog_t *watchdog;
    uint64_t last_ns;     /* the last look */
    uint64_t pause_ns;    /* meant to be between the looks */
    unsigned mark;        /* at the last look */
    uint64_t stuck_ns;    /* since the mark was first seen */
    uint64_t drained_ns;  /* since the drain was first seen */
    bool reported;        /* this stall */
    unsigned dump_signal; /* the last one that was seen */
    uint64_t dump_ns;     /* stuck since then */
    bool dump_reported;   /* by this thread */
} watchdog_view_t;

/* --- reports --- */

static uint64_t watchdog_ms(uint64_t ns) {
    return ns / PTK_NS_PER_MS;
}

/* Has the loop's thread write where it is. Returns false if the loop has moved meanwhile. `*taken_out`: the
 * thread took the signal. */
static bool watchdog_locate(const watchdog_view_t *view, bool hold, bool *taken_out) {
    ptk_watchdog_t *watchdog = view->watchdog;
    *taken_out = ptk_capture_take(watchdog, hold);
    unsigned mark = atomic_load_explicit(&watchdog->scheduler->mark, memory_order_relaxed);
    bool is_same = (*taken_out ? watchdog->capture.mark : mark) == view->mark;
    bool is_of_use = is_same && !atomic_load(&watchdog->ends);
    if (!is_of_use && *taken_out) {
        ptk_capture_release(watchdog);
    }
    return is_of_use;
}

/* What blocks the loop. */
typedef struct watchdog_blocker {
    bool taken;     /* the capture has its frames, and is to be released */
    char name[256]; /* the green thread in words */
} watchdog_blocker_t;

static void watchdog_name(const ptk_watchdog_capture_t *capture, watchdog_blocker_t *blocker) {
    char *text = blocker->name;
    if (!blocker->taken) {
        ptk_sys_format(text, sizeof blocker->name, "a green thread (its OS thread does not handle SIGURG)");
    } else if (!capture->has_task) {
        ptk_sys_format(text, sizeof blocker->name, "the loop itself, no green thread,");
    } else {
        ptk_sys_format(text, sizeof blocker->name, "green thread \"%s\", spawned at %s:%d,", capture->name,
                       capture->file, capture->line);
    }
}

/* Returns false if the loop has moved meanwhile. */
static bool watchdog_find_blocker(const watchdog_view_t *view, watchdog_blocker_t *blocker_out) {
    if (!watchdog_locate(view, false, &blocker_out->taken)) {
        return false;
    }
    watchdog_name(&view->watchdog->capture, blocker_out);
    return true;
}

/* Reports where the green thread is, if that is known. */
static void watchdog_report_place(const watchdog_view_t *view, const watchdog_blocker_t *blocker) {
    const ptk_watchdog_capture_t *capture = &view->watchdog->capture;
    if (blocker->taken) {
        ptk_backtrace_report(capture->frames, capture->count);
        ptk_capture_release(view->watchdog);
    }
}

static void watchdog_report_stall(watchdog_view_t *view) {
    watchdog_blocker_t blocker;
    if (watchdog_find_blocker(view, &blocker)) {
        ptk_log(PTK_LOG_WARNING, "watchdog: %s has blocked its loop for %llu ms", blocker.name,
                (unsigned long long) watchdog_ms(view->stuck_ns));
        watchdog_report_place(view, &blocker);
        view->reported = true;
    }
}

static void watchdog_report_end(watchdog_view_t *view) {
    ptk_log(PTK_LOG_WARNING, "watchdog: the loop goes on after about %llu ms",
            (unsigned long long) watchdog_ms(view->stuck_ns));
    view->reported = false;
}

/* Reports the running green thread after a dump signal. */
static void watchdog_report_dump(watchdog_view_t *view) {
    watchdog_blocker_t blocker;
    if (watchdog_find_blocker(view, &blocker)) {
        ptk_report("dump: %s blocks the loop, which reports the others when it goes on", blocker.name);
        watchdog_report_place(view, &blocker);
        view->dump_reported = true;
    }
}

/* Ends the process, unless the loop has moved. What matters most is reported while the loop's thread runs:
 * the dump of all green threads needs it to stand still, and a sink may need a lock that it holds then. */
static void watchdog_end_drain(const watchdog_view_t *view) {
    const ptk_watchdog_capture_t *capture = &view->watchdog->capture;
    watchdog_blocker_t blocker;
    if (!watchdog_find_blocker(view, &blocker)) {
        return;
    }
    ptk_report("destroy: out of time");
    ptk_report("%s blocks the loop", blocker.name);
    watchdog_report_place(view, &blocker);
    bool holds = false;
    if (blocker.taken && watchdog_locate(view, true, &holds) && holds) {
        ptk_dump_stopped(view->watchdog->scheduler,
                         "destroy: these green threads were cancelled and have not ended", capture->frames,
                         capture->count);
    }
    ptk_sys_real.abort();
}

/* --- looking --- */

/* Reads the mark and counts for how long the loop has been stuck. Returns the time that counts. */
static uint64_t watchdog_advance(watchdog_view_t *view) {
    uint64_t now_ns = ptk_sys_real.now_ns();
    uint64_t passed_ns = now_ns - view->last_ns;
    unsigned mark = atomic_load_explicit(&view->watchdog->scheduler->mark, memory_order_relaxed);
    if (view->pause_ns == WATCHDOG_PAUSE_FOR_EVER) {
        passed_ns = 0;
    } else if (passed_ns > 2 * view->pause_ns) {
        passed_ns = 2 * view->pause_ns;
    }
    view->last_ns = now_ns;
    if (mark != view->mark || !(mark & 1)) {
        if (view->reported) {
            watchdog_report_end(view);
        }
        view->mark = mark;
        view->stuck_ns = 0;
        return passed_ns;
    }
    view->stuck_ns += passed_ns;
    return passed_ns;
}

/* Returns the time after which a stall is reported, 0: never. */
static uint64_t watchdog_stall_ns(const ptk_watchdog_t *watchdog) {
    uint64_t stall_ms = atomic_load(&watchdog->stall_ms);
    if (stall_ms == 0 && atomic_load(&watchdog->drain_ms) != 0) {
        stall_ms = WATCHDOG_DRAIN_STALL_MS;
    }
    return stall_ms * PTK_NS_PER_MS;
}

static void watchdog_look_at_drain(watchdog_view_t *view, uint64_t passed_ns) {
    uint32_t limit_ms = atomic_load(&view->watchdog->drain_ms);
    view->drained_ns = limit_ms == 0 ? 0 : view->drained_ns + passed_ns;
    if (limit_ms != 0 && limit_ms != PTK_TIMEOUT_INFINITE && view->stuck_ns >= WATCHDOG_DRAIN_STUCK_NS &&
        view->drained_ns >= limit_ms * PTK_NS_PER_MS) {
        watchdog_end_drain(view);
    }
}

/* Returns whether a dump signal has come that neither the loop nor this thread has handled. */
static bool watchdog_owes_dump(const watchdog_view_t *view) {
    const ptk_watchdog_t *watchdog = view->watchdog;
    unsigned arrived = atomic_load(&watchdog->dump_signals);
    bool is_reported = view->dump_reported && view->dump_signal == arrived;
    return arrived != atomic_load(&watchdog->dumps_printed) && !is_reported;
}

static void watchdog_look_at_dumps(watchdog_view_t *view, uint64_t passed_ns) {
    if (!watchdog_owes_dump(view)) {
        return;
    }
    unsigned arrived = atomic_load(&view->watchdog->dump_signals);
    view->dump_ns = arrived == view->dump_signal && view->stuck_ns > 0 ? view->dump_ns + passed_ns : 0;
    view->dump_reported = false;
    view->dump_signal = arrived;
    if (view->dump_ns >= WATCHDOG_DUMP_STUCK_NS) {
        watchdog_report_dump(view);
    }
}

static void watchdog_look(watchdog_view_t *view) {
    uint64_t passed_ns = watchdog_advance(view);
    uint64_t stall_ns = watchdog_stall_ns(view->watchdog);
    watchdog_look_at_drain(view, passed_ns);
    watchdog_look_at_dumps(view, passed_ns);
    if (stall_ns != 0 && view->stuck_ns >= stall_ns && !view->reported) {
        watchdog_report_stall(view);
    }
}

/* `mark_seen` is the mark of the stall that was reported last. */
void ptk_watchdog_look_here(void) {
    const void *frames[PTK_WATCHDOG_FRAMES];
    ptk_scheduler_t *scheduler = ptk_thread()->scheduler;
    const ptk_task_t *task = scheduler && scheduler->active ? ptk_capture_running(scheduler) : NULL;
    if (!task || task->unusual & PTK_TASK_FOREIGN) {
        return;
    }
    ptk_watchdog_t *watchdog = &scheduler->watchdog;
    unsigned mark = atomic_load_explicit(&scheduler->mark, memory_order_relaxed);
    uint64_t stall_ns = watchdog_stall_ns(watchdog);
    uint64_t stuck_ns = ptk_sys()->now_ns() - scheduler->last_tick_ns;
    if (stall_ns == 0 || stuck_ns < stall_ns || mark == watchdog->mark_seen) {
        return;
    }
    watchdog->mark_seen = mark;
    ptk_log(PTK_LOG_WARNING,
            "watchdog: green thread \"%s\", spawned at %s:%d, has blocked its loop for %llu ms",
            task->label.name, task->label.file, task->label.line, (unsigned long long) watchdog_ms(stuck_ns));
    ptk_backtrace_report(frames,
                         ptk_backtrace_here(task->stack_low, task->stack_high, frames, PTK_WATCHDOG_FRAMES));
}

static uint64_t watchdog_least(uint64_t one_ns, uint64_t other_ns) {
    return one_ns < other_ns ? one_ns : other_ns;
}

/* Returns the time until the next look. */
static uint64_t watchdog_pause_ns(const watchdog_view_t *view) {
    uint64_t stall_ns = watchdog_stall_ns(view->watchdog);
    uint64_t pause_ns = WATCHDOG_PAUSE_FOR_EVER;
    if (stall_ns != 0) {
        pause_ns = watchdog_least(stall_ns / WATCHDOG_LOOKS_PER_STALL, WATCHDOG_PAUSE_MOST_NS);
    }
    if (atomic_load(&view->watchdog->drain_ms) != 0) {
        pause_ns = watchdog_least(pause_ns, WATCHDOG_DRAIN_PAUSE_NS);
    }
    if (watchdog_owes_dump(view)) {
        pause_ns = watchdog_least(pause_ns, WATCHDOG_DUMP_PAUSE_NS);
    }
    return pause_ns > WATCHDOG_PAUSE_LEAST_NS ? pause_ns : WATCHDOG_PAUSE_LEAST_NS;
}

/* Runs on the thread. The bell is read before the look, so that what comes during a look ends the wait. */
static void watchdog_run(void *argument) {
    watchdog_view_t view = {.watchdog = argument, .pause_ns = WATCHDOG_PAUSE_FOR_EVER};
    ptk_watchdog_t *watchdog = argument;
    while (!atomic_load(&watchdog->ends)) {
        unsigned bell = atomic_load(&watchdog->bell);
        watchdog_look(&view);
        view.pause_ns = watchdog_pause_ns(&view);
        ptk_sys_real.thread_wait(&watchdog->bell, bell,
                                 view.pause_ns == WATCHDOG_PAUSE_FOR_EVER ? -1 : (int64_t) view.pause_ns);
    }
}

/* Async-signal-safe. */
static void watchdog_ring(ptk_watchdog_t *watchdog) {
    atomic_fetch_add(&watchdog->bell, 1);
    ptk_sys_real.thread_wake(&watchdog->bell);
}

/* --- the life of the thread --- */

static void watchdog_reset_after_fork(void) {
    atomic_fetch_add(&watchdog_forks, 1);
    ptk_capture_reset_after_fork();
}

/* A simulated host has no signals of the machine, and its watchdog no thread. */
static int watchdog_prepare(void) {
    if (!atomic_exchange(&watchdog_counts_forks, true) &&
        ptk_sys_real.at_fork_child(watchdog_reset_after_fork) != 0) {
        atomic_store(&watchdog_counts_forks, false);
    }
    return ptk_thread()->host ? 0 : ptk_capture_install();
}

static void watchdog_unprepare(void) {
    if (!ptk_thread()->host) {
        ptk_capture_remove();
    }
}

/* Starts the thread unless it runs; 0 or a negative errno value. */
static int watchdog_start(ptk_scheduler_t *scheduler) {
    ptk_watchdog_t *watchdog = &scheduler->watchdog;
    if (watchdog->runs) {
        return 0;
    }
    int result = watchdog_prepare();
    if (result != 0) {
        return result;
    }
    watchdog->scheduler = scheduler;
    watchdog->loop_thread = ptk_sys()->thread_self();
    watchdog->forks = atomic_load(&watchdog_forks);
    result = ptk_sys()->thread_start(watchdog_run, watchdog, &watchdog->thread);
    watchdog->runs = result == 0;
    if (result != 0) {
        watchdog_unprepare();
    }
    return result;
}

void ptk_watchdog_end(ptk_scheduler_t *scheduler) {
    ptk_watchdog_t *watchdog = &scheduler->watchdog;
    bool is_ours = watchdog->runs && watchdog->forks == atomic_load(&watchdog_forks);
    watchdog->runs = false;
    if (!is_ours) {
        return;
    }
    atomic_store(&watchdog->ends, true);
    watchdog_ring(watchdog);
    ptk_sys()->thread_join(watchdog->thread);
    watchdog_unprepare();
}

void ptk_watchdog_watch(ptk_scheduler_t *scheduler, uint32_t stall_ms) {
    int result = watchdog_start(scheduler);
    if (result != 0) {
        ptk_log(PTK_LOG_WARNING, "the loop has no watchdog: no thread for it (errno %d)", -result);
        return;
    }
    atomic_store(&scheduler->watchdog.stall_ms, stall_ms);
    watchdog_ring(&scheduler->watchdog);
}

void ptk_watchdog_drain_begin(ptk_scheduler_t *scheduler, uint32_t limit_ms) {
    if (watchdog_start(scheduler) == 0) {
        atomic_store(&scheduler->watchdog.drain_ms, limit_ms);
        watchdog_ring(&scheduler->watchdog);
    }
}

static void watchdog_notify_dump(ptk_signal_subscription_t *subscription) {
    ptk_watchdog_t *watchdog = ptk_container_of(subscription, ptk_watchdog_dump_t, subscription)->watchdog;
    atomic_fetch_add(&watchdog->dump_signals, 1);
    watchdog_ring(watchdog);
}

/* Without a thread the loop itself still dumps at the signal. */
ptk_err ptk_watchdog_dump_begin(ptk_scheduler_t *scheduler, ptk_watchdog_dump_t *dump, int signo) {
    int result = watchdog_start(scheduler);
    dump->watchdog = result == 0 ? &scheduler->watchdog : NULL;
    if (result != 0) {
        ptk_log(PTK_LOG_WARNING,
                "signal %d will dump nothing while the loop is blocked: no thread (errno %d)", signo,
                -result);
        return PTK_OK;
    }
    return ptk_signal_subscribe_notify(&dump->subscription, watchdog_notify_dump, signo);
}

/* No loop prints what arrived last any more. */
void ptk_watchdog_dump_end(ptk_watchdog_dump_t *dump) {
    if (dump->watchdog) {
        ptk_signal_unsubscribe(&dump->subscription);
        ptk_watchdog_dump_printed(dump);
    }
}

void ptk_watchdog_dump_printed(ptk_watchdog_dump_t *dump) {
    ptk_watchdog_t *watchdog = dump->watchdog;
    if (watchdog) {
        atomic_store(&watchdog->dumps_printed, atomic_load(&watchdog->dump_signals));
    }
}
