/* SPDX-License-Identifier: MIT */
/*
 * Bugs that can be put back (floor 0): what the simulation is measured by.
 *
 * `if (PTK_MUTANT(12))` guards a bug that some event loop really shipped; the number is that of the pitfall.
 * In a build with PTK_MUTANTS the variable picks the one that is in force; in every other build the condition
 * is a constant, and nothing is left of it. tests/sim/mutants.txt says which scenario finds which within how
 * many seeds.
 */
#pragma once

#ifdef PTK_MUTANTS
extern unsigned ptk_mutant;
#define PTK_MUTANT(number) (ptk_mutant == (number))
#else
#define PTK_MUTANT(number) 0
#endif
