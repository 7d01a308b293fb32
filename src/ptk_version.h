/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_version.h
 * The version of ptk.
 */
#pragma once

#include <ptk_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Changes when programs must be changed. */
#define PTK_VERSION_MAJOR 0
/** Changes when something is added. */
#define PTK_VERSION_MINOR 1
/** Changes when something is mended. */
#define PTK_VERSION_PATCH 0

/** The version of the headers as one number that grows, for `#if PTK_VERSION_NUMBER >= 200`: major * 10000 +
 * minor * 100 + patch. */
#define PTK_VERSION_NUMBER (PTK_VERSION_MAJOR * 10000 + PTK_VERSION_MINOR * 100 + PTK_VERSION_PATCH)

/**
 * Returns the version of the library at run time.
 *
 * @return "MAJOR.MINOR.PATCH", a static string.
 *
 * Parks: no. \n
 * Thread: any.
 */
PTK_API const char *ptk_version(void);

#ifdef __cplusplus
}
#endif
