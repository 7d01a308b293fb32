/* SPDX-License-Identifier: MIT */
/*
 * Allocation for the simulator itself; see the header for why it never fails.
 */
#include "sim/kernel/ptk_sim_memory.h"

#include "base/ptk_log_impl.h"
#include "sys/ptk_sys.h"
#include <string.h>

/* Ends the process if there is no memory: a run that continued would not be the seed's. */
void *ptk_sim_reallocate(void *memory, size_t bytes) {
    void *fresh = ptk_sys_real.heap_reallocate(memory, bytes);
    if (!fresh) {
        ptk_report("out of memory in the simulator (%zu bytes)", bytes);
        ptk_sys_real.abort();
    }
    return fresh;
}

/* Zeroed memory keeps runs deterministic: a forgotten member has the same value in each. */
void *ptk_sim_allocate(size_t bytes) {
    void *memory = ptk_sim_reallocate(NULL, bytes);
    memset(memory, 0, bytes);
    return memory;
}

void ptk_sim_free(void *memory) {
    ptk_sys_real.heap_free(memory);
}
