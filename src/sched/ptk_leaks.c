/* SPDX-License-Identifier: MIT */
/*
 * What a program has left behind when it destroys its loop (layer 3): one line each on the report sink. It is
 * freed all the same. Sockets are reported by their own layer.
 */
#include "sched/ptk_leaks.h"

#include "base/ptk_log_impl.h"
#include "sched/ptk_task.h"

void ptk_leaks_report_never_run(ptk_scheduler_t *scheduler) {
    if (!ptk_leaks_are_reported(scheduler)) {
        return;
    }
    ptk_list_node_t *node = ptk_list_first(&scheduler->living);
    for (; node; node = ptk_list_next(&scheduler->living, node)) {
        const ptk_task_t *task = ptk_container_of(node, ptk_task_t, living);
        if (ptk_task_is_unstarted(task)) {
            ptk_report("leak: green thread \"%s\", spawned at %s:%d, has never run", task->label.name,
                       task->label.file, task->label.line);
        }
    }
}

/* A handle that is detached is freed with its green thread, so each one that is left is its holder's. */
static void leaks_report_handle(void *context, void *object) {
    const ptk_green_t *handle = object;
    (void) context;
    ptk_assert(!handle->task && !handle->detached);
    ptk_report("leak: the handle of green thread \"%s\", spawned at %s:%d, was neither joined nor detached; "
               "its result was %s",
               handle->name, handle->file, handle->line, ptk_err_name(handle->result));
}

void ptk_leaks_report_handles(ptk_scheduler_t *scheduler) {
    if (ptk_leaks_are_reported(scheduler)) {
        ptk_token_visit(&scheduler->handles, leaks_report_handle, NULL);
    }
}
