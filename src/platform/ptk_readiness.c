/* SPDX-License-Identifier: MIT */
/*
 * Readiness platforms (layer 2): an operation is a system call that is tried, and tried again when the kernel
 * reports its direction.
 *
 * Submit tries at once, unless the direction's ready bit is clear, which means that the last try would have
 * blocked and nothing has been reported since. If it would block, the bit is cleared and the operation pends:
 * it becomes the source's one pending operation in that direction, and the kernel is requested to report the
 * direction. HANGUP and PRIORITY are directions of their own here, for which only READY operations wait. A
 * report takes the operation off the source and returns it from poll as RETRY; the next try is made on the
 * waiter's own stack. Readiness is a hint everywhere: no report is believed before a system call has
 * confirmed it.
 *
 * Invariants:
 *   - source->pending has exactly the PENDING operations of that source;
 *   - an operation in a list of finished ones is RETRY, and no source points at it;
 *   - a registration is free (no source, nothing armed) or in use (at least one source);
 *   - its rings, one per direction, hold exactly the sources with a pending operation in that direction.
 *
 * OWNED sources (ptk's own sockets) keep one registration for life and remember readiness: bits are set by
 * reports and cleared by EAGAIN, or by a receive that returned less than was requested. The latter holds only
 * for internet streams with SO_OOBINLINE on which no hang-up, error or urgent mark was ever reported: there,
 * and only there, a short receive means that the queue was empty, and a byte that arrives later is reported
 * as a new edge.
 *
 * FOREIGN sources belong to other code that reads the same handle, so nothing is remembered: each submission
 * calls poll(2) first, and each pend registers for one report. Sources on the same handle share the
 * registration, because the kernel has one per handle. However many there are, a submission, a cancel and a
 * detach look at none of the others, and a report only at those that wait for it.
 *
 * An entry of the table is reused only under a new generation. The kernel's events carry index and
 * generation, so an event of a socket that was closed earlier in the same batch is dropped.
 */
#include "platform/ptk_readiness.h"

#include "base/ptk_memory.h"
#include "platform/ptk_posix_sock.h"
#include <errno.h>
#include <string.h>

#define READINESS_FIRST_CAPACITY 64

void ptk_readiness_init(ptk_readiness_t *self) {
    ptk_assert(self->count == 0 && self->capacity == 0);
    self->first_free = PTK_REGISTRATION_NONE;
}

void ptk_readiness_fini(ptk_readiness_t *self) {
    ptk_free(self->registrations);
    ptk_free(self->by_handle);
}

static int readiness_set_no_interest(ptk_readiness_t *self, uint32_t index, uint32_t interest) {
    (void) self, (void) index, (void) interest;
    return 0;
}

static void readiness_remove_nothing(ptk_readiness_t *self, uint32_t index) {
    (void) self, (void) index;
}

int64_t ptk_readiness_timeout(uint64_t now_ns, uint64_t deadline_ns) {
    if (deadline_ns == UINT64_MAX) {
        return -1;
    }
    uint64_t left = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    return left > INT64_MAX ? INT64_MAX : (int64_t) left;
}

static ptk_readiness_t *readiness_of(ptk_event_loop_platform_t *loop) {
    return ptk_container_of(loop, ptk_readiness_t, loop);
}

void ptk_readiness_disown(ptk_event_loop_platform_t *loop) {
    readiness_of(loop)->set_interest = readiness_set_no_interest;
    readiness_of(loop)->remove = readiness_remove_nothing;
}

/* --- the table of registrations --- */

/* Doubles the table. The hook runs first: a table that is larger than the port's arrays must never exist.
 * Returns false if there is no memory; the table is then unchanged. */
static bool readiness_grow(ptk_readiness_t *self) {
    uint32_t capacity = self->capacity ? self->capacity * 2 : READINESS_FIRST_CAPACITY;
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

/* Returns the events for which an operation pends on any source of a registration. */
static uint32_t readiness_interest(const ptk_registration_t *registration) {
    uint32_t interest = 0;
    for (size_t i = 0; i < PTK_DIRECTIONS; i++) {
        interest |= registration->waiting[i] ? ptk_direction_events[i] : 0;
    }
    return interest;
}

/* Returns whether an entry is in the state that the free list requires. */
static bool readiness_is_free(const ptk_registration_t *registration) {
    return registration->source_count == 0 && !registration->owned && readiness_interest(registration) == 0 &&
           !registration->armed && !registration->superseded;
}

/* Returns the index of a free entry, whose generation differs from those of all its earlier uses; NONE if
 * there is no memory. */
static uint32_t readiness_alloc_registration(ptk_readiness_t *self) {
    uint32_t index = self->first_free;
    if (index != PTK_REGISTRATION_NONE) {
        ptk_assert(index < self->count && readiness_is_free(&self->registrations[index]));
        self->first_free = self->registrations[index].next_free;
        return index;
    }
    if (self->count == self->capacity && !readiness_grow(self)) {
        return PTK_REGISTRATION_NONE;
    }
    ptk_assert(self->count < self->capacity);
    index = self->count++;
    self->registrations[index] = (ptk_registration_t) {.generation = 1};
    return index;
}

/* Frees an entry without sources. Its new generation makes events that the kernel has already queued for it
 * stale. */
static void readiness_free_registration(ptk_readiness_t *self, uint32_t index) {
    ptk_registration_t *registration = &self->registrations[index];
    ptk_assert(index < self->count && registration->source_count == 0);
    registration->generation++;
    registration->owned = NULL;
    registration->armed = 0;
    registration->superseded = false;
    registration->next_free = self->first_free;
    self->first_free = index;
}

/* Makes room for `handle` in the table of foreign handles. Returns false if there is no memory. */
static bool readiness_reserve_handle(ptk_readiness_t *self, size_t handle) {
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

/* --- sources --- */

static bool readiness_has_pending(const ptk_event_source_t *source) {
    for (size_t i = 0; i < PTK_DIRECTIONS; i++) {
        if (source->pending[i]) {
            return true;
        }
    }
    return false;
}

/* Returns the registration that other sources on the same handle have already, NONE if there is none. */
static uint32_t readiness_find_shared(const ptk_readiness_t *self, const ptk_event_source_t *source) {
    return source->mode == PTK_SOURCE_FOREIGN ? self->by_handle[source->handle] : PTK_REGISTRATION_NONE;
}

/* Adds `source` to the registration at `index`. A fresh source counts as ready for everything, so that
 * its first operation is tried. */
static void readiness_link_source(ptk_readiness_t *self, uint32_t index, ptk_event_source_t *source) {
    ptk_registration_t *registration = &self->registrations[index];
    ptk_assert(registration->source_count == 0 || registration->handle == source->handle);
    registration->handle = source->handle;
    registration->source_count++;
    registration->owned = source->mode == PTK_SOURCE_OWNED ? source : NULL;
    source->registration = index;
    memset(source->pending, 0, sizeof source->pending);
    source->ready = PTK_READY_ANY;
    source->attached = true;
}

/* The only step that allocates. An entry that was reserved in by_handle before a failure stays empty, which
 * is harmless. */
int ptk_readiness_attach(ptk_event_loop_platform_t *loop, ptk_event_source_t *source) {
    ptk_readiness_t *self = readiness_of(loop);
    ptk_assert(!source->attached);
    if (source->mode == PTK_SOURCE_FOREIGN && !readiness_reserve_handle(self, (size_t) source->handle)) {
        return -ENOMEM;
    }
    uint32_t index = readiness_find_shared(self, source);
    if (index == PTK_REGISTRATION_NONE) {
        index = readiness_alloc_registration(self);
    }
    if (index == PTK_REGISTRATION_NONE) {
        return -ENOMEM;
    }
    readiness_link_source(self, index, source);
    if (source->mode == PTK_SOURCE_FOREIGN) {
        self->by_handle[source->handle] = index;
    }
    return 0;
}

/* Marks the foreign registration of `handle`, if there is one, as superseded or as valid again. ptk received
 * a number that a foreign registration stands for: the owner of that registration has closed the descriptor
 * without detaching, and the kernel's registration under that number is ptk's now. While that lasts,
 * operations of the foreign one fail with EBADF. */
static void readiness_set_superseded(ptk_readiness_t *self, ptk_os_handle_t handle, bool superseded) {
    uint32_t index =
        (size_t) handle < self->by_handle_count ? self->by_handle[handle] : PTK_REGISTRATION_NONE;
    if (index != PTK_REGISTRATION_NONE) {
        ptk_assert(index < self->count && self->registrations[index].source_count > 0);
        self->registrations[index].superseded = superseded;
        self->registrations[index].armed = 0;
        (void) self->set_interest(self, index, 0);
    }
}

/* The registration exists already, so nothing can fail here, after the system call that made the handle. */
void ptk_readiness_set_handle(ptk_event_loop_platform_t *loop, ptk_event_source_t *source,
                              ptk_os_handle_t handle) {
    ptk_readiness_t *self = readiness_of(loop);
    ptk_assert(source->attached && source->mode == PTK_SOURCE_OWNED && source->handle == PTK_OS_HANDLE_NONE);
    ptk_assert(!self->registrations[source->registration].armed && !readiness_has_pending(source));
    source->handle = handle;
    self->registrations[source->registration].handle = handle;
    readiness_set_superseded(self, handle, true);
}

/* The registration is removed with its last source. ptk closes an owned handle afterwards, so a foreign
 * registration of the same number, if there is one, is no longer superseded. */
void ptk_readiness_detach(ptk_event_loop_platform_t *loop, ptk_event_source_t *source) {
    ptk_readiness_t *self = readiness_of(loop);
    ptk_assert(source->attached && !readiness_has_pending(source));
    ptk_assert(source->registration < self->count);
    ptk_registration_t *registration = &self->registrations[source->registration];
    ptk_assert(registration->source_count > 0);
    source->attached = false;
    if (--registration->source_count > 0) {
        return;
    }
    self->remove(self, source->registration);
    if (source->mode == PTK_SOURCE_FOREIGN) {
        ptk_assert(self->by_handle[source->handle] == source->registration);
        self->by_handle[source->handle] = PTK_REGISTRATION_NONE;
    } else if (source->handle != PTK_OS_HANDLE_NONE) {
        readiness_set_superseded(self, source->handle, false);
    }
    readiness_free_registration(self, source->registration);
}

/* --- operations --- */

/* Returns the events (of PTK_READY_ANY) that an operation waits for; never 0. A READY operation may wait for
 * several. */
static uint32_t readiness_directions(const ptk_event_op_t *op) {
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
    return op->events & PTK_READY_ANY;
}

/* Gives the kernel the interest of all sources of a registration. */
static int readiness_update_interest(ptk_readiness_t *self, uint32_t index) {
    const ptk_registration_t *registration = &self->registrations[index];
    return registration->superseded ? -EBADF
                                    : self->set_interest(self, index, readiness_interest(registration));
}

/* Appends a source to the ring of a direction. */
static void readiness_join(ptk_registration_t *registration, ptk_event_source_t *source, size_t direction) {
    ptk_event_source_t *first = registration->waiting[direction];
    ptk_event_source_t *last = first ? first->waiting[direction].previous : source;
    source->waiting[direction].next = first ? first : source;
    source->waiting[direction].previous = last;
    source->waiting[direction].next->waiting[direction].previous = source;
    last->waiting[direction].next = source;
    registration->waiting[direction] = first ? first : source;
}

/* Removes a source from the ring of a direction. */
static void readiness_part(ptk_registration_t *registration, const ptk_event_source_t *source,
                           size_t direction) {
    const ptk_event_neighbours_t *neighbours = &source->waiting[direction];
    ptk_assert(registration->waiting[direction] != NULL);
    neighbours->next->waiting[direction].previous = neighbours->previous;
    neighbours->previous->waiting[direction].next = neighbours->next;
    if (registration->waiting[direction] == source) {
        registration->waiting[direction] = neighbours->next == source ? NULL : neighbours->next;
    }
}

/* Returns whether `op` is pending on its source. */
static bool readiness_is_hooked(const ptk_event_op_t *op) {
    for (size_t i = 0; i < PTK_DIRECTIONS; i++) {
        if (op->source->pending[i] == op) {
            return true;
        }
    }
    return false;
}

/* IDLE -> DONE. Submit has asserted the state before: this is on the path of every call. */
static void readiness_complete(ptk_event_op_t *op, intptr_t result) {
    ptk_assert_debug(op->state == PTK_OP_IDLE && !readiness_is_hooked(op));
    op->result = result;
    op->state = PTK_OP_DONE;
}

/* Makes `op` the source's pending operation for the events that it waits for. */
static void readiness_hook(ptk_readiness_t *self, ptk_event_op_t *op, uint32_t wanted) {
    ptk_event_source_t *source = op->source;
    ptk_registration_t *registration = &self->registrations[source->registration];
    for (size_t i = 0; i < PTK_DIRECTIONS; i++) {
        if (wanted & ptk_direction_events[i]) {
            ptk_assert(!source->pending[i]);
            source->pending[i] = op;
            readiness_join(registration, source, i);
        }
    }
}

/* Removes `op` from its source. */
static void readiness_unhook(ptk_readiness_t *self, ptk_event_op_t *op) {
    ptk_event_source_t *source = op->source;
    ptk_registration_t *registration = &self->registrations[source->registration];
    ptk_assert(readiness_is_hooked(op));
    for (size_t i = 0; i < PTK_DIRECTIONS; i++) {
        if (source->pending[i] == op) {
            source->pending[i] = NULL;
            readiness_part(registration, source, i);
        }
    }
}

/* IDLE -> PENDING, or DONE with the reason if the kernel refuses the registration. */
static ptk_event_op_state_t readiness_pend(ptk_readiness_t *self, ptk_event_op_t *op) {
    ptk_event_source_t *source = op->source;
    uint32_t wanted = readiness_directions(op);
    ptk_assert(wanted != 0 && source->attached);
    readiness_hook(self, op, wanted);
    int err = readiness_update_interest(self, source->registration);
    if (ptk_unlikely(err != 0)) {
        readiness_unhook(self, op);
        ptk_assert(!readiness_is_hooked(op));
        readiness_complete(op, err);
        return PTK_OP_DONE;
    }
    op->state = PTK_OP_PENDING;
    return PTK_OP_PENDING;
}

/* Returns whether the queue was empty after this receive, so that the next one need not be tried before the
 * kernel reports a new edge. */
static bool readiness_is_drained(const ptk_event_op_t *op, intptr_t result) {
    const ptk_event_source_t *source = op->source;
    return op->kind == PTK_OP_RECV && result > 0 && (size_t) result < op->bytes &&
           source->short_means_drained && !(source->ready & PTK_READY_EXCEPTIONAL);
}

/* A source that is not attached yet may be tried with `nowait`, which is how the handle of a foreign waitable
 * is checked. A superseded registration fails after the try and not before it: the try itself is harmless,
 * and only the wait would be for another descriptor. */
ptk_event_op_state_t ptk_readiness_submit(ptk_event_loop_platform_t *loop, ptk_event_op_t *op) {
    ptk_event_source_t *source = op->source;
    ptk_assert(op->state == PTK_OP_IDLE && !ptk_list_is_linked(&op->link));
    uint32_t wanted = readiness_directions(op);
    bool tries = op->nowait || source->mode == PTK_SOURCE_FOREIGN || (source->ready & wanted) != 0;
    intptr_t result = tries ? ptk_posix_sock_try(op) : -EAGAIN;
    if (source->attached && readiness_of(loop)->registrations[source->registration].superseded) {
        result = -EBADF;
    }
    if (result == -EAGAIN) {
        source->ready &= (uint8_t) ~wanted;
    } else if (readiness_is_drained(op, result)) {
        source->ready &= (uint8_t) ~PTK_READY_READ;
    }
    if (result == -EAGAIN && !op->nowait) {
        return readiness_pend(readiness_of(loop), op);
    }
    readiness_complete(op, result);
    return PTK_OP_DONE;
}

/* PENDING or RETRY -> IDLE. The kernel is called only if the interest of all has changed. A failure to update
 * the interest of the others is not lost: the next report for the registration makes all of them submit
 * again. */
bool ptk_readiness_cancel(ptk_event_loop_platform_t *loop, ptk_event_op_t *op) {
    ptk_assert(op->state == PTK_OP_PENDING || op->state == PTK_OP_RETRY);
    if (op->state == PTK_OP_RETRY && ptk_list_is_linked(&op->link)) {
        ptk_list_remove(&op->link);
    }
    if (op->state == PTK_OP_PENDING) {
        ptk_readiness_t *self = readiness_of(loop);
        ptk_assert(!ptk_list_is_linked(&op->link));
        uint32_t index = op->source->registration;
        uint32_t before = readiness_interest(&self->registrations[index]);
        readiness_unhook(self, op);
        if (readiness_interest(&self->registrations[index]) != before) {
            (void) readiness_update_interest(self, index);
        }
    }
    ptk_assert_debug(!readiness_is_hooked(op));
    op->state = PTK_OP_IDLE;
    return true;
}

/* PENDING -> RETRY. */
static void readiness_retry(ptk_readiness_t *self, ptk_event_op_t *op, ptk_list_t *finished) {
    ptk_assert(op->state == PTK_OP_PENDING && !ptk_list_is_linked(&op->link));
    readiness_unhook(self, op);
    op->state = PTK_OP_RETRY;
    ptk_list_append(finished, &op->link);
}

/* Sets the ready bits of an owned source, and releases the operations that wait for any of `ready`, those
 * that have waited longest first. A release takes its source out of all rings in which its operation pends.
 * PRIORITY comes before READ, since the receive may take the urgent bytes, and the event ends with them. */
static void readiness_retry_all(ptk_readiness_t *self, uint32_t index, uint32_t ready, ptk_list_t *finished) {
    ptk_registration_t *registration = &self->registrations[index];
    if (registration->owned) {
        registration->owned->ready |= (uint8_t) (ready & (PTK_READY_ANY | PTK_READY_EXCEPTIONAL));
    }
    for (size_t i = PTK_DIRECTIONS; i-- > 0;) {
        while ((ready & ptk_direction_events[i]) && registration->waiting[i]) {
            readiness_retry(self, registration->waiting[i]->pending[i], finished);
        }
    }
}

/* The interest of the operations that remain is set again, because a report may have used up the
 * registration. If that fails, all of them are released: they submit again, and their submit returns the
 * reason. */
void ptk_readiness_deliver(ptk_readiness_t *self, uint32_t index, uint32_t ready, ptk_list_t *finished) {
    ptk_assert(index < self->count && self->registrations[index].source_count > 0);
    self->loop.events++;
    readiness_retry_all(self, index, ready, finished);
    if (readiness_update_interest(self, index) != 0) {
        readiness_retry_all(self, index, PTK_READY_ANY, finished);
    }
}

/* A superseded number belongs to another registration now. */
static uint32_t readiness_polled(const ptk_registration_t *registration) {
    return registration->superseded ? 0 : readiness_interest(registration);
}

size_t ptk_readiness_poll_set(ptk_event_loop_platform_t *loop, ptk_poll_entry_t *entries, size_t capacity) {
    const ptk_readiness_t *self = readiness_of(loop);
    size_t count = 1;
    for (uint32_t i = 0; i < self->count; i++) {
        count += readiness_polled(&self->registrations[i]) != 0;
    }
    if (count > capacity) {
        return count;
    }
    *entries++ = (ptk_poll_entry_t) {loop->inbox->wake, PTK_READY_READ};
    for (uint32_t i = 0; i < self->count; i++) {
        uint32_t interest = readiness_polled(&self->registrations[i]);
        if (interest != 0) {
            *entries++ = (ptk_poll_entry_t) {self->registrations[i].handle, interest};
        }
    }
    return count;
}
