/* SPDX-License-Identifier: MIT */
/* The platform of simulated hosts. It is in no list of platforms: a host's thread block refers to it.
 */
#pragma once

#include "platform/ptk_platform.h"

extern const ptk_platform_ops_t ptk_platform_sim;
