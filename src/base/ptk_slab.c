/* SPDX-License-Identifier: MIT */
/*
 * A slab allocates chunks of about 64 KiB and cuts objects off the newest one, front to back. A chunk is
 * added only when the newest is used up, so every older chunk was allocated whole, and the newest one up to
 * `fresh`. An object is zeroed when it is first allocated, not before: the pages of a chunk are touched as
 * they are needed.
 * An object is fresh -> live -> free -> live ... A freed object goes to the front of `freed` and is reused
 * first.
 */
#include "base/ptk_slab.h"

#include "base/ptk_memory.h"
#include <string.h>

#define SLAB_CHUNK_BYTES      ((size_t) 64 * 1024)
#define SLAB_OBJECT_ALIGNMENT ((size_t) 64)

/* The head of a chunk; its objects follow, aligned. */
struct ptk_slab_chunk {
    ptk_slab_chunk_t *next;
    char *begin; /* first object */
    char *end;
};

void ptk_slab_init(ptk_slab_t *slab, size_t object_bytes) {
    size_t rounded = (object_bytes + SLAB_OBJECT_ALIGNMENT - 1) & ~(SLAB_OBJECT_ALIGNMENT - 1);
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

/* Adds a chunk, with room for one object at least. Returns false if there is no memory. */
static bool slab_add_chunk(ptk_slab_t *slab) {
    ptk_assert(slab->fresh == slab->fresh_end);
    const size_t overhead = sizeof(ptk_slab_chunk_t) + SLAB_OBJECT_ALIGNMENT - 1;
    size_t objects = (SLAB_CHUNK_BYTES - overhead) / slab->object_bytes;
    size_t objects_bytes = (objects ? objects : 1) * slab->object_bytes;
    ptk_slab_chunk_t *chunk = ptk_allocate(overhead + objects_bytes);
    if (!chunk) {
        return false;
    }
    uintptr_t first = ((uintptr_t) chunk + overhead) & ~(uintptr_t) (SLAB_OBJECT_ALIGNMENT - 1);
    chunk->begin = (char *) chunk + (first - (uintptr_t) chunk);
    chunk->end = chunk->begin + objects_bytes;
    chunk->next = slab->chunks;
    slab->chunks = chunk;
    slab->fresh = chunk->begin;
    slab->fresh_end = chunk->end;
    ptk_assert((uintptr_t) slab->fresh % SLAB_OBJECT_ALIGNMENT == 0 && slab->fresh < slab->fresh_end);
    return true;
}

/* Returns a zeroed object that was never allocated, NULL if there is no memory. */
static void *slab_alloc_fresh(ptk_slab_t *slab) {
    if (slab->fresh == slab->fresh_end && !slab_add_chunk(slab)) {
        return NULL;
    }
    void *object = slab->fresh;
    slab->fresh += slab->object_bytes;
    return memset(object, 0, slab->object_bytes);
}

/* A freed object comes first: its memory is resident, and likely in the cache. */
void *ptk_slab_alloc(ptk_slab_t *slab) {
    void *object = ptk_slab_alloc_freed(slab);
    if (!object) {
        object = slab_alloc_fresh(slab);
        slab->live_count += object != NULL;
    }
    return object;
}

/* Returns the end of those objects of `chunk` that were ever allocated. */
static char *slab_allocated_end(const ptk_slab_t *slab, const ptk_slab_chunk_t *chunk) {
    return chunk == slab->chunks ? slab->fresh : chunk->end;
}

bool ptk_slab_contains(const ptk_slab_t *slab, const void *object) {
    uintptr_t address = (uintptr_t) object;
    for (const ptk_slab_chunk_t *chunk = slab->chunks; chunk; chunk = chunk->next) {
        if (address >= (uintptr_t) chunk->begin && address < (uintptr_t) slab_allocated_end(slab, chunk)) {
            return (address - (uintptr_t) chunk->begin) % slab->object_bytes == 0;
        }
    }
    return false;
}
