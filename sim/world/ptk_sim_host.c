/* SPDX-License-Identifier: MIT */
/*
 * The life of a simulated host.
 *
 * A host is a process of one thread: its main runs on a stack of its own, and the driver switches to it. It
 * switches back where its kernel has to wait, and when main returns. While it runs, its thread block is the
 * one in use, so that every ptk call acts on this host.
 *
 *     RUNNABLE -> RUNNING -> WAITING -> RUNNABLE ... RUNNING -> ENDED
 *                           crash: -> DOWN, restart: -> RUNNABLE
 *
 * A host that crashes is unwound at once: its network is gone, its loop is stopped, and no wait of it takes
 * time any more, so its green threads come to their ends one after the other while the world stands still.
 */
#include "sim/world/ptk_sim_impl.h"

#include "base/ptk_assert.h"
#include "base/ptk_signal_table.h"
#include "sim/platform/ptk_event_loop_platform_sim.h"
#include "sim/kernel/ptk_sim_memory.h"
#include <errno.h>
#include <ptk_scheduler.h>
#include <string.h>

#define DRIFT_MOST_PPM 500000
#define STACK_BYTES    ((size_t) 512 * 1024)

static ptk_sim_host_t *host_of(ptk_sim_kernel_t *kernel) {
    return kernel->owner;
}

static void note(ptk_sim_host_t *host, ptk_sim_trace_kind_t kind, uint64_t a, uint64_t b) {
    ptk_sim_net_note(&host->sim->net, kind, host->kernel.node->index, a, b, 0);
}

/* --- between the driver and the host --- */

static void make_runnable(ptk_sim_host_t *host) {
    ptk_sim_t *sim = host->sim;
    host->state = PTK_SIM_HOST_RUNNABLE;
    if (host->standstills == 0 && !host->is_queued) {
        host->is_queued = true;
        sim->runnable[sim->runnable_count++] = host;
    }
}

static void leave_runnable(ptk_sim_host_t *host) {
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

static void wake(ptk_sim_kernel_t *kernel) {
    ptk_sim_host_t *host = host_of(kernel);
    if (host->state == PTK_SIM_HOST_WAITING) {
        make_runnable(host);
    }
}

static void end_of_wait(ptk_sim_event_t *event) {
    ptk_sim_host_t *host = ptk_container_of(event, ptk_sim_host_t, alarm);
    wake(&host->kernel);
}

/* Away to the driver and back again, from the host's own stack or that of one of its green threads: to
 * sanitizers these are different contexts. */
static void switch_to_driver(ptk_sim_host_t *host) {
    const ptk_context_t own = host->context;
    ptk_context_adopt(&host->context);
    ptk_context_switch(&host->context, &host->sim->driver);
    host->context = own;
}

/* Back to the driver, until somebody continues it. */
static void suspend(ptk_sim_kernel_t *kernel, uint64_t until_ns) {
    ptk_sim_host_t *host = host_of(kernel);
    ptk_sim_event_queue_t *events = &host->sim->net.events;
    ptk_assert(host->state == PTK_SIM_HOST_RUNNING);
    note(host, PTK_SIM_TRACE_SUSPEND, until_ns, 0);
    host->state = PTK_SIM_HOST_WAITING;
    if (until_ns != UINT64_MAX) {
        ptk_sim_event_queue_insert(events, &host->alarm, until_ns);
    }
    host->saved_errno = errno;
    switch_to_driver(host);
    errno = host->saved_errno;
    ptk_sim_event_queue_cancel(events, &host->alarm);
    note(host, PTK_SIM_TRACE_RESUME, 0, 0);
}

void ptk_sim_host_continue(ptk_sim_host_t *host) {
    ptk_sim_t *sim = host->sim;
    leave_runnable(host);
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

static void live(void *argument) {
    ptk_sim_host_t *host = argument;
    ptk_context_entered(&host->context);
    errno = 0;
    host->result = host->main(host->arg);
    host->state = PTK_SIM_HOST_ENDED;
    ptk_context_switch_end(&host->context, &host->sim->driver);
    ptk_assert(false && "an ended host was continued");
}

static void boot(ptk_sim_host_t *host) {
    ptk_sim_t *sim = host->sim;
    ptk_sim_kernel_init(&host->kernel, host->kernel.node, &ptk_sim_sys, sim->block.oracle);
    host->kernel.suspend = suspend;
    host->kernel.wake = wake;
    host->kernel.owner = host;
    host->kernel.platform = sim->platform;
    host->kernel.block.platform = strcmp(sim->platform, "sim") == 0 ? &ptk_platform_sim : NULL;
    host->kernel.descriptor_limit = host->descriptor_limit;
    host->kernel.heap.limit_bytes = host->memory_limit_bytes;
    host->kernel.node->up = true;
    host->alarm.happen = end_of_wait;
    if (sim->net.trace.keeps) {
        ptk_sim_greens_watch(host);
    }
}

void ptk_sim_host_start(ptk_sim_host_t *host) {
    int os_err = 0;
    boot(host);
    host->has_begun = false;
    host->label = (ptk_stack_label_t) {host->name, __FILE__, __LINE__};
    host->stack = ptk_stack_alloc(&host->sim->stacks, STACK_BYTES, &host->label, &os_err);
    ptk_assert(host->stack && "no memory for the stack of a host");
    ptk_context_make(&host->context, host->stack->low, host->stack->high, live, host);
    note(host, PTK_SIM_TRACE_HOST, 1, 0);
    make_runnable(host);
}

/* What a process leaves behind although it has ended by itself. */
static void check_remains(ptk_sim_host_t *host) {
    ptk_sim_t *sim = host->sim;
    if (host->kernel.block.loop) {
        ptk_sim_fail(sim, PTK_SIM_END_HOST, "%s ended without destroying its loop", host->name);
    } else if (host->kernel.descriptors_open != 0) {
        ptk_sim_fail(sim, PTK_SIM_END_HOST, "%s ended with %u descriptors open", host->name,
                     host->kernel.descriptors_open);
    } else if (host->kernel.heap.count != 0) {
        ptk_sim_fail(sim, PTK_SIM_END_HOST, "%s ended with %llu allocations live", host->name,
                     (unsigned long long) host->kernel.heap.count);
    } else if (host->result != PTK_OK && !(host->flags & PTK_SIM_HOST_MAY_FAIL) && !host->kernel.crashed) {
        ptk_sim_fail(sim, PTK_SIM_END_HOST, "%s ended with %s", host->name, ptk_err_name(host->result));
    }
}

/* The loop that it has now, if any: main may make one after another. */
static void stop_loop(ptk_sim_host_t *host) {
    ptk_thread_in_use = &host->kernel.block;
    if (host->kernel.block.loop) {
        (void) ptk_scheduler_stop(host->kernel.block.loop);
    }
    ptk_thread_in_use = &host->sim->block;
}

/* It has a stack and a main, and nothing of it has run. */
static void forget_start(ptk_sim_host_t *host) {
    ptk_context_fini(&host->context);
    ptk_stack_free(&host->sim->stacks, host->stack);
    host->stack = NULL;
    host->result = PTK_OK;
    host->state = PTK_SIM_HOST_ENDED;
}

void ptk_sim_host_finish(ptk_sim_host_t *host) {
    leave_runnable(host);
    if (host->stack && !host->has_begun) {
        forget_start(host);
    }
    if (host->state != PTK_SIM_HOST_ENDED && host->stack) {
        ptk_sim_kernel_crash(&host->kernel);
        while (host->state != PTK_SIM_HOST_ENDED) {
            stop_loop(host);
            ptk_sim_host_continue(host);
        }
    }
}

void ptk_sim_host_end(ptk_sim_host_t *host) {
    if (host->state != PTK_SIM_HOST_ENDED && host->state != PTK_SIM_HOST_DOWN) {
        ptk_sim_host_finish(host);
        check_remains(host);
    }
}

void ptk_sim_host_free(ptk_sim_host_t *host) {
    ptk_sim_event_queue_t *events = &host->sim->net.events;
    ptk_assert(!host->stack);
    ptk_sim_kernel_fini(&host->kernel);
    ptk_sim_tcp_clear(host->kernel.node);
    leave_runnable(host);
    ptk_sim_event_queue_cancel(events, &host->alarm);
    ptk_sim_event_queue_cancel(events, &host->restart);
    ptk_sim_event_queue_cancel(events, &host->go_on);
    ptk_sim_greens_fini(&host->greens);
    ptk_sim_free(host);
}

/* --- faults by hand --- */

static void restart_now(ptk_sim_event_t *event) {
    ptk_sim_restart(ptk_container_of(event, ptk_sim_host_t, restart));
}

static void go_on_now(ptk_sim_event_t *event) {
    ptk_sim_resume(ptk_container_of(event, ptk_sim_host_t, go_on));
}

static void note_fault(ptk_sim_host_t *host, ptk_sim_fault_t fault) {
    note(host, PTK_SIM_TRACE_FAULT, fault, 0);
}

void ptk_sim_crash(ptk_sim_host_t *host) {
    if (host->state == PTK_SIM_HOST_DOWN || host->state == PTK_SIM_HOST_ENDED) {
        return;
    }
    note_fault(host, PTK_SIM_FAULT_CRASH);
    host->sim->faults++;
    host->sim->calls_before += host->kernel.calls;
    ptk_sim_host_finish(host);
    check_remains(host);
    ptk_sim_kernel_fini(&host->kernel);
    leave_runnable(host);
    ptk_sim_event_queue_cancel(&host->sim->net.events, &host->alarm);
    host->kernel.calls = 0;
    host->state = PTK_SIM_HOST_DOWN;
    host->restart.happen = restart_now;
}

void ptk_sim_restart(ptk_sim_host_t *host) {
    if (host->state == PTK_SIM_HOST_DOWN) {
        ptk_sim_event_queue_cancel(&host->sim->net.events, &host->restart);
        note_fault(host, PTK_SIM_FAULT_RESTART);
        ptk_sim_host_start(host);
    }
}

void ptk_sim_pause(ptk_sim_host_t *host) {
    note_fault(host, PTK_SIM_FAULT_PAUSE);
    host->sim->faults++;
    host->standstills++;
    host->go_on.happen = go_on_now;
    leave_runnable(host);
}

void ptk_sim_suspend(ptk_sim_host_t *host) {
    if (!host->suspended) {
        host->suspended = true;
        host->suspended_ns = ptk_sim_kernel_now_ns(&host->kernel);
    }
    ptk_sim_pause(host);
}

void ptk_sim_resume(ptk_sim_host_t *host) {
    if (host->standstills == 0) {
        return;
    }
    ptk_sim_event_queue_cancel(&host->sim->net.events, &host->go_on);
    note_fault(host, PTK_SIM_FAULT_RESUME);
    host->standstills = 0;
    if (host->suspended) {
        host->suspended = false;
        uint64_t passed_ns = ptk_sim_kernel_now_ns(&host->kernel) - host->suspended_ns;
        host->kernel.clock_offset_ns -= (int64_t) passed_ns;
    }
    if (host->state == PTK_SIM_HOST_RUNNABLE) {
        make_runnable(host);
    }
}

void ptk_sim_clock(ptk_sim_host_t *host, uint64_t forward_ns, int32_t drift_ppm) {
    note_fault(host, PTK_SIM_FAULT_CLOCK_STEP);
    ptk_sim_kernel_t *kernel = &host->kernel;
    drift_ppm = drift_ppm < -DRIFT_MOST_PPM ? -DRIFT_MOST_PPM : drift_ppm;
    drift_ppm = drift_ppm > DRIFT_MOST_PPM ? DRIFT_MOST_PPM : drift_ppm;
    uint64_t before_ns = ptk_sim_kernel_now_ns(kernel);
    kernel->clock_drift_ppm = drift_ppm;
    kernel->clock_offset_ns += (int64_t) (before_ns - ptk_sim_kernel_now_ns(kernel) + forward_ns);
    wake(kernel); /* its waits are to be reckoned anew */
}

static ptk_sim_link_t *link_between(ptk_sim_host_t *from, ptk_sim_host_t *to) {
    return ptk_sim_net_link(&from->sim->net, from->kernel.node->index, to->kernel.node->index);
}

static void note_link(ptk_sim_host_t *from, ptk_sim_fault_t fault, const ptk_sim_host_t *to) {
    note(from, PTK_SIM_TRACE_FAULT, fault, to->kernel.node->index);
}

bool ptk_sim_is_parted(ptk_sim_host_t *from, ptk_sim_host_t *to) {
    return from != to && link_between(from, to)->cut > 0;
}

void ptk_sim_partition(ptk_sim_host_t *from, ptk_sim_host_t *to) {
    if (from != to && link_between(from, to)->cut++ == 0) {
        from->sim->faults++;
        note_link(from, PTK_SIM_FAULT_PARTITION, to);
    }
}

void ptk_sim_heal(ptk_sim_host_t *from, ptk_sim_host_t *to) {
    if (from != to && link_between(from, to)->cut > 0 && --link_between(from, to)->cut == 0) {
        note_link(from, PTK_SIM_FAULT_HEAL, to);
    }
}

void ptk_sim_signal(ptk_sim_host_t *host, int signo) {
    note(host, PTK_SIM_TRACE_FAULT, PTK_SIM_FAULT_SIGNAL, (uint64_t) signo);
    ptk_thread_block_t *before = ptk_thread_in_use;
    ptk_thread_in_use = &host->kernel.block;
    ptk_signal_arrives(signo, &host->kernel);
    ptk_thread_in_use = before;
}

bool ptk_sim_host_ended(const ptk_sim_host_t *host, ptk_err *result_out) {
    if (host->state == PTK_SIM_HOST_ENDED && result_out) {
        *result_out = host->result;
    }
    return host->state == PTK_SIM_HOST_ENDED;
}

/* The driver's look at a host that has just ended by itself. */
void ptk_sim_host_settle_accounts(ptk_sim_host_t *host) {
    host->sim->unfinished -= host->flags & PTK_SIM_HOST_DAEMON ? 0 : 1;
    note(host, PTK_SIM_TRACE_HOST, 0, (uint64_t) (int64_t) host->result);
    check_remains(host);
}
