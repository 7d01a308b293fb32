/* SPDX-License-Identifier: MIT */
/*
 * Mapping and unmapping arenas (layer 1): the model stands at the top of ptk_stack.c.
 *
 * The first arena of a class is small, and each further one is as large as all before it together, up to 64
 * MiB. So a process that locks its memory, where every mapping is resident at once, pays for twice what it
 * uses at most, and there are few arenas where there are many stacks. Where memory or the limit of locked
 * memory is short, an arena has fewer slots, one at least.
 */
#include "context/ptk_stack_arena.h"

#include "base/ptk_assert.h"
#include "context/ptk_sanitizer.h"
#include "context/ptk_stack_guard.h"
#include "context/ptk_stack_registry.h"
#include <errno.h>

#define ARENA_SLOTS_MAX   ((size_t) 1024)
#define ARENA_BYTES_FIRST ((size_t) 1024 * 1024)
#define ARENA_BYTES_MAX   ((size_t) 64 * 1024 * 1024)

/* Returns the size of an arena's record, in whole pages. */
static size_t arena_record_bytes(size_t count) {
    size_t page_bytes = ptk_sys_real.page_bytes();
    size_t per_slot = sizeof(ptk_stack_slot_t) + (ptk_sanitizer_watches_stacks() ? sizeof(unsigned) : 0);
    return (sizeof(ptk_stack_arena_t) + count * per_slot + page_bytes - 1) & ~(page_bytes - 1);
}

/* Maps an arena of `*count` slots, or of half as many as often as memory is short, at least one. Returns 0 or
 * a negative errno value: EAGAIN is the limit of locked memory. */
static int arena_map(size_t slot_bytes, size_t *count, void **memory_out) {
    int result = ptk_sys_real.map_stacks(arena_record_bytes(*count) + *count * slot_bytes, memory_out);
    while ((result == -ENOMEM || result == -EAGAIN) && *count > 1) {
        *count /= 2;
        result = ptk_sys_real.map_stacks(arena_record_bytes(*count) + *count * slot_bytes, memory_out);
    }
    return result;
}

/* Returns how many slots the next arena of a class is to have. */
static size_t arena_slots_wanted(const ptk_stack_pool_t *pool, size_t class_index, size_t slot_bytes) {
    if (class_index == PTK_STACK_CLASSES) {
        return 1;
    }
    size_t most = ARENA_BYTES_MAX / slot_bytes;
    most = most < ARENA_SLOTS_MAX ? most : ARENA_SLOTS_MAX;
    size_t wanted = pool->mapped[class_index];
    wanted = wanted > ARENA_BYTES_FIRST / slot_bytes ? wanted : ARENA_BYTES_FIRST / slot_bytes;
    wanted = wanted < most ? wanted : most;
    return wanted > 0 ? wanted : 1;
}

ptk_stack_arena_t *ptk_stack_arena_create(ptk_stack_pool_t *pool, size_t class_index, size_t slot_bytes,
                                          int *os_err_out) {
    size_t count = arena_slots_wanted(pool, class_index, slot_bytes);
    void *memory = NULL;
    int result = arena_map(slot_bytes, &count, &memory);
    if (result != 0) {
        *os_err_out = -result;
        return NULL;
    }
    ptk_stack_arena_t *arena = memory; /* zeroed by the mapping */
    arena->base = (char *) memory + arena_record_bytes(count);
    arena->slot_bytes = slot_bytes;
    arena->guard_bytes = ptk_sys_real.page_bytes();
    arena->slot_count = count;
    arena->class_index = class_index;
    arena->watch_numbers = ptk_sanitizer_watches_stacks() ? (unsigned *) (void *) &arena->slots[count] : NULL;
    if (class_index < PTK_STACK_CLASSES) {
        arena->first_number = pool->mapped[class_index];
        pool->mapped[class_index] += count;
    }
    ptk_list_append(&pool->arenas, &arena->in_pool);
    ptk_stack_registry_add(arena);
    return arena;
}

void ptk_stack_arena_destroy(ptk_stack_pool_t *pool, ptk_stack_arena_t *arena) {
    size_t bytes = arena->slot_count * arena->slot_bytes;
    if (arena->class_index < PTK_STACK_CLASSES) {
        ptk_assert(pool->mapped[arena->class_index] >= arena->slot_count);
        pool->mapped[arena->class_index] -= arena->slot_count;
    }
    ptk_list_remove(&arena->in_pool);
    ptk_stack_registry_remove(arena);
    if (arena->watch_numbers) {
        for (size_t i = 0; i < atomic_load(&arena->allocated); i++) {
            ptk_sanitizer_stack_end(arena->watch_numbers[i]);
        }
        ptk_sanitizer_stack_reset(arena->base, arena->base + bytes);
    }
    size_t protected_guards = arena->protected_guards;
    ptk_sys_real.unmap(arena, (size_t) (arena->base - (char *) arena) + bytes);
    ptk_stack_guard_forget(protected_guards);
}
