/* SPDX-License-Identifier: MIT */
/* What the parts of ptk_stack.h share (layer 1): the arena, its guards, and the process-wide registry of
   arenas. */
#pragma once

#include "context/ptk_stack.h"
#include <stdatomic.h>

/* At the low end of its mapping. */
struct ptk_stack_arena {
    char *base; /* of the slots */
    size_t slot_bytes;
    size_t guard_bytes;
    atomic_size_t handed_out; /* slots below this index have been handed out at least once */
    size_t slot_count;
    size_t class_index;      /* PTK_STACK_CLASSES: one large stack */
    ptk_stack_arena_t *next; /* of the pool */
    _Atomic(ptk_stack_arena_t *) next_registered;
    unsigned *watch_numbers; /* per slot, NULL if nobody watches */
    ptk_stack_slot_t slots[];
};

/* Which guard this process uses; probed once. */
ptk_stack_guard_t ptk_stack_guard_kind(void);

/* Guard one page at `memory`. 0 or a negative errno value; advice that fails gives way to protection. */
int ptk_stack_guard_page(ptk_stack_guard_t kind, void *memory, size_t bytes);

/* Make an arena findable by ptk_stack_find_guard; take it out again, after which no handler looks at it any
   more. */
void ptk_stack_registry_add(ptk_stack_arena_t *arena);
void ptk_stack_registry_remove(ptk_stack_arena_t *arena);
