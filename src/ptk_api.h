/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_api.h
 * How ptk's symbols are exported, and the few compiler attributes that public headers need.
 */
#pragma once

/** @def PTK_API
 * Marks what the library exports. */
#if defined(_WIN32)
#if defined(PTK_BUILDING_SHARED)
#define PTK_API __declspec(dllexport)
#else
#define PTK_API
#endif
#elif defined(__GNUC__)
#define PTK_API __attribute__((visibility("default")))
#else
#define PTK_API
#endif

/** @def PTK_NODISCARD
 * Makes the compiler warn where the result of a call is dropped. It stands on every function that returns an
 * error or a new object. PTK_IGNORE() drops a result on purpose. */
#if defined(__GNUC__)
#define PTK_NODISCARD __attribute__((warn_unused_result))
#elif defined(_MSC_VER)
#include <sal.h>
#define PTK_NODISCARD _Check_return_
#else
#define PTK_NODISCARD
#endif

/** Drops the result of a PTK_NODISCARD call on purpose: `PTK_IGNORE(ptk_green_cancel(green));`. A cast to
 * void does not silence gcc. The reason belongs beside the call. */
#define PTK_IGNORE(expression) ((void) !(expression))

/** @def PTK_PRINTF
 * Lets the compiler check a format string against its arguments. */
#if defined(__GNUC__)
#define PTK_PRINTF(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#else
#define PTK_PRINTF(format_index, first_arg)
#endif
