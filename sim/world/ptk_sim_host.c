/* SPDX-License-Identifier: MIT */
/*
 * A simulated host.
 *
 * A host is a process of one thread: its main runs on a stack of its own, and the driver switches to it. It
 * switches back where its kernel waits, and when main returns. While it executes, its thread block is the one
 * in use, so every ptk call acts on this host.
 *
 *     RUNNABLE -> RUNNING -> WAITING -> RUNNABLE ... RUNNING -> ENDED
 *                           crash: -> DOWN, restart: -> RUNNABLE
 *
 * A host that crashes is unwound at once: its network is gone, its loop is stopped, and none of its waits
 * takes time, so its green threads come to their ends one after the other while the world stands still.
 */
#include "sim/world/ptk_sim_impl.h"

#include "base/ptk_assert.h"
#include "base/ptk_signal_table.h"
#include "sched/ptk_watchdog.h"
#include "sim/platform/ptk_event_loop_platform_sim.h"
#include "sim/kernel/ptk_sim_memory.h"
#include <errno.h>
#include <ptk_scheduler.h>
#include <string.h>

#define CLOCK_DRIFT_MAX_PPM 500000 /* half: a clock never stands still or runs backwards */
#define HOST_STACK_BYTES    ((size_t) 512 * 1024)

/* Returns the host of a kernel. */
static ptk_sim_host_t *host_of(ptk_sim_kernel_t *kernel) {
    return kernel->owner;
}

/* Traces an event of the host. */
static void host_trace(ptk_sim_host_t *host, ptk_sim_trace_kind_t kind, uint64_t a, uint64_t b) {
    ptk_sim_net_trace(&host->sim->net, kind, host->kernel.node->index, a, b, 0);
}

/* --- between the driver and the host --- */

/* Adds the host to the list of runnable ones, unless it is paused; ptk_sim_resume() adds it then. */
static void host_make_runnable(ptk_sim_host_t *host) {
    ptk_sim_t *sim = host->sim;
    host->state = PTK_SIM_HOST_RUNNABLE;
    if (host->pause_count == 0 && !host->is_queued) {
        host->is_queued = true;
        sim->runnable[sim->runnable_count++] = host;
    }
}

/* Removes the host from the list. The others keep their order: it is what the oracle chooses by. */
static void host_leave_runnable(ptk_sim_host_t *host) {
    ptk_sim_t *sim = host->sim;
    if (!host->is_queued) {
        return;
    }
    uint32_t index = 0;
    while (sim->runnable[index] != host) {
        index++;
    }
    host->is_queued = false;
    sim->runnable_count--;
    memmove(&sim->runnable[index], &sim->runnable[index + 1],
            (sim->runnable_count - index) * sizeof(*sim->runnable));
}

/* The kernel's `wake`: ends a wait. */
static void host_wake(ptk_sim_kernel_t *kernel) {
    ptk_sim_host_t *host = host_of(kernel);
    if (host->state == PTK_SIM_HOST_WAITING) {
        host_make_runnable(host);
    }
}

/* Event handler of the wait's timer. */
static void host_wait_ended(ptk_sim_event_t *event) {
    ptk_sim_host_t *host = ptk_container_of(event, ptk_sim_host_t, wait_timer);
    host_wake(&host->kernel);
}

/* Switches to the driver and back, from the host's own stack or that of one of its green threads: to
   sanitizers these are different contexts. */
static void host_switch_to_driver(ptk_sim_host_t *host) {
    const ptk_context_t own = host->context;
    ptk_context_adopt(&host->context);
    ptk_context_switch(&host->context, &host->sim->driver);
    host->context = own;
}

/* The kernel's `suspend`: switches to the driver until the host is continued. errno is part of the process,
   so it is saved. */
static void host_suspend(ptk_sim_kernel_t *kernel, uint64_t until_ns) {
    ptk_sim_host_t *host = host_of(kernel);
    ptk_sim_event_queue_t *events = &host->sim->net.events;
    ptk_assert(host->state == PTK_SIM_HOST_RUNNING);
    host_trace(host, PTK_SIM_TRACE_SUSPEND, until_ns, 0);
    host->state = PTK_SIM_HOST_WAITING;
    if (until_ns != UINT64_MAX) {
        ptk_sim_event_queue_insert(events, &host->wait_timer, until_ns);
    }
    host->saved_errno = errno;
    host_switch_to_driver(host);
    errno = host->saved_errno;
    ptk_sim_event_queue_cancel(events, &host->wait_timer);
    host_trace(host, PTK_SIM_TRACE_RESUME, 0, 0);
}

/* A host that has ended has no use for its stack any more. */
void ptk_sim_host_continue(ptk_sim_host_t *host) {
    ptk_sim_t *sim = host->sim;
    host_leave_runnable(host);
    host->has_begun = true;
    host->state = PTK_SIM_HOST_RUNNING;
    ptk_thread_in_use = &host->kernel.block;
    ptk_context_switch(&sim->driver, &host->context);
    ptk_thread_in_use = &sim->block;
    if (host->state == PTK_SIM_HOST_ENDED && host->stack) {
        ptk_context_fini(&host->context);
        ptk_stack_free(&sim->stacks, host->stack);
        host->stack = NULL;
    }
}

/* --- a process --- */

/* The entry of a host's stack. */
static void host_main(void *argument) {
    ptk_sim_host_t *host = argument;
    ptk_context_entered(&host->context);
    errno = 0;
    host->result = host->main(host->arg);
    host->state = PTK_SIM_HOST_ENDED;
    ptk_context_switch_end(&host->context, &host->sim->driver);
    ptk_assert(false && "a host that has ended does not execute");
}

/* Gives the host a new kernel: nothing of an earlier process is left. */
static void host_init_kernel(ptk_sim_host_t *host) {
    ptk_sim_t *sim = host->sim;
    ptk_sim_kernel_init(&host->kernel, host->kernel.node, &ptk_sim_sys, sim->block.oracle);
    host->kernel.suspend = host_suspend;
    host->kernel.wake = host_wake;
    host->kernel.owner = host;
    host->kernel.platform = sim->platform;
    host->kernel.block.platform = strcmp(sim->platform, "sim") == 0 ? &ptk_platform_sim : NULL;
    host->kernel.descriptor_limit = host->descriptor_limit;
    host->kernel.heap.limit_bytes = host->memory_limit_bytes;
    host->kernel.node->up = true;
    host->wait_timer.fire = host_wait_ended;
    if (sim->net.trace.keeps) {
        ptk_sim_greens_watch(host);
    }
}

/* Without a stack the world cannot go on as the seed says: the process ends. */
void ptk_sim_host_start(ptk_sim_host_t *host) {
    int os_err = 0;
    host_init_kernel(host);
    host->has_begun = false;
    host->label = (ptk_stack_label_t) {host->name, __FILE__, __LINE__};
    host->stack = ptk_stack_alloc(&host->sim->stacks, HOST_STACK_BYTES, &host->label, &os_err);
    ptk_assert(host->stack && "no memory for the stack of a host");
    ptk_context_make(&host->context, host->stack->low, host->stack->high, host_main, host);
    host_trace(host, PTK_SIM_TRACE_HOST, 1, 0);
    host_make_runnable(host);
}

/* Writes what a process has left behind; an empty text: nothing. The order matters: a loop that was not
   destroyed explains the descriptors and the memory that are left. */
static void host_describe_leaks(const ptk_sim_host_t *host, char *text_out, size_t bytes) {
    text_out[0] = '\0';
    if (host->kernel.block.loop) {
        ptk_sys_format(text_out, bytes, "without destroying its loop");
    } else if (host->kernel.descriptors_open != 0) {
        ptk_sys_format(text_out, bytes, "with %u descriptors open", host->kernel.descriptors_open);
    } else if (host->kernel.heap.count != 0) {
        ptk_sys_format(text_out, bytes, "with %llu allocations live",
                       (unsigned long long) host->kernel.heap.count);
    }
}

/* Reports what a process has left behind, and the error of its main. Both are named, because a main that
   gives up early often leaves something behind. */
static void host_check_leaks(ptk_sim_host_t *host) {
    ptk_sim_t *sim = host->sim;
    char leaks[64];
    const char *result = host->result != PTK_OK && !host->kernel.crashed ? ptk_err_name(host->result) : NULL;
    host_describe_leaks(host, leaks, sizeof leaks);
    if (leaks[0] != '\0') {
        ptk_sim_fail(sim, PTK_SIM_END_HOST, "%s ended %s%s%s", host->name, leaks,
                     result ? ", and its main returned " : "", result ? result : "");
    } else if (result && !(host->flags & PTK_SIM_HOST_MAY_FAIL)) {
        ptk_sim_fail(sim, PTK_SIM_END_HOST, "%s ended with %s", host->name, result);
    }
}

/* Stops the loop that the host has now, if any: main may make one after another. */
static void host_stop_loop(ptk_sim_host_t *host) {
    ptk_thread_in_use = &host->kernel.block;
    if (host->kernel.block.loop) {
        ptk_err err = ptk_scheduler_stop(host->kernel.block.loop);
        ptk_assert(err == PTK_OK || err == PTK_ERR_NO_RESOURCES); /* a limit of the host's memory */
    }
    ptk_thread_in_use = &host->sim->block;
}

/* Ends a host whose main has not been entered yet. */
static void host_discard_start(ptk_sim_host_t *host) {
    ptk_context_fini(&host->context);
    ptk_stack_free(&host->sim->stacks, host->stack);
    host->stack = NULL;
    host->result = PTK_OK;
    host->state = PTK_SIM_HOST_ENDED;
}

/* The loop is stopped before each step: the program may have made another one since. */
void ptk_sim_host_unwind(ptk_sim_host_t *host) {
    host_leave_runnable(host);
    if (host->stack && !host->has_begun) {
        host_discard_start(host);
    }
    if (host->state != PTK_SIM_HOST_ENDED && host->stack) {
        ptk_sim_kernel_crash(&host->kernel);
        while (host->state != PTK_SIM_HOST_ENDED) {
            host_stop_loop(host);
            ptk_sim_host_continue(host);
        }
    }
}

void ptk_sim_host_stop(ptk_sim_host_t *host) {
    if (host->state != PTK_SIM_HOST_ENDED && host->state != PTK_SIM_HOST_DOWN) {
        ptk_sim_host_unwind(host);
        host_check_leaks(host);
    }
}

/* The kernel's files close their endpoints first; what TCP keeps after that (TIME_WAIT, orphans) is
   cleared. */
void ptk_sim_host_free(ptk_sim_host_t *host) {
    ptk_sim_event_queue_t *events = &host->sim->net.events;
    ptk_assert(!host->stack);
    ptk_sim_kernel_fini(&host->kernel);
    ptk_sim_tcp_clear(host->kernel.node);
    host_leave_runnable(host);
    ptk_sim_event_queue_cancel(events, &host->wait_timer);
    ptk_sim_event_queue_cancel(events, &host->restart_event);
    ptk_sim_event_queue_cancel(events, &host->resume_event);
    ptk_sim_greens_fini(&host->greens);
    ptk_sim_free(host);
}

/* --- faults by hand --- */

/* Event handler of a restart. */
static void host_restart_fired(ptk_sim_event_t *event) {
    ptk_sim_restart(ptk_container_of(event, ptk_sim_host_t, restart_event));
}

/* Event handler of the end of a pause. */
static void host_resume_fired(ptk_sim_event_t *event) {
    ptk_sim_resume(ptk_container_of(event, ptk_sim_host_t, resume_event));
}

static void host_trace_fault(ptk_sim_host_t *host, ptk_sim_fault_t fault) {
    host_trace(host, PTK_SIM_TRACE_FAULT, fault, 0);
}

/* RUNNABLE or WAITING -> DOWN. The host is unwound here, at once, and checked for leaks: the
   clean-up of a cancelled program must be complete, too. System calls made so far are kept for the report,
   since the next process starts at 0. */
void ptk_sim_crash(ptk_sim_host_t *host) {
    if (host->state == PTK_SIM_HOST_DOWN || host->state == PTK_SIM_HOST_ENDED) {
        return;
    }
    host_trace_fault(host, PTK_SIM_FAULT_CRASH);
    host->sim->faults++;
    host->sim->calls_before += host->kernel.calls;
    ptk_sim_host_unwind(host);
    host_check_leaks(host);
    ptk_sim_kernel_fini(&host->kernel);
    host_leave_runnable(host);
    ptk_sim_event_queue_cancel(&host->sim->net.events, &host->wait_timer);
    host->kernel.calls = 0;
    host->state = PTK_SIM_HOST_DOWN;
    host->restart_event.fire = host_restart_fired;
}

/* DOWN -> RUNNABLE. A restart by hand cancels the one that is scheduled. */
void ptk_sim_restart(ptk_sim_host_t *host) {
    if (host->state == PTK_SIM_HOST_DOWN) {
        ptk_sim_event_queue_cancel(&host->sim->net.events, &host->restart_event);
        host_trace_fault(host, PTK_SIM_FAULT_RESTART);
        ptk_sim_host_start(host);
    }
}

/* Pauses add up, so that a pause by hand and one by chance may overlap; ptk_sim_resume() ends them all. */
void ptk_sim_pause(ptk_sim_host_t *host) {
    host_trace_fault(host, PTK_SIM_FAULT_PAUSE);
    host->sim->faults++;
    host->pause_count++;
    host->resume_event.fire = host_resume_fired;
    host_leave_runnable(host);
}

/* The time at which the clock stopped is stored once, though pauses may be nested. */
void ptk_sim_suspend(ptk_sim_host_t *host) {
    if (!host->suspended) {
        host->suspended = true;
        host->suspended_ns = ptk_sim_kernel_now_ns(&host->kernel);
    }
    ptk_sim_pause(host);
}

/* The clock of a suspended host continues where it stood: the offset loses the time that has passed. */
void ptk_sim_resume(ptk_sim_host_t *host) {
    if (host->pause_count == 0) {
        return;
    }
    ptk_sim_event_queue_cancel(&host->sim->net.events, &host->resume_event);
    host_trace_fault(host, PTK_SIM_FAULT_RESUME);
    host->pause_count = 0;
    if (host->suspended) {
        host->suspended = false;
        uint64_t passed_ns = ptk_sim_kernel_now_ns(&host->kernel) - host->suspended_ns;
        host->kernel.clock_offset_ns -= (int64_t) passed_ns;
    }
    if (host->state == PTK_SIM_HOST_RUNNABLE) {
        host_make_runnable(host);
    }
}

/* The offset is chosen so that the clock does not jump by the change of rate, but only by `forward_ns`. */
void ptk_sim_clock(ptk_sim_host_t *host, uint64_t forward_ns, int32_t drift_ppm) {
    host_trace_fault(host, PTK_SIM_FAULT_CLOCK_STEP);
    ptk_sim_kernel_t *kernel = &host->kernel;
    drift_ppm = drift_ppm < -CLOCK_DRIFT_MAX_PPM ? -CLOCK_DRIFT_MAX_PPM : drift_ppm;
    drift_ppm = drift_ppm > CLOCK_DRIFT_MAX_PPM ? CLOCK_DRIFT_MAX_PPM : drift_ppm;
    uint64_t before_ns = ptk_sim_kernel_now_ns(kernel);
    kernel->clock_drift_ppm = drift_ppm;
    kernel->clock_offset_ns += (int64_t) (before_ns - ptk_sim_kernel_now_ns(kernel) + forward_ns);
    host_wake(kernel); /* its waits end at other times of the world now */
}

/* Returns the link from one host to another. */
static ptk_sim_link_t *host_link_to(ptk_sim_host_t *from, ptk_sim_host_t *to) {
    return ptk_sim_net_link(&from->sim->net, from->kernel.node->index, to->kernel.node->index);
}

static void host_trace_link_fault(ptk_sim_host_t *from, ptk_sim_fault_t fault, const ptk_sim_host_t *to) {
    host_trace(from, PTK_SIM_TRACE_FAULT, fault, to->kernel.node->index);
}

bool ptk_sim_is_partitioned(ptk_sim_host_t *from, ptk_sim_host_t *to) {
    return from != to && host_link_to(from, to)->partition_count > 0;
}

/* Only the first of several partitions of one direction is traced and counted. */
void ptk_sim_partition(ptk_sim_host_t *from, ptk_sim_host_t *to) {
    if (from != to && host_link_to(from, to)->partition_count++ == 0) {
        from->sim->faults++;
        host_trace_link_fault(from, PTK_SIM_FAULT_PARTITION, to);
    }
}

void ptk_sim_heal(ptk_sim_host_t *from, ptk_sim_host_t *to) {
    if (!ptk_sim_is_partitioned(from, to)) {
        return;
    }
    ptk_sim_link_t *link = host_link_to(from, to);
    link->partition_count--;
    if (link->partition_count == 0) {
        host_trace_link_fault(from, PTK_SIM_FAULT_HEAL, to);
    }
}

/* Signals are counted by ptk's own table, on behalf of the host's process. */
void ptk_sim_signal(ptk_sim_host_t *host, int signo) {
    host_trace(host, PTK_SIM_TRACE_FAULT, PTK_SIM_FAULT_SIGNAL, (uint64_t) signo);
    ptk_thread_block_t *before = ptk_thread_in_use;
    ptk_thread_in_use = &host->kernel.block;
    ptk_signal_arrives(signo, &host->kernel);
    ptk_thread_in_use = before;
}

/* Wakes of the kernel do not end the wait, since it is in none of its pollers; a change of the host's clock
   and a crash do. */
void ptk_sim_compute(uint64_t ns) {
    ptk_sim_kernel_t *kernel = ptk_sim_kernel_here();
    if (!kernel) {
        return;
    }
    const uint64_t *now_ns = &kernel->net->events.now_ns;
    uint64_t until_ns = ns < UINT64_MAX - *now_ns ? *now_ns + ns : UINT64_MAX - 1;
    while (!kernel->crashed && *now_ns < until_ns) {
        kernel->suspend(kernel, until_ns);
    }
    if (!kernel->crashed) {
        ptk_watchdog_look_here();
    }
}

/* A host that crashed has not ended: it is DOWN until it restarts. */
bool ptk_sim_host_ended(const ptk_sim_host_t *host, ptk_err *result_out) {
    if (host->state == PTK_SIM_HOST_ENDED && result_out) {
        *result_out = host->result;
    }
    return host->state == PTK_SIM_HOST_ENDED;
}

/* The driver's look at a host that has just ended by itself. */
void ptk_sim_host_report_end(ptk_sim_host_t *host) {
    host->sim->unfinished -= host->flags & PTK_SIM_HOST_DAEMON ? 0 : 1;
    host_trace(host, PTK_SIM_TRACE_HOST, 0, (uint64_t) (int64_t) host->result);
    host_check_leaks(host);
}
