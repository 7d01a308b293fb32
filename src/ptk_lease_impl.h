/* SPDX-License-Identifier: MIT */
/*
 * Closing an object that green threads are inside of (floor 3, internal).
 *
 * Whoever may park inside a call on an object enters its lease first and leaves it last. Closing ends the
 * object's waits at once, but its memory goes back only when the last one has left; each learns from `closed`
 * that it must not touch anything else of the object.
 */
#pragma once

#include "base/ptk_assert.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct ptk_lease {
    uint32_t inside;
    bool closed;
    void (*release)(struct ptk_lease *lease); /* gives the object's memory back */
} ptk_lease_t;

static inline void ptk_lease_enter(ptk_lease_t *lease) {
    ptk_assert(!lease->closed);
    lease->inside++;
}

/* False: the object was closed meanwhile, and may be gone now. */
static inline bool ptk_lease_leave(ptk_lease_t *lease) {
    bool closed = lease->closed;
    if (--lease->inside == 0 && closed) {
        lease->release(lease);
    }
    return !closed;
}

static inline void ptk_lease_close(ptk_lease_t *lease) {
    lease->closed = true;
    if (lease->inside == 0) {
        lease->release(lease);
    }
}
