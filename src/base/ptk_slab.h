/* SPDX-License-Identifier: MIT */
/*
 * A slab of equal-sized objects (layer 0). One thread. Its memory is type-stable: it is freed only with the
 * whole slab, so a stale pointer always points at an object of the same type.
 *
 * Reuse is last in, first out, for objects that should be in the cache. The first pointer-sized word of a
 * free object is the slab's; all other bytes stay as the owner left them.
 */
#pragma once

#include "base/ptk_queue.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct ptk_slab_chunk ptk_slab_chunk_t;

typedef struct ptk_slab {
    ptk_slab_chunk_t *chunks; /* newest first; owned */
    ptk_queue_t freed;        /* free objects (ptk_queue_node_t at their start), the last freed one first */
    char *fresh;              /* first object of the newest chunk that was never allocated */
    char *fresh_end;          /* end of the newest chunk's objects */
    uint32_t object_bytes;    /* a multiple of 64 */
    uint32_t freed_count;     /* length of `freed` */
    uint32_t live_count;
} ptk_slab_t;

/* Makes an empty slab. object_bytes is rounded up to a multiple of 64, and objects are 64-byte aligned.
 * Allocates nothing. */
void ptk_slab_init(ptk_slab_t *slab, size_t object_bytes);

/* Frees all chunks, and with them the objects that are still live. The slab is then as after ptk_slab_init.
 */
void ptk_slab_fini(ptk_slab_t *slab);

/* Returns an object, NULL if there is no memory. A fresh object is zeroed; a reused one has its old content
 * but for the first word. */
void *ptk_slab_alloc(ptk_slab_t *slab);

/* Returns whether this slab ever returned `object`, live or free. Walks the chunks: for reports and checks.
 */
bool ptk_slab_contains(const ptk_slab_t *slab, const void *object);

/* Returns an object that was freed before, NULL if there is none. Prefetches the next one, which the
 * next call will write. */
static inline void *ptk_slab_alloc_freed(ptk_slab_t *slab) {
    if (slab->freed_count == 0) {
        return NULL;
    }
    slab->freed_count--;
    slab->live_count++;
    void *object = ptk_queue_pop(&slab->freed);
    ptk_assert_debug(object != NULL && (slab->freed_count > 0) == (slab->freed.first != NULL));
    __builtin_prefetch(slab->freed.first, 1);
    return object;
}

/* Frees a live object of this slab. */
static inline void ptk_slab_free(ptk_slab_t *slab, void *object) {
    ptk_queue_node_t *node = (ptk_queue_node_t *) object;
    ptk_assert(slab->live_count > 0);
    ptk_assert_debug(ptk_slab_contains(slab, object));
    slab->live_count--;
    slab->freed_count++;
    if (!slab->freed.first) {
        ptk_queue_push(&slab->freed, node);
    } else {
        node->next = slab->freed.first;
        slab->freed.first = node;
    }
}
