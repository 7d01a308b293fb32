/* SPDX-License-Identifier: MIT */
/*
 * The inside of a simulated world (internal).
 */
#pragma once

#include "base/ptk_observer.h"
#include "context/ptk_context.h"
#include "context/ptk_stack.h"
#include "sim/kernel/ptk_sim_fault.h"
#include "sim/kernel/ptk_sim_kernel.h"
#include "sim/world/ptk_sim_oracle.h"
#include <ptk_sim.h>

#define PTK_SIM_FAILURE_BYTES 256

/* The states of a host; the transitions are in ptk_sim_host.c. */
typedef enum ptk_sim_host_state {
    PTK_SIM_HOST_WAITING,  /* in a call that waits */
    PTK_SIM_HOST_RUNNABLE, /* in the list of runnable hosts, unless it is paused */
    PTK_SIM_HOST_RUNNING,
    PTK_SIM_HOST_ENDED, /* main has returned */
    PTK_SIM_HOST_DOWN   /* crashed */
} ptk_sim_host_state_t;

typedef struct ptk_sim_green_record ptk_sim_green_record_t;

/* The live green threads of a host, recorded for the timeline. */
typedef struct ptk_sim_greens {
    ptk_observer_t observer; /* what the host's scheduler reports to */
    ptk_sim_host_t *host;
    ptk_sim_green_record_t *records; /* of the present process */
    uint32_t count;
    uint64_t begun; /* started so far, in all processes of the host */
} ptk_sim_greens_t;

/* Strings that are stored once each, numbered from 1 on. */
typedef struct ptk_sim_string_table {
    char **strings;
    uint32_t count;
} ptk_sim_string_table_t;

/* A host. It is allocated once and keeps its place in the network over crashes; each boot gives it a new
   kernel state, a new stack and new green threads. */
struct ptk_sim_host {
    ptk_sim_kernel_t kernel; /* its `owner` is the host */
    ptk_sim_t *sim;
    const char *name;
    ptk_err (*main)(void *arg);
    void *arg;
    ptk_err result; /* of main, once it has ended */
    uint32_t flags;
    uint32_t descriptor_limit;
    uint64_t memory_limit_bytes;
    ptk_sim_host_state_t state;
    uint32_t pause_count;  /* pauses and suspensions that hold; the host executes only at 0 */
    bool suspended;        /* its clock stands still too */
    uint64_t suspended_ns; /* since when, by its clock */
    int saved_errno;
    ptk_context_t context;   /* of main's stack; switched to while it waits */
    ptk_stack_slot_t *stack; /* NULL: the host has ended */
    ptk_stack_label_t label;
    ptk_sim_greens_t greens;
    bool is_queued;                /* in the list of runnable hosts */
    bool has_begun;                /* main has been entered */
    ptk_sim_event_t wait_timer;    /* ends its wait */
    ptk_sim_event_t restart_event; /* after a crash by chance */
    ptk_sim_event_t resume_event;  /* after a pause by chance */
};

/* A partition that the oracle has made, and that ends by itself. */
typedef struct ptk_sim_timed_partition {
    ptk_sim_event_t end; /* heals it */
    ptk_list_node_t link;
    ptk_sim_host_t *from;
    ptk_sim_host_t *to;
} ptk_sim_timed_partition_t;

/* A world. */
struct ptk_sim {
    ptk_thread_block_t block; /* in use while no host executes */
    ptk_thread_block_t *block_before;
    ptk_sim_oracle_t oracle;    /* decides, unless the world is benign */
    ptk_choice_oracle_t benign; /* decides 0 */
    ptk_sim_tape_t tape;        /* the tape that is replayed */
    ptk_sim_net_t net;
    ptk_sim_options_t options;
    const char *platform;    /* of the loops of all hosts */
    ptk_context_t driver;    /* the context of the thread that runs the world */
    ptk_stack_pool_t stacks; /* of hosts' mains */
    ptk_sim_host_t **hosts;  /* by number, in the order of adding */
    uint32_t host_count;
    const char **labels; /* of notes, in the order of first use */
    uint32_t label_count;
    ptk_sim_string_table_t green_strings; /* names of green threads, and what they wait for */
    ptk_sim_host_t **runnable;            /* in the order in which they became runnable; room for all hosts */
    uint32_t runnable_count;
    uint32_t lossy_links; /* links that have, or had, a rate of loss of their own */
    uint32_t unfinished;  /* hosts other than daemons that have not ended */
    ptk_list_t timed_partitions;
    bool faults_off; /* no faults from now on; the world's, beside the net's and the oracle's */
    uint64_t began_ns;
    uint64_t steps;
    uint64_t steps_at_now; /* steps since time moved last */
    uint64_t step_ns;      /* and the time then */
    uint64_t calls_before; /* system calls of hosts before their crashes */
    uint64_t faults;
    ptk_sim_end_t end;                   /* of the last run */
    char failure[PTK_SIM_FAILURE_BYTES]; /* the first failure; empty: none */
    /* Called at the first failure, on the stack of the code that failed, before anything that follows from
       it; NULL: none. */
    void (*on_failure)(void *context, const char *failure);
    void *on_failure_context;
};

/* Records a failure and its kind of end; the run ends with the next step. Only the first failure is kept. */
void ptk_sim_fail(ptk_sim_t *sim, ptk_sim_end_t end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Marks the place of a failure in the trace: the host that executes, if any, and the present time. */
void ptk_sim_trace_failure(ptk_sim_t *sim, ptk_sim_end_t end);

/* Stops and unwinds all hosts, and checks what they leak. Nothing runs afterwards. */
void ptk_sim_stop_hosts(ptk_sim_t *sim);

/* --- hosts (ptk_sim_host.c) --- */

/* Boots a host: a new kernel, a stack, and main at its first step. */
void ptk_sim_host_start(ptk_sim_host_t *host);

/* Counts and traces a host that has ended by itself, and checks what it has leaked. */
void ptk_sim_host_report_end(ptk_sim_host_t *host);

/* Executes a host until it waits or ends. */
void ptk_sim_host_continue(ptk_sim_host_t *host);

/* Unwinds what still runs on a host, without network and without time. Its main has returned afterwards. */
void ptk_sim_host_unwind(ptk_sim_host_t *host);

/* Unwinds a host that has not ended, and checks what it has leaked. */
void ptk_sim_host_stop(ptk_sim_host_t *host);

/* Frees a host, which has no stack any more. */
void ptk_sim_host_free(ptk_sim_host_t *host);

/* --- green threads (ptk_sim_green.c) --- */

/* Records from now on what the green threads of a host do, in the unhashed part of the trace. */
void ptk_sim_greens_watch(ptk_sim_host_t *host);
void ptk_sim_greens_fini(ptk_sim_greens_t *greens);
void ptk_sim_string_table_fini(ptk_sim_string_table_t *strings);

/* Returns whether packets of `from` do not reach `to` because of a partition. */
bool ptk_sim_is_partitioned(ptk_sim_host_t *from, ptk_sim_host_t *to);

/* Returns the properties of a link that was never configured (ptk_sim_link.c). */
ptk_sim_link_t ptk_sim_default_link(void);

/* --- faults (ptk_sim_fault_injection.c) --- */

/* Lets the oracle decide about each kind of fault. */
void ptk_sim_inject_faults(ptk_sim_t *sim);

/* Ends every fault that holds, and injects no more. */
void ptk_sim_stop_faults(ptk_sim_t *sim);
