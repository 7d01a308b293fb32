/* SPDX-License-Identifier: MIT */
/*
 * The kernel of a simulated host: descriptors, pollers, timers, wakes and its clock.
 *
 * It is behind `ptk_sim_sys`, a ptk_sys_t, so the shipped epoll and poll platforms run on it unchanged. The
 * semantics are Linux's: the lowest free descriptor is allocated next; an epoll registration belongs to
 * descriptor and description and ends with the description; level-triggered, edge-triggered and one-shot
 * registrations differ when a batch is collected; and a batch may be cut short.
 *
 * The system table finds its kernel by the thread block in use, which is a member of it. A call that waits
 * goes through `suspend`, which the driver sets: it returns when the kernel was woken or its time has come.
 *
 * Ownership: a kernel owns its descriptions and their endpoints; the node, the net and the driver outlive it.
 */
#pragma once

#include "base/ptk_choice.h"
#include "base/ptk_thread.h"
#include "sim/kernel/ptk_sim_heap.h"
#include "sim/kernel/ptk_sim_tcp.h"

typedef struct ptk_sim_kernel ptk_sim_kernel_t;
typedef struct ptk_sim_file ptk_sim_file_t;

typedef enum ptk_sim_file_kind {
    PTK_SIM_FILE_TCP,   /* u.tcp */
    PTK_SIM_FILE_WAKE,  /* u.kicked: readable while it is kicked */
    PTK_SIM_FILE_TIMER, /* u.timer: readable once it has expired */
    PTK_SIM_FILE_EPOLL  /* u.epoll */
} ptk_sim_file_kind_t;

/* An open file description. */
struct ptk_sim_file {
    ptk_sim_kernel_t *kernel;
    ptk_sim_file_kind_t kind;
    uint32_t references; /* descriptors that refer to it */
    ptk_list_t watchers; /* its registrations in epolls */
    union {
        ptk_sim_tcp_t *tcp; /* NULL after a crash of the host */
        bool kicked;
        struct {
            ptk_sim_event_t event; /* fires at the deadline */
            bool expired;          /* until it is set again */
        } timer;
        struct {
            ptk_list_t interests; /* registrations, in the order of adding */
            ptk_list_t ready;     /* those that may have something to report, oldest first */
            uint32_t ready_count;
        } epoll;
    } u;
};

/* What a host waits for while it is suspended. */
typedef struct ptk_sim_wait {
    const ptk_sim_file_t *epoll; /* NULL: it is in poll, or waits for time alone */
    bool polls;                  /* in poll: any change of a description wakes it */
} ptk_sim_wait_t;

/* The kernel of one host. Its state belongs to one process: a restart initialises it again. */
struct ptk_sim_kernel {
    ptk_thread_block_t block;     /* the host's: in use while it executes */
    ptk_sim_node_t *node;         /* its place in the network */
    ptk_sim_net_t *net;           /* the world's */
    ptk_sim_file_t **descriptors; /* by number; NULL: free */
    uint32_t descriptor_capacity;
    uint32_t descriptor_limit; /* descriptors are below this */
    uint32_t descriptors_open;
    ptk_sim_heap_t heap;     /* what the host has allocated */
    int64_t clock_offset_ns; /* how far its clock is ahead of the world's */
    int32_t clock_drift_ppm; /* how much faster its clock runs */
    uint64_t empty_poll_ns;  /* what a poll without an event takes, so that a busy loop lets time pass */
    const char *platform;    /* the value of PTK_PLATFORM */
    ptk_sim_wait_t wait;
    bool waiting;             /* in `suspend` */
    bool crashed;             /* no network, and no wait takes time: the host is unwinding */
    uint64_t calls;           /* system calls so far */
    uint64_t busy_polls;      /* polls in a row that found something at one time, */
    uint64_t busy_polls_ns;   /* and that time of the world */
    uint32_t unwinding_waits; /* waits since the crash */

    /* Set by the driver. `suspend` returns after a `wake` or at `until_ns` of the world. */
    void (*suspend)(ptk_sim_kernel_t *kernel, uint64_t until_ns);
    void (*wake)(ptk_sim_kernel_t *kernel);
    void *owner; /* the driver's host */
};

/* The system table of every simulated host. */
extern const ptk_sys_t ptk_sim_sys;

/* Returns the kernel of the host that executes, NULL outside any host. */
static inline ptk_sim_kernel_t *ptk_sim_kernel_here(void) {
    return ptk_thread()->host;
}

/* Initialises the kernel of a host that boots. `sys` is ptk_sim_sys, or a table over it. */
void ptk_sim_kernel_init(ptk_sim_kernel_t *kernel, ptk_sim_node_t *node, const ptk_sys_t *sys,
                         ptk_choice_oracle_t *oracle);

/* Closes all descriptors and frees the kernel's memory. */
void ptk_sim_kernel_fini(ptk_sim_kernel_t *kernel);

/* Cuts the power: connections and listeners end without a packet, and calls fail from now on. */
void ptk_sim_kernel_crash(ptk_sim_kernel_t *kernel);

/* Returns the time of its clock. */
uint64_t ptk_sim_kernel_now_ns(const ptk_sim_kernel_t *kernel);
/* Returns the least time of the world in which its clock advances by `own_ns`. */
uint64_t ptk_sim_kernel_world_ns(const ptk_sim_kernel_t *kernel, uint64_t own_ns);

/* --- descriptors (ptk_sim_kernel.c) --- */

/* Returns the description behind a descriptor, or NULL (-EBADF). */
ptk_sim_file_t *ptk_sim_file_find(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle);

/* Opens a description with one descriptor. Returns 0, -EMFILE, -ENFILE or -ENOMEM. */
int ptk_sim_file_open(ptk_sim_kernel_t *kernel, ptk_sim_file_kind_t kind, ptk_sim_file_t **file_out,
                      ptk_os_handle_t *handle_out);

/* Adds a descriptor of the same description, as dup(2). */
int ptk_sim_file_dup(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, ptk_os_handle_t *handle_out);

/* Adds a descriptor with a number that the caller chooses, as dup3(2): closes that number first if it is
   open, and returns it. */
int ptk_sim_file_dup_to(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, ptk_os_handle_t to);
/* Closes a descriptor, and with the last one the description. Returns 0 or -EBADF. */
int ptk_sim_file_close(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle);

/* --- readiness (ptk_sim_watch.c) --- */

/* Returns what poll(2) would report of the description. */
uint32_t ptk_sim_file_ready(const ptk_sim_file_t *file);

/* Reports a change of the description to the pollers that wait for one of `events`. */
void ptk_sim_file_changed(ptk_sim_file_t *file, uint32_t events);

/* --- pollers (ptk_sim_poller.c) --- */

/* Waits as `wait` describes until `poll` returns other than 0, and returns that; 0 when the time is over or
   when a wait ends early; -EINTR. timeout_ns < 0: no limit; 0: polls, lets other hosts execute, and polls
   once more. */
int ptk_sim_kernel_await(ptk_sim_kernel_t *kernel, const ptk_sim_wait_t *wait, int64_t timeout_ns,
                         int (*poll)(void *context), void *context);

/* As epoll_ctl(2), epoll_wait(2) and poll(2), with results as -errno. */
int ptk_sim_epoll_ctl(ptk_sim_kernel_t *kernel, ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                      struct epoll_event *event);
int ptk_sim_epoll_wait(ptk_sim_kernel_t *kernel, ptk_os_handle_t epoll, struct epoll_event *events,
                       int capacity, int64_t timeout_ns);
int ptk_sim_poll(ptk_sim_kernel_t *kernel, struct pollfd *entries, size_t count, int64_t timeout_ns);
