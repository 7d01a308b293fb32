/* SPDX-License-Identifier: MIT */
/**
 * @file deadline.h
 * One time limit for several calls: compute the deadline once, and give each call the time that is left.
 */
#pragma once

#include <ptk.h>

/** Returns the deadline `timeout_ms` from now; PTK_TIME_NEVER for PTK_TIMEOUT_INFINITE. */
static inline uint64_t deadline_after_ms(uint32_t timeout_ms) {
    return timeout_ms == PTK_TIMEOUT_INFINITE ? PTK_TIME_NEVER : ptk_now_ns() + timeout_ms * PTK_NS_PER_MS;
}

/** Returns the time that is left, rounded up so that no timeout is too early; 0 when the deadline has passed.
 */
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
