/* SPDX-License-Identifier: MIT */
/*
 * A slab of equal-sized objects (layer 0). Its memory is type-stable: it goes back only with the whole slab.
 *
 * Last in, first out, for objects that should be warm when they are reused. The first pointer-sized word of a
 * free object is the slab's; all else stays as the owner left it.
 */
#pragma once

#include "base/ptk_queue.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct ptk_slab_chunk ptk_slab_chunk_t;

typedef struct ptk_slab {
    ptk_slab_chunk_t *chunks;
    ptk_queue_t freed; /* objects given back (ptk_queue_node_t at their start) */
    char *fresh;       /* the rest of the newest chunk, never used yet */
    char *fresh_end;
    uint32_t object_bytes;
    uint32_t freed_count;
    uint32_t live_count;
} ptk_slab_t;

/* object_bytes is rounded up to a multiple of 64; objects are 64-byte aligned. Allocates nothing. */
void ptk_slab_init(ptk_slab_t *slab, size_t object_bytes);

/* Free all chunks, and with them whatever is still live. */
void ptk_slab_fini(ptk_slab_t *slab);

/* An object, or NULL: out of memory. Fresh memory is zeroed; a reused object is as it was but for its first
 * word. */
void *ptk_slab_take(ptk_slab_t *slab);

/* Was `object` ever handed out by this slab (live or free)? Walks the chunks: for reports and checks. */
bool ptk_slab_contains(const ptk_slab_t *slab, const void *object);

/* One that was given back before, or NULL: none may be reused yet. The one after it is brought into the
 * cache. */
static inline void *ptk_slab_take_freed(ptk_slab_t *slab) {
    if (slab->freed_count == 0) {
        return NULL;
    }
    slab->freed_count--;
    slab->live_count++;
    void *object = ptk_queue_pop(&slab->freed);
    __builtin_prefetch(slab->freed.first, 1);
    return object;
}

/* Give an object back. */
static inline void ptk_slab_give(ptk_slab_t *slab, void *object) {
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

/* Walk every object that was ever handed out, live or free; the owner tells them apart. */
typedef void (*ptk_slab_visitor_t)(void *context, void *object);
void ptk_slab_visit(const ptk_slab_t *slab, ptk_slab_visitor_t visitor, void *context);
