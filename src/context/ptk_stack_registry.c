/* SPDX-License-Identifier: MIT */
/*
 * Every arena of the process, for the overflow handler. Writers take a spin lock; a reader takes none,
 * because it may have interrupted a writer. The list is whole at every instant: an arena is linked and
 * unlinked by one store. Whoever unlinks one waits until no reader is left before the arena may go; readers
 * are signal handlers, and short. A child of fork has neither the other threads that held the lock nor those
 * that were reading, so it starts both anew.
 */
#include "context/ptk_stack_arena.h"

static _Atomic(ptk_stack_arena_t *) registered;
static atomic_uint readers;
static atomic_bool locked;
static atomic_bool fork_hooked;

static void after_fork(void) {
    atomic_store(&locked, false);
    atomic_store(&readers, 0);
}

static void lock(void) {
    while (atomic_exchange_explicit(&locked, true, memory_order_acquire)) {
        ptk_sys_real.thread_yield();
    }
}

static void unlock(void) {
    atomic_store_explicit(&locked, false, memory_order_release);
}

void ptk_stack_registry_add(ptk_stack_arena_t *arena) {
    if (!atomic_exchange(&fork_hooked, true)) {
        ptk_sys_real.at_fork_child(after_fork);
    }
    lock();
    atomic_store(&arena->next_registered, atomic_load(&registered));
    atomic_store(&registered, arena);
    unlock();
}

void ptk_stack_registry_remove(ptk_stack_arena_t *arena) {
    _Atomic(ptk_stack_arena_t *) *link = &registered;
    lock();
    while (atomic_load(link) != arena) {
        link = &atomic_load(link)->next_registered;
    }
    atomic_store(link, atomic_load(&arena->next_registered));
    unlock();
    while (atomic_load(&readers) > 0) {
        ptk_sys_real.thread_yield();
    }
}

/* The slot whose guard holds `offset` into the arena, NULL if none was handed out there. */
static const ptk_stack_slot_t *guarded_slot(const ptk_stack_arena_t *arena, size_t offset) {
    size_t index = offset / arena->slot_bytes;
    bool in_guard = offset % arena->slot_bytes < arena->guard_bytes;
    return in_guard && index < atomic_load(&arena->handed_out) ? &arena->slots[index] : NULL;
}

static const ptk_stack_arena_t *arena_around(uintptr_t address) {
    const ptk_stack_arena_t *arena = atomic_load(&registered);
    while (arena && address - (uintptr_t) arena->base >= arena->slot_count * arena->slot_bytes) {
        arena = atomic_load(&arena->next_registered);
    }
    return arena;
}

bool ptk_stack_find_guard(const void *address, ptk_stack_label_t *label_out, size_t *stack_bytes_out) {
    static const ptk_stack_label_t free_label = {"(free stack)", NULL, 0};
    const ptk_stack_slot_t *slot = NULL;
    atomic_fetch_add(&readers, 1);
    const ptk_stack_arena_t *arena = arena_around((uintptr_t) address);
    if (arena) {
        slot = guarded_slot(arena, (size_t) ((uintptr_t) address - (uintptr_t) arena->base));
    }
    if (slot) {
        const ptk_stack_label_t *label = __atomic_load_n(&slot->label, __ATOMIC_RELAXED);
        *label_out = label ? *label : free_label;
        *stack_bytes_out = arena->slot_bytes;
    }
    atomic_fetch_sub(&readers, 1);
    return slot != NULL;
}
