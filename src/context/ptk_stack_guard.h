/* SPDX-License-Identifier: MIT */
/* Guard pages of stacks, and the probe for the method that works (layer 1). Any thread. */
#pragma once

#include "context/ptk_stack.h"

/* Returns the kind of guard that this process uses. Probes once. */
ptk_stack_guard_t ptk_stack_guard_kind(void);

/* Makes `bytes` at `memory`, one page, fault on access. Returns 0 or a negative errno value. Where the advice
 * fails, the page is protected instead. Adds 1 to *protected_count for a page that is protected. -ENOMEM also
 * if the program would have too few mappings left. */
int ptk_stack_guard_page(ptk_stack_guard_t kind, void *memory, size_t bytes, size_t *protected_count);

/* Returns the room of so many protected pages, which were unmapped. */
void ptk_stack_guard_forget(size_t protected_count);

/* Returns the kind of guard that works under a system table: the probe itself, which tests call with a table
 * of their own. */
ptk_stack_guard_t ptk_stack_probe_guard(const ptk_sys_t *sys);
