/* SPDX-License-Identifier: MIT */
/*
 * Reading a public option struct (layer 0). Each begins with `uint32_t struct_size`: the size that the caller
 * was compiled with, which may be smaller or larger than this library's.
 */
#pragma once

#include <ptk_err.h>

/* Copies `options` into *copy_out, which has `known_bytes`; fields that the caller's struct lacks become
 * zero. Returns INVALID_PARAM, and records nothing, if struct_size is too small to hold itself, or if a byte
 * beyond `known_bytes` is not zero: the caller set an option that this library does not have. */
ptk_err ptk_options_copy(void *copy_out, size_t known_bytes, const void *options);
