/* SPDX-License-Identifier: MIT */
/* The entries of ptk_sim_sys for pages: ptk_sim_sys_pages.c. */
#pragma once

#include "sys/ptk_sys.h"

int ptk_sim_sys_map_stacks(size_t bytes, void **memory_out);
int ptk_sim_sys_unmap(void *memory, size_t bytes);
int ptk_sim_sys_protect_none(void *memory, size_t bytes);
int ptk_sim_sys_guard_install(void *memory, size_t bytes);
void ptk_sim_sys_discard(void *memory, size_t bytes);
size_t ptk_sim_sys_mapping_room(size_t *limit_out);
int ptk_sim_sys_resident(void *memory, size_t bytes, unsigned char *vector);
bool ptk_sim_sys_is_readable(const void *memory);
size_t ptk_sim_sys_page_bytes(void);
