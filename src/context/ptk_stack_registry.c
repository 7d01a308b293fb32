/* SPDX-License-Identifier: MIT */
/*
 * All arenas of the process, for the overflow handler. Writers take a spin lock; a reader takes none, because
 * it may have interrupted a writer. The list is consistent at all times: an arena is linked and unlinked by
 * one store, in constant time, because loops of all threads wait for the lock. A thread that unlinks an arena
 * waits until there is no reader before the arena is unmapped; readers are signal handlers, and short. The
 * reader's count and the list are sequentially consistent: a reader that the writer does not see has not yet
 * read the list. In the child of a fork the threads that held the lock or were reading do not exist, so both
 * are reset.
 */
#include "context/ptk_stack_registry.h"

#include "base/ptk_assert.h"
#include "context/ptk_stack_arena.h"

static _Atomic(ptk_stack_arena_t *) stack_registry;
static atomic_uint stack_registry_readers;
static atomic_bool stack_registry_locked;
static atomic_bool stack_registry_watches_forks;

static void stack_registry_reset_after_fork(void) {
    atomic_store(&stack_registry_locked, false);
    atomic_store(&stack_registry_readers, 0);
}

static void stack_registry_lock(void) {
    while (atomic_exchange_explicit(&stack_registry_locked, true, memory_order_acquire)) {
        ptk_sys_real.thread_yield();
    }
}

static void stack_registry_unlock(void) {
    atomic_store_explicit(&stack_registry_locked, false, memory_order_release);
}

/* The arena's link is written before the arena is reachable. */
void ptk_stack_registry_add(ptk_stack_arena_t *arena) {
    if (!atomic_exchange(&stack_registry_watches_forks, true)) {
        ptk_sys_real.at_fork_child(stack_registry_reset_after_fork);
    }
    stack_registry_lock();
    ptk_stack_arena_t *next = atomic_load(&stack_registry);
    atomic_store(&arena->next_registered, next);
    arena->registered_at = &stack_registry;
    if (next) {
        next->registered_at = &arena->next_registered;
    }
    atomic_store(&stack_registry, arena);
    stack_registry_unlock();
}

/* After the store no new reader can reach the arena; the loop waits for those that already have. */
void ptk_stack_registry_remove(ptk_stack_arena_t *arena) {
    stack_registry_lock();
    ptk_stack_arena_t *next = atomic_load(&arena->next_registered);
    ptk_assert(atomic_load(arena->registered_at) == arena);
    if (next) {
        next->registered_at = arena->registered_at;
    }
    atomic_store(arena->registered_at, next);
    stack_registry_unlock();
    while (atomic_load(&stack_registry_readers) > 0) {
        ptk_sys_real.thread_yield();
    }
}

/* Returns the slot whose guard holds the byte at `offset` of the slots, NULL if none was allocated there. */
static const ptk_stack_slot_t *stack_registry_slot_at(const ptk_stack_arena_t *arena, size_t offset) {
    size_t index = offset / arena->slot_bytes;
    bool in_guard = offset % arena->slot_bytes < arena->guard_bytes;
    return in_guard && index < atomic_load(&arena->allocated) ? &arena->slots[index] : NULL;
}

/* Returns the arena whose slots hold `address`, NULL if there is none. An address below the base wraps to a
 * huge offset. */
static const ptk_stack_arena_t *stack_registry_arena_at(uintptr_t address) {
    const ptk_stack_arena_t *arena = atomic_load(&stack_registry);
    while (arena && address - (uintptr_t) arena->base >= arena->slot_count * arena->slot_bytes) {
        arena = atomic_load(&arena->next_registered);
    }
    return arena;
}

/* Counts itself as a reader before it reads the list. The label is copied while the count protects the arena.
 */
bool ptk_stack_find_guard(const void *address, ptk_stack_label_t *label_out, size_t *stack_bytes_out) {
    static const ptk_stack_label_t free_label = {"(free stack)", NULL, 0};
    const ptk_stack_slot_t *slot = NULL;
    atomic_fetch_add(&stack_registry_readers, 1);
    const ptk_stack_arena_t *arena = stack_registry_arena_at((uintptr_t) address);
    if (arena) {
        slot = stack_registry_slot_at(arena, (size_t) ((uintptr_t) address - (uintptr_t) arena->base));
    }
    if (slot) {
        const ptk_stack_label_t *label = __atomic_load_n(&slot->label, __ATOMIC_RELAXED);
        *label_out = label ? *label : free_label;
        *stack_bytes_out = arena->slot_bytes;
    }
    atomic_fetch_sub(&stack_registry_readers, 1);
    return slot != NULL;
}
