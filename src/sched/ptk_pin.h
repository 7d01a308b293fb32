/* SPDX-License-Identifier: MIT */
/*
 * Closing an object that green threads are inside of (layer 3, internal).
 *
 * Whoever may park inside a call on an object enters its lease first and leaves it last. Closing ends the
 * object's waits at once, but its memory goes back only when the last one has left; each learns from `closed`
 * that it must not touch anything else of the object.
 */
#pragma once

#include "base/ptk_assert.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct ptk_pin {
    uint32_t inside;
    bool closed;
    void (*release)(struct ptk_pin *pin); /* gives the object's memory back */
} ptk_pin_t;

static inline void ptk_pin_take(ptk_pin_t *pin) {
    ptk_assert(!pin->closed);
    pin->inside++;
}

/* False: the object was closed meanwhile, and may be gone now. */
static inline bool ptk_pin_drop(ptk_pin_t *pin) {
    bool closed = pin->closed;
    if (--pin->inside == 0 && closed) {
        pin->release(pin);
    }
    return !closed;
}

static inline void ptk_pin_close(ptk_pin_t *pin) {
    pin->closed = true;
    if (pin->inside == 0) {
        pin->release(pin);
    }
}
