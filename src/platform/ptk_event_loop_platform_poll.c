/* SPDX-License-Identifier: MIT */
/*
 * poll(2) (layer 2): the platform contract on any POSIX system.
 *
 * There is one pollfd per registration, at the same index; its descriptor is -1 while no operation pends.
 * Those that have one are marked in `watched`, a bit each, so that after a peak a poll passes 64 of the
 * others at a time. Each poll copies the inbox's wake and the marked entries into `batch`. The others are
 * left out because a hang-up is reported whether it was requested or not, and would keep the loop spinning.
 * poll is level-triggered, so a registration has interest exactly while an operation pends.
 */
#include "platform/ptk_event_loop_platform_poll.h"

#include "base/ptk_memory.h"
#include "base/ptk_thread.h"
#include "platform/ptk_posix_sock.h"
#include "platform/ptk_readiness.h"
#include <errno.h>
#include <poll.h>

#define POLL_BATCH_FIRST 1 /* index in the batch of the first registration: the wake is at 0 */
#define POLL_WORD_BITS   64u

typedef struct poll_loop {
    ptk_readiness_t readiness;
    struct pollfd *entries; /* by registration; descriptor -1: no interest */
    uint64_t *watched;      /* a bit per registration: it has interest */
    struct pollfd *batch;   /* what poll(2) gets: the wake, then the entries with interest */
    uint32_t *batch_index;  /* batch index -> registration */
} poll_loop_t;

static poll_loop_t *poll_loop_of(ptk_event_loop_platform_t *loop) {
    return ptk_container_of(loop, poll_loop_t, readiness.loop);
}

/* Returns the words of `watched` for so many registrations. */
static size_t poll_words(uint32_t registrations) {
    return ((size_t) registrations + POLL_WORD_BITS - 1) / POLL_WORD_BITS;
}

/* Each array that could be grown keeps its new size even if another could not: the old pointer is gone. */
static bool poll_grow(ptk_readiness_t *readiness, uint32_t capacity) {
    poll_loop_t *self = poll_loop_of(&readiness->loop);
    size_t batch_capacity = POLL_BATCH_FIRST + (size_t) capacity;
    ptk_assert(capacity > readiness->count);
    struct pollfd *entries = ptk_reallocate(self->entries, capacity * sizeof *entries);
    self->entries = entries ? entries : self->entries;
    struct pollfd *batch = ptk_reallocate(self->batch, batch_capacity * sizeof *batch);
    self->batch = batch ? batch : self->batch;
    uint32_t *batch_index = ptk_reallocate(self->batch_index, batch_capacity * sizeof *batch_index);
    self->batch_index = batch_index ? batch_index : self->batch_index;
    uint64_t *watched = ptk_reallocate(self->watched, poll_words(capacity) * sizeof *watched);
    self->watched = watched ? watched : self->watched;
    if (!entries || !batch || !batch_index || !watched) {
        return false;
    }
    for (uint32_t i = readiness->count; i < capacity; i++) {
        entries[i] = (struct pollfd) {.fd = -1};
    }
    for (size_t i = poll_words(readiness->count); i < poll_words(capacity); i++) {
        watched[i] = 0;
    }
    return true;
}

/* Marks a registration as one with or without interest. */
static void poll_mark(poll_loop_t *self, uint32_t index) {
    uint64_t bit = UINT64_C(1) << index % POLL_WORD_BITS;
    uint64_t *word = &self->watched[index / POLL_WORD_BITS];
    *word = self->entries[index].fd >= 0 ? *word | bit : *word & ~bit;
}

/* Changes memory only, so it cannot fail; the kernel gets the entry with the next poll. */
static int poll_set_interest(ptk_readiness_t *readiness, uint32_t index, uint32_t interest) {
    poll_loop_t *self = poll_loop_of(&readiness->loop);
    struct pollfd *entry = &self->entries[index];
    ptk_assert(index < readiness->count && readiness->registrations[index].source_count > 0);
    entry->fd = interest ? (int) readiness->registrations[index].handle : -1;
    entry->events = ptk_posix_sock_poll_events(interest);
    poll_mark(self, index);
    return 0;
}

/* Nothing pends on a registration that is removed, so it has no interest any more. */
static void poll_remove(ptk_readiness_t *readiness, uint32_t index) {
    poll_loop_t *self = poll_loop_of(&readiness->loop);
    ptk_assert(self->entries[index].fd == -1);
    self->entries[index].events = 0;
    poll_mark(self, index);
}

/* POLLNVAL counts as an error: the system call of the next try returns EBADF. */
static uint32_t poll_ready_bits(short revents) {
    const int broken = POLLHUP | POLLERR | POLLNVAL;
    const int exceptional = PTK_POSIX_SOCK_POLLRDHUP | POLLPRI | broken;
    return (revents & (POLLIN | PTK_POSIX_SOCK_POLLRDHUP | POLLPRI) ? PTK_READY_READ : 0) |
           (revents & POLLOUT ? PTK_READY_WRITE : 0) |
           (revents & PTK_POSIX_SOCK_POLLRDHUP ? PTK_READY_HANGUP : 0) |
           (revents & POLLPRI ? PTK_READY_PRIORITY : 0) |
           (revents & broken ? PTK_READY_ANY | PTK_READY_ERROR : 0) |
           (revents & exceptional ? PTK_READY_EXCEPTIONAL : 0);
}

/* Fills the batch with the entries that have interest and returns its length. poll(2) takes no more entries
 * than a process may have descriptors, and there can be more registrations than that. */
static size_t poll_collect(poll_loop_t *self) {
    size_t count = POLL_BATCH_FIRST;
    for (size_t word = 0; word < poll_words(self->readiness.count); word++) {
        for (uint64_t left = self->watched[word]; left != 0; left &= left - 1) {
            uint32_t i = (uint32_t) word * POLL_WORD_BITS + (uint32_t) __builtin_ctzll(left);
            ptk_assert(self->entries[i].fd >= 0 && self->readiness.registrations[i].source_count > 0);
            ptk_assert(self->entries[i].events != 0);
            self->batch_index[count] = i;
            self->batch[count++] = self->entries[i];
        }
    }
    ptk_assert(count <= POLL_BATCH_FIRST + (size_t) self->readiness.capacity);
    return count;
}

/* Takes one round. The batch is copied before the wait, so registrations that operations add later do not
 * move it. */
static int poll_poll(ptk_event_loop_platform_t *loop, uint64_t now_ns, uint64_t deadline_ns,
                     ptk_list_t *finished) {
    poll_loop_t *self = poll_loop_of(loop);
    size_t entries = poll_collect(self);
    loop->polls++;
    int count = ptk_sys()->poll(self->batch, entries, ptk_readiness_timeout(now_ns, deadline_ns));
    if (count <= 0) {
        return count == -EINTR ? 0 : count;
    }
    if (self->batch[0].revents) {
        (void) ptk_sys()->wake_drain(loop->inbox->wake);
    }
    for (size_t i = POLL_BATCH_FIRST; i < entries; i++) {
        if (self->batch[i].revents) {
            ptk_readiness_deliver(&self->readiness, self->batch_index[i],
                                  poll_ready_bits(self->batch[i].revents), finished);
        }
    }
    return 0;
}

/* The batch has room for the wake from the start; poll_grow adds the registrations. */
static int poll_open(ptk_event_loop_platform_t *loop) {
    poll_loop_t *self = poll_loop_of(loop);
    ptk_readiness_init(&self->readiness);
    self->readiness.set_interest = poll_set_interest;
    self->readiness.remove = poll_remove;
    self->readiness.grow = poll_grow;
    self->batch = ptk_allocate(POLL_BATCH_FIRST * sizeof *self->batch);
    if (!self->batch) {
        return -ENOMEM;
    }
    self->batch[0] = (struct pollfd) {.fd = (int) loop->inbox->wake, .events = POLLIN};
    return 0;
}

/* All sources were detached before. */
static void poll_close(ptk_event_loop_platform_t *loop) {
    poll_loop_t *self = poll_loop_of(loop);
    ptk_free(self->entries);
    ptk_free(self->watched);
    ptk_free(self->batch);
    ptk_free(self->batch_index);
    ptk_readiness_fini(&self->readiness);
}

const ptk_platform_ops_t ptk_platform_poll = {
    .name = "poll",
    .loop_bytes = sizeof(poll_loop_t),
    .open = poll_open,
    .close = poll_close,
    .disown = ptk_readiness_disown,
    .attach = ptk_readiness_attach,
    .detach = ptk_readiness_detach,
    .set_handle = ptk_readiness_set_handle,
    .submit = ptk_readiness_submit,
    .cancel = ptk_readiness_cancel,
    .poll = poll_poll,
    .expose = NULL,
    .poll_set = ptk_readiness_poll_set,
    .set_alarm = NULL,
    .sockets = &ptk_posix_sock_ops,
};
