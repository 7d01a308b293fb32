/* SPDX-License-Identifier: MIT */
/*
 * The simulator's own memory (layer 0): never from the heap of a simulated host, and never short. The
 * simulation of a program that runs out of memory must not itself run out: without memory for the simulator
 * there is no simulation, so it says so and ends the process.
 */
#pragma once

#include <stddef.h>

/* Zeroed. */
void *ptk_sim_allocate(size_t bytes);
void *ptk_sim_reallocate(void *memory, size_t bytes);
void ptk_sim_free(void *memory);
