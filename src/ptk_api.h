/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_api.h
 * How ptk's symbols are exported, and the few compiler words that public headers need.
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

/** @def PTK_PRINTF
 * Lets the compiler check a format string against its arguments. */
#if defined(__GNUC__)
#define PTK_PRINTF(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#else
#define PTK_PRINTF(format_index, first_arg)
#endif
