/* SPDX-License-Identifier: MIT */
/* The platform of simulated hosts (floor 2). It is in no list of platforms: a host's thread block names it.
 */
#pragma once

#include "ptk_event_loop_platform_impl.h"

extern const ptk_platform_ops_t ptk_platform_sim;
