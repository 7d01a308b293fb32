/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_version.h
 * Which ptk this is.
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

/** The version of the library at run time, "MAJOR.MINOR.PATCH". Never parks; any thread; the string is
 * static. */
PTK_API const char *ptk_version(void);

#ifdef __cplusplus
}
#endif
