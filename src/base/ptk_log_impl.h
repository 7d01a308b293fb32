/* SPDX-License-Identifier: MIT */
/*
 * One formatted line to the log sink or to the report sink (layer 0). A line is cut at 511 bytes. Any thread.
 * The public part, which sets the sinks, is <ptk_log.h>.
 */
#pragma once

#include <ptk_log.h>

/* Writes one line to the log sink; by default "ptk: LINE" to standard error, 100 lines per second at most.
 * Neither function waits for standard error: see ptk_log.c. */
void ptk_log(ptk_log_level_t level, const char *format, ...) PTK_PRINTF(2, 3);

/* Writes one line to the report sink; by default the bare line to standard error. */
void ptk_report(const char *format, ...) PTK_PRINTF(1, 2);

/* Logs each system call that a filter denies and that ptk replaces, once per process. */
void ptk_log_denied(void);
