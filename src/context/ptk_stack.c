/* SPDX-License-Identifier: MIT */
/*
 * An arena is one mapping: its record, which has a descriptor per slot, and equal slots. So a parked stack
 * costs no page but those it has used, and how many slots an arena has shows in no allocation. The record
 * stands at the low end, where the guard of the first slot is between it and whoever overflows. Slots are
 * handed out by index the first time (guard installed, watchers told) and through the free list ever after; a
 * given-back slot keeps its pages, its guard and its place in the arena. A slot in the free list has its
 * successor where its low end stood, which is computed anew. An arena lives until its pool ends, except the
 * arena of one large stack, which goes with it.
 */
#include "context/ptk_stack_arena.h"

#include "base/ptk_assert.h"
#include "base/ptk_log_impl.h"
#include "context/ptk_sanitizer.h"
#include <errno.h>
#include <string.h>

#define ARENA_SLOTS_MAX ((size_t) 1024)
#define ARENA_BYTES_MAX ((size_t) 64 * 1024 * 1024)
#define CLASS_BYTES_MAX ((size_t) 1024 * 1024)
#define COLOURS         16
#define COLOUR_BYTES    64

/* Whether a sanitizer or Valgrind must hear of stacks; the same for all threads. */
static atomic_bool watched;

void ptk_stack_pool_init(ptk_stack_pool_t *pool, bool allow_unguarded) {
    memset(pool, 0, sizeof *pool);
    pool->slot_bytes = ptk_stack_default_bytes();
    pool->guard = ptk_stack_guard_kind();
    pool->allow_unguarded = allow_unguarded;
    atomic_store_explicit(&watched, ptk_sanitizer_watches_stacks() != 0, memory_order_relaxed);
    if (pool->guard == PTK_STACK_GUARD_NONE && !allow_unguarded) {
        ptk_log(PTK_LOG_ERROR, "stacks cannot be guarded on this system, and unguarded ones are not allowed");
    }
}

static bool is_watched(void) {
    return atomic_load_explicit(&watched, memory_order_relaxed);
}

/* PTK_STACK_CLASSES: larger than every class. */
static size_t class_of(const ptk_stack_pool_t *pool, size_t bytes) {
    size_t class_index = 0;
    while (class_index < PTK_STACK_CLASSES && pool->slot_bytes << class_index < bytes) {
        class_index++;
    }
    bool too_large = class_index > 0 && bytes > CLASS_BYTES_MAX;
    return too_large ? PTK_STACK_CLASSES : class_index;
}

/* --- Arenas --- */

/* What the record of an arena takes at the low end of its mapping, in whole pages. */
static size_t record_bytes(size_t count) {
    size_t page_bytes = ptk_sys_real.page_bytes();
    size_t per_slot = sizeof(ptk_stack_slot_t) + (is_watched() ? sizeof(unsigned) : 0);
    return (sizeof(ptk_stack_arena_t) + count * per_slot + page_bytes - 1) & ~(page_bytes - 1);
}

/* Maps as many of `count` slots as there is room for, at least one; 0 or a negative errno value. */
static int map_arena(size_t slot_bytes, size_t *count, void **memory_out) {
    int result = ptk_sys_real.map_stacks(record_bytes(*count) + *count * slot_bytes, memory_out);
    while (result == -ENOMEM && *count > 1) {
        *count /= 2;
        result = ptk_sys_real.map_stacks(record_bytes(*count) + *count * slot_bytes, memory_out);
    }
    return result;
}

static ptk_stack_arena_t *arena_create(ptk_stack_pool_t *pool, size_t class_index, size_t slot_bytes,
                                       int *os_err_out) {
    size_t count = class_index == PTK_STACK_CLASSES ? 1 : ARENA_BYTES_MAX / slot_bytes;
    count = count > ARENA_SLOTS_MAX ? ARENA_SLOTS_MAX : count;
    void *memory = NULL;
    int result = map_arena(slot_bytes, &count, &memory);
    if (result != 0) {
        *os_err_out = -result;
        return NULL;
    }
    ptk_stack_arena_t *arena = memory; /* all zeros */
    arena->base = (char *) memory + record_bytes(count);
    arena->slot_bytes = slot_bytes;
    arena->guard_bytes = ptk_sys_real.page_bytes();
    arena->slot_count = count;
    arena->class_index = class_index;
    arena->watch_numbers = is_watched() ? (unsigned *) (void *) &arena->slots[count] : NULL;
    arena->next = pool->arenas;
    pool->arenas = arena;
    ptk_stack_registry_add(arena);
    return arena;
}

/* Unmaps it; the caller has unlinked it from the pool. */
static void arena_destroy(ptk_stack_arena_t *arena) {
    size_t bytes = arena->slot_count * arena->slot_bytes;
    ptk_stack_registry_remove(arena);
    if (arena->watch_numbers) {
        for (size_t i = 0; i < atomic_load(&arena->handed_out); i++) {
            ptk_sanitizer_stack_end(arena->watch_numbers[i]);
        }
        ptk_sanitizer_stack_reset(arena->base, arena->base + bytes);
    }
    ptk_sys_real.unmap(arena, (size_t) (arena->base - (char *) arena) + bytes);
}

static void arena_unlink(ptk_stack_pool_t *pool, ptk_stack_arena_t *arena) {
    ptk_stack_arena_t **link = &pool->arenas;
    while (*link != arena) {
        link = &(*link)->next;
    }
    *link = arena->next;
}

void ptk_stack_pool_fini(ptk_stack_pool_t *pool) {
    ptk_assert(pool->in_use == 0);
    while (pool->arenas) {
        ptk_stack_arena_t *arena = pool->arenas;
        pool->arenas = arena->next;
        arena_destroy(arena);
    }
    memset(pool->free, 0, sizeof pool->free);
    memset(pool->fresh, 0, sizeof pool->fresh);
}

/* --- Slots --- */

/* The slot at `index`, handed out for the first time, its guard in place; NULL: no guard could be had. */
static ptk_stack_slot_t *slot_first_use(const ptk_stack_pool_t *pool, ptk_stack_arena_t *arena, size_t index,
                                        int *os_err_out) {
    ptk_stack_slot_t *slot = &arena->slots[index];
    char *bottom = arena->base + index * arena->slot_bytes;
    char *top = bottom + arena->slot_bytes;
    int result = ptk_stack_guard_page(pool->guard, bottom, arena->guard_bytes);
    if (result != 0 && !pool->allow_unguarded) {
        *os_err_out = -result;
        return NULL;
    }
    slot->low = bottom + arena->guard_bytes;
    slot->high = top - index % COLOURS * COLOUR_BYTES;
    slot->arena = arena;
    if (arena->watch_numbers) {
        arena->watch_numbers[index] = ptk_sanitizer_stack_begin(slot->low, top);
    }
    return slot;
}

__attribute__((noinline)) static ptk_stack_slot_t *take_fresh(ptk_stack_pool_t *pool, size_t class_index,
                                                              int *os_err_out) {
    ptk_stack_arena_t *arena = pool->fresh[class_index];
    if (!arena) {
        arena = arena_create(pool, class_index, pool->slot_bytes << class_index, os_err_out);
        if (!arena) {
            return NULL;
        }
        pool->fresh[class_index] = arena;
    }
    size_t index = atomic_load_explicit(&arena->handed_out, memory_order_relaxed);
    ptk_stack_slot_t *slot = slot_first_use(pool, arena, index, os_err_out);
    if (slot) {
        atomic_store(&arena->handed_out, index + 1);
        pool->fresh[class_index] = index + 1 < arena->slot_count ? arena : NULL;
    }
    return slot;
}

__attribute__((noinline)) static ptk_stack_slot_t *take_large(ptk_stack_pool_t *pool, size_t bytes,
                                                              int *os_err_out) {
    size_t page_bytes = ptk_sys_real.page_bytes();
    size_t slot_bytes = (bytes + page_bytes - 1) & ~(page_bytes - 1);
    if (slot_bytes < bytes || slot_bytes > SIZE_MAX / 2) {
        *os_err_out = ENOMEM;
        return NULL;
    }
    ptk_stack_arena_t *arena = arena_create(pool, PTK_STACK_CLASSES, slot_bytes, os_err_out);
    if (!arena) {
        return NULL;
    }
    ptk_stack_slot_t *slot = slot_first_use(pool, arena, 0, os_err_out);
    if (!slot) {
        arena_unlink(pool, arena);
        arena_destroy(arena);
        return NULL;
    }
    atomic_store(&arena->handed_out, 1);
    return slot;
}

static ptk_stack_slot_t *take_warm(ptk_stack_pool_t *pool, size_t class_index) {
    ptk_stack_slot_t *slot = pool->free[class_index];
    const ptk_stack_arena_t *arena = slot->arena;
    pool->free[class_index] = slot->next_free;
    slot->low = arena->base + (size_t) (slot - arena->slots) * arena->slot_bytes + arena->guard_bytes;
    if (ptk_unlikely(arena->watch_numbers != NULL)) {
        ptk_sanitizer_stack_reset(slot->low, slot->high);
    }
    return slot;
}

ptk_stack_slot_t *ptk_stack_alloc(ptk_stack_pool_t *pool, size_t bytes, const ptk_stack_label_t *label,
                                  int *os_err_out) {
    size_t class_index = class_of(pool, bytes);
    ptk_stack_slot_t *slot;
    if (class_index == PTK_STACK_CLASSES) {
        slot = take_large(pool, bytes, os_err_out);
    } else if (ptk_likely(pool->free[class_index] != NULL)) {
        slot = take_warm(pool, class_index);
    } else {
        slot = take_fresh(pool, class_index, os_err_out);
    }
    if (slot) {
        ptk_assert(label != NULL);
        __atomic_store_n(&slot->label, label, __ATOMIC_RELAXED);
        pool->in_use++;
    }
    return slot;
}

void ptk_stack_free(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot) {
    ptk_stack_arena_t *arena = slot->arena;
    ptk_assert(slot->label != NULL && pool->in_use > 0);
    __atomic_store_n(&slot->label, NULL, __ATOMIC_RELAXED);
    pool->in_use--;
    if (ptk_unlikely(arena->class_index == PTK_STACK_CLASSES)) {
        arena_unlink(pool, arena);
        arena_destroy(arena);
        return;
    }
    slot->next_free = pool->free[arena->class_index];
    pool->free[arena->class_index] = slot;
}

/* --- How deep --- */

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
