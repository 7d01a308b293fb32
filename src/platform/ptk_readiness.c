/* SPDX-License-Identifier: MIT */
/*
 * Readiness platforms (layer 2): an operation is a system call that is tried, and tried again when the kernel
 * says so.
 *
 * submit tries at once, unless the direction's ready bit is clear, which means that the last try would have
 * blocked and nothing has been reported since. Would it block, the bit is cleared and the operation pends: it
 * is the source's one pending operation in that direction, and the kernel is asked to report the direction. A
 * report takes the operation off the source and hands it back as RETRY; what happens then happens on the
 * waiter's own stack. Readiness is a hint everywhere.
 *
 * OWNED sources (ptk's own sockets) keep one registration for life and remember readiness: bits are set by
 * reports and cleared by EAGAIN, or by a receive that got less than it asked for. The latter only for
 * internet streams with SO_OOBINLINE on which no hang-up, error or urgent mark was ever reported: there, and
 * only there, a short receive means that the queue was empty, and a byte that comes later is reported as
 * news.
 *
 * FOREIGN sources belong to somebody who reads behind our back, so nothing is remembered: each submission
 * asks poll(2) first, and each pend is a registration for one report. Sources on the same handle share the
 * registration, because the kernel has one per handle.
 *
 * A registration's place is reused only under a new generation. What the kernel hands back names place and
 * generation, so an event of a socket that was closed earlier in the same batch is dropped.
 */
#include "platform/ptk_readiness.h"

#include "base/ptk_memory.h"
#include <errno.h>

#define FIRST_CAPACITY 64

void ptk_readiness_open(ptk_readiness_t *self) {
    self->first_free = PTK_REGISTRATION_NONE;
}

void ptk_readiness_shut(ptk_readiness_t *self) {
    ptk_free(self->registrations);
    ptk_free(self->by_handle);
}

int64_t ptk_readiness_timeout(uint64_t now_ns, uint64_t deadline_ns) {
    if (deadline_ns == UINT64_MAX) {
        return -1;
    }
    uint64_t left = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    return left > INT64_MAX ? INT64_MAX : (int64_t) left;
}

static ptk_readiness_t *readiness(ptk_event_loop_platform_t *loop) {
    return ptk_container_of(loop, ptk_readiness_t, loop);
}

/* --- places --- */

static bool grow_registrations(ptk_readiness_t *self) {
    uint32_t capacity = self->capacity ? self->capacity * 2 : FIRST_CAPACITY;
    if (self->grow && !self->grow(self, capacity)) {
        return false;
    }
    ptk_registration_t *grown = ptk_reallocate(self->registrations, capacity * sizeof *grown);
    if (!grown) {
        return false;
    }
    self->registrations = grown;
    self->capacity = capacity;
    return true;
}

/* A free place, with its generation as the last user left it; NONE: out of memory. */
static uint32_t take_place(ptk_readiness_t *self) {
    uint32_t index = self->first_free;
    if (index != PTK_REGISTRATION_NONE) {
        self->first_free = self->registrations[index].next_free;
        return index;
    }
    if (self->count == self->capacity && !grow_registrations(self)) {
        return PTK_REGISTRATION_NONE;
    }
    index = self->count++;
    self->registrations[index] = (ptk_registration_t) {.generation = 1};
    return index;
}

static void free_place(ptk_readiness_t *self, uint32_t index) {
    ptk_registration_t *registration = &self->registrations[index];
    registration->sources = NULL;
    registration->generation++;
    registration->armed = 0;
    registration->superseded = false;
    registration->next_free = self->first_free;
    self->first_free = index;
}

/* --- sources --- */

/* Room in the table of foreign handles. */
static bool know_handle(ptk_readiness_t *self, size_t handle) {
    size_t count = self->by_handle_count;
    if (handle < count) {
        return true;
    }
    size_t wanted = handle + 1 > count * 2 ? handle + 1 : count * 2;
    uint32_t *grown = ptk_reallocate(self->by_handle, wanted * sizeof *grown);
    if (!grown) {
        return false;
    }
    for (size_t i = count; i < wanted; i++) {
        grown[i] = PTK_REGISTRATION_NONE;
    }
    self->by_handle = grown;
    self->by_handle_count = wanted;
    return true;
}

/* The registration that other sources on the same handle have already, NONE if there is none. */
static uint32_t shared_place(const ptk_readiness_t *self, const ptk_event_source_t *source) {
    return source->mode == PTK_SOURCE_FOREIGN ? self->by_handle[source->handle] : PTK_REGISTRATION_NONE;
}

int ptk_readiness_attach(ptk_event_loop_platform_t *loop, ptk_event_source_t *source) {
    ptk_readiness_t *self = readiness(loop);
    if (source->mode == PTK_SOURCE_FOREIGN && !know_handle(self, (size_t) source->handle)) {
        return -ENOMEM;
    }
    uint32_t index = shared_place(self, source);
    if (index == PTK_REGISTRATION_NONE) {
        index = take_place(self);
    }
    if (index == PTK_REGISTRATION_NONE) {
        return -ENOMEM;
    }
    ptk_registration_t *registration = &self->registrations[index];
    registration->handle = source->handle;
    source->next = registration->sources;
    registration->sources = source;
    source->registration = index;
    source->inbound = NULL;
    source->outbound = NULL;
    source->ready = PTK_READY_READ | PTK_READY_WRITE;
    source->attached = true;
    if (source->mode == PTK_SOURCE_FOREIGN) {
        self->by_handle[source->handle] = index;
    }
    return 0;
}

/*
 * ptk got a number that a foreign registration stands for: its owner has closed it behind our back, and what
 * the kernel knows under that number is ptk's now. The foreign one is superseded for as long.
 */
static void set_superseded(ptk_readiness_t *self, ptk_os_handle_t handle, bool superseded) {
    uint32_t index =
        (size_t) handle < self->by_handle_count ? self->by_handle[handle] : PTK_REGISTRATION_NONE;
    if (index != PTK_REGISTRATION_NONE) {
        self->registrations[index].superseded = superseded;
        self->registrations[index].armed = 0;
        (void) self->interest(self, index, 0);
    }
}

void ptk_readiness_set_handle(ptk_event_loop_platform_t *loop, ptk_event_source_t *source,
                              ptk_os_handle_t handle) {
    ptk_readiness_t *self = readiness(loop);
    source->handle = handle;
    self->registrations[source->registration].handle = handle;
    set_superseded(self, handle, true);
}

static void unlink_source(ptk_registration_t *registration, ptk_event_source_t *source) {
    ptk_event_source_t **link = &registration->sources;
    while (*link != source) {
        link = &(*link)->next;
    }
    *link = source->next;
    source->next = NULL;
}

void ptk_readiness_detach(ptk_event_loop_platform_t *loop, ptk_event_source_t *source) {
    ptk_readiness_t *self = readiness(loop);
    ptk_assert(source->attached && !source->inbound && !source->outbound);
    ptk_registration_t *registration = &self->registrations[source->registration];
    source->attached = false;
    unlink_source(registration, source);
    if (registration->sources) {
        return;
    }
    self->forget(self, source->registration);
    if (source->mode == PTK_SOURCE_FOREIGN) {
        self->by_handle[source->handle] = PTK_REGISTRATION_NONE;
    } else if (source->handle != PTK_OS_HANDLE_NONE) {
        set_superseded(self, source->handle, false);
    }
    free_place(self, source->registration);
}

/* --- operations --- */

static uint32_t directions(const ptk_event_op_t *op) {
    switch ((ptk_event_op_kind_t) op->kind) {
    case PTK_OP_RECV:
    case PTK_OP_ACCEPT:
        return PTK_READY_READ;
    case PTK_OP_SEND:
    case PTK_OP_CONNECT:
        return PTK_READY_WRITE;
    case PTK_OP_READY:
        break;
    }
    return op->events & (PTK_READY_READ | PTK_READY_WRITE);
}

static uint32_t source_interest(const ptk_event_source_t *source) {
    return (source->inbound ? PTK_READY_READ : 0) | (source->outbound ? PTK_READY_WRITE : 0);
}

/* Tell the kernel what all sources of a registration wait for. */
static int update_interest(ptk_readiness_t *self, uint32_t index) {
    uint32_t interest = 0;
    for (ptk_event_source_t *source = self->registrations[index].sources; source; source = source->next) {
        interest |= source_interest(source);
    }
    return self->registrations[index].superseded ? -EBADF : self->interest(self, index, interest);
}

static void finish(ptk_event_op_t *op, intptr_t result) {
    op->result = result;
    op->state = PTK_OP_DONE;
}

/* Take `op` off its source. */
static void unhook(ptk_event_op_t *op) {
    ptk_event_source_t *source = op->source;
    if (source->inbound == op) {
        source->inbound = NULL;
    }
    if (source->outbound == op) {
        source->outbound = NULL;
    }
}

static ptk_event_op_state_t pend(ptk_readiness_t *self, ptk_event_op_t *op) {
    ptk_event_source_t *source = op->source;
    uint32_t wanted = directions(op);
    ptk_assert(!(wanted & PTK_READY_READ) || !source->inbound);
    ptk_assert(!(wanted & PTK_READY_WRITE) || !source->outbound);
    source->inbound = wanted & PTK_READY_READ ? op : source->inbound;
    source->outbound = wanted & PTK_READY_WRITE ? op : source->outbound;
    int err = update_interest(self, source->registration);
    if (err != 0) {
        unhook(op);
        finish(op, err);
        return PTK_OP_DONE;
    }
    op->state = PTK_OP_PENDING;
    return PTK_OP_PENDING;
}

/* Was the queue empty after this receive? Then the next one need not be tried before the kernel reports news.
 */
static bool is_drained(const ptk_event_op_t *op, intptr_t result) {
    const ptk_event_source_t *source = op->source;
    return op->kind == PTK_OP_RECV && result > 0 && (size_t) result < op->bytes &&
           source->short_means_drained && !(source->ready & PTK_READY_UNSURE);
}

ptk_event_op_state_t ptk_readiness_submit(ptk_event_loop_platform_t *loop, ptk_event_op_t *op) {
    ptk_event_source_t *source = op->source;
    uint32_t wanted = directions(op);
    bool tries = op->nowait || source->mode == PTK_SOURCE_FOREIGN || (source->ready & wanted) != 0;
    intptr_t result = tries ? ptk_posix_sock_try(op) : -EAGAIN;
    if (source->attached && readiness(loop)->registrations[source->registration].superseded) {
        result = -EBADF;
    }
    if (result == -EAGAIN) {
        source->ready &= (uint8_t) ~wanted;
    } else if (is_drained(op, result)) {
        source->ready &= (uint8_t) ~PTK_READY_READ;
    }
    if (result == -EAGAIN && !op->nowait) {
        return pend(readiness(loop), op);
    }
    finish(op, result);
    return PTK_OP_DONE;
}

bool ptk_readiness_cancel(ptk_event_loop_platform_t *loop, ptk_event_op_t *op) {
    if (op->state == PTK_OP_RETRY && ptk_list_is_linked(&op->link)) {
        ptk_list_remove(&op->link);
    }
    if (op->state == PTK_OP_PENDING) {
        ptk_readiness_t *self = readiness(loop);
        unhook(op);
        (void) update_interest(self,
                               op->source->registration); /* the others' next report tells of a failure */
    }
    op->state = PTK_OP_IDLE;
    return true;
}

/* Hand `op` back, if there is one. */
static void let_go(ptk_event_op_t *op, ptk_list_t *finished) {
    if (op) {
        unhook(op);
        op->state = PTK_OP_RETRY;
        ptk_list_append(finished, &op->link);
    }
}

/* Hand back what waits for any of `ready`. */
static void let_go_all(ptk_readiness_t *self, uint32_t index, uint32_t ready, ptk_list_t *finished) {
    for (ptk_event_source_t *source = self->registrations[index].sources; source; source = source->next) {
        source->ready |= (uint8_t) (ready & (PTK_READY_READ | PTK_READY_WRITE | PTK_READY_UNSURE));
        if (ready & PTK_READY_READ) {
            let_go(source->inbound, finished);
        }
        if (ready & PTK_READY_WRITE) {
            let_go(source->outbound, finished);
        }
    }
}

/* What goes on waiting is told to the kernel again: a report may have used the registration up. If that
   fails, all submit again and see why. */
void ptk_readiness_deliver(ptk_readiness_t *self, uint32_t index, uint32_t ready, ptk_list_t *finished) {
    self->loop.events++;
    let_go_all(self, index, ready, finished);
    if (update_interest(self, index) != 0) {
        let_go_all(self, index, PTK_READY_READ | PTK_READY_WRITE, finished);
    }
}
