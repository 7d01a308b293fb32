/* SPDX-License-Identifier: MIT */
/* The process-wide registry of stack arenas, for the overflow handler (layer 1). */
#pragma once

#include "context/ptk_stack.h"

/* Adds an arena, so that ptk_stack_find_guard finds its guard pages. Any thread, not a signal handler. */
void ptk_stack_registry_add(ptk_stack_arena_t *arena);

/* Removes an arena. When it returns, no signal handler reads the arena any more. Any thread, not a signal
 * handler. */
void ptk_stack_registry_remove(ptk_stack_arena_t *arena);

/* Finds the slot whose guard page holds `address`, of any loop of the process. Returns false if there is
 * none. The label's name is "(free stack)" for a slot that is not in use. Async-signal-safe. */
bool ptk_stack_find_guard(const void *address, ptk_stack_label_t *label_out, size_t *stack_bytes_out);
