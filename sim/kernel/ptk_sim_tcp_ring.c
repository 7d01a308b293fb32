/* SPDX-License-Identifier: MIT */
/*
 * A ring buffer that grows with its content, and frees its memory when it becomes empty after it has been
 * large.
 */
#include "sim/kernel/ptk_sim_tcp_impl.h"

#include "base/ptk_assert.h"
#include "sim/kernel/ptk_sim_memory.h"
#include <string.h>

#define RING_FIRST_CAPACITY 256
#define RING_KEPT_CAPACITY  4096 /* an empty ring of more than this is freed */

/* Makes room for `count` more bytes. Growing moves the content to the start of the new memory. */
static void ring_reserve(ptk_sim_ring_t *ring, uint32_t count) {
    uint32_t capacity = ring->capacity ? ring->capacity : RING_FIRST_CAPACITY;
    while (capacity - ring->count < count) {
        capacity *= 2;
    }
    if (capacity != ring->capacity) {
        uint8_t *data = ptk_sim_allocate(capacity);
        ptk_sim_ring_copy(ring, 0, data, ring->count);
        ptk_sim_free(ring->data);
        ring->data = data;
        ring->capacity = capacity;
        ring->start = 0;
    }
}

/* The content may wrap around the end of the memory: two copies at most. */
void ptk_sim_ring_append(ptk_sim_ring_t *ring, const uint8_t *bytes, uint32_t count) {
    if (count == 0) {
        return;
    }
    ring_reserve(ring, count);
    uint32_t at = (ring->start + ring->count) & (ring->capacity - 1);
    uint32_t first = count < ring->capacity - at ? count : ring->capacity - at;
    memcpy(ring->data + at, bytes, first);
    memcpy(ring->data, bytes + first, count - first);
    ring->count += count;
}

void ptk_sim_ring_copy(const ptk_sim_ring_t *ring, uint32_t offset, uint8_t *bytes, uint32_t count) {
    ptk_assert(offset <= ring->count && count <= ring->count - offset);
    if (count == 0) {
        return;
    }
    uint32_t at = (ring->start + offset) & (ring->capacity - 1);
    uint32_t first = count < ring->capacity - at ? count : ring->capacity - at;
    memcpy(bytes, ring->data + at, first);
    memcpy(bytes + first, ring->data, count - first);
}

/* The ring of an idle connection keeps little memory: a thousand connections are usual. */
void ptk_sim_ring_drop(ptk_sim_ring_t *ring, uint32_t count) {
    ptk_assert(count <= ring->count);
    if (count == 0) {
        return;
    }
    ring->start = (ring->start + count) & (ring->capacity - 1);
    ring->count -= count;
    if (ring->count == 0 && ring->capacity > RING_KEPT_CAPACITY) {
        ptk_sim_ring_clear(ring);
    }
}

void ptk_sim_ring_clear(ptk_sim_ring_t *ring) {
    ptk_sim_free(ring->data);
    *ring = (ptk_sim_ring_t) {0};
}
