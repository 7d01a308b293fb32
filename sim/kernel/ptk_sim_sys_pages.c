/* SPDX-License-Identifier: MIT */
/* Pages of a simulated host: those of the process, which no decision depends on. */
#include "sim/kernel/ptk_sim_sys_pages.h"

int ptk_sim_sys_map_stacks(size_t bytes, void **memory_out) {
    return ptk_sys_real.map_stacks(bytes, memory_out);
}

int ptk_sim_sys_unmap(void *memory, size_t bytes) {
    return ptk_sys_real.unmap(memory, bytes);
}

int ptk_sim_sys_protect_none(void *memory, size_t bytes) {
    return ptk_sys_real.protect_none(memory, bytes);
}

int ptk_sim_sys_guard_install(void *memory, size_t bytes) {
    return ptk_sys_real.guard_install(memory, bytes);
}

void ptk_sim_sys_discard(void *memory, size_t bytes) {
    ptk_sys_real.discard(memory, bytes);
}

size_t ptk_sim_sys_mapping_room(size_t *limit_out) {
    return ptk_sys_real.mapping_room(limit_out);
}

int ptk_sim_sys_resident(void *memory, size_t bytes, unsigned char *vector) {
    return ptk_sys_real.resident(memory, bytes, vector);
}

bool ptk_sim_sys_is_readable(const void *memory) {
    return ptk_sys_real.is_readable(memory);
}

size_t ptk_sim_sys_page_bytes(void) {
    return ptk_sys_real.page_bytes();
}
