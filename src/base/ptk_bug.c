/* SPDX-License-Identifier: MIT */
#include "base/ptk_bug.h"

#ifdef PTK_BUGS
unsigned ptk_bug;
#else
typedef int ptk_bug_none_t; /* a translation unit is never empty */
#endif
