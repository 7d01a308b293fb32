/* SPDX-License-Identifier: MIT */
/*
 * The place of a crash: which green thread of which host was executing, and a backtrace.
 *
 * Programs of scenarios are often built without frame pointers, so the stack is unwound by the tables of the
 * compiler's runtime, which every C compiler links. They lead through the signal's frame to the instruction
 * that crashed; the frames of the handlers above it are dropped.
 */
#include "sim/run/ptk_sim_run.h"

#include "base/ptk_log_impl.h"
#include "context/ptk_backtrace.h"
#include "sched/ptk_sched.h"
#include <unwind.h>

#define CRASH_FRAMES 48

typedef struct crash_frames {
    const void *frames[CRASH_FRAMES];
    size_t count;
} crash_frames_t;

/* With hooks the running green thread is not looked for: that would call another library. */
void ptk_sim_describe_place(char *text_out, size_t bytes) {
    const ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    if (!kernel) {
        snprintf(text_out, bytes, "outside the hosts");
        return;
    }
    const ptk_sim_host_t *host = kernel->owner;
    const ptk_scheduler_t *scheduler = kernel->block.scheduler;
    const ptk_task_t *task = scheduler ? scheduler->current : NULL;
    if (task) {
        snprintf(text_out, bytes, "in green thread \"%s\" of host \"%s\"", task->label.name, host->name);
    } else {
        snprintf(text_out, bytes, "on host \"%s\"", host->name);
    }
}

/* Called for each frame, innermost first. The frame below a signal's is where the signal came: its address
   is that of the instruction itself, and the frames before it are the handlers'. */
static _Unwind_Reason_Code crash_add_frame(struct _Unwind_Context *context, void *argument) {
    crash_frames_t *crash_frames = argument;
    int is_interrupted = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &is_interrupted);
    if (is_interrupted) {
        crash_frames->count = 0;
    }
    if (address == 0 || crash_frames->count == CRASH_FRAMES) {
        return _URC_END_OF_STACK;
    }
    crash_frames->frames[crash_frames->count++] =
        (const void *) address; /* NOLINT(performance-no-int-to-ptr): it is only printed */
    return _URC_NO_REASON;
}

/* The report sink of a crash. */
static void crash_print(void *context, const char *line) {
    (void) context;
    fprintf(stdout, "%s\n", line);
}

void ptk_sim_print_backtrace(void) {
    crash_frames_t crash_frames = {.count = 0};
    (void) _Unwind_Backtrace(crash_add_frame, &crash_frames);
    ptk_log_set_report_sink(crash_print, NULL);
    ptk_backtrace_report(crash_frames.frames, crash_frames.count);
}
