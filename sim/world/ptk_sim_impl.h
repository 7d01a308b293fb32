/* SPDX-License-Identifier: MIT */
/* The inside of a simulated world (layer 5, internal). */
#pragma once

#include "base/ptk_observer.h"
#include "context/ptk_context.h"
#include "context/ptk_stack.h"
#include "sim/kernel/ptk_sim_fault.h"
#include "sim/kernel/ptk_sim_kernel.h"
#include "sim/world/ptk_sim_oracle.h"
#include <ptk_sim.h>

#define PTK_SIM_FAILURE_BYTES 256

typedef enum ptk_sim_host_state {
    PTK_SIM_HOST_WAITING,  /* in a call that waits */
    PTK_SIM_HOST_RUNNABLE, /* in the list of those, or it would be but for a pause */
    PTK_SIM_HOST_RUNNING,
    PTK_SIM_HOST_ENDED,
    PTK_SIM_HOST_DOWN /* crashed */
} ptk_sim_host_state_t;

typedef struct ptk_sim_green_record ptk_sim_green_record_t;

/* The green threads of a host that live, for the timeline. */
typedef struct ptk_sim_greens {
    ptk_observer_t observer;
    ptk_sim_host_t *host;
    ptk_sim_green_record_t *records;
    uint32_t count;
    uint64_t begun; /* so far, in all processes of the host */
} ptk_sim_greens_t;

/* Words by their numbers, from 1 on. */
typedef struct ptk_sim_string_table {
    char **strings;
    uint32_t count;
} ptk_sim_string_table_t;

struct ptk_sim_host {
    ptk_sim_kernel_t kernel; /* first: the kernel's owner is its host */
    ptk_sim_t *sim;
    const char *name;
    ptk_err (*main)(void *arg);
    void *arg;
    ptk_err result;
    uint32_t flags;
    uint32_t descriptor_limit;
    uint64_t memory_limit_bytes;
    ptk_sim_host_state_t state;
    uint32_t pause_count;  /* pauses and suspensions that hold: it does not run */
    bool suspended;        /* its clock stands too */
    uint64_t suspended_ns; /* since then, by its clock */
    int saved_errno;
    ptk_context_t context;
    ptk_stack_slot_t *stack;
    ptk_stack_label_t label;
    ptk_sim_greens_t greens;
    bool is_queued;          /* among the runnable */
    bool has_begun;          /* its main is on its stack */
    ptk_sim_event_t wait_timer;   /* the end of its wait */
    ptk_sim_event_t restart_event; /* after a crash */
    ptk_sim_event_t resume_event;   /* after a pause */
};

/* A partition that chance has made. */
typedef struct ptk_sim_timed_partition {
    ptk_sim_event_t end;
    ptk_list_node_t link;
    ptk_sim_host_t *from;
    ptk_sim_host_t *to;
} ptk_sim_timed_partition_t;

struct ptk_sim {
    ptk_thread_block_t block; /* in use while no host is */
    ptk_thread_block_t *block_before;
    ptk_sim_oracle_t oracle;
    ptk_choice_oracle_t benign;
    ptk_sim_tape_t tape; /* that is replayed */
    ptk_sim_net_t net;
    ptk_sim_options_t options;
    const char *platform;
    ptk_context_t driver;
    ptk_stack_pool_t stacks;
    ptk_sim_host_t **hosts;
    uint32_t host_count;
    const char **labels; /* of notes */
    uint32_t label_count;
    ptk_sim_string_table_t green_strings; /* names of green threads, and what they wait for */
    ptk_sim_host_t **runnable;   /* in the order in which they became so; room for all hosts */
    uint32_t runnable_count;
    uint32_t lossy_links; /* that have a rate of loss of their own, or had one */
    uint32_t unfinished;  /* hosts other than daemons that have not ended */
    ptk_list_t timed_partitions;
    bool faults_off;
    uint64_t began_ns;
    uint64_t steps;
    uint64_t steps_at_now; /* since time moved */
    uint64_t step_ns;
    uint64_t calls_before; /* of kernels that crashed */
    uint64_t faults;
    ptk_sim_end_t end;
    char failure[PTK_SIM_FAILURE_BYTES];
};

/* Something is wrong: the first such reason is kept, and the run ends. */
void ptk_sim_fail(ptk_sim_t *sim, ptk_sim_end_t end, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- hosts (ptk_sim_host.c) --- */

void ptk_sim_host_start(ptk_sim_host_t *host);

/* It has ended by itself: what does it leave behind? */
void ptk_sim_host_report_end(ptk_sim_host_t *host);

/* Let it run until it waits or ends. */
void ptk_sim_host_continue(ptk_sim_host_t *host);

/* Unwind what still runs on it, without network and without time; its kernel is gone afterwards. */
void ptk_sim_host_unwind(ptk_sim_host_t *host);

/* The same where it has not ended, and a look at what it leaves behind. */
void ptk_sim_host_stop(ptk_sim_host_t *host);

/* Of one that has no stack any more. */
void ptk_sim_host_free(ptk_sim_host_t *host);

/* --- green threads (ptk_sim_green.c) --- */

/* From now on what the green threads of a host do is in the log of the trace. */
void ptk_sim_greens_watch(ptk_sim_host_t *host);
void ptk_sim_greens_fini(ptk_sim_greens_t *greens);
void ptk_sim_string_table_fini(ptk_sim_string_table_t *strings);

bool ptk_sim_is_partitioned(ptk_sim_host_t *from, ptk_sim_host_t *to);

/* What a link is like of which nobody says anything (ptk_sim_link.c). */
ptk_sim_link_t ptk_sim_default_link(void);

/* --- faults (ptk_sim_chaos.c) --- */

/* Chance may strike now. */
void ptk_sim_inject_faults(ptk_sim_t *sim);

/* Everything is as it should be again, and stays so. */
void ptk_sim_stop_faults(ptk_sim_t *sim);
