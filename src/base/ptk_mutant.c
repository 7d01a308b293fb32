/* SPDX-License-Identifier: MIT */
#include "base/ptk_mutant.h"

#ifdef PTK_MUTANTS
unsigned ptk_mutant;
#else
typedef int ptk_mutant_none_t; /* a translation unit is never empty */
#endif
