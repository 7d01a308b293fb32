/* SPDX-License-Identifier: MIT */
/* Registrations of descriptions in the epolls of a simulated host (layer 0, internal). */
#pragma once

#include "sim/kernel/ptk_sim_kernel.h"
#include <poll.h>
#include <sys/epoll.h>

/* Bits of a registration that are no events. */
#define PTK_SIM_PRIVATE_BITS ((uint32_t) (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE))

typedef struct ptk_sim_registration {
    ptk_list_node_t of_file;
    ptk_list_node_t of_epoll;
    ptk_list_node_t ready;
    ptk_sim_file_t *file;
    ptk_sim_file_t *epoll;
    ptk_os_handle_t handle;
    uint32_t events;
    epoll_data_t data;
} ptk_sim_registration_t;

/* What it asked for, with what is always reported; 0: nothing, a one-shot one that has reported. */
static inline uint32_t ptk_sim_registration_interest(const ptk_sim_registration_t *registration) {
    uint32_t events = registration->events & ~PTK_SIM_PRIVATE_BITS;
    return events ? events | (uint32_t) (EPOLLERR | EPOLLHUP) : 0;
}

/* Into the ready list of its epoll and out of it; nothing if it is there, or not. */
void ptk_sim_registration_link_ready(ptk_sim_registration_t *registration);
void ptk_sim_registration_unlink_ready(ptk_sim_registration_t *registration);

/* It has something to report, perhaps: into the list, and whoever waits for its epoll looks. */
void ptk_sim_registration_mark_ready(ptk_sim_registration_t *registration);
void ptk_sim_registration_free(ptk_sim_registration_t *registration);

/* The registrations of a description that goes, or in an epoll that goes. */
void ptk_sim_epoll_forget_file(ptk_sim_file_t *file);
void ptk_sim_epoll_close(ptk_sim_file_t *epoll);
