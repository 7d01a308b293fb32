/* SPDX-License-Identifier: MIT */
#pragma once

#include "bench_run.h"

/* Writes all rounds of all results to a file. False: the file could not be written whole. */
bool bench_json_write(const char *path, const bench_options_t *options, const bench_result_t *results,
                      size_t count);
