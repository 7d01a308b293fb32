/* SPDX-License-Identifier: MIT */
/*
 * Reports (floor 3): every green thread of a loop, one paragraph each, on the report sink.
 *
 * Nothing is allocated, so a dump works when memory is short. What a green thread waits for is a word and an
 * object: both stand in its wait record, so no higher floor is asked.
 */
#include "ptk_scheduler_impl.h"

#include "base/ptk_report.h"
#include "context/ptk_backtrace.h"

#define FRAMES 32

static bool is_running(const ptk_scheduler_t *scheduler, const ptk_control_t *control) {
    if (control->flags & PTK_CONTROL_FOREIGN) {
        return scheduler->hooks.current(scheduler->hooks.context) == control->stack_low;
    }
    return control == scheduler->current;
}

static const char *state_text(const ptk_scheduler_t *scheduler, const ptk_control_t *control) {
    if (control->state == PTK_CONTROL_PARKED) {
        return "parked";
    }
    return is_running(scheduler, control) ? "running" : "runnable";
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

static void report_wait(const ptk_wait_t *wait, uint64_t since_ns, uint64_t now_ns) {
    ptk_report("    waits for %s %p for %llu ms", wait->kind, wait->object,
               (unsigned long long) milliseconds_between(since_ns, now_ns));
}

static void report_waits(const ptk_control_t *control, uint64_t now_ns) {
    if (control->state != PTK_CONTROL_PARKED) {
        return;
    }
    if (!control->waits) {
        report_wait(&control->wait, control->since_ns, now_ns);
    }
    for (size_t i = 0; control->waits && i < control->u.run.waits_count; i++) {
        report_wait(&control->waits[i], control->since_ns, now_ns);
    }
    report_timer("timeout", &control->timer, now_ns);
}

static void report_scopes(const ptk_control_t *control, uint64_t now_ns) {
    static const char *const causes[] = {"none", "request", "deadline", "stop"};
    for (const ptk_scope_t *scope = control->scope; scope; scope = scope->outer) {
        if (scope->cause != PTK_CANCEL_NONE) {
            ptk_report("    cancelled%s: %s", scope->is_shield ? " (shield)" : "", causes[scope->cause]);
        }
        report_timer(scope->is_shield ? "shield ends" : "lifetime ends", &scope->timer, now_ns);
    }
}

static void report_stack(const ptk_scheduler_t *scheduler, const ptk_control_t *control) {
    const void *frames[FRAMES];
    size_t count;
    if (control->flags & PTK_CONTROL_FOREIGN) {
        ptk_report("    stack of a foreign coroutine %p", control->stack_low);
        return;
    }
    size_t bytes = (size_t) ((char *) control->stack_high - (char *) control->stack_low);
    ptk_report("    stack of %zu bytes, high water %zu since it was mapped", bytes,
               ptk_stack_high_water(control->stack_low, control->stack_high));
    if (control == scheduler->current) {
        count = ptk_backtrace_here(control->stack_low, control->stack_high, frames, FRAMES);
    } else {
        void *pc = NULL;
        void *frame = NULL;
        ptk_context_position(&control->context, &pc, &frame);
        count = ptk_backtrace_walk(pc, frame, control->stack_low, control->stack_high, frames, FRAMES);
    }
    ptk_backtrace_report(frames, count);
}

static void report_control(const ptk_scheduler_t *scheduler, const ptk_control_t *control, uint64_t now_ns) {
    ptk_report("green thread \"%s\": %s%s, spawned at %s:%d", control->label.name,
               state_text(scheduler, control), control->flags & PTK_SPAWN_DAEMON ? " (daemon)" : "",
               control->label.file, control->label.line);
    report_waits(control, now_ns);
    report_scopes(control, now_ns);
    report_stack(scheduler, control);
}

void ptk_dump_all(ptk_scheduler_t *scheduler, const char *title) {
    uint64_t now_ns = ptk_sys()->now_ns();
    ptk_report("%s: %u green threads on platform %s", title, scheduler->live, scheduler->loop->ops->name);
    ptk_list_node_t *node = ptk_list_first(&scheduler->living);
    for (; node; node = ptk_list_next(&scheduler->living, node)) {
        report_control(scheduler, ptk_container_of(node, ptk_control_t, living), now_ns);
    }
}
