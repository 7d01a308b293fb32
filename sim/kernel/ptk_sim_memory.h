/* SPDX-License-Identifier: MIT */
/*
 * The simulator's own memory: never from the heap of a simulated host, and never refused.
 *
 * The simulation of a program that runs out of memory must not itself run out. Without memory for the
 * simulator there is no simulation, so it reports that and ends the process.
 */
#pragma once

#include <stddef.h>

/* Returns zeroed memory; never NULL. */
void *ptk_sim_allocate(size_t bytes);
/* As realloc(3); never NULL. What is added is not zeroed. */
void *ptk_sim_reallocate(void *memory, size_t bytes);
/* Frees memory of the two functions above. NULL is allowed. */
void ptk_sim_free(void *memory);
