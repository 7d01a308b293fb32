/* SPDX-License-Identifier: MIT */
/*
 * poll(2) (layer 2): the platform contract on any POSIX system.
 *
 * One pollfd per registration, at the same index. The kernel gets the inbox's wake and those entries that
 * somebody waits for: a hang-up is reported whether it was asked for or not, and would spin the loop. poll is
 * level-triggered, so a registration is interested exactly while an operation pends.
 */
#include "platform/ptk_readiness.h"

#include "base/ptk_memory.h"
#include <errno.h>
#include <poll.h>

#define FRONT 1 /* entries before those of registrations: the wake */

typedef struct poll_loop {
    ptk_readiness_t readiness;
    struct pollfd *entries; /* by registration; descriptor -1: nobody waits for it */
    struct pollfd *batch;   /* what poll(2) gets: the wake, then the entries that somebody waits for */
    uint32_t *places;       /* batch index -> registration */
} poll_loop_t;

static poll_loop_t *poll_loop(ptk_readiness_t *readiness) {
    return ptk_container_of(readiness, poll_loop_t, readiness);
}

static bool poll_grow(ptk_readiness_t *readiness, uint32_t capacity) {
    poll_loop_t *self = poll_loop(readiness);
    struct pollfd *entries = ptk_reallocate(self->entries, capacity * sizeof *entries);
    self->entries = entries ? entries : self->entries;
    struct pollfd *batch = ptk_reallocate(self->batch, (FRONT + (size_t) capacity) * sizeof *batch);
    self->batch = batch ? batch : self->batch;
    uint32_t *places = ptk_reallocate(self->places, (FRONT + (size_t) capacity) * sizeof *places);
    self->places = places ? places : self->places;
    if (!entries || !batch || !places) {
        return false;
    }
    for (uint32_t i = readiness->count; i < capacity; i++) {
        entries[i] = (struct pollfd) {.fd = -1};
    }
    return true;
}

static int poll_interest(ptk_readiness_t *readiness, uint32_t index, uint32_t interest) {
    struct pollfd *entry = &poll_loop(readiness)->entries[index];
    entry->fd = interest ? (int) readiness->registrations[index].handle : -1;
    entry->events =
        (short) ((interest & PTK_READY_READ ? POLLIN : 0) | (interest & PTK_READY_WRITE ? POLLOUT : 0));
    return 0;
}

static void poll_forget(ptk_readiness_t *readiness, uint32_t index) {
    poll_loop(readiness)->entries[index].fd = -1;
}

static uint32_t ready_bits(short revents) {
    const int broken = POLLHUP | POLLERR | POLLNVAL;
    return (revents & (POLLIN | broken) ? PTK_READY_READ : 0) |
           (revents & (POLLOUT | broken) ? PTK_READY_WRITE : 0) | (revents & broken ? PTK_READY_ERROR : 0) |
           (revents & broken ? PTK_READY_UNSURE : 0);
}

/* The entries that somebody waits for, and whose they are: the kernel takes no more entries than a process
   may have descriptors, and there can be more registrations than that. */
static size_t collect(poll_loop_t *self) {
    size_t count = FRONT;
    for (uint32_t i = 0; i < self->readiness.count; i++) {
        if (self->entries[i].fd >= 0) {
            self->places[count] = i;
            self->batch[count++] = self->entries[i];
        }
    }
    return count;
}

static int poll_poll(ptk_event_loop_platform_t *loop, uint64_t now_ns, uint64_t deadline_ns,
                     ptk_list_t *finished) {
    poll_loop_t *self = ptk_container_of(loop, poll_loop_t, readiness.loop);
    size_t entries = collect(self);
    loop->polls++;
    int count = ptk_sys()->poll(self->batch, entries, ptk_readiness_timeout(now_ns, deadline_ns));
    if (count <= 0) {
        return count == -EINTR ? 0 : count;
    }
    if (self->batch[0].revents) {
        (void) ptk_sys()->wake_drain(loop->inbox->wake);
    }
    for (size_t i = FRONT; i < entries; i++) {
        if (self->batch[i].revents) {
            ptk_readiness_deliver(&self->readiness, self->places[i], ready_bits(self->batch[i].revents),
                                  finished);
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
    self->batch = ptk_allocate(FRONT * sizeof *self->batch);
    if (!self->batch) {
        return -ENOMEM;
    }
    self->batch[0] = (struct pollfd) {.fd = (int) loop->inbox->wake, .events = POLLIN};
    return 0;
}

static void poll_shut(ptk_event_loop_platform_t *loop) {
    poll_loop_t *self = ptk_container_of(loop, poll_loop_t, readiness.loop);
    ptk_free(self->entries);
    ptk_free(self->batch);
    ptk_free(self->places);
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
