/* SPDX-License-Identifier: MIT */
/*
 * The platform of simulated hosts: the platform contract directly above the simulated kernel.
 *
 * It keeps no poller in that kernel. After each change of a description it looks at every registration that
 * has an interest, and reports the ready ones, in an order and in portions that the oracle chooses. So it
 * promises less than any real poller, and a program that works on it does not depend on one poller's habits.
 */
#include "sim/platform/ptk_event_loop_platform_sim.h"

#include "platform/ptk_posix_sock.h"
#include "platform/ptk_readiness.h"
#include "sim/kernel/ptk_sim_kernel.h"
#include "sim/kernel/ptk_sim_site.h"
#include <errno.h>
#include <poll.h>

/* The arguments of one poll; ready registrations are appended to `finished`. */
typedef struct scan {
    ptk_readiness_t *readiness;
    ptk_list_t *finished;
} sim_scan_t;

/* The interest is stored in the registration itself. */
static int sim_platform_interest(ptk_readiness_t *readiness, uint32_t index, uint32_t interest) {
    readiness->registrations[index].armed = interest;
    return 0;
}

static void sim_platform_forget(ptk_readiness_t *readiness, uint32_t index) {
    readiness->registrations[index].armed = 0;
}

/* Converts poll bits to PTK_READY_*. */
static uint32_t sim_ready_bits(uint32_t events) {
    const uint32_t broken = POLLHUP | POLLERR | POLLNVAL;
    return (events & (POLLIN | POLLPRI | POLLRDHUP) ? PTK_READY_READ : 0) |
           (events & POLLOUT ? PTK_READY_WRITE : 0) | (events & POLLRDHUP ? PTK_READY_HANGUP : 0) |
           (events & POLLPRI ? PTK_READY_PRIORITY : 0) |
           (events & broken ? PTK_READY_ANY | PTK_READY_ERROR : 0) |
           (events & (POLLPRI | POLLRDHUP | broken) ? PTK_READY_EXCEPTIONAL : 0);
}

/* Returns the PTK_READY_* bits of a registration; a closed descriptor is an error. */
static uint32_t sim_registration_ready(const ptk_registration_t *registration) {
    const ptk_sim_file_t *file = ptk_sim_file_find(ptk_sim_kernel_here(), registration->handle);
    return sim_ready_bits(file ? ptk_sim_file_ready(file) : POLLNVAL);
}

/* Goes once round the registrations, from any of them on. At most one is reported although it is not ready:
   if each could be, a loop of many would always find something, and time would stand still. */
static int sim_report_ready(const sim_scan_t *scan) {
    ptk_readiness_t *readiness = scan->readiness;
    int found = 0;
    uint32_t first = readiness->count ? ptk_choice(PTK_SIM_SITE_READY_ORDER, readiness->count) : 0;
    uint32_t spurious = readiness->count ? ptk_choice(PTK_SIM_SITE_SPURIOUS, readiness->count + 1) : 0;
    for (uint32_t i = 0; i < readiness->count; i++) {
        uint32_t index = (first + i) % readiness->count;
        const ptk_registration_t *registration = &readiness->registrations[index];
        if (registration->armed == 0) {
            continue;
        }
        uint32_t ready = sim_registration_ready(registration);
        if ((ready & registration->armed) == 0) {
            if (index + 1 != spurious) {
                continue;
            }
            ready = registration->armed;
        }
        if (found > 0 && ptk_choice(PTK_SIM_SITE_BATCH, 2) != 0) {
            break; /* the rest comes with the next poll */
        }
        ptk_readiness_deliver(readiness, index, ready, scan->finished);
        found++;
    }
    return found;
}

/* Drains the loop's wake and reports what is ready. Returns how many events there were. */
static int sim_scan(void *context) {
    const sim_scan_t *scan = context;
    ptk_os_handle_t wake = scan->readiness->loop.inbox->wake;
    const ptk_sim_file_t *file = ptk_sim_file_find(ptk_sim_kernel_here(), wake);
    bool kicked = file->u.kicked;
    if (kicked) {
        (void) ptk_sys()->wake_drain(wake);
    }
    return sim_report_ready(scan) + kicked;
}

/* An interrupted wait is an empty poll: the contract of platforms has no EINTR. */
static int sim_platform_poll(ptk_event_loop_platform_t *loop, uint64_t now_ns, uint64_t deadline_ns,
                             ptk_list_t *finished) {
    sim_scan_t scan = {ptk_container_of(loop, ptk_readiness_t, loop), finished};
    loop->polls++;
    int result = ptk_sim_kernel_await(ptk_sim_kernel_here(), &(ptk_sim_wait_t) {.polls = true},
                                      ptk_readiness_timeout(now_ns, deadline_ns), sim_scan, &scan);
    return result == -EINTR || result > 0 ? 0 : result;
}

/* Works on simulated hosts only. */
static int sim_platform_open(ptk_event_loop_platform_t *loop) {
    ptk_readiness_t *readiness = ptk_container_of(loop, ptk_readiness_t, loop);
    if (!ptk_sim_kernel_here()) {
        return -ENOSYS;
    }
    ptk_readiness_init(readiness);
    readiness->set_interest = sim_platform_interest;
    readiness->remove = sim_platform_forget;
    return 0;
}

static void sim_platform_shut(ptk_event_loop_platform_t *loop) {
    ptk_readiness_fini(ptk_container_of(loop, ptk_readiness_t, loop));
}

/* There is no descriptor for other loops to watch (`expose`), and so no alarm either. */
const ptk_platform_ops_t ptk_platform_sim = {
    .name = "sim",
    .loop_bytes = sizeof(ptk_readiness_t),
    .open = sim_platform_open,
    .close = sim_platform_shut,
    .disown = ptk_readiness_disown,
    .attach = ptk_readiness_attach,
    .detach = ptk_readiness_detach,
    .set_handle = ptk_readiness_set_handle,
    .submit = ptk_readiness_submit,
    .cancel = ptk_readiness_cancel,
    .poll = sim_platform_poll,
    .expose = NULL,
    .poll_set = ptk_readiness_poll_set,
    .set_alarm = NULL,
    .sockets = &ptk_posix_sock_ops,
};
