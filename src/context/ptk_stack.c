/* SPDX-License-Identifier: MIT */
/*
 * An arena is one mapping: its record, which has a descriptor per slot, and equal slots. So a parked stack
 * costs no page but those that it has used, and the number of slots shows in no allocation. The record is at
 * the low end, where the guard of the first slot protects it from an overflow.
 *
 * A slot is fresh (its index is not below `allocated`; no guard yet), in use (label set), or free (in the
 * free list of its class). Slots are allocated by index the first time, when the guard is installed and
 * sanitizers are notified, and through the free list afterwards; a freed slot keeps its pages, its guard and
 * its position in the arena. `low` of a free slot is overwritten by the link of the free list, and is
 * computed again on allocation.
 *
 * An arena lives until its pool ends, except the arena of one large stack, which is unmapped with that stack.
 */
#include "context/ptk_stack_arena.h"

#include "base/ptk_assert.h"
#include "base/ptk_log_impl.h"
#include "context/ptk_sanitizer.h"
#include "context/ptk_stack_guard.h"
#include "context/ptk_stack_registry.h"
#include <errno.h>
#include <string.h>

#define STACK_ARENA_SLOTS_MAX ((size_t) 1024)
#define STACK_ARENA_BYTES_MAX ((size_t) 64 * 1024 * 1024)
#define STACK_CLASS_BYTES_MAX ((size_t) 1024 * 1024)
#define STACK_COLOURS         16
#define STACK_COLOUR_BYTES    64

/* Whether a sanitizer or Valgrind needs notes about stacks. The same for all threads, so it orders nothing.
 */
static atomic_bool stack_watched;

/* A pool without usable guards is logged here, once per loop; each later allocation then fails with ENOMEM.
 */
void ptk_stack_pool_init(ptk_stack_pool_t *pool, bool allow_unguarded) {
    memset(pool, 0, sizeof *pool);
    ptk_list_init(&pool->arenas);
    pool->slot_bytes = ptk_stack_default_bytes();
    pool->guard = ptk_stack_guard_kind();
    pool->allow_unguarded = allow_unguarded;
    atomic_store_explicit(&stack_watched, ptk_sanitizer_watches_stacks() != 0, memory_order_relaxed);
    if (pool->guard == PTK_STACK_GUARD_NONE && !allow_unguarded) {
        ptk_log(PTK_LOG_ERROR,
                "this system has no working guard pages, and the options do not allow unguarded stacks");
    }
}

static bool stack_is_watched(void) {
    return atomic_load_explicit(&stack_watched, memory_order_relaxed);
}

/* Returns the class of a stack of `bytes`, PTK_STACK_CLASSES if it is larger than every class. */
static size_t stack_class_of(const ptk_stack_pool_t *pool, size_t bytes) {
    size_t class_index = 0;
    while (class_index < PTK_STACK_CLASSES && pool->slot_bytes << class_index < bytes) {
        class_index++;
    }
    bool too_large = class_index > 0 && bytes > STACK_CLASS_BYTES_MAX;
    return too_large ? PTK_STACK_CLASSES : class_index;
}

/* --- arenas --- */

/* Returns the size of an arena's record, in whole pages. */
static size_t stack_record_bytes(size_t count) {
    size_t page_bytes = ptk_sys_real.page_bytes();
    size_t per_slot = sizeof(ptk_stack_slot_t) + (stack_is_watched() ? sizeof(unsigned) : 0);
    return (sizeof(ptk_stack_arena_t) + count * per_slot + page_bytes - 1) & ~(page_bytes - 1);
}

/* Maps an arena of `*count` slots, or of half as many as often as memory is short, at least one. Returns 0 or
 * a negative errno value. */
static int stack_map_arena(size_t slot_bytes, size_t *count, void **memory_out) {
    int result = ptk_sys_real.map_stacks(stack_record_bytes(*count) + *count * slot_bytes, memory_out);
    while (result == -ENOMEM && *count > 1) {
        *count /= 2;
        result = ptk_sys_real.map_stacks(stack_record_bytes(*count) + *count * slot_bytes, memory_out);
    }
    return result;
}

/* Returns a new registered arena with no slot allocated, NULL with the errno value in *os_err_out. */
static ptk_stack_arena_t *stack_arena_create(ptk_stack_pool_t *pool, size_t class_index, size_t slot_bytes,
                                             int *os_err_out) {
    size_t count = class_index == PTK_STACK_CLASSES ? 1 : STACK_ARENA_BYTES_MAX / slot_bytes;
    count = count > STACK_ARENA_SLOTS_MAX ? STACK_ARENA_SLOTS_MAX : count;
    void *memory = NULL;
    int result = stack_map_arena(slot_bytes, &count, &memory);
    if (result != 0) {
        *os_err_out = -result;
        return NULL;
    }
    ptk_stack_arena_t *arena = memory; /* zeroed by the mapping */
    arena->base = (char *) memory + stack_record_bytes(count);
    arena->slot_bytes = slot_bytes;
    arena->guard_bytes = ptk_sys_real.page_bytes();
    arena->slot_count = count;
    arena->class_index = class_index;
    arena->watch_numbers = stack_is_watched() ? (unsigned *) (void *) &arena->slots[count] : NULL;
    ptk_list_append(&pool->arenas, &arena->in_pool);
    ptk_stack_registry_add(arena);
    return arena;
}

/* Removes an arena from the pool and unmaps it. However many there are, its neighbours alone are touched. */
static void stack_arena_destroy(ptk_stack_arena_t *arena) {
    size_t bytes = arena->slot_count * arena->slot_bytes;
    ptk_list_remove(&arena->in_pool);
    ptk_stack_registry_remove(arena);
    if (arena->watch_numbers) {
        for (size_t i = 0; i < atomic_load(&arena->allocated); i++) {
            ptk_sanitizer_stack_end(arena->watch_numbers[i]);
        }
        ptk_sanitizer_stack_reset(arena->base, arena->base + bytes);
    }
    ptk_sys_real.unmap(arena, (size_t) (arena->base - (char *) arena) + bytes);
}

void ptk_stack_pool_fini(ptk_stack_pool_t *pool) {
    ptk_assert(pool->in_use == 0);
    ptk_list_node_t *node;
    while ((node = ptk_list_first(&pool->arenas)) != NULL) {
        stack_arena_destroy(ptk_container_of(node, ptk_stack_arena_t, in_pool));
    }
    memset(pool->free, 0, sizeof pool->free);
    memset(pool->fresh, 0, sizeof pool->fresh);
}

/* --- slots --- */

/* Installs the guard of the fresh slot at `index` and returns the slot; NULL if no guard can be installed. */
static ptk_stack_slot_t *stack_slot_init(const ptk_stack_pool_t *pool, ptk_stack_arena_t *arena, size_t index,
                                         int *os_err_out) {
    ptk_assert(index < arena->slot_count && !arena->slots[index].arena);
    ptk_stack_slot_t *slot = &arena->slots[index];
    char *bottom = arena->base + index * arena->slot_bytes;
    char *top = bottom + arena->slot_bytes;
    int result = ptk_stack_guard_page(pool->guard, bottom, arena->guard_bytes);
    if (result != 0 && !pool->allow_unguarded) {
        *os_err_out = -result;
        return NULL;
    }
    slot->low = bottom + arena->guard_bytes;
    slot->high = top - index % STACK_COLOURS * STACK_COLOUR_BYTES;
    slot->arena = arena;
    if (arena->watch_numbers) {
        arena->watch_numbers[index] = ptk_sanitizer_stack_begin(slot->low, top);
    }
    return slot;
}

/* Returns the next fresh slot of a class. Out of line: rare, and its calls would cost the warm path
 * registers. */
__attribute__((noinline)) static ptk_stack_slot_t *stack_alloc_fresh(ptk_stack_pool_t *pool,
                                                                     size_t class_index, int *os_err_out) {
    ptk_stack_arena_t *arena = pool->fresh[class_index];
    if (!arena) {
        arena = stack_arena_create(pool, class_index, pool->slot_bytes << class_index, os_err_out);
        if (!arena) {
            return NULL;
        }
        pool->fresh[class_index] = arena;
    }
    size_t index = atomic_load_explicit(&arena->allocated, memory_order_relaxed);
    ptk_stack_slot_t *slot = stack_slot_init(pool, arena, index, os_err_out);
    if (slot) {
        atomic_store(&arena->allocated, index + 1); /* the overflow handler may read the slot from now on */
        pool->fresh[class_index] = index + 1 < arena->slot_count ? arena : NULL;
    }
    return slot;
}

/* Returns the only slot of a new arena. */
__attribute__((noinline)) static ptk_stack_slot_t *stack_alloc_large(ptk_stack_pool_t *pool, size_t bytes,
                                                                     int *os_err_out) {
    size_t page_bytes = ptk_sys_real.page_bytes();
    size_t slot_bytes = (bytes + page_bytes - 1) & ~(page_bytes - 1);
    if (slot_bytes < bytes || slot_bytes > SIZE_MAX / 2) {
        *os_err_out = ENOMEM;
        return NULL;
    }
    ptk_stack_arena_t *arena = stack_arena_create(pool, PTK_STACK_CLASSES, slot_bytes, os_err_out);
    if (!arena) {
        return NULL;
    }
    ptk_stack_slot_t *slot = stack_slot_init(pool, arena, 0, os_err_out);
    if (!slot) {
        stack_arena_destroy(arena);
        return NULL;
    }
    atomic_store(&arena->allocated, 1);
    return slot;
}

/* Returns the slot of a class that was freed last. There is one. */
static ptk_stack_slot_t *stack_alloc_warm(ptk_stack_pool_t *pool, size_t class_index) {
    ptk_stack_slot_t *slot = pool->free[class_index];
    const ptk_stack_arena_t *arena = slot->arena;
    ptk_assert(slot->label == NULL && arena->class_index == class_index);
    pool->free[class_index] = slot->next_free;
    slot->low = arena->base + (size_t) (slot - arena->slots) * arena->slot_bytes + arena->guard_bytes;
    if (ptk_unlikely(arena->watch_numbers != NULL)) {
        ptk_sanitizer_stack_reset(slot->low, slot->high);
    }
    return slot;
}

/* The label is stored atomically because a signal handler on another thread may read it (see
 * ptk_stack_find_guard). */
ptk_stack_slot_t *ptk_stack_alloc(ptk_stack_pool_t *pool, size_t bytes, const ptk_stack_label_t *label,
                                  int *os_err_out) {
    size_t class_index = stack_class_of(pool, bytes);
    ptk_stack_slot_t *slot;
    if (class_index == PTK_STACK_CLASSES) {
        slot = stack_alloc_large(pool, bytes, os_err_out);
    } else if (ptk_likely(pool->free[class_index] != NULL)) {
        slot = stack_alloc_warm(pool, class_index);
    } else {
        slot = stack_alloc_fresh(pool, class_index, os_err_out);
    }
    if (slot) {
        ptk_assert(label != NULL && slot->label == NULL);
        __atomic_store_n(&slot->label, label, __ATOMIC_RELAXED);
        pool->in_use++;
    }
    return slot;
}

/* The label is cleared before the slot is linked, so a fault in its guard is reported as that of a free
 * stack. */
void ptk_stack_free(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot) {
    ptk_stack_arena_t *arena = slot->arena;
    ptk_assert(slot->label != NULL && pool->in_use > 0);
    ptk_assert_debug((size_t) (slot - arena->slots) < atomic_load(&arena->allocated));
    __atomic_store_n(&slot->label, NULL, __ATOMIC_RELAXED);
    pool->in_use--;
    if (ptk_unlikely(arena->class_index == PTK_STACK_CLASSES)) {
        stack_arena_destroy(arena);
        return;
    }
    slot->next_free = pool->free[arena->class_index];
    pool->free[arena->class_index] = slot;
}

/* --- high-water mark --- */

/* Pages are examined in portions of 64 from the low end, so that a deep stack needs no buffer of its own
 * size. */
size_t ptk_stack_high_water(const void *low, const void *high) {
    unsigned char resident[64];
    size_t page_bytes = ptk_sys_real.page_bytes();
    char *lowest = (char *) low;
    char *page = (char *) ((uintptr_t) low & ~(uintptr_t) (page_bytes - 1));
    while (page < (const char *) high) {
        size_t pages = ((size_t) ((const char *) high - page) + page_bytes - 1) / page_bytes;
        pages = pages < sizeof resident ? pages : sizeof resident;
        if (ptk_sys_real.resident(page, pages * page_bytes, resident) != 0) {
            return 0;
        }
        for (size_t i = 0; i < pages; i++, page += page_bytes) {
            if (resident[i] & 1) {
                return (size_t) ((const char *) high - (page > lowest ? page : lowest));
            }
        }
    }
    return 0;
}
