/* SPDX-License-Identifier: MIT */
/*
 * The allocator hook: one process-wide allocator, which is the heap of the system table until ptk_alloc_set
 * replaces it, and a count of live blocks. The count keeps the allocator from being changed while a block of
 * the old one is live, and lets tests find leaks. It is relaxed: it orders no other memory.
 */
#include "base/ptk_memory.h"

#include "base/ptk_assert.h"
#include "base/ptk_thread.h"
#include <stdatomic.h>
#include <string.h>

static void *memory_system_reallocate(void *context, void *memory, size_t size) {
    (void) context;
    return ptk_sys()->heap_reallocate(memory, size);
}

static void memory_system_free(void *context, void *memory) {
    (void) context;
    ptk_sys()->heap_free(memory);
}

static const ptk_allocator_t memory_system_allocator = {memory_system_reallocate, memory_system_free, NULL};

static ptk_allocator_t memory_allocator = {memory_system_reallocate, memory_system_free, NULL};
static atomic_size_t memory_live;

/* The count is checked and the allocator replaced without a lock: the caller guarantees that no other thread
 * uses ptk yet. */
ptk_err ptk_alloc_set(const ptk_allocator_t *allocator) {
    const ptk_allocator_t *chosen = allocator ? allocator : &memory_system_allocator;
    if (!chosen->reallocate || !chosen->release) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    if (ptk_allocations_live() != 0) {
        return ptk_fail(PTK_ERR_BUSY);
    }
    memory_allocator = *chosen;
    return PTK_OK;
}

/* Only a block that is new changes the count; one that moves does not. */
void *ptk_reallocate(void *memory, size_t bytes) {
    ptk_assert(bytes != 0);
    void *fresh = memory_allocator.reallocate(memory_allocator.context, memory, bytes);
    if (fresh && !memory) {
        atomic_fetch_add_explicit(&memory_live, 1, memory_order_relaxed);
    }
    return fresh;
}

void *ptk_allocate(size_t bytes) {
    return ptk_reallocate(NULL, bytes);
}

void *ptk_allocate_zeroed(size_t bytes) {
    void *memory = ptk_allocate(bytes);
    if (memory) {
        memset(memory, 0, bytes);
    }
    return memory;
}

void ptk_free(void *memory) {
    if (!memory) {
        return;
    }
    size_t before = atomic_fetch_sub_explicit(&memory_live, 1, memory_order_relaxed);
    ptk_assert(before != 0);
    memory_allocator.release(memory_allocator.context, memory);
}

size_t ptk_allocations_live(void) {
    return atomic_load_explicit(&memory_live, memory_order_relaxed);
}
