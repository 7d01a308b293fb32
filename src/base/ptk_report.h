/* SPDX-License-Identifier: MIT */
/* One formatted line to the log or to the report sink (layer 0). Lines are cut at 512 bytes. Any thread. */
#pragma once

#include <ptk_log.h>

void ptk_log(ptk_log_level_t level, const char *format, ...) PTK_PRINTF(2, 3);
void ptk_report(const char *format, ...) PTK_PRINTF(1, 2);
