/* SPDX-License-Identifier: MIT */
/*
 * poll(2) (floor 2): the platform contract on any POSIX system.
 *
 * One pollfd per registration, at the same index, and one more at the front for the inbox's wake. An entry
 * that nobody waits for has descriptor -1, so that the kernel skips it: a hang-up is reported whether it was
 * asked for or not, and would spin the loop. poll is level-triggered, so a registration is interested exactly
 * while an operation pends.
 */
#include "platform/ptk_readiness.h"

#include "base/ptk_memory.h"
#include <errno.h>
#include <poll.h>

#define FRONT 1 /* entries before those of registrations: the wake */

typedef struct poll_loop {
    ptk_readiness_t readiness;
    struct pollfd *entries;
} poll_loop_t;

static poll_loop_t *poll_loop(ptk_readiness_t *readiness) {
    return ptk_container_of(readiness, poll_loop_t, readiness);
}

static bool poll_grow(ptk_readiness_t *readiness, uint32_t capacity) {
    poll_loop_t *self = poll_loop(readiness);
    struct pollfd *grown = ptk_reallocate(self->entries, (FRONT + (size_t) capacity) * sizeof *grown);
    if (!grown) {
        return false;
    }
    for (uint32_t i = readiness->count; i < capacity; i++) {
        grown[FRONT + i] = (struct pollfd) {.fd = -1};
    }
    self->entries = grown;
    return true;
}

static int poll_interest(ptk_readiness_t *readiness, uint32_t index, uint32_t interest) {
    struct pollfd *entry = &poll_loop(readiness)->entries[FRONT + index];
    entry->fd = interest ? (int) readiness->registrations[index].handle : -1;
    entry->events =
        (short) ((interest & PTK_READY_READ ? POLLIN : 0) | (interest & PTK_READY_WRITE ? POLLOUT : 0));
    return 0;
}

static void poll_forget(ptk_readiness_t *readiness, uint32_t index) {
    (void) poll_interest(readiness, index, 0);
}

static uint32_t ready_bits(short revents) {
    const int broken = POLLHUP | POLLERR | POLLNVAL;
    return (revents & (POLLIN | broken) ? PTK_READY_READ : 0) |
           (revents & (POLLOUT | broken) ? PTK_READY_WRITE : 0) | (revents & broken ? PTK_READY_ERROR : 0) |
           (revents & broken ? PTK_READY_UNSURE : 0);
}

/* Hand back what waits on one entry, and stop watching what nobody waits for any more. */
static void deliver(poll_loop_t *self, uint32_t index, ptk_list_t *finished) {
    struct pollfd *entry = &self->entries[FRONT + index];
    uint32_t ready = ready_bits(entry->revents);
    entry->revents = 0;
    ptk_readiness_deliver(&self->readiness, index, ready, finished);
    uint32_t rest = 0;
    for (ptk_event_source_t *source = self->readiness.registrations[index].sources; source;
         source = source->next) {
        rest |= (source->inbound ? PTK_READY_READ : 0) | (source->outbound ? PTK_READY_WRITE : 0);
    }
    (void) poll_interest(&self->readiness, index, rest);
}

static int poll_poll(ptk_event_loop_platform_t *loop, uint64_t now_ns, uint64_t deadline_ns,
                     ptk_list_t *finished) {
    poll_loop_t *self = ptk_container_of(loop, poll_loop_t, readiness.loop);
    uint32_t places = self->readiness.count;
    loop->polls++;
    int count =
        ptk_sys()->poll(self->entries, FRONT + (size_t) places, ptk_readiness_timeout(now_ns, deadline_ns));
    if (count <= 0) {
        return count == -EINTR ? 0 : count;
    }
    if (self->entries[0].revents) {
        self->entries[0].revents = 0;
        (void) ptk_sys()->wake_drain(loop->inbox->wake);
    }
    for (uint32_t i = 0; i < places; i++) {
        if (self->entries[FRONT + i].revents) {
            deliver(self, i, finished);
        }
    }
    return 0;
}

static int poll_open(ptk_event_loop_platform_t *loop) {
    poll_loop_t *self = ptk_container_of(loop, poll_loop_t, readiness.loop);
    ptk_readiness_open(&self->readiness);
    self->readiness.interest = poll_interest;
    self->readiness.forget = poll_forget;
    self->readiness.grow = poll_grow;
    self->entries = ptk_allocate(FRONT * sizeof *self->entries);
    if (!self->entries) {
        return -ENOMEM;
    }
    self->entries[0] = (struct pollfd) {.fd = (int) loop->inbox->wake, .events = POLLIN};
    return 0;
}

static void poll_shut(ptk_event_loop_platform_t *loop) {
    poll_loop_t *self = ptk_container_of(loop, poll_loop_t, readiness.loop);
    ptk_release(self->entries);
    ptk_readiness_shut(&self->readiness);
}

const ptk_platform_ops_t ptk_platform_poll = {
    .name = "poll",
    .loop_bytes = sizeof(poll_loop_t),
    .open = poll_open,
    .shut = poll_shut,
    .attach = ptk_readiness_attach,
    .detach = ptk_readiness_detach,
    .set_handle = ptk_readiness_set_handle,
    .submit = ptk_readiness_submit,
    .cancel = ptk_readiness_cancel,
    .poll = poll_poll,
    .expose = NULL,
    .set_alarm = NULL,
    .sockets = &ptk_posix_sock_ops,
};
