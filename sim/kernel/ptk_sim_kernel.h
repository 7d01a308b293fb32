/* SPDX-License-Identifier: MIT */
/*
 * The kernel of a simulated host (layer 0): descriptors, pollers, timers, wakes and its clock.
 *
 * It stands behind `ptk_sim_sys`, a ptk_sys_t, so that the shipped epoll and poll platforms run on it as they
 * are. The semantics are Linux's: the lowest free descriptor is given out next, an epoll registration belongs
 * to descriptor and description and ends with the description, level and edge and one-shot are told apart
 * when a batch is collected, and a batch may be cut short.
 *
 * The system table finds its kernel by the thread block in use, which is a member of it.
 * A call that waits goes through `suspend`, which the driver sets: it returns when the kernel was
 * woken or the moment has come.
 */
#pragma once

#include "base/ptk_choice.h"
#include "base/ptk_thread.h"
#include "sim/kernel/ptk_sim_heap.h"
#include "sim/kernel/ptk_sim_tcp.h"

typedef struct ptk_sim_kernel ptk_sim_kernel_t;
typedef struct ptk_sim_file ptk_sim_file_t;

typedef enum ptk_sim_file_kind {
    PTK_SIM_FILE_TCP,
    PTK_SIM_FILE_WAKE,
    PTK_SIM_FILE_TIMER,
    PTK_SIM_FILE_EPOLL
} ptk_sim_file_kind_t;

/* An open file description. */
struct ptk_sim_file {
    ptk_sim_kernel_t *kernel;
    ptk_sim_file_kind_t kind;
    uint32_t references; /* descriptors that stand for it */
    ptk_list_t watchers; /* the epoll registrations of it */
    union {
        ptk_sim_tcp_t *tcp; /* NULL once the host has crashed */
        bool kicked;
        struct {
            ptk_sim_event_t event;
            bool expired;
        } timer;
        struct {
            ptk_list_t interests; /* in the order of adding */
            ptk_list_t ready;     /* those that have something to report, perhaps; oldest first */
            uint32_t ready_count;
        } epoll;
    } u;
};

/* How it waits, while it does. */
typedef struct ptk_sim_wait {
    const ptk_sim_file_t *epoll; /* NULL: in poll, or for time alone */
    bool polls;
} ptk_sim_wait_t;

struct ptk_sim_kernel {
    ptk_thread_block_t block;
    ptk_sim_node_t *node;
    ptk_sim_net_t *net;
    ptk_sim_file_t **descriptors;
    uint32_t descriptor_capacity;
    uint32_t descriptor_limit; /* no descriptor has this number or a greater one */
    uint32_t descriptors_open;
    ptk_sim_heap_t heap;
    int64_t clock_offset_ns; /* its clock is that much ahead of the world's */
    int32_t clock_drift_ppm; /* and runs that much faster */
    uint64_t look_ns;        /* a poll that found nothing takes so long: who spins lets time pass */
    const char *platform;    /* what PTK_PLATFORM says */
    ptk_sim_wait_t wait;
    bool waiting;
    bool crashed; /* no network, and no wait takes any time: what still runs is unwinding */
    uint64_t calls;
    uint64_t looks;       /* of pollers that found something, */
    uint64_t looked_ns;   /* at this moment of the world */
    uint32_t unwinding_waits; /* after the crash */

    /* The driver's. `suspend` returns after a `wake` or at `until_ns` of the world. */
    void (*suspend)(ptk_sim_kernel_t *kernel, uint64_t until_ns);
    void (*wake)(ptk_sim_kernel_t *kernel);
    void *owner;
};

/* The system table of every simulated host. */
extern const ptk_sys_t ptk_sim_sys;

/* The kernel of the host that runs, NULL outside any. */
static inline ptk_sim_kernel_t *ptk_sim_kernel_here(void) {
    return ptk_thread()->host;
}

/* `sys` is ptk_sim_sys, or a table over it. */
void ptk_sim_kernel_init(ptk_sim_kernel_t *kernel, ptk_sim_node_t *node, const ptk_sys_t *sys,
                         ptk_choice_oracle_t *oracle);

/* Close what is open. */
void ptk_sim_kernel_fini(ptk_sim_kernel_t *kernel);

/* The power goes: connections and listeners are gone without a packet; calls fail from now on. */
void ptk_sim_kernel_crash(ptk_sim_kernel_t *kernel);

/* Its clock, and how long of the world's time a time of its clock takes, at least. */
uint64_t ptk_sim_kernel_now_ns(const ptk_sim_kernel_t *kernel);
uint64_t ptk_sim_kernel_world_ns(const ptk_sim_kernel_t *kernel, uint64_t own_ns);

/* --- descriptors (ptk_sim_kernel.c) --- */

/* The description behind a descriptor, NULL: -EBADF. */
ptk_sim_file_t *ptk_sim_file_find(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle);

/* A new description with one descriptor: 0 or -EMFILE, -ENFILE, -ENOMEM. */
int ptk_sim_file_open(ptk_sim_kernel_t *kernel, ptk_sim_file_kind_t kind, ptk_sim_file_t **file_out,
                      ptk_os_handle_t *handle_out);

/* Another descriptor for the same description, as dup(2). */
int ptk_sim_file_dup(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, ptk_os_handle_t *handle_out);

/* The same at a number that the caller chooses, which is closed first if it is open, as dup3(2): the number.
 */
int ptk_sim_file_dup_to(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle, ptk_os_handle_t to);
int ptk_sim_file_close(ptk_sim_kernel_t *kernel, ptk_os_handle_t handle);

/* --- readiness (ptk_sim_watch.c) --- */

/* What poll(2) would report of it. */
uint32_t ptk_sim_file_ready(const ptk_sim_file_t *file);

/* Something happened to it: pollers that asked for one of `events` look again. */
void ptk_sim_file_changed(ptk_sim_file_t *file, uint32_t events);

/* --- pollers (ptk_sim_poller.c) --- */

/* Wait for what `wait` says, until `look` answers other than 0, and answer that; 0 when the time is up or for
   no reason at all, -EINTR. timeout_ns < 0: no limit; 0: look, and let others go on before a second look. */
int ptk_sim_kernel_await(ptk_sim_kernel_t *kernel, const ptk_sim_wait_t *wait, int64_t timeout_ns,
                         int (*look)(void *context), void *context);

int ptk_sim_epoll_ctl(ptk_sim_kernel_t *kernel, ptk_os_handle_t epoll, int operation, ptk_os_handle_t handle,
                      struct epoll_event *event);
int ptk_sim_epoll_wait(ptk_sim_kernel_t *kernel, ptk_os_handle_t epoll, struct epoll_event *events,
                       int capacity, int64_t timeout_ns);
int ptk_sim_poll(ptk_sim_kernel_t *kernel, struct pollfd *entries, size_t count, int64_t timeout_ns);
