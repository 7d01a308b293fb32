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
 * Returns the reading of the monotonic clock (CLOCK_MONOTONIC: it never steps, and does not count while the
 * machine is suspended); under simulation, virtual time.
 *
 * @return nanoseconds since an arbitrary point.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API uint64_t ptk_now_ns(void);

#ifdef __cplusplus
}
#endif
