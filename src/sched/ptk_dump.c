/* SPDX-License-Identifier: MIT */
/*
 * Reports (layer 3): every green thread of a loop, one paragraph each, on the report sink.
 *
 * Nothing is allocated, so a dump works when memory is short. What a green thread waits for is a word and an
 * object: both stand in its wait record, so that no function of a higher layer is needed.
 */
#include "sched/ptk_dump.h"

#include "base/ptk_log_impl.h"
#include "context/ptk_backtrace.h"
#include <string.h>

#define DUMP_FRAMES 32

/* What is dumped, and how. */
typedef struct dump_view {
    const ptk_scheduler_t *scheduler;
    uint64_t now_ns;
    bool stopped;              /* the loop's thread is not this one, and stands still */
    const void *const *frames; /* then: of the running green thread */
    size_t count;
} dump_view_t;

/* Returns true if it is the running green thread, which has called the dump or was stopped. */
static bool is_running(const dump_view_t *view, const ptk_task_t *task) {
    const ptk_scheduler_t *scheduler = view->scheduler;
    if (task->unusual & PTK_TASK_FOREIGN) {
        return view->stopped ? task == scheduler->resumed
                             : scheduler->hooks.current(scheduler->hooks.context) == task->stack_low;
    }
    return task == scheduler->current;
}

static const char *state_text(const dump_view_t *view, const ptk_task_t *task) {
    if (task->state == PTK_TASK_PARKED) {
        return "parked";
    }
    return is_running(view, task) ? "running" : "runnable";
}

static uint64_t milliseconds_between(uint64_t earlier_ns, uint64_t later_ns) {
    return later_ns > earlier_ns ? (later_ns - earlier_ns) / PTK_NS_PER_MS : 0;
}

static void report_timer(const char *what, const ptk_timer_t *timer, uint64_t now_ns) {
    if (timer->state == PTK_TIMER_IDLE) {
        return;
    }
    uint64_t left =
        timer->relative ? timer->value_ns / PTK_NS_PER_MS : milliseconds_between(now_ns, timer->value_ns);
    ptk_report("    %s in %llu ms", what, (unsigned long long) left);
}

/* Reports a wait for the end of another green thread. The object is the token of its handle, which is living
 * while it is joined. */
static void report_join(const ptk_wait_t *wait, unsigned long long waited_ms) {
    const ptk_token_table_t *handles = &wait->task->scheduler->handles;
    const ptk_green_t *joined = ptk_token_find(handles, wait->object, PTK_TOKEN_STRIDE(ptk_green_t));
    const ptk_task_t *task = joined ? joined->task : NULL;
    if (task) {
        ptk_report("    waits for join of \"%s\", spawned at %s:%d, for %llu ms", task->label.name,
                   task->label.file, task->label.line, waited_ms);
    } else {
        ptk_report("    waits for join for %llu ms, and that green thread has ended", waited_ms);
    }
}

static void report_wait(const ptk_wait_t *wait, uint64_t since_ns, uint64_t now_ns) {
    if (strcmp(wait->kind, PTK_WAIT_KIND_JOIN) == 0) {
        report_join(wait, (unsigned long long) milliseconds_between(since_ns, now_ns));
        return;
    }
    ptk_report("    waits for %s %p for %llu ms", wait->kind, wait->object,
               (unsigned long long) milliseconds_between(since_ns, now_ns));
}

static void report_waits(const ptk_task_t *task, uint64_t now_ns) {
    if (task->state != PTK_TASK_PARKED) {
        return;
    }
    if (!task->waits) {
        report_wait(&task->wait, task->since_ns, now_ns);
    }
    for (size_t i = 0; task->waits && i < task->u.run.waits_count; i++) {
        report_wait(&task->waits[i], task->since_ns, now_ns);
    }
    report_timer("timeout", &task->timer, now_ns);
}

static void report_scopes(const ptk_task_t *task, uint64_t now_ns) {
    static const char *const causes[] = {"none", "request", "deadline", "stop"};
    for (const ptk_scope_t *scope = task->scope; scope; scope = scope->outer) {
        if (scope->cause != PTK_CANCEL_NONE) {
            ptk_report("    cancelled%s: %s", scope->is_shield ? " (shield)" : "", causes[scope->cause]);
        }
        report_timer(scope->is_shield ? "shield ends" : "lifetime ends", &scope->timer, now_ns);
    }
}

/* Reports the backtrace of a green thread of ptk's own. */
static void report_frames(const dump_view_t *view, const ptk_task_t *task) {
    const void *frames[DUMP_FRAMES];
    size_t count;
    if (is_running(view, task) && view->stopped) {
        ptk_backtrace_report(view->frames, view->count);
        return;
    }
    if (is_running(view, task)) {
        count = ptk_backtrace_here(task->stack_low, task->stack_high, frames, DUMP_FRAMES);
    } else {
        void *pc = NULL;
        void *frame = NULL;
        ptk_context_position(&task->context, &pc, &frame);
        count = ptk_backtrace_walk(pc, frame, task->stack_low, task->stack_high, frames, DUMP_FRAMES);
    }
    ptk_backtrace_report(frames, count);
}

/* Reports use and backtrace of the stack. That of a foreign coroutine is unknown to ptk. */
static void report_stack(const dump_view_t *view, const ptk_task_t *task) {
    if (task->unusual & PTK_TASK_FOREIGN) {
        ptk_report("    stack of a foreign coroutine %p", task->stack_low);
        return;
    }
    size_t bytes = (size_t) ((char *) task->stack_high - (char *) task->stack_low);
    ptk_report("    stack of %zu bytes, high water %zu since it was mapped", bytes,
               ptk_stack_high_water(task->stack_low, task->stack_high));
    report_frames(view, task);
}

static void report_task(const dump_view_t *view, const ptk_task_t *task) {
    ptk_report("green thread \"%s\": %s%s, spawned at %s:%d", task->label.name, state_text(view, task),
               task->flags & PTK_TASK_DAEMON ? " (daemon)" : "", task->label.file, task->label.line);
    report_waits(task, view->now_ns);
    report_scopes(task, view->now_ns);
    report_stack(view, task);
}

static void report_all(const dump_view_t *view, const char *title) {
    const ptk_scheduler_t *scheduler = view->scheduler;
    ptk_report("%s: %u green threads on platform %s", title, scheduler->task_count,
               scheduler->loop->ops->name);
    ptk_list_node_t *node = ptk_list_first(&scheduler->living);
    for (; node; node = ptk_list_next(&scheduler->living, node)) {
        report_task(view, ptk_container_of(node, ptk_task_t, living));
    }
}

void ptk_dump_all(ptk_scheduler_t *scheduler, const char *title) {
    const dump_view_t view = {.scheduler = scheduler, .now_ns = ptk_sys()->now_ns()};
    report_all(&view, title);
}

void ptk_dump_stopped(ptk_scheduler_t *scheduler, const char *title, const void *const *frames,
                      size_t count) {
    const dump_view_t view = {.scheduler = scheduler,
                              .now_ns = ptk_sys_real.now_ns(),
                              .stopped = true,
                              .frames = frames,
                              .count = count};
    report_all(&view, title);
}

void ptk_dump_refused(ptk_task_t *task, unsigned refusals) {
    if (task->flags & PTK_TASK_NAMED) {
        return;
    }
    task->flags |= PTK_TASK_NAMED;
    ptk_log(PTK_LOG_WARNING,
            "green thread \"%s\", spawned at %s:%d, goes on although %u calls in a row returned "
            "PTK_ERR_CANCELED; each further one takes 1 ms",
            task->label.name, task->label.file, task->label.line, refusals);
}
