/* SPDX-License-Identifier: MIT */
/*
 * Stacks (layer 1): arenas of slots, guards, warm reuse, and how deep a stack has been.
 *
 * A pool belongs to one loop. Sizes, guard included, are rounded up to power-of-two classes of slots from
 * ptk_stack_default_bytes to 1 MiB; each class maps arenas of up to 1,024 slots on demand (fewer for larger
 * classes), and larger stacks get a mapping of their own. Freed slots are reused last in, first out, so that
 * they are warm. The top of a slot is coloured: it starts up to 15 x 64 bytes lower, by slot index, so that
 * parked stacks do not share cache sets.
 *
 * A guard page lies at the low end of every slot. How it is made is probed once per process:
 * MADV_GUARD_INSTALL if a guarded page really faults (the kernel must answer EFAULT when it reads the page),
 * else mprotect, else none: then stacks are refused unless the pool allows unguarded ones.
 */
#pragma once

#include "sys/ptk_sys.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who uses a stack, for the overflow report; it lives as long as the stack is in use. */
typedef struct ptk_stack_label {
    const char *name;
    const char *file;
    int line;
} ptk_stack_label_t;

typedef enum ptk_stack_guard {
    PTK_STACK_GUARD_ADVICE,  /* MADV_GUARD_INSTALL */
    PTK_STACK_GUARD_PROTECT, /* mprotect: splits the mapping, so vm.max_map_count limits how many */
    PTK_STACK_GUARD_NONE,
} ptk_stack_guard_t;

#define PTK_STACK_CLASSES 5 /* 64, 128, 256, 512 KiB, 1 MiB */

typedef struct ptk_stack_slot ptk_stack_slot_t;
typedef struct ptk_stack_arena ptk_stack_arena_t;

/* One stack: the usable bytes are [low, high). */
struct ptk_stack_slot {
    union {
        char *low;                   /* while in use */
        ptk_stack_slot_t *next_free; /* while free */
    };
    char *high;
    const ptk_stack_label_t *label; /* NULL while free */
    ptk_stack_arena_t *arena;
};

typedef struct ptk_stack_pool {
    ptk_stack_slot_t *free[PTK_STACK_CLASSES];
    ptk_stack_arena_t *fresh[PTK_STACK_CLASSES]; /* the one with slots that were never handed out */
    ptk_stack_arena_t *arenas;                   /* all, newest first */
    size_t slot_bytes;                           /* of class 0 */
    size_t in_use;
    ptk_stack_guard_t guard;
    bool allow_unguarded;
} ptk_stack_pool_t;

/* Bytes of the smallest slot, guard included: 64 KiB; 256 KiB under sanitizers and at -O0. */
size_t ptk_stack_default_bytes(void);

/* Probes the guard (once per process) and readies an empty pool; maps nothing. */
void ptk_stack_pool_init(ptk_stack_pool_t *pool, bool allow_unguarded);

/* Unmap everything; no stack may be in use. */
void ptk_stack_pool_fini(ptk_stack_pool_t *pool);

/* A stack whose slot has at least `bytes`, its guard among them (0: the default). `label` is what an overflow
   report prints. NULL: out of memory, mappings or guards (each is NO_RESOURCES); the errno value is in
   *os_err_out. */
ptk_stack_slot_t *ptk_stack_alloc(ptk_stack_pool_t *pool, size_t bytes, const ptk_stack_label_t *label,
                                  int *os_err_out);

/* Back to the pool. Not from the stack itself. */
void ptk_stack_free(ptk_stack_pool_t *pool, ptk_stack_slot_t *slot);

/* The deepest use of [low, high) since it was mapped, in bytes: its lowest resident page; 0 if unknown. */
size_t ptk_stack_high_water(const void *low, const void *high);

/* Which guarded slot's guard page holds `address`? For the overflow handler: async-signal-safe, process-wide.
   False if none. label_out->name is "(free stack)" for a slot not in use. */
bool ptk_stack_find_guard(const void *address, ptk_stack_label_t *label_out, size_t *stack_bytes_out);

/* Which kind of guard holds under this system table: the probe behind ptk_stack_pool_init, for tests with a
   fake one. */
ptk_stack_guard_t ptk_stack_probe_guard(const ptk_sys_t *sys);
