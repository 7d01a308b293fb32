/* SPDX-License-Identifier: MIT */
/*
 * The allocator hook: one process-wide allocator, the system's heap until somebody replaces it, and a count
 * of what is live, so that the allocator cannot be changed under a living allocation and tests can find
 * leaks.
 */
#include "base/ptk_memory.h"

#include "base/ptk_assert.h"
#include "base/ptk_thread.h"
#include <stdatomic.h>
#include <string.h>

static void *system_reallocate(void *context, void *memory, size_t size) {
    (void) context;
    return ptk_sys()->heap_reallocate(memory, size);
}

static void system_free(void *context, void *memory) {
    (void) context;
    ptk_sys()->heap_free(memory);
}

static const ptk_allocator_t system_allocator = {system_reallocate, system_free, NULL};

static ptk_allocator_t allocator_in_use = {system_reallocate, system_free, NULL};
static atomic_size_t live;

ptk_err ptk_alloc_set(const ptk_allocator_t *allocator) {
    const ptk_allocator_t *chosen = allocator ? allocator : &system_allocator;
    if (!chosen->reallocate || !chosen->release) {
        return ptk_fail(PTK_ERR_INVALID_PARAM);
    }
    if (ptk_allocations_live() != 0) {
        return ptk_fail(PTK_ERR_BUSY);
    }
    allocator_in_use = *chosen;
    return PTK_OK;
}

void *ptk_reallocate(void *memory, size_t bytes) {
    ptk_assert(bytes != 0);
    void *fresh = allocator_in_use.reallocate(allocator_in_use.context, memory, bytes);
    if (fresh && !memory) {
        atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
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
    size_t before = atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    ptk_assert(before != 0);
    allocator_in_use.release(allocator_in_use.context, memory);
}

size_t ptk_allocations_live(void) {
    return atomic_load_explicit(&live, memory_order_relaxed);
}
