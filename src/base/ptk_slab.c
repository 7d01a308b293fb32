/* SPDX-License-Identifier: MIT */
/*
 * A slab takes chunks of about 64 KiB from the allocator and cuts objects off the newest one, front to back.
 * A chunk is added only when the newest is used up, so every older chunk has been handed out whole, and the
 * newest one up to `fresh`. An object is zeroed when it is first taken, not before: a chunk's pages are
 * touched as they are needed.
 *
 * A freed object goes to the front of `freed` and is taken first.
 */
#include "base/ptk_slab.h"

#include "base/ptk_memory.h"
#include <string.h>

#define CHUNK_BYTES      ((size_t) 64 * 1024)
#define OBJECT_ALIGNMENT ((size_t) 64)

struct ptk_slab_chunk {
    ptk_slab_chunk_t *next;
    char *begin; /* of the objects */
    char *end;
};

void ptk_slab_init(ptk_slab_t *slab, size_t object_bytes) {
    size_t rounded = (object_bytes + OBJECT_ALIGNMENT - 1) & ~(OBJECT_ALIGNMENT - 1);
    ptk_assert(object_bytes > 0 && rounded <= UINT32_MAX / 2);
    *slab = (ptk_slab_t) {.object_bytes = (uint32_t) rounded};
    ptk_queue_init(&slab->freed);
}

void ptk_slab_fini(ptk_slab_t *slab) {
    while (slab->chunks) {
        ptk_slab_chunk_t *chunk = slab->chunks;
        slab->chunks = chunk->next;
        ptk_free(chunk);
    }
    ptk_slab_init(slab, slab->object_bytes);
}

static bool add_chunk(ptk_slab_t *slab) {
    const size_t overhead = sizeof(ptk_slab_chunk_t) + OBJECT_ALIGNMENT - 1;
    size_t objects = (CHUNK_BYTES - overhead) / slab->object_bytes;
    size_t objects_bytes = (objects ? objects : 1) * slab->object_bytes;
    ptk_slab_chunk_t *chunk = ptk_allocate(overhead + objects_bytes);
    if (!chunk) {
        return false;
    }
    uintptr_t first = ((uintptr_t) chunk + overhead) & ~(uintptr_t) (OBJECT_ALIGNMENT - 1);
    chunk->begin = (char *) chunk + (first - (uintptr_t) chunk);
    chunk->end = chunk->begin + objects_bytes;
    chunk->next = slab->chunks;
    slab->chunks = chunk;
    slab->fresh = chunk->begin;
    slab->fresh_end = chunk->end;
    return true;
}

static void *take_fresh(ptk_slab_t *slab) {
    if (slab->fresh == slab->fresh_end && !add_chunk(slab)) {
        return NULL;
    }
    void *object = slab->fresh;
    slab->fresh += slab->object_bytes;
    return memset(object, 0, slab->object_bytes);
}

void *ptk_slab_take(ptk_slab_t *slab) {
    void *object = ptk_slab_take_freed(slab);
    if (!object) {
        object = take_fresh(slab);
        slab->live_count += object != NULL;
    }
    return object;
}

/* Where the objects of `chunk` that were ever handed out end. */
static char *handed_out_end(const ptk_slab_t *slab, const ptk_slab_chunk_t *chunk) {
    return chunk == slab->chunks ? slab->fresh : chunk->end;
}

bool ptk_slab_contains(const ptk_slab_t *slab, const void *object) {
    uintptr_t address = (uintptr_t) object;
    for (const ptk_slab_chunk_t *chunk = slab->chunks; chunk; chunk = chunk->next) {
        if (address >= (uintptr_t) chunk->begin && address < (uintptr_t) handed_out_end(slab, chunk)) {
            return (address - (uintptr_t) chunk->begin) % slab->object_bytes == 0;
        }
    }
    return false;
}

void ptk_slab_visit(const ptk_slab_t *slab, ptk_slab_visitor_t visitor, void *context) {
    for (const ptk_slab_chunk_t *chunk = slab->chunks; chunk; chunk = chunk->next) {
        for (char *object = chunk->begin; object < handed_out_end(slab, chunk);
             object += slab->object_bytes) {
            visitor(context, object);
        }
    }
}
