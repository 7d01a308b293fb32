/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_time.h
 * Time: unsigned 64-bit nanoseconds on a monotonic clock that does not step; sums saturate.
 */
#pragma once

#include <ptk_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** No limit: for every `timeout_ms` argument. */
#define PTK_TIMEOUT_INFINITE UINT32_MAX

/** A point in time that never comes. */
#define PTK_TIME_NEVER UINT64_MAX

/** Nanoseconds in a millisecond. */
#define PTK_NS_PER_MS UINT64_C(1000000)

/**
 * The monotonic clock in nanoseconds (CLOCK_MONOTONIC: it does not count while the machine is suspended, and
 * never steps); under simulation, virtual time. Never parks; any thread.
 */
PTK_API uint64_t ptk_now_ns(void);

#ifdef __cplusplus
}
#endif
