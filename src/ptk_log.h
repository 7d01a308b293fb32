/* SPDX-License-Identifier: MIT */
/**
 * @file ptk_log.h
 * The log sink (what ptk has to say while it runs) and the report sink (dumps and last words).
 */
#pragma once

#include <ptk_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How grave a line of the log is. */
typedef enum ptk_log_level {
    PTK_LOG_ERROR = 0,
    PTK_LOG_WARNING = 1,
    PTK_LOG_INFO = 2,
} ptk_log_level_t;

/** Takes one line without its newline. May be called from any thread; must not call ptk. */
typedef void (*ptk_log_sink_t)(void *context, ptk_log_level_t level, const char *line);

/** Takes one line of a report (a dump, a deadlock report), without its newline. */
typedef void (*ptk_report_sink_t)(void *context, const char *line);

/**
 * Where log lines go; NULL goes back to the default, "ptk: ..." on standard error. Process-wide; set it
 * before loops exist. Never parks; any one thread.
 */
PTK_API void ptk_log_set_sink(ptk_log_sink_t sink, void *context);

/**
 * Where reports go; NULL goes back to standard error. Process-wide; set it before loops exist. Never parks;
 * any one thread. The stack-overflow report does not pass here: it is written to standard error from a signal
 * handler.
 */
PTK_API void ptk_log_set_report_sink(ptk_report_sink_t sink, void *context);

#ifdef __cplusplus
}
#endif
