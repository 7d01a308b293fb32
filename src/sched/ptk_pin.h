/* SPDX-License-Identifier: MIT */
/*
 * Pins (layer 3, internal) keep the memory of an object while green threads are inside a call on it.
 *
 * A call that may park pins its object first and unpins it last. Closing ends the object's waits at once, but
 * its memory is freed only with the last pin. After each switch a call reads `closed`: once it is set, the
 * call touches nothing else of the object.
 *
 *     open  --close-->  closed  --last pin-->  freed
 */
#pragma once

#include "base/ptk_assert.h"
#include <stdbool.h>
#include <stdint.h>

/* Embedded in the object that it keeps. */
typedef struct ptk_pin {
    uint32_t count; /* calls that are inside */
    bool closed;
    void (*free)(struct ptk_pin *pin); /* frees the object's memory; called once */
} ptk_pin_t;

/* Adds a pin. The object is open. */
static inline void ptk_pin_take(ptk_pin_t *pin) {
    ptk_assert(!pin->closed);
    pin->count++;
}

/* Drops one pin. Returns false if the object was closed meanwhile; it may be gone then. */
static inline bool ptk_pin_drop(ptk_pin_t *pin) {
    bool closed = pin->closed;
    ptk_assert(pin->count > 0);
    if (--pin->count == 0 && closed) {
        pin->free(pin);
    }
    return !closed;
}

/* Closes the object: its memory is freed now, or with the last pin. */
static inline void ptk_pin_close(ptk_pin_t *pin) {
    ptk_assert(!pin->closed);
    pin->closed = true;
    if (pin->count == 0) {
        pin->free(pin);
    }
}
