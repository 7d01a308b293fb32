/* SPDX-License-Identifier: MIT */
/*
 * The platform of simulated hosts (layer 2): the platform contract right above the simulated kernel.
 *
 * It keeps no poller in that kernel. It looks at every registration that somebody waits for, after each
 * change of anything, and reports those that are ready, in an order and in portions that the oracle chooses.
 * So it promises less than any real poller, and what works on it does not lean on one poller's habits.
 */
#include "sim/platform/ptk_event_loop_platform_sim.h"

#include "platform/ptk_posix_sock.h"
#include "platform/ptk_readiness.h"
#include "sim/kernel/ptk_sim_kernel.h"
#include "sim/kernel/ptk_sim_site.h"
#include <errno.h>
#include <poll.h>

/* A turn: what is found ready goes to `finished`. */
typedef struct turn {
    ptk_readiness_t *readiness;
    ptk_list_t *finished;
} tick_t;

/* What is waited for stands in the registration itself. */
static int sim_interest(ptk_readiness_t *readiness, uint32_t index, uint32_t interest) {
    readiness->registrations[index].armed = interest;
    return 0;
}

static void sim_forget(ptk_readiness_t *readiness, uint32_t index) {
    readiness->registrations[index].armed = 0;
}

static uint32_t ready_bits(uint32_t events) {
    const uint32_t broken = POLLHUP | POLLERR | POLLNVAL;
    return (events & (POLLIN | POLLPRI | POLLRDHUP | broken) ? PTK_READY_READ : 0) |
           (events & (POLLOUT | broken) ? PTK_READY_WRITE : 0) | (events & broken ? PTK_READY_ERROR : 0) |
           (events & (POLLPRI | POLLRDHUP | broken) ? PTK_READY_EXCEPTIONAL : 0);
}

static uint32_t ready_of(const ptk_registration_t *registration) {
    const ptk_sim_file_t *file = ptk_sim_file_find(ptk_sim_kernel_here(), registration->handle);
    return ready_bits(file ? ptk_sim_file_ready(file) : POLLNVAL);
}

/* Round once, beginning anywhere. One at most is reported although it is not ready: if each could be, a loop
 * of many would never find nothing, and time would stand still. */
static int report(const tick_t *turn) {
    ptk_readiness_t *readiness = turn->readiness;
    int found = 0;
    uint32_t first = readiness->count ? ptk_choice(PTK_SIM_SITE_READY_ORDER, readiness->count) : 0;
    uint32_t spurious = readiness->count ? ptk_choice(PTK_SIM_SITE_SPURIOUS, readiness->count + 1) : 0;
    for (uint32_t i = 0; i < readiness->count; i++) {
        uint32_t index = (first + i) % readiness->count;
        const ptk_registration_t *registration = &readiness->registrations[index];
        if (registration->armed == 0) {
            continue;
        }
        uint32_t ready = ready_of(registration);
        if ((ready & registration->armed) == 0) {
            if (index + 1 != spurious) {
                continue;
            }
            ready = registration->armed;
        }
        if (found > 0 && ptk_choice(PTK_SIM_SITE_BATCH, 2) != 0) {
            break; /* the rest next time */
        }
        ptk_readiness_deliver(readiness, index, ready, turn->finished);
        found++;
    }
    return found;
}

static int look(void *context) {
    const tick_t *turn = context;
    ptk_os_handle_t wake = turn->readiness->loop.inbox->wake;
    const ptk_sim_file_t *file = ptk_sim_file_find(ptk_sim_kernel_here(), wake);
    bool kicked = file->u.kicked;
    if (kicked) {
        (void) ptk_sys()->wake_drain(wake);
    }
    return report(turn) + kicked;
}

static int sim_poll(ptk_event_loop_platform_t *loop, uint64_t now_ns, uint64_t deadline_ns,
                    ptk_list_t *finished) {
    tick_t turn = {ptk_container_of(loop, ptk_readiness_t, loop), finished};
    loop->polls++;
    int result = ptk_sim_kernel_await(ptk_sim_kernel_here(), &(ptk_sim_wait_t) {.polls = true},
                                      ptk_readiness_timeout(now_ns, deadline_ns), look, &turn);
    return result == -EINTR || result > 0 ? 0 : result;
}

static int sim_open(ptk_event_loop_platform_t *loop) {
    ptk_readiness_t *readiness = ptk_container_of(loop, ptk_readiness_t, loop);
    if (!ptk_sim_kernel_here()) {
        return -ENOSYS;
    }
    ptk_readiness_init(readiness);
    readiness->set_interest = sim_interest;
    readiness->remove = sim_forget;
    return 0;
}

static void sim_shut(ptk_event_loop_platform_t *loop) {
    ptk_readiness_fini(ptk_container_of(loop, ptk_readiness_t, loop));
}

const ptk_platform_ops_t ptk_platform_sim = {
    .name = "sim",
    .loop_bytes = sizeof(ptk_readiness_t),
    .open = sim_open,
    .close = sim_shut,
    .attach = ptk_readiness_attach,
    .detach = ptk_readiness_detach,
    .set_handle = ptk_readiness_set_handle,
    .submit = ptk_readiness_submit,
    .cancel = ptk_readiness_cancel,
    .poll = sim_poll,
    .expose = NULL,
    .set_alarm = NULL,
    .sockets = &ptk_posix_sock_ops,
};
