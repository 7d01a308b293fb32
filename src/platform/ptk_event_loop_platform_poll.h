/* SPDX-License-Identifier: MIT */
#pragma once

#include "platform/ptk_platform.h"

/* poll(2), for any POSIX system (layer 2). */
extern const ptk_platform_ops_t ptk_platform_poll;
