/* SPDX-License-Identifier: MIT */
/*
 * Stacks (layer 1): arenas of slots, guards, warm reuse, and the high-water mark of a stack.
 *
 * A pool belongs to one loop and is used by its thread alone. Sizes, guard included, are rounded up to
 * power-of-two classes of slots from ptk_stack_default_bytes to 1 MiB; each class maps arenas of 1 MiB to 64
 * MiB on demand, and larger stacks get a mapping of their own. Freed slots are reused last in, first out, so
 * that they are warm; those that are not reused for long can be trimmed. The top of a slot is coloured: it
 * starts up to 15 x 64 bytes lower, by slot index, so that parked stacks do not share cache sets.
 *
 * A guard page is at the low end of every slot. The method is probed once per process: MADV_GUARD_INSTALL if
 * a guarded page faults (the kernel must return EFAULT when it reads the page), else mprotect, else none:
 * then allocation fails unless the pool allows unguarded stacks.
 */
#pragma once

#include "base/ptk_list.h"
#include "sys/ptk_sys.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The user of a stack, for the overflow report. Owned by the caller; valid as long as the stack is in use. */
typedef struct ptk_stack_label {
    const char *name;
    const char *file;
    int line;
} ptk_stack_label_t;

typedef enum ptk_stack_guard {
    PTK_STACK_GUARD_ADVICE,  /* MADV_GUARD_INSTALL */
    PTK_STACK_GUARD_PROTECT, /* mprotect: splits the mapping, so vm.max_map_count limits their number */
    PTK_STACK_GUARD_NONE,
} ptk_stack_guard_t;

#define PTK_STACK_CLASSES 5 /* 64, 128, 256, 512 KiB, 1 MiB */

typedef struct ptk_stack_slot ptk_stack_slot_t;
typedef struct ptk_stack_arena ptk_stack_arena_t;

/* One stack: the usable bytes are [low, high). A slot is in use (label set) or free. */
struct ptk_stack_slot {
    union {
        char *low;                   /* while in use */
        ptk_stack_slot_t *next_free; /* while free */
    };
    char *high;
    const ptk_stack_label_t *label; /* NULL while free */
    ptk_stack_arena_t *arena;
};

/* The free slots of a class that kept their pages. */
typedef struct ptk_stack_stock {
    uint32_t count;
    uint32_t least;   /* the lowest count since the last ptk_stack_pool_plan_trim */
    uint32_t surplus; /* of them, to be trimmed */
} ptk_stack_stock_t;

typedef struct ptk_stack_pool {
    ptk_stack_slot_t *free[PTK_STACK_CLASSES];   /* with pages, the last freed one first */
    ptk_stack_stock_t stock[PTK_STACK_CLASSES];  /* of `free` */
    ptk_list_t cold[PTK_STACK_CLASSES];          /* arenas with free slots without pages */
    size_t mapped[PTK_STACK_CLASSES];            /* slots of all arenas of the class */
    ptk_stack_arena_t *fresh[PTK_STACK_CLASSES]; /* the arena with slots that were never allocated, or NULL */
    ptk_list_t arenas;                           /* all arenas, by ptk_stack_arena_t.in_pool */
    size_t slot_bytes;                           /* of class 0 */
    size_t in_use;                               /* slots */
    ptk_stack_guard_t guard;
    bool allow_unguarded;
} ptk_stack_pool_t;

/* Returns the bytes of the smallest slot, guard included: 64 KiB; 256 KiB under sanitizers and at -O0. */
size_t ptk_stack_default_bytes(void);

/* Makes an empty pool and probes the guard (once per process). Maps nothing. */
void ptk_stack_pool_init(ptk_stack_pool_t *pool, bool allow_unguarded);

/* Unmaps all arenas. No stack is in use. */
void ptk_stack_pool_fini(ptk_stack_pool_t *pool);

/* Returns a stack whose slot has at least `bytes`, its guard included (0: the default). `label` is printed by
 * an overflow report. NULL: memory, mappings or guards are used up (all are NO_RESOURCES); the positive errno
 * value is in *os_err_out. */
ptk_stack_slot_t *ptk_stack_alloc(ptk_stack_pool_t *pool, size_t bytes, const ptk_stack_label_t *label,
                                  int *os_err_out);

/* Returns a stack to its pool. Not called on the stack itself. */
void ptk_stack_free(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot);

/* Returns a stack to its pool, and its pages to the system: for one that was not used for long. */
void ptk_stack_free_cold(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot);

/* Decides which free slots are to be trimmed: of each class those beyond `keep` that were free ever since the
 * last call. Returns whether there are any. */
bool ptk_stack_pool_plan_trim(ptk_stack_pool_t *pool, uint32_t keep);

/* Returns the pages of up to `most` of these slots to the system, and arenas of which no slot is in use or
 * has pages. Returns how many it has trimmed: fewer than `most` if none is left. */
size_t ptk_stack_pool_trim(ptk_stack_pool_t *pool, size_t most);

/* Returns whether a class has more than `keep` free slots with pages. */
bool ptk_stack_pool_is_stocked(const ptk_stack_pool_t *pool, uint32_t keep);

/* Returns the deepest use of [low, high) since it was mapped or trimmed, in bytes, by its lowest resident
 * page; 0 if unknown. */
size_t ptk_stack_high_water(const void *low, const void *high);
