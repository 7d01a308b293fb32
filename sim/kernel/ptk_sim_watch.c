/* SPDX-License-Identifier: MIT */
/*
 * Readiness and its notification.
 *
 * Every change of a description goes through ptk_sim_file_changed: its registrations that have one of the
 * events as interest are marked as perhaps ready, and a wait in poll ends. An epoll with a marked
 * registration is itself a description that has changed.
 */
#include "sim/kernel/ptk_sim_watch.h"

#include "sim/kernel/ptk_sim_memory.h"

void ptk_sim_registration_link_ready(ptk_sim_registration_t *registration) {
    if (!ptk_list_is_linked(&registration->ready)) {
        ptk_list_append(&registration->epoll->u.epoll.ready, &registration->ready);
        registration->epoll->u.epoll.ready_count++;
    }
}

void ptk_sim_registration_unlink_ready(ptk_sim_registration_t *registration) {
    if (ptk_list_is_linked(&registration->ready)) {
        ptk_list_remove(&registration->ready);
        registration->epoll->u.epoll.ready_count--;
    }
}

void ptk_sim_registration_free(ptk_sim_registration_t *registration) {
    ptk_sim_registration_unlink_ready(registration);
    ptk_list_remove(&registration->of_file);
    ptk_list_remove(&registration->of_epoll);
    ptk_sim_free(registration);
}

void ptk_sim_epoll_forget_file(ptk_sim_file_t *file) {
    ptk_list_node_t *node;
    while ((node = ptk_list_first(&file->watchers)) != NULL) {
        ptk_sim_registration_free(ptk_container_of(node, ptk_sim_registration_t, of_file));
    }
}

void ptk_sim_epoll_close(ptk_sim_file_t *epoll) {
    ptk_list_node_t *node;
    while ((node = ptk_list_first(&epoll->u.epoll.interests)) != NULL) {
        ptk_sim_registration_free(ptk_container_of(node, ptk_sim_registration_t, of_epoll));
    }
}

/* Wakes the host if it waits in this epoll. */
static void epoll_wake_waiter(ptk_sim_file_t *epoll) {
    ptk_sim_kernel_t *kernel = epoll->kernel;
    if (kernel->waiting && kernel->wait.epoll == epoll) {
        kernel->wake(kernel);
    }
    ptk_sim_file_changed(epoll, EPOLLIN); /* an epoll may be registered in another one */
}

void ptk_sim_registration_mark_ready(ptk_sim_registration_t *registration) {
    ptk_sim_registration_link_ready(registration);
    epoll_wake_waiter(registration->epoll);
}

/* Marks the registrations that have one of the events as interest. Whether there is still something to
   report is found when a batch is collected. */
static void file_mark_watchers(ptk_sim_file_t *file, uint32_t events) {
    for (ptk_list_node_t *node = ptk_list_first(&file->watchers); node;
         node = ptk_list_next(&file->watchers, node)) {
        ptk_sim_registration_t *registration = ptk_container_of(node, ptk_sim_registration_t, of_file);
        if (events & ptk_sim_registration_interest(registration)) {
            ptk_sim_registration_mark_ready(registration);
        }
    }
}

/* Returns whether a marked registration has something to report now; this is what poll(2) reports of an
   epoll. */
static bool epoll_has_ready(const ptk_sim_file_t *epoll) {
    for (ptk_list_node_t *node = ptk_list_first(&epoll->u.epoll.ready); node;
         node = ptk_list_next(&epoll->u.epoll.ready, node)) {
        const ptk_sim_registration_t *registration = ptk_container_of(node, ptk_sim_registration_t, ready);
        if (ptk_sim_file_ready(registration->file) & ptk_sim_registration_interest(registration)) {
            return true;
        }
    }
    return false;
}

/* An endpoint that a crash has taken is ready for everything, so that its users notice. */
uint32_t ptk_sim_file_ready(const ptk_sim_file_t *file) {
    switch (file->kind) {
    case PTK_SIM_FILE_TCP:
        return file->u.tcp ? ptk_sim_tcp_ready(file->u.tcp) : POLLIN | POLLOUT | POLLERR | POLLHUP;
    case PTK_SIM_FILE_WAKE:
        return file->u.kicked ? POLLIN | POLLOUT : POLLOUT;
    case PTK_SIM_FILE_TIMER:
        return file->u.timer.expired ? POLLIN : 0;
    case PTK_SIM_FILE_EPOLL:
        break;
    }
    return epoll_has_ready(file) ? POLLIN : 0;
}

/* A poll has no list of its descriptors here, so any change wakes it; it polls again and may wait on. */
void ptk_sim_file_changed(ptk_sim_file_t *file, uint32_t events) {
    ptk_sim_kernel_t *kernel = file->kernel;
    file_mark_watchers(file, events);
    if (kernel->waiting && kernel->wait.polls) {
        kernel->wake(kernel);
    }
}
