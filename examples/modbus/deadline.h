/* SPDX-License-Identifier: MIT */
/**
 * @file deadline.h
 * One time limit over several calls: fix the point in time once, and give each call what is left until then.
 */
#pragma once

#include <ptk.h>

/** The point in time `timeout_ms` from now; PTK_TIME_NEVER for PTK_TIMEOUT_INFINITE. */
static inline uint64_t deadline_after_ms(uint32_t timeout_ms) {
    return timeout_ms == PTK_TIMEOUT_INFINITE ? PTK_TIME_NEVER : ptk_now_ns() + timeout_ms * PTK_NS_PER_MS;
}

/** What is left, rounded up so that it is never too early; 0 when it has passed. */
static inline uint32_t deadline_left_ms(uint64_t deadline_ns) {
    if (deadline_ns == PTK_TIME_NEVER) {
        return PTK_TIMEOUT_INFINITE;
    }
    uint64_t now_ns = ptk_now_ns();
    if (now_ns >= deadline_ns) {
        return 0;
    }
    uint64_t left_ms = (deadline_ns - now_ns + PTK_NS_PER_MS - 1) / PTK_NS_PER_MS;
    return left_ms < PTK_TIMEOUT_INFINITE ? (uint32_t) left_ms : PTK_TIMEOUT_INFINITE - 1;
}
