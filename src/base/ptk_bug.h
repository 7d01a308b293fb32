/* SPDX-License-Identifier: MIT */
/*
 * Bugs that can be put back (layer 0): what the simulation is measured by.
 *
 * `if (PTK_BUG(12))` guards a bug that some event loop really shipped; the number is that of the pitfall.
 * In a build with PTK_BUGS the variable picks the one that is in force; in every other build the condition
 * is a constant, and nothing is left of it. tests/sim/mutants.txt says which scenario finds which within how
 * many seeds.
 */
#pragma once

#ifdef PTK_BUGS
extern unsigned ptk_bug;
#define PTK_BUG(number) (ptk_bug == (number))
#else
#define PTK_BUG(number) 0
#endif
