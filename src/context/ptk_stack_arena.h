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
    size_t class_index;                           /* PTK_STACK_CLASSES: one large stack */
    ptk_list_node_t in_pool;                      /* in ptk_stack_pool_t.arenas */
    _Atomic(ptk_stack_arena_t *) next_registered; /* in the registry */
    _Atomic(ptk_stack_arena_t *) *registered_at;  /* the link that points here; of writers only */
    unsigned *watch_numbers; /* Valgrind's number per slot; NULL without sanitizers and Valgrind */
    ptk_stack_slot_t slots[];
};
