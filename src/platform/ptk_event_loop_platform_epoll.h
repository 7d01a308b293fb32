/* SPDX-License-Identifier: MIT */
#pragma once

#include "platform/ptk_platform.h"

/* Linux epoll(7) (layer 2). */
extern const ptk_platform_ops_t ptk_platform_epoll;
