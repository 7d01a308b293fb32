/* SPDX-License-Identifier: MIT */
/*
 * Registrations of descriptions in the epolls of a simulated host (internal).
 */
#pragma once

#include "sim/kernel/ptk_sim_kernel.h"
#include <poll.h>
#include <sys/epoll.h>

/* Bits of a registration that are not events (Linux's EP_PRIVATE_BITS). */
#define PTK_SIM_PRIVATE_BITS ((uint32_t) (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE))

/* One registration. It is in the list of its description and of its epoll, and in the epoll's ready list
   while it may have something to report. It ends with either of them. */
typedef struct ptk_sim_registration {
    ptk_list_node_t of_file;  /* in the description's `watchers` */
    ptk_list_node_t of_epoll; /* in the epoll's `interests` */
    ptk_list_node_t ready;    /* in the epoll's `ready`, or not linked */
    ptk_sim_file_t *file;
    ptk_sim_file_t *epoll;
    ptk_os_handle_t handle; /* part of its key, together with `file` */
    uint32_t events;        /* as of epoll_ctl, with the private bits */
    epoll_data_t data;      /* the program's */
} ptk_sim_registration_t;

/* Returns the events of interest, with those that are always reported; 0: none, for a one-shot one that has
   reported. */
static inline uint32_t ptk_sim_registration_interest(const ptk_sim_registration_t *registration) {
    uint32_t events = registration->events & ~PTK_SIM_PRIVATE_BITS;
    return events ? events | (uint32_t) (EPOLLERR | EPOLLHUP) : 0;
}

/* Adds it to the ready list of its epoll, or removes it; without effect if that is so already. */
void ptk_sim_registration_link_ready(ptk_sim_registration_t *registration);
void ptk_sim_registration_unlink_ready(ptk_sim_registration_t *registration);

/* It may have something to report: adds it to the ready list and wakes the epoll's waiter. */
void ptk_sim_registration_mark_ready(ptk_sim_registration_t *registration);
/* Removes it from all lists and frees it. */
void ptk_sim_registration_free(ptk_sim_registration_t *registration);

/* Frees the registrations of a description that is closed, or in an epoll that is closed. */
void ptk_sim_epoll_forget_file(ptk_sim_file_t *file);
void ptk_sim_epoll_close(ptk_sim_file_t *epoll);
