/* SPDX-License-Identifier: MIT */
#include <ptk_time.h>

#include "base/ptk_thread.h"

uint64_t ptk_now_ns(void) {
    return ptk_sys()->now_ns();
}
