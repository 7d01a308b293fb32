/* SPDX-License-Identifier: MIT */
/*
 * The arena of stacks (layer 1, internal to src/context): shared by the pool, the guards and the registry.
 */
#pragma once

#include "context/ptk_stack.h"
#include <stdatomic.h>

/* The record of an arena, at the low end of the mapping that also holds its slots. */
struct ptk_stack_arena {
    char *base; /* first byte of the slots */
    size_t slot_bytes;
    size_t guard_bytes;
    atomic_size_t allocated; /* slots below this index were allocated at least once, and have their guard */
    size_t slot_count;
    size_t class_index;      /* PTK_STACK_CLASSES: one large stack */
    size_t first_number;     /* slots that the class had before: the first slot's number in it */
    ptk_list_node_t in_pool; /* in ptk_stack_pool_t.arenas */
    _Atomic(ptk_stack_arena_t *) next_registered; /* in the registry */
    _Atomic(ptk_stack_arena_t *) *registered_at;  /* the link that points here; of writers only */
    size_t protected_guards;                      /* guards that use up mappings */
    ptk_stack_slot_t *cold;                       /* free slots without pages */
    size_t cold_count;                            /* of them */
    ptk_list_node_t in_cold;                      /* in ptk_stack_pool_t.cold while there are any */
    unsigned *watch_numbers; /* Valgrind's number per slot; NULL without sanitizers and Valgrind */
    ptk_stack_slot_t slots[];
};

/* Maps an arena and adds it to the pool and to the registry: one slot of `slot_bytes` for PTK_STACK_CLASSES,
 * else as many slots as the pool has of the class already, within limits. Returns it with no slot allocated;
 * NULL with the errno value in *os_err_out. */
ptk_stack_arena_t *ptk_stack_arena_create(ptk_stack_pool_t *pool, size_t class_index, size_t slot_bytes,
                                          int *os_err_out);

/* Removes an arena, of which no slot is in use or in a list of the pool, from the pool and the registry, and
 * unmaps it. However many arenas there are, its neighbours alone are touched. */
void ptk_stack_arena_destroy(ptk_stack_pool_t *pool, ptk_stack_arena_t *arena);
