/* SPDX-License-Identifier: MIT */
/*
 * An arena is one mapping: its record, which has a descriptor per slot, and equal slots. So a parked stack
 * costs no page but those that it has used, and the number of slots shows in no allocation. The record is at
 * the low end, where the guard of the first slot protects it from an overflow.
 *
 * A slot is fresh (its index is not below `allocated`; no guard yet), in use (label set), or free (in the
 * free list of its class) or cold (free and without pages, in the list of its arena). Slots are allocated by
 * index the first time, when the guard is installed and sanitizers are notified, and through the lists
 * afterwards; a freed slot keeps its pages, its guard and its position in the arena. `low` of a free slot is
 * overwritten by the link of the list, and is computed again on allocation.
 *
 *     fresh  --alloc-->  in use  --free-->  free  --alloc-->  in use
 *                                           free  --trim-->   cold  --alloc-->  in use
 *
 * An arena is unmapped when all its allocated slots are cold, when its pool ends, or, if it is that of one
 * large stack, with that stack.
 */
#include "context/ptk_stack_arena.h"

#include "base/ptk_assert.h"
#include "base/ptk_log_impl.h"
#include "context/ptk_sanitizer.h"
#include "context/ptk_stack_guard.h"
#include <errno.h>
#include <string.h>

#define STACK_CLASS_BYTES_MAX ((size_t) 1024 * 1024)
#define STACK_COLOURS         16
#define STACK_COLOUR_BYTES    64

/* A pool without usable guards is logged here, once per loop; each later allocation then fails with ENOMEM.
 */
void ptk_stack_pool_init(ptk_stack_pool_t *pool, bool allow_unguarded) {
    memset(pool, 0, sizeof *pool);
    ptk_list_init(&pool->arenas);
    for (size_t i = 0; i < PTK_STACK_CLASSES; i++) {
        ptk_list_init(&pool->cold[i]);
    }
    pool->slot_bytes = ptk_stack_default_bytes();
    pool->guard = ptk_stack_guard_kind();
    pool->allow_unguarded = allow_unguarded;
    if (pool->guard == PTK_STACK_GUARD_NONE && !allow_unguarded) {
        ptk_log(PTK_LOG_ERROR,
                "this system has no working guard pages, and the options do not allow unguarded stacks");
    }
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

void ptk_stack_pool_fini(ptk_stack_pool_t *pool) {
    ptk_assert(pool->in_use == 0);
    ptk_list_node_t *node;
    while ((node = ptk_list_first(&pool->arenas)) != NULL) {
        ptk_stack_arena_destroy(pool, ptk_container_of(node, ptk_stack_arena_t, in_pool));
    }
    for (size_t i = 0; i < PTK_STACK_CLASSES; i++) {
        pool->free[i] = NULL;
        pool->fresh[i] = NULL;
        pool->stock[i] = (ptk_stack_stock_t) {0};
        ptk_list_init(&pool->cold[i]);
    }
}

/* --- slots --- */

/* Installs the guard of the fresh slot at `index` and returns the slot; NULL if no guard can be installed. */
static ptk_stack_slot_t *stack_slot_init(const ptk_stack_pool_t *pool, ptk_stack_arena_t *arena, size_t index,
                                         int *os_err_out) {
    ptk_assert(index < arena->slot_count && !arena->slots[index].arena);
    ptk_stack_slot_t *slot = &arena->slots[index];
    char *bottom = arena->base + index * arena->slot_bytes;
    char *top = bottom + arena->slot_bytes;
    int result = ptk_stack_guard_page(pool->guard, bottom, arena->guard_bytes, &arena->protected_guards);
    if (result != 0 && !pool->allow_unguarded) {
        *os_err_out = -result;
        return NULL;
    }
    slot->low = bottom + arena->guard_bytes;
    slot->high = top - (arena->first_number + index) % STACK_COLOURS * STACK_COLOUR_BYTES;
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
        arena = ptk_stack_arena_create(pool, class_index, pool->slot_bytes << class_index, os_err_out);
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
    ptk_stack_arena_t *arena = ptk_stack_arena_create(pool, PTK_STACK_CLASSES, slot_bytes, os_err_out);
    if (!arena) {
        return NULL;
    }
    ptk_stack_slot_t *slot = stack_slot_init(pool, arena, 0, os_err_out);
    if (!slot) {
        ptk_stack_arena_destroy(pool, arena);
        return NULL;
    }
    atomic_store(&arena->allocated, 1);
    return slot;
}

/* Returns the lowest usable byte of a slot. */
static char *stack_slot_low(const ptk_stack_slot_t *slot) {
    const ptk_stack_arena_t *arena = slot->arena;
    return arena->base + (size_t) (slot - arena->slots) * arena->slot_bytes + arena->guard_bytes;
}

/* Prepares a slot that was taken off a list for its next use. */
static void stack_slot_reuse(ptk_stack_slot_t *slot) {
    ptk_assert(slot->label == NULL);
    slot->low = stack_slot_low(slot);
    if (ptk_unlikely(slot->arena->watch_numbers != NULL)) {
        ptk_sanitizer_stack_reset(slot->low, slot->high);
    }
}

/* Takes the slot of a class that was freed last off the list. There is one. */
static ptk_stack_slot_t *stack_take_free(ptk_stack_pool_t *pool, size_t class_index) {
    ptk_stack_slot_t *slot = pool->free[class_index];
    ptk_stack_stock_t *stock = &pool->stock[class_index];
    ptk_assert(slot->arena->class_index == class_index && stock->count > 0);
    pool->free[class_index] = slot->next_free;
    stock->count--;
    stock->least = stock->count < stock->least ? stock->count : stock->least;
    return slot;
}

static ptk_stack_slot_t *stack_alloc_warm(ptk_stack_pool_t *pool, size_t class_index) {
    ptk_stack_slot_t *slot = stack_take_free(pool, class_index);
    stack_slot_reuse(slot);
    return slot;
}

/* Returns a cold slot of a class. There is one. */
static ptk_stack_slot_t *stack_alloc_cold(ptk_list_t *cold) {
    ptk_stack_arena_t *arena = ptk_container_of(ptk_list_first(cold), ptk_stack_arena_t, in_cold);
    ptk_stack_slot_t *slot = arena->cold;
    ptk_assert(slot != NULL && arena->cold_count > 0);
    arena->cold = slot->next_free;
    if (--arena->cold_count == 0) {
        ptk_list_remove(&arena->in_cold);
    }
    stack_slot_reuse(slot);
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
    } else if (!ptk_list_is_empty(&pool->cold[class_index])) {
        slot = stack_alloc_cold(&pool->cold[class_index]);
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

/* Ends the use of a slot. The label is cleared before the slot is linked, so a fault in its guard is reported
 * as that of a free stack. */
static void stack_end_use(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot) {
    ptk_assert(slot->label != NULL && pool->in_use > 0);
    ptk_assert_debug((size_t) (slot - slot->arena->slots) < atomic_load(&slot->arena->allocated));
    __atomic_store_n(&slot->label, NULL, __ATOMIC_RELAXED);
    pool->in_use--;
}

void ptk_stack_free(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot) {
    ptk_stack_arena_t *arena = slot->arena;
    stack_end_use(pool, slot);
    if (ptk_unlikely(arena->class_index == PTK_STACK_CLASSES)) {
        ptk_stack_arena_destroy(pool, arena);
        return;
    }
    slot->next_free = pool->free[arena->class_index];
    pool->free[arena->class_index] = slot;
    pool->stock[arena->class_index].count++;
}

/* --- trimming --- */

/* Unmaps an arena of which all allocated slots are cold. */
static void stack_drop_arena(ptk_stack_pool_t *pool, ptk_stack_arena_t *arena) {
    ptk_assert(arena->cold_count == atomic_load(&arena->allocated));
    ptk_list_remove(&arena->in_cold);
    if (pool->fresh[arena->class_index] == arena) {
        pool->fresh[arena->class_index] = NULL;
    }
    ptk_stack_arena_destroy(pool, arena);
}

/* Returns the pages of a slot that is in no list to the system. */
static void stack_chill(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot) {
    ptk_stack_arena_t *arena = slot->arena;
    char *low = stack_slot_low(slot);
    ptk_sys_real.discard(low, arena->slot_bytes - arena->guard_bytes);
    slot->next_free = arena->cold;
    arena->cold = slot;
    if (arena->cold_count++ == 0) {
        ptk_list_append(&pool->cold[arena->class_index], &arena->in_cold);
    }
    if (arena->cold_count == atomic_load(&arena->allocated)) {
        stack_drop_arena(pool, arena);
    }
}

void ptk_stack_free_cold(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot) {
    if (slot->arena->class_index == PTK_STACK_CLASSES) {
        ptk_stack_free(pool, slot);
        return;
    }
    stack_end_use(pool, slot);
    stack_chill(pool, slot);
}

bool ptk_stack_pool_plan_trim(ptk_stack_pool_t *pool, uint32_t keep) {
    bool any = false;
    for (size_t i = 0; i < PTK_STACK_CLASSES; i++) {
        ptk_stack_stock_t *stock = &pool->stock[i];
        stock->surplus = stock->least > keep ? stock->least - keep : 0;
        stock->least = stock->count;
        any = any || stock->surplus > 0;
    }
    return any;
}

size_t ptk_stack_pool_trim(ptk_stack_pool_t *pool, size_t most) {
    size_t trimmed = 0;
    for (size_t i = 0; i < PTK_STACK_CLASSES; i++) {
        ptk_stack_stock_t *stock = &pool->stock[i];
        for (; stock->surplus > 0 && stock->count > 0 && trimmed < most; trimmed++) {
            stock->surplus--;
            stack_chill(pool, stack_take_free(pool, i));
        }
        stock->surplus = stock->count > 0 ? stock->surplus : 0;
    }
    return trimmed;
}

bool ptk_stack_pool_is_stocked(const ptk_stack_pool_t *pool, uint32_t keep) {
    bool any = false;
    for (size_t i = 0; i < PTK_STACK_CLASSES; i++) {
        any = any || pool->stock[i].count > keep;
    }
    return any;
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
